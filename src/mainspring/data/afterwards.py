"""What time gives away: dates that lie after the row's own moment, and spans of time with one outcome only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.data.giveaway import CERTAIN, LEAST_EXCEPTIONS, LEAST_ROWS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.data.target import Truth

ALWAYS = 0.95
"""A date after the row's moment in this share of the rows is of the future by its nature."""
OFTEN = 0.05
TELLING = 0.15
"""A date that is after it only now and then is a leak when that tells the outcome: so far apart (as a Gini coefficient,
or as a correlation with a number) must be the rows where it is and the rows where it is not."""
PARTS = 40
"""Spans of one outcome are looked for at either end of the time, in steps of this fraction of the rows."""


@dataclass(frozen=True, slots=True)
class Later:
    """A date column that lies after the row's moment in ``share`` of the rows, there ``typical`` later at the median.

    ``outcome`` and ``elsewhere`` are the mean of the target's (last) class, or of the target, in those rows and in the
    others.
    """

    share: float
    typical: str
    outcome: float
    elsewhere: float


def later(dates: pl.Series, moment: pl.Series, truth: Truth) -> Later | None:
    """How *dates* lie to the rows' *moment*; None where they are not after it, or where that tells nothing."""
    distance = _distance(dates, moment)
    after = (distance > 0).fill_null(value=False).to_numpy()
    count, filled = int(after.sum()), len(distance) - distance.null_count()
    if count < LEAST_ROWS or count < OFTEN * len(distance):
        return None
    share = count / filled
    if share < ALWAYS and _tells(after, truth) < TELLING:
        return None
    outcome = truth.values[:, 0]
    rest = outcome[~after]
    return Later(
        share=share,
        typical=_span(float(distance.filter(distance > 0).median())),  # type: ignore[arg-type]  # numbers, not empty
        outcome=float(outcome[after].mean()),
        elsewhere=float(rest.mean()) if len(rest) else float("nan"),
    )


def _distance(dates: pl.Series, moment: pl.Series) -> pl.Series:
    """Seconds from *moment* to *dates*; whole days where either holds days only."""
    import polars as pl

    kind = pl.Date if pl.Date in (dates.dtype, moment.dtype) else pl.Datetime("us")
    plain = [
        each.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if getattr(each.dtype, "time_zone", None) else each
        for each in (dates, moment)
    ]
    return (plain[0].cast(kind) - plain[1].cast(kind)).dt.total_seconds()


def _tells(after: np.ndarray[Any, Any], truth: Truth) -> float:
    import numpy as np

    if after.all():
        return 0.0
    if truth.task == "regression":
        matrix = np.corrcoef(after, truth.values[:, 1])
        return float(abs(matrix[0, 1]))
    gaps = []
    for k in range(truth.values.shape[1]):
        positive = truth.values[:, k] > 0
        if positive.any() and not positive.all():
            gaps.append(abs(float(after[positive].mean()) - float(after[~positive].mean())))
    return max(gaps, default=0.0)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


@dataclass(frozen=True, slots=True)
class Period:
    """The ``rows`` at one end of the time (``from`` or ``up to`` ``moment``) where the target is (almost) one label."""

    side: str
    moment: str
    rows: int
    label: str
    rate: float


def one_sided(moment: pl.Series, truth: Truth) -> Period | None:
    """The longest span at an end of the time in which only one outcome comes, though chance would bring others.

    Rows that were collected because of their outcome, or whose other outcomes are not in yet, look like this.
    """
    import numpy as np

    if truth.task == "regression":
        return None
    order = moment.arg_sort().to_numpy()
    outcomes = [(label, truth.values[order, k]) for k, label in enumerate(truth.labels)]
    if truth.task == "binary":
        outcomes.append((f"not {truth.labels[0]}", 1 - truth.values[order, 0]))
    best: Period | None = None
    for side, turn in (("from", slice(None, None, -1)), ("up to", slice(None))):
        for label, outcome in outcomes:
            running = np.cumsum(outcome[turn])
            base = float(outcome.mean())
            for part in range(1, PARTS):
                rows = len(order) * part // PARTS
                if rows < LEAST_ROWS or rows * (1 - base) < LEAST_EXCEPTIONS:
                    continue
                rate = float(running[rows - 1]) / rows
                if rate < CERTAIN:
                    break
                if best is None or rows > best.rows:
                    edge = moment[int(order[turn][rows - 1])]
                    best = Period(side, str(edge), rows, label, rate)
    return best
