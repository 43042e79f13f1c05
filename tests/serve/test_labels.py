"""Labels that are late, doubled, corrected or about nothing, each handled and counted."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import InputError
from mainspring.serve import labels
from mainspring.serve.labels import LabelCounts
from mainspring.serve.log import merge, segment, truth
from mainspring.serve.log.compact import compact
from mainspring.serve.log.read import PredictionLog
from mainspring.serve.log.schema import Feature, Schema
from mainspring.workspace import Workspace
from tests.serve.log.workbench import MODEL, NOON, made_id, prediction, run_killed, spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON + DAY)


@pytest.fixture
def workspace(tmp_path: Path, clock: SimulatedClock) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "workspace", actor="tester", clock=clock) as opened:
        yield opened


@pytest.fixture
def ids(workspace: Workspace) -> list[str]:
    """The ids of ten logged predictions, one a minute, each of an entity of its own."""
    made = [made_id(NOON + number * MINUTE) for number in range(10)]
    spool(workspace, [prediction(number, NOON + number * MINUTE, id=each) for number, each in enumerate(made)])
    compact(workspace, MODEL)
    return made


def add(workspace: Workspace, rows: list[dict[str, Any]], **given: Any) -> LabelCounts:
    return labels.add(workspace, MODEL, rows, source="test", **given)


def truths(workspace: Workspace) -> dict[str, Any]:
    rows = PredictionLog(workspace, MODEL).labelled(columns=["request"]).collect(engine="streaming")
    assert rows["request"].n_unique() == rows.height
    return dict(rows.select("request", "label").iter_rows())


def test_new_duplicate_corrected_unknown_and_empty(workspace: Workspace, ids: list[str], clock: SimulatedClock) -> None:
    never = made_id(NOON)
    rows: list[dict[str, Any]] = [
        {"id": ids[0], "label": "yes"},
        {"id": ids[1], "label": "no"},
        {"id": ids[0], "label": "yes"},
        {"id": never, "label": "no"},
        {"id": "order-7", "label": "no"},
        {"id": ids[2], "label": None},
        {"id": ids[3], "label": ""},
    ]
    assert add(workspace, rows) == LabelCounts(rows=7, new=4, duplicate=1, unknown=2, empty=2)
    assert truths(workspace) == {"r-0": "yes", "r-1": "no"}
    assert add(workspace, rows) == LabelCounts(rows=7, duplicate=5, empty=2)
    clock.advance(MINUTE)
    assert add(workspace, [{"id": ids[0], "label": "no"}]) == LabelCounts(rows=1, corrected=1)
    assert add(workspace, [{"id": ids[0], "label": "yes"}, {"id": ids[0], "label": "no"}]) == LabelCounts(
        rows=2, corrected=2
    )
    assert truths(workspace) == {"r-0": "no", "r-1": "no"}
    totals = labels.count(workspace, MODEL)
    assert totals.taken == LabelCounts(rows=17, new=4, duplicate=6, corrected=3, unknown=2, empty=4)
    assert (totals.predictions, totals.labelled, totals.orphans) == (10, 2, 2)


def test_a_label_may_come_before_its_prediction_is_in_the_log(workspace: Workspace) -> None:
    one = made_id(NOON)
    assert add(workspace, [{"id": one, "label": "yes"}]).unknown == 1
    spool(workspace, [prediction(0, NOON, id=one)])
    compact(workspace, MODEL)
    assert truths(workspace) == {"r-0": "yes"}
    assert labels.count(workspace, MODEL).orphans == 0


def test_the_last_label_counts_also_when_the_clock_is_set_back(tmp_path: Path) -> None:
    one = made_id(NOON)
    for days, label in ((2, "yes"), (1, "no")):
        with Workspace.open(tmp_path / "w", actor="tester", clock=SimulatedClock(NOON + days * DAY)) as place:
            if days == 2:
                spool(place, [prediction(0, NOON, id=one)])
                compact(place, MODEL)
            add(place, [{"id": one, "label": label}])
            merge.small_ones(place, MODEL, everything=True)
            assert truths(place) == {"r-0": label}


def test_late_labels_are_counted(workspace: Workspace, ids: list[str]) -> None:
    rows = [{"id": each, "label": "yes"} for each in ids]
    waited = DAY - timedelta(minutes=4, seconds=30)
    assert add(workspace, rows, expected_within=waited) == LabelCounts(rows=10, new=10, late=5)


def test_by_entity_the_latest_prediction_at_or_before_counts(workspace: Workspace) -> None:
    moments = [NOON, NOON + 10 * MINUTE, NOON + 3 * 60 * MINUTE]
    spool(workspace, [prediction(number, moment, entity="ann") for number, moment in enumerate(moments)])
    spool(
        workspace, [prediction(7, NOON + 20 * MINUTE, entity="ann", role="shadow"), prediction(8, NOON, entity="bob")]
    )
    compact(workspace, MODEL)
    rows: list[dict[str, Any]] = [
        {"entity": "ann", "time": NOON + 10 * MINUTE, "label": "yes"},
        {"entity": "ann", "time": (NOON + 9 * MINUTE).isoformat(), "label": "no"},
        {"entity": "ann", "time": "2026-03-01T11:59:59", "label": "no"},
        {"entity": "eve", "time": NOON, "label": "no"},
        {"entity": "bob", "label": "yes"},
    ]
    assert add(workspace, rows) == LabelCounts(rows=5, new=5, unknown=2)
    assert truths(workspace) == {"r-1": "yes", "r-0": "no", "r-8": "yes"}
    assert add(workspace, [rows[1], rows[0] | {"label": "no"}]) == LabelCounts(rows=2, duplicate=1, corrected=1)
    assert truths(workspace) == {"r-1": "no", "r-0": "no", "r-8": "yes"}
    log = PredictionLog(workspace, MODEL)
    assert log.labelled(NOON, NOON + MINUTE, ["request"]).collect()["request"].to_list() == ["r-0", "r-8"]
    near = log.labelled(columns=["request"], tolerance=timedelta(hours=1)).collect()
    assert sorted(near["request"]) == ["r-0", "r-1"], "bob's label is a day after his prediction"


def test_why_a_label_by_entity_belongs_to_nothing(workspace: Workspace, ids: list[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"entity": "c-0", "time": NOON - MINUTE, "label": "yes"},
        {"entity": "c-1", "time": "2020-01-01", "label": "yes"},
        {"entity": "c-2", "time": NOON + 40 * DAY, "label": "yes"},
        {"entity": "eve", "time": NOON, "label": "yes"},
        {"entity": "c-3", "time": NOON + 4 * MINUTE, "label": "yes"},
        {"id": made_id(NOON), "label": "yes"},
    ]
    assert add(workspace, rows) == LabelCounts(rows=6, new=6, unknown=5), "to look is not for nothing"
    totals = labels.count(workspace, MODEL)
    assert (totals.labelled, totals.orphans, totals.early, totals.stale) == (1, 5, 2, 1)
    again = [row | {"label": "no"} for row in rows]
    assert add(workspace, again, explain=True) == LabelCounts(rows=6, corrected=6, unknown=5, early=2, stale=1)


@pytest.mark.parametrize("day", ["2026-03-01", NOON.date(), "20260301"])
def test_a_date_is_the_end_of_its_day(workspace: Workspace, ids: list[str], day: Any) -> None:
    assert add(workspace, [{"entity": "c-3", "time": day, "label": "yes"}]).unknown == 0
    assert truths(workspace) == {"r-3": "yes"}
    before = {"entity": "c-4", "time": "2026-02-28", "label": "yes"}
    assert add(workspace, [before], explain=True).early == 1


def test_labels_of_what_was_not_answered_are_told_apart(workspace: Workspace, clock: SimulatedClock) -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"prediction": None, "scores": None, "status": 422},
        {"role": "shadow"},
        {},
    ]
    made = [made_id(NOON) for _ in kinds]
    spool(workspace, [prediction(place, NOON, id=made[place], **given) for place, given in enumerate(kinds)])
    compact(workspace, MODEL)
    rows = [{"id": each, "label": "yes"} for each in [*made[:3], made_id(NOON)]]
    assert add(workspace, rows) == LabelCounts(rows=4, new=4, unknown=1, unanswered=2)
    totals = labels.count(workspace, MODEL)
    assert (totals.predictions, totals.labelled, totals.orphans, totals.unanswered) == (2, 1, 1, 2)
    assert totals.taken.new == totals.labelled + totals.orphans + totals.unanswered


def test_what_says_otherwise_whom_it_is_about_corrects_all_the_same(
    workspace: Workspace, ids: list[str], clock: SimulatedClock
) -> None:
    by_id = {"id": ids[3], "label": "yes"}
    by_entity = {"entity": "c-3", "time": NOON + 5 * MINUTE, "label": "no"}
    later = by_entity | {"time": NOON + 9 * MINUTE}
    steps: list[tuple[dict[str, Any], LabelCounts]] = [
        (by_id, LabelCounts(rows=1, new=1)),
        (by_entity, LabelCounts(rows=1, corrected=1)),
        (by_entity, LabelCounts(rows=1, duplicate=1)),
        (later, LabelCounts(rows=1, duplicate=1)),
        (by_id | {"label": "maybe"}, LabelCounts(rows=1, corrected=1)),
        (later | {"label": "yes"}, LabelCounts(rows=1, corrected=1)),
    ]
    for row, count in steps:
        assert add(workspace, [row]) == count, row
        clock.advance(MINUTE)
    assert truths(workspace) == {"r-3": "yes"}
    by_id, by_entity = {"id": ids[5], "label": "no"}, {"entity": "c-5", "time": NOON + 5 * MINUTE, "label": "no"}
    both: list[dict[str, Any]] = [by_entity, by_id]
    assert add(workspace, both) == LabelCounts(rows=2, new=1, duplicate=1)
    totals = labels.count(workspace, MODEL)
    assert (totals.taken.new, totals.labelled, totals.orphans, totals.unanswered) == (2, 2, 0, 0)


def test_a_label_that_says_the_same_by_entity_is_kept_for_a_prediction_that_comes_late(
    workspace: Workspace, ids: list[str]
) -> None:
    add(workspace, [{"id": ids[3], "label": "yes"}])
    assert add(workspace, [{"entity": "c-3", "time": NOON + DAY, "label": "yes"}]).duplicate == 1
    spool(workspace, [prediction(77, NOON + 2 * MINUTE * 60, entity="c-3")], source="late")
    compact(workspace, MODEL)
    assert truths(workspace) == {"r-3": "yes", "r-77": "yes"}


def test_counts_that_an_older_version_saved_are_read(workspace: Workspace, ids: list[str]) -> None:
    add(workspace, [{"id": ids[0], "label": "yes"}])
    states = workspace.ledger.states
    state = states.get(labels.STATE, MODEL)
    assert state is not None
    state.value["taken"].pop("unanswered")
    states.put(labels.STATE, MODEL, state.value)
    assert add(workspace, [{"id": ids[1], "label": "yes"}]).new == 1
    assert labels.count(workspace, MODEL).taken == LabelCounts(rows=2, new=2)


@pytest.mark.parametrize("seed", range(6))
def test_the_join_by_entity_is_that_of_a_plain_loop(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(segment, "ROWS", 7)
    monkeypatch.setattr(truth, "BLOCK", 30)
    draw = random.Random(seed)
    seconds = sorted(draw.sample(range(6 * 3600), 120))
    made = [(f"e-{draw.randint(0, 8)}", NOON + timedelta(seconds=each), number) for number, each in enumerate(seconds)]
    for source in range(3):
        its = [prediction(number, at, entity=entity) for entity, at, number in made if number % 3 == source]
        spool(workspace, its, source=f"w{source}")
    compact(workspace, MODEL)
    given = {
        (f"e-{draw.randint(0, 9)}", NOON + timedelta(seconds=draw.randint(-600, 7 * 3600))): draw.choice(["no", "yes"])
        for _ in range(60)
    }
    tolerance = timedelta(minutes=draw.choice([5, 45, 600]))
    counts = add(workspace, [{"entity": e, "time": t, "label": v} for (e, t), v in given.items()], tolerance=tolerance)
    wanted: dict[str, str] = {}
    missing = 0
    for (entity, at), label in sorted(given.items(), key=lambda item: item[0][1]):
        before = [(when, number) for who, when, number in made if who == entity and at - tolerance <= when <= at]
        if before:
            wanted[f"r-{max(before)[1]}"] = label
        else:
            missing += 1
    log = PredictionLog(workspace, MODEL)
    rows = log.labelled(columns=["request"], tolerance=tolerance).collect(engine="streaming")
    assert dict(rows.select("request", "label").iter_rows()) == wanted
    assert counts.unknown == missing


def test_a_personal_entity_is_masked_and_still_found(workspace: Workspace) -> None:
    schema = Schema(version=1, features=(Feature("mail", "text", personal=True),), entity_personal=True)
    spool(workspace, [prediction(0, NOON, entity="ann@x.org", features=["ann@x.org"], scores=None)], schema)
    compact(workspace, MODEL)
    assert add(workspace, [{"entity": "ann@x.org", "time": NOON, "label": "yes"}]).unknown == 0
    assert truths(workspace) == {"r-0": "yes"}
    log = PredictionLog(workspace, MODEL)
    row = log.scan().collect().row(0, named=True)
    assert row["entity"] == row["x.mail"]
    assert log.labels().collect()["entity"].to_list() == [row["entity"]]
    for path in workspace.root.rglob("*"):
        if path.is_file():
            assert b"ann@x.org" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "a", "lable": "yes"}], "Labels need a column label. Did you mean lable"),
        ([{"ident": "a", "label": "yes"}], "Labels need a column id .* or entity .*Known: ident"),
        ([{"id": "a", "label": "yes"}, {"id": None, "label": "no"}], "Row 1 names no prediction"),
        ([{"entity": "a", "time": "noon", "label": "no"}], "Row 0: expected a time in ISO 8601 .* got 'noon'"),
        ([{"entity": "a", "time": "9999-12-31", "label": "no"}], "Row 0: expected a time between 1970 and 2100, got"),
        (["yes"], "Expected a mapping .* in row 0, got 'yes'"),
        (7, "Expected a table"),
    ],
)
def test_what_names_no_prediction_is_refused_and_nothing_taken(workspace: Workspace, rows: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        labels.add(workspace, MODEL, rows, source="test")
    assert PredictionLog(workspace, MODEL).labels().collect().height == 0


@pytest.mark.parametrize(
    ("kind", "label", "message"),
    [
        ("boolean", "maybe", "Row 0: expected true or false as a label, got 'maybe'"),
        ("integer", 1.5, "Row 0: expected a whole number as a label, got 1.5"),
        ("number", "lots", "Row 0: expected a number as a label, got 'lots'"),
    ],
)
def test_a_label_that_cannot_be_is_refused(workspace: Workspace, kind: Any, label: Any, message: str) -> None:
    from mainspring.serve.log import shape

    shape.declare(workspace.ledger, MODEL, Schema(version=1, features=(), label=kind))
    with pytest.raises(InputError, match=message):
        add(workspace, [{"id": made_id(NOON), "label": label}])


KILLED = """
import os, signal, sys
import polars as pl
from mainspring.ledger.sql.segments import SqlSegments
from mainspring.ledger.sql.states import SqlStates
from mainspring.serve import labels
from mainspring.store import Store
from mainspring.workspace import Workspace

