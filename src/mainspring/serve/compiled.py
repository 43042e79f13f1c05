"""The contract and the encoder of one model version, compiled: JSON bytes → a typed row → float32, in about 2 µs.

The types that the decoder enforces are the contract's own rules where it can express them. They only ever accept:
whatever does not fit is decoded again, plainly, and judged by `mainspring.serve.field`, which decides and explains.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from mainspring.core.json import UNNAMEABLE
from mainspring.features.category import FIRST, CategoryCodec
from mainspring.features.number import OVERFLOW, NumberCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.serve.field import Field

LEAST = math.nextafter(-OVERFLOW, 0)
MOST = math.nextafter(OVERFLOW, 0)


class Compiled:
    """``row`` and ``rows`` decode JSON into typed rows; ``into`` writes one as ``width`` float32 into a buffer.

    They raise msgspec.MsgspecError for what is to be decoded plainly, always where not ``is_quick``.
    ``entity`` says whom a row is about, None where it does not say. A typed row lies in the order of ``fields``.
    """

    def __init__(self, fields: Sequence[Field], *, entity: str | None = None) -> None:
        """Compile the *fields*; *entity* names the column that says whom a row is about."""
        self.fields = tuple(fields)
        self.entity_name = entity
        places = {field.name: place for place, field in enumerate(fields)}
        slots: list[Any] = []
        for place, field in enumerate(fields):
            slots.append((f"f{place}", fast_type(field)) if field.needed else _optional(place, field))
        rename = {f"f{place}": field.name for place, field in enumerate(fields)}
        if entity is not None and entity not in places:
            slots.append(("entity", str | int | float | bool | None, None))
            rename["entity"] = entity
        slots.sort(key=len)  # what must be there comes first
        # a model with a column that cannot be named is served the plain way
        self.is_quick = not any(UNNAMEABLE.search(name) for name in rename.values())
        if not self.is_quick:
            slots, rename = [], {}
        typed: Any = msgspec.defstruct("Row", slots, rename=rename, gc=False)
        several = msgspec.defstruct("Rows", [("rows", list[typed])])
        self.row: Callable[[bytes], Any] = self._decoder(typed)
        self._typed_rows: Any = list[typed]
        self.rows: Callable[[bytes], list[Any]] = self._decoder(list[typed])
        self.wrapped: Callable[[bytes], Any] = self._decoder(several)
        self.width = sum(len(field.codec.outputs) for field in fields if field.codec is not None)
        self.into: Callable[[Any, Any, int], None] = _writer(self.fields, self.width)
        attribute = "entity" if entity is not None and entity not in places else f"f{places.get(entity or '', -1)}"
        self.entity: Callable[[Any], Any] = _no_entity if entity is None else _reader(attribute)
        self.values: Callable[[Any], tuple[Any, ...]] = _values(len(self.fields))

    def convert(self, rows: list[Any]) -> list[Any]:
        """Typed rows of *rows* that were decoded already. Raises msgspec.MsgspecError as the decoders do."""
        if not self.is_quick:
            _declined(b"")
        typed: list[Any] = msgspec.convert(rows, self._typed_rows)
        return typed

    def _decoder(self, kind: Any) -> Callable[[bytes], Any]:
        return msgspec.json.Decoder(kind).decode if self.is_quick else _declined


def _declined(body: bytes) -> Any:
    raise msgspec.ValidationError("A column has a name that the decoder cannot look for.")


def is_closed(field: Field) -> bool:
    """Whether `fast_type` alone enforces every rule of *field*."""
    column = field.column
    if field.kind in ("date", "datetime") or (column is not None and column.categories == ()):
        return False
    if column is None or (column.categories is None and column.pattern is None):
        return True
    if field.kind in ("category", "text"):
        return column.pattern is None or (column.categories is None and _can_be_wrapped(column.pattern))
    return False


def _can_be_wrapped(pattern: str) -> bool:
    """Whether *pattern* may stand inside another; one that begins with a flag for the whole may not."""
    try:
        re.compile(_whole_of(pattern))
    except re.error:
        return False
    return True


def _whole_of(pattern: str) -> str:
    return rf"\A(?:{pattern})\Z"


def fast_type(field: Field) -> Any:
    """The type by which the decoder accepts the usual good values of *field*, and nothing that is not good.

    A field that is not closed accepts anything: it is read through the field itself.
    """
    column, codec, kind = field.column, field.codec, field.kind
    inner: Any = str
    if not is_closed(field):
        return Any
    if kind == "integer":
        inner = _between(int, field)
    elif kind == "number":
        inner = _between(float, field)
    elif kind == "boolean":
        inner = bool
    elif column is not None and column.categories is not None:
        inner = _one_of(column.categories, codec)
    elif column is not None and column.pattern is not None:
        inner = Annotated[str, msgspec.Meta(pattern=_whole_of(column.pattern))]
    elif isinstance(codec, CategoryCodec) and _are(("true", "false"), codec.levels):
        inner = bool | str
    elif isinstance(codec, CategoryCodec) and any(_whole(level) for level in codec.levels):
        inner = int | str
    return inner | None if field.nullable else inner


def _optional(place: int, field: Field) -> tuple[str, Any, Any]:
    inner = fast_type(field)
    return f"f{place}", inner if inner is Any else inner | msgspec.UnsetType, msgspec.UNSET


def _between(number: type, field: Field) -> Any:
    """A number within the bounds of the column, and within what float32 can hold."""
    column = field.column
    low = column.minimum if column is not None else None
    high = column.maximum if column is not None else None
    ends: dict[str, Any] = {}
    if isinstance(low, int | float) and low > LEAST:
        ends["ge"] = math.ceil(low) if number is int else low
    elif number is float:
        ends["ge"] = LEAST
    if isinstance(high, int | float) and high < MOST:
        ends["le"] = math.floor(high) if number is int else high
    elif number is float:
        ends["le"] = MOST
    if number is int:  # the decoder's bounds are 64-bit
        ends = {key: min(max(end, -(2**63)), 2**63 - 1) for key, end in ends.items()}
    return Annotated[number, msgspec.Meta(**ends)] if ends else number


def _one_of(categories: Sequence[str], codec: Any) -> Any:
    """A closed set of texts, and of the numbers and truth values that are the same levels."""
    texts = Literal.__getitem__(tuple(categories))
    if isinstance(codec, CategoryCodec) and _are(("true", "false"), categories):
        return bool | texts
    whole = tuple(int(each) for each in categories if _whole(each))
    if whole and isinstance(codec, CategoryCodec):
        return Literal.__getitem__((*categories, *whole))
    return texts


def _are(wanted: Sequence[str], levels: Sequence[str]) -> bool:
    return bool(levels) and set(levels) <= set(wanted)


def _whole(level: str) -> bool:
    """Whether the level is the text of a 64-bit whole number."""
    bare = level.removeprefix("-")
    return bare.isascii() and bare.isdigit() and len(bare) < 19 and str(int(level)) == level


def _writer(fields: Sequence[Field], width: int) -> Callable[[Any, Any, int], None]:
    """A function (row, buffer, offset) made of one expression, because a loop over fields costs ten times as much."""
    names: dict[str, Any] = {"nan": math.nan, "pack": struct.Struct(f"={width}f").pack_into}
    parts: list[str] = []
    lines = ["def into(r, buffer, offset):"]
    for place, field in enumerate(fields):
        value = f"r.f{place}"
        if field.codec is None:
            if not is_closed(field):
                names[f"read{place}"] = _checked(field)
                lines.append(f"    read{place}({value})")
        elif not is_closed(field):
            names[f"read{place}"] = _through(field)
            parts.append(f"*read{place}({value})")
        elif isinstance(field.codec, NumberCodec) and field.kind in ("integer", "number", "boolean"):
            parts.append(f"(nan if (v := {value}) is None else v)" if field.nullable else value)
        elif isinstance(field.codec, CategoryCodec) and field.kind in ("category", "text"):
            names[f"code{place}"] = _codes(field.codec).get
            parts.append(f"code{place}({value}, 0.0)")
        else:
            names[f"read{place}"] = _through(field)
            parts.append(f"*read{place}({value})")
    lines.append(f"    pack(buffer, offset, {', '.join(parts)})" if parts else "    pass")
    exec("\n".join(lines), names)  # noqa: S102  # made of numbers and names of ours, of nothing that was sent
    into: Callable[[Any, Any, int], None] = names["into"]
    return into


def _codes(codec: CategoryCodec) -> dict[Any, float]:
    """The code of each level by its text, and by the number or truth value that it is the text of."""
    codes: dict[Any, float] = {None: 1.0}
    for code, level in enumerate(codec.levels, FIRST):
        codes[level] = float(code)
    if _are(("true", "false"), codec.levels):
        codes |= {each: codes.get("true" if each else "false", 0.0) for each in (True, False)}
        return codes
    codes |= {int(level): codes[level] for level in codec.levels if _whole(level)}
    return codes


def _through(field: Field) -> Callable[[Any], tuple[float, ...]]:
    def numbers(value: Any) -> tuple[float, ...]:
        return field.numbers(field.read(value))

    return numbers


def _checked(field: Field) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value is not msgspec.UNSET:
            field.read(value)

    return check


def _reader(attribute: str) -> Callable[[Any], Any]:
    from operator import attrgetter

    return attrgetter(attribute)


def _no_entity(row: Any) -> None:
    return None


def _values(count: int) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives the values of a typed row in the order of the fields; None for what was not sent."""
    names: dict[str, Any] = {"unset": msgspec.UNSET}
    cells = "".join(f"None if (v := r.f{place}) is unset else v, " for place in range(count))
    exec(f"def values(r):\n    return ({cells})\n", names)  # noqa: S102  # numbers of ours only
    values: Callable[[Any], tuple[Any, ...]] = names["values"]
    return values
