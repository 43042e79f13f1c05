"""The JSON schema of mainspring.toml, for editors that complete and check TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.contract.sections import LISTS, SECTIONS, TABLES_BY_NAME

if TYPE_CHECKING:
    from mainspring.contract.keys import Section


def schema() -> dict[str, Any]:
    """The schema (JSON Schema 2020-12), made from the same declaration that parses the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mainspring.toml",
        "description": "The contract of a Mainspring project",
        "type": "object",
        "additionalProperties": False,
        "required": ["project"],
        "properties": {name: _shape(name, _table(section)) for name, section in SECTIONS.items()},
    }


def _shape(name: str, table: dict[str, Any]) -> dict[str, Any]:
    if name in TABLES_BY_NAME:
        return {"type": "object", "additionalProperties": table}
    return {"type": "array", "items": table} if name in LISTS else table


def _table(section: Section) -> dict[str, Any]:
    table: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": key.help} | key.kind.schema for name, key in section.items()},
    }
    needed = [name for name, key in section.items() if key.needed]
    return table | ({"required": needed} if needed else {})
