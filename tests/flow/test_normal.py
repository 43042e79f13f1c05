"""Python's own unparser is the oracle: it drops comments and layout, and keeps what runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mainspring
from mainspring.flow.normal import normal_text
from mainspring.flow.source import Module

SOURCES = [*sorted(Path(mainspring.__file__).parent.joinpath("flow").glob("*.py")), Path(ast.__file__)]


def normal(source: str) -> str:
    module = Module("sample", Path("sample.py"), ast.parse(source))
    return normal_text(module.tree, module)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_real_sources_are_the_same_without_their_layout(path: Path) -> None:
    source = path.read_text("utf-8")
    assert normal(source) == normal(ast.unparse(ast.parse(source)))


BASE = "def f(a, b=1):\n    '''Text.'''\n    return a + b * 2\n"


@pytest.mark.parametrize(
    "other",
    [
        "def f(a, b=1):  # a comment\n    return (a + (b * 2))\n",
        "def f(\n    a,\n    b = 0x1,\n):\n    'other'\n    'and more'\n\n    return a+b*2",
    ],
)
def test_what_does_not_run_does_not_count(other: str) -> None:
    assert normal(BASE) == normal(other)


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("b=1", "b=2"),
        BASE.replace("b=1", "b=1.0"),
        BASE.replace("a + b * 2", "(a + b) * 2"),
        BASE.replace("return a", "return -a"),
        "@cache\n" + BASE,
        BASE.replace("def f", "async def f"),
    ],
)
def test_what_runs_counts(other: str) -> None:
    assert normal(BASE) != normal(other)


def test_only_our_step_decorator_is_left_out() -> None:
    plain = "def f():\n    return 1\n"
    ours = "from mainspring import step as st\nimport mainspring as ms\n"
    theirs = "from prefect import step as st\nimport prefect as ms\n"
    for mark in ("@st", "@st(retries=2)", "@ms.step"):
        assert normal(f"{ours}{mark}\n{plain}") == normal(ours + plain)
        assert normal(f"{theirs}{mark}\n{plain}") != normal(theirs + plain)
