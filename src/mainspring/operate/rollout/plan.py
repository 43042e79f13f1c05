"""A rollout and its one pure decision: stay, go one step further, make the version champion, go back, or give up.

The rules, in the order they are asked:

1. A rollout that is over stays over.
2. If the version has become champion by another way, the rollout is done. If another version has, or somebody changed
   the traffic, what was measured no longer answers the question: the rollout gives up.
3. An endpoint that cannot load the version, or a must or a comparison with the champion that is *surely* broken, takes
   the version back. So does one that has looked broken, though not surely, for :data:`PATIENCE` times the hold, and
   so does a log of which nothing could be read for so long: a version that nobody can judge is not left with traffic.
   What is judged on a few rows only holds the step.
4. It goes on only when the step was held long enough, the version has answered enough rows at this step, every must
   that can be measured is kept, and nobody has paused the loop.

A must that cannot be measured yet (labels are late) does not stop a rollout; the decision says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from mainspring.contract.requirement import Priority  # noqa: TC001  # documents are read by their types
from mainspring.contract.verdict import Result  # noqa: TC001
from mainspring.core.duration import format_duration
from mainspring.core.errors import listed
from mainspring.serve.traffic import PARTS

Status: TypeAlias = Literal["running", "done", "rolled back", "aborted"]
Action: TypeAlias = Literal["hold", "advance", "finish", "roll back", "abort"]

PATIENCE = 3
"""So many times the hold something may look broken without being surely so."""
BLIND = timedelta(minutes=1)
"""For so long at least what a version answered may be unreadable, however short the hold."""
FEWEST = 30
"""On fewer rows nothing is surely broken: the interval of one wrong answer, drawn from itself, has no width."""
IDLE = 10
"""After so many times the hold without a single row the rollout notes that nobody asks the version."""
LEAST_PERCENT = 100 / PARTS
"""A smaller share of the traffic is nobody's."""
NOTES = 100
"""At most so many notes are kept; the first is never dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One requirement, or one comparison with the champion, on what the version answered.

    ``sure``: the data leave no reasonable doubt that it is broken. ``few``: it was judged on fewer than :data:`FEWEST`
    rows. ``text`` says it with the number.
    """

    name: str
    result: Result
    text: str
    priority: Priority = "must"
    sure: bool = False
    few: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What happened in a rollout, and when."""

    time: datetime
    action: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A version on its way. ``steps``: percents that rise to 100; ``at``: the index of the one in force ``since`` then.

    ``champion``: the version it is held against, which answers everything else. ``traffic``: the revision of the
    traffic rule that the rollout set last. ``required``: the requirements as they were judged last, on ``looked`` rows
    and labels, ``labelled`` of them labels. ``failing_since``: since when a must looks broken on enough rows, None
    while none does; ``blind_since``: since when what it answered cannot be read, None while it can. ``override``: why
    it may become champion although a must failed before release.
    """

    model: str
    version: int
    champion: int
    steps: tuple[float, ...]
    hold: timedelta
    minimum_rows: int
    started: datetime
    since: datetime
    traffic: int
    at: int = 0
    status: Status = "running"
    ended: datetime | None = None
    outcome: str = ""
    actor: str = ""
    reason: str = ""
    override: str | None = None
    looked: int = 0
    labelled: int = 0
    required: tuple[Judged, ...] = ()
    failing_since: datetime | None = None
    blind_since: datetime | None = None
    notes: tuple[Note, ...] = ()

    @property
    def percent(self) -> float:
        """The share of the traffic that the version is to answer now, in percent."""
        return self.steps[self.at] if self.status == "running" else 0.0

    def noted(self, at: datetime, action: str, text: str) -> Rollout:
        """The same with another note."""
        kept = self.notes if len(self.notes) < NOTES else (self.notes[0], *self.notes[-NOTES + 2 :])
        return replace(self, notes=(*kept, Note(time=at, action=action, text=text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known when a decision is taken.

    ``rows``: answered by the version at this step. ``champion``: who is champion now. ``required``: the requirements on
    the ``looked`` rows and labels of the rollout, ``labelled`` of them labels; ``compared``: errors and latency held
    against the champion's.
    ``untouched``: the traffic rule in force is the one that the rollout set. ``unloadable``: why an endpoint cannot
    load the version, empty where none complains. ``paused``: why the loop is to do nothing, empty where it may act.
    ``blind``: why nothing can be known.
    """

    rows: int
    champion: int | None
    looked: int = 0
    labelled: int = 0
    required: tuple[Judged, ...] = ()
    compared: tuple[Judged, ...] = ()
    untouched: bool = True
    unloadable: str = ""
    paused: str = ""
    blind: str = ""

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Everything that was judged."""
        return (*self.required, *self.compared)

    @property
    def failing(self) -> list[Judged]:
        """The musts that look broken."""
        return [one for one in self.judged if one.priority == "must" and one.result == "fail"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why. ``broken``: what was broken, where something was."""

    action: Action
    reason: str
    broken: tuple[str, ...] = field(default=())


def noticed(rollout: Rollout, evidence: Evidence, now: datetime) -> Rollout:
    """The rollout with what is to be remembered of the *evidence*, whatever is decided. Pure."""
    if bool(evidence.blind) != (rollout.blind_since is not None):
        rollout = replace(rollout, blind_since=now if evidence.blind else None)
    if evidence.blind:
        return rollout  # nothing else is known
    if evidence.looked != rollout.looked:
        rollout = replace(rollout, looked=evidence.looked, labelled=evidence.labelled, required=evidence.required)
    failing = any(not one.few for one in evidence.failing)
    if failing != (rollout.failing_since is not None):
        rollout = replace(rollout, failing_since=now if failing else None)
    idle = not evidence.rows and now - rollout.since >= IDLE * rollout.hold > timedelta()
    if idle and not any(note.action == "idle" and note.time >= rollout.since for note in rollout.notes):
        rollout = rollout.noted(now, "idle", _unasked(rollout, now - rollout.since))
    return rollout


def advance(rollout: Rollout, evidence: Evidence, now: datetime) -> Decision:
    """What comes next. Pure: the same rollout, evidence and time always give the same decision.

    *rollout* is as `noticed` made it from the same evidence.
    """
    if rollout.status != "running":
        return Decision("hold", f"the rollout is {rollout.status}")
    if settled := overtaken(rollout, evidence):
        return settled
    if evidence.unloadable:
        return Decision("roll back", f"an endpoint cannot load it: {evidence.unloadable}", ("load",))
    blind = timedelta() if rollout.blind_since is None else now - rollout.blind_since
    if evidence.blind and blind >= max(PATIENCE * rollout.hold, BLIND):
        text = f"what it answered could not be read for {format_duration(_whole(blind))}: {evidence.blind}"
        return Decision("roll back", text, ("log",))
    held = max(now - rollout.since, timedelta())  # a clock that went back holds a step longer, never shorter
    failing = evidence.failing
    sure = [one for one in failing if one.sure]
    if sure:
        return Decision("roll back", listed([one.text for one in sure], limit=3), tuple(one.name for one in sure))
    lasting = [one for one in failing if not one.few]
    broken = timedelta() if rollout.failing_since is None else now - rollout.failing_since
    if lasting and broken >= PATIENCE * rollout.hold:
        text = f"{listed([one.text for one in lasting], limit=3)}, for {format_duration(_whole(broken))}"
        return Decision("roll back", text, tuple(one.name for one in lasting))
    if waiting := _waiting(rollout, evidence, held, failing):
        return Decision("hold", waiting)
    unknown = [one.name for one in evidence.judged if one.priority == "must" and one.result == "not measurable"]
    but = f"; not measured: {listed(unknown, limit=3)}" if unknown else ""
    kept = f"{evidence.rows:,} rows answered, nothing broken{but}"
    if rollout.at + 1 < len(rollout.steps):
        return Decision("advance", kept)
    return Decision("finish", kept)


def overtaken(rollout: Rollout, evidence: Evidence) -> Decision | None:
    """The decision where somebody else has settled the matter, None where nobody has."""
    if evidence.champion == rollout.version:
        return Decision("finish", "somebody made it the champion meanwhile")
    if evidence.champion != rollout.champion:
        now = "there is no champion now" if evidence.champion is None else f"version {evidence.champion} is champion"
        return Decision("abort", f"{now}, so what was measured against version {rollout.champion} no longer counts")
    if not evidence.untouched:
        return Decision("abort", "somebody changed the traffic")
    return None


def _waiting(rollout: Rollout, evidence: Evidence, held: timedelta, failing: list[Judged]) -> str:
    """What the next step waits for, or an empty text."""
    if evidence.blind:
        return f"what it answered cannot be read: {evidence.blind}"
    if evidence.paused:
        return f"paused: {evidence.paused}"
    if failing:
        return f"{listed([one.text for one in failing], limit=3)}, though not surely: more rows will tell"
    if not evidence.rows:
        return _unasked(rollout, held)
    if evidence.rows < rollout.minimum_rows:
        return f"{evidence.rows:,} of {rollout.minimum_rows:,} rows answered at this step"
    if held < rollout.hold:
        return f"held for {format_duration(_whole(held))} of {format_duration(rollout.hold)}"
    return ""


def _unasked(rollout: Rollout, held: timedelta) -> str:
    """What to say where the version has answered nothing."""
    text = f"0 of {rollout.minimum_rows:,} rows answered at this step"
    if held < rollout.hold or not held:
        return text
    return f"{text} in {format_duration(_whole(held))}: is an endpoint serving {rollout.model}, and is it asked?"


def _whole(span: timedelta) -> timedelta:
    return timedelta(seconds=int(span.total_seconds()))
