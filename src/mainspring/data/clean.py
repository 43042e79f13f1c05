"""Mending what can be mended by rule: types, units, dates, spellings, outliers, copies."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mainspring.contract import Column, Contract
from mainspring.core.errors import InputError, quote
from mainspring.core.frames import as_frame
from mainspring.data import dates
from mainspring.data.infer import TEXT_NULLS, TYPED_NULLS
from mainspring.data.recipe import Change, Recipe, plain_text
from mainspring.data.step import (
    Booleans,
    Categories,
    Dates,
    Duplicates,
    Nulls,
    Numbers,
    Outliers,
    Step,
    Whitespace,
    Words,
)
from mainspring.data.time_text import one_format
from mainspring.data.unit import conversions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

_SAMPLE = 2000
_ISO = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_COMPACT = "%Y%m%d"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned table, the recipe that cleaned it, and what each step changed."""

    frame: pl.DataFrame
    recipe: Recipe
    changes: tuple[Change, ...]


def clean(frame: Any, by: Contract | Recipe) -> pl.DataFrame:
    """The table in the shape its contract declares, or as a recipe says.

    Nothing is guessed twice: with a contract the recipe is derived first (see :func:`derive`), then applied. What
    cannot be read becomes missing and is counted as lost; :func:`clean_with_report` gives the counts. Columns that the
    contract does not declare stay as they are.
    """
    cleaned = clean_with_report(frame, by)
    for change in cleaned.changes:
        if change.changed or change.lost:
            place = change.column or "rows"
            _log.info("%s %s: %d changed, %d lost", change.step, place, change.changed, change.lost)
    return cleaned.frame


def clean_with_report(frame: Any, by: Contract | Recipe) -> Cleaned:
    """As :func:`clean`, with the recipe and the count of changes."""
    table = as_frame(frame)
    recipe = derive(table, by) if isinstance(by, Contract) else by
    result, changes = recipe.apply(table)
    return Cleaned(result, recipe, changes)


def derive(frame: pl.DataFrame, contract: Contract) -> Recipe:
    """The recipe that brings *frame*, and every later delivery like it, to what *contract* declares.

    For each declared column: spellings of "missing" and blanks go, text becomes the declared type, other units become
    the declared one, category spellings become the declared ones; values of a nullable feature beyond its ends become
    missing. The target, the time and the entity keep their values, for the check to judge. Complete copies of a row are
    dropped where a column is declared unique, because only then a copy is surely no second event.

    Two things are read off *frame* and then fixed in the recipe: which date formats occur, and whether commas mark
    decimals. Raises InputError where day and month of a date column cannot be told apart,
    and where the time of the project has several formats or offsets.
    """
    steps: list[Step] = []
    for column in contract.columns.values():
        series = plain_text(frame[column.name]) if column.name in frame.columns else None
        if column.name == contract.project.time and column.type in ("date", "datetime"):
            _refuse_several(series)
        steps.extend(_steps(column, series, is_feature=column.name in contract.features))
    if any(column.unique for column in contract.columns.values()):
        steps.append(Duplicates())
    return Recipe(tuple(steps))


def _refuse_several(series: pl.Series | None) -> None:
    """What orders the rows is not guessed value by value."""
    import polars as pl

    if series is None or series.dtype != pl.String:
        return
    filled = series.set(series.str.strip_chars().is_in([*TYPED_NULLS, ""]), None)
    if filled.null_count() < filled.len() and not filled.str.contains(r"^\s*\d{8}\s*$").all():
        one_format(filled)


def _steps(column: Column, series: pl.Series | None, *, is_feature: bool) -> Iterator[Step]:
    name = column.name
    if column.type in ("category", "text"):
        declared = column.categories or ()
        yield Words(column=name)
        yield Whitespace(column=name, inner=column.type == "category")
        yield Nulls(column=name, spellings=tuple(sorted(TEXT_NULLS.difference(declared))))
        if declared:
            yield Categories(column=name, categories=tuple(declared))
        return
    yield Nulls(column=name, spellings=tuple(sorted(TYPED_NULLS)))
    if column.type == "boolean":
        yield Booleans(column=name)
    elif column.type in ("date", "datetime"):
        yield _dates(column, series)
    else:
        yield Numbers(
            column=name,
            type="integer" if column.type == "integer" else "number",
            decimal=_decimal(series),
            factors=conversions(column.unit) if column.unit else None,
        )
        if is_feature and column.nullable:
            low, high = (None if isinstance(end, str) else end for end in (column.minimum, column.maximum))
            yield Outliers(column=name, minimum=low, maximum=high)


