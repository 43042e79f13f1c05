"""The loop on a served model: watch, decide by the declared policy, act. Of several processes one acts.

One round judges what is new, takes a running rollout a step further, tells people what there is to tell, and only then
goes on with what was begun, and decides: whatever goes wrong with a retrain, the model is looked after. Judging,
folding, diagnosis, the decision and the contest between challenger and champion are the rehearsal's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import MainspringError
from mainspring.operate import remedy
from mainspring.operate import rollout as rolling
from mainspring.operate.fault import PATIENCE, Tracker
from mainspring.operate.fold import QUIET
from mainspring.operate.live import acting as documents
from mainspring.operate.live import document, retrain, routine, trial
from mainspring.operate.live.acting import ASIDE, Acting
from mainspring.operate.live.lease import SECONDS, held
from mainspring.operate.live.turn import Turn, why
from mainspring.operate.live.watch import Watched, watch
from mainspring.operate.live.windows import GRACE
from mainspring.operate.policy import URGENCY, Decision, Done, Policy, Situation, decide
from mainspring.project import Project
from mainspring.project.project import CONTRACT_FILE
from mainspring.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from mainspring.contract.policy import Trigger
    from mainspring.core.estimate import Estimate
    from mainspring.ledger.ports import Lease
    from mainspring.operate.live.document import Memory
    from mainspring.operate.remedy import Pause, Request
    from mainspring.workspace import Workspace

REST = 10.0
"""While a challenger is built, rollouts and messages rest so many seconds between two looks."""


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
        rest: float = REST,
        seed: int = 0,
    ) -> None:
        """Work in *workspace*.

        *told* is called with lines for people, *reached* with the name of each point at which something has become
        durable: judged, intended, built, registered, done. *stop*: whether to leave the rest for later. *skew*: how
        often served features are compared with those that the pipeline makes; None: never. *rest*: while a challenger
        is built, rollouts and messages rest so many seconds between two looks.
        """
        self._project, self._workspace = project, workspace
        self._ledger, self._states = workspace.ledger, workspace.ledger.states
        self._model = project.contract.project.name
        self._grace, self._seconds, self._seed, self._skew, self._rest = grace, lease_seconds, seed, skew, rest
        self._told = told or (lambda line: None)
        self._reached = reached or (lambda point: None)
        self._stop = stop or (lambda: False)
        self._held = ""
        """Why it held the last time: that is not told again."""
        self._paused: datetime | None = None
        """When the pause was made that was told last."""
        self._read = _digest(project)

    def once(self) -> Round:
        """One round. Raises MainspringError for what a person has to mend."""
        with self._leased() as lease:
            return self._busy() if lease is None else self._round(lease)

    def forever(self, wait: Callable[[float], bool], interval: float) -> None:
        """Round after round, until *wait* (called with seconds) says that it is over.

        Who has the loop keeps it between rounds. What goes wrong, foreseen or not, is told, and tried again in the next
        round; until then another process may have the loop, for it may be this one that is broken.
        """
        leads = over = False
        while not over:
            try:
                with self._leased() as lease:
                    while not over:
                        done = self._busy() if lease is None else self._round(lease)
                        if bool(done.busy) is leads:
                            leads = not done.busy
                            self._told(f"waiting: {done.busy}" if done.busy else "this process has the loop")
                        over = self._stop() or wait(interval)
                        if lease is None or not self._holds(lease):
                            break
            except Exception as error:  # nobody starts it again at night
                self._told(f"this round failed, the next one tries again: {why(error)}")
                over = over or self._stop() or wait(interval)

    def _leased(self) -> AbstractContextManager[Lease | None]:
        return held(self._workspace, f"loop/{self._model}", seconds=self._seconds)

    def _holds(self, lease: Lease) -> bool:
        """Whether *lease* is still ours: who slept for longer than it lasts may have lost it."""
        current = self._ledger.leases.current(lease.name)
        return current is not None and current.token == lease.token

    def _busy(self) -> Round:
        lease = self._ledger.leases.current(f"loop/{self._model}")
        return Round(busy=f"{lease.holder} runs the loop" if lease else "another process runs the loop")

    def _round(self, lease: Lease) -> Round:
        turn = self._turn(lease)
        decision = None
        try:
            watched = self._watch(turn)
            routine.rollouts(turn)
            routine.messages(turn)
            turn.order = remedy.paused(self._states, self._model, turn.now)
            self._tell_pause(turn)
            acting = self._gone_on(turn, documents.known(self._states, self._model))
            memory = turn.memory()
            acting = self._begun(turn, acting, memory)
            if acting is not None and watched is not None and not self._stop():
                decision = self._decide(turn, acting, memory)
                self._compare(turn)
        finally:
            routine.messages(turn)
        return Round(watched=watched, decision=decision, done=tuple(turn.lines))

    def _turn(self, lease: Lease) -> Turn:
        """What this round works with; a contract that has changed holds from now on."""
        lines = self._reread()
        turn = Turn(
            project=self._project, workspace=self._workspace, fence=(lease.name, lease.token), told=self._told,
            reached=self._reached, rest=self._rest, seed=self._seed,
        )  # fmt: skip
        for line in lines:
            turn.say(line)
        return turn

    def _reread(self) -> list[str]:
        """Read the contract again where its file has changed; words on that."""
        found = _digest(self._project)
        if found in ("", self._read):
            return []
        self._read = found
        try:
            fresh = Project(self._project.root)
            before, after = self._project.contract.project, fresh.contract.project
        except MainspringError as error:
            return [f"{CONTRACT_FILE} has changed and cannot be used, what it said before holds: {error}"]
        if (before.name, before.workspace) != (after.name, after.workspace):
            return [f"{CONTRACT_FILE} names another model or workspace: start the loop anew to look after that"]
        self._project = fresh
        return [f"{CONTRACT_FILE} has changed: it holds as it is now from this round on"]

    def _watch(self, turn: Turn) -> Watched | None:
        """Judge what is new. Where that fails, rollouts and messages go on all the same."""
        try:
            watched = watch(turn.project, turn.workspace, grace=self._grace, told=self._told, stop=self._stop)
        except Exception as error:
            turn.say(f"the log cannot be judged: {why(error)}")
            return None
        turn.reached("judged")
        return watched

    def _tell_pause(self, turn: Turn) -> None:
        """Say once that the loop is paused, and once that it is no more."""
        at = None if turn.order is None else turn.order.at
        if at == self._paused:
            return
        self._paused = at
        turn.say("the loop is not paused any more" if turn.order is None else _pause_words(turn.order))

    def _gone_on(self, turn: Turn, acting: Acting | None) -> Acting | None:
        """Go on with a retrain that was begun, unless a person lets the loop only judge."""
        if acting is None or acting.intended is None or turn.order is not None or self._stop():
            return acting
        return retrain.go_on(turn, acting, acting.intended)

    def _compare(self, turn: Turn) -> None:
        """Compare served features with the pipeline's, where that is due."""
        acting = documents.known(self._states, self._model)
        now = turn.now
        if self._skew is None or acting is None or (acting.compared and now - acting.compared < self._skew):
            return
        from mainspring.operate.live.skew import check

        try:
            turn.say(check(turn.project, turn.workspace).words)
        except Exception as error:  # it runs people's code
            turn.say(f"skew was not checked: {why(error)}")
        turn.write(replace(acting, compared=now))

    def _begun(self, turn: Turn, acting: Acting | None, memory: Memory) -> Acting | None:
        """The document, made in the first round; None as long as there is no champion. Notices who is champion now."""
        champion = Registry(self._workspace).champion(self._model)
        if champion is None:
            return None
        if acting is None:
            # what the watch asked for before the loop was started is still waiting for an answer
            return turn.write(Acting(began=memory.index, moment=turn.now, champion=champion.version))
        changed = documents.in_time(trial.succession(turn, acting, memory), turn.now)
        return acting if changed == acting else turn.write(changed)

    def _decide(self, turn: Turn, acting: Acting, memory: Memory) -> Decision | None:
        """Answer what the watch and people ask for."""
        order = turn.order
        if order is not None:
            return Decision("hold", f"paused by {order.by}" + (f": {order.reason}" if order.reason else ""))
        if acting.intended is not None:
            return None
        acting = self._set_aside(turn, acting, memory)
        asking = [one for one in memory.asking if one.number > acting.answered]
        request = remedy.waiting(self._states, self._model)
        before = acting
        acting, regret = trial.look(turn, acting, memory)
        situation = self._situation(turn, acting, memory, asking, regret)
        decision = decide(turn.policy, situation)
        if request is not None and decision.action != "roll back":
            decision = self._asked_for(request, situation)
        if not asking and request is None and decision.action == "hold":
            if acting != before:
                turn.write(acting)
            return decision
        return self._act(turn, replace(acting, answered=memory.asked), memory, decision, request, new=bool(asking))

    def _situation(
        self, turn: Turn, acting: Acting, memory: Memory, asking: list[document.Asking], regret: Estimate | None
    ) -> Situation:
        triggers: dict[Trigger, str] = {}
        for one in asking:
            # of a long absence only the last windows ask for something now, and only about the present champion
            if one.version == acting.champion and memory.index - one.index < QUIET:
                triggers |= one.triggers
        tracker = Tracker.from_dict(memory.faults)
        worth = max(memory.usual, 1)
        failing, again = retrain.failing(acting, memory, worth=worth, now=turn.now)
        triggers = again | triggers
        return Situation(
            window=max(memory.index, 0),
            now=turn.now,
            triggers={name: triggers[name] for name in URGENCY if name in triggers},
            retrains=tuple(Done(one.window, one.moment) for one in acting.retrains if one.version),
            labelled=memory.labelled - acting.learned,
            worth=worth,
            regret=regret,
            began=Done(acting.began, acting.moment),
            broken=tracker.words,
            failing=failing,
        )

    def _asked_for(self, request: Request, situation: Situation) -> Decision:
        """A person's wish goes before cooldown and budget, but not before what would do harm or teach nothing."""
        reason = f"{request.by} asked for it" + (f": {request.reason}" if request.reason else "")
        asked = Policy(on=("requirement",))
        return decide(asked, replace(situation, triggers={"requirement": reason}, regret=None, failing=""))

    def _act(
        self, turn: Turn, acting: Acting, memory: Memory, decision: Decision, request: Request | None, *, new: bool
    ) -> Decision:
        # a rollout only puts off what a person asked for
        waits = decision.action == "retrain" and rolling.running(self._states, self._model) is not None
        if waits:
            decision = Decision("hold", "a rollout is running: another version can wait for its end", decision.trigger)
        if decision.action == "retrain":
            retrain.begin(turn, acting, memory, decision, request)
        elif decision.action == "roll back":
            trial.roll_back(turn, acting, decision)
        else:
            refused = None if waits else request
            with self._ledger.together():
                turn.write(acting)
                if decision.trigger is not None and new:
                    turn.desk().act("hold", f"hold: {decision.reason}")
                if refused is not None:
                    retrain.answer(turn, refused, done=False, outcome=decision.reason)
            if refused is not None:
                turn.say(f"the retrain that {refused.by} asked for is not made: {decision.reason}")
            elif decision.trigger is not None and new and decision.reason != self._held:
                turn.say(f"hold: {decision.reason}")
        self._held = decision.reason if decision.action == "hold" else ""
        return decision

    def _set_aside(self, turn: Turn, acting: Acting, memory: Memory) -> Acting:
        """Let it be known which columns are broken: while they are, they are missing to the model and not learned."""
        tracker = Tracker.from_dict(memory.faults)
        broken = {name: fault.words for name, fault in tracker.open.items()}
        if broken == acting.aside:
            return acting
        usual = set((memory.faults or {}).get("normal", ()))
        new = {name: f"{name} {words}: set aside until it looks as before" for name, words in broken.items()}
        new = {name: text for name, text in new.items() if name not in acting.aside}
        over = {
            name: f"{name} has looked so for {PATIENCE} windows and is taken as it is now"
            if name in usual
            else f"{name} looks as before again"
            for name in acting.aside
            if name not in broken
        }
        desk = turn.desk()
        with self._ledger.together():
            after = turn.write(replace(acting, aside=broken))
            self._states.put(ASIDE, self._model, broken)
            if new or over:
                what = f"without {', '.join(broken)}" if broken else "with every column"
                remedy.look_again(self._workspace, self._model, f"answers {what}")
            for text in new.values():
                desk.act("set aside", text)
            for text in over.values():
                desk.finish(text)
        for text in (*new.values(), *over.values()):
            turn.say(text)
        return after


def _pause_words(order: Pause) -> str:
    """That the loop is paused, since when, by whom, and how that is ended."""
    reason = f" ({order.reason})" if order.reason else ""
    ends = f" until {order.until:%Y-%m-%d %H:%M} UTC" if order.until else ""
    return (
        f"paused by {order.by} at {order.at:%Y-%m-%d %H:%M} UTC{reason}: the loop judges, and does nothing else{ends}. "
        f"To lift it: mainspring resume {order.model}"
    )


def _digest(project: Project) -> str:
    """The digest of the contract's file as it is now, empty where it cannot be read."""
    try:
        return digest_bytes((project.root / CONTRACT_FILE).read_bytes())
    except OSError:
        return ""
