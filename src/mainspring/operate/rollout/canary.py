"""What is known about a version from the rows that it answered as a canary: its evidence in a rollout.

Requirements are judged again only when there is half as much again to judge, of rows or of labels: so that looking
often does not make it likelier that a good version looks bad once. Errors, refusals and latency are compared by a test
that may be asked at any time.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.core.errors import InputError, LedgerError, NotFound, Refused, StoreError
from mainspring.core.estimate import Estimate
from mainspring.core.predictions import Predictions
from mainspring.evaluate.requirements import belongs, verdicts
from mainspring.operate.rollout.compare import Counts, is_worse
from mainspring.operate.rollout.plan import FEWEST, Evidence, Judged, Rollout
from mainspring.registry import Registry

if TYPE_CHECKING:
    from mainspring.contract import Contract, Requirement, Verdict
    from mainspring.serve.log.record import Role
    from mainspring.workspace import Workspace

CANARY: Role = "canary"
AGAIN = 1.5
"""Requirements are judged again when there are so many times the rows and labels of the last time."""
ROWS = 100_000
"""The latest so many answers are judged."""
CONFIDENCE = 0.99
"""Of the intervals by which a requirement is surely broken."""
SLOWER = 2.0
"""An answer is slow that takes so many times as long as all but one in a hundred of the champion's."""
SLOWER_MS = 5.0
"""And at least so many milliseconds longer: below that nobody is kept waiting."""
HOPELESS = 0.5
"""With a larger share of errors a version is broken, though there be no champion's answers to compare with."""

ANSWER = pl.col("id").str.contains(":").not_() | pl.col("id").str.ends_with(":0")
"""One row of each request: all of its rows were answered together."""
OWN = pl.col("flags").str.contains("(?:^|,)fallback(?:,|$)").fill_null(value=False).not_()
"""Rows that the model answered, also without a column (``aside:<column>``), and not the fallback in its place."""


def gather(workspace: Workspace, contract: Contract, rollout: Rollout) -> Evidence:
    """The evidence in the prediction log of *workspace*. Raises StoreError where it cannot be read."""
    from mainspring.serve.log.compact import compact
    from mainspring.serve.log.read import PredictionLog

    with suppress(Refused, StoreError, LedgerError):
        # what was answered a moment ago counts, whether or not an endpoint lives to bring it in
        compact(workspace, rollout.model, patience=0)
    log = PredictionLog(workspace, rollout.model)
    rows = log.scan(since=rollout.started)
    # the labels are joined before anything is left out: only the columns that tell which rows are meant
    marks = ["id", "time", "version", "role", "flags"]
    truth = log.labelled(since=rollout.started, columns=marks, roles=[CANARY])
    return weigh(rows, truth, contract, rollout, champion=lambda: _champion(workspace, contract, rollout))


def weigh(
    rows: pl.LazyFrame, labelled: pl.LazyFrame, contract: Contract, rollout: Rollout, *, champion: Any = lambda: None
) -> Evidence:
    """The evidence in these *rows* of the prediction log and in those of them that are *labelled*.

    *champion* gives the champion's predictor when it is needed, or None.
    """
    mine = (pl.col("role") == CANARY) & (pl.col("version") == rollout.version)
    rows = rows.filter(OWN)
    here = (pl.col("time") >= rollout.since) & (pl.col("status") < 400)
    known = labelled.filter(OWN & mine & pl.col("label").is_not_null()).select("id", "time", "label")
    counts = rows.filter(mine).select(here=here.sum(), asked=pl.len()).collect(engine="streaming")
    labels = int(known.select(pl.len()).collect(engine="streaming").item())
    at_step, total = int(counts["here"][0]), int(counts["asked"][0])
    looked, of_them, required = rollout.looked, rollout.labelled, rollout.required
    if total + labels >= max(AGAIN * looked, 1) or labels >= max(AGAIN * of_them, 1):
        looked, of_them = total + labels, labels
        required = _required(rows.filter(mine), known, contract, champion)
    return Evidence(
        rows=at_step,
        champion=None,
        looked=looked,
        labelled=of_them,
        required=required,
        compared=_compared(rows, rollout),
    )


