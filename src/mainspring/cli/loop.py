"""``mainspring loop``: watch a served model and act, by the declared policy, until it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # cyclopts reads the annotations

if TYPE_CHECKING:
    from mainspring.operate.live.loop import LiveLoop, Round

INTERVAL = "10s"


def loop(
    *,
    once: Annotated[bool, Parameter(negative=(), help="Make one round and end.")] = False,
    interval: Annotated[str, Parameter(help="How long to rest between two rounds.")] = INTERVAL,
    grace: Annotated[str | None, Parameter(help="How long a window waits for late rows; default 30s.")] = None,
    skew: Annotated[
        str | None, Parameter(help="How often to compare served features with the pipeline's; default: never.")
    ] = None,
    json: Json = False,
) -> int:
    """Judge what the model answers, and act: retrain, roll out, roll back, set broken columns aside.

    Acts by [retrain] and [rollout] of the contract. Of several loops on one workspace one acts and the others wait.
    Killed at any time, the next one goes on where this one was. SIGTERM and Ctrl-C end it between two steps.
    `mainspring pause MODEL` lets it only judge. A mainspring.toml that changes holds from the next round on.
    """
    from mainspring.cli._output import emit_json
    from mainspring.cli._span import span
    from mainspring.operate.live.loop import LiveLoop
    from mainspring.operate.live.windows import GRACE
    from mainspring.project import Project

    project, rest, wait = Project.find(), span("--interval", interval), span("--grace", grace)
    settings: dict[str, Any] = {"grace": GRACE if wait is None else wait, "skew": span("--skew", skew)}
    told = _quiet if json else _tell
    with project.workspace(create=False) as place:
        stopped = _Stopped()
        live = LiveLoop(project, place, told=told, stop=stopped.is_set, **settings)
        with stopped:
            if once:
                return _once(live, emit_json if json else None)
            _tell(f"The loop of {project.contract.project.name} looks every {interval}. Ctrl-C ends it.")
            live.forever(stopped.wait, 10.0 if rest is None else rest.total_seconds())
    if not json:
        _tell("The loop has ended; the next one goes on from here.")
    return 0


def _once(live: LiveLoop, emit: Any) -> int:
    from mainspring.cli._output import out

    done = live.once()
    if emit is not None:
        emit(_plain(done))
    elif done.busy:
        out().print(f"Nothing was done: {done.busy}.", markup=False)
    elif done.decision is None:
        out().print("Nothing was to be decided.", markup=False)
    else:
        out().print(f"Decision: {done.decision.action}, {done.decision.reason}.", markup=False)
    return 0


def _plain(done: Round) -> dict[str, Any]:
    decision = done.decision
    return {
        "busy": done.busy or None,
        "watched": None if done.watched is None else done.watched.as_dict(),
        "action": None if decision is None else decision.action,
        "trigger": None if decision is None else decision.trigger,
        "reason": None if decision is None else decision.reason,
        "done": list(done.done),
    }


def _tell(line: str) -> None:
    from datetime import UTC, datetime

    from mainspring.cli._output import err

    err().print(f"{datetime.now(UTC):%H:%M:%S}  {line}", markup=False)


def _quiet(line: str) -> None:
    del line


class _Stopped:
    """Set by SIGTERM or SIGINT while the block lasts; a second signal ends the process at once."""

    def __init__(self) -> None:
        from threading import Event

        self._event = Event()
        self._before: dict[int, Any] = {}

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    def __enter__(self) -> Self:
        import signal

        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._set)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _set(self, *_: object) -> None:
        self._event.set()
        self._restore()

    def _restore(self) -> None:
        import signal

        for number, handler in self._before.items():
            signal.signal(number, handler)
