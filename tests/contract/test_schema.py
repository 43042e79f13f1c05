"""The published schema agrees with the parser, because both come from one declaration; this proves it on examples."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest

from mainspring.contract.metric import METRICS
from mainspring.contract.schema import schema
from tests.contract.test_parse import FULL


def _accepts(shape: dict[str, Any], value: object) -> bool:
    """The part of JSON Schema that the published schema uses."""
    if "anyOf" in shape:
        return any(_accepts(option, value) for option in shape["anyOf"])
    if "enum" in shape:
        return value in shape["enum"]
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    python = {"string": str, "number": int | float, "integer": int, "boolean": bool, "array": list, "object": dict}
    if not any(
        isinstance(value, python[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds
    ):
        return False
    if isinstance(value, list):
        return all(_accepts(shape["items"], item) for item in value)
    if isinstance(value, dict):
        known, other = shape.get("properties", {}), shape.get("additionalProperties", True)
        return all(name in value for name in shape.get("required", [])) and all(
            _accepts(known[name], item) if name in known else isinstance(other, dict) and _accepts(other, item)
            for name, item in value.items()
        )
    return True


def test_the_full_example_is_accepted() -> None:
    tree = tomllib.loads(FULL)
    tree["columns"]["signup"]["minimum"] = "2020-01-01"  # editors see TOML dates as texts
    assert _accepts(schema(), tree)


@pytest.mark.parametrize(
    "text", ["[project]\nname = 'a'\n", "[projekt]\n", "[project]\nname='a'\ntask='x'\ntarget='y'\n"]
)
def test_what_the_parser_refuses_is_refused(text: str) -> None:
    assert not _accepts(schema(), tomllib.loads(text))


def test_every_key_has_a_help_text_and_every_metric_is_offered() -> None:
    published = schema()
    assert published["properties"]["require"]["items"]["properties"]["metric"]["enum"] == list(METRICS)
    for section in published["properties"].values():
        table = section.get("items", section)
        table = table.get("additionalProperties") or table
        assert all(key["description"] for key in table["properties"].values())
    assert msgspec.json.decode(msgspec.json.encode(published)) == published