def _required(mine: pl.LazyFrame, known: pl.LazyFrame, contract: Contract, champion: Any) -> tuple[Judged, ...]:
    """Every requirement that belongs on a canary, held against what the version answered."""
    wanted = [requirement for requirement in contract.requirements if belongs(requirement, "canary")]
    if not wanted:
        return ()
    frame = _latest(mine.filter(pl.col("status") < 400), known)
    service = _service(mine.filter(ANSWER).select("latency_ms", "status").collect(engine="streaming"))
    values = features(frame)
    theirs = None
    if any(requirement.below_champion_by_at_most is not None for requirement in wanted):
        theirs = _said_by(champion(), values)
    found = verdicts(
        contract, frame["label"], predictions(frame), values, stage="canary", champion=theirs, service=service,
        confidence=CONFIDENCE,
    )  # fmt: skip
    return tuple(map(_judged, wanted, found))


def _latest(good: pl.LazyFrame, known: pl.LazyFrame) -> pl.DataFrame:
    """The latest rows and the latest labelled ones, which may be older, with ``label`` where it is known."""
    times = good.select("time").collect(engine="streaming")["time"]
    cut = times.sort()[-ROWS] if len(times) > ROWS else None
    truth = known.collect(engine="streaming").sort("time").tail(ROWS).unique("id").drop("time")
    wanted = good
    if cut is not None:
        wanted = good.filter((pl.col("time") >= cut) | pl.col("id").is_in(truth["id"].implode()))
    return wanted.collect(engine="streaming").join(truth, on="id", how="left", maintain_order="left")


def features(frame: pl.DataFrame) -> pl.DataFrame:
    """What was asked, under the features' own names."""
    names = {name: name.removeprefix("x.") for name in frame.columns if name.startswith("x.")}
    return frame.select(*names).rename(names)


def predictions(frame: pl.DataFrame) -> Predictions:
    """What the log says was predicted."""
    columns = [name for name in frame.columns if name.startswith("score.")]
    said = frame["prediction"]
    if not columns:
        return Predictions(said.to_numpy())
    names = [name.removeprefix("score.") for name in columns]
    classes: tuple[Any, ...] = tuple(names)
    if said.dtype == pl.Boolean:
        classes = tuple(name == "true" for name in names)
    elif said.dtype.is_integer():
        classes = tuple(map(int, names))
    order = sorted(range(len(classes)), key=lambda place: classes[place])
    scores = frame.select(columns[place] for place in order).to_numpy().astype(np.float64, copy=False)
    return Predictions(said.to_numpy(), scores, tuple(classes[place] for place in order))


def _judged(requirement: Requirement, verdict: Verdict) -> Judged:
    value = "not a number" if verdict.value is None else f"{verdict.value:.4g}"
    text = f"{verdict.requirement}: it is {value} on {verdict.rows:,} rows" if verdict.rows else verdict.requirement
    text += f" ({verdict.reason})" if verdict.reason else ""
    few = verdict.value is not None and verdict.rows < FEWEST
    return Judged(
        name=verdict.requirement,
        # before release whoever asks brings the rows; here those that a requirement speaks of may be yet to come
        result=verdict.result if verdict.rows else "not measurable",
        priority=verdict.priority,
        text=text,
        sure=verdict.result == "fail" and not few and _is_sure(requirement, verdict),
        few=few,
    )


def _is_sure(requirement: Requirement, verdict: Verdict) -> bool:
    """Whether the whole interval of a failed verdict lies beyond its bound. What is not a number surely fails."""
    if verdict.value is None:
        return verdict.rows > 0
    end = verdict.high if requirement.at_least is not None else verdict.low
    if end is None:
        return False
    return end < verdict.bound if requirement.at_least is not None else end > verdict.bound


def _service(answers: pl.DataFrame) -> dict[str, Estimate]:
    """The service metrics of these requests, with exact intervals of the binomial distribution."""
    from scipy.stats import beta, binom

    count = len(answers)
    if not count:
        return {}
    rest = (1 - CONFIDENCE) / 2
    bad = int((answers["status"] >= 500).sum())
    low = float(beta.ppf(rest, bad, count - bad + 1)) if bad else 0.0
    high = float(beta.ppf(1 - rest, bad + 1, count - bad)) if bad < count else 1.0
    made = {"error_rate": Estimate(bad / count, low, high, count)}
    times = answers["latency_ms"].cast(pl.Float64).drop_nulls().sort().to_numpy()
    for name, share in (("latency_p50_ms", 0.5), ("latency_p99_ms", 0.99)):
        if len(times):
            first, last = (int(binom.ppf(level, len(times), share)) for level in (rest, 1 - rest))
            above = float(times[last]) if last < len(times) else math.inf
            value = float(np.quantile(times, share))
            below = float(times[first - 1]) if first else 0.0
            made[name] = Estimate(value, below, above, len(times))
    return made


