"""Storing any value: JSON values, containers of storable values, our own dataclasses, and whatever has a format."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import PipelineError, StoreError
from mainspring.store.formats import plain
from mainspring.store.formats.registry import (
    entry_for,
    format_of,
    record_class,
    record_name,
)
from mainspring.store.store import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mainspring.store.store import Parts, Store

JSON = "json"
"""A value of JSON types only."""
TREE = "tree"
"""A container or dataclass with parts of other types in it."""
PICKLE = "pickle"

_DOCUMENT = "value.json"


def save(store: Store, value: Any, *, pickle: bool = False) -> Stored:
    """Store *value* and return what the store knows of it. Equal values have equal digests.

    Stored are: None, booleans, numbers, strings, bytes, dates and times, lists, tuples, dicts, sets; Polars, pandas and
    Arrow tables; NumPy arrays; Plotly figures; files and folders (a Path means its content); scikit-learn estimators
    and boosters; models and splits of ours; containers of all these. Anything else is a PipelineError naming the type
    and the ways out, unless *pickle* is set: then it is pickled, which the type says for ever, and loading it needs
    trust.
    """
    try:
        parts, kind, meta = _dump(value)
    except PipelineError:
        if not pickle:
            raise
        parts, kind, meta = {"value.pickle": _pickled(value)}, PICKLE, {"class": _name(type(value))}
    return store.put_parts(parts, type=kind, meta=meta)


def _dump(value: Any) -> tuple[Mapping[str, bytes | Path], str, dict[str, Any]]:
    """The parts of *value*, its type and the plain facts of it."""
    entry = entry_for(value)
    if entry is not None:
        form = format_of(entry.type)
        return form.dump(value), entry.type, form.describe(value)
    parts: dict[str, bytes | Path] = {}
    try:
        document = plain.encode(value, _leaves_into(parts))
    except plain.NotStorable as error:
        raise PipelineError(_ways_out(error)) from None
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    return {_DOCUMENT: text, **parts}, record_name(value) or (TREE if parts else JSON), _describe(value)


def load(store: Store, stored: str | Stored, *, trusted_pickle: bool = False) -> Any:
    """The value of a digest (or of what `save` returned). Runs no code from the bytes.

    Raises NotFound where it is missing, StoreError where it is damaged or of a type that is not on our list. A pickled
    value is loaded only where the caller sets *trusted_pickle*: unpickling runs whatever the writer wanted.
    """
    parts = store.get_parts(stored.digest if isinstance(stored, Stored) else stored)
    if parts.type == PICKLE:
        return _unpickled(parts, trusted=trusted_pickle)
    if _DOCUMENT not in parts:
        return format_of(parts.type).load(parts)
    try:
        document = json.loads(parts[_DOCUMENT])
        return plain.decode(document, lambda kind, prefix: format_of(kind).load(_Sub(parts, prefix)), record_class)
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"The value {parts.stored.digest} cannot be read back: {error!r}.") from error


def _leaves_into(parts: dict[str, bytes | Path]) -> Callable[[Any], tuple[str, str] | None]:
    """A function that puts a leaf with a format of its own among *parts*; it gives its type and its names' prefix."""

    def leaf(value: Any) -> tuple[str, str] | None:
        entry = entry_for(value)
        if entry is None:
            return None
        prefix = f"{len(parts)}/"
        for name, data in format_of(entry.type).dump(value).items():
            parts[prefix + name] = data
        return entry.type, prefix

    return leaf


class _Sub(dict[str, bytes]):
    """The parts whose names begin with a prefix, without it; read when asked for."""

    def __init__(self, parts: Mapping[str, bytes], prefix: str) -> None:
        super().__init__()
        self._parts, self._prefix = parts, prefix
        self._names = [name.removeprefix(prefix) for name in parts if name.startswith(prefix)]

    def __getitem__(self, name: str) -> bytes:
        return self._parts[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def _describe(value: Any) -> dict[str, Any]:
    """Plain facts of a value without a format of its own."""
    if dataclasses.is_dataclass(value):
        shapes = {field.name: getattr(getattr(value, field.name), "shape", None) for field in dataclasses.fields(value)}
        return {"shapes": {name: list(shape) for name, shape in shapes.items() if shape}}
    if isinstance(value, (list, tuple, dict, set, frozenset, str, bytes)):
        return {"length": len(value)}
    return {}


def _pickled(value: Any) -> bytes:
    import pickle

    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:  # a __reduce__ of the user's may raise anything
        raise PipelineError(f"A {_name(type(value))} cannot even be pickled: {error}") from error


def _unpickled(parts: Parts, *, trusted: bool) -> Any:
    if not trusted:
        raise StoreError(
            f"The value {parts.stored.digest} is a pickled {parts.stored.meta.get('class')}. Loading "
            "it would run code from "
            "the file, so it is refused; pass trusted_pickle=True only if you know who wrote it."
        )
    import pickle

    return pickle.loads(parts["value.pickle"])  # noqa: S301  # the caller has said that the writer is trusted


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _ways_out(error: plain.NotStorable) -> str:
    kind = type(error.value)
    special = {
        "polars.lazyframe.frame.LazyFrame": "call .collect() first",
        "builtins.generator": "return list(…)",
        "builtins.function": "return the data it needs instead, and define it in pipeline.py",
    }.get(f"{kind.__module__}.{kind.__qualname__}")
    where = f" (at {error.path})" if error.path else ""
    advice = special or (
        "return its data as a table, an array, a dict or a list; or write it to a file and return "
        "the Path; or, if nothing "
        "else will do, allow pickle for this step with @step(pickle=True), which is recorded"
    )
    return f"A value of type {_name(kind)}{where} cannot be stored: {advice}."
