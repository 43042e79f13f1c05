"""The kinds of values a key of mainspring.toml may have: each reads a TOML value and says its JSON schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Protocol

from mainspring.core.duration import parse_duration
from mainspring.core.errors import nearest, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESS = r"https?://[^/@\s?#]+(/[^\s]*)?"
DURATION_PATTERN = r"^\s*(\d+(\.\d+)?\s*[wdhms]\s*)+$"


class WrongValue(ValueError):
    """The value does not fit; the text says what was expected."""


class Kind(Protocol):
    """Reads one TOML value."""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of what is accepted."""

    def read(self, value: Any) -> Any:
        """The typed value. Raises WrongValue with what was expected."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; ``choices`` closes the set."""

    choices: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """A string, with its choices."""
        return {"enum": list(self.choices)} if self.choices else {"type": "string"}

    def read(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str):
            raise WrongValue(f"one of {', '.join(self.choices)}" if self.choices else "a text in quotes")
        if self.choices and value not in self.choices:
            near = nearest(value, self.choices, n=1)
            raise WrongValue(f"one of {', '.join(self.choices)}" + (f" (did you mean {near[0]}?)" if near else ""))
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    schema: dict[str, Any] = field(default_factory=lambda: {"type": "boolean"})

    def read(self, value: Any) -> bool:
        """The flag."""
        if not isinstance(value, bool):
            raise WrongValue("true or false")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number, whole if ``whole``, between ``low`` and ``high``."""

    low: float | None = None
    high: float | None = None
    whole: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """A number with its ends."""
        ends = {"minimum": self.low, "maximum": self.high}
        kind = "integer" if self.whole else "number"
        return {"type": kind} | {key: end for key, end in ends.items() if end is not None}

    def read(self, value: Any) -> float | int:
        """The number."""
        kind = "a whole number" if self.whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float) or value != value:
            raise WrongValue(kind)
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise WrongValue(f"{kind} {_between(self.low, self.high)}")
        return value


@dataclass(frozen=True, slots=True)
class Bound:
    """An end of a column's range: a number, or a date in ISO 8601."""

    schema: dict[str, Any] = field(default_factory=lambda: {"type": ["number", "string"]})

    def read(self, value: Any) -> float | int | str:
        """The number, or the date as an ISO text."""
        if isinstance(value, date | datetime):
            return value.isoformat()
        if isinstance(value, str):
            try:
                return (
                    datetime.fromisoformat(value).isoformat() if "T" in value else date.fromisoformat(value).isoformat()
                )
            except ValueError:
                raise WrongValue("a number, or a date such as 2026-01-31") from None
        return Number().read(value)


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts. Numbers and booleans are taken by their text where ``loose``."""

    choices: tuple[str, ...] = ()
    loose: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """An array."""
        item = {"type": ["string", "number", "boolean"]} if self.loose else Text(self.choices).schema
        return {"type": "array", "items": item}

    def read(self, value: Any) -> tuple[str, ...]:
        """The texts."""
        if not isinstance(value, list):
            raise WrongValue('a list such as ["a", "b"]')
        if self.loose:
            return tuple(as_label(item) for item in value)
        return tuple(Text(self.choices).read(item) for item in value)


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """A text of a closed set, or a list of them."""

    choices: tuple[str, ...]

    @property
    def schema(self) -> dict[str, Any]:
        """Either form."""
        return {"anyOf": [Text(self.choices).schema, Texts(self.choices).schema]}

    def read(self, value: Any) -> tuple[str, ...]:
        """Always a tuple."""
        return Texts(self.choices).read(value) if isinstance(value, list) else (Text(self.choices).read(value),)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time; or, where ``rows``, a whole number of rows (or windows)."""

    rows: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """A duration text, or a whole number."""
        text: dict[str, Any] = {"type": "string", "pattern": DURATION_PATTERN}
        return {"anyOf": [text, {"type": "integer", "minimum": 0}]} if self.rows else text

    def read(self, value: Any) -> timedelta | int:
        """The span."""
        expected = "a span of time such as 90s, 10m, 12h, 7d or 2w"
        if self.rows:
            expected += f", or a number of {self.rows}"
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
        if not isinstance(value, str):
            raise WrongValue(expected)
        try:
            return parse_duration(value)
        except ValueError:
            raise WrongValue(expected) from None


@dataclass(frozen=True, slots=True)
class Budget:
    """So many, or so many in a span: ``3`` or ``"3 per 7d"``."""

    schema: dict[str, Any] = field(
        default_factory=lambda: {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d+ per .+$"}]
        }
    )

    def read(self, value: Any) -> tuple[int, timedelta | None]:
        """The count and the span it is allowed in (None: ever)."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value, None
        match = re.fullmatch(r"\s*(\d+)\s+per\s+(.+)", value, re.ASCII) if isinstance(value, str) else None
        try:
            if match:
                return int(match[1]), parse_duration(match[2])
        except ValueError:
            pass
        raise WrongValue('a budget such as 3 or "3 per 7d"')


@dataclass(frozen=True, slots=True)
class Where:
    """A table of column = value."""

    schema: dict[str, Any] = field(
        default_factory=lambda: {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
    )

    def read(self, value: Any) -> tuple[tuple[str, str], ...]:
        """Pairs of column and value, by the value's text."""
        if not isinstance(value, dict) or not value:
            raise WrongValue('a table such as { region = "north" }')
        return tuple((column, as_label(item)) for column, item in value.items())


