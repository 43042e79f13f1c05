"""Whoever is erased is in no file any more, and nobody else is missed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.serve import labels
from mainspring.serve.log import segment
from mainspring.serve.log.compact import compact, spool_root
from mainspring.serve.log.erase import Erased, erase
from mainspring.serve.log.read import PredictionLog
from mainspring.serve.log.schema import Feature, Schema
from mainspring.serve.log.writer import LogWriter
from tests.serve.log.workbench import MODEL, NOON, SCHEMA, logged, made_id, prediction, spool

if TYPE_CHECKING:
    from mainspring.workspace import Workspace


@pytest.mark.parametrize("personal", [False, True])
def test_one_entity_goes_and_the_others_stay(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *, personal: bool
) -> None:
    monkeypatch.setattr(segment, "ROWS", 4)
    schema = Schema(version=1, features=SCHEMA.features, classes=SCHEMA.classes, entity_personal=personal)
    ids = [made_id(NOON + timedelta(minutes=number)) for number in range(20)]
    rows = [
        prediction(number, NOON + timedelta(minutes=number), id=each, entity=f"person-{min(number % 5, 3)}")
        for number, each in enumerate(ids)
    ]
    spool(workspace, rows, schema)
    compact(workspace, MODEL)
    labels.add(workspace, MODEL, [{"id": each, "label": "yes"} for each in ids], source="test")
    labels.add(
        workspace, MODEL, [{"entity": f"person-{n}", "time": NOON, "label": "no"} for n in (1, 2)], source="test"
    )
    with LogWriter(spool_root(workspace), model=MODEL, source="w", interval=0.01, roll=60) as living:
        living.declare(schema)
        living.append(prediction(20, NOON + timedelta(minutes=20), entity="person-1"))
        living.flush()
        assert erase(workspace, MODEL, "person-1") == Erased(predictions=5, labels=5, segments=10)
        assert erase(workspace, MODEL, "person-1") == Erased(predictions=0, labels=0, segments=0)
    left = logged(workspace)
    assert sorted(left["request"]) == sorted(f"r-{number}" for number in range(20) if number % 5 != 1)
    log = PredictionLog(workspace, MODEL)
    assert log.labels().collect().height == 22 - 5
    assert set(log.labels().collect()["id"].drop_nulls()) == {each for n, each in enumerate(ids) if n % 5 != 1}
    assert log.labelled().collect(engine="streaming").height == 16
    live = {each.digest for each in workspace.ledger.segments.search(model=MODEL)}
    assert set(workspace.store.digests()) == live, "the old bytes are gone"


def test_whoever_was_alone_in_a_file_takes_it_along(workspace: Workspace) -> None:
    spool(workspace, [prediction(0, NOON, entity="ann", features=["x"], scores=None)], Schema(
        version=1, features=(Feature("mail", "text"),)
    ))  # fmt: skip
    compact(workspace, MODEL)
    assert erase(workspace, MODEL, "ann") == Erased(predictions=1, labels=0, segments=1)
    assert workspace.ledger.segments.search(model=MODEL) == ()
    assert list(workspace.store.digests()) == []
