"""Runs that are killed, interrupted, or started twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError, Refused
from mainspring.flow import engine
from mainspring.flow.lock import RunLock
from mainspring.ledger.ports.runs import RunQuery
from tests.flow.workbench import NOTE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.workbench import Workbench

SLOW = (
    NOTE
    + """
import time

@step
def quick():
    note("quick")
    return 1

@step
def slow(quick, where: str = "here"):
    note("slow")
    open("../started", "w").close()
    time.sleep(60 if not __import__("os").path.exists("../go") else 0)
    return quick + 1

@step
def last(slow):
    note("last")
    return slow + 1
"""
)
RUN = "from mainspring.flow import engine; from mainspring.project import Project; engine.run(Project.find())"


def wait_for(what: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def recorded(bench: Workbench) -> list[str]:
    """The steps of the latest run that the ledger has."""
    with bench.project.workspace() as workspace:
        runs = workspace.ledger.runs.search(RunQuery(kind="pipeline")).runs
        return [record.step for record in workspace.ledger.steps.of_run(runs[0].id)] if runs else []


@pytest.fixture
def slow(bench: Workbench) -> Workbench:
    bench.pipeline(SLOW)
    return bench


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_after_kill_9_finished_steps_are_not_repeated(slow: Workbench, executor: str) -> None:
    slow.edit("pipeline.py", "@step\ndef slow", f"@step(executor={executor!r})\ndef slow")
    process = slow.python(RUN)
    wait_for((slow.root.parent / "started").exists)
    # steps are recorded in the background, a moment after their value: one that is recorded stays
    wait_for(lambda: recorded(slow) == ["quick"])
    process.kill()
    process.communicate()
    assert slow.calls() == ["quick", "slow"]
    with slow.project.workspace() as workspace:
        (run,) = workspace.ledger.runs.search(RunQuery(kind="pipeline")).runs
        assert run.status == "running", "nobody has looked yet"
        assert [record.step for record in workspace.ledger.steps.of_run(run.id)] == ["quick"]
        assert list(workspace.store.verify()) == []
    (slow.root.parent / "go").touch()
    again = slow.run()
    assert again.statuses == {"quick": "reused", "slow": "ran", "last": "ran"}
    assert slow.calls() == ["slow", "last"]
    with slow.project.workspace() as workspace:
        assert workspace.ledger.runs.get(run.id).status == "killed"


def test_trials_of_a_killed_run_are_closed_with_it(slow: Workbench) -> None:
    trial = """
    from mainspring.core.recording import recorder
    recorder().child("trial 1").log_metric("loss", 0.5)
