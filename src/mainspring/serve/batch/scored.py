"""What is put behind the columns of a table: predictions, probabilities, and what was found wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.core.predictions import Predictions
    from mainspring.data.written import Written


@dataclass(frozen=True, slots=True)
class Scored:
    """The columns to put behind n rows (``flags`` is the last), and how many were not scored, or scored with a flag.

    ``versions``: the model versions that answered, where they were told.
    """

    columns: pl.DataFrame
    rejected: int
    flagged: int
    versions: tuple[int, ...] = ()


class Scoring(Protocol):
    """What scores the rows of a table: a bundle in this process, or an endpoint."""

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for two calls to give the same answers, as JSON values, and what to call it."""

    @property
    def written(self) -> Written:
        """Which columns of a text file keep their characters: all that the model does not take as numbers and dates."""

    def require(self, columns: Sequence[str]) -> None:
        """Raise InputError where one that is needed is not among *columns*."""

    def score(self, frame: pl.DataFrame, *, place: str) -> Scored:
        """Score every row. *place* names these rows among all of the batch.

        Raises InputError where a needed column is missing or holds something that no row of it could be scored by.
        """

    def close(self) -> None:
        """Let go of what is held."""


def answers(predictions: Predictions) -> pl.DataFrame:
    """``prediction``, and ``probability`` of the positive class or ``probability_<class>`` of each.

    The types are the same whatever the rows are, so that the parts of a batch fit together.
    """
    import polars as pl

    values, classes, scores = predictions.values, predictions.classes, predictions.scores
    if classes is None or scores is None:
        return pl.DataFrame([pl.Series("prediction", values.astype("float64", copy=False))])
    columns = [pl.Series("prediction", values.tolist(), dtype=label_type(classes), strict=False)]
    if len(classes) == 2:
        columns.append(pl.Series("probability", predictions.positive))
    else:
        columns += [pl.Series(f"probability_{label}", scores[:, place]) for place, label in enumerate(classes)]
    return pl.DataFrame(columns)


def label_type(classes: tuple[Any, ...]) -> pl.DataType:
    """The type of a column of *classes*."""
    import polars as pl

    return pl.Series(list(classes), strict=False).dtype


def spread(answered: pl.DataFrame, scored: pl.Series | None) -> pl.DataFrame:
    """Answers for the rows where *scored* is true as answers for all rows, null where it is not."""
    import polars as pl

    if scored is None:
        return answered
    places = pl.select(pl.when(scored).then(scored.cast(pl.UInt32).cum_sum() - 1)).to_series()
    return answered.select(pl.all().gather(places))
