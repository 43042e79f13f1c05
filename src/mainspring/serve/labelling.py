"""``POST /labels``: the truth about predictions, as it becomes known."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import MainspringError
from mainspring.serve.exchange import Reply
from mainspring.serve.journal import journal
from mainspring.serve.problem import Problem, Violation, busy, invalid, json_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.serve.app import App
    from mainspring.serve.exchange import Request
    from mainspring.workspace import Workspace

_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "id": (str, "the text that came with the prediction"),
    "entity": ((str, int, float), "a text or a number"),
    "time": (str, "a time in ISO 8601"),
    "label": ((str, int, float), "a text, a number, true or false"),
}
_NOT_ASKED = ("early", "stale")
"""Why a label belongs to nothing would take a look at much of the log."""


async def take(app: App, request: Request) -> Reply:
    """Keep the labels in the body: one object, a list, or ``{"labels": [...]}``, each with an id or an entity.

    Raises Problem 400 for what is no such JSON, 413 for too many, 422 for a label that cannot be taken, 501 where this
    endpoint has no workspace to keep them in.
    """
    where = app.settings.workspace
    if where is None:
        raise Problem(501, "This endpoint keeps no labels: it was started without a workspace.")
    if app.labelling >= app.limits.jobs:
        raise busy()
    live = app.endpoint.deployment
    delay = None if live is None else live.champion.contract.monitor.label_delay
    within = delay if isinstance(delay, timedelta) else None
    app.labelling += 1
    try:
        counts = await asyncio.to_thread(_keep, where, app.settings.model, request.body, app.limits.rows, within)
    except MainspringError as error:
        if isinstance(error, ValueError):
            raise Problem(422, str(error)) from None
        journal().error("labels not kept", error=str(error))
        raise Problem(503, "The labels could not be kept: try again.", retry_after=5) from None
    finally:
        app.labelling -= 1
    app.tally.count("labels", counts["rows"])
    return Reply(msgspec.json.encode(counts))


def _rows(body: bytes, most: int) -> list[Any]:
    value = json_of(body)
    if isinstance(value, dict) and isinstance(value.get("labels"), list):
        value = value["labels"]
    elif isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        raise Problem(400, 'Expected a label such as {"id": "…", "label": …}, or a list of them.')
    if len(value) > most:
        raise Problem(413, f"There are {len(value):,} labels; at most {most:,} are taken at once.")
    broken = [found for row, each in enumerate(value) for found in _broken(row, each)]
    if broken:
        raise invalid(broken)
    return value


def _broken(row: int, label: dict[str, Any]) -> Iterator[Violation]:
    """What in one label cannot be what it stands for; what is null is not there."""
    for field, (kinds, what) in _KINDS.items():
        value = label.get(field)
        if value is not None and not isinstance(value, kinds):
            yield Violation(row, field, "type", value, f"{field} is not {what}")


def _keep(where: str, model: str, body: bytes, most: int, within: timedelta | None) -> dict[str, int]:
    """Keep the labels of a *body*, which may be large: in a thread. Those are late that do not come *within* it."""
    from mainspring.serve.labels import add

    counts = asdict(add(_workspace(where), model, _rows(body, most), source="http", expected_within=within))
    return {name: number for name, number in counts.items() if name not in _NOT_ASKED}


@lru_cache(maxsize=1)
def _workspace(where: str) -> Workspace:
    from mainspring.workspace import Workspace

    return Workspace.open(where, create=False)
