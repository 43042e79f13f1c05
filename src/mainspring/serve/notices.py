"""What the workspace is told of an endpoint: its state, incidents of kind service, and the log's spools brought in.

Nothing here may stop the endpoint: a ledger that is gone is a line in the log.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
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


class Notices:
    """Tells one workspace of one model's endpoint."""

    def __init__(self, open_workspace: Callable[[], Workspace], model: str) -> None:
        """The workspace is asked for when there is something to tell."""
        self._open = open_workspace
        self._model = model
        self._guard = threading.Lock()
        self._dropped: dict[int, int] = {}  # by worker, as far as it was told
        self._errors: dict[int, str] = {}  # of the workers whose log cannot be written
        self._compacting: threading.Thread | None = None

    def state(self, address: str, facts: dict[str, Any], refused: dict[int, str]) -> None:
        """Say how the endpoint at *address* is, and which versions are *refused*."""
        with self._quietly("state not kept"):
            workspace = self._open()
            told = {str(version): reason for version, reason in refused.items()}
            self._put(workspace, lambda endpoints: {**endpoints, address: facts}, told)

    def ended(self, address: str, model: str, *, is_logged: bool) -> None:
        """The endpoint at *address* answers no more; what it logged is brought in."""
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
            known = self._dropped.get(worker, 0)
            if trouble.error is None and trouble.dropped <= known:
                self._errors.pop(worker, None)
                if not self._errors:
                    self._close(LOST, "The prediction log is written again.")
                return
            error = trouble.error or "the queue was full"
            journal().error("prediction log", worker=worker, error=error, dropped=trouble.dropped)
            dropped = trouble.dropped + sum(told for pid, told in self._dropped.items() if pid != worker)
            summary = (
                f"The prediction log of {self._model} cannot be written ({error}); requests are answered all the same, "
                f"{dropped} predictions were not logged"
            )
            self._incident(self._open(), LOST, summary, {"error": error, "dropped": dropped})
            self._dropped[worker] = trouble.dropped
            if trouble.error is not None:
                self._errors[worker] = error

    def log_ended(self, worker: int) -> None:
        """A worker has ended, and with it what its log was in trouble with."""
        with self._guard:
            self._errors.pop(worker, None)

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
