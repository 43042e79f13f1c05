"""The endpoint follows the registry: other versions come and go under load, and nobody is dropped or told a mixture."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.operate.rollout import rollback
from mainspring.registry import Registry
from mainspring.workspace import Workspace
from tests.serve import shop
from tests.serve.live import Live, client, serving, until
from tests.serve.load import asking

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

SEEDS = {1: 0, 2: 3, 3: 6}
"""Which model each version is."""


def expected(version: int) -> dict[str, Any]:
    said = shop.bundle("linear", SEEDS[version]).predictor().predict_row(shop.GOOD)
    assert said.scores is not None
    scores = said.scores[0].tolist()
    return {
        "model": "shop",
        "version": version,
        "prediction": said.values[0],
        "probabilities": dict(zip(["no", "yes"], scores, strict=True)),
    }


def is_one_of(said: dict[str, Any], versions: tuple[int, ...]) -> bool:
    """Whether an answer is the whole answer of one version (rows that are scored together round otherwise)."""
    wanted = next((expected(version) for version in versions if version == said["version"]), None)
    if wanted is None or said["prediction"] != wanted["prediction"]:
        return False
    return bool(said["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-6))


def version_of(live: Live) -> int:
    with client(live) as http:
        return int(http.get("/health").json()["version"])


def _swapped(live: Live, times: int) -> bool:
    return len(live.events("swapped")) == times


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_promotion_is_served_within_two_seconds_and_nobody_is_dropped(workspace: Path, workers: int) -> None:
    with serving("shop", "--workers", str(workers), workspace=workspace) as live, Workspace.open(workspace) as place:
        registry = Registry(place)
        with asking(live, shop.GOOD) as load:
            time.sleep(0.3)
            for version in (2, 1):
                start = time.monotonic()
                registry.promote("shop", version, override="for the test")
                until(partial(_swapped, live, 3 - version), 15)
                took = time.monotonic() - start
                assert took < 4, "twice what it takes on a machine that does nothing else"
            time.sleep(0.2)
        assert load.failed == []
        assert load.total > 300
        for status, said in load.said():
            assert status == 200
            assert is_one_of(said, (1, 2)), said
        assert {said["version"] for _, said in load.said()} == {1, 2}


def test_a_rollback_takes_canary_and_champion_back_within_two_seconds_under_load(workspace: Path) -> None:
    def answering(http: httpx.Client) -> set[int]:
        rows = ({**shop.GOOD, "customer": f"c{i}"} for i in range(40))
        return {http.post("/predict", json=row).json()["version"] for row in rows}

    with Workspace.open(workspace) as place:
        Registry(place).promote("shop", 2, override="for the test")
        place.ledger.endpoints.set("shop", canary=3, percent=50.0, reason="for the test")
        with serving("shop", workspace=workspace) as live, client(live) as http:
            until(lambda: answering(http) == {2, 3})
            with asking(live, shop.GOOD) as load:
                start = time.monotonic()
                rollback(place, "shop", reason="for the test")
                until(lambda: answering(http) == {1}, 15)
                assert time.monotonic() - start < 4, "twice what it takes on a machine that does nothing else"
            assert load.failed == []
            assert {status for status, _ in load.said()} == {200}


def test_a_damaged_version_is_refused_and_said_and_the_old_one_goes_on(workspace: Path) -> None:
    with Workspace.open(workspace) as place:
        digest = place.ledger.models.get("shop", 2).digest
        damaged = list(place.store.files(digest))
    with serving("shop", workspace=workspace) as live, Workspace.open(workspace) as place, client(live) as http:
        for path in damaged:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.chmod(0o644)
            path.write_bytes(bytes(data))
        Registry(place).promote("shop", 2)
        (event,) = until(lambda: live.events("version refused"))
        assert (event["version"], event["kept"], event["level"]) == (2, 1, "error")
        assert http.post("/predict", json=shop.GOOD).json()["version"] == 1
        until(lambda: 'mainspring_swaps_refused_total{model="shop"} 1.0' in http.get("/metrics").text)
        state = until(lambda: place.ledger.states.get("serve", "shop"))
        assert "damaged" in state.value["refused"]["2"] or "changed" in state.value["refused"]["2"]
        (incident,) = place.ledger.incidents.search(model="shop", kind="service", status="open")
        assert "shop/2 is refused by the endpoint; shop/1 goes on serving" in incident.summary
        assert incident.severity == "critical"
        Registry(place).promote("shop", 3)
        until(lambda: version_of(live) == 3)


def test_a_version_that_crashes_when_it_is_loaded_is_refused(workspace: Path) -> None:
    # a library that ends the process when this bundle is loaded, as a fault in native code does
    hook = workspace.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'mainspring.serve.trial' in ' '.join(sys.orig_argv) and sys.orig_argv[-1] == '2':\n"
        "    os.abort()\n"
    )
    with serving("shop", workspace=workspace, PYTHONPATH=str(hook)) as live, Workspace.open(workspace) as place:
        Registry(place).promote("shop", 2)
        (event,) = until(lambda: live.events("version refused"))
        assert f"crashed by signal {int(signal.SIGABRT)}" in event["reason"]
        assert version_of(live) == 1
        assert live.events("worker died") == []


def test_a_version_that_hangs_keeps_no_other_change_back(workspace: Path) -> None:
    import psutil

    # a library that sleeps when this bundle is loaded
    hook = workspace.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'mainspring.serve.trial' in ' '.join(sys.orig_argv) and sys.orig_argv[-1] == '3':\n"
        "    time.sleep(600)\n"
    )

    def trials() -> list[int]:
        children = psutil.Process(live.process.pid).children()
        return [child.pid for child in children if "mainspring.serve.trial" in child.cmdline()]

    def answering() -> set[int]:
        rows = ({**shop.GOOD, "customer": f"c{i}"} for i in range(40))
        return {http.post("/predict", json=row).json()["version"] for row in rows}

    with (
        serving("shop", workspace=workspace, PYTHONPATH=str(hook)) as live,
        Workspace.open(workspace) as place,
        client(live) as http,
    ):
        registry = Registry(place)
        registry.promote("shop", 3, override="for the test")
        until(trials)
        place.ledger.endpoints.set("shop", canary=2, percent=50.0, reason="for the test")
        until(lambda: answering() == {1, 2})
        assert trials(), "it hangs still"
        start = time.monotonic()
        rollback(place, "shop", reason="for the test")
        until(lambda: answering() == {1})
        assert time.monotonic() - start < 4, "twice what it takes on a machine that does nothing else"
        until(lambda: not trials())
        assert not live.events("version refused")


def test_a_worker_that_is_killed_is_replaced_and_serves_what_is_live(workspace: Path) -> None:
    temporary = workspace.parent / "temporary"
    temporary.mkdir()
    with serving("shop", workspace=workspace, TMPDIR=str(temporary)) as live, Workspace.open(workspace) as place:
        Registry(place).promote("shop", 2)
        until(lambda: version_of(live) == 2)
        (before,) = live.workers()
        os.kill(before, signal.SIGKILL)
        (after,) = until(lambda: [pid for pid in live.workers() if pid != before])
        assert after != before
        assert version_of(live) == 2
        (died,) = live.events("worker died")
        assert (died["worker"], died["exit"]) == (before, -9)

        (bundle,) = temporary.glob("mainspring-serve-*/bundles/2-*")
        shutil.rmtree(bundle)  # as who tidies temporary folders does
        os.kill(after, signal.SIGKILL)
        until(lambda: live.events("worker cannot load"))
        assert version_of(live) == 2, "it is unpacked once more"


@pytest.mark.slow
def test_an_incident_says_that_workers_answer_nobody_until_they_do(workspace: Path) -> None:
    temporary = workspace.parent / "temporary"
    temporary.mkdir()

    def causes() -> list[str]:
        found = place.ledger.incidents.search(model="shop", kind="service", status="open")
        return [each.details["cause"] for each in found]

    with serving("shop", workspace=workspace, TMPDIR=str(temporary)) as live, Workspace.open(workspace) as place:
        (bundle,) = temporary.glob("mainspring-serve-*/bundles/1-*")
        shutil.rmtree(bundle)
        store = workspace / "store"
        store.rename(workspace / "away")
        os.kill(live.workers()[0], signal.SIGKILL)
        until(lambda: causes() == ["workers missing"], 60)
        (workspace / "away").rename(store)
        assert version_of(live) == 1
        until(lambda: not causes(), 60)


def test_sigterm_answers_what_was_asked_and_says_so(workspace: Path) -> None:
    with serving("shop", "--workers", "2", workspace=workspace) as live:
        with asking(live, shop.GOOD, clients=2) as load:
            time.sleep(0.5)
            live.process.terminate()
            time.sleep(0.2)
        assert live.process.wait(30) == 0
        assert all(status == 200 for status, _ in load.said())
        assert live.events("ended")
        with Workspace.open(workspace) as place:
            state = place.ledger.states.get("serve", "shop")
            assert state is not None
            assert state.value["endpoints"] == {}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_end_when_the_supervisor_is_killed(workspace: Path) -> None:
    import psutil

    with serving("shop", workspace=workspace) as live:
        (worker,) = live.workers()
        live.process.kill()
        live.process.wait(10)
        until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie", 15)


def test_nothing_to_serve_is_said_in_a_sentence(workspace: Path) -> None:
    import subprocess

    command = [sys.executable, "-m", "mainspring", "serve", "shoop", "--workspace", str(workspace), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Did you mean shop?" in done.stderr
    assert "Traceback" not in done.stderr
