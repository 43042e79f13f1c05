"""Served features beside those that the pipeline makes, by entity and by id."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.operate.live.skew import check
from tests.operate.live.bench import NOON, ROWS, Bench, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def customers(bench: Bench, seed: int = 3) -> pl.DataFrame:
    """Rows of the pipeline's own table."""
    return bench.table.sample(ROWS, seed=seed)


def test_rows_that_are_served_as_they_were_made_are_quiet(bench: Bench) -> None:
    bench.serve(customers(bench))
    found = check(bench.project, bench.workspace)
    assert (found.rows, found.by, found.skewed, found.opened) == (ROWS, "who", (), ())
    assert {one.column for one in found.columns} == {"a", "b", "kind"}
    assert found.words == "Skew: 400 served rows are as the pipeline makes them (matched by who)."


def test_a_feature_that_is_computed_otherwise_is_named_once(bench: Bench) -> None:
    rows = customers(bench)
    swapped = rows.with_columns(
        pl.when(pl.int_range(pl.len()) < 60).then(pl.col("a") / 100).otherwise("a"),
        pl.when(pl.int_range(pl.len()) < 2).then(pl.lit(None)).otherwise("kind").alias("kind"),
    )
    bench.serve(swapped)
    found = check(bench.project, bench.workspace)
    (skewed,) = found.skewed
    assert (skewed.column, skewed.rows, skewed.differing) == ("a", ROWS, 60)
    assert found.words.startswith(
        "Skew: a was served otherwise than the pipeline makes it in 15.0% of 400 rows (served "
    )
    (opened,) = found.opened
    incident = bench.workspace.ledger.incidents.get(opened)
    assert (incident.kind, [suspect.name for suspect in incident.suspects]) == ("data quality", ["a"])
    assert check(bench.project, bench.workspace).opened == (), "it is told by the open incident"


def test_what_differs_is_one_incident_until_a_comparison_finds_nothing(bench: Bench) -> None:
    rows = customers(bench)
    opened = set()
    for _ in range(2):
        bench.serve(rows.with_columns(pl.col("a") / 100))
        opened |= set(check(bench.project, bench.workspace).opened)
        for seed in range(4):  # nobody compares, and windows show nothing of it
            bench.serve(customers(bench, seed))
        bench.watch()
    (number,) = opened
    assert bench.workspace.ledger.incidents.get(number).status == "open"
    for seed in range(6):
        bench.serve(customers(bench, seed))
    assert check(bench.project, bench.workspace).skewed == ()
    assert bench.workspace.ledger.incidents.get(number).status == "closed"


def test_the_row_of_the_time_of_the_prediction_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    times = [NOON - timedelta(days=2), NOON + timedelta(days=2)]
    table = pl.concat(
        [
            world(800, seed=seed).with_columns(t=pl.lit(moment).dt.replace_time_zone(None), a=pl.col("a") + seed)
            for seed, moment in enumerate(times)
        ]
    )
    table.write_parquet(bench.root / "world.parquet")
    text = (bench.root / "mainspring.toml").read_text()
    (bench.root / "mainspring.toml").write_text(
        text.replace('[columns.t]\ntype = "integer"', '[columns.t]\ntype = "datetime"')
    )
    bench.serve(table.head(300).drop("t"))
    found = check(type(bench.project)(bench.root), bench.workspace)
    assert (found.rows, found.skewed) == (300, ())
    bench.close()


def test_what_cannot_be_matched_says_why(bench: Bench) -> None:
    assert check(bench.project, bench.workspace).words == "Skew was not checked: nothing was answered yet."
    bench.serve(world(50).with_columns(who=pl.lit("stranger")))
    note = "none of the served who values is in the pipeline's table"
    assert check(bench.project, bench.workspace).note == note
    ids = bench.serve(customers(bench))
    table = bench.table.head(ROWS).with_columns(prediction_id=pl.Series(ids))
    table.write_parquet(bench.root / "world.parquet")
    found = check(bench.project, bench.workspace)
    assert (found.rows, found.by) == (ROWS, "prediction_id")
    assert {one.column for one in found.skewed} >= {"a", "b"}
