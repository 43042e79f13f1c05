"""Which model's log a command means, and moments as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from mainspring.cli._moment import moment
from mainspring.cli._span import span as given_span
from mainspring.core.errors import InputError, NotFound, listed

if TYPE_CHECKING:
    from mainspring.contract import Contract
    from mainspring.workspace import Workspace

_LAST = datetime.max.replace(tzinfo=UTC)
_SPAN = re.compile(r"[\d.\s]+[wdhms][\d.\swdhms]*", re.ASCII)


def contract_here() -> Contract | None:
    """The contract of the project around the current folder, where there is one."""
    from mainspring.project import Project

    try:
        return Project.find().contract
    except InputError:
        return None


def logged_model(place: Workspace, model: str | None) -> str:
    """The *model* that was named; else the project's; else the only one there is.

    Raises NotFound with the nearest name for one that is neither registered nor logged, InputError where none is meant.
    """
    from mainspring.serve.log.compact import models

    known = sorted({*models(place), *place.ledger.models.names()})
    if model is not None:
        if model not in known:
            raise NotFound.among("model", model, known)
        return model
    here = contract_here()
    if here is not None and here.project.name in known:
        return here.project.name
    if len(known) == 1:
        return known[0]
    if not known:
        raise InputError("There is no model here yet. Make one with: mainspring run")
    raise InputError(f"Say which model is meant: {listed(known)}.")


def beginning(text: str, now: datetime) -> datetime:
    """A moment from which on: ISO 8601, where a bare date means its first instant, or a span such as 2h before *now*.

    >>> beginning("2026-01-31", datetime.now(UTC)).isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    span = _span("--since", text)
    if span is not None:
        return now - span
    found = moment(text)
    return datetime.combine(found.date(), time.min, UTC) if _is_date(text) else found


def ending(text: str, now: datetime) -> datetime:
    """A moment up to which, itself not included: as `beginning`, but a bare date means the end of that day.

    >>> ending("2026-01-31", datetime.now(UTC)).isoformat()
    '2026-02-01T00:00:00+00:00'
    """
    span = _span("--until", text)
    if span is not None:
        return now - span
    found = moment(text)
    return found + timedelta(microseconds=1) if _is_date(text) and found < _LAST else found


def _span(flag: str, text: str) -> timedelta | None:
    """The span that *text* is, None where it is no span but may be a moment. Raises InputError for one too long."""
    return given_span(flag, text) if _SPAN.fullmatch(text) else None


def _is_date(text: str) -> bool:
    return len(text) <= len("2026-01-31")
