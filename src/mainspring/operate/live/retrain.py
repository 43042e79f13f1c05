"""A retrain of a served model, in steps that the next loop can go on from: they are those of the loop's document."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, NotFound, Refused, StoreError, listed
from mainspring.operate import remedy
from mainspring.operate import rollout as rolling
from mainspring.operate.live.acting import Acting, Intended, Retrain
from mainspring.operate.live.routine import meanwhile
from mainspring.operate.live.trial import succession
from mainspring.operate.live.turn import why
from mainspring.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from mainspring.contract.policy import Trigger
    from mainspring.operate.contest import Contest
    from mainspring.operate.live.document import Memory
    from mainspring.operate.live.turn import Turn
    from mainspring.operate.policy import Decision
    from mainspring.operate.remedy import Request

TRIES = 3
"""So often a retrain is begun that each time ended with its process; then it is given up."""
WAIT = timedelta(minutes=10)
"""So long after a first failure a retrain is tried again without new labels, after each further one twice as long …"""
LONGEST_WAIT = timedelta(days=1)
"""… but no longer than this."""


def begin(turn: Turn, acting: Acting, memory: Memory, decision: Decision, request: Request | None) -> Acting:
    """Write down that a retrain is intended, and make it."""
    now = turn.now
    intended = Intended(
        id=f"{turn.model}-{memory.asked}-{now:%Y%m%dT%H%M%S%f}",
        trigger=decision.trigger or "requirement",
        reason=decision.reason,
        window=max(memory.index, 0),
        moment=now,
        champion=acting.champion,
        labelled=memory.labelled,
        fresh=memory.labelled - acting.learned,
        request=request is not None,
    )
    with turn.workspace.ledger.together():
        begun = _tried(turn, acting, intended)
        if request is not None:
            remedy.take(turn.states, request, fence=turn.fence)
    return _made(turn, begun)


def go_on(turn: Turn, acting: Acting, intended: Intended) -> Acting:
    """Go on with a retrain where it was left; give it up where that was tried too often."""
    if intended.attempts >= TRIES:
        ended = f"{TRIES} tries ended before it was done; was the process killed, or short of memory?"
        what = "was not put in force" if intended.version else "no challenger was built"
        return _finish(turn, acting, replace(intended, won=False), f"{what}: {ended}")
    turn.say(f"going on with the retrain that was begun at {intended.moment:%Y-%m-%d %H:%M}")
    return _made(turn, _tried(turn, acting, intended))


def failing(acting: Acting, memory: Memory, *, worth: int, now: datetime) -> tuple[str, dict[Trigger, str]]:
    """Why no challenger is tried to be built yet, where none could be the last time; else what still asks for one.

    It is tried again when *worth* more labels have come, or after a while; what breached then is not asked for anew
    before its next window, so an incident that is open asks.
    """
    failed = list(takewhile(lambda one: not one.version, reversed(acting.retrains)))
    if not failed or failed[0].champion != acting.champion:
        return "", {}
    last = failed[0]
    next_ = last.moment + min(WAIT * 2 ** min(len(failed) - 1, 10), LONGEST_WAIT)
    if now < next_ and memory.labelled < last.labelled + worth:
        more = f"with {worth:,} more labels, or at {next_:%Y-%m-%d %H:%M}"
        return f"the last challenger could not be built; it is tried again {more}", {}
    wanted = last.trigger in ("requirement", "drift") and any(case.kind != "service" for case in memory.cases)
    return "", {last.trigger: "it was asked for before, and nothing could be built then"} if wanted else {}


def answer(turn: Turn, request: Request, *, done: bool, outcome: str, told: Collection[int] = ()) -> None:
    """Say what became of what a person asked for: to the document, and in the incident, unless *told* names it."""
    remedy.answer(turn.states, request, done=done, outcome=outcome, fence=turn.fence)
    if request.incident is not None and request.incident not in told:
        text = f"the retrain that {request.by} asked for{'' if done else ' was not made'}: {outcome}"
        turn.workspace.ledger.incidents.append(
            request.incident, kind="action", text=text, data={"action": "retrain" if done else "hold"}
        )


def _tried(turn: Turn, acting: Acting, intended: Intended) -> Acting:
    """Written down before each try: whoever is killed by it, and started again, would go on for ever."""
    return turn.write(replace(acting, intended=replace(intended, attempts=intended.attempts + 1)))


def _made(turn: Turn, acting: Acting) -> Acting:
    """Build, register, hold against the champion, and put in force or not; from wherever it was left."""
    turn.reached("intended")
    intended = acting.intended
    if intended is None:
        return acting
    if not intended.version:
        made = _registered(turn, acting, intended)
        if isinstance(made, str):
            return _finish(turn, acting, intended, made)
        acting, intended = made
    return _finish(turn, acting, intended, intended.outcome)


def _registered(turn: Turn, acting: Acting, intended: Intended) -> tuple[Acting, Intended] | str:
    """The challenger as a version; or in words why there is none."""
    from mainspring.operate.live.challenger import build
    from mainspring.operate.live.champions import Champions
    from mainspring.operate.release import enrol, reported

    project, workspace = turn.project, turn.workspace
    with meanwhile(turn):
        try:
            champion = Champions(workspace, turn.model).get(intended.champion).champion
            with project.active():
                built = build(project, workspace, champion, turn.memory(), fresh=intended.fresh, seed=turn.seed)
        except Exception as error:  # people's code, and much of others': whatever it raises, the loop goes on
            return f"no challenger was built: {why(error)}"
        turn.reached("built")
    with workspace.ledger.together():
        # the document first: a loop that has lost its lease registers nothing
        probe = turn.write(acting)
        done = enrol(project, workspace, built.prepared, tags={"loop": intended.id})
        intended = replace(
            intended,
            version=done.version.version,
            won=built.held.won and done.version.passed,
            outcome=_outcome(built.held, passed=done.version.passed, unlogged=built.unlogged),
        )
        acting = turn.write(replace(probe, intended=intended))
    reported(project, done)
    turn.reached("registered")
    return acting, intended


def _finish(turn: Turn, acting: Acting, intended: Intended, outcome: str) -> Acting:
    """Put the challenger in force, or not, and write down that it is done."""
    with turn.workspace.ledger.together():
        intended = replace(intended, outcome=outcome)
        live, text = _put_in_force(turn, intended) if intended.version else (False, outcome)
        made = Retrain(
            window=intended.window, moment=intended.moment, trigger=intended.trigger, version=intended.version,
            live=live, outcome=text, champion=intended.champion, labelled=intended.labelled,
        )  # fmt: skip
        # where nothing was built, nothing was learned
        learned = intended.labelled if intended.version else acting.learned
        after = replace(acting, retrains=(*acting.retrains, made), learned=learned, intended=None)
        after = turn.write(succession(turn, after, turn.memory()))
        said = f"retrain ({intended.trigger}: {intended.reason}): {text}"
        desk = turn.desk()
        desk.act("retrain" if intended.version else "hold", said)
        request = remedy.waiting(turn.states, turn.model) if intended.request else None
        if request is not None:
            told = {case.id for case in desk.open if case.kind != "service"}
            answer(turn, request, done=bool(intended.version), outcome=text, told=told)
    turn.reached("done")
    turn.say(said)
    return after


def _put_in_force(turn: Turn, intended: Intended) -> tuple[bool, str]:
    """Promote what won, or send it on its way; whether it is, and what happened in words."""
    version, model = intended.version, turn.model
    if not intended.won:
        return False, f"version {version} {intended.outcome}"
    registry = Registry(turn.workspace)
    now = registry.champion(model)
    steps = turn.contract.rollout.steps
    how = ""
    if now is None or now.version != intended.champion:
        how = "was not promoted, for another version became champion meanwhile"
    elif remedy.paused(turn.states, model, turn.now) is not None:
        how = f"waits for approval: the loop is paused (mainspring promote {model} {version})"
    elif turn.policy.promotion == "approval":
        how = f"waits for approval (mainspring promote {model} {version})"
    elif rolling.running(turn.states, model) is not None:
        how = "was not promoted, for another version is being rolled out"
    if how:
        return False, f"version {version} {how}: {intended.outcome}"
    reason = f"loop, {intended.trigger}: {intended.outcome}"
    try:
        if len(steps) > 1:
            rolling.start(turn.workspace, turn.contract, model, version, reason=reason)
            return True, f"version {version} begins with {steps[0]:g} % of the traffic: {intended.outcome}"
        registry.promote(model, version, reason=reason)
    except (InputError, NotFound, Refused, StoreError) as error:
        return False, f"version {version} was not promoted, for it was refused ({error}): {intended.outcome}"
    return True, f"version {version} went live: {intended.outcome}"


def _outcome(held: Contest, *, passed: bool, unlogged: Sequence[str]) -> str:
    """How the challenger did: what follows after what becomes of it where it won, else why it was not promoted."""
    if held.won and not passed:
        return "was not promoted: it fails a must on the freshest labelled rows"
    without = f" (it does without {listed(unlogged)}: the log has no such column)" if unlogged else ""
    return held.words.removeprefix("went live: ") + without