"""
    slow.edit("pipeline.py", '    note("slow")\n', f'    note("slow"){trial}')
    process = slow.python(RUN)

    def running() -> dict[str, str]:
        with slow.project.workspace() as workspace:
            return {run.name: run.status for run in workspace.ledger.runs.search(RunQuery()).runs}

    wait_for(lambda: "trial 1" in running())
    process.kill()
    process.communicate()
    assert running() == {"shop": "running", "slow": "running", "trial 1": "running"}
    (slow.root.parent / "go").touch()
    slow.run("quick")
    with slow.project.workspace() as workspace:
        runs = workspace.ledger.runs.search(RunQuery(status="killed")).runs
    assert {run.name for run in runs} == {"shop", "slow", "trial 1"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_workers_do_not_outlive_a_killed_engine(bench: Workbench) -> None:
    bench.pipeline("""
    import os, subprocess, time

    @step(executor="processes")
    def away():
        child = subprocess.Popen(["sleep", "60"])
        with open("../pids", "w") as file:
            file.write(f"{os.getpid()} {child.pid}")
        os.rename("../pids", "../pids-ready")
        time.sleep(60)
    """)
    process = bench.python(RUN)
    ready = bench.root.parent / "pids-ready"
    wait_for(ready.exists)
    pids = [int(pid) for pid in ready.read_text().split()]
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(is_alive, pids)))


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123  # a line of the kernel's, not a file of ours
            return file.read().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_from_the_keyboard_keeps_what_is_finished(slow: Workbench) -> None:
    process = slow.python(RUN)
    wait_for((slow.root.parent / "started").exists)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert "KeyboardInterrupt" in errors
    with slow.project.workspace() as workspace:
        (run,) = workspace.ledger.runs.search(RunQuery(kind="pipeline")).runs
        assert run.status == "killed"
    (slow.root.parent / "go").touch()
    assert slow.run().ran == ["slow", "last"]


def test_a_second_run_at_once_is_refused_with_the_first_ones_process(slow: Workbench) -> None:
    process = slow.python(RUN)
    wait_for((slow.root.parent / "started").exists)
    started = time.monotonic()
    try:
        with pytest.raises(Refused, match=rf"Another mainspring run \(process {process.pid}, since \d\d:\d\d:\d\d\)"):
            slow.run()
        assert time.monotonic() - started < 6
    finally:
        process.kill()
        process.communicate()
    (slow.root.parent / "go").touch()
    assert slow.run().ran == ["slow", "last"], "the lock of the killed one is taken over"


def test_the_second_run_waits_for_a_short_first_one(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from mainspring.flow.lock import RunLock\n"
            "with RunLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(0.5)",
            str(lock),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with RunLock(lock) as mine:
        assert mine.stale is None, "it was given back in good order"
    holder.communicate()


def test_threads_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    with (
        RunLock(tmp_path / "run.lock"),
        pytest.raises(Refused, match=f"process {os.getpid()}"),
        RunLock(tmp_path / "run.lock", patience=0.1),
    ):
        pass
    with RunLock(tmp_path / "run.lock", patience=0):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_one_message(slow: Workbench) -> None:
    slow.root.chmod(0o555)
    try:
        with pytest.raises(InputError, match="make the folder writable"):
            slow.run()
    finally:
        slow.root.chmod(0o755)


def test_a_place_that_cannot_be_written_is_one_message(slow: Workbench) -> None:
    slow.write(".mainspring", "a file, not a folder")
    with pytest.raises(InputError, match=r"\.mainspring cannot be used as a folder"):
        engine.run(slow.project)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_full_disk_is_one_message_and_nothing_is_half_written(bench: Workbench) -> None:
    bench.pipeline("""
    import random

    @step
    def small():
        return 1

    @step
    def big(small):
        return random.randbytes(40_000_000)
    """)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n"
    process = bench.python(f"{limit}{RUN}.check()")
    _, errors = process.communicate(timeout=60)
    assert "Step big failed: " in errors, errors
    assert "1 step finished and will be reused" in errors
    with bench.project.workspace() as workspace:
        assert list(workspace.store.verify()) == []
    assert bench.run().statuses == {"small": "reused", "big": "ran"}


def test_an_edit_during_the_run_does_not_reach_a_process(bench: Workbench) -> None:
    bench.write("helpers.py", "FACTOR = 1\n")
    bench.pipeline("""
    from pathlib import Path

    @step
    def first():
        Path("helpers.py").write_text("FACTOR = 2\\n")
        return 1

    @step(executor="processes")
    def second(first):
        import helpers
        return helpers.FACTOR
    """)
    assert "helpers.py was edited while the pipeline was running. Run it again." in bench.run().failure
    assert bench.run().values["second"] == 2


def test_an_edit_during_the_run_does_not_reach_a_late_import(bench: Workbench) -> None:
    bench.write("helpers.py", "FACTOR = 1\n")
    bench.pipeline("""
    from pathlib import Path

    @step
    def first():
        Path("helpers.py").write_text("FACTOR = 2\\n")
        return 1

    @step
    def second(first):
        import helpers
        return helpers.FACTOR
    """)
    assert bench.run().values["second"] == 1, "what was fingerprinted is what runs"
    assert bench.run().values["second"] == 2
