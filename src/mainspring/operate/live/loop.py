"""The loop on a served model: watch, decide by the declared policy, act. Of several processes one acts.

One round judges what is new, takes a running rollout a step further, tells people what there is to tell, and decides.
Judging, folding, diagnosis, the decision and the contest between challenger and champion are the rehearsal's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, MainspringError, NotFound, PipelineError, Refused, StoreError, listed
from mainspring.operate import notify, remedy
from mainspring.operate import rollout as rolling
from mainspring.operate.fault import Tracker
from mainspring.operate.fold import QUIET
from mainspring.operate.incident import Desk
from mainspring.operate.live import acting as documents
from mainspring.operate.live import document
from mainspring.operate.live.acting import ASIDE, Acting, Intended, Retrain, Trial
from mainspring.operate.live.lease import SECONDS, held
from mainspring.operate.live.watch import Watched, watch
from mainspring.operate.live.windows import GRACE
from mainspring.operate.policy import URGENCY, Decision, Done, Policy, Situation, decide
from mainspring.registry import CHAMPION, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from mainspring.contract.policy import Trigger
    from mainspring.core.estimate import Estimate
    from mainspring.ledger.ports import Lease
    from mainspring.operate.contest import Contest
    from mainspring.operate.live.document import Memory
    from mainspring.operate.remedy import Request
    from mainspring.project import Project
    from mainspring.workspace import Workspace

TRIAL = 2
"""A new champion is on trial until so many windows that it answered are labelled."""
LONGEST_TRIAL = 30
"""And no longer than for so many windows: where labels do not come, nothing can be said."""
REGRET_ROWS = 50_000
"""On the latest so many labelled answers a champion on trial is held against the one before it."""
FEWEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did.

    ``busy``: who else has the lease; then nothing was done. ``decision``: None where nothing was to be decided.
    ``done``: what was done, as lines for people.
    """

    watched: Watched | None = None
    decision: Decision | None = None
    done: tuple[str, ...] = ()
    busy: str = ""


