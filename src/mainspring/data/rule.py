"""The rules of one declared column, as Polars expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from mainspring.core.errors import ContractError, listed
from mainspring.data.content import is_opaque

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from mainspring.contract import Column

RuleName: TypeAlias = Literal[
    "missing column",
    "extra column",
    "type",
    "nulls",
    "null fraction",
    "finite",
    "minimum",
    "maximum",
    "categories",
    "pattern",
    "unique",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as expressions over the frame.

    ``broken``: (rows,) true where the row breaks the rule, never null; None where no row can, so nothing is computed.
    ``suspected``: one cheap truth value; false proves that no row breaks the rule. ``looked_at``: the number of rows
    that the rule applies to; None means every row. ``reason`` is what stands beside a bad row. ``allowed`` is the share
    of rows that may break the rule before it fails.
    """

    column: str
    name: RuleName
    reason: str
    broken: pl.Expr | None = None
    suspected: pl.Expr | None = None
    looked_at: pl.Expr | None = None
    allowed: float = 0.0


def rules(column: Column, dtype: pl.DataType, *, repetitive: bool = False) -> Iterator[Rule]:
    """The rules that *column* declares, for a frame where it has type *dtype*.

    With *repetitive* the column has few distinct values, which are then asked about once each.

    Values are judged as the declared type: text that holds numbers or dates is read as such, and what cannot be read
    breaks the rule ``type`` and no other. NaN counts as missing.
    """
    import polars as pl

    raw = pl.col(column.name)
    values, unreadable = _as_declared(raw, column, dtype)
    yield Rule(
        column=column.name,
        name="type",
        reason=f"{column.name} is not {_article(column.type)}",
        broken=unreadable,
        suspected=None if unreadable is None else unreadable.any(),
    )
    missing, some_missing = raw.is_null(), raw.null_count() > 0
    number = raw if dtype.is_float() else values if column.type == "number" and dtype == pl.String else None
    if number is not None:  # a text may say NaN too
        missing |= number.is_nan().fill_null(value=False)
        some_missing |= number.is_nan().any()
    if not column.nullable:
        yield Rule(
            column=column.name, name="nulls", reason=f"{column.name} is missing", broken=missing, suspected=some_missing
        )
    elif column.maximum_null_fraction is not None:
        yield Rule(
            column=column.name,
            name="null fraction",
            reason=f"more than {column.maximum_null_fraction:g} of {column.name} is missing",
            broken=missing,
            suspected=some_missing,
            allowed=column.maximum_null_fraction,
        )
    if values is not None:
        yield from _of_values(column, values, dtype)
        yield from _of_texts(column, values.cast(pl.String), values.count(), repetitive=repetitive)


def _of_values(column: Column, values: pl.Expr, dtype: pl.DataType) -> Iterator[Rule]:
    name = column.name
    floats = column.type in ("number", "integer") and not (dtype.is_integer() or dtype.is_decimal())
    present = values.is_not_null() & values.is_not_nan() if floats else values.is_not_null()
    looked_at = present.sum() if floats else values.count()
    if floats:
        yield Rule(
            column=name,
            name="finite",
            reason=f"{name} is infinite",
            broken=values.is_infinite().fill_null(value=False),
            suspected=(values.max() == float("inf")) | (values.min() == float("-inf")),
        )
    if column.minimum is not None:
        low = _bound(column, column.minimum, dtype)
        yield Rule(
            column=name,
            name="minimum",
            reason=f"{name} is below the minimum {_shown(column.minimum)}",
            broken=(values < low).fill_null(value=False),
            suspected=values.min() < low,  # neither end heeds NaN
            looked_at=looked_at,
        )
    if column.maximum is not None:
        high = _bound(column, column.maximum, dtype)
        yield Rule(
            column=name,
            name="maximum",
            reason=f"{name} is above the maximum {_shown(column.maximum)}",
            broken=((values > high) & present).fill_null(value=False),
            suspected=values.max() > high,
            looked_at=looked_at,
        )
    if column.unique:
        yield Rule(
            column=name,
            name="unique",
            reason=f"{name} repeats an earlier row",
            broken=~values.is_first_distinct() & present,
            suspected=values.n_unique() < values.count() + (values.null_count() > 0),
            looked_at=looked_at,
        )


def _of_texts(column: Column, texts: pl.Expr, looked_at: pl.Expr, *, repetitive: bool) -> Iterator[Rule]:
    name = column.name
    asked = texts.unique() if repetitive else texts
    if column.categories is not None:
        declared = list(column.categories)
        yield Rule(
            column=name,
            name="categories",
            reason=f"{name} is none of {listed(declared, limit=5)}",
            broken=(~texts.is_in(declared)).fill_null(value=False),
            suspected=(~asked.is_in(declared)).any(),
            looked_at=looked_at,
        )
    if column.pattern is not None:
        yield Rule(
            column=name,
            name="pattern",
            reason=f"{name} does not match {column.pattern}",
            broken=(~_matches(texts, column.pattern)).fill_null(value=False),
            suspected=(~_matches(asked, column.pattern)).any(),
            looked_at=looked_at,
        )


