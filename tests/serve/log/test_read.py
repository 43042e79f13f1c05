"""The log reads back what was asked, of the time that was asked for, and nothing that was damaged."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mainspring.core.errors import StoreError
from mainspring.serve import labels
from mainspring.serve.log import compact as module
from mainspring.serve.log import read, segment
from mainspring.serve.log.compact import compact
from mainspring.serve.log.read import PredictionLog
from mainspring.serve.log.schema import Feature, Schema
from tests.serve.log.workbench import MODEL, NOON, logged, made_id, prediction, spool

if TYPE_CHECKING:
    from mainspring.workspace import Workspace

MINUTE = timedelta(minutes=1)


@pytest.fixture
def log(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> PredictionLog:
    """300 predictions, one a minute, of two processes, in many small segments."""
    monkeypatch.setattr(segment, "ROWS", 20)
    for source in range(2):
        rows = [prediction(number, NOON + number * MINUTE) for number in range(source, 300, 2)]
        spool(workspace, rows, source=f"w{source}")
    compact(workspace, MODEL)
    return PredictionLog(workspace, MODEL)


def numbers(rows: pl.LazyFrame) -> list[int]:
    found = rows.select("request").collect(engine="streaming")["request"].to_list()
    return sorted(int(each[2:]) for each in found)


def test_everything(log: PredictionLog, workspace: Workspace) -> None:
    rows = log.scan().collect(engine="streaming").sort("time")
    assert_frame_equal(rows, logged(workspace).sort("time"))
    assert log.count() == 300


@pytest.mark.parametrize(("start", "end"), [(0, 300), (17, 18), (30, 31), (59, 121), (299, 400), (400, 500)])
def test_a_span_of_time_includes_its_start_and_not_its_end(log: PredictionLog, start: int, end: int) -> None:
    since, until = NOON + start * MINUTE, NOON + end * MINUTE
    wanted = [number for number in range(300) if start <= number < end]
    assert numbers(log.scan(since, until)) == wanted
    assert log.count(since, until) == len(wanted)


def test_only_the_files_of_the_time_asked_for_are_touched(log: PredictionLog, workspace: Workspace) -> None:
    found = log.segments(NOON + 65 * MINUTE, NOON + 70 * MINUTE)
    assert 0 < len(found) < 5
    for each in workspace.ledger.segments.search(model=MODEL):
        if each.id not in {one.id for one in found}:
            workspace.store.delete(each.digest)
    assert numbers(log.scan(NOON + 65 * MINUTE, NOON + 70 * MINUTE)) == list(range(65, 70))


def test_columns_and_roles(workspace: Workspace) -> None:
    one = made_id(NOON)
    spool(workspace, [prediction(1, NOON, id=one), prediction(1, NOON, id=one, role="shadow", version=1)])
    compact(workspace, MODEL)
    log = PredictionLog(workspace, MODEL)
    assert log.scan(columns=["x.age", "id"], roles=["shadow"]).collect().to_dict(as_series=False) == {
        "x.age": [21],
        "id": [one],
    }
    assert log.scan(roles=read.ANSWERED).collect()["role"].to_list() == ["champion"]


def test_a_model_without_a_log_reads_as_empty(workspace: Workspace) -> None:
    log = PredictionLog(workspace, "nobody")
    assert log.scan().collect().height == 0
    assert log.count() == 0
    assert log.labels().collect().height == 0
    assert log.labelled().collect(engine="streaming").height == 0
    assert labels.count(workspace, "nobody").predictions == 0


def test_a_damaged_segment_is_named_and_never_read(log: PredictionLog, workspace: Workspace) -> None:
    log.scan().collect()
    each = log.segments()[3]
    path = workspace.store.lies_at(each.digest)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=f"{each.digest[2:]} is damaged"):
        log.scan()
    path.unlink()
    with pytest.raises(LookupError, match=each.digest):
        log.scan()


def test_versions_of_different_types_read_as_one(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 1)
    spool(workspace, [prediction(1, NOON)])
    compact(workspace, MODEL)
    assert not PredictionLog(workspace, MODEL).shape.mixed
    other = Schema(version=2, features=(Feature("age", "number"), Feature("town", "boolean"), Feature("new", "text")))
    spool(workspace, [prediction(2, NOON, version=2, features=[30.5, True, "n"], prediction=7.5, scores=None)], other)
    compact(workspace, MODEL)
    log = PredictionLog(workspace, MODEL)
    assert log.shape.mixed
    rows = log.scan().collect(engine="streaming").sort("request")
    assert rows["x.age"].to_list() == [21.0, 30.5]
    assert rows["x.town"].to_list() == ["ulm", "true"]
    assert rows["x.new"].to_list() == [None, "n"]
    assert rows["prediction"].to_list() == ["yes", "7.5"]


def test_labels_join_by_id_in_the_type_of_predictions(log: PredictionLog, workspace: Workspace) -> None:
    ids = dict(log.scan(columns=["request", "id"]).collect().iter_rows())
    given = pl.DataFrame({"id": [ids[f"r-{number}"] for number in range(0, 300, 3)], "label": ["yes"] * 100})
    labels.add(workspace, MODEL, given.sample(fraction=1, shuffle=True, seed=1), source="test")
    rows = log.labelled().collect(engine="streaming")
    assert rows.columns == [*log.shape.columns, "label", "received"]
    assert sorted(rows["request"]) == sorted(f"r-{number}" for number in range(0, 300, 3))
    assert rows["received"].unique().to_list() == [NOON]
    some = log.labelled(NOON + 60 * MINUTE, NOON + 90 * MINUTE, ["request", "prediction"], unlabelled=True).collect()
    assert some.columns == ["request", "prediction", "label", "received"]
    assert some.height == 30
    assert some["label"].count() == 10
    chosen = log.labelled().filter(pl.col("request") == "r-33").select("label", "request").head(1)
    assert chosen.collect(engine="streaming").rows() == [("yes", "r-33")]
    assert log.labelled().head(7).collect(engine="streaming").height == 7


def test_labels_by_entity_of_an_earlier_time_are_no_matter(log: PredictionLog, workspace: Workspace) -> None:
    """One request with labels of all sorts: those by entity lie in a segment that reaches into the time asked for."""
    ids = dict(log.scan(columns=["request", "id"]).collect().iter_rows())
    given = [{"id": ids["r-290"], "label": "yes"}, {"entity": "c-3", "time": NOON + 4 * MINUTE, "label": "no"}]
    labels.add(workspace, MODEL, given, source="test")
    assert log.labelled(since=NOON + 250 * MINUTE).collect()["request"].to_list() == ["r-290"]
    assert sorted(log.labelled().collect()["request"]) == ["r-290", "r-3"]


@pytest.mark.parametrize(
    ("classes", "given", "wanted"),
    [
        ((False, True), ["TRUE", 0, "false"], [True, False, False]),
        ((0, 1), ["1", 0.0, 1], [1, 0, 1]),
        (None, ["1.5", 2, -3.25], [1.5, 2.0, -3.25]),
    ],
)
def test_labels_take_the_type_of_the_model(
    workspace: Workspace, classes: tuple[object, ...] | None, given: list[object], wanted: list[object]
) -> None:
    from mainspring.contract import Contract
    from mainspring.serve.log.schema import schema_of

    task = "regression" if classes is None else "binary"
    contract = Contract.parse(
        f'[project]\nname = "shop"\ntask = "{task}"\ntarget = "t"\n[columns.age]\ntype = "integer"\n'
        '[columns.t]\ntype = "number"\n'
    )
    schema = schema_of(contract, version=1, features=["age"], classes=classes)
    ids = [made_id(NOON + number * MINUTE) for number in range(3)]
    values = [classes[0] if classes else 0.5] * 3
    records = [
        prediction(number, NOON + number * MINUTE, id=each, features=[30], prediction=value, scores=None)
        for number, (each, value) in enumerate(zip(ids, values, strict=True))
    ]
    spool(workspace, records, schema)
    compact(workspace, MODEL)
    labels.add(workspace, MODEL, [{"id": i, "label": v} for i, v in zip(ids, given, strict=True)], source="test")
    rows = PredictionLog(workspace, MODEL).labelled().sort("id").collect()
    assert rows["label"].to_list() == wanted
    assert rows["label"].dtype == rows["prediction"].dtype
