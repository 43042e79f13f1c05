"""What the workspace is told of an endpoint: its state, incidents of kind service, and the log's spools brought in.

Nothing here may stop the endpoint: a ledger that is gone is a line in the log.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import Refused
from mainspring.serve.journal import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from threading import Event

    from mainspring.ledger.ports.incidents import Incident
    from mainspring.serve.wire import LogTrouble
    from mainspring.workspace import Workspace

KIND = "serve"
"""The kind of the ledger's state; its key is the model's name."""
REFUSED, LOST, STUCK, SHORT = "version refused", "prediction log", "log not compacted", "workers missing"
ATTEMPTS = 5
PATIENCE = 10.0
FULL = "the queue was full"
OFTEN = 60.0
"""Once in so many seconds an incident's number of lost predictions is brought up to date, or when it has doubled."""
TEXTS = 8
"""So many reasons of one trouble are told as soon as they are heard."""
QUIET = 5.0
"""Where only the queue was in trouble, that is over when nothing more was lost for so many seconds."""
AGAIN = 2.0
"""After so many seconds is tried again what the ledger did not take."""


@dataclass(slots=True)
class _Trouble:
    """What the prediction log is in trouble with, until the ledger has that it is over.

    ``told`` is when the ledger took it last, ``calm`` when the last worker without an error had lost something.
    """

    began: datetime
    error: str = ""
    is_refused: bool = False  # by the system, and not only by the queue
    over: datetime | None = None
    calm: float | None = None
    told: float | None = None
    texts: set[str] = field(default_factory=set)

    def is_news(self, lost: int, before: int, error: str | None, *, is_last: bool) -> bool:
        """Whether an incident that says *error* and *before* lost rows is to say by now that *lost* are."""
        if (lost, self.error) == (before, error):
            return False
        is_due = is_last or self.told is None or monotonic() - self.told >= OFTEN
        is_double = lost > before and lost >= 2 * before
        return is_due or is_double or (self.error not in self.texts and len(self.texts) < TEXTS)


class _Health:
    """How the prediction log is by all that the workers say of theirs. ``unsaid`` rows are lost, and in no incident."""

    def __init__(self) -> None:
        """Nobody has said anything."""
        self.trouble: _Trouble | None = None
        self.unsaid = 0
        self.is_well = False  # as was heard, and what an earlier endpoint has opened may be open still
        self._dropped: dict[int, int] = {}  # by worker
        self._errors: dict[int, str] = {}  # of the workers whose log cannot be written

    def heard(self, worker: int, said: LogTrouble) -> None:
        """A worker's log is in trouble, or well again."""
        lost = said.dropped - self._dropped.get(worker, 0)
        self._dropped[worker] = said.dropped
        self.unsaid += lost
        if said.error is None:
            self._errors.pop(worker, None)
        else:
            self._errors[worker] = said.error
        if said.error is not None or lost > 0:
            self._troubled(said.error)
        elif not self._errors:
            self.is_well = self.trouble is None
            if self.trouble is not None and self.trouble.is_refused:
                self._ended(self.trouble)

    def ended(self, worker: int) -> None:
        """A worker has ended, and with it what its log was in trouble with: that another can be written is not said."""
        self._errors.pop(worker, None)
        self._dropped.pop(worker, None)  # the system may give its number to another

    def is_owed(self) -> bool:
        """Whether the ledger is to be told something though no worker has said anything."""
        trouble = self.trouble
        if trouble is None:
            return self.is_well
        if trouble.calm is not None and monotonic() - trouble.calm >= QUIET:
            self._ended(trouble)
        if trouble.told is None or trouble.over is not None:
            return True
        return self.unsaid > 0 and monotonic() - trouble.told >= OFTEN

    def _troubled(self, error: str | None) -> None:
        trouble = self.trouble = self.trouble or _Trouble(datetime.now(UTC))
        trouble.error = error or next(iter(self._errors.values()), FULL)
        trouble.is_refused = trouble.is_refused or error is not None
        trouble.over, trouble.calm = None, None if self._errors else monotonic()

    @staticmethod
    def _ended(trouble: _Trouble) -> None:
        trouble.over = trouble.over or datetime.now(UTC)


