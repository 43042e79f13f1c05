"""kill -9 of a real loop at each of its commit points, and inside each of its transactions; the next one goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.operate.live import document
from mainspring.registry import Registry
from tests.operate.live.bench import NOON
from tests.operate.live.test_loop import Looped

ROOT = Path(__file__).resolve().parents[3]
END = NOON + timedelta(hours=5)
POINTS = ("judged", "intended", "built", "registered", "done")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three quiet hours and two in which the relation has turned, all labelled and none judged."""
    bench = Looped(tmp_path_factory.mktemp("prepared"))
    bench.hours(3)
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    bench.close()
    return bench.root


def run(root: Path, after: timedelta, **environment: str) -> subprocess.CompletedProcess[str]:
    """A loop of one round in a process of its own, so long after the log's end."""
    moment = END + timedelta(minutes=1) + after
    return subprocess.run(
        [sys.executable, "-m", "tests.operate.live.killed", str(root), moment.isoformat()],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def outcome(root: Path) -> dict[str, Any]:
    """What there is in the end, without times and numbers of tries."""
    bench = Looped(root, clock=SimulatedClock(END + timedelta(hours=2)))
    try:
        incidents = [bench.workspace.ledger.incidents.get(one.id) for one in bench.workspace.ledger.incidents.search()]
        memory = document.remembered(bench.workspace.ledger.states, "world")
        registry = Registry(bench.workspace)
        return {
            "versions": [one.version for one in registry.versions("world")],
            "champion": bench.champion,
            "promotions": [(one.before, one.after) for one in registry.history("world")],
            "retrains": [(one.version, one.live, one.outcome) for one in bench.acting.retrains],
            "intended": bench.acting.intended,
            "answered": bench.acting.answered,
            "windows": [
                (one.index, one.rows, one.labelled, one.alerts)
                for one in document.between(bench.workspace.ledger.states, "world", NOON, END)
            ],
            "index": memory.index,
            "incidents": [
                (one.kind, one.status, one.summary, [(event.kind, event.text) for event in one.events])
                for one in incidents
            ],
        }
    finally:
        bench.close()


def killed_and_gone_on(prepared: Path, root: Path, **environment: str) -> dict[str, Any]:
    shutil.copytree(prepared, root)
    first = run(root, timedelta(0), **environment)
    assert first.returncode == -9, first.stderr
    second = run(root, timedelta(minutes=1))
    assert second.returncode == 0, second.stderr
    third = run(root, timedelta(minutes=2))
    assert third.returncode == 0, third.stderr
    return outcome(root)


@pytest.fixture(scope="module")
def undisturbed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """What a loop that nobody kills comes to, and how many documents it writes."""
    root = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(prepared, root)
    done = run(root, timedelta(0))
    assert done.returncode == 0, done.stderr
    again = run(root, timedelta(minutes=1))
    assert again.returncode == 0, again.stderr
    found = outcome(root)
    assert (found["versions"], found["champion"], len(found["retrains"])) == ([2, 1], 2, 1)
    assert len(found["incidents"]) == 1
    assert [kind for kind, _ in found["incidents"][0][3]] == ["opened", "signal", "signal", "action"]
    return found, int(done.stdout.split()[-1])


@pytest.mark.parametrize("point", POINTS)
def test_a_loop_killed_at_a_commit_point_is_gone_on_with(
    prepared: Path, undisturbed: tuple[dict[str, Any], int], tmp_path: Path, point: str
) -> None:
    assert killed_and_gone_on(prepared, tmp_path / "project", KILL_AT=point) == undisturbed[0]


@pytest.mark.slow
def test_a_loop_killed_inside_any_transaction_is_gone_on_with(
    prepared: Path, undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, documents = undisturbed
    assert documents > 10
    for number in range(1, documents + 1):
        found = killed_and_gone_on(prepared, tmp_path / str(number), KILL_PUT=str(number))
        assert found == expected, number
        shutil.rmtree(tmp_path / str(number))


def test_two_real_loops_at_once_retrain_once(
    prepared: Path, undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    root = tmp_path / "project"
    shutil.copytree(prepared, root)
    moment = (END + timedelta(minutes=1)).isoformat()
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.operate.live.killed", str(root), moment],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [each.communicate(timeout=240) for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert run(root, timedelta(minutes=1)).returncode == 0
    assert outcome(root) == undisturbed[0]
