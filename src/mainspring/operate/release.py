"""From a fitted model to a judged, packaged, registered version; and to the champion, where the rules allow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, StoreError
from mainspring.core.files import write_atomic
from mainspring.evaluate.assess import evaluate
from mainspring.monitor.baseline import Baseline
from mainspring.monitor.profile import Reference
from mainspring.package.bundle import build
from mainspring.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.contract import Contract, Verdict
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictor
    from mainspring.data.split import Split
    from mainspring.evaluate.evaluation import Evaluation
    from mainspring.ledger.ports.models import ModelVersion
    from mainspring.project import Project
    from mainspring.train.model import Model
    from mainspring.workspace import Workspace

REPORTS = "reports"
"""The folder of the project's state that evaluation pages are written to."""


@dataclass(frozen=True, slots=True)
class Release:
    """A registered version with its evidence.

    ``promoted``: it became the champion; ``reason`` says why, or why not. ``report``: the page of its evaluation.
    """

    version: ModelVersion
    evaluation: Evaluation
    promoted: bool
    reason: str
    report: Path | None = None

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Every metric of the evaluation."""
        return self.evaluation.metrics

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The contract held against the holdout."""
        return self.evaluation.verdicts


def release(
    project: Project,
    workspace: Workspace,
    *,
    model: Model,
    split: Split,
    run: str | None = None,
    reason: str = "",
) -> Release:
    """Judge *model* on the held-out part of *split*, package it with its evidence and register it as the next version.

    The champion, if there is one, is measured on the same rows. A version whose must fails is registered but does not
    go live. One that passes becomes the champion if it is the first or not worse than the champion in the headline
    metric, unless the contract wants approval. *reason* is added to what the history says. Raises InputError where the
    holdout does not fit the model.
    """
    contract = project.contract
    registry = Registry(workspace)
    name = contract.project.name
    champion = registry.champion(name)
    evaluation = evaluate(model, split.test, contract, champion=_predictor(registry, champion, split), stage="holdout")
    bundle = build(
        model,
        contract=contract,
        holdout=split.test,
        evaluation=evaluation.as_dict(),
        profile=profile(model, split, contract),
    )
    version = registry.register(name, bundle, run=run, metrics=evaluation.metrics, verdicts=evaluation.verdicts)
    promoted, why = _promotion(contract, evaluation, champion, version)
    if promoted and (rolling := registry.rolling(name)):
        promoted, why = (
            False,
            f"not promoted: {rolling}. When that is over: mainspring promote {name} {version.version}",
        )
    if promoted:
        registry.promote(name, version.version, reason=f"{reason}: {why}" if reason else why)
        version = registry.resolve(f"{name}/{version.version}")
    return Release(version, evaluation, promoted, why, _write_report(project, evaluation, version))


def profile(model: Model, split: Split, contract: Contract) -> dict[str, Any]:
    """What monitoring needs of the data a model was made from, as JSON values.

    ``reference``: the training rows in bins; ``baseline``: what the model was worth on the held-out rows.
    """
    columns = [name for name in model.encoder.columns if name in split.train.columns]
    reference = Reference.fit(split.train, columns=columns, contract=contract)
    said = model.predict(split.test)
    baseline = Baseline.of_contract(
        contract, split.test[contract.project.target], said, frame=split.test, reference=reference
    )
    return {"reference": reference.as_dict(), "baseline": baseline.as_dict()}


def _predictor(registry: Registry, champion: ModelVersion | None, split: Split) -> Predictor | None:
    """The champion, ready to predict the held-out rows; None where there is none that is whole and can read them."""
    if champion is None:
        return None
    try:
        predictor = registry.load(champion).predictor()
        predictor.predict(split.test.head(1))
    except (InputError, StoreError):
        return None  # the table has changed since, or the champion is damaged: there is nothing to compare with
    return predictor


def _promotion(
    contract: Contract, evaluation: Evaluation, champion: ModelVersion | None, version: ModelVersion
) -> tuple[bool, str]:
    """Whether the version goes live, and why."""
    failed = [verdict.requirement for verdict in evaluation.verdicts if verdict.blocks]
    if failed:
        return False, f"not promoted: it fails {failed[0]}" + (
            f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        )
    if contract.retrain.promotion == "approval" and champion is not None:
        return False, f"waits for approval: mainspring promote {version.name} {version.version}"
    if champion is None:
        return True, "the first version that keeps every must"
    gain = evaluation.gains.get(evaluation.metric)
    metric = evaluation.metric.replace("_", " ")
    if gain is None:
        return True, f"keeps every must; the champion (version {champion.version}) cannot be compared on these rows"
    against = f"{metric} {gain.value:+.4g} against version {champion.version} on {gain.rows:,} held-out rows"
    if gain.value < 0:
        return False, f"not promoted: {against}"
    return True, f"not worse than the champion: {against}"


def _write_report(project: Project, evaluation: Evaluation, version: ModelVersion) -> Path | None:
    from mainspring.evaluate.page import page

    folder = project.state / REPORTS
    try:
        folder.mkdir(exist_ok=True)
        path = folder / f"{version.name}-{version.version}.html"
        write_atomic(path, page(evaluation, title=f"{version.name}, version {version.version}"))
    except OSError:
        return None  # the version is registered; its page can be made again from the evaluation in the bundle
    return path
