"""A request that cannot be answered, and what its sender is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.serve.traffic import Chosen

MOST_TOLD = 100
"""So many violations are listed in one answer; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that breaks a rule of the contract. ``row`` counts from 0."""

    row: int
    field: str
    rule: str
    value: Any
    message: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "row": self.row,
            "field": self.field,
            "rule": self.rule,
            "value": self.value,
            "message": self.message,
        }


class Problem(Exception):
    """Ends a request with an HTTP status from 400 on and a sentence.

    ``retry_after`` seconds later it may be worth another try. ``chosen`` is who was to answer, once that is decided.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        violations: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        close: bool = False,
        chosen: Chosen | None = None,
    ) -> None:
        """With *close* the connection is not used for anything more: what follows on it was not read."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.violations = violations
        self.close = close
        self.chosen = chosen
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(retry_after)

    def told(self) -> list[dict[str, Any]]:
        """The violations that are listed."""
        return [each.as_dict() for each in self.violations[:MOST_TOLD]]


def invalid(violations: Sequence[Violation]) -> Problem:
    """The problem of rows that break the contract: 422, naming the first violation and counting the others."""
    first = violations[0]
    more = len(violations) - 1
    others = "" if not more else f", and {more} more violation{'s' if more > 1 else ''}"
    return Problem(422, f"Row {first.row}: {first.message}{others}.", violations=violations)


def busy(message: str = "Too much is being asked at once: try again.", *, chosen: Chosen | None = None) -> Problem:
    """The problem of a server that has all it can do: 503 with a time after which to try again."""
    return Problem(503, message, retry_after=1, chosen=chosen)


def check_count(rows: int, most: int) -> None:
    """Raise Problem 400 where a request has no rows, 413 where it has more than *most*."""
    if rows == 0:
        raise Problem(400, "There are no rows in the request.")
    if rows > most:
        raise Problem(
            413,
            f"The request has {rows:,} rows; at most {most:,} are taken at once. Send them in parts, "
            "or raise --max-rows.",
        )


def json_of(text: bytes | memoryview, *, what: str = "body") -> Any:
    """The JSON value in *text*, which is called *what*. Raises Problem 400 where it is none."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise Problem(400, f"The {what} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, f"The {what} is not JSON: {str(error) or 'it is empty'}.") from None
