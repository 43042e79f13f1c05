"""A version tried in a process of its own, ``python -m mainspring.serve.trial FOLDER NAME VERSION``.

A bundle that crashes the interpreter takes only this process with it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PATIENCE = 60.0


def passes(folder: Path, name: str, version: int, *, patience: float = PATIENCE) -> str | None:
    """Load, replay and warm the bundle in *folder*; None where it serves, else the reason why not."""
    command = [sys.executable, "-m", "mainspring.serve.trial", str(folder), name, str(version)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{name}/{version} was not ready after {patience:g} seconds."
    if done.returncode == 0:
        return None
    said = done.stdout.strip()
    if said:
        return said
    how = f"by signal {-done.returncode}" if done.returncode < 0 else f"with exit code {done.returncode}"
    last = (done.stderr.strip().splitlines() or [""])[-1][:300]
    return f"{name}/{version} crashed {how} when it was tried{f': {last}' if last else ''}."


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
