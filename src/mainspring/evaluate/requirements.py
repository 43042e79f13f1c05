"""The contract's requirements held against rows: one code for the holdout, the release and live windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.contract.metric import METRICS
from mainspring.contract.verdict import Verdict, judge
from mainspring.core.errors import InputError, listed, quote, suggestion
from mainspring.core.estimate import Estimate
from mainspring.evaluate.fairness import MINIMUM_ROWS, Groups
from mainspring.evaluate.level import counted, levels, matches
from mainspring.evaluate.metric import OF_SCORES, WITHOUT_TRUTH, Setting, estimate, gain
from mainspring.evaluate.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mainspring.contract import Contract, Requirement
    from mainspring.contract.requirement import Stage
    from mainspring.core.predictions import Predictions

BEFORE_RELEASE: tuple[Stage, ...] = ("data", "holdout", "release")
"""Here whoever asks can bring the rows that are needed, so what cannot be shown fails. Later it is not measurable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one check. ``champion`` is what the champion says about the same rows."""

    contract: Contract
    truth: Any
    frame: pl.DataFrame
    predictions: Predictions | None
    champion: Predictions | None
    drifted_columns: Collection[str] | None
    service: Mapping[str, Estimate] | None
    counted: Mapping[str, Estimate] | None
    stage: Stage
    setting: Setting
    made: dict[bool, tuple[Outcome, Outcome | None]] = field(default_factory=dict)

    def outcomes(self, name: str) -> tuple[Outcome, Outcome | None]:
        """What was predicted beside what was true, for the model and for the champion; put together once."""
        if self.predictions is None:
            raise _NotMeasurable("nothing was predicted")
        blind = name in WITHOUT_TRUTH
        if blind not in self.made:
            truth, positive = None if blind else self.truth, self.contract.project.positive
            ours = Outcome.of(truth, self.predictions, positive=positive)
            theirs = None if self.champion is None else Outcome.of(truth, self.champion, positive=positive)
            self.made[blind] = ours, theirs
        return self.made[blind]


class _NotMeasurable(Exception):  # not an error: a reason on its way to the verdict
    """Why a requirement cannot be measured here."""


def verdicts(
    contract: Contract,
    truth: Any,
    predictions: Predictions | None,
    frame: pl.DataFrame,
    *,
    stage: Stage,
    champion: Predictions | None = None,
    drifted_columns: Collection[str] | None = None,
    service: Mapping[str, Estimate] | None = None,
    counted: Mapping[str, Estimate] | None = None,
    minimum_rows: int = MINIMUM_ROWS,
    confidence: float | None = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> tuple[Verdict, ...]:
    """Hold every requirement that belongs to *stage* against the rows of *frame*, in the contract's order.

    *truth*: n labels or numbers, null where not known yet; None where nothing is known. *predictions*: None where only
    the table itself is judged. *champion*: what the champion
    predicts for the same rows. *drifted_columns*: what the monitor found, where it looked. *service*: latencies and the
    error rate of the requests behind these rows, by the metric's name, where somebody timed them. *counted*: metrics of
    the table itself that were counted on all rows where *frame* holds but some of them.

    ``where`` restricts the rows; ``each`` measures every level of a column with at least *minimum_rows* rows and lets
    the worst decide; ``by`` compares the groups of at least *minimum_rows* rows. Numbers of many values are cut into
    quarters for ``each`` and ``by``. The reason of a verdict names the worst level and what was left out.

    Zero rows looked at is a fail at every stage. What cannot be computed on the rows that there are (one class only, a
    column that is not sent) fails before release and is ``not measurable`` on live windows; so is what waits for
    labels or a champion. A prediction that is not a number fails everywhere.

    Raises InputError where the lengths differ.
    """
    if predictions is not None and len(predictions) != len(frame):
        raise InputError(f"Expected predictions for each of the {len(frame)} rows, got {len(predictions)}.")
    rows = Rows(
        contract=contract,
        truth=truth,
        frame=frame,
        predictions=predictions,
        champion=champion,
        drifted_columns=drifted_columns,
        service=service,
        counted=counted,
        stage=stage,
        setting=Setting(
            cost=contract.cost, confidence=confidence, resamples=resamples, seed=seed, minimum_rows=minimum_rows
        ),
    )
    return tuple(_verdict(requirement, rows) for requirement in contract.requirements if belongs(requirement, stage))


def belongs(requirement: Requirement, stage: Stage) -> bool:
    """Whether the requirement is checked at *stage*: its metric can be measured there, and its own stages allow it."""
    metric = METRICS.get(requirement.metric)
    allowed = not requirement.stages or stage in requirement.stages
    return metric is not None and stage in metric.stages and allowed


def _verdict(requirement: Requirement, rows: Rows) -> Verdict:
    try:
        measured, reason = _measure(requirement, rows)
    except _NotMeasurable as why:
        return judge(requirement, None, stage=rows.stage, reason=str(why))
    return judge(requirement, measured, stage=rows.stage, reason=reason)


def _measure(requirement: Requirement, rows: Rows) -> tuple[Estimate, str]:
    """The number that is held against the bound, with a word on how it came about. Raises _NotMeasurable."""
    mask = np.ones(len(rows.frame), dtype=bool)
    for column, value in requirement.where:
        found = _column(requirement, rows, column)
        if isinstance(found, str):
            return _nothing(rows, found)
        mask &= matches(found, value).to_numpy()
    if METRICS[requirement.metric].kind in ("data", "service"):
        return _of_data(requirement, rows, mask)
    if requirement.below_champion_by_at_most is not None and rows.champion is None:
        raise _NotMeasurable("there is no champion to compare with")
    if requirement.metric == "expected_cost" and not rows.contract.cost:
        raise _NotMeasurable("the contract declares no costs")
    ours, theirs = rows.outcomes(requirement.metric)
    if requirement.metric in OF_SCORES and any(one is not None and one.scores is None for one in (ours, theirs)):
        return _nothing(rows, "the model gives no probabilities", rows_seen=len(ours))
    if requirement.metric not in WITHOUT_TRUTH and not (ours.labelled and len(ours)) and len(rows.frame):
        if rows.stage not in BEFORE_RELEASE:
            raise _NotMeasurable("no labels yet")
        return Estimate(math.nan), "no row has a known truth"
    return _of_outcomes(requirement, rows, (ours, theirs), mask)


def _of_outcomes(
    requirement: Requirement, rows: Rows, outcomes: tuple[Outcome, Outcome | None], mask: np.ndarray[Any, Any]
) -> tuple[Estimate, str]:
    ours, theirs = outcomes
    kept = np.flatnonzero(mask[ours.kept])
    ours, theirs = ours.take(kept), None if theirs is None else theirs.take(kept)
    if not len(ours):
        return Estimate(math.nan), _no_rows(requirement)
    groups, note = None, ""
    if requirement.by is not None:
        found = _column(requirement, rows, requirement.by)
        if isinstance(found, str):
            return _nothing(rows, found)
        groups = Groups.of(levels(found.gather(ours.kept)), minimum_rows=rows.setting.minimum_rows)
        note = _left_out(groups.left_out)
    if requirement.each is not None:
        found = _column(requirement, rows, requirement.each)
        if isinstance(found, str):
            return _nothing(rows, found)
        return _worst(requirement, rows, (ours, theirs), found.gather(ours.kept))
    return _checked(requirement, rows, (ours, theirs), groups, note)


def _checked(
    requirement: Requirement, rows: Rows, outcomes: tuple[Outcome, Outcome | None], groups: Groups | None, note: str
) -> tuple[Estimate, str]:
    """Measure, and sort out what a value that is not a number means."""
    measured = _one(requirement, rows, outcomes, groups)
    if not math.isnan(measured.value):
        empty = groups is not None and not (outcomes[0].decided == 1).any()
        said = "the model calls no row positive, so there is nothing to compare" if empty else ""
        return measured, "; ".join(part for part in (said, note) if part)
    if _is_broken(outcomes[0]):
        return measured, "a prediction is not a number"
    why = _undefined(requirement, outcomes[0], groups, rows.setting.minimum_rows)
    why = f"{why}; {note}" if note else why
    return _nothing(rows, why, rows_seen=len(outcomes[0]))


def _one(
    requirement: Requirement, rows: Rows, outcomes: tuple[Outcome, Outcome | None], groups: Groups | None
) -> Estimate:
    """The metric, or how far it lies below the champion's."""
    ours, theirs = outcomes
    setting = replace(rows.setting, by=groups)
    if requirement.below_champion_by_at_most is None or theirs is None:
        return estimate(requirement.metric, ours, setting)
    return gain(requirement.metric, theirs, ours, setting)


