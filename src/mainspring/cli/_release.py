"""From a finished pipeline to a judged, registered version; an unchanged one is remembered, not registered again."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.contract.metric import primary
from mainspring.core.digest import digest_text
from mainspring.core.errors import NotFound
from mainspring.core.progress import progress
from mainspring.core.version import VERSION

if TYPE_CHECKING:
    from mainspring.flow.result import FlowResult
    from mainspring.ledger.ports.models import ModelVersion
    from mainspring.project import Project

MODEL_TYPE = "mainspring.model"
SPLIT_TYPE = "Split"
RELEASE = "(release)"
"""The name under which releases are remembered among the steps; no step can be called so."""


@dataclass(frozen=True)
class Released:
    """A registered version with its evidence.

    ``is_known``: it was registered by an earlier run. ``note``: whether it became the champion, and why. ``report``:
    the page of its evaluation.
    """

    name: str
    version: int
    metrics: dict[str, dict[str, Any]]
    verdicts: list[dict[str, Any]]
    is_known: bool
    note: str = ""
    report: str = ""

    @property
    def is_blocked(self) -> bool:
        """Whether a must failed."""
        return any(one.get("priority", "must") == "must" and one["result"] == "fail" for one in self.verdicts)


def released(project: Project, result: FlowResult) -> Released | None:
    """Judge and register the model that the pipeline ends in; None, with a word why, where there is none to release."""
    found = _candidate(result)
    if found is None:
        return None
    model, split = found
    parts = {
        "model": result.outputs[model].digest,
        "split": result.outputs[split].digest,
        "contract": digest_text(json.dumps(project.contract.as_dict(), sort_keys=True, default=str)),
        "mainspring": VERSION,
    }
    key = digest_text("\n".join(["mainspring release 1", *(f"{name}\t{parts[name]}" for name in sorted(parts))]))
    done = _remembered(result, key, project) or _register(project, result, model, split, key, parts)
    _note(result, done)
    return done


def _note(result: FlowResult, done: Released) -> None:
    """Say in the run which version it ended in and how good that is, so that runs can be told apart."""
    from mainspring.ledger.ports.runs import Point

    known = {name: one["value"] for name, one in done.metrics.items() if not math.isnan(one["value"])}
    result.workspace.ledger.runs.log(
        result.run,
        metrics=[Point(name=name, value=value) for name, value in known.items()],
        tags={"model": f"{done.name}/{done.version}"},
    )


def _candidate(result: FlowResult) -> tuple[str, str] | None:
    """The step with the model to release and the step with the split it was made from."""
    from mainspring.cli._output import err

    models = [node.name for node in result.graph if _type(result, node.name) == MODEL_TYPE]
    behind = {above for name in models for above in result.graph.ancestors(name)}
    last = [name for name in models if name not in behind]
    if len(last) > 1:
        err().print(
            f"Nothing is released: {' and '.join(last)} each return a model. Write a step that returns the better one, "
            f"or name one: mainspring run {last[-1]}",
            markup=False,
        )
    if len(last) != 1:
        return None
    splits = [name for name in result.graph.ancestors(last[0]) if _type(result, name) == SPLIT_TYPE]
    if not splits:
        err().print(
            f"Nothing is released: {last[0]} returns a model, but no step before it returns a split to judge it on. "
            "Let it take the result of mainspring.data.split.",
            markup=False,
        )
        return None
    return last[0], splits[-1]


def _type(result: FlowResult, step: str) -> str:
    return result.outputs[step].type if step in result.outputs else ""


def _remembered(result: FlowResult, key: str, project: Project) -> Released | None:
    record = result.workspace.ledger.steps.find(key)
    if record is None:
        return None
    name, _, number = record.parts.get("released", "").rpartition("/")
    try:
        version = result.workspace.ledger.models.get(name, int(number))
    except (NotFound, ValueError):
        return None
    note, report = record.parts.get("note", ""), record.parts.get("report", "")
    return _told(version, project, is_known=True, note=note, report=report)


def _register(
    project: Project, result: FlowResult, model: str, split: str, key: str, parts: dict[str, str]
) -> Released:
    from mainspring.ledger.ports.steps import StepRecord
    from mainspring.operate.release import release

    progress("release", 0, None, "judging")
    with project.active():
        done = release(project, result.workspace, model=result.value(model), split=result.value(split), run=result.run)
    version, report = done.version, str(done.report or "")
    progress("release", 1, 1, f"{version.name} version {version.version}")
    result.workspace.ledger.steps.record(
        StepRecord(
            key=key, step=RELEASE, run=result.run, inputs={"model": parts["model"], "split": parts["split"]},
            parts={**parts, "released": f"{version.name}/{version.version}", "note": done.reason, "report": report},
        )
    )  # fmt: skip
    return _told(version, project, is_known=False, note=done.reason, report=report)


def _told(version: ModelVersion, project: Project, *, is_known: bool, note: str, report: str) -> Released:
    """The version for people and scripts: the metrics that the contract asks for come first."""
    contract = project.contract
    asked = [*(one.metric for one in contract.requirements), primary(contract.project.task)]
    names = [name for name in dict.fromkeys([*asked, *version.metrics]) if name in version.metrics]
    return Released(
        name=version.name,
        version=version.version,
        metrics={
            name: {"value": one.value, "low": one.low, "high": one.high, "rows": one.rows}
            for name, one in ((name, version.metrics[name]) for name in names)
        },
        verdicts=[dict(one) for one in version.evidence.get("verdicts", ())],
        is_known=is_known,
        note=note,
        report=report,
    )
