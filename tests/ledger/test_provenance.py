from __future__ import annotations

import platform
import socket
import subprocess
from typing import TYPE_CHECKING

from mainspring.ledger.provenance import environment, provenance

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert (provenance(tmp_path).commit, provenance(tmp_path).dirty) == (None, None)
    (tmp_path / "pipeline.py").write_text("a = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    assert (provenance(tmp_path).commit, provenance(tmp_path).dirty) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "pipeline.py").write_text("a = 2\n")
    assert provenance(tmp_path).dirty is True


def test_the_environment_names_versions_and_no_machine() -> None:
    found = environment()
    assert f"python=={platform.python_version()}" in found
    assert any(each.startswith("sqlalchemy==") for each in found)
    assert not any(socket.gethostname() in each for each in found)
