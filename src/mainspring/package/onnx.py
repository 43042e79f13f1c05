"""An estimator as an ONNX graph over one float32 matrix."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from onnxruntime import InferenceSession

INPUT = "matrix"


class NotConvertible(ValueError):
    """The estimator has no faithful ONNX form; the text says why."""


def convert(estimator: Any, width: int) -> bytes:
    """The graph of *estimator* with one input of shape (rows, *width*). Raises NotConvertible.

    A converter that succeeds may still be wrong; nothing is used before :mod:`mainspring.package.parity` has agreed.
    """
    if width == 0:
        raise NotConvertible("the model looks at no column")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what converters warn of is for the parity gate to find
        try:
            graph = _lightgbm(estimator, width) if hasattr(estimator, "booster_") else _sklearn(estimator, width)
        except Exception as error:
            # a boundary: converters raise whatever they trip over, and every one of them means "keep the native form"
            first = (str(error).strip().splitlines() or [""])[0][:200]
            raise NotConvertible(f"{type(error).__name__}: {first}") from error
    return bytes(graph.SerializeToString())


def _lightgbm(estimator: Any, width: int) -> Any:
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    text = float32_thresholds(estimator.booster_.model_to_string())
    form = [(INPUT, FloatTensorType([None, width]))]
    return convert_lightgbm(lightgbm.Booster(model_str=text), initial_types=form, zipmap=False)


def float32_thresholds(text: str) -> str:
    """LightGBM's model text with every threshold lowered to the nearest float32 at or below it.

    The graph keeps thresholds as float32. Rounded to nearest, one can move past a value that the data holds, and rows
    on it change sides. For float32 input ``x <= t`` is the same as ``x <= floor32(t)``, so lowering loses nothing.

    >>> float32_thresholds("threshold=0.1 2")
    'threshold=0.09999999403953552 2.0'
    """
    import numpy as np

    def lowered(line: str) -> str:
        exact = np.array(line.removeprefix("threshold=").split(), np.float64)
        single = exact.astype(np.float32)
        above = single.astype(np.float64) > exact
        single[above] = np.nextafter(single[above], np.float32(-np.inf))
        return "threshold=" + " ".join(repr(float(value)) for value in single)

    # tree_sizes tells the lengths of the trees' texts, which have changed; without it they are read one by one
    kept = (line for line in text.split("\n") if not line.startswith("tree_sizes="))
    return "\n".join(lowered(line) if line.startswith("threshold=") else line for line in kept)


def _sklearn(estimator: Any, width: int) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    from mainspring.package import trees

    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    return trees.dense(to_onnx(estimator, initial_types=[(INPUT, FloatTensorType([None, width]))], options=options))


def runtime() -> Any:
    """The library that scores, which takes a while to load."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when the library is loaded
    import onnxruntime

    return onnxruntime


def session(graph: bytes, *, threads: int = 1) -> InferenceSession:
    """A session that scores *graph* on the CPU with *threads* threads."""
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    loaded = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    loaded._model_bytes = None  # noqa: SLF001  # kept to begin again with another provider, and there is none
    return loaded


def answer_name(loaded: InferenceSession) -> str:
    """The output that holds the probabilities, or the numbers of a regression: always the last one."""
    return str(loaded.get_outputs()[-1].name)


def run(loaded: InferenceSession, output: str, matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The output of the session for *matrix*."""
    return loaded.run([output], {INPUT: matrix})[0]  # type: ignore[no-any-return]  # the runtime is untyped
