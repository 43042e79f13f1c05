"""Tensors of the Open Inference Protocol: from JSON or raw bytes to plain values, and back."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.serve.problem import Problem, check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMPY = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
"""The element of each datatype in bytes; BYTES has elements of any length."""
DATATYPES = (*NUMPY, "BYTES")
LARGEST = 2**31
RANK = 3


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named input. ``data`` is flat and row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]


def read(raw: Any, place: int, rest: memoryview, *, rows: int, elements: int) -> tuple[Tensor, int]:
    """The input number *place*, of which raw bytes are at the beginning of *rest*; how many of those it took.

    Raises Problem 400, and 413 for more than so many *rows*, or more *elements* than they can have.
    """
    name, datatype, shape = _described(raw, place)
    count = math.prod(shape)
    check_count(shape[0], rows)
    if count > elements:
        raise Problem(413, f"Input {name[:80]!r} has the shape {list(shape)}, which is more than the model takes.")
    parameters = raw.get("parameters") or {}
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
            raise _bad(name, f"binary_data_size {size!r} does not add up: {len(rest)} bytes are left.")
        return Tensor(name, datatype, shape, _from_bytes(name, datatype, count, rest[:size])), size
    if "data" not in raw:
        raise _bad(name, "has neither data nor binary_data_size.")
    data = _flat(raw["data"], name)
    if len(data) != count:
        raise _bad(name, f"has the shape {list(shape)}, which is {count} elements, and {len(data)} elements of data.")
    return Tensor(name, datatype, shape, [_element(value, datatype, name) for value in data]), 0


def output(
    name: str, datatype: str, shape: list[int], data: Sequence[Any], *, raw: bool
) -> tuple[dict[str, Any], bytes]:
    """One output as JSON, or as JSON that tells the size of the raw bytes behind it."""
    described: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
    if not raw:
        return described | {"data": list(data)}, b""
    body = _to_bytes(datatype, data)
    return described | {"parameters": {"binary_data_size": len(body)}}, body


def _described(raw: Any, place: int) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(raw, dict):
        raise Problem(400, f"Input {place} is not an object.")
    name, datatype, shape = raw.get("name"), raw.get("datatype"), raw.get("shape")
    if not isinstance(name, str) or not name:
        raise Problem(400, f"Input {place} has no name.")
    if datatype not in DATATYPES:
        raise _bad(name, f"has the datatype {datatype!r}; expected one of {', '.join(DATATYPES)}.")
    if not isinstance(shape, list) or not shape or len(shape) > RANK:
        raise _bad(name, f"needs a shape of one to {RANK} whole numbers.")
    for length in shape:
        if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length < LARGEST:
            raise _bad(name, f"has the shape {str(shape)[:80]}; expected whole numbers from 0 on.")
    return name, str(datatype), tuple(shape)


def _flat(data: Any, name: str) -> list[Any]:
    """The elements of *data*, flat or nested."""
    if not isinstance(data, list):
        raise _bad(name, "has data that is not a list.")
    flat: list[Any] = data
    for _ in range(RANK):
        if not any(isinstance(each, list) for each in flat):
            return flat
        if not all(isinstance(each, list) for each in flat):
            raise _bad(name, "has data that is nested unevenly.")
        flat = [each for inner in flat for each in inner]
    raise _bad(name, "has data that is nested too deeply.")


def _element(value: Any, datatype: str, name: str) -> Any:
    if datatype == "BYTES":
        if isinstance(value, str):
            return value
    elif datatype == "BOOL":
        if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if datatype.startswith("FP"):
            return value
        if isinstance(value, int) or value.is_integer():
            low, high = _range(datatype)
            if low <= value <= high:
                return int(value)
    raise _bad(name, f"has the element {str(value)[:80]!r}, which is no {datatype}.")


def _range(datatype: str) -> tuple[int, int]:
    bits = int(datatype.lstrip("UINT"))
    return (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _from_bytes(name: str, datatype: str, count: int, data: memoryview) -> list[Any]:
    if datatype == "BYTES":
        return _texts(name, count, data)
    import numpy as np

    dtype = np.dtype(NUMPY[datatype])
    if len(data) != count * dtype.itemsize:
        raise _bad(name, f"has {len(data)} raw bytes; {count} of {datatype} are {count * dtype.itemsize}.")
    if datatype == "BOOL" and any(byte > 1 for byte in data):
        raise _bad(name, "has a raw BOOL that is neither 0 nor 1.")
    found: list[Any] = np.frombuffer(data, dtype).tolist()
    return found


def _texts(name: str, count: int, data: memoryview) -> list[Any]:
    texts: list[Any] = []
    position = 0
    while position < len(data):
        if len(texts) == count:  # of empty ones there may be millions
            raise _bad(name, f"has more than {count} raw elements.")
        if position + 4 > len(data):
            raise _bad(name, "has raw BYTES that end within a length.")
        (length,) = struct.unpack_from("<I", data, position)
        position += 4
        if position + length > len(data):
            raise _bad(name, "has raw BYTES that end within an element.")
        try:
            texts.append(str(data[position : position + length], "utf-8"))
        except UnicodeDecodeError:
            raise _bad(name, "has raw BYTES that are not UTF-8.") from None
        position += length
    if len(texts) != count:
        raise _bad(name, f"has {len(texts)} raw elements of {count}.")
    return texts


def _to_bytes(datatype: str, data: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in data]
        return b"".join(struct.pack("<I", len(each)) + each for each in encoded)
    import numpy as np

    return np.asarray(data, np.dtype(NUMPY[datatype])).tobytes()


def _bad(name: str, text: str) -> Problem:
    return Problem(400, f"Input {name[:80]!r} {text}")
