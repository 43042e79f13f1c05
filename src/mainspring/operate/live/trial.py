"""The trial of a champion that the loop made: whether the one before it would have been better, while labels come.

Labels come by and by, and who looks after each of them finds a difference in the end where there is none. So one looks
again only when there are half as many more, which is a few times in all, and asks for more certainty than once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError
from mainspring.operate import rollout as rolling
from mainspring.operate.live import document
from mainspring.operate.live.acting import Acting, Trial
from mainspring.operate.live.turn import why
from mainspring.registry import CHAMPION, Registry

if TYPE_CHECKING:
    import polars as pl

    from mainspring.core.estimate import Estimate
    from mainspring.operate.live.document import Memory
    from mainspring.operate.live.turn import Turn
    from mainspring.operate.policy import Decision

WINDOWS = 2
"""A new champion is on trial until so many windows that it answered are labelled."""
LONGEST = 30
"""And no longer than until so many windows could have had labels: where they do not come, nothing can be said."""
ROWS = 50_000
"""On the latest so many labelled answers a champion on trial is held against the one before it."""
FEWEST = 30
GROWTH = 1.5
CONFIDENCE = 0.99
_WITHOUT = "(^|,)aside:"
"""The flag of an answer that was given without a column that was set aside: the other version would have had it."""


def succession(turn: Turn, acting: Acting, memory: Memory) -> Acting:
    """The document with the present champion; one that the loop made is on trial from when it went live."""
    history = Registry(turn.workspace).history(turn.model)
    change = next((one for one in reversed(history) if one.alias == CHAMPION), None)
    if change is None or change.after is None or change.after == acting.champion:
        return acting
    trial = None
    if change.after in {one.version for one in acting.retrains}:
        before = [place.index for place in memory.recent if place.end <= change.time]
        since = before[-1] if before else acting.began
        trial = Trial(version=change.after, before=acting.champion, since=since, moment=change.time)
    return replace(acting, champion=change.after, trial=trial, looked=0)


def look(turn: Turn, acting: Acting, memory: Memory) -> tuple[Acting, Estimate | None]:
    """By how much the champion before would have been better than the one on trial; and when the trial is over."""
    trial, regret = acting.trial, None
    if trial is not None and memory.labelled > acting.looked:
        acting = replace(acting, looked=memory.labelled)
        try:
            rows = _labelled(turn, trial)
            count = _count(rows)
            if count >= max(FEWEST, GROWTH * trial.rows):
                acting = replace(acting, trial=replace(trial, rows=count))
                regret = _regret(turn, trial, rows)
        except Exception as error:  # a version that is gone or damaged must not end every round
            turn.say(f"version {trial.before} cannot be compared with version {trial.version}: {why(error)}")
    return _settled(turn, acting, memory), regret


def roll_back(turn: Turn, acting: Acting, decision: Decision) -> None:
    """Take back a champion that is surely worse than the one before it, unless it is champion no more."""
    trial = acting.trial
    if trial is None:
        return
    registry = Registry(turn.workspace)
    with turn.workspace.ledger.together():
        now = registry.champion(turn.model)
        if now is None or now.version != trial.version:
            turn.write(replace(acting, trial=None))
            text = f"version {trial.version} was not rolled back: it is the champion no more"
        else:
            rolling.rollback(turn.workspace, turn.model, reason=f"loop: {decision.reason}")
            now = registry.champion(turn.model)
            after = replace(acting, trial=None, champion=now.version if now else trial.before)
            turn.write(after)
            text = f"roll back from version {trial.version} to version {after.champion}: {decision.reason}"
            turn.desk().act("roll back", text)
    turn.reached("done")
    turn.say(text)


def _settled(turn: Turn, acting: Acting, memory: Memory) -> Acting:
    trial = acting.trial
    if trial is None:
        return acting
    first = trial.moment - timedelta(seconds=memory.longest)
    judged = document.between(turn.states, turn.model, first, memory.next or trial.moment)
    labelled = sum(one.streamed for one in judged if one.index > trial.since and one.version == trial.version)
    over = labelled >= WINDOWS or _ripe(turn, trial, memory) >= LONGEST
    return replace(acting, trial=None) if over else acting


def _ripe(turn: Turn, trial: Trial, memory: Memory) -> float:
    """Of so many windows since the trial began the labels could have come by now."""
    windows, delay = memory.index - trial.since, turn.contract.monitor.label_delay
    if isinstance(delay, int):
        return windows - delay / max(memory.usual, 1)
    if delay is not None:
        passed = (memory.next or trial.moment) - trial.moment
        return windows - windows * delay / passed if passed > delay else 0
    return windows


def _labelled(turn: Turn, trial: Trial) -> pl.LazyFrame:
    """What the version on trial answered and is labelled by now."""
    import polars as pl

    from mainspring.operate.rollout.canary import OWN
    from mainspring.serve.log.columns import FEATURE, SCORE
    from mainspring.serve.log.read import PredictionLog

    log = PredictionLog(turn.workspace, turn.model)
    columns = [
        name
        for name in log.shape.columns
        if name in ("time", "version", "flags", "prediction") or name.startswith((FEATURE, SCORE))
    ]
    return log.labelled(since=trial.moment, columns=columns).filter(
        (pl.col("version") == trial.version)
        & pl.col("label").is_not_null()
        & OWN
        & ~pl.col("flags").fill_null("").str.contains(_WITHOUT)
    )


def _count(rows: pl.LazyFrame) -> int:
    import polars as pl

    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _regret(turn: Turn, trial: Trial, rows: pl.LazyFrame) -> Estimate | None:
    """The champion before against the one on trial; None where its answers are not known."""
    from mainspring.evaluate.metric import difference
    from mainspring.operate.live.champions import Champions, headline
    from mainspring.operate.live.rows import clean, features_of, told

    contract = turn.contract
    before = Champions(turn.workspace, turn.model).get(trial.before).champion
    if set(contract.personal) & set(before.reference.columns):
        return None  # the log masks what the model would have to read
    found = clean(rows.collect(engine="streaming").sort("time").tail(ROWS))
    ours, truth = told(found)
    if found.height < FEWEST or ours is None or truth is None:
        return None
    try:
        theirs = before.model.predict(features_of(found, before))
    except InputError:
        return None
    return difference(
        headline(contract), truth, theirs, ours, cost=contract.cost, positive=contract.project.positive,
        confidence=CONFIDENCE, seed=turn.seed,
    )  # fmt: skip
