"""Values far outside the bulk of their column, with their row numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.data.summary import numbers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import polars as pl

    from mainspring.data.summary import ColumnProfile

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

FAR = 3.0
"""Fences stand this many quartile ranges out: Tukey's "far out" (1977), not merely "outside" at 1.5."""
LISTED_ROWS = 20
"""So many rows are named for each column, the most extreme first."""
MEDCOUPLE_POINTS = 301
"""The medcouple is computed on so many evenly spaced order statistics; on all rows it would cost n log n a column."""
MOST_SHARE = 0.05
"""More than this share of the rows outside is a long tail or a second hump, not a few odd values."""
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31 in days from 1970-01-01."""
LARGE = 1e300
"""No fence can stand outside of numbers near the largest that a float holds."""
LEAST_VALUES = 20
LEAST_LEVELS = 12
"""A column with fewer distinct values than this is a code or a count of few things: no value of it is far out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """The values of one column outside its fences [``low``, ``high``].

    ``rows`` are row indices counted from 0, the most extreme first, at most :data:`LISTED_ROWS` of ``count``;
    ``values`` are theirs, as text where the column holds dates.
    """

    column: str
    count: int
    low: float | str
    high: float | str
    rows: tuple[int, ...]
    values: tuple[float | str, ...]
    rule: str


def outliers(frame: pl.DataFrame, columns: Mapping[str, ColumnProfile]) -> tuple[Outliers, ...]:
    """Judge every numeric and date column of *frame*; columns without an outlier are left out.

    The rule is the boxplot adjusted for skew (Hubert and Vandervieren, "An adjusted boxplot for skewed distributions",
    Computational Statistics & Data Analysis 52, 2008): fences at ``Q1 - k·e^(-4·MC)·IQR`` and ``Q3 + k·e^(3·MC)·IQR``
    for a medcouple MC of zero or more (mirrored for a negative one), with k = 3. The fence on the short side is never
    drawn closer than the plain one, which two humps would otherwise make it. Where half of the values are one and
    the same (so that the quartile range is zero), that value is set aside and the rule judges the others.
    """
    found: list[Outliers] = []
    for series in frame.iter_columns():
        summary = columns[series.name]
        if not _is_judged(series, summary):
            continue
        one = _of_column(series)
        if one is not None:
            found.append(one)
    return tuple(sorted(found, key=lambda outlier: -outlier.count))


def _is_judged(series: pl.Series, summary: ColumnProfile) -> bool:
    import polars as pl

    measured = series.dtype.is_numeric() or series.dtype in (pl.Date, pl.Datetime)
    return measured and summary.type not in ("id", "constant", "boolean") and summary.distinct >= LEAST_LEVELS


def _of_column(series: pl.Series) -> Outliers | None:
    import numpy as np

    values = numbers_of(series)
    finite = np.sort(values[np.isfinite(values)])
    bounds = fences(finite)
    if bounds is None:
        return None
    low, high, rule = bounds
    rows = np.flatnonzero((values < low) | (values > high))
    if not 0 < len(rows) <= MOST_SHARE * len(values):
        return None
    beyond = np.maximum(low - values[rows], values[rows] - high)
    shown = rows[np.argsort(-beyond, kind="stable")[:LISTED_ROWS]]
    if series.dtype.is_temporal():
        texts = tuple(str(value) for value in series.gather(shown).to_list())
        ends = [str(moment) for moment in _moments(series, low, high)]
        return _outliers(series.name, rows, ends[0], ends[1], shown, texts, rule)
    return _outliers(series.name, rows, low, high, shown, tuple(float(v) for v in values[shown]), rule)


def _outliers(
    name: str,
    rows: np.ndarray[Any, Any],
    low: float | str,
    high: float | str,
    shown: np.ndarray[Any, Any],
    values: tuple[float | str, ...],
    rule: str,
) -> Outliers:
    numbers = tuple(int(row) for row in shown)
    return Outliers(column=name, count=len(rows), low=low, high=high, rows=numbers, values=values, rule=rule)


def _moments(series: pl.Series, low: float, high: float) -> list[Any]:
    """Physical bounds as dates, held within the years 1 to 9999 that a date can show."""
    import polars as pl

    unit = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}.get(getattr(series.dtype, "time_unit", ""), 0)
    day = 86_400 * unit if unit else 1
    ends = [min(max(bound, FIRST_DAY * day), LAST_DAY * day) for bound in (low, high)]
    return pl.Series(ends, dtype=pl.Float64).cast(series.to_physical().dtype, strict=False).cast(series.dtype).to_list()


def fences(ordered: Vector) -> tuple[float, float, str] | None:
    """The lowest and the highest value that is not an outlier, from sorted finite values, and the rule in words.

    None where too few values are left to judge by.

    >>> import numpy as np
    >>> low, high, _ = fences(np.arange(101.0))
    >>> low, high
    (-125.0, 225.0)
    """
    import numpy as np

    rule = "adjusted boxplot, far out"
    if len(ordered) < LEAST_VALUES:
        return None
    q1, q3 = _quartiles(ordered)
    if q1 == q3:
        kept = ordered[ordered != q1]
        if len(kept) < LEAST_VALUES:
            return None
        rule += f", among the {len(kept):,} values other than {q1:g}"
        common, ordered = q1, kept
        q1, q3 = _quartiles(ordered)
        if q1 == q3:
            return None
    else:
        common = None
    if abs(q1) > LARGE or abs(q3) > LARGE:
        return None
    mc = medcouple(ordered[np.linspace(0, len(ordered) - 1, min(MEDCOUPLE_POINTS, len(ordered))).astype(np.intp)])
    below, above = (-4.0, 3.0) if mc >= 0 else (-3.0, 4.0)
    low = q1 - FAR * max(1.0, math.exp(below * mc)) * (q3 - q1)
    high = q3 + FAR * max(1.0, math.exp(above * mc)) * (q3 - q1)
    if common is not None:
        low, high = min(low, common), max(high, common)
    return low, high, rule


def _quartiles(ordered: Vector) -> tuple[float, float]:
    n = len(ordered)
    return float(ordered[(n - 1) // 4]), float(ordered[(3 * (n - 1)) // 4])


def medcouple(ordered: Vector) -> float:
    """The robust skewness of sorted values, between -1 (long left tail) and 1 (Brys, Hubert and Struyf, 2004).

    The plain definition, quadratic in the number of values: give it a few hundred.

    >>> import numpy as np
    >>> round(medcouple(np.array([1.0, 2.0, 3.0, 10.0, 30.0])), 3)
    0.75
    """
    import numpy as np

    median = float(np.median(ordered))
    lower = ordered[ordered <= median][:, None] - median
    upper = ordered[ordered >= median][None, :] - median
    spread = upper - lower
    with np.errstate(invalid="ignore"):
        kernel = (upper + lower) / spread
    ties = spread == 0
    if ties.any():
        # both values equal the median: the kernel is the sign of how their ranks lie to each other, as Brys defines it
        count = int((ordered == median).sum())
        signs = np.sign(np.arange(count)[:, None] + np.arange(count)[None, :] - (count - 1))
        kernel[-count:, :count] = signs
    return float(np.median(kernel))