class LiveLoop:
    """Watches and mends the model of one project."""

    def __init__(
        self,
        project: Project,
        workspace: Workspace,
        *,
        grace: timedelta = GRACE,
        told: Callable[[str], None] | None = None,
        reached: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
        skew: timedelta | None = None,
        lease_seconds: float = SECONDS,
        seed: int = 0,
    ) -> None:
        """Work in *workspace*.

        *told* is called with lines for people, *reached* with the name of each point at which something has become
        durable: judged, intended, built, registered, done. *stop*: whether to leave the rest for later. *skew*: how
        often served features are compared with those that the pipeline makes; None: never.
        """
        self._project, self._workspace, self._contract = project, workspace, project.contract
        self._ledger, self._states = workspace.ledger, workspace.ledger.states
        self._model = project.contract.project.name
        self._policy = Policy.of(project.contract.retrain)
        self._grace, self._seconds, self._seed, self._skew = grace, lease_seconds, seed, skew
        self._told = told or (lambda line: None)
        self._reached = reached or (lambda point: None)
        self._stop = stop or (lambda: False)
        self._registry = Registry(workspace)
        self._fence = ("", 0)
        self._lines: list[str] = []
        self._held = ""
        """Why it held the last time: that is not told again."""

    def once(self) -> Round:
        """One round. Raises MainspringError for what a person has to mend."""
        with held(self._workspace, f"loop/{self._model}", seconds=self._seconds) as lease:
            return self._busy() if lease is None else self._round(lease)

    def forever(self, wait: Callable[[float], bool], interval: float) -> None:
        """Round after round, until *wait* (called with seconds) says that it is over.

        What goes wrong is told, and tried again in the next round.
        """
        with_lease = False
        while True:
            try:
                done = self.once()
            except MainspringError as error:
                self._told(f"this round failed, the next one tries again: {error}")
            else:
                if bool(done.busy) is with_lease:
                    with_lease = not done.busy
                    self._told(f"waiting: {done.busy}" if done.busy else "this process has the loop")
            if self._stop() or wait(interval):
                return

    def _busy(self) -> Round:
        lease = self._ledger.leases.current(f"loop/{self._model}")
        return Round(busy=f"{lease.holder} runs the loop" if lease else "another process runs the loop")

    def _round(self, lease: Lease) -> Round:
        self._fence, self._lines = (lease.name, lease.token), []
        acting = documents.known(self._states, self._model)
        if acting is not None and acting.intended is not None:
            self._say(f"going on with the retrain that was begun at {acting.intended.moment:%Y-%m-%d %H:%M}")
            acting = self._retrain(acting, acting.intended)
        watched = self._watch()
        tick = rolling.tick(self._workspace, self._contract, self._model)
        if tick is not None and tick.decision.action != "hold":
            self._say(f"rollout of version {tick.rollout.version}: {tick.decision.action}, {tick.decision.reason}")
        memory = document.remembered(self._states, self._model)
        acting = self._begun(acting or documents.known(self._states, self._model), memory)
        decision = None
        if acting is not None and watched is not None and not self._stop():
            decision = self._decide(acting, memory)
            self._compare()
        notify.tick(self._workspace, self._contract, self._model)
        return Round(watched=watched, decision=decision, done=tuple(self._lines))

    def _watch(self) -> Watched | None:
        """Judge what is new. Where that fails, rollouts and messages go on all the same."""
        try:
            watched = watch(self._project, self._workspace, grace=self._grace, told=self._told, stop=self._stop)
        except (InputError, NotFound, StoreError) as error:
            self._say(f"the log cannot be judged: {error}")
            return None
        self._reached("judged")
        return watched

    def _compare(self) -> None:
        """Compare served features with the pipeline's, where that is due."""
        acting = documents.known(self._states, self._model)
        now = self._workspace.clock.now()
        if self._skew is None or acting is None or (acting.compared and now - acting.compared < self._skew):
            return
        from mainspring.operate.live.skew import check

        try:
            self._say(check(self._project, self._workspace).words)
        except MainspringError as error:
            self._say(f"skew was not checked: {error}")
        documents.write(self._states, self._model, replace(acting, compared=now), self._fence)

    def _begun(self, acting: Acting | None, memory: Memory) -> Acting | None:
        """The document, made in the first round; None as long as there is no champion. Notices who is champion now."""
        champion = self._registry.champion(self._model)
        if champion is None:
            return None
        now = self._workspace.clock.now()
        if acting is None:
            # what the watch asked for before the loop was started is still waiting for an answer
            made = Acting(began=memory.index, moment=now, champion=champion.version)
            return documents.write(self._states, self._model, made, self._fence)
        changed = self._succession(acting, memory)
        return acting if changed is acting else documents.write(self._states, self._model, changed, self._fence)

    def _succession(self, acting: Acting, memory: Memory) -> Acting:
        """The document with the present champion; one that the loop made is on trial from when it went live."""
        change = next((one for one in reversed(self._registry.history(self._model)) if one.alias == CHAMPION), None)
        if change is None or change.after is None or change.after == acting.champion:
            return acting
        trial = None
        if change.after in {one.version for one in acting.retrains}:
            before = [place.index for place in memory.recent if place.end <= change.time]
            since = before[-1] if before else acting.began
            trial = Trial(version=change.after, before=acting.champion, since=since, moment=change.time)
        return replace(acting, champion=change.after, trial=trial, looked=0)

    def _decide(self, acting: Acting, memory: Memory) -> Decision | None:
        """Answer what the watch and people ask for."""
        order = remedy.paused(self._states, self._model, self._workspace.clock.now())
        if order is not None:
            return Decision("hold", f"paused by {order.by}" + (f": {order.reason}" if order.reason else ""))
        acting = self._set_aside(acting, memory)
        asking = [one for one in memory.asking if one.number > acting.answered]
        request = remedy.waiting(self._states, self._model)
        before = acting
        acting, regret = self._regret(acting, memory)
        situation = self._situation(acting, memory, asking, regret)
        decision = decide(self._policy, situation)
        if request is not None and decision.action != "roll back":
            decision = self._asked_for(request, situation)
        if not asking and request is None and decision.action == "hold":
            if acting != before:
                documents.write(self._states, self._model, acting, self._fence)
            return decision
        return self._act(replace(acting, answered=memory.asked), memory, decision, request, new=bool(asking))

    def _situation(
        self, acting: Acting, memory: Memory, asking: list[document.Asking], regret: Estimate | None
    ) -> Situation:
        triggers: dict[Trigger, str] = {}
        for one in asking:
            # of a long absence only the last windows ask for something now, and only about the present champion
            if one.version == acting.champion and memory.index - one.index < QUIET:
                triggers |= one.triggers
        tracker = Tracker() if memory.faults is None else Tracker.from_dict(memory.faults)
        rows = [place.rows for place in memory.recent[-16:]]
        return Situation(
            window=max(memory.index, 0),
            now=self._workspace.clock.now(),
            triggers={name: triggers[name] for name in URGENCY if name in triggers},
            retrains=tuple(Done(one.window, one.moment) for one in acting.retrains),
            labelled=memory.labelled - acting.learned,
            worth=round(median(rows)) if rows else 1,
            regret=regret,
            began=Done(acting.began, acting.moment),
            broken=tracker.words,
        )

    def _asked_for(self, request: Request, situation: Situation) -> Decision:
        """A person's wish goes before cooldown and budget, but not before what would do harm or teach nothing."""
        reason = f"{request.by} asked for it" + (f": {request.reason}" if request.reason else "")
        asked = Policy(on=("requirement",))
        return decide(asked, replace(situation, triggers={"requirement": reason}, regret=None))

    def _act(
        self, acting: Acting, memory: Memory, decision: Decision, request: Request | None, *, new: bool
    ) -> Decision:
        if decision.action == "retrain" and rolling.running(self._states, self._model) is not None:
            decision = Decision("hold", "a rollout is running: another version can wait for its end", decision.trigger)
        if decision.action == "retrain":
            self._retrain_from(acting, memory, decision, request)
        elif decision.action == "roll back":
            self._roll_back(acting, decision)
        else:
            with self._ledger.together():
                documents.write(self._states, self._model, acting, self._fence)
                if decision.trigger is not None and new:
                    self._desk().act("hold", f"hold: {decision.reason}")
                if request is not None and not self._waits(decision):
                    remedy.answer(self._states, request, done=False, outcome=decision.reason, fence=self._fence)
            if decision.trigger is not None and new and decision.reason != self._held:
                self._say(f"hold: {decision.reason}")
        self._held = decision.reason if decision.action == "hold" else ""
        return decision

    def _waits(self, decision: Decision) -> bool:
        """Whether what a person asked for is only put off."""
        return "a rollout is running" in decision.reason

    def _retrain_from(self, acting: Acting, memory: Memory, decision: Decision, request: Request | None) -> None:
        now = self._workspace.clock.now()
        intended = Intended(
            id=f"{self._model}-{memory.asked}-{now:%Y%m%dT%H%M%S%f}",
            trigger=decision.trigger or "requirement",
            reason=decision.reason,
            window=max(memory.index, 0),
            moment=now,
            champion=acting.champion,
            labelled=memory.labelled,
            fresh=memory.labelled - acting.learned,
            request=request is not None,
        )
        with self._ledger.together():
            begun = documents.write(self._states, self._model, replace(acting, intended=intended), self._fence)
            if request is not None:
                remedy.take(self._states, request, fence=self._fence)
        self._reached("intended")
        self._say(f"retraining ({intended.trigger}: {intended.reason})")
        self._retrain(begun, intended)

    def _retrain(self, acting: Acting, intended: Intended) -> Acting:
        """Build, register, hold against the champion, and put in force or not; from wherever it was left."""
        if not intended.version:
            made = self._registered(acting, intended)
            if isinstance(made, str):
                return self._finish(acting, intended, made)
            acting, intended = made
        return self._finish(acting, intended, intended.outcome)

    def _registered(self, acting: Acting, intended: Intended) -> tuple[Acting, Intended] | str:
        """The challenger as a version; or in words why there is none."""
        from mainspring.operate.live.challenger import build
        from mainspring.operate.live.champions import Champions
        from mainspring.operate.release import enrol, reported

        memory = document.remembered(self._states, self._model)
        try:
            champion = Champions(self._workspace, self._model).get(intended.champion).champion
            with self._project.active():
                built = build(self._project, self._workspace, champion, memory, fresh=intended.fresh, seed=self._seed)
        except (InputError, PipelineError, StoreError) as error:
            return f"no challenger was built: {error}"
        self._reached("built")
        with self._ledger.together():
            # the document first: a loop that has lost its lease registers nothing
            probe = documents.write(self._states, self._model, acting, self._fence)
            done = enrol(self._project, self._workspace, built.prepared, tags={"loop": intended.id})
            intended = replace(
                intended,
                version=done.version.version,
                won=built.held.won and done.version.passed,
                outcome=_outcome(built.held, passed=done.version.passed, unlogged=built.unlogged),
            )
            acting = documents.write(self._states, self._model, replace(probe, intended=intended), self._fence)
        reported(self._project, done)
        self._reached("registered")
        return acting, intended

    def _finish(self, acting: Acting, intended: Intended, outcome: str) -> Acting:
        """Put the challenger in force, or not, and write down that it is done."""
        with self._ledger.together():
            live, text = self._put_in_force(intended) if intended.version else (False, outcome)
            made = Retrain(
                window=intended.window, moment=intended.moment, trigger=intended.trigger, version=intended.version,
                live=live, outcome=text,
            )  # fmt: skip
            after = replace(acting, retrains=(*acting.retrains, made), learned=intended.labelled, intended=None)
            after = self._succession(after, document.remembered(self._states, self._model))
            after = documents.write(self._states, self._model, after, self._fence)
            said = f"retrain ({intended.trigger}: {intended.reason}): {text}"
            self._desk().act("retrain" if intended.version else "hold", said)
            request = remedy.waiting(self._states, self._model) if intended.request else None
            if request is not None:
                done = bool(intended.version)
                remedy.answer(self._states, request, done=done, outcome=text, fence=self._fence)
        self._reached("done")
        self._say(said)
        return after

    def _put_in_force(self, intended: Intended) -> tuple[bool, str]:
        """Promote what won, or send it on its way; whether it is, and what happened in words."""
        version, model = intended.version, self._model
        if not intended.won:
            return False, f"version {version} {intended.outcome}"
        now = self._registry.champion(model)
        steps = self._contract.rollout.steps
        how = ""
        if now is None or now.version != intended.champion:
            how = "was not promoted, for another version became champion meanwhile"
        elif self._policy.promotion == "approval":
            how = f"waits for approval (mainspring promote {model} {version})"
        elif rolling.running(self._states, model) is not None:
            how = "was not promoted, for another version is being rolled out"
        if how:
            return False, f"version {version} {how}: {intended.outcome}"
        reason = f"loop, {intended.trigger}: {intended.outcome}"
        try:
            if len(steps) > 1:
                rolling.start(self._workspace, self._contract, model, version, reason=reason)
                return True, f"version {version} begins with {steps[0]:g} % of the traffic: {intended.outcome}"
            self._registry.promote(model, version, reason=reason)
        except Refused as why:
            return False, f"version {version} was not promoted, for it was refused ({why}): {intended.outcome}"
        return True, f"version {version} went live: {intended.outcome}"

    def _roll_back(self, acting: Acting, decision: Decision) -> None:
        """Take back a champion that is surely worse than the one before it."""
        trial = acting.trial
        if trial is None:
            return
        with self._ledger.together():
            rolling.rollback(self._workspace, self._model, reason=f"loop: {decision.reason}")
            now = self._registry.champion(self._model)
            after = replace(acting, trial=None, champion=now.version if now else trial.before)
            documents.write(self._states, self._model, after, self._fence)
            text = f"roll back from version {trial.version} to version {after.champion}: {decision.reason}"
            self._desk().act("roll back", text)
        self._reached("done")
        self._say(text)

    def _set_aside(self, acting: Acting, memory: Memory) -> Acting:
        """Let it be known which columns are broken: nothing is learned of them while they are."""
        tracker = Tracker() if memory.faults is None else Tracker.from_dict(memory.faults)
        broken = {name: fault.words for name, fault in tracker.open.items()}
        if broken == acting.aside:
            return acting
        desk = self._desk()
        with self._ledger.together():
            after = documents.write(self._states, self._model, replace(acting, aside=broken), self._fence)
            self._states.put(ASIDE, self._model, broken)
            for name, words in broken.items():
                if name not in acting.aside:
                    desk.act("set aside", f"{name} {words}: set aside until it looks as before")
                    self._say(f"{name} {words}: set aside until it looks as before")
            for name in acting.aside:
                if name not in broken:
                    self._say(f"{name} looks as before again")
        return after

    def _regret(self, acting: Acting, memory: Memory) -> tuple[Acting, Estimate | None]:
        """By how much the champion before would have been better than the one on trial; and when the trial is over."""
        trial = acting.trial
        if trial is None or memory.labelled <= acting.looked:
            return self._settled(acting, memory), None
        regret = self._compared(trial)
        return self._settled(replace(acting, looked=memory.labelled), memory), regret

    def _settled(self, acting: Acting, memory: Memory) -> Acting:
        trial = acting.trial
        if trial is None:
            return acting
        windows = [place for place in memory.recent if place.index > trial.since and place.version == trial.version]
        labelled = 0
        for place in windows:
            found = document.judged(self._states, self._model, place.window)
            labelled += found is not None and found.streamed
        over = labelled >= TRIAL or memory.index - trial.since >= LONGEST_TRIAL
        return replace(acting, trial=None) if over else acting

    def _compared(self, trial: Trial) -> Estimate | None:
        """The champion before against the one on trial, on what this one answered and is labelled by now."""
        import polars as pl

        from mainspring.evaluate.metric import difference
        from mainspring.operate.live.champions import Champions, headline
        from mainspring.operate.live.rows import FALLEN_BACK, clean, features_of, told
        from mainspring.serve.log.columns import FEATURE, SCORE
        from mainspring.serve.log.read import PredictionLog

        before = Champions(self._workspace, self._model).get(trial.before).champion
        if set(self._contract.personal) & set(before.reference.columns):
            return None  # the log masks what the model would have to read
        log = PredictionLog(self._workspace, self._model)
        columns = [
            name
            for name in log.shape.columns
            if name in ("time", "version", "flags", "prediction") or name.startswith((FEATURE, SCORE))
        ]
        rows = log.labelled(since=trial.moment, columns=columns).filter(
            (pl.col("version") == trial.version)
            & pl.col("label").is_not_null()
            & ~pl.col("flags").fill_null("").str.contains(FALLEN_BACK, literal=True)
        )
        found = clean(rows.collect(engine="streaming").sort("time").tail(REGRET_ROWS))
        if found.height < FEWEST:
            return None
        ours, truth = told(found)
        if ours is None or truth is None:
            return None
        try:
            theirs = before.model.predict(features_of(found, before))
        except InputError:
            return None
        return difference(
            headline(self._contract), truth, theirs, ours, cost=self._contract.cost,
            positive=self._contract.project.positive, seed=self._seed,
        )  # fmt: skip

    def _desk(self) -> Desk:
        """The desk with the incidents that the watch keeps, as far as they are open."""
        memory = document.remembered(self._states, self._model)
        port = self._ledger.incidents
        open_now = {one.id for one in port.search(model=self._model, status="open", limit=10_000)}
        cases = [case for case in memory.cases if case.id in open_now]
        return Desk(port, model=self._model, clock=self._workspace.clock, cases=cases)

    def _say(self, line: str) -> None:
        self._lines.append(line)
        self._told(line)


def _outcome(held: Contest, *, passed: bool, unlogged: Sequence[str]) -> str:
    """How the challenger did: what follows after what becomes of it where it won, else why it was not promoted."""
    if held.won and not passed:
        return "was not promoted: it fails a must on the freshest labelled rows"
    without = f" (it does without {listed(unlogged)}: the log has no such column)" if unlogged else ""
    return held.words.removeprefix("went live: ") + without