def _decimal(series: pl.Series | None) -> Literal[".", ","]:
    """A comma where more values need one to be numbers than need a point."""
    import polars as pl

    if series is None or series.dtype != pl.String:
        return "."
    number = r"^[^\d,.+-]*[+-]?"
    comma = series.str.contains(number + r"(?:\d+|\d{1,3}(?:\.\d{3})+),(?:\d{1,2}|\d{4,})(?:\D|$)").sum()
    point = series.str.contains(number + r"(?:\d+|\d{1,3}(?:,\d{3})+)\.(?:\d{1,2}|\d{4,})(?:\D|$)").sum()
    return "," if comma > point else "."


def _dates(column: Column, series: pl.Series | None) -> Dates:
    import polars as pl

    kind: Literal["date", "datetime"] = "date" if column.type == "date" else "datetime"
    if series is None or not (series.dtype == pl.String or series.dtype.is_integer()):
        zoned = series is not None and getattr(series.dtype, "time_zone", None) is not None
        return Dates(column=column.name, type=kind, formats=_ISO, zoned=zoned)
    if series.dtype.is_integer():
        return Dates(column=column.name, type=kind, formats=(_COMPACT,))
    found = _formats(series)
    zoned = any(known.zoned for known in found)
    formats = tuple(dict.fromkeys((*(known.format for known in found), *_ISO)))  # the standard may come tomorrow
    return Dates(column=column.name, type=kind, formats=formats, zoned=zoned and kind == "datetime")


def _formats(series: pl.Series) -> list[dates.DateFormat]:
    """The formats that the column's texts follow, the most frequent first, day and month told apart."""
    texts = series.str.strip_chars().drop_nulls().unique(maintain_order=True)
    sample = texts.gather_every(max(texts.len() // _SAMPLE, 1)).to_list()
    votes: Counter[str] = Counter()
    alone: Counter[str] = Counter()  # values that this format reads and its twin does not
    known = {each.format: each for each in (*dates.formats(), dates.named(_COMPACT))}
    readable = _readable(sample, list(known.values()))
    for text in sample:
        fitting = readable[text]
        votes.update(fitting)
        alone.update(name for name in fitting if known[name].twin not in fitting)
    chosen = [name for name, _ in votes.most_common() if alone[name]]
    for name in votes:
        twin = known[name].twin
        if twin is not None and twin in votes and not alone[name] and not alone[twin]:
            chosen += _by_order(series, known[name], known[twin], chosen)
    return [known[name] for name in chosen]


def _readable(sample: list[str], known: list[dates.DateFormat]) -> dict[str, set[str]]:
    """Which formats read each text: the shape fits and the date exists."""
    import polars as pl

    texts = pl.Series(sample, dtype=pl.String)
    fits: dict[str, set[str]] = {text: set() for text in sample}
    for each in known:
        if any(map(each.shape.fullmatch, sample)):
            for text in texts.filter(each.parse(texts).is_not_null()):
                fits[text].add(each.format)
    return fits


def _by_order(series: pl.Series, one: dates.DateFormat, other: dates.DateFormat, chosen: list[str]) -> list[str]:
    """Where every value may be read both ways: the way in which the rows are in order, if only one is."""
    if one.format in chosen or other.format in chosen:
        return []
    bare = series.str.strip_chars()
    read = [(each.format, each.parse(bare).drop_nulls()) for each in (one, other)]
    if read[0][1].equals(read[1][1]):
        return [one.format]
    rising = [name for name, parsed in read if parsed.is_sorted()]
    if len(rising) == 1:
        return rising
    text = bare.filter(one.parse(bare).is_not_null())[0]
    raise InputError(
        f"Column {series.name} holds dates such as {quote(text)} that may begin with the day or the month, and no "
        f"value tells which. Clean it first with a recipe: clean(frame, Recipe((Dates(column={series.name!r}, "
        f'type="datetime", formats=("{one.format}",)),))), or with "{other.format}".'
    )
