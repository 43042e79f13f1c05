"""Where facts and bytes live: made once, opened by anyone, and clear about what it cannot do."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import InputError, LedgerError, StoreError
from mainspring.ledger.ports import RunQuery
from mainspring.store import load, save
from mainspring.workspace import FOLDER, Workspace, default_actor


def test_facts_and_bytes_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "w", actor="ann") as workspace:
        stored = save(workspace.store, {"a": 1})
        run = workspace.ledger.runs.create(name="r")
        workspace.ledger.artifacts.record(stored.digest, type=stored.type, size=stored.size, run=run.id)
    with Workspace.open(tmp_path / "w", create=False) as workspace:
        assert workspace.ledger.runs.get(run.id).actor == "ann"
        (digest,) = workspace.ledger.artifacts.live()
        assert load(workspace.store, digest) == {"a": 1}


def test_the_default_is_a_folder_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Workspace.open() as workspace:
        assert workspace.root == tmp_path / FOLDER
    (tmp_path / "mainspring.toml").write_text("")
    with Workspace.open(tmp_path, create=False) as workspace:
        assert workspace.root == tmp_path / FOLDER, "the project's folder means the workspace in it"


def test_the_clock_and_the_actor_stand_in_the_facts(tmp_path: Path) -> None:
    then = datetime(2020, 1, 1, tzinfo=UTC)
    with Workspace.open(tmp_path / "w", actor="the loop", clock=SimulatedClock(then)) as workspace:
        run = workspace.ledger.runs.create(name="r")
        workspace.ledger.models.create("m", digest="d", passed=True)
        (entry,) = workspace.ledger.audit.entries()
    assert (run.started, run.actor) == (then, "the loop")
    assert (entry.time, entry.actor) == (then, "the loop")


def test_who_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_ACTOR", "ann")
    assert default_actor() == "ann"
    monkeypatch.delenv("MAINSPRING_ACTOR")
    (tmp_path / "config").write_text("[user]\n\tname = Ben Git\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    assert default_actor() == "Ben Git"
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LOGNAME", "carl")
    assert default_actor() == "carl"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"There is no workspace in .*nothing"):
        Workspace.open(tmp_path / "nothing", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("create", [True, False])
def test_a_part_that_has_gone_is_not_made_anew(tmp_path: Path, create: bool) -> None:
    """A disk that is not mounted: what would be written beside it would be lost when it is mounted again."""
    root, away = tmp_path / "w", tmp_path / "away"
    with Workspace.open(root) as workspace:
        digest = save(workspace.store, {"a": 1})
        workspace.ledger.artifacts.record(digest.digest, type=digest.type, size=digest.size)
    for part, kind, words in (
        (
            "store",
            StoreError,
            r"There is no store at .*store: a part of the workspace has gone\. Is its disk mounted\?",
        ),
        ("ledger.db", LedgerError, r"There is no ledger at .*ledger\.db: a part of the workspace has gone"),
    ):
        (root / part).rename(away)
        with pytest.raises(kind, match=words):
            Workspace.open(root, create=create)
        assert not (root / part).exists()
        away.rename(root / part)
    (root / "store").rename(away)
    (root / "store").mkdir()  # where a disk is to be mounted there is an empty folder
    with pytest.raises(StoreError, match="is empty, though the ledger knows of objects in it"):
        Workspace.open(root, create=create)
    (root / "store").rmdir()
    away.rename(root / "store")
    with Workspace.open(root, create=create) as workspace:
        assert load(workspace.store, digest.digest) == {"a": 1}


def test_a_workspace_whose_making_was_killed_is_made_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(root: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mainspring.workspace._mark", killed)
    with pytest.raises(KeyboardInterrupt):
        Workspace.open(tmp_path / "w")
    monkeypatch.undo()
    with pytest.raises(StoreError, match="There is no workspace"):
        Workspace.open(tmp_path / "w", create=False)
    Workspace.open(tmp_path / "w").close()
    Workspace.open(tmp_path / "w", create=False).close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"format": 2}',
            r"a newer Mainspring \(format 2, this one knows 1\)\. Upgrade with `pip install",
        ),
        ('{"format": 0}', "has the unknown format 0; formats begin at 1"),
        ("garbage", r'workspace\.json is damaged .*; it should read \{"format": 1\}'),
    ],
)
def test_another_format_is_refused_untouched(tmp_path: Path, text: str, message: str) -> None:
    root = tmp_path / "w"
    Workspace.open(root).close()
    (root / "workspace.json").write_text(text)
    with pytest.raises(StoreError, match=message):
        Workspace.open(root)
    assert (root / "workspace.json").read_text() == text


def test_what_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"Expected a folder for the workspace, but .*file is a file"):
        Workspace.open(tmp_path / "file")
    with pytest.raises(InputError, match="Expected a workspace in a folder, got 's3://bucket/w'"):
        Workspace.open("s3://bucket/w")


READ_ONLY = """
import os, sys, fcntl
from pathlib import Path
from mainspring.core.errors import MainspringError
from mainspring.ledger.sql import ledger  # before root's own files are out of reach
from mainspring.store import save
from mainspring.workspace import Workspace
if os.getuid() == 0:
    os.setuid(65534)
try:
    Workspace.open(Path(sys.argv[1]) / "new", actor="x")
except MainspringError as error:
    print("new:", error)
try:
    with Workspace.open(Path(sys.argv[1]) / "old", actor="x") as workspace:
        workspace.ledger.runs.create(name="r")
except MainspringError as error:
    print("old:", error)
"""


def test_a_read_only_folder_is_one_message() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        Workspace.open(root / "old").close()
        everything = [root, *root.rglob("*")]
        for path in everything:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, folder], capture_output=True, text=True, check=False
            )
        finally:
            for path in everything:
                path.chmod(0o755 if path.is_dir() else 0o644)
    assert "Traceback" not in done.stderr, done.stderr
    new, old = done.stdout.splitlines()
    assert "Cannot make a workspace in" in new
    assert "Permission denied" in new
    assert "cannot be" in old
    assert "ledger.db" in old


def test_a_full_disk_is_one_message_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    """On a file system of one megabyte, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False).returncode != 0:
        pytest.skip("this user may not mount a small file system")
    try:
        kept = []
        with Workspace.open(disk / "w", actor="x") as workspace:
            run = workspace.ledger.runs.create(name="r")
            with pytest.raises(StoreError, match=r"No space left on device.*Free some space"):  # noqa: PT012
                for number in range(200):
                    kept.append(workspace.store.put(random.Random(number).randbytes(20_000)))
            written = 0
            with pytest.raises(LedgerError, match="disk"):  # noqa: PT012
                for number in range(5000):
                    workspace.ledger.runs.log(run.id, tags={f"t{number}": "x" * 1000})
                    written += 1
        with Workspace.open(disk / "w", actor="x") as workspace:
            assert len(workspace.ledger.runs.get(run.id).tags) == written
            assert workspace.ledger.runs.search(RunQuery()).total == 1
            assert list(workspace.store.verify()) == []
            assert set(kept) == set(workspace.store.digests())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_opening_loads_nothing_heavy(tmp_path: Path) -> None:
    Workspace.open(tmp_path / "w").close()
    code = "import sys; from mainspring.workspace import Workspace; Workspace.open(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], capture_output=True, text=True, check=True)
    assert not {"alembic", "polars", "numpy", "pandas", "pyarrow", "sklearn"}.intersection(done.stdout.split())
