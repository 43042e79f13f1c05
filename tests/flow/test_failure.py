"""Whatever a step does wrong is one clear message; what had finished before is kept."""

from __future__ import annotations

import pytest

from tests.flow.workbench import NOTE, Workbench

BEFORE = (
    NOTE
    + """
@step
def raw():
    note("raw")
    return 1
"""
)


def test_the_users_own_lines_are_shown(bench: Workbench) -> None:
    bench.write("helpers.py", "import json\n\ndef deep(x):\n    return json.loads('{' + str(x))\n")
    bench.pipeline(
        BEFORE
        + """
import helpers

@step
def model(raw):
    print("starting")
    return helpers.deep(raw)
"""
    )
    ran = bench.run()
    lines = ran.failure.splitlines()
    assert lines[0].startswith("Step model failed: JSONDecodeError: Expecting property name")
    assert lines[1:5] == [
        "  pipeline.py:19, in model",
        "    return helpers.deep(raw)",
        "  helpers.py:4, in deep",
        "    return json.loads('{' + str(x))",
    ]
    assert lines[5].startswith("  … raised in json/decoder.py:")
    assert lines[-1].strip() == "starting"
    assert ran.statuses == {"raw": "ran", "model": "failed"}
    bench.calls()
    bench.edit("helpers.py", "'{' + str(x)", "str(x)")
    fixed = bench.run()
    assert fixed.statuses == {"raw": "reused", "model": "ran"}
    assert bench.calls() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import sys; sys.exit(3)", "Step model failed: it called sys.exit(3). A step returns a value or raises."),
        ("return (x for x in [1])", "A value of type generator cannot be stored: return list(…)"),
        ("raise ValueError", "Step model failed: ValueError\n"),
        ("raise ValueError('x' * 5000)", "xxx…"),
        ("def f(): return f()\n    f()", "RecursionError: maximum recursion depth exceeded"),
        ("from mainspring.data import read; read('nowhere.csv')", "Step model failed: No file nowhere.csv"),
        (
            "try:\n        {}['k']\n    except KeyError as e:\n        raise RuntimeError('no k') from e",
            "caused by KeyError: 'k'",
        ),
    ],
)
def test_every_way_to_fail_is_told(bench: Workbench, body: str, message: str) -> None:
    bench.pipeline(BEFORE + f"\n@step\ndef model(raw):\n    {body}\n")
    ran = bench.run()
    assert message in ran.failure
    assert "pipeline.py:" in ran.failure or "cannot be stored" in ran.failure
    assert len(ran.failure) < 6000
    assert ran.statuses == {"raw": "ran", "model": "failed"}


def test_a_process_that_dies_is_a_failed_step(bench: Workbench) -> None:
    bench.pipeline(
        BEFORE
        + """
import os, signal

@step(executor="processes")
def model(raw, how: str = "kill"):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)
"""
    )
    assert (
        "Step model failed: its process was ended by SIGKILL. The system may have run out of memory."
        in bench.run().failure
    )
    assert "its process ended with exit code 7 before it returned." in bench.run(how="exit").failure


def test_ten_megabytes_of_output_are_kept_in_bounds(bench: Workbench) -> None:
    bench.pipeline("""
    import os, sys

    @step
    def chatty():
        print("first line")
        for _ in range(100):
            print("x" * 99_999)
        os.write(1, b"from below\\n")
        os.system("echo from a child")
        print("last line", file=sys.stderr)
        return 1
    """)
    ran = bench.run()
    assert ran.values == {"chatty": 1}
    log = ran.result.steps[0].log
    assert log is not None
    text = log.read_text()
    assert len(text) < 1_200_000
    assert text.startswith("first line\nxxx")
    assert "bytes left out" in text
    for end in ("last line", "from below", "from a child"):
        assert end in text[-600_000:]


def test_other_branches_that_run_are_finished_but_none_begun(bench: Workbench) -> None:
    bench.pipeline(
        BEFORE
        + """
import time

@step(executor="processes")
def good(raw):
    time.sleep(0.5)
    return 2

@step
def bad(raw):
    raise ValueError("no")

@step
def after(good):
    return 3
"""
    )
    ran = bench.run()
    assert ran.statuses == {"raw": "ran", "bad": "failed", "good": "ran"}
    with pytest.raises(Exception, match="2 steps finished and will be reused"):
        ran.result.check()


def test_a_failed_run_is_on_record(bench: Workbench) -> None:
    bench.pipeline(BEFORE + "\n@step\ndef bad(raw):\n    raise ValueError('no')\n")
    ran = bench.run()
    with bench.project.workspace() as workspace:
        assert workspace.ledger.runs.get(ran.result.run).status == "failed"
        record = {r.step: r for r in workspace.ledger.steps.of_run(ran.result.run)}["bad"]
        assert record.status == "failed"
        assert "ValueError: no" in str(record.error)
