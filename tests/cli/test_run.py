"""``mainspring run``, ``why`` and ``graph`` as a script sees them."""

from __future__ import annotations

import json
import re
import signal
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.flow.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Call, Called

PIPELINE = """
from pathlib import Path

@step
def raw(source: str = "table.csv"):
    print("reading")
    return [int(line) for line in Path(source).read_text().split()]

@step
def total(raw, times: int = 1):
    return sum(raw) * times
"""


@pytest.fixture
def shop(tmp_path: Path) -> Workbench:
    root = tmp_path / "a shop"
    root.mkdir()
    bench = Workbench(root)
    bench.write("table.csv", "1\n2\n3\n")
    bench.pipeline(PIPELINE)
    return bench


@pytest.fixture
def call(shop: Workbench, call_in: Call) -> Callable[..., Called]:
    """Calls the command line in the shop's folder."""

    def called(*arguments: str, where: Path | None = None) -> Called:
        return call_in(*arguments, where=where or shop.root)

    return called


def answered(call: Callable[..., Called], *arguments: str, code: int = 0, where: Path | None = None) -> Any:
    done = call(*arguments, "--json", where=where)
    assert done.code == code, done.err
    return json.loads(done.out)


def test_run_gives_the_fixed_object(call: Callable[..., Called], shop: Workbench) -> None:
    first = answered(call, "run")
    assert set(first) == {"run", "model", "metrics", "verdicts", "steps"}
    assert (first["model"], first["metrics"], first["verdicts"]) == (None, {}, [])
    assert [(one["name"], one["status"]) for one in first["steps"]] == [("raw", "ran"), ("total", "ran")]
    assert all(set(one) == {"name", "status", "seconds", "key"} for one in first["steps"])
    second = answered(call, "run")
    assert [one["status"] for one in second["steps"]] == ["reused", "reused"]
    assert [one["key"] for one in second["steps"]] == [one["key"] for one in first["steps"]]
    assert second["run"] != first["run"]
    third = answered(call, "run", "--set", "times=4")
    assert [one["status"] for one in third["steps"]] == ["reused", "ran"]
    only = answered(call, "run", "raw")
    assert [one["name"] for one in only["steps"]] == ["raw"]


def test_run_works_from_a_folder_inside_the_project(call: Callable[..., Called], shop: Workbench) -> None:
    inner = shop.root / "notebooks"
    inner.mkdir()
    assert [one["status"] for one in answered(call, "run", where=inner)["steps"]] == ["ran", "ran"]


def test_people_see_steps_and_where_output_went(call: Callable[..., Called], shop: Workbench) -> None:
    done = call("run")
    assert done.code == 0
    assert re.search(r"^raw +ran +[\d.e-]+ s  output: .*raw\.log$", done.out, re.MULTILINE)
    assert re.search(r"^raw: ran in", done.err, re.MULTILINE)
    assert "reading" not in done.out
    assert re.search(r"^total +reused$", call("run").out, re.MULTILINE)


def test_a_failing_step_is_told_and_leaves_with_2(call: Callable[..., Called], shop: Workbench) -> None:
    shop.edit("pipeline.py", "return sum(raw) * times", "return sum(raw) / 0")
    found = answered(call, "run", code=2)
    assert [(one["name"], one["status"]) for one in found["steps"]] == [("raw", "ran"), ("total", "failed")]
    done = call("run")
    assert done.code == 2
    message = "mainspring: Step total failed: ZeroDivisionError: division by zero\n  pipeline.py:12, in total\n"
    assert message in done.err
    assert "1 step finished and will be reused" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "totl"], "No step named 'totl'. Did you mean total?"),
        (["run", "--set", "time=3"], "Did you mean times?"),
        (["run", "--set", "times=many"], "step total expects a whole number, got 'many'"),
        (["run", "--set", "times"], "--set expects name=value"),
        (["why", "rav"], "No step named 'rav'. Did you mean raw?"),
        (["graph", "rav"], "Did you mean raw?"),
        (["why"], "why --help"),
    ],
)
def test_wrong_use_is_one_message_and_code_2(
    call: Callable[..., Called], shop: Workbench, arguments: list[str], message: str
) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "pipeline.py:1: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "pipeline.py:2: the pipeline called sys.exit"),
        ("x = 1\n", "pipeline.py has no steps"),
        ("from mainspring import step\n@step\ndef a(b):\n    return b\n", "step a needs 'b'"),
    ],
)
def test_an_unusable_pipeline_is_one_message_and_code_2(
    call: Callable[..., Called], shop: Workbench, text: str, message: str
) -> None:
    (shop.root / "pipeline.py").write_text(text)
    for command in (["run"], ["graph"], ["why", "a"]):
        done = call(*command)
        assert (done.code, done.out) == (2, "")
        assert message in done.err


def test_outside_a_project_the_way_in_is_named(call: Callable[..., Called], tmp_path: Path) -> None:
    done = call("run", where=tmp_path)
    assert done.code == 2
    assert "Make one with: mainspring init" in done.err