def _compared(rows: pl.LazyFrame, rollout: Rollout) -> tuple[Judged, ...]:
    """Errors, refusals and latency of the canary beside the champion's at this step.

    Not of the steps before: their shares of the traffic were others, and a bad hour in one would be held against the
    canary. When it gets everything there is nothing to compare with, and what is slow then may be the hour.
    """
    mine = (pl.col("role") == CANARY) & (pl.col("version") == rollout.version)
    theirs = (pl.col("role") == "champion") & (pl.col("version") == rollout.champion)
    answers = rows.filter(ANSWER & (pl.col("time") >= rollout.since) & (mine | theirs)).select(
        "latency_ms",
        mine=mine,
        error=pl.col("status") >= 500,
        refused=pl.col("status") == 422,
        good=pl.col("status") < 400,
    )
    quantiles = answers.filter(~pl.col("mine") & pl.col("good")).select(
        median=pl.col("latency_ms").quantile(0.5), slow=pl.col("latency_ms").quantile(0.99)
    )
    before = quantiles.collect(engine="streaming").row(0)
    limits = [None if value is None else max(SLOWER * value, value + SLOWER_MS) for value in before]
    late = [pl.lit(None) if limit is None else pl.col("latency_ms") > limit for limit in limits]
    counted = answers.group_by("mine").agg(
        all=pl.len(),
        error=pl.col("error").sum(),
        refused=pl.col("refused").sum(),
        served=pl.col("good").sum(),
        median=(late[0] & pl.col("good")).sum(),
        slow=(late[1] & pl.col("good")).sum(),
    )
    sides = {bool(row["mine"]): row for row in counted.collect(engine="streaming").to_dicts()}
    made = [
        _beside("errors", sides, "all", "error", "were errors of ours"),
        # the two are asked the same: what only the version refuses, it knows less of
        _beside("refused requests", sides, "all", "refused", "refused what they were asked"),
    ]
    if limits[0] is not None and limits[1] is not None:
        made.append(_beside("typical latency", sides, "served", "median", f"took over {limits[0]:.3g} ms"))
        made.append(_beside("slow answers", sides, "served", "slow", f"took over {limits[1]:.3g} ms"))
    return tuple(made)


def _beside(name: str, sides: dict[bool, dict[str, int]], whole: str, bad: str, word: str) -> Judged:
    ours, theirs = (
        Counts(answers=int(sides[side][whole] or 0), bad=int(sides[side][bad] or 0)) if side in sides else Counts()
        for side in (True, False)
    )
    if name == "errors" and not theirs.answers and ours.answers >= FEWEST and ours.share > HOPELESS:
        text = f"errors: {ours.share:.3%} of {ours.answers:,} answers {word}"
        return Judged(name=name, result="fail", text=text, sure=True)
    if not ours.answers or not theirs.answers:
        return Judged(name=name, result="not measurable", text=f"{name}: there is nothing to compare with yet")
    text = (
        f"{name}: {ours.share:.3%} of {ours.answers:,} answers {word}, {theirs.share:.3%} of the champion's "
        f"{theirs.answers:,}"
    )
    worse = is_worse(ours, theirs)
    return Judged(name=name, result="fail" if worse else "pass", text=text, sure=worse)


def _champion(workspace: Workspace, contract: Contract, rollout: Rollout) -> Any:
    """The champion, ready to predict; None where its bundle is damaged or gone, or it reads what the log masks."""
    if set(contract.personal) & set(contract.features):
        return None
    try:
        return Registry(workspace).load(f"{rollout.model}/{rollout.champion}").predictor()
    except (NotFound, StoreError):
        return None


def _said_by(predictor: Any, frame: pl.DataFrame) -> Predictions | None:
    if predictor is None or not len(frame):
        return None
    try:
        said: Predictions = predictor.predict(frame)
    except InputError:
        return None  # the champion reads columns that the version is not sent
    return said
