"""What one column holds: counts, quantiles, moments, a histogram, its most frequent values and what looks odd."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.data.dates import DateFormat, named
from mainspring.data.kind import PARSED_SHARE, Kind, date_format, is_row_id, text_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import polars as pl

    Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

BINS = 30
TOP_VALUES = 10
TAIL = 0.005
"""This share of the rows at either end goes into the outermost bin, so that a far value does not flatten the rest."""
LARGE = 1e290
"""The sum of values up to here cannot overflow in a table that fits into memory."""
SHOWN_CHARACTERS = 120
DISTINCT_FOR_TOP = 100_000
"""A numeric column with more distinct values than this has no most frequent ones worth naming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Facts over the finite values. ``sd`` is the sample standard deviation, ``kurtosis`` the excess (normal: 0)."""

    minimum: float
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    maximum: float
    mean: float
    sd: float
    skew: float
    kurtosis: float
    zeros: int
    negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """``counts[i]`` values lie from ``edges[i]`` to ``edges[i + 1]``; edges are numbers, or ISO 8601 texts for dates.

    The inner edges are evenly spaced; the outermost bins reach as far as the values do.
    """

    edges: tuple[float | str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """First and last moment of a date column, and whether the rows come in that order."""

    first: str
    last: str
    ordered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How many characters the texts have."""

    minimum: int
    mean: float
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """The summary of one column. ``nulls`` counts NaN too; ``top`` is (value as text, rows), most frequent first.

    ``date_format`` is set for a text column whose values are dates in that one format.
    """

    name: str
    dtype: str
    type: Kind
    rows: int
    nulls: int
    distinct: int
    infinite: int = 0
    numbers: Numbers | None = None
    span: Span | None = None
    lengths: Lengths | None = None
    histogram: Histogram | None = None
    top: tuple[tuple[str, int], ...] = ()
    date_format: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def null_fraction(self) -> float:
        """The share of rows without a value; 0 for a table without rows."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def empty(self) -> bool:
        """Whether there is no value at all."""
        return self.nulls == self.rows

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values, without what does not apply."""
        plain = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        plain["null_fraction"] = round(self.null_fraction, 6)
        if self.top:
            plain["top"] = [{"value": value, "rows": rows} for value, rows in self.top]
        return plain


def summarise(series: pl.Series) -> ColumnProfile:
    """Summarise one column of any type. Infinities are counted and left out of quantiles and moments."""
    import polars as pl

    dtype = series.dtype
    if dtype in (pl.Categorical, pl.Enum):
        return _of_text(series.cast(pl.String), stored=str(dtype))
    if dtype == pl.String:
        return _of_text(series, stored=str(dtype))
    if dtype == pl.Boolean:
        return _of_boolean(series)
    if dtype in (pl.Date, pl.Datetime):
        return _of_time(series, stored=str(dtype))
    if dtype.is_numeric() or dtype in (pl.Time, pl.Duration):
        return _of_numbers(series)
    return _of_other(series)


def dated(frame: pl.DataFrame, columns: Iterable[ColumnProfile]) -> pl.DataFrame:
    """The frame with every column of dates written as text turned into dates; texts of another form become null."""
    import polars as pl

    parsed = [
        named(c.date_format).parse(frame[c.name].cast(pl.String).str.strip_chars())
        for c in columns
        if c.date_format is not None and frame.schema[c.name] in (pl.String, pl.Categorical, pl.Enum)
    ]
    return frame.with_columns(parsed) if parsed else frame


def _base(series: pl.Series, stored: str) -> dict[str, Any]:
    return {"name": series.name, "dtype": stored, "rows": len(series)}


def numbers_of(series: pl.Series) -> Vector:
    """A numeric, boolean or temporal column as float64, null as NaN.

    Dates and datetimes are their physical numbers, durations and times of day are seconds.
    """
    import polars as pl

    if series.dtype == pl.Duration:
        return (series.dt.total_nanoseconds() / 1e9).to_numpy()
    if series.dtype == pl.Time:
        return (series.to_physical() / 1e9).to_numpy()
    physical = series.to_physical() if series.dtype.is_temporal() else series
    return physical.cast(pl.Float64).to_numpy()


def _of_numbers(series: pl.Series) -> ColumnProfile:
    import numpy as np

    values = numbers_of(series)
    ordered = np.sort(values)  # NaN last
    filled = ordered[: len(ordered) - int(np.isnan(ordered).sum())]
    finite = filled[np.searchsorted(filled, -math.inf, side="right") : np.searchsorted(filled, math.inf)]
    infinite = len(filled) - len(finite)
    starts = _starts(filled)
    whole = series.dtype.is_integer()
    kind: Kind = "integer" if whole else "number"
    nulls = len(values) - len(filled)
    if len(starts) <= 1 and (nulls == 0 or len(filled) == 0):
        kind = "constant"
    elif whole and is_row_id(series.name, rows=len(filled), distinct=len(starts), low=filled[0], high=filled[-1]):
        kind = "id"
    elif whole and len(starts) == 2 and filled[0] == 0 and filled[-1] == 1:
        kind = "boolean"
    return ColumnProfile(
        **_base(series, str(series.dtype)),
        type=kind,
        nulls=nulls,
        distinct=len(starts),
        infinite=infinite,
        numbers=_moments(finite) if len(finite) else None,
        histogram=_histogram(finite, starts=len(starts), whole=whole) if len(finite) else None,
        top=_frequent(filled, starts, whole=whole),
        notes=(f"{infinite} infinite values",) if infinite else (),
    )


