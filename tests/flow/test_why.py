from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import NotFound
from mainspring.flow.why import Change, Explanation, why

if TYPE_CHECKING:
    from tests.flow.workbench import Workbench


def asked(bench: Workbench, step: str, **settings: str) -> Explanation:
    project = bench.project
    with project.workspace() as workspace:
        return why(project, step, settings, workspace=workspace)


@pytest.fixture
def shop(bench: Workbench) -> Workbench:
    bench.write("table.csv", "1\n2\n3\n")
    bench.pipeline("""
    from pathlib import Path

    RATE = 2

    @step
    def raw(source: str = "table.csv"):
        return [int(line) for line in Path(source).read_text().split()]

    @step
    def scaled(raw, contract, times: int = 1):
        return [x * RATE * times for x in raw] + [len(contract.columns)]

    @step
    def total(scaled):
        return sum(scaled)

    @step(cache=False)
    def always():
        return 1
    """)
    return bench


def test_before_the_first_run_there_is_nothing_to_reuse(shop: Workbench) -> None:
    found = asked(shop, "total")
    assert (found.state, found.changes) == ("never ran", (Change("result", None, "not made yet"),))
    with pytest.raises(NotFound, match=r"No step named 'totl'\. Did you mean total\?"):
        asked(shop, "totl")


def test_after_a_run_it_says_why_the_step_ran_or_was_reused(shop: Workbench) -> None:
    first = shop.run()
    assert asked(shop, "scaled").changes == (Change("result", None, "made for the first time"),)
    shop.run()
    assert (asked(shop, "scaled").state, asked(shop, "scaled").changes) == ("reused", ())
    shop.edit("pipeline.py", "RATE = 2", "RATE = 3")
    pending = asked(shop, "scaled")
    assert (pending.state, pending.changes) == ("will run", (Change("constant pipeline.RATE", "2", "3"),))
    assert pending.record is not None
    shop.run()
    done = asked(shop, "scaled")
    assert (done.state, done.changes) == ("ran", pending.changes)
    assert asked(shop, "raw").state == "reused"
    assert first.result.run != done.record.run if done.record else False


def test_every_kind_of_part_is_named(shop: Workbench) -> None:
    shop.run()
    assert asked(shop, "scaled", times="4").changes == (Change("parameter times", "1", "4"),)
    shop.edit("mainspring.toml", "minimum = 18", "minimum = 20")
    assert [change.part for change in asked(shop, "scaled").changes] == ["contract columns"]
    shop.edit("mainspring.toml", "minimum = 20", "minimum = 18")
    shop.edit("pipeline.py", "return sum(scaled)", "return sum(scaled) + 1")
    assert [change.part for change in asked(shop, "total").changes] == ["source"]
    shop.edit("pipeline.py", "return sum(scaled) + 1", "return sum(scaled)")
    shop.write("table.csv", "1\n2\n4\n")
    assert [change.part for change in asked(shop, "raw").changes] == ["file table.csv"]
    (behind,) = asked(shop, "scaled").changes
    assert (behind.part, behind.now) == ("input raw", "will be made again")
    assert asked(shop, "always").changes == (Change("cache", None, "off: the step runs every time"),)


def test_a_lost_value_is_a_reason(shop: Workbench) -> None:
    digest = shop.run().result.outputs["total"].digest
    (shop.root / ".mainspring" / "store" / "objects" / digest[:2] / digest[2:]).unlink()
    assert asked(shop, "total").changes == (Change("result", digest, "missing or damaged"),)
    shop.run()
    (again,) = asked(shop, "total").changes
    assert (again.part, again.now) == ("result", "made again")
