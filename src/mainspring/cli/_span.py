"""Spans of time on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


def span(flag: str, text: str | None, *, other: str = "") -> timedelta | None:
    """The span that was given as *flag*, None where none was. Raises InputError that says what is expected.

    *other*: what may stand there instead, such as ``forever``.
    """
    from mainspring.core.duration import parse_duration
    from mainspring.core.errors import InputError, quote

    if text is None:
        return None
    instead = f", or {other}" if other else ""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{flag} is {error}{instead}; got {quote(text)}.") from None