where, name, place, root, file = sys.argv[1:]
where = {"store": Store, "segments": SqlSegments, "states": SqlStates}[where]
real = getattr(where, name)

def dying(*arguments, **given):
    if place == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments, **given)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(where, name, dying)
with Workspace.open(root, actor="killed") as workspace:
    labels.add(workspace, "shop", pl.read_parquet(file), source="file")
"""


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(("where", "name"), [("store", "put"), ("segments", "add"), ("states", "put")])
def test_a_kill_takes_all_of_a_table_or_nothing(
    workspace: Workspace, ids: list[str], tmp_path: Path, where: str, name: str, place: str
) -> None:
    file = tmp_path / "labels.parquet"
    given = pl.DataFrame({"id": ids, "label": ["yes"] * 10})
    given.write_parquet(file)
    assert run_killed(KILLED, where, name, place, workspace.root, file) == -9
    assert truths(workspace) == {}
    assert labels.add(workspace, MODEL, given, source="file") == LabelCounts(rows=10, new=10)
    assert len(truths(workspace)) == 10


def test_many_small_deliveries_become_one_segment(workspace: Workspace, ids: list[str]) -> None:
    for place, each in enumerate(ids * 2):
        add(workspace, [{"id": each, "label": "yes" if place < 10 else "no"}])
    assert len(workspace.ledger.segments.search(model=MODEL, kind="labels")) == 20
    assert compact(workspace, MODEL).merged == 20
    assert len(workspace.ledger.segments.search(model=MODEL, kind="labels")) == 1
    assert set(truths(workspace).values()) == {"no"}
    assert add(workspace, [{"id": ids[0], "label": "no"}]).duplicate == 1