def _worst(
    requirement: Requirement, rows: Rows, outcomes: tuple[Outcome, Outcome | None], column: pl.Series
) -> tuple[Estimate, str]:
    """The level of *column* that comes nearest to breaking the bound, or breaks it most."""
    ours, theirs = outcomes
    groups = Groups.of(levels(column, missing=True), minimum_rows=rows.setting.minimum_rows)
    found: list[tuple[float, str, Estimate]] = []
    undefined: dict[str, int] = {}
    for code, name in enumerate(groups.names):
        inside = np.flatnonzero(groups.code == code)
        part = ours.take(inside), None if theirs is None else theirs.take(inside)
        measured = _one(requirement, rows, part, None)
        if _is_broken(part[0]):
            return measured, f"a prediction is not a number where {column.name} is {name}"
        if math.isnan(measured.value):
            undefined[name] = len(inside)
        else:
            badness = -measured.value if requirement.at_least is not None else measured.value
            found.append((badness, name, measured))
    left_out = _left_out(groups.left_out | undefined)
    if not found:
        why = f"no value of {column.name} has {rows.setting.minimum_rows} rows on which {requirement.metric} is defined"
        return _nothing(rows, f"{why}; {left_out}" if left_out else why)
    _, name, measured = max(found, key=lambda item: item[0])
    word = f"the worst of {len(found)}: {column.name} is {name} ({measured.rows:,} rows)"
    return measured, f"{word}; {left_out}" if left_out else word


