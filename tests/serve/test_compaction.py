"""The process that brings spools in: it gives way to requests, unless much waits."""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.serve import compaction
from mainspring.workspace import Workspace
from tests.serve.log.workbench import MODEL, NOON, logged, prediction, spool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each process that was begun, whether it was an eager one."""
    found: list[bool] = []
    real, give_way = subprocess.Popen, compaction._give_way

    def popen(command: list[str], **given: Any) -> Any:
        process = real(command, **given)
        if "mainspring.serve.compaction" in command:
            monkeypatch.setattr(compaction, "_give_way", seen)
        return process

    def seen(process: int, nice: int) -> None:
        give_way(process, nice)
        if sys.platform == "linux":
            assert os.getpriority(os.PRIO_PROCESS, process) == max(nice, os.nice(0))
            assert os.sched_getscheduler(process) == os.SCHED_BATCH
        found.append(nice < 10)

    monkeypatch.setattr(subprocess, "Popen", popen)
    return found


def test_what_waits_is_brought_in_by_one_process(tmp_path: Path, begun: list[bool]) -> None:
    with Workspace.open(tmp_path / "workspace") as workspace:
        spool(workspace, [prediction(number, NOON) for number in range(30)])
        assert compaction.finished(workspace.root, MODEL) > 0
        assert compaction.run(workspace.root, MODEL) is None
        assert logged(workspace).height == 30
        assert compaction.finished(workspace.root, MODEL) == 0
    assert len(begun) == 1


def test_where_much_waits_it_does_not_give_way(
    tmp_path: Path, begun: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "LOOK", 0.01)
    monkeypatch.setattr(compaction, "LATER", 0.0)
    for much, eager in ((1, True), (1 << 30, False)):
        monkeypatch.setattr(compaction, "TOO_MUCH", much)
        with Workspace.open(tmp_path / f"workspace {much}") as workspace:
            spool(workspace, [prediction(number, NOON) for number in range(30)])
            stop = Event()

            def told(_: str | None, stop: Event = stop) -> None:
                stop.set()

            compaction.follow(workspace.root, MODEL, stop, told)
            assert logged(workspace).height == 30
        assert begun[-1] == eager


def test_why_it_failed_is_told_once(tmp_path: Path, begun: list[bool]) -> None:
    why = compaction.run(tmp_path / "nowhere", MODEL)
    assert why is not None
    assert "nowhere" in why
    assert len(begun) == 1


def test_why_a_process_died_is_told_by_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen

    def popen(command: list[str], **given: Any) -> Any:
        code = "import sys; sys.stderr.write('x' * 9999); sys.stderr.flush(); raise OverflowError('out of range')"
        return real([command[0], "-c", code], **given)

    monkeypatch.setattr(subprocess, "Popen", popen)
    why = compaction.run(tmp_path, MODEL)
    assert why == "the compaction ended with exit code 1: OverflowError: out of range"


def test_it_is_given_up_when_the_endpoint_ends(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with Workspace.open(tmp_path / "workspace") as workspace:
        spool(workspace, [prediction(0, NOON)])
        assert compaction.run(workspace.root, MODEL, stop) is None
        assert compaction.run(workspace.root, MODEL) is None
        assert logged(workspace).height == 1
