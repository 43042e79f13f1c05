"""A moment as people type it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from mainspring.core.errors import InputError, quote


def moment(text: str) -> datetime:
    """Read a date or time in ISO 8601, in UTC. A bare date means its last instant; a time without a zone is in UTC.

    >>> moment("2026-01-31").isoformat()
    '2026-01-31T23:59:59.999999+00:00'
    """
    try:
        if len(text) <= len("2026-01-31"):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        read = datetime.fromisoformat(text)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except OverflowError:  # in UTC it lies before the first year or after the last
        raise InputError(f"Expected a time from the year 1 to 9999 in UTC, got {quote(text)}.") from None
    except ValueError:
        raise InputError(f"Expected a date such as 2026-01-31 or 2026-01-31T12:00, got {quote(text)}.") from None
