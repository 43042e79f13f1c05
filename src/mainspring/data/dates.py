"""Dates written as text: which formats a column's values follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d",
    "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%m/%d/%Y",
    "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y",
    "%d/%m/%y", "%m/%d/%y", "%d-%b-%y",  # "%d.%m.%y" is left out: version numbers look like it
)  # fmt: skip
_TIMES = ("", "%H:%M", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p")
_SHAPES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%b": r"[A-Za-z]{3}", "%B": r"[A-Za-z]{3,9}",
    "%H": r"\d{1,2}", "%I": r"\d{1,2}", "%M": r"\d{2}", "%S": r"\d{2}", "%.f": r"(?:\.\d{1,9})?", "%p": r"[AaPp][Mm]",
    "%#z": r"\s?(?:Z|[+-]\d{2}:?\d{2}|[+-]\d{2})",
}  # fmt: skip
_DAY_FIRST_TWIN = {"%d-%m-%Y": "%m-%d-%Y", "%d/%m/%Y": "%m/%d/%Y", "%d/%m/%y": "%m/%d/%y"}


@dataclass(frozen=True, slots=True)
class DateFormat:
    """One way to write a date: a format for Polars and the shape that a value of it has."""

    format: str
    shape: re.Pattern[str]

    @property
    def timed(self) -> bool:
        """Whether it holds a time of day."""
        return "%M" in self.format

    @property
    def zoned(self) -> bool:
        """Whether it holds an offset from UTC."""
        return "%#z" in self.format

    @property
    def twin(self) -> str | None:
        """The same format with month and day exchanged, where a value may be read both ways."""
        for first, second in _DAY_FIRST_TWIN.items():
            for here, there in ((first, second), (second, first)):
                if self.format.startswith(here):
                    return there + self.format[len(here) :]
        return None

    def parse(self, text: pl.Series) -> pl.Series:
        """The dates in *text* (without blanks around): date, datetime or datetime in UTC; null if it does not fit."""
        import polars as pl

        fitting = text.set(~text.str.contains(f"^(?:{self.shape.pattern})$").fill_null(value=True), None)
        if not self.timed:
            return fitting.str.to_date(self.format, strict=False)
        parsed = fitting.str.to_datetime(self.format, strict=False, time_unit="us")
        return parsed.cast(pl.Datetime("us", "UTC")) if self.zoned else parsed


@cache
def formats() -> tuple[DateFormat, ...]:
    """Every known format, the least surprising first."""
    written: list[str] = []
    for day in _DAYS:
        for time in _TIMES:
            for joint in (" ", "T") if time and day == "%Y-%m-%d" else (" ",):
                whole = f"{day}{joint}{time}" if time else day
                written.append(whole)
                if time.startswith("%H:%M"):
                    written.append(f"{whole}%#z")
    return tuple(DateFormat(whole, _shape(whole)) for whole in written)


@cache
def named(written: str) -> DateFormat:
    """The format of this spelling; also one that is not in the list of the known."""
    return DateFormat(written, _shape(written))


def _shape(written: str) -> re.Pattern[str]:
    parts = re.split(r"(%\.f|%#z|%[A-Za-z])", written)
    return re.compile("".join(_SHAPES.get(part, r"\S+") if part.startswith("%") else re.escape(part) for part in parts))


def fitting(values: Sequence[str]) -> list[DateFormat]:
    """The formats whose shape every one of *values* has; empty where there are none or no values.

    >>> [found.format for found in fitting(["31-12-2012 01:00"])]
    ['%d-%m-%Y %H:%M', '%m-%d-%Y %H:%M']
    """
    if not values or not any(character.isdigit() for character in values[0]):
        return []
    return [known for known in formats() if all(known.shape.fullmatch(value) for value in values)]


def is_dated(value: str) -> bool:
    """Whether *value* has the shape of any known date format."""
    return any(map(str.isdigit, value)) and any(known.shape.fullmatch(value) for known in formats())
