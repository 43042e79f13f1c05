"""One column of a request: how its JSON value is read, and held against the contract, as a table's column would be.

The rules and their wording are those of `mainspring.data.check`; here they look at one value. What only a whole column
can break (uniqueness, a share of missing values) is left to the windows.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, listed
from mainspring.features.moment import MomentCodec
from mainspring.features.number import NumberCodec
from mainspring.features.text import TextCodec

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.contract import Column
    from mainspring.contract.column import ColumnType
    from mainspring.features.encoder import Codec

INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
LARGEST = 2**63
SHOWN = 200
"""A value is shown in an answer up to so many characters."""
MASKED = "•••"
ARTICLES = {"integer": "an integer", "boolean": "true or false", "category": "a plain value", "text": "a plain value"}


class Broken(ValueError):
    """A value breaks a rule; ``rule`` is its name, the text what is said."""

    def __init__(self, rule: str, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Field:
    """What a request may hold under ``name``.

    ``codec`` turns the value into the model's numbers; None where the model passes it over. ``typical`` is its usual
    value, which stands in where the contract says impute.
    """

    name: str
    column: Column | None
    codec: Codec | None
    typical: Any = None

    @property
    def needed(self) -> bool:
        """Whether a row must have it."""
        return self.codec is not None

    @property
    def kind(self) -> ColumnType:
        """The declared type, or what the model takes it for."""
        if self.column is not None:
            return self.column.type
        if isinstance(self.codec, NumberCodec):
            return "boolean" if self.codec.boolean else "number"
        if isinstance(self.codec, MomentCodec):
            return "datetime"
        return "text" if isinstance(self.codec, TextCodec) else "category"

    @property
    def nullable(self) -> bool:
        """Whether the value may be missing."""
        return self.column is None or self.column.nullable

    @property
    def on_violation(self) -> str:
        """reject, flag or impute."""
        return "reject" if self.column is None else self.column.on_violation

    def read(self, value: Any) -> Any:
        """The value as its kind; None for what is missing. Raises Broken with the first rule that it breaks."""
        if value is None or value != value:
            if not self.nullable:
                raise Broken("nulls", f"{self.name} is missing")
            return None
        kind = self.kind
        if self.column is None and kind == "number" and isinstance(value, bool):
            value = int(value)  # a column of truth values that nobody declared was learned as numbers
        read = READERS[kind](value)
        if read is None:
            raise Broken("type", f"{self.name} is not {ARTICLES.get(kind, f'a {kind}')}")
        if read != read:
            return self.read(None)
        if isinstance(read, float) and read in (float("inf"), float("-inf")):
            raise Broken("finite", f"{self.name} is infinite")
        if self.column is not None:
            self._bounds(read)
            self._texts(read)
        return read

    def shown(self, value: Any) -> Any:
        """The value as an answer may repeat it: short, and nothing of a personal column."""
        if self.column is not None and self.column.personal and value is not None:
            return MASKED
        if isinstance(value, bool | float) or value is None or (isinstance(value, int) and abs(value) < LARGEST):
            return value
        text = str(value)
        return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"

    def numbers(self, value: Any) -> tuple[float, ...]:
        """The model's numbers for a value that was read. Raises Broken where there are none."""
        if self.codec is None:
            return ()
        try:
            return self.codec.values(value)
        except InputError as error:
            said = str(error).rstrip(".")
            if self.column is not None and self.column.personal:
                said = f"{self.name} is not {ARTICLES.get(self.kind, f'a {self.kind}')}"
            raise Broken("type", said) from None

    def lenient(self, value: Any) -> tuple[Any, tuple[float, ...]]:
        """The value and the model's numbers for it, whatever rules it breaks; what cannot be read is missing."""
        read = None if value is None else READERS[self.kind](value)
        if read is not None and read != read:
            read = None
        try:
            return read, self.numbers(read)
        except Broken:
            return None, self.numbers(None)

    @property
    def usual(self) -> tuple[float, ...]:
        """The model's numbers for the usual value."""
        typical = self.typical
        if self.kind == "integer" and isinstance(typical, float):
            typical = round(typical)
        return self.lenient(typical)[1]

    def _bounds(self, value: Any) -> None:
        column = self.column
        if column is None or (column.minimum is None and column.maximum is None):
            return
        against = moment(value) if isinstance(value, str) else value
        if column.minimum is not None and against < _bound(column.minimum):
            raise Broken("minimum", f"{self.name} is below the minimum {_shown(column.minimum)}")
        if column.maximum is not None and against > _bound(column.maximum):
            raise Broken("maximum", f"{self.name} is above the maximum {_shown(column.maximum)}")

    def _texts(self, value: Any) -> None:
        column = self.column
        if column is None or (column.categories is None and column.pattern is None):
            return
        text = words(value)
        if column.categories is not None and text not in column.categories:
            raise Broken("categories", f"{self.name} is none of {listed(column.categories, limit=5)}")
        if column.pattern is not None and not re.fullmatch(column.pattern, text):
            raise Broken("pattern", f"{self.name} does not match {column.pattern}")


def words(value: Any) -> str:
    """A plain value as text: true and false in small letters, a whole number without a point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return str(int(value))
    return str(value)


def moment(text: str) -> datetime:
    """A date or a time as a naive datetime; one with an offset in UTC."""
    read = datetime.fromisoformat(text.strip())
    return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo is not None else read


@cache
def _bound(end: float | str) -> Any:
    return moment(end) if isinstance(end, str) else end


def _shown(bound: float | str | date) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        bare = value.strip()
        return int(bare) if INTEGER.fullmatch(bare) and len(bare) < 20 and abs(int(bare)) < LARGEST else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        bare = value.strip()
        if bare.lower() == "nan":
            return math.nan
        return float(bare) if NUMBER.fullmatch(bare) else None
    return value if isinstance(value, int | float) else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def _category(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else None


def _date(value: Any) -> str | None:
    return _moment(value, DATE)


def _datetime(value: Any) -> str | None:
    return _moment(value, DATETIME)


def _moment(value: Any, form: re.Pattern[str]) -> str | None:
    if not isinstance(value, str) or not form.fullmatch(value.strip()):
        return None
    try:
        moment(value)
    except (ValueError, OverflowError):  # in UTC it may lie before the year 1 or after 9999
        return None
    return value.strip()


READERS: dict[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "category": _category,
    "text": _category,
    "date": _date,
    "datetime": _datetime,
}
"""The value as its kind, or None where it cannot be read as such."""