def _starts(ordered: Vector) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Where each distinct value begins in sorted values."""
    import numpy as np

    if len(ordered) == 0:
        return np.empty(0, dtype=np.intp)
    return np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))


def _moments(ordered: Vector) -> Numbers:
    import numpy as np

    n = len(ordered)
    low, high = float(ordered[0]), float(ordered[-1])
    mean = float(ordered.mean()) if max(-low, high) < LARGE else float((ordered / n).sum())
    # scaled to at most one, so that the powers of very large and very small values neither overflow nor vanish
    scale = max(high - mean, mean - low)
    with np.errstate(over="ignore"):
        centred = (ordered - mean) / scale if 0 < scale < math.inf else np.zeros(n)
    squares = centred * centred
    second = float(squares.mean())
    # plain products, not BLAS: its threads wait for each other longer than a column takes
    third = float((squares * centred).mean())
    fourth = float((squares * squares).mean())
    at = np.minimum((np.array([0.05, 0.25, 0.5, 0.75, 0.95]) * n).astype(np.intp), n - 1)
    q05, q25, median, q75, q95 = (float(value) for value in ordered[at])
    return Numbers(
        minimum=low,
        q05=q05,
        q25=q25,
        median=median if n % 2 else float(ordered[n // 2 - 1] / 2 + ordered[n // 2] / 2),
        q75=q75,
        q95=q95,
        maximum=high,
        mean=mean,
        sd=scale * math.sqrt(second * n / (n - 1)) if n > 1 else 0.0,
        skew=third / second**1.5 if second > 0 else 0.0,
        kurtosis=fourth / second**2 - 3 if second > 0 else 0.0,
        zeros=int(np.searchsorted(ordered, 0.0, side="right") - np.searchsorted(ordered, 0.0)),
        negatives=int(np.searchsorted(ordered, 0.0)),
    )


def _histogram(ordered: Vector, *, starts: int, whole: bool) -> Histogram:
    import numpy as np

    n = len(ordered)
    low, high = float(ordered[0]), float(ordered[-1])
    if starts == 1:
        return Histogram(edges=(low, high), counts=(n,))
    inner_low, inner_high = float(ordered[int(TAIL * n)]), float(ordered[min(int((1 - TAIL) * n), n - 1)])
    if inner_low == inner_high or starts <= BINS:
        inner_low, inner_high = low, high
    bins = BINS
    if whole and inner_high - inner_low < BINS:
        bins = int(inner_high - inner_low) + 1
        inner_low, inner_high = inner_low - 0.5, inner_high + 0.5
    edges = (
        np.linspace(inner_low / 2, inner_high / 2, bins + 1) * 2
    )  # halves: the distance may exceed the largest float
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    at = np.searchsorted(ordered, edges[1:-1], side="left")
    counts = np.diff(np.concatenate(([0], at, [n])))
    return Histogram(edges=tuple(float(f"{edge:.8g}") for edge in edges), counts=tuple(int(c) for c in counts))


def _frequent(ordered: Vector, starts: np.ndarray[Any, Any], *, whole: bool) -> tuple[tuple[str, int], ...]:
    import numpy as np

    if not 0 < len(starts) <= DISTINCT_FOR_TOP:
        return ()
    counts = np.diff(np.concatenate((starts, [len(ordered)])))
    if counts.max() == 1:
        return ()
    best = np.argsort(-counts, kind="stable")[:TOP_VALUES]
    return tuple((_number(ordered[starts[i]], whole=whole), int(counts[i])) for i in best)


def _number(value: float, *, whole: bool) -> str:
    return str(int(value)) if whole and math.isfinite(value) else f"{value:.10g}"


def _of_boolean(series: pl.Series) -> ColumnProfile:
    nulls, trues = series.null_count(), int(series.sum() or 0)
    falses = len(series) - nulls - trues
    counted = sorted([("true", trues), ("false", falses)], key=lambda pair: -pair[1])
    distinct = (trues > 0) + (falses > 0)
    return ColumnProfile(
        **_base(series, "Boolean"),
        type="constant" if distinct <= 1 and (nulls == 0 or distinct == 0) else "boolean",
        nulls=nulls,
        distinct=distinct,
        top=tuple((value, rows) for value, rows in counted if rows),
    )


def _of_time(series: pl.Series, *, stored: str, notes: tuple[str, ...] = ()) -> ColumnProfile:
    import numpy as np
    import polars as pl

    filled = series.drop_nulls()
    physical = numbers_of(filled)
    ordered = np.sort(physical)
    distinct = len(_starts(ordered))
    kind: Kind = "date" if series.dtype == pl.Date else "datetime"
    if len(filled) == 0 or (distinct == 1 and len(filled) == len(series)):
        kind = "constant"
    histogram = span = None
    if len(filled):
        raw = _histogram(ordered, starts=distinct, whole=False)
        stamps = (
            pl.Series(raw.edges, dtype=pl.Float64).cast(pl.Int64).cast(filled.to_physical().dtype).cast(series.dtype)
        )
        histogram = Histogram(edges=tuple(moment.isoformat() for moment in stamps.to_list()), counts=raw.counts)
        first, last = filled.min(), filled.max()
        span = Span(
            first=first.isoformat(),  # type: ignore[union-attr]  # the extremes of a date column are dates
            last=last.isoformat(),  # type: ignore[union-attr]
            ordered=bool((physical[1:] >= physical[:-1]).all()),
        )
    return ColumnProfile(
        **_base(series, stored),
        type=kind,
        nulls=len(series) - len(filled),
        distinct=distinct,
        span=span,
        histogram=histogram,
        notes=notes,
    )


def _of_text(series: pl.Series, *, stored: str) -> ColumnProfile:
    import numpy as np
    import polars as pl

    counted = series.alias("value").drop_nulls().value_counts(sort=True, name="rows")
    nulls, distinct = series.null_count(), counted.height
    filled = len(series) - nulls
    if distinct == 0:
        return ColumnProfile(**_base(series, stored), type="constant", nulls=nulls, distinct=0)
    levels = counted["value"]
    kind: Kind = text_kind(levels, rows=filled, distinct=distinct)
    if kind in ("date", "datetime"):
        written = date_format(levels)
        if written is not None:
            return _of_dated_text(series, written, stored=stored)
    if distinct == 1 and nulls == 0:
        kind = "constant"
    top = counted.head(TOP_VALUES)
    # ties in the count come in any order from the engine; by value they are the same on every machine
    if distinct <= TOP_VALUES * 100:
        top = counted.sort(["rows", "value"], descending=[True, False]).head(TOP_VALUES)
    sizes = levels.str.len_chars()
    weights = counted["rows"]
    return ColumnProfile(
        **_base(series, stored),
        type=kind,
        nulls=nulls,
        distinct=distinct,
        lengths=Lengths(
            minimum=int(sizes.min()),  # type: ignore[arg-type]  # there is at least one level
            mean=float(np.average(sizes.to_numpy(), weights=weights.to_numpy())),
            maximum=int(sizes.max()),  # type: ignore[arg-type]
        ),
        top=tuple((_cut(value), int(rows)) for value, rows in zip(top["value"], top["rows"], strict=True)),
        notes=_text_notes(levels.cast(pl.String), weights),
    )


def _cut(value: str) -> str:
    return value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"


def _of_dated_text(series: pl.Series, written: DateFormat, *, stored: str) -> ColumnProfile:
    from dataclasses import replace

    from mainspring.data.time_text import offsets, shown_offsets

    parsed = written.parse(series.str.strip_chars())
    unread = parsed.null_count() - series.null_count()
    notes = [f"dates written as text in the form {written.format}"]
    if unread:
        notes.append(f"{unread:,} values are not dates of this form")
    if written.zoned and len(found := offsets(series)) > 1:
        notes.append(f"times of {len(found)} offsets from UTC: {shown_offsets(series, found)}")
    summary = _of_time(parsed, stored=stored, notes=tuple(notes))
    return replace(summary, nulls=series.null_count(), date_format=written.format)


def _text_notes(levels: pl.Series, weights: pl.Series) -> tuple[str, ...]:
    """What looks odd in a text column: numbers among words, blanks around values, the same word in two spellings."""
    import polars as pl

    notes: list[str] = []
    total = int(weights.sum())
    digits = levels.str.strip_chars(" %$€£").str.replace_all(",", "", literal=True)
    numeric = digits.cast(pl.Float64, strict=False).is_not_null()
    share = int(weights.filter(numeric).sum()) / total
    if share >= PARSED_SHARE:
        notes.append("numbers written as text")
    elif share > 0.1:
        notes.append(f"mixed: {share:.0%} of the values are numbers, the others are words")
    stripped = levels.str.strip_chars()
    padded = int(weights.filter(stripped != levels).sum())
    if padded:
        notes.append(f"{padded:,} values have blanks around them")
    folded = stripped.str.to_lowercase().n_unique()
    if folded < len(levels) and len(levels) <= 10_000:
        notes.append(f"{len(levels) - folded:,} spellings differ from another only in case or blanks")
    return tuple(notes)


def _of_other(series: pl.Series) -> ColumnProfile:
    """Lists, structs, bytes and the like: only what can be counted without looking inside."""
    import polars as pl

    nulls = len(series) if series.dtype == pl.Null else series.null_count()
    empty = nulls == len(series)
    return ColumnProfile(
        **_base(series, str(series.dtype)),
        type="constant" if empty else "text",
        nulls=nulls,
        distinct=0 if empty else len(series) - nulls,
        notes=() if empty else (f"values of type {series.dtype} are not looked into",),
    )