def _as_declared(raw: pl.Expr, column: Column, dtype: pl.DataType) -> tuple[pl.Expr | None, pl.Expr | None]:
    """The values as the declared type, and where they cannot be read as such; None where there is nothing."""
    import polars as pl

    text = dtype in (pl.String, pl.Categorical, pl.Enum)
    never = raw.is_not_null()
    if dtype == pl.Null:
        return raw.cast(_empty(column)), None
    if column.type in ("category", "text"):
        return (None, never) if is_opaque(dtype) or dtype == pl.Duration else (_words(raw, dtype), None)
    if text:
        read = _read_text(raw.cast(pl.String).str.strip_chars(), column)
        return read, read.is_null() & raw.is_not_null()
    if column.type == "number":
        return (raw, None) if dtype.is_numeric() else (None, never)
    if column.type == "integer":
        if dtype.is_integer():
            return raw, None
        return (
            (raw, (raw != raw.floor()).fill_null(value=False) & raw.is_not_nan()) if dtype.is_float() else (None, never)
        )
    if column.type == "boolean":
        if dtype == pl.Boolean:
            return raw, None
        return (raw.cast(pl.Boolean), (raw != 0) & (raw != 1) & never) if dtype.is_numeric() else (None, never)
    if dtype == pl.Datetime and column.type == "date":
        return raw, (raw != raw.dt.truncate("1d")).fill_null(value=False)
    return (raw, None) if dtype in (pl.Date, pl.Datetime) else (None, never)


def _empty(column: Column) -> pl.DataType:
    import polars as pl

    plain = {"integer": pl.Int64(), "number": pl.Float64(), "boolean": pl.Boolean(), "date": pl.Date()}
    return plain.get(column.type) or (pl.Datetime("us") if column.type == "datetime" else pl.String())


def _words(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Any plain value as text; a whole number is written without a point, whatever type holds it."""
    import polars as pl

    if not dtype.is_float():
        return raw.cast(pl.String)
    whole = (raw == raw.floor()) & (raw.abs() < 2.0**63)  # beyond there is no integer to write it by
    return (
        pl.when(whole)
        .then(raw.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(raw.fill_nan(None).cast(pl.String))
    )


def _read_text(bare: pl.Expr, column: Column) -> pl.Expr:
    import polars as pl

    if column.type == "integer":
        return bare.cast(pl.Int64, strict=False)
    if column.type == "number":
        return bare.cast(pl.Float64, strict=False)
    if column.type == "boolean":
        return bare.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    if column.type == "date":
        return bare.str.to_date("%Y-%m-%d", strict=False)
    forms = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
    read = [bare.str.to_datetime(form, strict=False, time_unit="us") for form in forms]
    zoned = bare.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="us").dt.replace_time_zone(None)
    return pl.coalesce(*read, zoned)


def _bound(column: Column, bound: float | str, dtype: pl.DataType) -> pl.Expr:
    """The bound as a literal that the column can be compared with."""
    import polars as pl

    if not isinstance(bound, str):
        return pl.lit(bound)
    try:
        moment = datetime.fromisoformat(bound)
    except ValueError:
        raise ContractError(
            f"[columns.{column.name}] has the bound {bound!r}, which is no date. Write it as 2026-01-31."
        ) from None
    if dtype == pl.Date or (column.type == "date" and dtype != pl.Datetime):
        return pl.lit(moment.date(), dtype=pl.Date)
    zone = getattr(dtype, "time_zone", None)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    plain = pl.lit(moment, dtype=pl.Datetime("us"))
    return plain.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else plain


def _matches(text: pl.Expr, pattern: str) -> pl.Expr:
    """Whether the whole text matches; patterns that Polars cannot run (look-around, back-references) run in Python."""
    import polars as pl

    whole = f"^(?:{pattern})$"
    try:
        pl.Series([""]).str.contains(whole)
    except pl.exceptions.ComputeError:
        compiled = re.compile(pattern)
        return text.map_elements(lambda value: compiled.fullmatch(value) is not None, return_dtype=pl.Boolean)
    return text.str.contains(whole)


def _article(kind: str) -> str:
    words = {"integer": "an integer", "boolean": "true or false", "category": "a plain value", "text": "a plain value"}
    return words.get(kind, f"a {kind}")


def _shown(bound: float | str | date) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
