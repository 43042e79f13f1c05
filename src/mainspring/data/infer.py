"""What a column of text really holds: numbers, truth values, dates, or text. Nothing is lost by the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mainspring.core.errors import listed, quote
from mainspring.data.dates import fitting, is_dated
from mainspring.data.time_text import ENOUGH_TO_RISE, offsets, shown_offsets

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Sequence

    import polars as pl

TEXT_NULLS = frozenset({"?", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "null", "NULL", "\\N"})
"""Spellings that mean "missing" in any column."""
TYPED_NULLS = TEXT_NULLS | {
    "-",
    "--",
    "None",
    "none",
    "nil",
    "na",
    "Null",
    "(null)",
    ".",
    "missing",
    "unknown",
    "#VALUE!",
}
"""Spellings that mean "missing" among numbers, dates and truth values; in a text column they may be a value."""

_SAMPLE = 1000
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI]nf(?:inity)?)")
_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?")
"""A number with a decimal comma, its thousands perhaps grouped by dots."""
_GROUPED = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
"""A number whose thousands are perhaps grouped by commas."""
_CODE = r"^(?:\+\d{7,}|[+-]?0\d)"
"""Leading zeros and long numbers with a plus are codes (postal, telephone), which a number would mutilate."""
_MOSTLY = 0.5


@dataclass(slots=True)
class Findings:
    """Notes for people, and how often each spelling was taken for "missing" in which columns."""

    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    nulls: dict[str, dict[str, int]] = field(default_factory=dict)

    def all(self) -> tuple[str, ...]:
        """Every note, those about missing values in one line a spelling."""
        taken = [
            f"{quote(spelling)} read as missing in {(cells := sum(columns.values())):,} cell{'s' * (cells != 1)} "
            f"of {listed(columns, limit=4)}"
            for spelling, columns in self.nulls.items()
        ]
        empty = [f"no value at all in {listed(self.empty)}"] if self.empty else []
        return (*taken, *self.notes, *empty)

    def kept(self, column: str, why: str) -> None:
        """Note that *column* stays text; the first reason is the one that counts."""
        begin = f"column {column} is kept as text: "
        if not any(note.startswith(begin) for note in self.notes):
            self.notes.append(begin + why)


def infer(
    frame: pl.DataFrame,
    findings: Findings,
    *,
    nulls: Collection[str] | None = None,
    dates_only: bool = False,
    written: Container[str] = (),
) -> pl.DataFrame:
    """Give every text column of *frame* the narrowest type that keeps all its values; other columns stay as they are.

    *nulls* replaces the default spellings of "missing". With *dates_only* text is not searched for numbers and truth
    values (a file format that has its own numbers means text by text). The columns that are *written* keep their
    characters whatever they look like; only an empty cell is missing there.
    """
    import polars as pl

    return frame.with_columns(
        _written(series) if series.name in written else _column(series, findings, nulls, dates_only=dates_only)
        for series in frame.iter_columns()
        if series.dtype == pl.String
    )


def _written(series: pl.Series) -> pl.Series:
    return series.set(series.str.strip_chars() == "", None)


def _column(series: pl.Series, findings: Findings, nulls: Collection[str] | None, *, dates_only: bool) -> pl.Series:
    import polars as pl

    if not dates_only and nulls is None and (plain := _plain_number(series)) is not None:
        return plain
    typed_nulls = sorted(TYPED_NULLS if nulls is None else nulls)
    text_nulls = sorted(TEXT_NULLS if nulls is None else nulls)
    if dates_only and nulls is None:
        typed_nulls = text_nulls = []
    bare = series.str.strip_chars()
    bare = bare.set(bare == "", None)
    missing = bare.is_in(typed_nulls) if typed_nulls else None
    full = bare.set(missing, None) if missing is not None and missing.any() else bare
    if full.null_count() < series.len():
        typed = _dates(full, findings) if dates_only else _typed(full, findings)
        if typed is not None:
            _count_nulls(bare, full, findings)
            return typed
    kept = series.set(bare.is_null(), None)
    gone = bare.is_in(text_nulls) if text_nulls else pl.Series([False]).new_from_index(0, series.len())
    if gone.any():
        shown = bare.set(gone, None)
        _count_nulls(bare, shown, findings)
        kept = kept.set(gone, None)
    if kept.null_count() == series.len():
        findings.empty.append(series.name)
    elif not dates_only:
        _explain(full, findings)
    return kept


def _plain_number(series: pl.Series) -> pl.Series | None:
    """The quick way for most columns of numbers: no spelling of "missing" but the empty cell, no code, no blanks."""
    import polars as pl

    sample = [value for value in _sample(series) if value]
    if not sample or not all(map(_NUMBER.fullmatch, sample)) or series.str.contains(_CODE).any():
        return None
    whole = all(map(_INTEGER.fullmatch, sample)) and not any(value.startswith("+") for value in sample)
    numbers = series.cast(pl.Int64 if whole else pl.Float64, strict=False)
    empty = int((series == "").sum()) + series.null_count()
    return numbers if numbers.null_count() == empty and (whole or not numbers.is_nan().any()) else None


def _count_nulls(before: pl.Series, after: pl.Series, findings: Findings) -> None:
    if before.null_count() == after.null_count():
        return
    taken = (
        before.alias("spelling").filter(after.is_null() & before.is_not_null()).value_counts(name="cells", sort=True)
    )
    for spelling, count in taken.iter_rows():
        findings.nulls.setdefault(spelling, {})[before.name] = count


def _typed(full: pl.Series, findings: Findings) -> pl.Series | None:
    """The column as truth values, integers, numbers or dates, or None where it is text."""
    sample = _sample(full)
    if all(value.casefold() in ("true", "false") for value in sample):
        return _all_or_none(full, full.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None))
    if all(map(_NUMBER.fullmatch, sample)):
        return _number(full, sample, findings)
    if any("," in value for value in sample):
        if all(map(_GROUPED.fullmatch, sample)):
            grouped = _grouped(full, findings)
            if grouped is not None:
                return grouped
        if all(map(_COMMA.fullmatch, sample)):
            return _decimal_comma(full, findings)
    return _dates(full, findings)


def _sample(full: pl.Series) -> list[str]:
    values = full.drop_nulls()
    if values.len() > _SAMPLE:
        values = values.gather_every(values.len() // _SAMPLE)
    return values.unique(maintain_order=True).to_list()


def _all_or_none(full: pl.Series, typed: pl.Series) -> pl.Series | None:
    return typed.alias(full.name) if typed.null_count() == full.null_count() else None


def _number(full: pl.Series, sample: Sequence[str], findings: Findings) -> pl.Series | None:
    import polars as pl

    if full.str.contains(_CODE).any() and full.str.contains(r"^[+-]?0*\d+$").all():
        findings.kept(full.name, "leading zeros or plus signs make it a code, not a number")
        return None
    if all(map(_INTEGER.fullmatch, sample)):
        whole = _all_or_none(full, full.str.strip_prefix("+").cast(pl.Int64, strict=False))
        if whole is not None:
            return whole
        if full.str.contains(r"^[+-]?\d+$").all():
            findings.kept(full.name, "its integers do not fit into 64 bits")
            return None
    return _all_or_none(full, full.cast(pl.Float64, strict=False).fill_nan(None))


def _grouped(full: pl.Series, findings: Findings) -> pl.Series | None:
    """Thousands grouped by commas, where one value proves that they are: two groups, or a point after a group."""
    import polars as pl

    if not full.str.contains(f"^(?:{_GROUPED.pattern})$").all():
        return None
    if not full.str.contains(r",\d{3}[,.]").any():
        return None
    findings.notes.append(f"commas in column {full.name} read as thousands separators")
    bare = full.str.replace_all(",", "", literal=True)
    whole = _all_or_none(full, bare.cast(pl.Int64, strict=False))
    return whole if whole is not None else _all_or_none(full, bare.cast(pl.Float64, strict=False))


def _decimal_comma(full: pl.Series, findings: Findings) -> pl.Series | None:
    """Decimal commas, where one value proves that they are: not three digits after it, or dots before it."""
    import polars as pl

    if not full.str.contains(f"^(?:{_COMMA.pattern})$").all():
        return None
    if not full.str.contains(r",(?:\d{1,2}|\d{4,})$|\.\d{3},|\d{4,},|^[+-]?0,").any():
        findings.kept(full.name, "its commas may mark decimals or thousands, and no value tells which")
        return None
    findings.notes.append(f"commas in column {full.name} read as decimal commas")
    bare = full.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return _all_or_none(full, bare.cast(pl.Float64, strict=False))


def _dates(full: pl.Series, findings: Findings) -> pl.Series | None:
    """Dates, where one format reads the whole column and month and day cannot be confused."""
    sample = _sample(full)
    read = [
        (known, parsed) for known in fitting(sample) if (parsed := _all_or_none(full, known.parse(full))) is not None
    ]
    if not read:
        return None
    known, dates = read[0]
    if known.zoned and len(found := offsets(full)) > 1:
        findings.kept(
            full.name,
            f"times of {len(found)} offsets from UTC: {shown_offsets(full, found)}; "
            "declare it as datetime in the contract and clean moves them to UTC",
        )
        return None
    twins = [(other, parsed) for other, parsed in read if other.format == known.twin]
    if twins and not dates.equals(twins[0][1]):
        rising = [(other, parsed) for other, parsed in (read[0], twins[0]) if parsed.drop_nulls().is_sorted()]
        if len(rising) != 1 or len(sample) < ENOUGH_TO_RISE:
            findings.kept(
                full.name, f"{quote(sample[0])} may begin with the day or the month, and no value tells which"
            )
            return None
        known, dates = rising[0]
    if known.zoned:
        findings.notes.append(f"column {full.name} moved to UTC")
    if not known.format.startswith("%Y-%m-%d"):
        findings.notes.append(f"column {full.name} read as dates written {known.format.replace('%.f', '')}")
    return dates


def _explain(full: pl.Series, findings: Findings) -> None:
    """Say why a column that looks like dates or numbers stays text."""
    import polars as pl

    sample = _sample(full)
    dated = [value for value in sample[:100] if is_dated(value)]
    if dated and len(dated) > _MOSTLY * len(sample[:100]):
        if fitting(sample):
            return  # one format, but month and day may be confused: that was said already
        odd = next((value for value in sample if not fitting([dated[0], value])), None)
        if odd is not None:
            findings.kept(
                full.name,
                f"dates in several formats, such as {quote(dated[0])} and {quote(odd)}; "
                "declare it as datetime in the contract and clean reads them all",
            )
        return
    numbers = full.cast(pl.Float64, strict=False)
    count, values = numbers.len() - numbers.null_count(), full.len() - full.null_count()
    if _MOSTLY * values < count < values:
        others = full.filter(numbers.is_null() & full.is_not_null())
        findings.kept(full.name, f"{others.len():,} of {values:,} values are not numbers, such as {quote(others[0])}")
