"""What keeps a rollout going: look, decide, and make the decision true, each time in one transaction.

The document, the traffic and the champion change together or not at all, so that there is nothing in between that a
kill could leave: whoever comes next finds a step that was taken or one that was not. Only who holds the lease
``rollout/<model>`` takes a step, however long it reads the log, and the lease's token fences what it writes; of two
that think they hold it, the later one's writes count. A person who aborts needs no lease: the driver finds another
revision, and looks again.

While a rollout runs, the promotion of another version is refused (see `Registry.promote`). If the champion changes all
the same, by an override or a rollback, the rollout gives up: it was measured against a champion that is none any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from mainspring.core.errors import MainspringError, NotFound, Refused, quote
from mainspring.operate.live.lease import held
from mainspring.operate.remedy import paused
from mainspring.operate.rollout.document import KIND, as_value, keep_earlier, of_value, running
from mainspring.operate.rollout.plan import Decision, Evidence, Rollout, Status, advance, noticed, overtaken
from mainspring.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from mainspring.contract import Contract
    from mainspring.ledger.ports.endpoints import Traffic
    from mainspring.ledger.ports.models import Transition
    from mainspring.workspace import Workspace

    Gather: TypeAlias = Callable[["Workspace", Contract, Rollout], Evidence]

_ENDS: dict[str, Status] = {"finish": "done", "roll back": "rolled back", "abort": "aborted"}


@dataclass(frozen=True, slots=True)
class Tick:
    """The rollout after one look, and what was decided. ``busy``: another process drives it, nothing was done here."""

    rollout: Rollout
    decision: Decision
    busy: bool = False


def start(
    workspace: Workspace,
    contract: Contract,
    model: str,
    version: int,
    *,
    steps: Sequence[float] | None = None,
    hold: timedelta | None = None,
    minimum_rows: int | None = None,
    reason: str = "",
    override: str | None = None,
) -> Rollout:
    """Send the first percents of the traffic to *version*. What is not given is as the contract's ``[rollout]`` says.

    Raises Refused where a rollout runs already, where there is no champion to hold it against, where it is the
    champion, and where one of its musts failed before release and no *override* says why it may go live; NotFound for
    a version that is not there.
    """
    ledger, now = workspace.ledger, workspace.clock.now()
    registry = Registry(workspace)
    with ledger.together():
        state = ledger.states.get(KIND, model)
        current = None if state is None else of_value(state.value)
        if current is not None and current.status == "running":
            raise Refused(
                f"A rollout of {model}/{current.version} is running, at {current.percent:g} % of the traffic. Wait "
                f"until it is over, or stop it: mainspring rollout {model} --abort"
            )
        champion = _may_begin(registry, model, version, override)
        keep_earlier(ledger.states, state)
        percents = tuple(float(step) for step in (steps or contract.rollout.steps))
        made = Rollout(
            model=model,
            version=version,
            champion=champion,
            steps=percents,
            hold=contract.rollout.hold if hold is None else hold,
            minimum_rows=contract.rollout.minimum_rows if minimum_rows is None else minimum_rows,
            started=now,
            since=now,
            traffic=0,
            actor=workspace.actor,
            reason=reason,
            override=override,
        ).noted(now, "start", f"{percents[0]:g} % of the traffic")
        rule = _set_traffic(workspace, made, f"rollout of version {version}: begins")
        made = replace(made, traffic=rule.revision)
        ledger.states.put(KIND, model, as_value(made), expected=state.revision if state else 0)
    return made


def tick(workspace: Workspace, contract: Contract, model: str, *, gather: Gather | None = None) -> Tick | None:
    """Look once and do what is due. None where no rollout of *model* runs.

    Call it every few seconds, from as many processes as you like. *gather* finds the evidence: by default in the
    prediction log.
    """
    if running(workspace.ledger.states, model) is None:
        return None
    with held(workspace, f"{KIND}/{model}") as lease:
        if lease is None:
            return _busy(workspace, model)
        return _look(workspace, contract, model, gather or _logged, (lease.name, lease.token))


def outlook(workspace: Workspace, contract: Contract, model: str, *, gather: Gather | None = None) -> Decision | None:
    """What would be decided now, without doing it. None where no rollout of *model* runs."""
    current = running(workspace.ledger.states, model)
    if current is None:
        return None
    evidence = _settled(workspace, current, _gathered(workspace, contract, current, gather or _logged))
    now = workspace.clock.now()
    return advance(noticed(current, evidence, now), evidence, now)


def settle(workspace: Workspace, model: str) -> Rollout | None:
    """End a rollout that somebody overtook by changing the champion or the traffic. None where there is none to end."""
    with workspace.ledger.together():
        current = running(workspace.ledger.states, model)
        if current is None:
            return None
        decision = overtaken(current, _settled(workspace, current, Evidence(rows=0, champion=None)))
        return None if decision is None else _end(workspace, current, decision)


def abort(workspace: Workspace, model: str, *, reason: str = "") -> Rollout:
    """Stop the running rollout: the champion answers everything again. Raises NotFound where none runs."""
    ledger = workspace.ledger
    with ledger.together():
        current = running(ledger.states, model)
        if current is None:
            raise NotFound(f"No rollout of {quote(model)} is running.")
        return _end(workspace, current, Decision("abort", reason or f"stopped by {workspace.actor}"))


def rollback(workspace: Workspace, model: str, *, reason: str = "") -> tuple[Transition | None, Rollout | None]:
    """Take the champion back to the one before, and the canary's traffic with it; a running rollout is aborted.

    Gives the change of the champion (None where there was none before it, but a canary to take back) and the rollout
    that was stopped. Raises Refused where there is nothing at all to go back to.
    """
    ledger = workspace.ledger
    registry = Registry(workspace)
    with ledger.together():
        current = running(ledger.states, model)
        stopped = None
        rule = ledger.endpoints.get(model)
        had_canary = rule is not None and rule.canary is not None
        if current is not None:
            stopped = _end(workspace, current, Decision("abort", reason or f"rolled back by {workspace.actor}"))
        elif had_canary and rule is not None:
            ledger.endpoints.set(model, shadow=rule.shadow, reason=reason or "rolled back")
        try:
            return registry.rollback(model, reason=reason), stopped
        except Refused:
            if not had_canary:
                raise
            return None, stopped


def _may_begin(registry: Registry, model: str, version: int, override: str | None) -> int:
    wanted = registry.resolve(f"{model}/{version}")
    champion = registry.champion(model)
    if champion is None:
        raise Refused(
            f"{model} has no champion to hold {model}/{version} against, and nobody else to answer the rest of the "
            f"traffic. Make it the champion at once: mainspring promote {model} {version}"
        )
    if champion.version == version:
        raise Refused(f"{model}/{version} is the champion already.")
    if not wanted.passed and not (override or "").strip():
        raise Refused(
            f"{model}/{version} failed a must before release (see: mainspring models show {model}/{version}). Mend "
            f'it, or take the responsibility: mainspring rollout {model} {version} --override "why it may"'
        )
    return champion.version


def _busy(workspace: Workspace, model: str) -> Tick | None:
    current = running(workspace.ledger.states, model)
    if current is None:
        return None
    lease = workspace.ledger.leases.current(f"{KIND}/{model}")
    who = f"{lease.holder} drives it" if lease else "another process drives it"
    return Tick(current, Decision("hold", who), busy=True)


def _look(workspace: Workspace, contract: Contract, model: str, gather: Gather, fence: tuple[str, int]) -> Tick | None:
    states = workspace.ledger.states
    state = states.get(KIND, model)
    current = None if state is None else of_value(state.value)
    if state is None or current is None or current.status != "running":
        return None
    evidence = _gathered(workspace, contract, current, gather)
    try:
        with workspace.ledger.together():
            # what somebody did while the log was read is found out here: nothing changes it before the commit
            evidence = _settled(workspace, current, evidence)
            now = workspace.clock.now()
            seen = noticed(current, evidence, now)
            decision = advance(seen, evidence, now)
            return Tick(_make_true(workspace, current, seen, decision, (state.revision, fence)), decision)
    except Refused as why:
        latest = running(states, model)
        return None if latest is None else Tick(latest, Decision("hold", str(why)), busy=True)


def _gathered(workspace: Workspace, contract: Contract, rollout: Rollout, gather: Gather) -> Evidence:
    try:
        return gather(workspace, contract, rollout)
    except MainspringError as why:
        return Evidence(rows=0, champion=None, blind=str(why))
    except Exception as why:  # a defect of ours, or of a library, must not leave it with traffic that nobody judges
        return Evidence(rows=0, champion=None, blind=f"{type(why).__name__}: {why}")


def _settled(workspace: Workspace, rollout: Rollout, evidence: Evidence) -> Evidence:
    """The evidence with what the ledger says now."""
    live = workspace.ledger.endpoints.live(rollout.model)
    order = paused(workspace.ledger.states, rollout.model, workspace.clock.now())
    said = "" if order is None else order.reason or f"by {order.by}"
    return replace(
        evidence,
        champion=live.champion,
        untouched=live.traffic is not None and live.traffic.revision == rollout.traffic,
        unloadable=_unloadable(workspace, rollout),
        paused=said,
    )


def _unloadable(workspace: Workspace, rollout: Rollout) -> str:
    """Why an endpoint could not load the version: its state says so, kind ``serve``, ``refused`` by version."""
    state = workspace.ledger.states.get("serve", rollout.model)
    refused = state.value.get("refused") if state is not None and isinstance(state.value, dict) else None
    return str(refused.get(str(rollout.version), "")) if isinstance(refused, dict) else ""


def _make_true(
    workspace: Workspace,
    rollout: Rollout,
    seen: Rollout,
    decision: Decision,
    guard: tuple[int, tuple[str, int]],
) -> Rollout:
    """Do what was decided; the rollout after it. Called within a transaction, which fails as a whole by the *guard*.

    *seen* is the *rollout* with what was noticed.
    """
    if decision.action in ("finish", "roll back", "abort"):
        return _end(workspace, seen, decision, guard)
    after = seen
    if decision.action == "advance":
        now = workspace.clock.now()
        after = replace(seen, at=rollout.at + 1, since=now)
        after = after.noted(
            now, "advance", f"{after.percent:g} % of the traffic, after {rollout.percent:g} %: {decision.reason}"
        )
        rule = _set_traffic(workspace, after, f"rollout of version {rollout.version}: {decision.reason}")
        after = replace(after, traffic=rule.revision)
    if after != rollout:
        _write(workspace, after, guard)
    return after


def _end(
    workspace: Workspace, rollout: Rollout, decision: Decision, guard: tuple[int, tuple[str, int]] | None = None
) -> Rollout:
    """Finish, roll back or abort, within a transaction."""
    ledger, now = workspace.ledger, workspace.clock.now()
    status: Status = _ENDS[decision.action]
    ended = replace(rollout, status=status, ended=now, outcome=decision.reason)
    ended = ended.noted(now, decision.action, decision.reason)
    _write(workspace, ended, guard)  # before the promotion, which is refused while the document says that it runs
    rule = ledger.endpoints.get(rollout.model)
    if rule is not None and rule.canary == rollout.version:
        ledger.endpoints.set(rollout.model, shadow=rule.shadow, reason=f"{decision.action}: {decision.reason}")
    if decision.action == "finish":
        _crown(workspace, rollout, decision)
    if decision.action == "roll back":
        _report(workspace, rollout, decision)
    return ended


def _write(workspace: Workspace, rollout: Rollout, guard: tuple[int, tuple[str, int]] | None) -> None:
    revision, fence = guard or (None, None)
    workspace.ledger.states.put(KIND, rollout.model, as_value(rollout), expected=revision, fence=fence)


def _crown(workspace: Workspace, rollout: Rollout, decision: Decision) -> None:
    registry = Registry(workspace)
    champion = registry.champion(rollout.model)
    if champion is None or champion.version != rollout.version:
        why = f"{rollout.reason}: " if rollout.reason else ""
        registry.promote(
            rollout.model, rollout.version, reason=f"{why}rollout: {decision.reason}", override=rollout.override
        )


def _report(workspace: Workspace, rollout: Rollout, decision: Decision) -> None:
    """Tell of a version that was taken back: an incident that is over when it is opened."""
    service = {"load", "log", "errors", "refused requests", "slow answers", "typical latency"}
    kind = "service" if service & set(decision.broken) else "performance"
    text = (
        f"Version {rollout.version} was taken back from {rollout.steps[rollout.at]:g} % of the traffic: "
        f"{decision.reason}. Version {rollout.champion} answers everything again."
    )
    incidents = workspace.ledger.incidents
    details = {"rollout": {"version": rollout.version, "champion": rollout.champion, "broken": list(decision.broken)}}
    made = incidents.open(model=rollout.model, kind=kind, summary=text, details=details, severity="warning")
    incidents.update(made.id, action="roll back")
    incidents.append(made.id, kind="action", text=f"rolled back: {decision.reason}", data={"action": "roll back"})
    incidents.close(made.id, text=f"version {rollout.champion} answers everything again")


def _set_traffic(workspace: Workspace, rollout: Rollout, reason: str) -> Traffic:
    endpoints = workspace.ledger.endpoints
    before = endpoints.get(rollout.model)
    shadow = tuple(each for each in before.shadow if each != rollout.version) if before else ()
    return endpoints.set(rollout.model, shadow=shadow, canary=rollout.version, percent=rollout.percent, reason=reason)


def _logged(workspace: Workspace, contract: Contract, rollout: Rollout) -> Evidence:
    from mainspring.operate.rollout.canary import gather

    return gather(workspace, contract, rollout)
