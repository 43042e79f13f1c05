"""The watch on a real workspace: a log as compaction writes it, labels as they come, incidents in the ledger."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.monitor.stream import LossStream
from mainspring.operate import budget
from mainspring.operate.live import document
from mainspring.registry import Registry
from tests.operate.live.bench import HOUR, NOON, ROWS, Bench, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_quiet_windows_are_judged_once_and_raise_nothing(bench: Bench) -> None:
    bench.hours(6)
    first = bench.watch()
    assert [(one.start, one.rows, one.labelled) for one in first.judged] == [
        (NOON + place * HOUR, ROWS, ROWS) for place in range(6)
    ]
    assert [one.alerts for one in first.judged] == [()] * 6
    assert first.opened == ()
    assert all((one.values["roc_auc"] or 0) > 0.8 for one in first.judged)
    assert bench.workspace.ledger.incidents.search() == ()
    begun = time.perf_counter()
    again = bench.watch()
    assert time.perf_counter() - begun < 0.1
    assert (again.judged, again.again, again.windows) == ((), (), 6)


def test_a_changed_unit_is_one_incident_with_the_column_first(bench: Bench) -> None:
    bench.hours(4)
    for place in range(3):
        rows = world(ROWS, seed=200 + place)
        bench.serve(rows.with_columns(pl.col("a") * 1_000))
    found = bench.watch()
    assert len(found.opened) == 1
    incident = bench.workspace.ledger.incidents.get(found.opened[0].id)
    assert incident.suspects[0].name == "a"
    assert incident.details["changed"] == ["a looks multiplied by 1000, as if the unit had changed"]
    assert incident.details["window"] == "2026-03-02 16:00"
    memory = document.remembered(bench.workspace.ledger.states, "world")
    assert memory.faults is not None
    assert [one["column"] for one in memory.faults["open"]] == ["a"]


def test_a_broken_column_is_one_incident_until_it_is_mended_though_it_does_no_harm_any_more(bench: Bench) -> None:
    bench.hours(4)
    for place in range(6):
        rows = world(ROWS, seed=200 + place)
        broken = rows.with_columns(pl.col("a") / 1_000)
        bench.serve(broken, asked=broken if place == 0 else rows)
        bench.watch()
    (incident,) = bench.workspace.ledger.incidents.search()
    assert (incident.kind, incident.status) == ("performance", "open")
    bench.hours(2, seed=300)
    bench.watch()
    assert bench.workspace.ledger.incidents.get(incident.id).status == "closed"


def test_a_turned_relation_is_seen_when_the_labels_come_and_not_told_twice(bench: Bench) -> None:
    bench.hours(3)
    kept = []
    for place in range(2):
        rows = world(ROWS, seed=300 + place, turned=True)
        kept.append((bench.serve(rows), rows))
    before = bench.watch()
    assert before.opened == ()
    assert [one.labelled for one in before.judged] == [ROWS] * 3 + [0] * 2
    bench.label(*kept[0])
    late = bench.watch()
    assert [(one.start, one.labelled) for one in late.again] == [(NOON + 3 * HOUR, ROWS)]
    (opened,) = late.opened
    assert opened.kind == "performance"
    assert "the relation between the columns and the target has changed" in opened.summary
    bench.label(*kept[1])
    later = bench.watch()
    assert later.opened == ()
    assert later.incidents == (opened.id,)
    events = [event.text for event in bench.workspace.ledger.incidents.get(opened.id).events if event.kind == "signal"]
    assert len(events) == 2
    assert events[1].startswith("2026-03-02 16:00 (late): ")
    assert bench.watch().again == ()


def test_a_model_that_is_well_again_is_not_suspected_for_what_was(bench: Bench) -> None:
    bench.hours(2)
    for place in range(3):
        rows = world(ROWS, seed=300 + place, turned=True)
        bench.label(bench.serve(rows), rows)
    (opened,) = bench.watch().opened
    bench.hours(2, seed=500)
    found = bench.watch()
    assert [one.alerts for one in found.judged] == [(), ()]
    assert found.incidents == ()
    assert bench.workspace.ledger.incidents.get(opened.id).status == "closed"


def test_a_new_champion_begins_with_a_clean_record_and_keeps_it_when_old_labels_come(bench: Bench) -> None:
    bench.hours(1)
    kept = []
    for place in range(2):
        rows = world(ROWS, seed=300 + place, turned=True)
        kept.append((bench.serve(rows), rows))
    bench.label(*kept[0])
    bench.watch()

    def stream() -> tuple[int, bool]:
        memory = document.remembered(bench.workspace.ledger.states, "world")
        return memory.streaming, LossStream.from_dict(memory.stream or {}).raised

    assert stream() == (1, True)
    bench.release(rounds=41)
    Registry(bench.workspace).promote("world", 2)
    bench.hours(1, seed=500)
    assert bench.watch().judged[-1].alerts == ()
    assert stream() == (2, False)
    bench.label(*kept[1])
    assert [one.version for one in bench.watch().again] == [1]
    assert stream() == (2, False)


def test_rows_that_reach_the_log_late_are_counted_into_the_window_of_their_time(bench: Bench) -> None:
    bench.hours(3)
    assert [one.rows for one in bench.watch().judged] == [ROWS] * 3
    bench.serve(world(50, seed=9), start=NOON + HOUR)
    (again,) = bench.watch().again
    assert (again.start, again.rows, again.index) == (NOON + HOUR, ROWS + 50, 1)
    assert bench.watch().again == ()


def test_windows_by_rows_end_with_the_row_that_fills_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more="[monitor]\nwindow = 300")
    bench.hours(3)
    found = bench.watch()
    assert [one.rows for one in found.judged] == [300] * 4
    assert all(first.end == second.start for first, second in zip(found.judged, found.judged[1:], strict=False))
    bench.hours(1, seed=900)
    assert [one.rows for one in bench.watch().judged] == [300]
    bench.close()


def test_latency_errors_and_silence_are_service_incidents_and_requirements(tmp_path: Path) -> None:
    must = '[[require]]\nmetric = "latency_p99_ms"\nat_most = 20\n[monitor]\nwindow = "1h"'
    bench = Bench(tmp_path, more=must)
    bench.hours(10, labelled=False)
    assert bench.watch().opened == ()
    bench.hours(1, latency=60.0, labelled=False)
    found = bench.watch()
    (slow,) = found.opened
    assert (slow.kind, slow.severity) == ("service", "critical")
    assert slow.summary.startswith("Latency p50 is ")
    told = [one.text for one in bench.workspace.ledger.incidents.get(slow.id).events if one.kind == "signal"]
    assert told[0].startswith("2026-03-02 22:00: "), "by the first five minutes and not by the hour"
    assert "latency_p99_ms at most 20 was not kept" in told[-1]
    assert len(found.service) == 12
    records = budget.records(bench.workspace.ledger.states, "world")
    assert [one.verdicts[0].result for one in records] == ["pass"] * 10 + ["fail"]
    bench.hours(2, seed=400, labelled=False)
    assert bench.watch().incidents == (), "two quiet windows close it"
    bench.hours(1, seed=500, failed=40, labelled=False)
    (failing,) = bench.watch().opened
    assert "97.6% of the requests were answered with an error" in failing.summary
    bench.hours(2, seed=600, labelled=False)
    bench.watch()
    bench.at += 2 * HOUR
    silent = bench.watch()
    assert [one.rows for one in silent.judged] == [0, 0]
    assert [one.summary.split(",")[0] for one in silent.opened] == ["No requests came"]
    bench.at += timedelta(days=3)
    assert bench.watch().opened == (), "one stop is one incident however long it lasts"
    bench.hours(1, seed=700, labelled=False)
    back = bench.watch()
    assert (back.opened, back.incidents) == ((), ())
    bench.close()


def test_an_outage_of_the_night_is_told_in_the_night_and_not_again_by_the_day(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more='[monitor]\nwindow = "1d"')
    bench.hours(6, labelled=False)
    bench.watch()
    assert bench.workspace.ledger.incidents.search() == ()
    bench.serve(world(ROWS, seed=3), failed=ROWS)
    (opened,) = bench.watch().opened
    assert "100.0% of the requests were answered with an error" in opened.summary
    bench.hours(4, seed=300, labelled=False)
    assert bench.watch().incidents == ()
    bench.at += timedelta(days=1)
    found = bench.watch()
    assert [one.rows for one in found.judged] == [10 * ROWS]
    assert [one.kind for one in found.opened] == ["service"], "that there is no more traffic"
    bench.close()


def test_a_stop_is_told_though_windows_are_cut_by_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more="[monitor]\nwindow = 1000")
    bench.hours(2, labelled=False)
    assert bench.watch().opened == ()
    bench.at += timedelta(minutes=10)
    stopped = bench.watch()
    assert [one.kind for one in stopped.opened] == ["service"]
    assert stopped.judged == ()
    assert stopped.service[0].startswith("2026-03-02 14:00  no requests came, ")
    assert bench.watch().service == ()
    bench.at += timedelta(hours=5)
    assert bench.watch().incidents == (stopped.opened[0].id,)
    bench.hours(1, seed=200, labelled=False)
    assert bench.watch().incidents == ()
    bench.hours(1, seed=400, labelled=False, failed=60, status=503)
    (shed,) = bench.watch().opened
    assert "of the requests were turned away, for more was asked than could be answered" in shed.summary
    bench.close()


def test_a_person_who_closes_an_incident_is_respected(bench: Bench) -> None:
    bench.hours(3)
    bench.serve(world(ROWS, seed=7).with_columns(pl.lit("mauve").alias("kind")))
    (opened,) = bench.watch().opened
    assert opened.kind == "data quality"
    bench.workspace.ledger.incidents.close(opened.id, text="we know")
    bench.serve(world(ROWS, seed=8).with_columns(pl.lit("mauve").alias("kind")))
    (second,) = bench.watch().opened
    assert second.id != opened.id
    assert [case.id for case in document.remembered(bench.workspace.ledger.states, "world").cases] == [second.id]


def test_two_watches_of_one_log_judge_each_window_once(bench: Bench) -> None:
    bench.hours(2)
    other = Bench(bench.root, clock=bench.clock)
    other.at = bench.at
    seen: list[int] = []

    def meanwhile() -> bool:
        if not seen:
            seen.append(len(other.watch().judged))
        return False

    found = bench.watch(stop=meanwhile)
    assert seen == [2]
    assert found.judged == ()
    assert document.remembered(bench.workspace.ledger.states, "world").index == 1
    other.close()


def test_the_counts_of_a_window_are_made_again_where_they_are_gone(bench: Bench) -> None:
    bench.hours(2, labelled=False)
    rows = world(ROWS, seed=5)
    ids = bench.serve(rows)
    found = bench.watch()
    assert bench.workspace.store.has(found.judged[2].counts)
    bench.workspace.store.delete(found.judged[2].counts)
    bench.label(ids, rows)
    (again,) = bench.watch().again
    assert (again.labelled, again.counts) == (ROWS, found.judged[2].counts)
    assert bench.workspace.store.has(again.counts)


def test_a_window_waits_for_its_grace(bench: Bench) -> None:
    bench.hours(1)
    assert bench.watch(grace=timedelta(hours=2)).judged == ()
    assert len(bench.watch(grace=timedelta(seconds=1)).judged) == 1