@dataclass(frozen=True, slots=True)
class Steps:
    """Rising percentages that end at 100."""

    schema: dict[str, Any] = field(
        default_factory=lambda: {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 100},
            "minItems": 1,
        }
    )

    def read(self, value: Any) -> tuple[int, ...]:
        """The percentages."""
        whole = isinstance(value, list) and all(isinstance(step, int) and not isinstance(step, bool) for step in value)
        if not whole or not value or value != sorted(set(value)) or value[0] < 1 or value[-1] != 100:
            raise WrongValue("rising percentages that end at 100, such as [5, 25, 100]")
        return tuple(value)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is found: ``env:NAME`` or ``file:PATH``; where ``public``, also a web address that is none."""

    public: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """A text of this form."""
        return {"type": "string", "pattern": f"^(env|file):.+$|{_ADDRESS}" if self.public else "^(env|file):.+$"}

    def read(self, value: Any) -> str:
        """The reference, or the address."""
        if isinstance(value, str) and re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", value):
            return value
        if self.public and isinstance(value, str) and re.fullmatch(_ADDRESS, value):
            return value
        # what was written may be a secret, so it is not repeated
        hidden = "; secrets are not written into the contract"
        if self.public:
            raise WrongValue(f"env:NAME, file:PATH, or an address https://host/path without a user in it{hidden}")
        raise WrongValue(f"env:NAME or file:PATH{hidden}")


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values of one kind."""

    kind: Kind

    @property
    def schema(self) -> dict[str, Any]:
        """An array."""
        return {"type": "array", "items": self.kind.schema}

    def read(self, value: Any) -> tuple[Any, ...]:
        """The values."""
        if not isinstance(value, list):
            raise WrongValue('a list such as ["a", "b"]')
        return tuple(self.kind.read(item) for item in value)


@dataclass(frozen=True, slots=True)
class Network:
    """A host's name, an address, or a network such as 10.0.0.0/8."""

    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})

    def read(self, value: Any) -> str:
        """The text, in small letters."""
        if isinstance(value, str):
            try:
                return str(ip_network(value) if "/" in value else ip_address(value))
            except ValueError:
                if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value) and not value[-1].isdigit():
                    return value.lower()
        raise WrongValue("a host, an address such as 10.0.0.5, or a network such as 10.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Share:
    """A share above 0 and below 1."""

    schema: dict[str, Any] = field(
        default_factory=lambda: {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    )

    def read(self, value: Any) -> float:
        """The share."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise WrongValue("a share above 0 and below 1, such as 0.99")
        return float(value)


@dataclass(frozen=True, slots=True)
class Label:
    """A class label: a text, a number or a boolean, taken by its text."""

    schema: dict[str, Any] = field(default_factory=lambda: {"type": ["string", "number", "boolean"]})

    def read(self, value: Any) -> str:
        """The label's text."""
        return as_label(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a section: what it holds and what it is for. A ``secret``'s wrong value is not repeated in errors."""

    kind: Kind
    help: str
    needed: bool = False
    secret: bool = False


Section = dict[str, Key]


def read_section(section: Section, values: Mapping[str, Any]) -> dict[str, Any]:
    """Read every value of *values* by its key.

    Raises WrongKey for a key that the section does not know, WrongEntry for a value that does not fit and for a key
    that is missing.
    """
    for name in values:
        if name not in section:
            raise WrongKey(name)
    read = {}
    for name, key in section.items():
        if name in values:
            try:
                read[name] = key.kind.read(values[name])
            except WrongValue as wrong:
                got = "" if key.secret else f", got {quote(values[name])}"
                raise WrongEntry(name, f"expected {wrong}{got}") from None
        elif key.needed:
            raise WrongEntry(None, f"{name} is missing: {key.help}")
    return read


class WrongKey(ValueError):
    """A key that the section does not know; the argument is its name."""


class WrongEntry(ValueError):
    """A value that does not fit (key, text) or a missing key (None, text)."""

    def __init__(self, key: str | None, text: str) -> None:
        """Keep the key and the text."""
        super().__init__(text)
        self.key = key


def as_label(value: Any) -> str:
    """The text of a label, a category or a slice's value. Raises WrongValue for a list or a table.

    >>> as_label(True), as_label(3), as_label("f")
    ('true', '3', 'f')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise WrongValue("a text, a number or true/false")


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"of at most {high:g}"
    return f"of at least {low:g}" if high is None else f"between {low:g} and {high:g}"
