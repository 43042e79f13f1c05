"""Each test edits a real project and looks at which parts of which step's code changed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mainspring
from mainspring.flow.fingerprint import fingerprint
from mainspring.flow.graph import Graph
from mainspring.flow.libraries import COMPUTES_WITH
from mainspring.flow.source import Sources
from mainspring.flow.step import collecting

if TYPE_CHECKING:
    from mainspring.flow.fingerprint import Fingerprint
    from tests.flow.workbench import Workbench


def prints(bench: Workbench) -> dict[str, Fingerprint]:
    project = bench.project
    with project.active():
        with collecting() as steps:
            project.load()
        sources = Sources(project.finder)
        return {node.name: fingerprint(node, sources) for node in Graph.draw(steps)}


def changed(before: dict[str, Fingerprint], after: dict[str, Fingerprint]) -> dict[str, list[str]]:
    found = {}
    for name in before:
        one, other = before[name].parts, after[name].parts
        parts = sorted(part for part in {*one, *other} if one.get(part) != other.get(part))
        assert bool(parts) == (before[name].key != after[name].key)
        if parts:
            found[name] = parts
    return found


SHOP = """
import math
import helpers
from helpers import scaled as sc
from package.inner import Thing, LIMITS
from package import deep

RATE = 2
NAMES = ["a", "b"]

@step
def raw(source: str = "x.csv", rows: int = 10):
    '''Read.'''
    return list(range(rows))

@step
def a(raw):
    return [helpers.doubled(x) * RATE for x in raw]

@step
def b(raw):
    thing = Thing(len(raw))
    return sc(thing.size()) + deep.reach.far(1)

@step
def c(a, b):
    from late import finish
    return finish(a, b, NAMES)

@step
def d(raw):
    return math.floor(LIMITS["low"]) + len(raw)
