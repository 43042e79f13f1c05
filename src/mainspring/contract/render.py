"""From a Contract back to TOML text, and to plain values."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mainspring.contract.policy import Fallback, Monitor, Notify, Retrain, Rollout, Slo
from mainspring.contract.sections import LISTS, SECTIONS, TABLES_BY_NAME
from mainspring.core.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.contract.contract import Contract

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ALWAYS = {("columns", "type")}
_POLICIES: dict[str, Any] = {
    "monitor": Monitor(),
    "retrain": Retrain(),
    "rollout": Rollout(),
    "slo": Slo(),
    "fallback": Fallback(),
    "notify": Notify(),
}
"""The sections that may be left out, each with what it then says."""


def as_dict(contract: Contract) -> dict[str, Any]:
    """The contract in the shape of the TOML file, without what equals the default. Equal contracts give equal dicts."""
    from mainspring.contract.column import Column
    from mainspring.contract.requirement import Requirement

    tree: dict[str, Any] = {"project": _plain("project", contract.project, None)}
    if contract.columns:
        tree["columns"] = {
            name: _plain("columns", column, Column(name=name, type=column.type))
            for name, column in contract.columns.items()
        }
    if contract.requirements:
        tree["require"] = [
            _plain("require", requirement, Requirement(metric="")) for requirement in contract.requirements
        ]
    if contract.cost:
        tree["cost"] = [
            {"truth": truth, "prediction": prediction, "cost": cost}
            for (truth, prediction), cost in contract.cost.items()
        ]
    for name, default in _POLICIES.items():
        values = _plain(name, getattr(contract, name), default)
        if values:
            tree[name] = values
    return tree


def _plain(section: str, value: Any, default: Any) -> dict[str, Any]:
    """The attributes of *value* that are keys of *section* and differ from *default* (or are not empty)."""
    plain: dict[str, Any] = {}
    for key in SECTIONS[section]:
        if key == "at_most" and section == "retrain":
            if value.at_most is not None:
                plain[key] = f"{value.at_most} per {format_duration(value.per)}" if value.per else value.at_most
            continue
        item = getattr(value, key)
        unset = item in (None, "") if default is None else item == getattr(default, key)
        if not unset or (section, key) in _ALWAYS:
            plain[key] = _value(key, item)
    return plain


def _value(key: str, item: Any) -> Any:
    if isinstance(item, timedelta):
        return format_duration(item)
    if key == "where":
        return dict(item)
    return list(item) if isinstance(item, tuple) else item


def render(contract: Contract, comments: Mapping[str, str] | None = None) -> str:
    """The contract as TOML that :meth:`Contract.parse` reads back to an equal value.

    *comments* maps a place (``project``, ``project.time``, ``columns.age``, ``require.0`` …, or an empty text for the
    top of the file) to a text that is written above it, or behind it for a key.
    """
    notes = comments or {}
    blocks = [_comment(notes[""])] if "" in notes else []
    for section, values in as_dict(contract).items():
        if section in TABLES_BY_NAME:
            blocks += [
                _block(f"[{section}.{_name(name)}]", f"{section}.{name}", entry, notes)
                for name, entry in values.items()
            ]
        elif section in LISTS:
            blocks += [_block(f"[[{section}]]", f"{section}.{i}", entry, notes) for i, entry in enumerate(values)]
        else:
            blocks.append(_block(f"[{section}]", section, values, notes))
    return "\n".join(blocks)


def _block(header: str, place: str, values: dict[str, Any], notes: Mapping[str, str]) -> str:
    lines = [_comment(notes[place]).rstrip("\n")] if place in notes else []
    lines.append(header)
    for key, value in values.items():
        note = notes.get(f"{place}.{key}")
        lines.append(f"{key} = {_toml(value)}" + (f"  # {note}" if note else ""))
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines()) + "\n"


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case dict():
            return "{ " + ", ".join(f"{_name(key)} = {_toml(item)}" for key, item in value.items()) + " }"
        case _:
            # JSON's escapes are TOML's, but for DEL, which TOML wants escaped
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
