"""Python's plain values as JSON that gives back the very same values: tuples stay tuples, dates stay dates.

What JSON has itself is written as itself; everything else is an object with the key ``$``. Floats keep every bit.
"""

from __future__ import annotations

import dataclasses
import json
import math
from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mainspring.store.formats.registry import record_name

if TYPE_CHECKING:
    from collections.abc import Callable

_AS_THEY_ARE = frozenset({type(None), bool, int, str})
DEEPEST = 200
"""Containers may be nested so deep."""


class NotStorable(Exception):  # always caught by `save`, which makes the user's error of it
    """A value, somewhere inside, that has no form."""

    def __init__(self, value: object, path: str) -> None:
        super().__init__(path)
        self.value, self.path = value, path


def encode(value: Any, leaf: Callable[[Any], tuple[str, str] | None], path: str = "", depth: int = 0) -> Any:
    """*value* as JSON. *leaf* stores a value with a format of its own and returns its type and place, or None."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$": "float", "v": repr(value)}
    if depth > DEEPEST:
        raise NotStorable(value, path[:80] + "…")
    if kind is list:
        return _list(value, leaf, path, depth)
    if kind is dict:
        return _dict(value, leaf, path, depth)
    if kind in _SCALARS:
        return {"$": kind.__name__, "v": _SCALARS[kind](value)}
    if kind in _CONTAINERS:
        return {"$": kind.__name__, "v": _CONTAINERS[kind](value, leaf, path, depth)}
    placed = leaf(value)
    if placed is not None:
        return {"$": "part", "type": placed[0], "at": placed[1]}
    name = record_name(value)
    if name is not None:
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        encoded = {key: encode(item, leaf, f"{path}.{key}", depth + 1) for key, item in fields.items()}
        return {"$": "record", "type": name, "v": encoded}
    raise NotStorable(value, path.removeprefix("."))


def decode(document: Any, leaf: Callable[[str, str], Any], record: Callable[[str], type[Any]]) -> Any:
    """The value of the JSON *document*. *leaf* loads a part by type and place, *record* gives a listed dataclass."""
    if type(document) is list:
        return [decode(item, leaf, record) for item in document]
    if type(document) is not dict:
        return document
    tag = document.get("$")
    if tag is None:
        return {key: decode(item, leaf, record) for key, item in document.items()}
    if tag == "part":
        return leaf(document["type"], document["at"])
    if tag == "record":
        fields = {key: decode(item, leaf, record) for key, item in document["v"].items()}
        return record(document["type"])(**fields)
    if tag in _FROM_SCALAR:
        return _FROM_SCALAR[tag](document["v"])
    items = [decode(item, leaf, record) for item in document["v"]]
    return _FROM_ITEMS[tag](items)


def no_leaf(kind: str, place: str) -> Any:
    """For documents that hold plain values only. Raises ValueError."""
    raise ValueError(f"it names a {kind} at {place}, where only plain values may be")


def _list(value: list[Any], leaf: Any, path: str, depth: int) -> list[Any]:
    kinds = set(map(type, value))
    if kinds <= _AS_THEY_ARE or (kinds <= {*_AS_THEY_ARE, float} and _finite(value)):
        return value  # a million numbers are not walked one by one
    return _items(value, leaf, path, depth)


def _finite(value: list[Any]) -> bool:
    return all(math.isfinite(item) for item in value if type(item) is float)


def _dict(value: dict[Any, Any], leaf: Any, path: str, depth: int) -> Any:
    if all(type(key) is str for key in value) and "$" not in value:
        return {key: encode(item, leaf, f"{path}.{key}", depth + 1) for key, item in value.items()}
    return {"$": "dict", "v": _pairs(value, leaf, path, depth)}


def _items(value: Any, leaf: Any, path: str, depth: int) -> list[Any]:
    return [encode(item, leaf, f"{path}[{number}]", depth + 1) for number, item in enumerate(value)]


def _pairs(value: dict[Any, Any], leaf: Any, path: str, depth: int) -> list[Any]:
    return [
        [encode(key, leaf, f"{path} key", depth + 1), encode(item, leaf, f"{path}[{key!r}]", depth + 1)]
        for key, item in value.items()
    ]


def _sorted(value: Any, leaf: Any, path: str, depth: int) -> list[Any]:
    """The members of a set in an order that does not depend on the hash seed."""
    return sorted(_items(value, leaf, path, depth), key=lambda item: json.dumps(item, sort_keys=True))


def _moment(value: datetime) -> dict[str, Any] | str:
    """ISO text, and the name of the zone where there is one."""
    zone = getattr(value.tzinfo, "key", None)
    if value.tzinfo is None or zone is None:
        if value.tzinfo is not None and type(value.tzinfo) is not timezone:
            raise NotStorable(value.tzinfo, "tzinfo")
        return {"iso": value.isoformat(), "fold": value.fold}
    return {"iso": value.replace(tzinfo=None).isoformat(), "fold": value.fold, "zone": zone}


def _from_moment(form: dict[str, Any]) -> datetime:
    moment = datetime.fromisoformat(form["iso"]).replace(fold=form["fold"])
    if "zone" in form:
        from zoneinfo import ZoneInfo

        return moment.replace(tzinfo=ZoneInfo(form["zone"]))
    return moment


def _time(value: time) -> str:
    if value.tzinfo is not None and type(value.tzinfo) is not timezone:
        raise NotStorable(value.tzinfo, "tzinfo")
    return value.isoformat()


_SCALARS: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: b64encode(value).decode(),
    bytearray: lambda value: b64encode(value).decode(),
    complex: lambda value: [repr(value.real), repr(value.imag)],
    date: date.isoformat,
    datetime: _moment,
    time: _time,
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
    Decimal: str,
    Fraction: str,
    UUID: str,
    range: lambda value: [value.start, value.stop, value.step],
}
_FROM_SCALAR: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "bytes": b64decode,
    "bytearray": lambda form: bytearray(b64decode(form)),
    "complex": lambda form: complex(float(form[0]), float(form[1])),
    "date": date.fromisoformat,
    "datetime": _from_moment,
    "time": time.fromisoformat,
    "timedelta": lambda form: timedelta(days=form[0], seconds=form[1], microseconds=form[2]),
    "Decimal": Decimal,
    "Fraction": Fraction,
    "UUID": UUID,
    "range": lambda form: range(*form),
}
_CONTAINERS: dict[type, Callable[[Any, Any, str, int], Any]] = {
    tuple: _items,
    set: _sorted,
    frozenset: _sorted,
    deque: _items,
    OrderedDict: _pairs,
    Counter: _pairs,
    defaultdict: _pairs,
}
_FROM_ITEMS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": lambda pairs: Counter(dict(pairs)),
    "defaultdict": dict,  # its factory is code, which is not stored
}
