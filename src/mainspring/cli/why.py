"""``mainspring why STEP``: what differs from last time, or why the step was reused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._settings import Set, settings_of
from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from mainspring.flow.why import Change, Explanation
    from mainspring.ledger.ports.steps import StepRecord

_DIGEST = 64
_SHORT = 12


def why(
    step: Annotated[str, Parameter(help="The step's name.")],
    /,
    *,
    set: Set = None,  # noqa: A002  # the flag's name
    json: Json = False,
) -> None:
    """Say why a step would run now, why it ran last time, or why it was reused."""
    from mainspring.cli._output import emit_json, out
    from mainspring.flow.why import why as explain
    from mainspring.project import Project

    project = Project.find()
    with project.workspace() as workspace:
        found = explain(project, step, settings_of(set), workspace=workspace)
    if json:
        emit_json([{"part": one.part, "before": one.before, "now": one.now} for one in found.changes])
    else:
        out().print(_told(found), markup=False)


def _told(found: Explanation) -> str:
    lines = [_headline(found)]
    width = max((len(one.part) for one in found.changes), default=0)
    lines += [f"  {one.part:<{width}}  {_short(one.before)} → {_short(one.now)}" for one in found.changes]
    behind = [one.part.removeprefix("input ") for one in found.changes if _is_unmade(one)]
    lines += [f"See also: mainspring why {name}" for name in behind]
    return "\n".join(lines)


def _headline(found: Explanation) -> str:
    name, record = found.step, found.record
    if record is None:
        return f"{name} has never run."
    if found.state == "will run":
        return f"{name} will run again. Since {_said(record)}:"
    if found.state == "ran" and found.earlier is not None:
        return f"{name} ran last in {_said(record)}. What had changed since {_said(found.earlier)}:"
    if found.state == "ran":
        return f"{name} ran in {_said(record)}. Nothing has changed since."
    return f"{name} is reused: nothing has changed since {_said(record)} found its result."


def _said(record: StepRecord) -> str:
    when = f" ({record.finished.astimezone():%Y-%m-%d %H:%M})" if record.finished else ""
    return f"run {record.run[:_SHORT]}{when}"


def _is_unmade(change: Change) -> bool:
    return change.part.startswith("input ") and change.now is not None and len(change.now) != _DIGEST


def _short(value: str | None) -> str:
    if value is None:
        return "(not there)"
    is_digest = len(value) == _DIGEST and not value.strip("0123456789abcdef")
    return value[:_SHORT] if is_digest else value
