"""A release: judged, packaged, registered; champion only by the rules. On a real project with a real workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.core.errors import Refused
from mainspring.data import split
from mainspring.monitor.baseline import Baseline
from mainspring.monitor.profile import Reference
from mainspring.operate.release import Release, release
from mainspring.package import verify
from mainspring.project import Project
from mainspring.registry import Registry
from mainspring.train import fit
from tests.operate import worlds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.workspace import Workspace

CONTRACT = """
[project]
name = "world"
task = "binary"
target = "y"
time = "t"
{more}
[columns.a]
type = "number"
[columns.b]
type = "number"
[columns.kind]
type = "category"
[columns.y]
type = "category"
[columns.t]
type = "integer"

[[require]]
metric = "accuracy"
at_least = {bound}
"""


class Bench:
    """A project folder, its workspace, and models of the steady world."""

    def __init__(self, root: Path, *, bound: float = 0.7, more: str = "") -> None:
        self.root = root
        self.rewrite(bound=bound, more=more)
        self.workspace: Workspace = Project(root).workspace()
        self.parts = split(worlds.steady(1_200), by="time", column="t", test=0.25)

    def rewrite(self, *, bound: float = 0.7, more: str = "") -> None:
        (self.root / "mainspring.toml").write_text(CONTRACT.format(bound=bound, more=more))
        self.project = Project(self.root)

    def release(self, **params: Any) -> Release:
        model = fit(self.parts.train, self.project.contract, params={"rounds": 20, "leaves": 4} | params)
        return release(self.project, self.workspace, model=model, split=self.parts, reason="nightly")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.workspace.close()


def test_the_first_version_that_passes_becomes_champion_with_its_evidence(bench: Bench) -> None:
    done = bench.release()
    registry = Registry(bench.workspace)
    champion = registry.champion("world")
    assert champion is not None
    assert (champion.version, champion.passed, done.promoted) == (1, True, True)
    assert done.version.aliases == ("champion",)
    assert done.metrics["accuracy"].value > 0.8
    assert [verdict.result for verdict in done.verdicts] == ["pass"]
    assert registry.history("world")[0].reason == "nightly: the first version that keeps every must"
    bundle = registry.load(champion)
    assert verify(bundle).equal
    assert Reference.from_dict(bundle.json("profile.json")["reference"]).rows == 900
    assert Baseline.from_dict(bundle.json("profile.json")["baseline"]).rows == 300
    assert bundle.json("evaluation.json")["rows"] == 300
    assert done.report is not None
    assert "world, version 1" in done.report.read_text("utf-8")


def test_a_failed_must_is_registered_and_does_not_go_live(bench: Bench) -> None:
    bench.rewrite(bound=0.999)
    done = bench.release()
    assert (done.promoted, done.version.passed) == (False, False)
    assert done.reason == "not promoted: it fails accuracy at least 0.999"
    assert Registry(bench.workspace).champion("world") is None
    with pytest.raises(Refused, match="cannot become champion: it fails accuracy at least"):
        Registry(bench.workspace).promote("world", 1)


def test_a_worse_version_does_not_take_over_and_an_equal_one_does(bench: Bench) -> None:
    bench.rewrite(bound=0.3)
    bench.release()
    worse = bench.release(rounds=1, leaves=2)
    assert not worse.promoted
    assert worse.reason.startswith("not promoted: accuracy -0.")
    assert worse.evaluation.gains["accuracy"].value < 0
    again = bench.release()
    assert (again.promoted, again.version.version) == (True, 3)
    assert again.reason.startswith("not worse than the champion: accuracy +0 against version 1 on 300 held-out rows")


def test_approval_is_waited_for_once_there_is_a_champion(bench: Bench) -> None:
    bench.rewrite(more='[retrain]\npromotion = "approval"')
    assert bench.release().promoted
    waiting = bench.release()
    assert not waiting.promoted
    assert waiting.reason == "waits for approval: mainspring promote world 2"


def test_a_champion_of_another_table_is_no_obstacle(bench: Bench) -> None:
    bench.release()
    bench.parts = split(
        worlds.steady(1_200).drop("b").with_columns(pl.col("a").alias("c")), by="time", column="t", test=0.25
    )
    text = (bench.root / "mainspring.toml").read_text().replace("columns.b", "columns.c")
    (bench.root / "mainspring.toml").write_text(text)
    bench.project = Project(bench.root)
    done = bench.release()
    assert done.promoted
    assert done.reason == "keeps every must; the champion (version 1) cannot be compared on these rows"
