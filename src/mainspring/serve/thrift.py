"""The little of Thrift's compact protocol in which Parquet describes itself: read from bytes of strangers, and written.

A struct is a dict by the number of its field; every value stands beside the kind that it was declared to have.
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12
WHOLE = (I16, I32, I64)
BITS = {BYTE: 8, I16: 16, I32: 32, I64: 64}
DEEPEST = 16

Struct = dict[int, tuple[int, Any]]
Spec = dict[int, Any]
"""The fields of a struct that are known: their kinds, of an inner struct its own Spec. TRUE stands for either truth."""


class Malformed(ValueError):
    """These bytes are no such thing."""


class TooMuch(ValueError):
    """More values than may be read."""


class Reader:
    """Reads values from ``at`` on. ``most`` is how many it may still read, which bounds its time and its memory."""

    def __init__(self, data: bytes, most: int) -> None:
        """Nothing is read yet; set ``at`` and ``end`` first."""
        self.at = 0
        self.end = 0
        self.most = most
        self._data = data

    def struct(self, depth: int = 0) -> Struct:
        """A struct; a field that is there twice is refused, since readers differ about which one counts."""
        found: Struct = {}
        number = 0
        while True:
            head = self._take(1)[0]
            if head == 0:
                return found
            kind, step = head & 15, head >> 4
            number = number + step if step else self._signed(I16)
            self._count()
            if number in found:
                raise Malformed("a field is there twice")
            found[number] = kind, (kind == TRUE if kind in (TRUE, FALSE) else self._value(kind, depth))

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE):  # in a list each has a byte of its own
            return self._take(1)[0] == TRUE
        if kind == BYTE:
            return int.from_bytes(self._take(1), "little", signed=True)
        if kind in WHOLE:
            return self._signed(kind)
        if kind == DOUBLE:
            return self._take(8)
        if kind == BINARY:
            return self._take(self._varint())
        if depth == DEEPEST:
            raise Malformed("it is nested too deeply")
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET):
            head = self._take(1)[0]
            inner, count = head & 15, head >> 4
            count = self._varint() if count == 15 else count
            values = []
            for _ in range(count):  # of which there may be fewer than it says
                self._count()
                values.append(self._value(inner, depth + 1))
            return inner, values
        raise Malformed(f"it has a value of the kind {kind}")

    def _count(self) -> None:
        self.most -= 1
        if self.most < 0:
            raise TooMuch

    def _take(self, size: int) -> bytes:
        begin, self.at = self.at, self.at + size
        if self.at > self.end:
            raise Malformed("it ends too early")
        return self._data[begin : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise Malformed("a number has no end")

    def _signed(self, kind: int) -> int:
        value = self._varint()
        value = (value >> 1) ^ -(value & 1)
        if not -(1 << BITS[kind] - 1) <= value < 1 << BITS[kind] - 1:
            raise Malformed("a number is too large")
        return value


def number(struct: Struct, field: int, default: int | None = None) -> int:
    """The whole number under *field*. Raises Malformed where there is none, or it is negative."""
    kind, value = struct.get(field, (I64, default))
    if kind not in WHOLE or value is None or value < 0:
        raise Malformed("a number is missing or negative")
    return int(value)


def struct(struct: Struct, field: int) -> Struct:
    """The struct under *field*. Raises Malformed where there is none."""
    kind, value = struct.get(field, (0, None))
    if kind != STRUCT:
        raise Malformed("a part is missing")
    return value  # type: ignore[no-any-return]


def structs(struct: Struct, field: int) -> list[Struct]:
    """The list of structs under *field*. Raises Malformed where there is none."""
    kind, value = struct.get(field, (0, None))
    if kind != LIST or (value[0] != STRUCT and value[1]):
        raise Malformed("a list is missing")
    return value[1]  # type: ignore[no-any-return]


def kept(struct: Struct, spec: Spec) -> Struct:
    """Of *struct* what *spec* knows. Raises Malformed where a field is of another kind than it says."""
    found: Struct = {}
    for field, wanted in spec.items():
        if field not in struct:
            continue
        kind, value = struct[field]
        if isinstance(wanted, dict) and kind == STRUCT:
            found[field] = kind, kept(value, wanted)
        elif kind == wanted or (wanted == TRUE and kind == FALSE):
            found[field] = kind, value
        else:
            raise Malformed("a field is of another kind")
    return found


def written(struct: Struct) -> bytes:
    """The bytes of *struct*."""
    out = bytearray()
    last = 0
    for field in sorted(struct):
        kind, value = struct[field]
        out += bytes([field - last << 4 | kind]) if field - last < 16 else bytes([kind]) + _zigzag(field)
        if kind not in (TRUE, FALSE):
            out += _written(kind, value)
        last = field
    return bytes(out) + b"\0"


def _written(kind: int, value: Any) -> bytes:
    if kind == STRUCT:
        return written(value)
    if kind == BINARY:
        return _varint(len(value)) + value  # type: ignore[no-any-return]
    if kind == LIST:
        inner, values = value
        size = bytes([len(values) << 4 | inner]) if len(values) < 15 else bytes([0xF0 | inner]) + _varint(len(values))
        return size + b"".join(_written(inner, each) for each in values)
    if kind == BYTE:
        return int(value).to_bytes(1, "little", signed=True)
    return _zigzag(value)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
