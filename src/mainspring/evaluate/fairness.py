"""Whether groups of people are treated alike, by the definitions of Fairlearn.

Agarwal et al. (2018), "A reductions approach to fair classification"; Hardt, Price & Srebro (2016), "Equality of
opportunity in supervised learning". A group's selection rate is its share of rows called positive; its true (false)
positive rate is that share among its positive (negative) rows. The differences are between the largest and the smallest
rate over the groups. A group of few rows has an accidental rate, so groups below ``MINIMUM_ROWS`` are left out and
named; so are rows whose group is not known.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.evaluate.outcome import Floats, Ints, as_series, texts
from mainspring.evaluate.statistic import Statistic, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.evaluate.outcome import Outcome

MINIMUM_ROWS = 30
"""A group of fewer rows is not compared."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group each row is of.

    ``code``: shape (n,), the position in ``names``, or -1 for a row that is left out. ``left_out`` gives the groups
    that are too small, with their rows; rows of unknown group stand there under ``(not known)``.
    """

    code: Ints
    names: tuple[str, ...]
    left_out: dict[str, int]

    @classmethod
    def of(cls, values: Any, *, minimum_rows: int = MINIMUM_ROWS) -> Groups:
        """The groups of n *values* (array, list or series of any type), largest first."""
        column = texts(as_series(values))
        sizes = (
            column.alias("group")  # the column may be called as the count is
            .drop_nulls()
            .value_counts(sort=True, name="rows")
            .sort(["rows", "group"], descending=[True, False])
        )
        names = tuple(sizes.filter(pl.col("rows") >= minimum_rows)["group"])
        small = sizes.filter(pl.col("rows") < minimum_rows)
        left_out = dict(zip(small["group"], small["rows"], strict=True))
        if column.null_count():
            left_out["(not known)"] = column.null_count()
        code = column.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64)
        return cls(code.to_numpy().astype(np.int64), names, left_out)


@dataclass(frozen=True, slots=True)
class Rates:
    """What each group met, each of shape (samples, groups)."""

    selection: Floats
    true_positive: Floats
    false_positive: Floats


def demographic_parity_difference(outcome: Outcome, groups: Groups) -> Statistic:
    """The largest minus the smallest selection rate. Needs no truth."""
    return _compared(outcome, groups, lambda rates: _gap(rates.selection))


def demographic_parity_ratio(outcome: Outcome, groups: Groups) -> Statistic:
    """The smallest over the largest selection rate; NaN where no group has any. Needs no truth."""

    def of(rates: Rates) -> Floats:
        return ratio(rates.selection.min(axis=1), rates.selection.max(axis=1))

    return _compared(outcome, groups, of)


def equalized_odds_difference(outcome: Outcome, groups: Groups) -> Statistic:
    """The larger of the gaps in true and in false positive rate."""
    return _compared(outcome, groups, lambda rates: np.fmax(_gap(rates.true_positive), _gap(rates.false_positive)))


def equal_opportunity_difference(outcome: Outcome, groups: Groups) -> Statistic:
    """The gap in true positive rate."""
    return _compared(outcome, groups, lambda rates: _gap(rates.true_positive))


def rates(outcome: Outcome, groups: Groups) -> Rates:
    """The rates of each group on the rows as they are, shape (1, groups) each."""
    rows = np.flatnonzero(groups.code >= 0)
    cells = _cells(outcome.take(rows), groups.code[rows])
    return _rates(np.bincount(cells, minlength=4 * len(groups.names))[None, :].astype(np.float64))


def _cells(outcome: Outcome, group: Ints) -> Ints:
    """The kind of each row: group, truth and decision."""
    kinds: Ints = group * 4 + (outcome.truth == 1) * 2 + (outcome.decided == 1)
    return kinds


def _rates(weights: Floats) -> Rates:
    cells = weights.reshape(len(weights), -1, 2, 2)
    selected = cells[..., 1]
    total = cells.sum(axis=3)
    return Rates(
        ratio(selected.sum(axis=2), total.sum(axis=2)),
        ratio(selected[..., 1], total[..., 1]),
        ratio(selected[..., 0], total[..., 0]),
    )


def _compared(outcome: Outcome, groups: Groups, of: Callable[[Rates], Floats]) -> Statistic:
    if len(groups.names) < 2:
        return Statistic(0, np.zeros(0, dtype=np.int64), 1, lambda weights: np.full(len(weights), np.nan))
    rows = np.flatnonzero(groups.code >= 0)
    fold = _cells(outcome.take(rows), groups.code[rows])
    return Statistic(len(rows), fold, 4 * len(groups.names), lambda weights: of(_rates(weights)))


def _gap(values: Floats) -> Floats:
    """The spread over the groups for which the rate is defined; NaN where fewer than two are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a sample in which no group has the rate: NaN is the answer
        spread: Floats = np.nanmax(values, axis=1) - np.nanmin(values, axis=1)
    return np.where((~np.isnan(values)).sum(axis=1) >= 2, spread, np.nan)