class Notices:
    """Tells one workspace of one model's endpoint."""

    def __init__(self, open_workspace: Callable[[], Workspace], model: str) -> None:
        """The workspace is asked for when there is something to tell."""
        self._open = open_workspace
        self._model = model
        self._guard = threading.Lock()
        self._health = _Health()
        self._again = 0.0
        self._compacting: threading.Thread | None = None

    def state(self, address: str, facts: dict[str, Any], refused: dict[int, str]) -> None:
        """Say how the endpoint at *address* is, and which versions are *refused*."""
        with self._quietly("state not kept"):
            workspace = self._open()
            told = {str(version): reason for version, reason in refused.items()}
            self._put(workspace, lambda endpoints: {**endpoints, address: facts}, told)

    def ended(self, address: str, model: str, *, is_logged: bool) -> None:
        """The endpoint at *address* answers no more; what it logged is brought in."""
        with self._quietly("incident not opened"):
            self._tell_of_log(is_last=True)
        with self._quietly("state not kept"):
            workspace = self._open()
            self._put(workspace, lambda endpoints: {name: each for name, each in endpoints.items() if name != address})
        if self._compacting is not None:
            self._compacting.join(PATIENCE)
        if is_logged:
            with self._quietly("log not compacted"):
                from mainspring.serve.compaction import run

                reason = run(self._open().root, model)
                if reason is not None:
                    journal().warning("log not compacted", reason=reason)

    def refused(self, version: int, reason: str, *, kept: int | None) -> None:
        """Open an incident for a version that cannot serve, or add to the one that is open."""
        with self._quietly("incident not opened"):
            workspace = self._open()
            stays = "nothing is served" if kept is None else f"{self._model}/{kept} goes on serving"
            summary = f"{self._model}/{version} is refused by the endpoint; {stays}: {reason}"
            self._incident(workspace, REFUSED, summary, {"version": version, "kept": kept, "reason": reason})

    def settled(self, refused: AbstractSet[int], served: AbstractSet[int]) -> None:
        """These versions stay *refused*: what was opened about another one, also by an earlier endpoint, is over."""
        with self._quietly("incident not closed"):
            found = self._standing(REFUSED)
            version = None if found is None else found.details.get("version")
            if found is not None and version not in refused:
                how = "is served now" if version in served else "is not asked for any more"
                self._close(REFUSED, f"{self._model}/{version} {how}.")

    def workers(self, missing: int, every: int, reason: str) -> None:
        """So many of *every* worker answer nobody, and why as far as that is known; 0: all do."""
        with self._quietly("incident not opened"):
            if not missing:
                self._close(SHORT, "All workers answer.")
                return
            summary = f"{missing} of {every} workers of the endpoint of {self._model} answer nobody: {reason}"
            self._incident(self._open(), SHORT, summary, {"error": reason, "missing": missing})

    def log(self, worker: int, trouble: LogTrouble) -> None:
        """A worker's prediction log is in trouble, or well again."""
        with self._quietly("incident not opened"):
            self._health.heard(worker, trouble)
            if (found := self._health.trouble) is not None and found.over is None:
                journal().error("prediction log", worker=worker, error=found.error, dropped=trouble.dropped)
            self._tell_of_log()

    def log_ended(self, worker: int) -> None:
        """A worker has ended, and with it what its log was in trouble with."""
        with self._guard:
            self._health.ended(worker)

    def catch_up(self) -> None:
        """Tell of the prediction log what the ledger did not take, and that it is well where nothing is lost for long.

        Called often, by whoever calls `log`.
        """
        if monotonic() >= self._again and self._health.is_owed():
            with self._quietly("incident not opened"):
                self._tell_of_log()

    def _tell_of_log(self, *, is_last: bool = False) -> None:
        """Bring the log's incident up to date; whatever fails stays owed."""
        begun = monotonic()
        try:
            trouble = self._health.trouble
            if trouble is not None:
                self._tell_trouble(trouble, is_last=is_last or trouble.over is not None)
            elif self._health.is_well:
                self._close(LOST, "The prediction log is written again.")
                self._health.is_well = False
        finally:  # a ledger that answers late is not to keep this process from what else it does
            now = monotonic()
            self._again = now + max(AGAIN, 10 * (now - begun))

    def _tell_trouble(self, trouble: _Trouble, *, is_last: bool) -> None:
        health, incidents = self._health, self._open().ledger.incidents
        found = self._standing(LOST)
        before, error = (0, None) if found is None else (found.details.get("dropped", 0), found.details.get("error"))
        dropped = before + health.unsaid
        details = {"error": trouble.error, "dropped": dropped}
        summary = (
            f"The prediction log of {self._model} cannot be written ({trouble.error}); requests are answered all the "
            f"same, {dropped} predictions were not logged"
        )
        is_told = trouble.told is None
        if found is None and (trouble.told is None or trouble.over is None or health.unsaid > 0):
            began = trouble.began if trouble.told is None else None  # else somebody has closed it meanwhile
            every = {"cause": LOST, **details}
            found = incidents.open(model=self._model, kind="service", summary=summary, details=every, at=began)
            is_told = True
        elif found is not None and trouble.is_news(dropped, before, error, is_last=is_last):
            incidents.append(found.id, kind="signal", text=summary, data=details, at=trouble.over)
            incidents.update(found.id, summary=summary, details=details, at=trouble.over)
            is_told = True
        if is_told:
            health.unsaid, trouble.told = 0, monotonic()
            trouble.texts.add(trouble.error)
        if trouble.over is not None:
            if found is not None:
                lost = f"; {dropped} predictions were not logged" if dropped else ""
                incidents.close(found.id, text=f"The prediction log is written again{lost}.", at=trouble.over)
            health.trouble = None

    def compact(self, model: str, stop: Event) -> None:
        """Bring the spools in every few seconds, on a thread of its own, until *stop*."""
        self._compacting = threading.Thread(target=self._compact, args=(model, stop), name="compaction", daemon=True)
        self._compacting.start()

    def _compact(self, model: str, stop: Event) -> None:
        from mainspring.serve.compaction import follow

        stuck: bool | None = None  # an endpoint that has ended may have left an open incident

        def told(reason: str | None) -> None:
            nonlocal stuck
            if (reason is not None) == stuck:
                return
            with self._quietly("incident not opened"):
                if reason is not None:
                    summary = f"The prediction log of {self._model} waits in its spools: {reason}"
                    self._incident(self._open(), STUCK, summary, {"error": reason})
                else:
                    self._close(STUCK, "The spools are brought in again.")
                stuck = reason is not None

        follow(self._open().root, model, stop, told)

    def _put(
        self, workspace: Workspace, change: Callable[[dict[str, Any]], dict[str, Any]], refused: Any = None
    ) -> None:
        states = workspace.ledger.states
        for _ in range(ATTEMPTS):
            state = states.get(KIND, self._model)
            value = dict(state.value) if state is not None else {}
            value["endpoints"] = change(dict(value.get("endpoints", {})))
            if refused is not None:
                value["refused"] = refused
            try:
                states.put(KIND, self._model, value, expected=0 if state is None else state.revision)
            except Refused:
                continue  # another endpoint of this model has written meanwhile
            return

    def _incident(self, workspace: Workspace, cause: str, summary: str, details: dict[str, Any]) -> None:
        incidents = workspace.ledger.incidents
        found = self._standing(cause)
        if found is None:
            incidents.open(model=self._model, kind="service", summary=summary, details={"cause": cause, **details})
        elif found.details.get("version") != details.get("version") or found.details.get("error") != details.get(
            "error"
        ):
            incidents.append(found.id, kind="signal", text=summary, data=details)
            incidents.update(found.id, summary=summary, details=details)

    def _close(self, cause: str, text: str) -> None:
        found = self._standing(cause)
        if found is not None:
            self._open().ledger.incidents.close(found.id, text=text)

    def _standing(self, cause: str) -> Incident | None:
        """The open incident of this cause. Imported here: an endpoint starts its workers before it loads the ledger."""
        from mainspring.ledger.ports.incidents import standing

        return standing(self._open().ledger.incidents, self._model, cause)

    @contextmanager
    def _quietly(self, event: str) -> Iterator[None]:
        with self._guard:
            try:
                yield
            except Exception as error:  # whatever the ledger's trouble is, the endpoint goes on
                journal().error(event, error=f"{type(error).__name__}: {error}")
