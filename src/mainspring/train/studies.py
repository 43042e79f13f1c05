"""What a search has tried, in Optuna's hands: one study for each kind of model, in memory or in a journal file."""

from __future__ import annotations

import math
import sys
from typing import IO, TYPE_CHECKING, Any

from mainspring.core.errors import InputError, Refused, quote
from mainspring.train.bench import Trial
from mainspring.train.frameworks import framework

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import optuna

    from mainspring.train.frameworks import Shape

FINGERPRINT = "mainspring:fingerprint"
RECORD = "mainspring:trial"
STARTUP = 6
"""So many trials of a kind are made before the sampler trusts what it has learned."""


class Studies:
    """The studies of one search. Proposes parameters by TPE (Bergstra et al. 2011), after each kind's good starts.

    With a journal file, every finished trial outlives the process: a search with the same fingerprint goes on where
    an interrupted one stopped. Raises InputError where the journal belongs to another search, Refused where another
    search is using it.
    """

    def __init__(
        self, kinds: Sequence[str], shape: Shape, *, fingerprint: str, seed: int, journal: Path | None = None
    ) -> None:
        """Open or create the studies; a trial that was interrupted is asked again."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._shape = shape
        self._file = None if journal is None else _hold(journal)
        self._storage = _storage(journal)
        try:
            self._studies = {
                kind: self._open(kind, fingerprint, seed=seed + 7919 * place) for place, kind in enumerate(kinds)
            }
        except BaseException:
            self.close()
            raise

    def _open(self, kind: str, fingerprint: str, *, seed: int) -> optuna.Study:
        import optuna

        study = optuna.create_study(
            storage=self._storage,
            study_name=kind,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
            direction="minimize",
            load_if_exists=True,
        )
        if FINGERPRINT not in study.user_attrs:
            for start in framework(kind).starts(self._shape):
                study.enqueue_trial(start)
            study.set_user_attr(FINGERPRINT, fingerprint)
        elif study.user_attrs[FINGERPRINT] != fingerprint:
            raise InputError(
                "The journal belongs to another search (other rows, columns, metric, folds or seed). Delete it, or "
                "name another file."
            )
        self._resume(study, seed=seed)
        return study

    def _resume(self, study: optuna.Study, *, seed: int) -> None:
        import optuna

        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
        if done := len(study.get_trials(deepcopy=False)):  # not the draws that were made already
            study.sampler = optuna.samplers.TPESampler(seed=seed + done, n_startup_trials=STARTUP)

    def close(self) -> None:
        """Let others have the journal."""
        if self._file is not None:
            self._file.close()

    def done(self) -> list[Trial]:
        """The trials that ended before, oldest first, without their answers."""
        ended = [
            trial
            for study in self._studies.values()
            for trial in study.get_trials(deepcopy=False)
            if trial.state.is_finished() and RECORD in trial.user_attrs
        ]
        ended.sort(key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete))
        return [Trial(**trial.user_attrs[RECORD]) for trial in ended]

    def ask(self, kind: str) -> tuple[optuna.Trial, dict[str, Any]]:
        """The next trial of *kind* and its parameters."""
        trial = self._studies[kind].ask()
        return trial, framework(kind).suggest(trial, self._shape)

    def tell(self, asked: optuna.Trial, trial: Trial, *, loss: float) -> None:
        """Keep how the *asked* trial ended; *loss* is its mean so far (less is better)."""
        from optuna.trial import TrialState

        record = {
            "kind": trial.kind,
            "params": trial.params,
            "outcome": trial.outcome,
            "scores": trial.scores,
            "seconds": trial.seconds,
            "why": trial.why,
        }
        asked.set_user_attr(RECORD, record)
        study = self._studies[trial.kind]
        if math.isnan(loss) or trial.outcome == "failed":
            study.tell(asked, state=TrialState.FAIL)
        elif trial.outcome == "finished":
            study.tell(asked, loss)
        else:
            asked.report(loss, len(trial.scores))
            study.tell(asked, state=TrialState.PRUNED)


def _storage(journal: Path | None) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if journal is None:
        return optuna.storages.InMemoryStorage()
    lock: Any = _Held()
    return optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


class _Held:
    """The lock of a journal that this process holds as a whole: there is nobody to wait for at each line."""

    def acquire(self) -> bool:
        """Had already."""
        return True

    def release(self) -> None:
        """Kept until the search ends."""


def _hold(journal: Path) -> IO[bytes]:
    """Open *journal* for this process alone and cut off a last line that a killed one left half written.

    The system frees the lock when the process ends, however it ends (the lock files of Optuna outlive a kill and make
    the next search wait for half a minute). Raises Refused where another search has the journal.
    """
    file = journal.open("ab+")
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise Refused(
                f"Another search is writing to the journal {quote(journal)}. Wait for it, or name another file."
            ) from None
    file.seek(0)
    data = file.read()
    if data and not data.endswith(b"\n"):
        file.truncate(data.rfind(b"\n") + 1)
    return file
