"""Secrets in files: only a file is read, and never more than a secret has."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mainspring.contract import Contract
from mainspring.core.clock import SimulatedClock
from mainspring.operate.notify import deliveries, tick
from mainspring.operate.notify.failure import Undeliverable
from mainspring.operate.notify.secret import LARGEST, resolve
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "y"
[notify]
urls = ["file:{path}"]
secret = "env:TEST_HOOK_KEY"
"""


def refused(path: Path | str) -> str:
    """Why it was refused. It must not wait for anybody: it has ten seconds."""
    said: list[str] = []

    def read() -> None:
        with pytest.raises(Undeliverable) as why:
            resolve(f"file:{path}")
        said.append(str(why.value))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(10)
    assert said, "it is read still"
    return said[0]


def test_a_file_is_read_whole_without_its_margins(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("\n sesame \n")
    assert resolve(f"file:{path}") == "sesame"
    (tmp_path / "link").symlink_to(path)  # as Kubernetes mounts them
    assert resolve(f"file:{tmp_path / 'link'}") == "sesame"
    path.write_bytes(b"x" * LARGEST)
    assert len(resolve(f"file:{path}")) == LARGEST


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes of this kind")
def test_a_pipe_that_nobody_writes_to_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == f"{tmp_path / 'pipe'} holds no secret: it is no file"


def test_what_is_no_file_of_a_secret_is_refused_in_words(tmp_path: Path) -> None:
    large, empty, other = tmp_path / "large", tmp_path / "empty", tmp_path / "other"
    with large.open("wb") as file:
        file.truncate(1 << 40)  # it takes no room
    empty.touch()
    other.write_bytes(b"\xff\xfe")
    assert refused(large).endswith("large holds no secret: it is larger than 64 KB")
    assert refused(empty).endswith("empty holds no secret: it is empty")
    assert refused(other).endswith("other cannot be read: not text")
    assert refused(tmp_path / "missing").endswith("missing cannot be read: No such file or directory")
    assert "no secret" in refused(tmp_path) or "cannot be read" in refused(tmp_path)
    assert "cannot be read" in refused("a\0b")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no such device here")  # noqa: PTH110
def test_a_device_has_no_end_and_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOOK_KEY", "sesame")
    assert refused("/dev/zero") == "/dev/zero holds no secret: it is no file"
    clock = SimulatedClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Workspace.open(tmp_path / "ws", actor="loop", clock=clock) as place:
        place.ledger.incidents.open(model="shop", kind="service", summary="Nothing came.")
        tick(place, Contract.parse(CONTRACT.format(path="/dev/zero")), "shop")
        (one,) = deliveries(place.ledger.states)
    assert (one.status, one.error) == ("waiting", "/dev/zero holds no secret: it is no file")
