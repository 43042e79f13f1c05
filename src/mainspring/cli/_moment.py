"""A moment as people type it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from mainspring.core.errors import InputError, quote


def moment(text: str) -> datetime:
    """Read a date or time in ISO 8601. A bare date means its last instant; a time without a zone is in UTC.

    >>> moment("2026-01-31").isoformat()
    '2026-01-31T23:59:59.999999+00:00'
    """
    try:
        if len(text) <= len("2026-01-31"):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        read = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"Expected a date such as 2026-01-31 or 2026-01-31T12:00, got {quote(text)}.") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
