"""Error budgets that burn fast: one incident, though no window is unusual and none breaks the contract for sure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.contract import Requirement
from mainspring.core.clock import SimulatedClock
from mainspring.monitor.service_point import ServicePoint
from mainspring.operate import budget
from mainspring.operate.action import advise
from mainspring.operate.live import document
from mainspring.operate.live.measured import burning_service
from tests.operate.live.bench import HOUR, NOON, ROWS, Bench, world
from tests.operate.worlds import contract

if TYPE_CHECKING:
    from pathlib import Path

AUC = '[[require]]\nmetric = "roc_auc"\nat_least = 0.975\nstages = ["live"]\n{more}\n[monitor]\nwindow = "1h"'
"""By little more than the model of the bench can do."""


@pytest.mark.parametrize(("more", "severity"), [("", "critical"), ('priority = "should"', "warning")])
def test_a_quality_that_is_missed_by_little_is_one_incident(tmp_path: Path, more: str, severity: str) -> None:
    bench = Bench(tmp_path, more=AUC.format(more=more))
    opened = []
    for seed in (100, 101, 103, 101, 100, 102):
        bench.hours(1, seed=seed)
        opened.append([one.id for one in (*bench.watch().opened, *bench.watch().opened)])
    # the last window breaks it for sure: of what is known to be broken that is no news
    assert [len(each) for each in opened] == [0, 1, 0, 0, 0, 0], "one window may be chance; the same is told once"
    port = bench.workspace.ledger.incidents
    (found,) = port.search()
    assert (found.kind, found.severity, found.suspects) == ("performance", severity, ())
    assert port.get(found.id).events[0].text == (
        "Roc_auc at least 0.975 was broken in 2 of the last 2 windows (0.9645 in the last) and uses up its error "
        "budget 100 times as fast as it may."
    )
    assert advise(bench.workspace, bench.project.contract, found).action == "retrain"
    # what a requirement breaks asks for a retrain, as it did: the budget adds nothing to it
    asked = [tuple(one.triggers) for one in document.remembered(bench.workspace.ledger.states, "world").asking]
    assert asked == [("requirement",) if severity == "critical" else ()] * 6
    bench.close()


def test_what_another_signal_has_told_is_joined_and_becomes_as_grave(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more=AUC.format(more="").replace("0.975", "0.9"))
    bench.hours(3)
    for place in range(2):
        rows = world(ROWS, seed=300 + place, turned=True)
        bench.label(bench.serve(rows), rows)
        bench.watch()
        (found,) = bench.workspace.ledger.incidents.search()
        assert found.severity == ("warning", "critical")[place]
    told = [one.text for one in bench.workspace.ledger.incidents.get(found.id).events if one.kind == "signal"]
    assert "error budget" not in told[0]
    assert "roc_auc at least 0.9 was broken in 2 of the last 3 windows" in told[1]
    bench.close()


def test_a_window_with_two_labels_burns_nothing_and_is_shown_as_not_measured(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more=AUC.format(more="").replace("roc_auc", "accuracy").replace("0.975", "0.7"))
    for place in range(4):
        rows = world(ROWS, seed=7 + place, turned=True)
        ids = bench.serve(rows)
        few = rows.with_row_index().filter(pl.col("a").abs() > 1)["index"][:2].to_list()
        bench.label([ids[one] for one in few], rows[few])
    found = bench.watch()
    assert [one.values["accuracy"] for one in found.judged] == [0.0] * 4
    assert found.opened == ()
    now = bench.clock.now()
    (of,) = budget.budgets(bench.project.contract, budget.records(bench.workspace.ledger.states, "world"), now)
    assert (of.health, of.broken, of.unknown) == ("unknown", timedelta(), 4 * HOUR)
    bench.close()


@pytest.mark.parametrize(
    ("metric", "served"), [("latency_p99_ms", {"latency": 60.0}), ("error_rate", {"failed": 60, "status": 503})]
)
def test_a_service_must_that_is_broken_from_the_start_is_told_long_before_its_window_ends(
    tmp_path: Path, metric: str, served: dict[str, Any]
) -> None:
    bound = 20 if metric == "latency_p99_ms" else 0.05
    more = f'[[require]]\nmetric = "{metric}"\nat_most = {bound}\n[monitor]\nwindow = "1d"'
    clock = SimulatedClock(NOON - timedelta(days=1))
    bench = Bench(tmp_path, more=more, clock=clock)
    bench.serve(world(ROWS), **served)
    bench.at += timedelta(minutes=-45)
    found = bench.watch()
    assert found.judged == ()
    (opened,) = found.opened
    assert (opened.kind, opened.severity) == ("service", "critical")
    name = f"{metric} at most {bound:g}"
    told = str(bench.workspace.ledger.incidents.get(opened.id))
    assert f"{name} was broken in 2 of the last 2 windows (" in told
    assert "in the last) and uses up its error budget 100 times as fast as it may" in told
    bench.at += timedelta(minutes=45)
    bench.watch()
    bench.hours(2, seed=40, labelled=False)
    assert bench.watch().incidents == (), "what is over is over"
    assert [one.id for one in bench.workspace.ledger.incidents.search()] == [opened.id]
    bench.close()


def test_what_short_windows_cannot_measure_is_told_by_the_day_whatever_else_they_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more='[[require]]\nmetric = "latency_p99_ms"\nat_most = 20\n[monitor]\nwindow = "1d"')
    bench.serve(world(ROWS, seed=1), failed=ROWS)
    bench.serve(world(100, seed=2), span=11 * HOUR, latency=60.0)
    bench.at -= HOUR
    before = bench.watch()
    assert before.judged == ()
    assert "100.0% of the requests were answered with an error" in before.opened[0].summary
    assert before.incidents == ()
    bench.at += HOUR
    (slow,) = bench.watch().opened
    assert slow.summary.startswith("Latency_p99_ms at most 20 was not kept")
    bench.close()


def test_windows_in_which_nothing_was_answered_use_up_the_budget_of_errors(tmp_path: Path) -> None:
    more = '[[require]]\nmetric = "error_rate"\nat_most = 0.05\n[monitor]\nwindow = "1h"'
    bench = Bench(tmp_path, more=more)
    bench.hours(1, labelled=False)
    bench.serve(world(ROWS), failed=ROWS)
    bench.at += HOUR
    found = bench.watch()
    assert [one.rows for one in found.judged] == [ROWS, 0, 0]
    records = budget.records(bench.workspace.ledger.states, "world")
    assert [[one.result for one in each.verdicts] for each in records] == [["pass"], ["fail"]]
    assert len(bench.workspace.ledger.incidents.search()) == 1
    bench.close()


def slow(requests: int, p50: float, p99: float = 250.0) -> ServicePoint:
    """Five minutes."""
    return ServicePoint(requests=requests, failed=0, refused=0, seconds=300.0, p50=p50, p99=p99)


@pytest.mark.parametrize(
    ("points", "burns"),
    [
        ([slow(95, 20.0)] * 4, False),  # the slowest of 95 is no percentile of theirs
        ([slow(150, 20.0)] * 4, True),
        ([slow(95, 200.0)] * 4, True),  # most of them are slow
        ([slow(95, 200.0)] * 4 + [slow(7, 200.0)] * 3, True),  # too few to say that it is over
        ([slow(95, 200.0)] * 4 + [slow(95, 20.0, 30.0)], False),
    ],
)
def test_a_percentile_takes_a_hundred_requests_and_few_of_them_end_nothing(
    points: list[ServicePoint], burns: bool
) -> None:
    must = Requirement(metric="latency_p99_ms", at_most=100.0)
    found = burning_service(contract(requirements=(must,)), points, NOON)
    assert [one.severity for one in found] == (["critical"] if burns else [])
