"""A small project with real models in its registry, made once and copied for each module that changes it."""

from __future__ import annotations

import contextlib
import io
import random
from typing import TYPE_CHECKING

from mainspring.cli._exit import guarded
from mainspring.cli.app import app
from tests.flow.workbench import Workbench

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "bought"

[columns.age]
type = "integer"
[columns.visits]
type = "number"
[columns.town]
type = "category"
categories = ["bo", "ulm"]
[columns.bought]
type = "boolean"

[[require]]
metric = "roc_auc"
at_least = 0.7

[retrain]
promotion = "approval"
"""
PIPELINE = """
from mainspring.data import read, split
from mainspring.train import fit

@step
def raw(source: str = "shop.csv"):
    return read(source)

@step
def parts(raw):
    return split(raw, seed=1)

@step
def model(parts, contract, kind: str = "linear"):
    return fit(parts.train, contract, kind=kind)
"""
VERSIONS = {1: "linear", 2: "baseline", 3: "hist_gradient_boosting"}
"""What each version is; 1 is the champion, 2 fails its must, 3 waits for approval."""


def table(rows: int, seed: int = 0) -> str:
    """The shop's customers as CSV."""
    draw = random.Random(seed)
    lines = ["age,visits,town,bought"]
    for _ in range(rows):
        age, visits, town = draw.randint(18, 80), round(draw.expovariate(1), 3), draw.choice(["bo", "ulm"])
        lines.append(f"{age},{visits},{town},{str(visits + draw.gauss(0, 0.3) > 0.7).lower()}")
    return "\n".join(lines) + "\n"


def make(root: Path) -> None:
    """Make the project in *root* and run it once for each version."""
    bench = Workbench(root)
    bench.write("shop.csv", table(400))
    bench.write("mainspring.toml", CONTRACT)
    bench.pipeline(PIPELINE)
    for kind in VERSIONS.values():
        said = io.StringIO()
        with contextlib.chdir(root), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = guarded(app, ["run", "--set", f"kind={kind}"])
        assert code == (1 if kind == "baseline" else 0), said.getvalue()
