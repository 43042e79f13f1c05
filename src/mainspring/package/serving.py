"""What an endpoint takes from a bundle: the scorer without the training library behind it, and rows to try it with.

A bundle made before this part existed is served too; it then loads its estimator, and is tried without rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.json import plain
from mainspring.features.category import CategoryCodec
from mainspring.features.number import NumberCodec
from mainspring.package import parity, scorer
from mainspring.store.formats import model as model_format
from mainspring.train.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl

    from mainspring.contract import Contract
    from mainspring.package.bundle import Bundle
    from mainspring.package.parity import Parity
    from mainspring.package.scorer import Scorer

    Array = np.ndarray[Any, Any]

PART = "serving.json"
ROWS = 16
"""So many held-out rows travel as JSON, so that they can be replayed without a table library."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A model as an endpoint needs it.

    ``model`` has no estimator where the ONNX form scores. ``rows`` are held-out rows as JSON values, ``answers`` what
    the estimator said to them at packaging. ``typical`` maps each column to its usual value, None where there is none.
    """

    model: Model
    scorer: Scorer
    rows: Sequence[Mapping[str, Any]]
    answers: Sequence[Any]
    typical: Mapping[str, Any]

    def replay(self) -> Parity | None:
        """Score the rows one by one, as requests are, and hold the answers against those at packaging; None without."""
        import numpy as np

        if not self.rows:
            return None
        encode = self.model.encoder.encode_row
        ours = np.concatenate([np.asarray(self.scorer(encode(row)), np.float64) for row in self.rows])
        return parity.compare(ours, np.asarray(self.answers, np.float64))


def serving(bundle: Bundle) -> Serving:
    """The model of *bundle* as an endpoint needs it. Runs no code from it."""
    extra = bundle.json(PART) or {}
    state = msgspec.json.decode(bundle.parts[model_format.STATE])
    model, scores = _light(bundle, state, extra) or _whole(bundle)
    return Serving(model, scores, extra.get("rows", ()), extra.get("answers", ()), extra.get("typical", {}))


def _light(bundle: Bundle, state: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[Model, Scorer] | None:
    """The ONNX form with the model's state only; None where more is needed."""
    if bundle.manifest.form != "onnx" or "seen" not in extra:
        return None
    model = Model.restore(state, None)
    seen = None if extra["seen"] is None else tuple(extra["seen"])
    classes = None if model.classes is None else len(model.classes)
    return model, scorer.OnnxScorer(bundle.parts["model.onnx"], seen=seen, classes=classes)


def _whole(bundle: Bundle) -> tuple[Model, Scorer]:
    model = bundle.model()
    if bundle.manifest.form == "onnx":
        return model, scorer.onnx_scorer(bundle.parts["model.onnx"], model)
    return model, scorer.native(model)


def part(model: Model, rows: pl.DataFrame, answers: Array, holdout: pl.DataFrame, contract: Contract) -> bytes:
    """The part as bytes: the first of the example *rows* with their *answers*, and usual values from *holdout*.

    *rows* must have nothing personal in them; no usual value of a personal column is told.
    """
    seen = None if model.classes is None else [int(place) for place in model.estimator.classes_]
    value = {
        "rows": [{name: json_value(cell) for name, cell in row.items()} for row in rows.head(ROWS).to_dicts()],
        "answers": answers[:ROWS].tolist(),
        "typical": _typical(model, holdout, contract),
        "seen": seen,
    }
    return msgspec.json.encode(value, enc_hook=plain)


def _typical(model: Model, holdout: pl.DataFrame, contract: Contract) -> dict[str, Any]:
    """The median of numbers, the most frequent level; None for texts, dates and what is personal."""
    import polars as pl

    usual: dict[str, Any] = {}
    for codec in model.encoder.codecs:
        known = holdout[codec.column].drop_nulls()
        usual[codec.column] = None
        if codec.column in contract.personal or known.is_empty():
            continue
        if isinstance(codec, CategoryCodec) or known.dtype == pl.Boolean:
            usual[codec.column] = json_value(known.mode().sort()[0])
        elif isinstance(codec, NumberCodec) and known.dtype.is_numeric():
            middle = known.median()
            usual[codec.column] = round(middle) if known.dtype.is_integer() else middle  # type: ignore[arg-type]
    return usual


def json_value(value: Any) -> Any:
    """A cell as the JSON value by which a client would send it."""
    if isinstance(value, timedelta):
        return value / timedelta(seconds=1)
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return None
    return value
