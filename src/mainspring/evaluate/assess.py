"""The whole evaluation of a model on labelled rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.contract.metric import METRICS, primary
from mainspring.core.errors import InputError, MainspringError, suggestion
from mainspring.core.frames import as_frame
from mainspring.core.progress import progress
from mainspring.evaluate import behaviour, confusion, curve, group, slices, threshold
from mainspring.evaluate.evaluation import ClassQuality, Confusion, Evaluation
from mainspring.evaluate.metric import OF_SCORES, Setting, estimates, gain
from mainspring.evaluate.outcome import Outcome, label_text
from mainspring.evaluate.requirements import verdicts

if TYPE_CHECKING:
    import polars as pl

    from mainspring.contract import Contract
    from mainspring.contract.requirement import Stage
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictions, Predictor

MOST_CLASSES = 50
"""Per-class figures and the confusion matrix are kept for at most so many classes, the most frequent."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is evaluated, put together once."""

    predictor: Predictor
    frame: pl.DataFrame
    contract: Contract
    outcome: Outcome
    metric: str
    setting: Setting


def evaluate(
    predictor: Predictor,
    frame: Any,
    contract: Contract,
    *,
    champion: Predictor | None = None,
    stage: Stage = "holdout",
    tuning: tuple[Any, Predictions] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Evaluation:
    """Find out everything about *predictor* on the rows of *frame*, which it must not have learned from.

    *frame* holds the features and the contract's target; rows whose target is null are left out and counted. With a
    *champion* the two are compared on the same rows. *tuning* gives the truth of training rows and out-of-fold
    predictions for them, on which the recommended threshold is picked; without it the threshold is picked on *frame*
    and its value cross-fitted. Intervals are 95 % percentile bootstraps of *resamples* with *seed*.

    Raises InputError where the frame lacks the target or a feature, or has no row with a known target.
    """
    frame = as_frame(frame)
    target = contract.project.target
    if target not in frame.columns:
        raise InputError(
            f"The rows to evaluate on have no column {target!r}, the target. "
            f"{suggestion(target, frame.columns, kind='column')}"
        )
    progress("evaluate", 0, 5, "predicting")
    predictions = predictor.predict(frame)
    theirs = None if champion is None else champion.predict(frame)
    outcome = Outcome.of(frame[target], predictions, positive=contract.project.positive)
    if not len(outcome):
        raise InputError(f"None of the {len(frame)} rows to evaluate on has a known {target!r}.")
    setting = Setting(cost=contract.cost, resamples=resamples, seed=seed)
    case = _Case(predictor, frame, contract, outcome, headline(contract, outcome), setting)
    progress("evaluate", 1, 5, "measuring")
    names = [name for name in _names(outcome, contract) if METRICS[name].kind == "quality"]
    metrics = estimates(names, outcome, setting)
    progress("evaluate", 2, 5, "holding the contract against it")
    judged = verdicts(contract, frame[target], predictions, frame, stage=stage, champion=theirs, resamples=resamples)
    progress("evaluate", 3, 5, "looking for weak slices")
    weak = slices.find(outcome, frame, _sliced(case), metric=case.metric, setting=setting)
    progress("evaluate", 4, 5, "comparing groups")
    done = Evaluation(
        task=outcome.task,
        target=target,
        stage=stage,
        rows=len(outcome),
        unlabelled=len(frame) - len(outcome),
        metric=case.metric,
        classes=tuple(map(label_text, outcome.labels[: outcome.known])),
        positive=label_text(outcome.labels[1]) if outcome.task == "binary" else None,
        metrics=metrics,
        baseline=_baseline(outcome, names, setting),
        gains=_gains(case, theirs),
        per_class=_per_class(outcome, setting),
        slices=weak,
        fairness=_fairness(case),
        threshold=_threshold(case, tuning),
        confusion=_confusion(outcome),
        curves=curve.curves(outcome, seed=seed),
        behaviour=_behaviour(case),
        verdicts=judged,
        notes=_notes(frame, outcome),
    )
    progress("evaluate", 5, 5, f"judged on {len(outcome):,} rows")
    return done


def headline(contract: Contract, outcome: Outcome) -> str:
    """The metric that stands for the model: the first that is required and fits, else the task's usual one."""
    for requirement in contract.requirements:
        name = requirement.metric
        metric = METRICS.get(name)
        if metric is None or metric.kind != "quality" or name in ("mean_error", "max_error"):
            continue
        if outcome.task in metric.tasks and name in _names(outcome, contract):
            return name
    return primary(outcome.task) if outcome.task == "regression" or outcome.scores is not None else "accuracy"


def _names(outcome: Outcome, contract: Contract) -> list[str]:
    """The quality metrics that these predictions allow."""
    return [
        name
        for name, metric in METRICS.items()
        if metric.kind == "quality"
        and outcome.task in metric.tasks
        and (name != "expected_cost" or contract.cost)
        and (name not in OF_SCORES or outcome.scores is not None)
    ]


def _sliced(case: _Case) -> list[str]:
    """The columns by which the rows are sliced: what the model reads, what is sensitive, and time."""
    time = [] if case.contract.project.time is None else [case.contract.project.time]
    wanted = [*case.predictor.features, *case.contract.sensitive, *time]
    return [name for name in dict.fromkeys(wanted) if name != case.contract.project.target]


def _baseline(outcome: Outcome, names: list[str], setting: Setting) -> dict[str, float]:
    """What an answer scores that never changes: the shares of the classes, or the mean."""
    rows = len(outcome)
    if outcome.task == "regression":
        constant = _answered(outcome, np.full(rows, outcome.truth.mean()), None)
    else:
        share = np.bincount(outcome.truth, minlength=outcome.known)[: outcome.known] / rows
        scores = None if outcome.scores is None else np.tile(share, (rows, 1))
        constant = _answered(outcome, np.full(rows, int(share.argmax())), scores)
    measured = estimates(names, constant, replace(setting, confidence=None))
    return {name: round(found.value, 9) for name, found in measured.items() if not math.isnan(found.value)}


def _answered(outcome: Outcome, decided: Any, scores: Any) -> Outcome:
    """The same rows with another answer."""
    return Outcome(
        outcome.task, outcome.truth, decided, scores, outcome.labels, outcome.known, outcome.kept, outcome.labelled
    )


def _gains(case: _Case, theirs: Predictions | None) -> dict[str, Estimate]:
    """By how much the champion is beaten on the headline and the usual metric."""
    if theirs is None:
        return {}
    truth = case.frame[case.contract.project.target]
    champion = Outcome.of(truth, theirs, positive=case.contract.project.positive)
    names = dict.fromkeys([case.metric, primary(case.outcome.task)])
    return {name: gain(name, case.outcome, champion, case.setting) for name in names}


def _per_class(outcome: Outcome, setting: Setting) -> tuple[ClassQuality, ...]:
    """Each class against the rest, in the model's order."""
    if outcome.task == "regression":
        return ()
    found = []
    for code in _shown(outcome):
        binary = Outcome(
            "binary",
            (outcome.truth == code).astype(np.int64),
            (outcome.decided == code).astype(np.int64),
            None,
            ("rest", outcome.labels[code]),
            2,
            outcome.kept,
        )
        measured = estimates(["precision", "recall", "f1"], binary, setting)
        found.append(
            ClassQuality(label=label_text(outcome.labels[code]), support=int((outcome.truth == code).sum()), **measured)
        )
    return tuple(found)


def _shown(outcome: Outcome) -> list[int]:
    """The codes of the most frequent labels, in their order."""
    size = len(outcome.labels)
    rows = np.bincount(outcome.truth, minlength=size) + np.bincount(outcome.decided, minlength=size)
    return sorted(int(code) for code in np.argsort(-rows, kind="stable")[:MOST_CLASSES])


def _confusion(outcome: Outcome) -> Confusion | None:
    if outcome.task == "regression":
        return None
    shown = _shown(outcome)
    counts = confusion.matrix(outcome)[np.ix_(shown, shown)]
    return Confusion(
        labels=tuple(label_text(outcome.labels[code]) for code in shown),
        counts=tuple(tuple(int(count) for count in row) for row in counts),
    )


def _fairness(case: _Case) -> tuple[group.Fairness, ...]:
    present = [name for name in case.contract.sensitive if name in case.frame.columns]
    found = [
        group.compare(case.outcome, case.frame[name], metric=case.metric, setting=case.setting) for name in present
    ]
    return tuple(one for one in found if one.groups)


def _threshold(case: _Case, tuning: tuple[Any, Predictions] | None) -> threshold.Threshold | None:
    outcome = case.outcome
    if outcome.task != "binary" or outcome.scores is None or np.isnan(outcome.scores).any():
        return None
    if len(np.unique(outcome.truth == 1)) < 2:
        return None
    given = getattr(case.predictor, "threshold", None)
    drawn = None if tuning is None else Outcome.of(*tuning, positive=case.contract.project.positive)
    return threshold.assess(
        outcome,
        case.contract.cost,
        current=0.5 if given is None else float(given),
        tuning=drawn,
        seed=case.setting.seed,
    )


def _behaviour(case: _Case) -> tuple[behaviour.Behaviour, ...]:
    """Whether the decision hangs on who someone is: every sensitive column that the model reads is swapped."""
    found = []
    for name in case.contract.sensitive:
        if name in case.predictor.features and name in case.frame.columns:
            try:
                found.append(behaviour.invariance(case.predictor, case.frame, name, seed=case.setting.seed))
            except MainspringError:  # one value only: nothing to swap
                continue
    return tuple(found)


def _notes(frame: pl.DataFrame, outcome: Outcome) -> tuple[str, ...]:
    notes = []
    if len(outcome) < len(frame):
        notes.append(f"{len(frame) - len(outcome):,} of {len(frame):,} rows have no known truth and were left out.")
    unknown = outcome.labels[outcome.known :]
    if unknown:
        names = ", ".join(map(label_text, unknown[:5]))
        notes.append(f"The truth has labels the model never saw: {names}. They count as errors.")
    return tuple(notes)
