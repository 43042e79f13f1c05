"""What changed between two tables: columns, rows, values and how they are distributed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, NotFound, listed, quote
from mainspring.core.frames import as_frame
from mainspring.data.content import is_opaque

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

EXAMPLES = 3
_SHOWN_VALUES = 5
_KEY_LEVELS = 1000
"""New and gone values are named for columns with at most so many levels; above it they are identifiers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDiff:
    """One column that both tables have.

    ``changed`` counts the cells that differ in rows of the same key, None without a key; ``examples`` shows some of
    them. ``distance`` is how far the distributions lie apart, 0 (equal) to 1: for numbers and dates the largest gap
    between the cumulative distributions (Kolmogorov–Smirnov), else half the summed difference of the shares (total
    variation); None where a table has no value. ``appeared`` and ``vanished`` are values that only one table has.
    """

    name: str
    type_before: str
    type_after: str
    nulls_before: int
    nulls_after: int
    distance: float | None
    mean_before: float | None = None
    mean_after: float | None = None
    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    changed: int | None = None
    examples: tuple[dict[str, Any], ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything about the column changed."""
        same_type = self.type_before == self.type_after
        same_values = not self.changed and self.nulls_before == self.nulls_after and not self.distance
        return not (same_type and same_values and not self.appeared and not self.vanished)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The difference of two tables.

    With a key, rows are matched by it, and ``changed`` counts the matched rows that differ in a common column. Without
    a key, equal rows are matched with each other: ``changed`` is None, a changed row is one removed and one added.
    """

    rows_before: int
    rows_after: int
    key: tuple[str, ...]
    added: int
    removed: int
    changed: int | None
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns: tuple[ColumnDiff, ...]

    @property
    def equal(self) -> bool:
        """Same columns and same rows; the order of rows does not count."""
        schema = (
            self.columns_added
            or self.columns_removed
            or any(column.type_before != column.type_after for column in self.columns)
        )
        return not (schema or self.added or self.removed or self.changed)

    def as_dict(self) -> dict[str, Any]:
        """The difference as JSON values."""
        return {"equal": self.equal, **asdict(self)}


def diff(before: Any, after: Any, *, key: str | Sequence[str] | None = None) -> Diff:
    """What changed from the table *before* to the table *after*.

    *key*: the column or columns that say which row is which. Columns of different number types are compared as numbers,
    other differing types as text. Raises NotFound for an unknown key column, InputError where a key is not unique.

    >>> diff({"id": [1, 2], "v": [5, 6]}, {"id": [2, 3], "v": [7, 8]}, key="id").changed
    1
    """
    old, new = as_frame(before), as_frame(after)
    names = [key] if isinstance(key, str) else list(key or ())
    for table, word in ((old, "before"), (new, "after")):
        _check_key(table, names, word)
    common = [name for name in old.columns if name in new.columns]
    if not common:
        raise InputError(f"The tables share no column: {listed(old.columns)} before, {listed(new.columns)} after.")
    left, right = _alike(old, new, common)
    cells: dict[str, tuple[int, tuple[dict[str, Any], ...]]] = {}
    if names:
        added, removed, changed, cells = _matched(left, right, names)
    else:
        (added, removed), changed = _unmatched(left, right), None
    return Diff(
        rows_before=old.height,
        rows_after=new.height,
        key=tuple(names),
        added=added,
        removed=removed,
        changed=changed,
        columns_added=tuple(name for name in new.columns if name not in common),
        columns_removed=tuple(name for name in old.columns if name not in common),
        columns=tuple(_column(old[name], new[name], cells.get(name)) for name in common),
    )


def _check_key(table: pl.DataFrame, names: Sequence[str], word: str) -> None:
    import polars as pl

    for name in names:
        if name not in table.columns:
            raise NotFound.among("key column", name, table.columns, hint=f"It is missing from the table {word}.")
    if not names:
        return
    twice = table.group_by(names).len("\0rows").filter(pl.col("\0rows") > 1).sort("\0rows", *names, descending=True)
    if twice.height:
        value = ", ".join(map(str, twice.row(0)[:-1]))
        raise InputError(
            f"The key {listed(names)} is not unique in the table {word}: {twice.height} values occur more than once, "
            f"{quote(value)} {twice.row(0)[-1]} times. Add columns to the key, or compare without one."
        )


def _alike(old: pl.DataFrame, new: pl.DataFrame, common: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The common columns in types that can be compared."""
    import polars as pl

    left, right = old.select(common), new.select(common)
    for name in common:
        here, there = old.schema[name], new.schema[name]
        if here == there and not is_opaque(here) and here not in (pl.Categorical, pl.Enum):
            continue
        to = _common(here, there)
        left, right = left.with_columns(_cast(left[name], to)), right.with_columns(_cast(right[name], to))
    return left, right


def _common(here: pl.DataType, there: pl.DataType) -> pl.DataType:
    """A type that holds the values of both: text where nothing narrower does."""
    import polars as pl

    if here.is_integer() and there.is_integer() and pl.UInt64 not in (here, there):
        return pl.Int64()
    if here.is_numeric() and there.is_numeric():
        return pl.Float64()
    zoned = [getattr(each, "time_zone", None) is not None for each in (here, there)]
    if all(each in (pl.Date, pl.Datetime) for each in (here, there)) and zoned[0] == zoned[1]:
        return pl.Datetime("us", "UTC" if zoned[0] else None)
    return pl.String()


def _cast(series: pl.Series, to: pl.DataType) -> pl.Series:
    import polars as pl

    if is_opaque(series.dtype) or series.dtype == pl.Duration:
        return pl.Series(series.name, [None if value is None else str(value) for value in series.to_list()], dtype=to)
    return series.cast(to)


def _unmatched(left: pl.DataFrame, right: pl.DataFrame) -> tuple[int, int]:
    """Rows added and removed, equal rows matched one to one. Rows are compared by a 64-bit hash."""
    import polars as pl

    counts = [
        table.hash_rows(seed=0).alias("row").value_counts(name=word)
        for table, word in ((left, "before"), (right, "after"))
    ]
    joined = counts[0].join(counts[1], on="row", how="full", coalesce=True).fill_null(0)
    gain = pl.col("after").cast(pl.Int64) - pl.col("before").cast(pl.Int64)
    added, removed = joined.select(gain.clip(lower_bound=0).sum().alias("a"), (-gain).clip(lower_bound=0).sum()).row(0)
    return int(added), int(removed)


def _matched(
    left: pl.DataFrame, right: pl.DataFrame, key: Sequence[str]
) -> tuple[int, int, int, dict[str, tuple[int, tuple[dict[str, Any], ...]]]]:
    """Rows added, removed and changed, and for each column its changed cells with examples."""
    import polars as pl

    others = [name for name in left.columns if name not in key]
    renamed = right.rename({name: f"{name}\0after" for name in others})
    both = left.join(renamed, on=key, how="inner", nulls_equal=True, maintain_order="left")
    masks = both.select(pl.col(name).ne_missing(pl.col(f"{name}\0after")).alias(name) for name in others)
    cells = {}
    for name in others:
        rows = both.filter(masks[name]).head(EXAMPLES)
        shown = tuple(
            {
                "key": [_plain(value) for value in row[: len(key)]],
                "before": _plain(row[-2]),
                "after": _plain(row[-1]),
            }
            for row in rows.select(*key, name, f"{name}\0after").iter_rows()
        )
        cells[name] = (int(masks[name].sum()), shown)
    changed = int(masks.select(pl.any_horizontal(pl.all()).sum()).item()) if others else 0
    return right.height - both.height, left.height - both.height, changed, cells


def _column(old: pl.Series, new: pl.Series, cells: tuple[int, tuple[dict[str, Any], ...]] | None) -> ColumnDiff:
    import polars as pl

    measured: dict[str, Any] = {}
    if old.dtype.is_numeric() and new.dtype.is_numeric():
        measured = {"mean_before": _mean(old), "mean_after": _mean(new)}
        distance = _gap(old.cast(pl.Float64), new.cast(pl.Float64))
    elif old.dtype.is_temporal() and new.dtype.is_temporal() and (to := _common(old.dtype, new.dtype)) != pl.String:
        distance = _gap(*(each.cast(to).to_physical().cast(pl.Float64) for each in (old, new)))
    else:
        left, right = _shares(old), _shares(new)
        distance = None if not left or not right else _variation(left, right)
        if max(len(left), len(right)) <= _KEY_LEVELS:
            measured = {
                "appeared": tuple(value for value in right if value not in left)[:_SHOWN_VALUES],
                "vanished": tuple(value for value in left if value not in right)[:_SHOWN_VALUES],
            }
    return ColumnDiff(
        name=old.name,
        type_before=str(old.dtype),
        type_after=str(new.dtype),
        nulls_before=old.null_count(),
        nulls_after=new.null_count(),
        distance=distance,
        changed=None if cells is None else cells[0],
        examples=() if cells is None else cells[1],
        **measured,
    )


def _mean(series: pl.Series) -> float | None:
    value = series.mean()
    return None if value is None else float(value)  # type: ignore[arg-type]  # the mean of numbers is a number


def _gap(old: pl.Series, new: pl.Series) -> float | None:
    """The two-sample Kolmogorov–Smirnov statistic."""
    import numpy as np

    left, right = (np.sort(each.drop_nulls().drop_nans().to_numpy()) for each in (old, new))
    if not len(left) or not len(right):
        return None
    points = np.concatenate([left, right])
    below = [np.searchsorted(each, points, side="right") / len(each) for each in (left, right)]
    return float(np.abs(below[0] - below[1]).max())


def _shares(series: pl.Series) -> dict[str, float]:
    """The share of every value among the present ones, the most frequent first."""
    import polars as pl

    values = _cast(series.drop_nulls(), pl.String())
    counts = values.value_counts(sort=True, name="\0count")
    return {value: count / max(values.len(), 1) for value, count in counts.iter_rows()}


def _variation(left: dict[str, float], right: dict[str, float]) -> float:
    return sum(abs(left.get(value, 0.0) - right.get(value, 0.0)) for value in {*left, *right}) / 2


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