def _of_data(requirement: Requirement, rows: Rows, mask: np.ndarray[Any, Any]) -> tuple[Estimate, str]:
    """The metrics of the table itself, and those that others measure."""
    name = requirement.metric
    if METRICS[name].kind == "service":
        return _of_service(requirement, rows)
    if name == "drifted_columns":
        if rows.drifted_columns is None:
            raise _NotMeasurable("drift was not looked at")
        columns = sorted(rows.drifted_columns)
        return Estimate(float(len(columns)), rows=len(rows.frame)), listed(columns)
    frame = rows.frame.filter(pl.Series(mask)) if not mask.all() else rows.frame
    if rows.counted and name in rows.counted and not requirement.where and requirement.each is None:
        return rows.counted[name], ""
    if requirement.each is None:
        return _of_table(name, frame, rows.contract), "" if len(frame) else _no_rows(requirement)
    found = _column(requirement, rows, requirement.each)
    if isinstance(found, str):
        return _nothing(rows, found)
    if not len(frame):
        return Estimate(math.nan), _no_rows(requirement)
    named = levels(frame[requirement.each], missing=True)
    parts = [(level, frame.filter(named == level)) for level in named.unique(maintain_order=True)]
    measured = [(_of_table(name, part, rows.contract), level) for level, part in parts]
    value, level = (min if requirement.at_least is not None else max)(measured, key=lambda item: item[0].value)
    return value, f"the worst of {len(parts)}: {requirement.each} is {level} ({value.rows:,} rows)"


def _of_service(requirement: Requirement, rows: Rows) -> tuple[Estimate, str]:
    if requirement.where or requirement.each is not None:
        raise _NotMeasurable("requests are timed together, not by what they ask about")
    if requirement.below_champion_by_at_most is not None:
        raise _NotMeasurable("the champion was not timed on the same requests")
    found = (rows.service or {}).get(requirement.metric)
    if found is None:
        raise _NotMeasurable("no requests were timed here")
    return found, ""


def _of_table(name: str, frame: pl.DataFrame, contract: Contract) -> Estimate:
    rows = len(frame)
    if name == "row_count":
        return Estimate(float(rows), rows=rows)
    if not rows:
        return Estimate(math.nan)
    if name == "null_fraction":
        declared = [column for column in contract.columns if column in frame.columns] or frame.columns
        nulls = sum(frame[column].null_count() for column in declared)
        return Estimate(nulls / (rows * len(declared)), rows=rows)
    from mainspring.data.check import check

    return Estimate(len(check(frame, contract).quarantine) / rows, rows=rows)


def _column(requirement: Requirement, rows: Rows, name: str) -> pl.Series | str:
    """The column, or a sentence that says it is not there."""
    if name in rows.frame.columns:
        return rows.frame[name]
    return f"the rows have no column {quote(name)}. {suggestion(name, rows.frame.columns, kind='column')}"


def _nothing(rows: Rows, why: str, *, rows_seen: int = 0) -> tuple[Estimate, str]:
    """What cannot be shown: a fail before release, not measurable on live rows."""
    if rows.stage not in BEFORE_RELEASE:
        raise _NotMeasurable(why)
    return Estimate(math.nan, rows=rows_seen), why


def _is_broken(outcome: Outcome) -> bool:
    """Whether the model answered something that is not a number."""
    given = outcome.decided if outcome.task == "regression" else outcome.scores
    return given is not None and bool(np.isnan(given).any())


def _undefined(requirement: Requirement, outcome: Outcome, groups: Groups | None, minimum_rows: int) -> str:
    """Why the metric is not defined on these rows."""
    if groups is not None and len(groups.names) < 2:
        return f"fewer than two groups of {requirement.by} have {minimum_rows} rows"
    seen = np.unique(outcome.truth)
    if outcome.task != "regression" and len(seen) == 1:
        return f"all {len(outcome):,} rows are of one class ({outcome.labels[int(seen[0])]})"
    return f"{requirement.metric} is not defined on these {len(outcome):,} rows"


def _no_rows(requirement: Requirement) -> str:
    where = " and ".join(f"{column} is {value}" for column, value in requirement.where)
    return f"no rows with a known truth where {where}" if where else "no rows were looked at"


def _left_out(groups: dict[str, int]) -> str:
    return f"left out: {counted(_names(groups), list(groups.values()))}" if groups else ""


def _names(groups: dict[str, int]) -> Sequence[str]:
    return [str(name) for name in groups]
