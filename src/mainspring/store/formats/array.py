"""NumPy arrays in NumPy's own file format, without pickle; arrays of Python objects as plain JSON values."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import PipelineError
from mainspring.store.formats import plain
from mainspring.store.formats.plain import no_leaf
from mainspring.store.formats.registry import record_class

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = "array.npy"
_OBJECTS = "objects.json"


class Array:
    """An array of any shape and type.

    One of objects is stored where its items are plain values (strings, numbers …).
    """

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One ``.npy`` file, or the items and the shape."""
        import numpy as np

        if value.dtype.hasobject:
            return {_OBJECTS: _objects(value)}
        sink = io.BytesIO()
        np.lib.format.write_array(sink, np.asanyarray(value), allow_pickle=False)
        return {_PART: sink.getvalue()}

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The array."""
        import numpy as np

        if _OBJECTS in parts:
            form = json.loads(parts[_OBJECTS])
            array = np.empty(len(form["items"]), dtype=object)
            for position, item in enumerate(form["items"]):
                array[position] = plain.decode(item, no_leaf, record_class)
            return array.reshape(form["shape"])
        return np.lib.format.read_array(io.BytesIO(parts[_PART]), allow_pickle=False)

    def describe(self, value: Any) -> dict[str, Any]:
        """Shape and type."""
        return {"shape": list(value.shape), "dtype": str(value.dtype)}


class Scalar:
    """A NumPy number: an array without dimensions."""

    def dump(self, value: Any) -> Mapping[str, bytes]:
        """One ``.npy`` file."""
        import numpy as np

        return ARRAY.dump(np.asarray(value))

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The number, in its own NumPy type."""
        return ARRAY.load(parts)[()]

    def describe(self, value: Any) -> dict[str, Any]:
        """The type."""
        return {"dtype": str(value.dtype)}


def _objects(value: Any) -> bytes:
    if value.dtype.names is not None:
        raise PipelineError("A structured NumPy array with object fields cannot be stored: return a table instead.")
    try:
        items = [plain.encode(item, lambda _: None, f"[{number}]") for number, item in enumerate(value.ravel())]
    except plain.NotStorable as error:
        raise PipelineError(
            f"A NumPy array of objects cannot be stored because of a {type(error.value).__name__} at {error.path}: "
            "return a list or a table, or convert the array to a type of its own with .astype(…)."
        ) from None
    return json.dumps({"shape": list(value.shape), "items": items}, separators=(",", ":")).encode()


ARRAY = Array()
SCALAR = Scalar()
