"""How strongly columns of any kind go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.data.summary import numbers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl

    from mainspring.data.kind import Kind
    from mainspring.data.summary import ColumnProfile

    Matrix: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
    Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

Measure: TypeAlias = Literal["Spearman", "correlation ratio", "Cramér's V"]

MOST_COLUMNS = 60
"""Associations are computed among at most so many columns; their number of pairs grows with the square."""
SAMPLED_ROWS = 10_000
"""On a longer table so many random rows are looked at: the standard error of a correlation is then at most 0.01."""
LARGE = 1e100
LEVELS = 50
"""A category keeps its most frequent levels; the others count as one."""
STRONGEST = 30
"""So many pairs are listed."""

_NUMERIC: tuple[Kind, ...] = ("integer", "number", "boolean", "date", "datetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two columns and the strength of their association.

    ``value`` lies in [-1, 1] for Spearman and in [0, 1] otherwise; ``pearson`` is given between two numeric columns.
    """

    left: str
    right: str
    value: float
    measure: Measure
    pearson: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Associations:
    """A symmetric matrix of associations over ``columns``, and its strongest pairs.

    ``matrix[i][j]`` is NaN where the two columns have too few rows in common. ``rows`` were looked at of ``of``;
    ``left_out`` names the columns that were not, because of their kind or their number.
    """

    columns: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    pairs: tuple[Pair, ...]
    rows: int
    of: int
    left_out: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The strongest pairs and what was looked at; the matrix is in ``matrix``."""
        return {
            "columns": list(self.columns),
            "matrix": [[None if value != value else round(value, 4) for value in row] for row in self.matrix],
            "pairs": [
                {"left": p.left, "right": p.right, "value": p.value, "measure": p.measure, "pearson": p.pearson}
                for p in self.pairs
            ],
            "rows": self.rows,
            "left_out": list(self.left_out),
        }


def associate(
    frame: pl.DataFrame, columns: Sequence[ColumnProfile], *, target: str | None = None, seed: int = 0
) -> Associations:
    """Measure every pair of columns with the measure that fits their kinds.

    - two numeric columns: Spearman's rank correlation, and Pearson's beside it; over the rows where both are filled;
    - a number and a category: the correlation ratio, corrected for the number of levels (Kelley, "An unbiased
      correlation ratio measure", PNAS 21, 1935);
    - two categories: Cramér's V with Bergsma's bias correction ("A bias-correction for Cramér's V and Tschuprow's T",
      Journal of the Korean Statistical Society 42, 2013).

    Free texts, row ids and constant columns take no part. The *target* always does, where its kind allows.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    chosen, left_out = _chosen(columns, target)
    sample = frame.select(c.name for c in chosen)
    if frame.height > SAMPLED_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(frame.height, SAMPLED_ROWS, replace=False))
        sample = sample[rows]
    numeric = [c.name for c in chosen if _is_numeric(c, sample)]
    categories = [c.name for c in chosen if c.name not in set(numeric)]
    values = _numbers(sample, numeric)
    codes = [_codes(sample[name]) for name in categories]
    names = numeric + categories
    matrix = np.full((len(names), len(names)), np.nan)
    k = len(numeric)
    # products so small are done before a second thread wakes up, and waiting for one costs more on busy cores
    with threadpool_limits(1, user_api="blas"):
        pearson = _correlation(values)
        matrix[:k, :k] = _correlation(_ranks(values))
    for i, code in enumerate(codes):
        matrix[k + i, :k] = matrix[:k, k + i] = _correlation_ratio(code, values)
        for j in range(i):
            matrix[k + i, k + j] = matrix[k + j, k + i] = cramers_v(code, codes[j])
    np.fill_diagonal(matrix, 1.0)
    order = [names.index(c.name) for c in chosen]
    return Associations(
        columns=tuple(c.name for c in chosen),
        matrix=tuple(tuple(float(v) for v in row) for row in matrix[np.ix_(order, order)]),
        pairs=_strongest(names, matrix, pearson, k),
        rows=sample.height,
        of=frame.height,
        left_out=left_out,
    )


def _chosen(columns: Sequence[ColumnProfile], target: str | None) -> tuple[list[ColumnProfile], tuple[str, ...]]:
    fit = [c for c in columns if c.type in (*_NUMERIC, "category")]
    fit.sort(key=lambda c: c.name != target)  # the target first, so that the limit never cuts it
    names = {c.name for c in fit[:MOST_COLUMNS]}
    return (
        [c for c in columns if c.name in names],
        tuple(c.name for c in columns if c.name not in names),
    )


def _is_numeric(column: ColumnProfile, frame: pl.DataFrame) -> bool:
    dtype = frame.schema[column.name]
    return dtype.is_numeric() or dtype.is_temporal() or str(dtype) == "Boolean"


def _numbers(frame: pl.DataFrame, names: list[str]) -> Matrix:
    import numpy as np

    values = np.empty((frame.height, len(names)), order="F")
    for j, name in enumerate(names):
        values[:, j] = numbers_of(frame[name])
    values[~np.isfinite(values)] = np.nan
    largest = np.nanmax(np.abs(values), axis=0, initial=0.0)
    # no measure here depends on the scale, and sums and squares of very large numbers would overflow
    return values / np.where(largest > LARGE, largest, 1.0)


