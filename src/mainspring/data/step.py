"""The steps of a cleaning recipe: each declared in plain values, each saying what it changed."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from mainspring.data.content import is_opaque
from mainspring.data.dates import named

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MEASURE = re.compile(r"(?P<number>[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?)\s*(?P<unit>\D.*)?")
_MONEY = "$€£¥"
_BLANKS = str.maketrans("", "", " \u00a0\u202f'’_")


@dataclass(frozen=True, slots=True)
class Mended:
    """A column after a step: ``changed`` cells hold something else, ``lost`` could not be read and are missing."""

    series: pl.Series
    changed: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitespace:
    """Blanks around texts go; with *inner*, runs of blanks within become one."""

    name: ClassVar[str] = "whitespace"
    column: str
    inner: bool = False

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column; anything but text stays."""
        if not _is_text(series):
            return Mended(series)
        bare = series.str.strip_chars()
        return _mended(series, bare.str.replace_all(r"\s+", " ") if self.inner else bare)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nulls:
    """Spellings of "missing" become missing, empty texts too."""

    name: ClassVar[str] = "nulls"
    column: str
    spellings: tuple[str, ...]

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column; NaN counts as a spelling of missing."""
        if series.dtype.is_float():
            return _mended(series, series.fill_nan(None))
        if not _is_text(series):
            return Mended(series)
        gone = series.str.strip_chars().is_in([*self.spellings, ""])
        return _mended(series, series.set(gone, None)) if gone.any() else Mended(series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Texts become numbers: currency signs and grouping go, units are converted by *factors* (multiply, then add).

    A number without a unit is taken to be in the declared one.
    """

    name: ClassVar[str] = "numbers"
    column: str
    type: Literal["integer", "number"]
    decimal: Literal[".", ","] = "."
    factors: dict[str, tuple[float, float]] | None = None

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column of text or numbers; other types stay for the check to report."""
        import polars as pl

        if _is_text(series):
            bare = series.str.strip_chars()
            plain = bare.cast(pl.Float64, strict=False) if self.decimal == "." else None
            read = _by_value(bare, self._read, pl.Float64, known=plain)
        elif series.dtype.is_numeric():
            read = series
        else:
            return Mended(series)
        return self._typed(series, read)

    def _typed(self, before: pl.Series, read: pl.Series) -> Mended:
        import polars as pl

        if self.type == "number":
            after = read.cast(pl.Float64).fill_nan(None)
        elif read.dtype.is_integer():
            after = read
        else:
            whole = read.set(~(read == read.floor()).fill_null(value=True), None)
            after = whole.cast(pl.Int64, strict=False)
            if _is_text(before):  # 64-bit integers do not all survive the way over floats
                exact = before.str.strip_chars().cast(pl.Int64, strict=False)
                after = pl.select(pl.coalesce(exact, after)).to_series().alias(before.name)
        lost = after.null_count() - before.null_count()
        return Mended(after, changed=before.len() - after.null_count() if _is_text(before) else 0, lost=max(lost, 0))

    def _read(self, text: str) -> float | None:
        factor = (1.0, 0.0)
        bare = text.strip(_MONEY + " ").translate(_BLANKS) if self.factors is None else text.strip(_MONEY + " ")
        if bare.startswith("(") and bare.endswith(")"):  # how accountants write a negative
            bare = f"-{bare[1:-1]}"
        if self.factors is not None:
            found = _MEASURE.fullmatch(bare)
            if found is None:
                return None
            bare = found["number"]
            measured = self._factor(found["unit"])
            if measured is None:
                return None
            factor = measured
        value = self._number(bare)
        return None if value is None else value * factor[0] + factor[1]

    def _factor(self, unit: str | None) -> tuple[float, float] | None:
        from mainspring.data.unit import folded

        if unit is None or self.factors is None:
            return (1.0, 0.0)
        for spelling in (folded(unit), folded(unit.split()[0])):
            if spelling in self.factors:
                return self.factors[spelling]
        return None

    def _number(self, bare: str) -> float | None:
        if self.decimal == ",":
            grouped = re.fullmatch(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?", bare) is not None
            bare = bare.replace(".", "").replace(",", ".") if grouped or "," in bare else bare
        elif re.fullmatch(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", bare):
            bare = bare.replace(",", "")
        return float(bare) if _NUMBER.fullmatch(bare) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booleans:
    """Spellings of true and false become truth values."""

    name: ClassVar[str] = "booleans"
    column: str
    true: tuple[str, ...] = ("true", "t", "yes", "y", "1", "1.0", "on")
    false: tuple[str, ...] = ("false", "f", "no", "n", "0", "0.0", "off")

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column of text or numbers."""
        import polars as pl

        if not (_is_text(series) or series.dtype.is_numeric()):
            return Mended(series)
        values = dict.fromkeys(self.true, True) | dict.fromkeys(self.false, False)
        bare = series.cast(pl.String).str.strip_chars().str.to_lowercase()
        after = bare.replace_strict(values, default=None, return_dtype=pl.Boolean)
        return Mended(after, changed=after.len() - after.null_count(), lost=after.null_count() - series.null_count())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """Texts become dates by the first of *formats* that fits; with *zoned*, moments in UTC (no offset means UTC)."""

    name: ClassVar[str] = "dates"
    column: str
    type: Literal["date", "datetime"]
    formats: tuple[str, ...]
    zoned: bool = False

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column of text, of dates, or of whole numbers such as 20260131."""
        import polars as pl

        if _is_text(series) or series.dtype.is_integer():
            bare = series.cast(pl.String).str.strip_chars()
            after = pl.Series(series.name, [None] * series.len(), dtype=pl.Datetime("us"))
            for written in self.formats:
                if after.null_count() == bare.null_count():
                    break
                after = after.to_frame().select(pl.coalesce(pl.first(), _naive(named(written).parse(bare)))).to_series()
            changed = after.len() - after.null_count()
        elif series.dtype in (pl.Date, pl.Datetime):
            after, changed = _naive(series), 0
        else:
            return Mended(series)
        lost = after.null_count() - series.null_count()
        if self.type == "date":
            after = after.cast(pl.Date)
        elif self.zoned:
            after = after.dt.replace_time_zone("UTC")
        return Mended(after, changed=changed, lost=lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Whole numbers, truth values and categories become text, so that a code is the same text in every delivery."""

    name: ClassVar[str] = "words"
    column: str

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column; 3.0 becomes "3"."""
        import polars as pl

        if series.dtype in (pl.String, pl.Duration) or is_opaque(series.dtype):
            return Mended(series)
        if series.dtype.is_float():
            whole = series.cast(pl.Int64, strict=False)
            if (whole.cast(series.dtype) == series).fill_null(value=True).all():
                series = whole
        after = series.cast(pl.String)
        return Mended(after, changed=0 if _is_coded(series) else after.len() - after.null_count())


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """Spellings of a declared category (case, blanks, underscores, hyphens, dots around) become the declared one.

    What is like no category stays as it is, for the check to report.
    """

    name: ClassVar[str] = "categories"
    column: str
    categories: tuple[str, ...]

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column of text."""
        if not _is_text(series):
            return Mended(series)
        known: dict[str, str | None] = {}
        for category in self.categories:
            fold = folded_category(category)
            known[fold] = None if fold in known else category  # two that differ in such things only are left alone
        declared = frozenset(self.categories)
        spellings = [value for value in series.drop_nulls().unique().to_list() if value not in declared]
        mapping = {value: known.get(folded_category(value)) for value in spellings}
        renamed = {value: category for value, category in mapping.items() if category is not None}
        return _mended(series, series.replace(renamed)) if renamed else Mended(series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """Infinities and values beyond the ends become missing, or with *action* "clip" the nearest end."""

    name: ClassVar[str] = "outliers"
    column: str
    minimum: float | None = None
    maximum: float | None = None
    action: Literal["null", "clip"] = "null"

    def mend(self, series: pl.Series) -> Mended:
        """Apply to a column of numbers."""
        if not series.dtype.is_numeric():
            return Mended(series)
        if self.action == "clip":
            after = series.clip(self.minimum, self.maximum)
            return _mended(series, after.set(after.is_infinite(), None) if after.dtype.is_float() else after)
        out = series.is_infinite() if series.dtype.is_float() else series != series
        if self.minimum is not None:
            out = out | (series < self.minimum)
        if self.maximum is not None:
            out = out | (series > self.maximum)
        out = out.fill_null(value=False)
        return Mended(series.set(out, None), changed=int(out.sum())) if out.any() else Mended(series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Of rows that are equal in *columns* (in all where there are none), only the first stays."""

    name: ClassVar[str] = "duplicates"
    columns: tuple[str, ...] = ()


ColumnStep: TypeAlias = Whitespace | Nulls | Numbers | Booleans | Dates | Words | Categories | Outliers
Step: TypeAlias = ColumnStep | Duplicates
STEPS: dict[str, type[Step]] = {
    step.name: step for step in (Whitespace, Nulls, Numbers, Booleans, Dates, Words, Categories, Outliers, Duplicates)
}


def as_dict(step: Step) -> dict[str, Any]:
    """The step as plain JSON values, its name under ``step``."""
    return {"step": step.name, **asdict(step)}


def folded_category(value: str) -> str:
    """A category without what clerks write differently.

    >>> folded_category(" Never_Married. ") == folded_category("never-married")
    True
    """
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", value.strip(" \t.,;:!'\"").casefold())


def _is_text(series: pl.Series) -> bool:
    import polars as pl

    return bool(series.dtype == pl.String)


def _is_coded(series: pl.Series) -> bool:
    import polars as pl

    return series.dtype in (pl.Categorical, pl.Enum)


def _mended(before: pl.Series, after: pl.Series) -> Mended:
    return Mended(after, changed=int((~before.eq_missing(after)).sum()))


def _naive(series: pl.Series) -> pl.Series:
    """As datetime in microseconds without a zone, in UTC where there was one."""
    import polars as pl

    moments = series.cast(pl.Datetime("us", getattr(series.dtype, "time_zone", None)))
    return moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if moments.dtype.time_zone else moments  # type: ignore[attr-defined]


def _by_value(
    series: pl.Series, read: Callable[[str], float | None], dtype: type[pl.DataType], *, known: pl.Series | None
) -> pl.Series:
    """Read every distinct text once; where *known* has a value already, it stands."""
    import polars as pl

    rest = series if known is None else series.filter(known.is_null())
    distinct = rest.drop_nulls().unique().to_list()
    found = {text: value for text in distinct if (value := read(text)) is not None}
    if known is not None and not found:
        return known
    values = series.replace_strict(found, default=None, return_dtype=dtype)
    return values if known is None else pl.select(pl.coalesce(known, values)).to_series().alias(series.name)
