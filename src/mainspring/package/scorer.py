"""The forms in which a packaged model scores an encoded matrix. All answer alike within the parity tolerance."""

from __future__ import annotations

import ctypes
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from mainspring.package import onnx

if TYPE_CHECKING:
    import numpy as np

    from mainspring.train.model import Model

    Array = np.ndarray[Any, Any]

Form: TypeAlias = Literal["onnx", "native"]


class Scorer(Protocol):
    """Scores a matrix of shape (rows, width), float32, C-contiguous."""

    def __call__(self, matrix: Array) -> Array:
        """Shape (rows, classes) float64 probabilities, or (rows,) numbers on the scale of the model's link."""


class OnnxScorer:
    """Scores through an ONNX session. Safe to call from several threads."""

    def __init__(self, graph: bytes, *, seen: tuple[int, ...] | None, classes: int | None) -> None:
        """*seen* are the places of the classes the estimator knows among all *classes*; None for a regression."""
        self._session = onnx.session(graph)
        self._output = onnx.answer_name(self._session)
        self._classes = classes
        self._seen = None if seen is None or len(seen) == classes else list(seen)

    def __call__(self, matrix: Array) -> Array:
        """The answer for *matrix*."""
        import numpy as np

        answer = onnx.run(self._session, self._output, matrix)
        if self._classes is None:
            return answer.reshape(-1).astype(np.float64)
        if self._seen is None:
            return answer.astype(np.float64)
        every = np.zeros((len(matrix), self._classes))
        every[:, self._seen] = answer
        return every


class NativeScorer:
    """Scores through the estimator itself, as at training."""

    def __init__(self, model: Model) -> None:
        """Score as *model* does."""
        self._model = model

    def __call__(self, matrix: Array) -> Array:
        """The answer for *matrix*."""
        import numpy as np

        from mainspring.train.model import probabilities

        if self._model.classes is None:
            return np.asarray(self._model.estimator.predict(matrix), np.float64) if len(matrix) else np.empty(0)
        return probabilities(self._model.estimator, matrix, len(self._model.classes))


class BoosterScorer:
    """Scores through a LightGBM booster; a single row goes straight to the library's prepared one-row call.

    That call costs microseconds where the Python wrapper costs hundreds. It shares one buffer, hence the lock; several
    rows take the ordinary way.
    """

    def __init__(self, model: Model) -> None:
        """Score as *model*, whose estimator wraps a booster, does."""
        import numpy as np

        self._many = NativeScorer(model)
        estimator = model.estimator
        self._booster = estimator.booster_  # keeps the handle alive
        self._binary = model.classes is not None and len(estimator.classes_) == 2
        self._regression = model.classes is None
        width = 1 if self._binary or self._regression else len(estimator.classes_)
        self._direct = model.classes is None or len(estimator.classes_) == len(model.classes)
        self._out = np.empty(width)
        self._lock = Lock()
        self._call = self._prepare(int(self._booster.num_feature())) if self._direct else None

    def __call__(self, matrix: Array) -> Array:
        """The answer for *matrix*."""
        import numpy as np

        if self._call is None or len(matrix) != 1:
            return self._many(matrix)
        with self._lock:
            self._call(matrix)
            out = self._out.copy()
        if self._regression:
            return out
        return np.array([[1.0 - out[0], out[0]]]) if self._binary else out.reshape(1, -1)

    def _prepare(self, features: int) -> Any:
        """The library's one-row call with everything but the row settled; None where this build does not offer it."""
        from lightgbm import basic

        # the wrapper does not offer this documented C function, so its own handle to the library is borrowed
        library = getattr(basic, "_LIB", None)
        handle = getattr(self._booster, "_handle", None)
        if library is None or handle is None or not hasattr(library, "LGBM_BoosterPredictForMatSingleRowFastInit"):
            return None
        prepared, length, out = (
            ctypes.c_void_p(),
            ctypes.c_int64(),
            self._out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        normal, float32, every = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1)
        failed = library.LGBM_BoosterPredictForMatSingleRowFastInit(
            handle, normal, ctypes.c_int(0), every, float32, ctypes.c_int(features),
            ctypes.c_char_p(b"num_threads=1"), ctypes.byref(prepared),
        )  # fmt: skip
        if failed:
            return None
        predict = library.LGBM_BoosterPredictForMatSingleRowFast
        self._free = _Freed(library, prepared)

        def call(matrix: Array) -> None:
            if predict(prepared, ctypes.c_void_p(matrix.ctypes.data), ctypes.byref(length), out):
                raise RuntimeError("LightGBM could not score the row")

        return call


class _Freed:
    """Gives the prepared call back to the library when nobody needs it any more."""

    def __init__(self, library: Any, prepared: ctypes.c_void_p) -> None:
        self._free = library.LGBM_FastConfigFree
        self._prepared = prepared

    def __del__(self) -> None:
        self._free(self._prepared)


def native(model: Model) -> Scorer:
    """The fastest scorer that uses the estimator itself."""
    return BoosterScorer(model) if hasattr(model.estimator, "booster_") else NativeScorer(model)


def onnx_scorer(graph: bytes, model: Model) -> OnnxScorer:
    """The scorer of *graph*, whose classes are read as *model* reads them."""
    if model.classes is None:
        return OnnxScorer(graph, seen=None, classes=None)
    return OnnxScorer(graph, seen=tuple(int(p) for p in model.estimator.classes_), classes=len(model.classes))
