"""From a fitted model to a judged, packaged, registered version; and to the champion, where the rules allow it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, StoreError
from mainspring.core.files import write_atomic
from mainspring.evaluate.assess import evaluate
from mainspring.monitor.baseline import Baseline
from mainspring.monitor.profile import Reference
from mainspring.operate.diagnosis import importance
from mainspring.package.bundle import build
from mainspring.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from mainspring.contract import Contract, Verdict
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictor
    from mainspring.data.split import Split
    from mainspring.evaluate.evaluation import Evaluation
    from mainspring.ledger.ports.models import ModelVersion
    from mainspring.package import Bundle
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
    contract, registry = project.contract, Registry(workspace)
    champion = registry.champion(contract.project.name)
    done = register(project, workspace, model=model, split=split, run=run)
    version = done.version
    promoted, why = _promotion(contract, done.evaluation, champion, version)
    if promoted and (rolling := registry.rolling(version.name)):
        then = f"When that is over: mainspring promote {version.name} {version.version}"
        promoted, why = False, f"not promoted: {rolling}. {then}"
    if promoted:
        registry.promote(version.name, version.version, reason=f"{reason}: {why}" if reason else why)
        version = registry.resolve(f"{version.name}/{version.version}")
    return replace(done, version=version, promoted=promoted, reason=why)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A judged and packaged model that nobody knows of yet."""

    bundle: Bundle
    evaluation: Evaluation


def register(project: Project, workspace: Workspace, *, model: Model, split: Split, run: str | None = None) -> Release:
    """Judge *model* on the held-out part of *split*, package it and register it. Nothing goes live."""
    return reported(project, enrol(project, workspace, prepare(project, workspace, model=model, split=split), run=run))


def prepare(
    project: Project,
    workspace: Workspace,
    *,
    model: Model,
    split: Split,
    judged: Predictor | None = None,
    profile: dict[str, Any] | None = None,
) -> Prepared:
    """Judge *model* on the held-out part of *split* and package it. Writes nothing but bytes into the store.

    *judged* answers for it on the held-out rows where the model itself has learned from them. *profile*: what it is
    to be watched by (see :func:`profile_of`), where the split does not tell it.
    """
    contract, registry = project.contract, Registry(workspace)
    champion = registry.champion(contract.project.name)
    evaluation = evaluate(
        judged or model, split.test, contract, champion=_predictor(registry, champion, split), stage="holdout"
    )
    bundle = build(
        model,
        contract=contract,
        holdout=split.test,
        evaluation=evaluation.as_dict(),
        profile=watched_by(model, split, contract) if profile is None else profile,
    )
    registry.keep(bundle)
    return Prepared(bundle, evaluation)


def enrol(
    project: Project,
    workspace: Workspace,
    prepared: Prepared,
    *,
    run: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Release:
    """Register what was prepared as the next version. Quick: it may be part of a larger transaction."""
    evaluation = prepared.evaluation
    version = Registry(workspace).register(
        project.contract.project.name,
        prepared.bundle,
        run=run,
        metrics=evaluation.metrics,
        verdicts=evaluation.verdicts,
        tags=tags,
    )
    return Release(version, evaluation, promoted=False, reason="registered")


def reported(project: Project, done: Release) -> Release:
    """The release with the page of its evaluation written."""
    return replace(done, report=_write_report(project, done.evaluation, done.version))


def watched_by(model: Model, split: Split, contract: Contract) -> dict[str, Any]:
    """What monitoring needs of the data a model was made from, as JSON values.

    ``reference``: the training rows in bins; ``baseline``: what the model was worth on the held-out rows;
    ``importance``: how much of the model rests on each column. Rows that were cut in order of time also say how they
    move from window to window of their own accord.
    """
    columns = [name for name in model.encoder.columns if name in split.train.columns]
    train, test, window = split.train, split.test, None
    if split.by == "time" and split.column in split.train.columns:
        train, test = (part.sort(split.column, maintain_order=True) for part in (train, test))
        window = usual_rows(train[split.column], contract.monitor.window)
    reference = Reference.fit(train.select(columns), contract=contract, window=window)
    baseline = Baseline.of_contract(
        contract,
        test[contract.project.target],
        model.predict(test),
        frame=test,
        reference=reference,
        window=window,
    )
    return profile_of(model, reference, baseline, test)


def profile_of(
    model: Model, reference: Reference, baseline: Baseline | None, sample: pl.DataFrame | None = None
) -> dict[str, Any]:
    """The profile that a bundle carries, as JSON values. *sample*: rows that tell what the model rests on."""
    return {
        "reference": reference.as_dict(),
        "baseline": None if baseline is None else baseline.as_dict(),
        "importance": importance(model, sample),
    }


def usual_rows(times: pl.Series, window: timedelta | int) -> int | None:
    """How many rows a window has, by *times* in order; None where they do not tell."""
    if isinstance(window, int):
        return window
    if not times.dtype.is_temporal() or len(times) < 2 or times.dtype.to_python() not in (date, datetime):
        return None
    span = times[-1] - times[0]
    return max(round(len(times) * (window / span)), 1) if span > timedelta(0) else None


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