def _codes(series: pl.Series) -> Codes:
    """Dense codes of a category, -1 for null, levels past the most frequent ones merged into one."""
    import numpy as np
    import polars as pl

    dense = series.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy() - 1
    counts = np.bincount(dense[dense >= 0]) if (dense >= 0).any() else np.zeros(0, dtype=np.int64)
    if len(counts) > LEVELS:
        place = np.full(len(counts), LEVELS, dtype=np.int64)
        place[np.argsort(-counts, kind="stable")[:LEVELS]] = np.arange(LEVELS)
        dense = np.where(dense >= 0, place[dense], -1)
    return dense


def _ranks(values: Matrix) -> Matrix:
    """Ranks within each column, ties at their mean, NaN where there is no value."""
    import numpy as np

    ranks = np.empty_like(values)
    for j in range(values.shape[1]):
        column = values[:, j]
        order = np.argsort(column, kind="stable")  # NaN last
        ordered = column[order]
        starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
        sizes = np.diff(np.concatenate((starts, [len(ordered)])))
        ranks[order, j] = np.repeat(starts + (sizes - 1) / 2, sizes)
    ranks[np.isnan(values)] = np.nan
    return ranks


def _correlation(values: Matrix) -> Matrix:
    """Pearson's correlation of every two columns over the rows where both are filled."""
    import numpy as np

    missing = np.isnan(values)
    filled = (~missing).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        totals = filled.sum(axis=0)
        centred = np.where(missing, 0.0, values)
        centred = np.where(missing, 0.0, centred - centred.sum(axis=0) / totals)
        product = centred.T @ centred
        if not missing.any():
            spread = np.sqrt(np.diag(product))
            result = product / np.outer(spread, spread)
        else:
            n = filled.T @ filled
            sums = centred.T @ filled
            squares = (centred * centred).T @ filled
            covariance = product - sums * sums.T / n
            variance = squares - sums * sums / n
            result = covariance / np.sqrt(variance * variance.T)
            # where a column does not vary over the shared rows, rounding is all that is left
            flat = variance <= 1e-9 * squares
            result[flat | flat.T] = np.nan
            result[n < 3] = np.nan
    clipped: Matrix = np.clip(result, -1.0, 1.0)
    return clipped


def _correlation_ratio(codes: Codes, values: Matrix) -> Matrix:
    """The corrected correlation ratio of each column of *values* given the groups of *codes*; shape (columns,)."""
    import numpy as np

    known = codes >= 0
    order = np.argsort(codes[known], kind="stable")
    grouped, ordered = codes[known][order], values[known][order]
    if len(grouped) == 0:
        return np.full(values.shape[1], np.nan)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(grouped)) + 1))
    missing = np.isnan(ordered)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        n = (~missing).sum(axis=0)
        filled = np.where(missing, 0.0, ordered)
        filled = np.where(missing, 0.0, filled - filled.sum(axis=0) / n)
        sizes = np.add.reduceat((~missing).astype(np.float64), starts)
        sums = np.add.reduceat(filled, starts)
        between = np.where(sizes > 0, sums * sums / sizes, 0.0).sum(axis=0)
        total = (filled * filled).sum(axis=0)
        groups = (sizes > 0).sum(axis=0)
        unexplained = (1 - between / total) * (n - 1) / (n - groups)
    squared = np.where((n > groups) & (total > 0) & (groups > 1), 1 - unexplained, np.nan)
    ratio: Matrix = np.sqrt(np.clip(squared, 0.0, 1.0))
    return ratio


def cramers_v(left: Codes, right: Codes) -> float:
    """Bias-corrected Cramér's V of two coded categories (codes from 0, -1 for null); NaN where one has a single level.

    >>> import numpy as np
    >>> same = np.array([0, 1] * 50)
    >>> round(cramers_v(same, same), 6)
    1.0
    """
    import numpy as np

    both = (left >= 0) & (right >= 0)
    a, b = (left, right) if both.all() else (left[both], right[both])
    if len(a) == 0:
        return float("nan")
    wide = int(b.max()) + 1
    table = np.bincount(a * wide + b, minlength=(int(a.max()) + 1) * wide).reshape(-1, wide).astype(np.float64)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    table, rows, columns = table[rows > 0][:, columns > 0], rows[rows > 0], columns[columns > 0]
    n, r, c = float(len(a)), len(rows), len(columns)
    if min(r, c) < 2:
        return float("nan")
    phi = float((table * table / np.outer(rows, columns)).sum()) - 1
    corrected = max(0.0, phi - (r - 1) * (c - 1) / (n - 1))
    tall, across = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    smaller = min(tall, across) - 1
    return float(min(1.0, np.sqrt(corrected / smaller))) if smaller > 0 else float("nan")


def _strongest(names: list[str], matrix: Matrix, pearson: Matrix, numeric: int) -> tuple[Pair, ...]:
    import numpy as np

    above = np.triu_indices(len(names), 1)
    strengths = np.abs(matrix[above])
    strengths[np.isnan(strengths)] = -1
    best = np.argsort(-strengths, kind="stable")[:STRONGEST]
    pairs: list[Pair] = []
    for at in best:
        i, j = int(above[0][at]), int(above[1][at])
        if strengths[at] < 0.05:
            break
        both, none = j < numeric, i >= numeric
        pairs.append(
            Pair(
                left=names[i],
                right=names[j],
                value=round(float(matrix[i, j]), 4),
                measure="Spearman" if both else "Cramér's V" if none else "correlation ratio",
                pearson=round(float(pearson[i, j]), 4) if both and not np.isnan(pearson[i, j]) else None,
            )
        )
    return tuple(pairs)