def test_why_lists_the_parts_that_differ(call: Callable[..., Called], shop: Workbench) -> None:
    answered(call, "run")
    answered(call, "run")
    assert answered(call, "why", "total") == []
    assert "total is reused: nothing has changed since run" in call("why", "total").out
    assert answered(call, "why", "total", "--set", "times=3") == [
        {"part": "parameter times", "before": "1", "now": "3"}
    ]
    shop.write("table.csv", "1\n2\n4\n")
    (change,) = answered(call, "why", "raw")
    assert change["part"] == "file table.csv"
    assert change["before"] != change["now"]
    said = call("why", "total").out
    assert re.search(r"total will run again\. Since run [0-9a-f]{12} \(\d{4}-\d\d-\d\d \d\d:\d\d\):\n  input raw", said)
    assert "See also: mainspring why raw" in said


def test_graph_draws_text_and_mermaid(call: Callable[..., Called], shop: Workbench) -> None:
    assert call("graph").out == "raw  source='table.csv'\n└─ total  times=1\n"
    assert call("graph", "--mermaid").out.startswith("flowchart TD\n    step_raw[")
    assert answered(call, "graph", "total")["steps"] == [
        {"name": "raw", "inputs": [], "contract": False, "parameters": {"source": "table.csv"}},
        {"name": "total", "inputs": ["raw"], "contract": False, "parameters": {"times": 1}},
    ]


def test_an_unchanged_run_loads_nothing_heavy(call: Callable[..., Called], shop: Workbench) -> None:
    shop.pipeline("""
    from mainspring.data import clean, read, split
    from mainspring.train import search

    @step
    def raw(source: str = "table.csv"):
        return read(source).height

    @step
    def model(raw, contract):
        if raw < 0:
            return search(split(clean(raw, contract)).train, contract)
        return raw
    """)
    shop.write("table.csv", "a,b\n1,2\n3,4\n")
    assert [one["status"] for one in answered(call, "run")["steps"]] == ["ran", "ran"]
    code = """
    import sys
    from mainspring.cli.app import main
    try:
        main(["run", "--json"])
    finally:
        print(*sorted(sys.modules), file=sys.stderr)
    """
    process = shop.python(textwrap.dedent(code))
    out, loaded = process.communicate(timeout=60)
    assert [one["status"] for one in json.loads(out)["steps"]] == ["reused", "reused"]
    assert loaded.split()
    heavy = {"polars", "numpy", "sklearn", "pandas", "pyarrow", "scipy", "lightgbm", "optuna", "onnxruntime", "plotly"}
    assert not heavy.intersection(loaded.split())


def test_what_the_pipeline_prints_while_it_is_loaded_does_not_get_into_the_json(
    call: Callable[..., Called], shop: Workbench
) -> None:
    shop.pipeline("print('loading')\n\n@step\ndef one():\n    return 1\n")
    assert answered(call, "run")["model"] is None
    assert answered(call, "why", "one")[0]["part"] == "result"
    drawn = call("graph")
    assert (drawn.out, drawn.err) == ("one\n", "loading\n")


def test_steps_of_other_modules_belong_to_the_pipeline_that_imports_them(
    call: Callable[..., Called], shop: Workbench
) -> None:
    shop.write("more/__init__.py", "")
    steps = "from mainspring import step\n\n@step\ndef two():\n    return 2\n\n@step\ndef unused():\n    1 / 0\n"
    shop.write("more/steps.py", steps)
    shop.pipeline("from more.steps import two\n\n@step\ndef one(two):\n    return two - 1\n")
    assert [one["name"] for one in answered(call, "run")["steps"]] == ["two", "one"]
    shop.edit("more/steps.py", "return 2", "return 3")
    assert [one["status"] for one in answered(call, "run")["steps"]] == ["ran", "ran"]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_with_130_and_one_line(shop: Workbench) -> None:
    shop.pipeline("""
    import time

    @step
    def slow():
        open("../started", "w").close()
        time.sleep(60)
    """)
    process = shop.python("from mainspring.cli.app import main; main(['run'])")
    started = shop.root.parent / "started"
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == "mainspring: Interrupted. What was finished is kept.\n"


def test_output_of_libraries_does_not_get_into_the_json(call: Callable[..., Called], shop: Workbench) -> None:
    shop.pipeline("""
    import os

    @step
    def loud():
        os.system("echo from a child")
        os.write(1, b"from below")
        return 1
    """)
    assert [one["status"] for one in answered(call, "run")["steps"]] == ["ran"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_sees_what_runs(shop: Workbench) -> None:
    import os
    import pty
    import subprocess

    shop.pipeline("""
    import time

    @step
    def sleepy():
        from mainspring.core.progress import progress
        for i in range(12):
            progress("trials", i, 12, f"best {i}")
            time.sleep(0.1)
        return 1
    """)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "run"], cwd=shop.root, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass  # the other end of a pseudo terminal has gone
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"sleepy" in seen
    assert b"trials" in seen
    assert b"/12" in seen
    assert b"sleepy  ran" in out
