"""``mainspring run``: bring the pipeline up to date, judge its model, register it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainspring.cli._settings import Set, settings_of
from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from mainspring.cli._release import Released
    from mainspring.flow.result import FlowResult

FAILED = 2
MUST_FAILED = 1


def run(
    *steps: Annotated[str, Parameter(help="Only these steps and what they need. Default: all.")],
    set: Set = None,  # noqa: A002  # the flag's name
    json: Json = False,
    workers: Annotated[int | None, Parameter(help="The most processes used at once.")] = None,
) -> int:
    """Run the pipeline: reuse what still holds, do the rest, judge the model and register it."""
    from mainspring.cli._progress import shown
    from mainspring.cli._release import released
    from mainspring.flow import engine
    from mainspring.flow.lock import RunLock
    from mainspring.project import Project

    project = Project.find()
    with RunLock(project.state / "run.lock") as lock, project.workspace() as workspace:
        settings = settings_of(set)
        with shown():
            result = engine.run(project, steps, settings, workspace=workspace, lock=lock, workers=workers)
            release = released(project, result) if result.is_complete else None
        if json:
            _print_json(result, release)
        else:
            _print_text(result, release)
        result.check()
    return MUST_FAILED if release is not None and release.is_blocked else 0


def _print_json(result: FlowResult, release: Released | None) -> None:
    from mainspring.cli._output import emit_json

    emit_json(
        {
            "run": result.run,
            "model": None if release is None else {"name": release.name, "version": release.version},
            "metrics": {} if release is None else release.metrics,
            "verdicts": [] if release is None else release.verdicts,
            "steps": [
                {"name": one.name, "status": one.status, "seconds": round(one.seconds, 6), "key": one.key}
                for one in result.steps
            ],
        }
    )


def _print_text(result: FlowResult, release: Released | None) -> None:
    from mainspring.cli._output import out

    console = out()
    width = max((len(one.name) for one in result.steps), default=0)
    for one in result.steps:
        took = f"  {one.seconds:.2g} s" if one.status != "reused" else ""
        log = f"  output: {one.log}" if one.log is not None else ""
        console.print(f"{one.name:<{width}}  {one.status:<6}{took}{log}", markup=False)
    if release is not None:
        _print_release(console, release)


def _print_release(console: Any, release: Released) -> None:
    again = " (unchanged)" if release.is_known else ""
    note = f": {release.note}" if release.note else ""
    console.print(f"\n{release.name} version {release.version}{again}{note}", markup=False)
    width = max((len(name) for name in release.metrics), default=0)
    for name, metric in release.metrics.items():
        between = f"  ({_number(metric['low'])} to {_number(metric['high'])})" if metric["low"] is not None else ""
        value = "not defined on these rows" if math.isnan(metric["value"]) else _number(metric["value"])
        console.print(f"  {name:<{width}}  {value}{between}", markup=False)
    for verdict in release.verdicts:
        value = "" if verdict["value"] is None else f": {_number(verdict['value'])}"
        weight = "" if verdict.get("priority") != "should" else " (should)"
        reason = f", {verdict['reason']}" if verdict.get("reason") else ""
        rows = f" on {verdict['rows']:,} rows" if verdict["rows"] and verdict["value"] is not None else ""
        console.print(f"  {verdict['result']:<14} {verdict['requirement']}{weight}{value}{rows}{reason}", markup=False)
    if release.report:
        console.print(f"report  {release.report}", markup=False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
