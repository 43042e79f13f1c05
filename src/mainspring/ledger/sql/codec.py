"""Between the columns and Python: times and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mainspring.core.json import plain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder(enc_hook=plain, order="sorted")


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970. Raises ValueError for a time without a zone.

    >>> from_micros(to_micros(EPOCH)) == EPOCH
    True
    """
    if moment.tzinfo is None:
        raise ValueError(f"Expected an aware time, got {moment} without a zone.")
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The time, in UTC."""
    return EPOCH + timedelta(microseconds=micros)


def maybe_from_micros(micros: int | None) -> datetime | None:
    """The time, in UTC, or None."""
    return None if micros is None else from_micros(micros)


def to_json(value: Any) -> str:
    """*value* as JSON with sorted keys; equal values give equal texts. NaN becomes null."""
    return _encoder.encode(value).decode()


def from_json(text: str) -> Any:
    """The plain values of the JSON *text*."""
    return msgspec.json.decode(text)
