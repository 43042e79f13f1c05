"""The folder of a running endpoint is gone with it, at the latest when the next one starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from mainspring.serve import shelf
from mainspring.serve.shelf import LOCK, PREFIX, Shelf
from tests.serve.live import serving, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is swept there")


def folders(temporary: Path) -> set[str]:
    return {path.name for path in temporary.glob(f"{PREFIX}*")}


def test_a_port_in_use_leaves_nothing(workspace: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "mainspring", "serve", "shop", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [*command, "--workspace", str(workspace)], env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert "Cannot listen" in done.stderr
    assert folders(temporary) == set()


def test_what_a_killed_endpoint_leaves_is_removed_by_the_next(workspace: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    options = {"workspace": workspace, "TMPDIR": str(temporary)}
    with serving("shop", "--no-log", **options) as other:  # type: ignore[arg-type]
        (living,) = folders(temporary)
        with serving("shop", "--no-log", **options) as live:  # type: ignore[arg-type]
            (killed,) = folders(temporary) - {living}
            live.end(signal.SIGKILL)
        assert list((temporary / killed / "bundles").iterdir())
        with serving("shop", "--no-log", **options) as live:  # type: ignore[arg-type]
            until(lambda: len(folders(temporary)) == 2)
            assert killed not in folders(temporary)
        assert other.process.poll() is None
        assert folders(temporary) == {living}
    assert folders(temporary) == set()


def test_only_what_is_surely_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    used, left = Shelf(), [Shelf() for _ in range(3)]
    for each in left:
        (each.folder / "bundles" / "1-a").mkdir(parents=True)
        (each.folder / "1.tally").write_text("x")
        each._lock.give_back()
    open_to_all, elsewhere = left[1].folder, tmp_path / "elsewhere"
    open_to_all.chmod(0o777)
    left[2].folder.rename(elsewhere)
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}older").mkdir(0o700)
    (tmp_path / f"{PREFIX}file").write_text("x")
    linked = tmp_path / f"{PREFIX}linked"
    linked.mkdir(0o700)
    (linked / LOCK).symlink_to(elsewhere / LOCK)
    before = folders(tmp_path)
    assert shelf.sweep() == [left[0].folder]
    assert folders(tmp_path) == before - {left[0].folder.name}
    assert (elsewhere / "1.tally").exists()
    used.remove()
    assert not used.folder.exists()


def test_another_users_folder_is_let_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    other = Shelf()
    other._lock.give_back()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert shelf.sweep() == []
    assert other.folder.exists()


def test_one_start_removes_so_many_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for _ in range(shelf.SWEPT + 3):
        Shelf()._lock.give_back()
    assert len(shelf.sweep()) == shelf.SWEPT
    assert len(shelf.sweep()) == 3
    assert folders(tmp_path) == set()
