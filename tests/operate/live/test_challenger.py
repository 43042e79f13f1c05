"""What a challenger learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.operate.live import challenger, document
from tests.operate.live.bench import HOUR, ROWS, Bench, world

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_broken_long_ago_is_not_learned_either(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hours(3)
    broken = world(ROWS, seed=200).with_columns(pl.col("a") * 1_000)
    bench.label(bench.serve(broken), broken)
    later = document.RECENT + 2
    rows = world(later * 20, seed=201)
    bench.label(bench.serve(rows, span=later * HOUR), rows)
    bench.watch()
    memory = document.remembered(bench.workspace.ledger.states, "world")
    assert memory.recent[0].index > 4, "the window is forgotten"
    found = challenger._logged(bench.workspace, "world", ["a", "b"], "y", memory)
    assert found.height == 4 * ROWS + rows.height
    assert found["b"].null_count() == 0
    assert found["a"].null_count() == ROWS
    bench.close()
