"""Which code runs in which environment, found quickly and without naming a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from mainspring.core.digest import digest_text
from mainspring.ledger.ports.runs import Provenance

GIT_SECONDS = 5.0
"""A repository that answers slower counts as none: a run must not wait for it."""


def provenance(folder: Path | None = None) -> Provenance:
    """The Git commit of *folder* (default.

    The current one), whether files differ from it, and the environment's digest.
    """
    commit, dirty = _git(folder or Path.cwd())
    return Provenance(commit=commit, dirty=dirty, environment=digest_text("\n".join(environment())))


@cache
def environment() -> tuple[str, ...]:
    """The Python version and every installed distribution as ``name==version``, sorted.

    Read from the names of the metadata folders: opening each of some hundred files would cost more than a whole step.
    """
    found = {f"python=={'.'.join(map(str, sys.version_info[:3]))}", f"implementation=={sys.implementation.name}"}
    for place in map(Path, sys.path):
        try:
            names = [entry.name for entry in os.scandir(place)]
        except OSError:
            continue  # a zip file, or a folder that is not there
        for name in names:
            stem, dot, ending = name.rpartition(".")
            if dot and ending == "dist-info":
                distribution, _, version = stem.partition("-")
                found.add(f"{distribution.lower().replace('_', '-')}=={version}")
    return tuple(sorted(found))


def _git(folder: Path) -> tuple[str | None, bool | None]:
    answer = _ask(folder, "rev-parse", "HEAD")
    if answer is None:
        return None, None
    changes = _ask(folder, "status", "--porcelain", "--untracked-files=no")
    return answer.strip(), None if changes is None else bool(changes.strip())


def _ask(folder: Path, *question: str) -> str | None:
    try:
        # no optional locks: looking must not get in the way of someone's commit
        found = subprocess.run(
            ["git", "--no-optional-locks", *question],
            cwd=folder, capture_output=True, text=True, timeout=GIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None
