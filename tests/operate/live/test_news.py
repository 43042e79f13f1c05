"""Windows that are judged again, or cannot be: late and partial labels, late rows, merged and damaged segments."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.core.errors import MainspringError, Refused
from mainspring.operate.live import document, judge
from mainspring.operate.live.news import merged
from mainspring.operate.live.windows import LiveWindow
from mainspring.serve import labels
from mainspring.serve.log import merge
from tests.operate.live.bench import HOUR, NOON, ROWS, Bench, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.ledger.ports import Segment

FIRST = LiveWindow(NOON, NOON + HOUR)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def found(bench: Bench, window: LiveWindow = FIRST) -> document.Judged:
    judged = document.judged(bench.workspace.ledger.states, "world", window)
    assert judged is not None
    return judged


def segments(bench: Bench) -> list[Segment]:
    every = bench.workspace.ledger.segments.search(model="world", kind="predictions")
    return sorted(every, key=lambda one: one.start)


def damage(bench: Bench, segment: Segment) -> None:
    path = bench.workspace.store.lies_at(segment.digest)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-9] + b"otherwise")


def test_a_damaged_segment_is_one_incident_and_the_windows_after_it_are_judged(bench: Bench) -> None:
    bench.hours(4)
    damage(bench, segments(bench)[1])
    damage(bench, segments(bench)[2])
    seen = bench.watch()
    assert [(one.rows, bool(one.unread)) for one in seen.judged] == [(ROWS, 0), (0, 1), (0, 1), (ROWS, 0)]
    (opened,) = seen.opened
    assert opened.kind == "service"
    assert opened.summary.startswith("The log of world cannot be judged: ")
    kept = bench.workspace.ledger.incidents.get(opened.id)
    assert [one.text for one in kept.events if one.kind == "closed"] == ["the log is judged again"]
    assert [one.text[:16] for one in kept.events if one.kind == "signal"] == ["2026-03-02 14:00"]
    assert bench.watch().again == ()


def test_windows_wait_where_the_whole_store_is_gone(bench: Bench) -> None:
    bench.hours(1)
    objects = bench.workspace.store.lies_at(segments(bench)[0].digest)
    assert objects is not None
    root = bench.root / ".mainspring"
    (top,) = [one for one in objects.parents if one.parent == root]
    top.rename(bench.root / "unplugged")
    with pytest.raises(MainspringError):
        bench.watch()
    assert document.remembered(bench.workspace.ledger.states, "world").next is None
    (one,) = bench.workspace.ledger.incidents.search(model="world")
    assert one.summary.startswith("The log of world cannot be judged: ")
    (bench.root / "unplugged").rename(top)
    assert [one.rows for one in bench.watch().judged] == [ROWS]
    assert bench.workspace.ledger.incidents.search(model="world", status="open") == ()


def test_damaged_labels_are_said_and_the_rows_are_judged_without_them(bench: Bench) -> None:
    bench.hours(2)
    bench.watch()
    bench.hours(1, seed=200)
    (labelled,) = bench.workspace.ledger.segments.search(model="world", kind="labels")[2:]
    damage(bench, labelled)
    seen = bench.watch()
    assert [(one.rows, one.labelled, one.unread) for one in seen.judged] == [(ROWS, 0, "")]
    assert [one.summary[:38] for one in seen.opened] == ["The log of world cannot be judged: The"]
    bench.at += 5 * HOUR
    bench.hours(1, seed=300)
    assert bench.watch().judged[-1].labelled == ROWS
    assert bench.workspace.ledger.incidents.get(seen.opened[0].id).status == "closed"


def test_labels_by_entity_find_a_window_that_is_long_past(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "RECENT", 2)
    rows = world(ROWS, seed=50).with_columns(pl.format("early{}", pl.int_range(pl.len())).alias("who"))
    bench.serve(rows)
    bench.hours(4)
    bench.watch()
    told = pl.DataFrame({"entity": rows["who"], "label": rows["y"]}).with_columns(time=pl.lit(NOON + 4 * HOUR))
    labels.add(bench.workspace, "world", told, source="test")
    assert [(one.start, one.labelled) for one in bench.watch().again] == [(NOON, ROWS)]


def test_merged_segments_are_no_late_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more='[monitor]\nwindow = "30m"')
    bench.hours(4, span=HOUR / 2, labelled=False)
    assert len(bench.watch().judged) == 4
    assert merge.small_ones(bench.workspace, "world", everything=True) == 4
    assert bench.watch().again == ()
    rows = world(40, seed=8)
    bench.serve(rows, start=NOON, span=HOUR / 2)
    bench.serve(rows, start=NOON, span=HOUR / 2)
    merge.small_ones(bench.workspace, "world", everything=True)
    assert [one.rows for one in bench.watch().again] == [ROWS + 80], "what was never looked at is news, merged or not"
    bench.close()


def test_a_window_is_judged_again_when_its_labels_grew_by_a_tenth_or_are_all_there(bench: Bench) -> None:
    rows = world(ROWS, seed=5)
    ids = bench.serve(rows)
    bench.label(ids[:200], rows[:200])
    assert [one.labelled for one in bench.watch().judged] == [200]
    bench.label(ids[200:210], rows[200:210])
    assert bench.watch().again == ()
    assert (found(bench).labelled, found(bench).waiting) == (200, 10)
    bench.label(ids[210:220], rows[210:220])
    assert [(one.labelled, one.waiting) for one in bench.watch().again] == [(220, 0)]
    bench.label(ids[220:], rows[220:])
    assert [one.labelled for one in bench.watch().again] == [ROWS]


def test_a_delay_in_rows_says_when_labels_are_due(tmp_path: Path) -> None:
    bench = Bench(tmp_path, more="[monitor]\nwindow = 400\nlabel_delay = 800")
    rows = world(400, seed=5)
    ids = bench.serve(rows)
    bench.label(ids[:60], rows[:60])
    (first,) = bench.watch().judged
    bench.hours(1, labelled=False)
    bench.watch()
    bench.label(ids[60:62], rows[60:62])
    bench.watch()
    assert not found(bench, first.window).streamed
    bench.hours(1, seed=300, labelled=False)
    bench.watch()
    bench.label(ids[62:64], rows[62:64])
    assert [one.streamed for one in bench.watch().again] == [True]
    bench.close()


def test_what_has_left_the_log_does_not_change_what_was_found(bench: Bench) -> None:
    kept = []
    for seed in (1, 2):
        rows = world(ROWS, seed=seed)
        kept.append((bench.serve(rows, start=NOON), rows))
        bench.label(kept[-1][0][:300], rows[:300])
    bench.at += HOUR
    (before,) = bench.watch().judged
    assert before.labelled == 600
    bench.workspace.ledger.segments.delete([segments(bench)[0].id])
    for ids, rows in kept:
        bench.label(ids[300:], rows[300:])
    assert bench.watch().again == ()
    after = found(bench)
    assert (after.rows, after.labelled, after.values) == (2 * ROWS, 600, before.values)


def test_a_document_that_somebody_else_wrote_is_not_overwritten(bench: Bench) -> None:
    bench.hours(1)
    bench.watch()
    mine, theirs = found(bench), found(bench)
    document.keep(bench.workspace.ledger.states, "world", theirs)
    with pytest.raises(Refused):
        document.keep(bench.workspace.ledger.states, "world", mine)


def test_two_wrong_labels_break_no_contract_and_ask_for_nothing(tmp_path: Path) -> None:
    must = '[[require]]\nmetric = "accuracy"\nat_least = 0.7\n[monitor]\nwindow = "1h"'
    bench = Bench(tmp_path, more=must)
    bench.hours(1)
    rows = world(ROWS, seed=7, turned=True)
    ids = bench.serve(rows)
    truth = rows.with_row_index().filter(pl.col("a").abs() > 1)
    few = truth["index"][:2].to_list()
    bench.label([ids[place] for place in few], rows[few])
    found = bench.watch()
    assert found.judged[1].labelled == 2
    assert found.judged[1].values["accuracy"] == 0.0
    assert found.opened == ()
    memory = document.remembered(bench.workspace.ledger.states, "world")
    assert [one.triggers for one in memory.asking] == [{}, {}]
    bench.label(ids, rows)
    (opened,) = bench.watch().opened
    assert opened.kind == "performance"
    bench.close()


def test_labels_that_come_in_batches_tell_one_lasting_problem_once(bench: Bench) -> None:
    bench.hours(3)
    turned = [world(ROWS, seed=seed, turned=True) for seed in range(300, 307)]
    kept = [(bench.serve(rows), rows) for rows in turned]
    bench.watch()
    bench.label(*kept[0])
    (opened,) = bench.watch().opened
    for ids, rows in kept[1:4]:
        bench.label(ids, rows)
    bench.hours(5, seed=500, labelled=False)
    assert bench.watch().incidents == (opened.id,), "unlabelled windows do not end it"
    for ids, rows in kept[4:]:
        bench.label(ids, rows)
    assert bench.watch().incidents == (opened.id,)
    assert len(bench.workspace.ledger.incidents.search(model="world")) == 1


def test_spans_are_merged_and_stay_in_order() -> None:
    moments = [NOON + place * HOUR for place in range(6)]
    spans = [(moments[4], moments[5]), (moments[0], moments[2]), (moments[1], moments[1]), (moments[2], moments[3])]
    assert merged(spans) == [(moments[0], moments[3]), (moments[4], moments[5])]


def test_counts_and_documents_are_kept_as_long_as_they_are_of_use(bench: Bench) -> None:
    bench.hours(2, labelled=False)
    first = bench.watch().judged[0]
    bench.at += timedelta(days=40)
    bench.hours(1, labelled=False)
    bench.watch()
    assert found(bench).counts == ""
    assert not bench.workspace.store.has(first.counts)
    merge.keep(bench.workspace, "world", timedelta(days=30))
    bench.hours(1, seed=400, labelled=False)
    bench.watch()
    assert document.judged(bench.workspace.ledger.states, "world", FIRST) is None
    assert found(bench, LiveWindow(bench.at - HOUR, bench.at)).rows == ROWS