"""


@pytest.fixture
def shop(bench: Workbench) -> Workbench:
    bench.pipeline(SHOP)
    bench.write(
        "helpers.py",
        """
        FACTOR = 3

        def doubled(x):
            # twice
            return inner(x) * 2

        def inner(x):
            return x + FACTOR

        def scaled(x):
            return x / 10

        def unused(x):
            return x
        """,
    )
    bench.write("package/__init__.py", "")
    bench.write(
        "package/inner.py",
        """
        from .base import Base

        LIMITS = {}
        LIMITS["low"] = 1.5

        class Thing(Base):
            '''A thing.'''

            def __init__(self, n):
                self.n = n
        """,
    )
    bench.write("package/base.py", "class Base:\n    def size(self):\n        return self.n\n")
    bench.write("package/deep/__init__.py", "from . import reach\n")
    bench.write("package/deep/reach.py", "def far(x):\n    return near(x)\n\ndef near(x):\n    return x\n")
    bench.write("late.py", "def finish(a, b, names):\n    return len(a) + b + len(names)\n")
    return bench


NEAR = "function package.deep.reach.near"
EDITS = [
    ("helpers.py", "FACTOR = 3", "FACTOR = 4", {"a": ["constant helpers.FACTOR"]}),
    ("helpers.py", "return x + FACTOR", "return x - FACTOR", {"a": ["function helpers.inner"]}),
    ("helpers.py", "return x / 10", "return x / 100", {"b": ["function helpers.scaled"]}),
    ("helpers.py", "def unused(x):\n    return x", "def unused(x):\n    return -x", {}),
    ("package/base.py", "return self.n", "return self.n + 1", {"b": ["class package.base.Base"]}),
    ("package/inner.py", "self.n = n", "self.n = n + 1", {"b": ["class package.inner.Thing"]}),
    ("package/inner.py", '"] = 1.5', '"] = 2.5', {"d": ["constant package.inner.LIMITS"]}),
    ("package/deep/reach.py", "near(x):\n    return x", "near(x):\n    return -x", {"b": [NEAR]}),
    ("late.py", "+ b +", "- b +", {"c": ["function late.finish"]}),
    ("pipeline.py", "RATE = 2", "RATE = 5", {"a": ["constant pipeline.RATE"]}),
    ("pipeline.py", '["a", "b"]', '["b", "a"]', {"c": ["constant pipeline.NAMES"]}),
    ("pipeline.py", "rows: int = 10", "rows: int = 11", {"raw": ["parameter rows"]}),
    ("pipeline.py", "thing = Thing(len(raw))", "thing = Thing(1 + len(raw))", {"b": ["source"]}),
    # what does not run does not count
    ("helpers.py", "# twice", "# two times, or so", {}),
    ("helpers.py", "return x / 10", "return (\n        x  /  10\n    )", {}),
    ("package/inner.py", "'''A thing.'''", "'''Something else.'''", {}),
    ("pipeline.py", "'''Read.'''", "'''Read it.'''\n    # all of it", {}),
    ("pipeline.py", "RATE = 2", "RATE = 1 + 1  # the same", {}),
    ("pipeline.py", "@step\ndef raw", "@step(retries=3, timeout=60)\ndef raw", {}),
    ("pipeline.py", "import math\n", "import math\nimport json\n\n\n", {}),
]  # fmt: skip


@pytest.mark.parametrize(("file", "before", "after", "expected"), EDITS)
def test_an_edit_changes_exactly_what_reaches_it(
    shop: Workbench, file: str, before: str, after: str, expected: dict[str, list[str]]
) -> None:
    first = prints(shop)
    shop.edit(file, before, after)
    assert changed(first, prints(shop)) == expected


def test_the_same_code_has_the_same_key_every_time(shop: Workbench) -> None:
    assert changed(prints(shop), prints(shop)) == {}


def test_closures_partials_decorators_and_instances_are_followed(bench: Workbench) -> None:
    bench.pipeline("""
    import functools

    def timed(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)
        return wrapper

    def power(x, n):
        return x ** n

    squared = functools.partial(power, n=2)
    triple = lambda x: x * 3

    class Scale:
        def __init__(self, by):
            self.by = by

    half = Scale(0.5)

    def make(k):
        @step(name=f"times_{k}")
        def times():
            return k * weight()
        return times

    def weight():
        return 7

    one, two = make(1), make(2)

    @step
    @timed
    def wrapped():
        return 1

    @step
    def partial():
        return squared(3)

    @step
    def called():
        return triple(half.by)
    """)
    first = prints(bench)
    assert first["times_1"].parts["variable k of make"] == "1"
    assert first["times_2"].parts["variable k of make"] == "2"
    for before, after, expected in [
        ("return function(*args, **kwargs)", "return not function(*args, **kwargs)", {"wrapped"}),
        ("return x ** n", "return x ** -n", {"partial"}),
        ("n=2", "n=3", {"partial"}),
        ("lambda x: x * 3", "lambda x: x * 4", {"called"}),
        ("Scale(0.5)", "Scale(0.25)", {"called"}),
        ("return 7", "return 8", {"times_1", "times_2"}),
    ]:
        bench.edit("pipeline.py", before, after)
        second = prints(bench)
        assert set(changed(first, second)) == expected, (before, after)
        first = second


def test_star_imports_and_modules_handed_around_are_followed(bench: Workbench) -> None:
    bench.pipeline("""
    import rules
    from words import *

    @step
    def spoken():
        return greet("you")

    @step
    def all_rules():
        return sorted(name for name in vars(rules) if not name.startswith("_"))
    """)
    bench.write("words.py", "def greet(who):\n    return 'hello ' + who\n\ndef leave():\n    return 'bye'\n")
    bench.write("rules.py", "def one():\n    return 1\n")
    first = prints(bench)
    bench.edit("words.py", "'hello '", "'good day '")
    second = prints(bench)
    assert changed(first, second) == {"spoken": ["function words.greet"]}
    bench.edit("rules.py", "return 1", "return 2")
    assert changed(second, prints(bench)) == {"all_rules": ["module rules"]}


def test_libraries_count_by_version_and_only_where_they_are_used(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    (site / "fast_words-1.0.dist-info").mkdir(parents=True)
    (site / "fast_words-1.0.dist-info" / "RECORD").write_text("words_impl.py,,\nfast_words-1.0.dist-info/METADATA,,\n")
    (site / "words_impl.py").write_text("def count(text):\n    return len(text)\n")
    monkeypatch.syspath_prepend(str(site))
    bench.pipeline("""
    import words_impl

    def measured(text):
        return words_impl.count(text)

    @step
    def a():
        return measured("a b")

    @step
    def b():
        return "none"
    """)
    first = prints(bench)
    assert first["a"].parts["library fast-words"] == "1.0"
    (site / "fast_words-1.0.dist-info").rename(site / "fast_words-2.0.dist-info")
    assert changed(first, prints(bench)) == {"a": ["library fast-words"]}


def test_our_own_functions_count_by_version_with_what_they_compute_with(bench: Workbench) -> None:
    bench.pipeline("""
    from mainspring.train import search
    from mainspring.data import read

    @step
    def raw(source: str = "x.csv"):
        return read(source)

    @step
    def model(raw):
        return search(raw, None)

    @step
    def plain():
        return 1
    """)
    found = prints(bench)
    assert found["plain"].parts.keys() == {"source", "python"}
    assert found["raw"].parts["library mainspring"] == mainspring.__version__
    assert "library polars" in found["raw"].parts
    assert "library lightgbm" not in found["raw"].parts
    assert {"library lightgbm", "library scikit-learn", "library optuna"} <= found["model"].parts.keys()


def test_the_table_of_what_our_layers_compute_with_is_what_they_import() -> None:
    package = Path(mainspring.__file__).parent
    names = {"sklearn": "scikit-learn"}
    counted = {"narwhals", "numpy", "polars", "pyarrow", "scikit-learn", "scipy", "fairlearn", "lightgbm", "optuna"}

    def imports(layer: str, seen: frozenset[str]) -> set[str]:
        found: set[str] = set()
        for file in (package / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                for module in modules:
                    top, _, rest = module.partition(".")
                    inner = rest.partition(".")[0]
                    if top == "mainspring" and inner in COMPUTES_WITH and inner not in seen:
                        found |= imports(inner, seen | {inner})
                    found.add(names.get(top, top))
        return found & counted

    for layer, libraries in COMPUTES_WITH.items():
        assert imports(layer, frozenset({layer})) <= set(libraries), layer
