"""A version tried in a process of its own, ``python -m mainspring.serve.trial FOLDER NAME VERSION``.

A bundle that crashes the interpreter takes only this process with it, and one that hangs keeps nobody waiting.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.serve.wire import Slot

PATIENCE = 60.0


class Trial:
    """A version that is loaded, replayed and warmed elsewhere. Ask `has_ended` now and then, then for the `reason`."""

    def __init__(self, slot: Slot, name: str, *, patience: float = PATIENCE) -> None:
        """Begin with what lies in *slot*; after *patience* seconds it has failed."""
        self.slot = slot
        self._name = f"{name}/{slot.version}"
        self._patience = patience
        self._is_late = False
        self._said, self._errors = TemporaryFile(), TemporaryFile()  # noqa: SIM115  # a pipe that is full halts it
        command = [sys.executable, "-m", "mainspring.serve.trial", slot.folder, name, str(slot.version)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._errors
        )  # fmt: skip
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def has_ended(self) -> bool:
        """Whether it is over, one way or the other."""
        if self._process.poll() is None and self.age > self._patience:
            self._is_late = True
            self._process.kill()
            self._process.wait()
        return self._process.returncode is not None

    def reason(self) -> str | None:
        """Why the version does not serve, once the trial has ended; None where it does."""
        code = self._process.wait()
        said, errors = _text(self._said), _text(self._errors)
        if self._is_late:
            return f"{self._name} was not ready after {self._patience:g} seconds."
        if code == 0:
            return None
        if said:
            return said
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        last = (errors.splitlines() or [""])[-1][:300]
        return f"{self._name} crashed {how} when it was tried{f': {last}' if last else ''}."

    def abandon(self) -> None:
        """End it, whatever would have come of it."""
        self._process.kill()
        self._process.wait()
        self._said.close()
        self._errors.close()


def _text(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode("utf-8", "replace").strip()


def main(arguments: list[str]) -> int:
    """Try it here."""
    from mainspring.serve.served import Served, Unfit

    folder, name, version = arguments
    try:
        Served.load(Path(folder), name=name, version=int(version))
    except Unfit as unfit:
        sys.stdout.write(str(unfit))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
