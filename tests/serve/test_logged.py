"""What an endpoint answers is in the prediction log once, whatever is killed and wherever the disk fails."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.contract import Contract
from mainspring.operate.live import document
from mainspring.operate.live.service import ServiceWatch
from mainspring.operate.live.windows import GRACE, LiveWindow
from mainspring.registry import Registry
from mainspring.serve.compaction import LATER, LOOK
from mainspring.serve.log.compact import compact
from mainspring.serve.log.read import PredictionLog
from mainspring.serve.log.writer import AGE
from mainspring.workspace import Workspace
from tests.serve import shop
from tests.serve.live import client, serving, until
from tests.serve.load import asking
from tests.serve.log.workbench import made_id
from tests.serve.test_predict_route import everything, post, raw

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


def logged(root: Path) -> pl.DataFrame:
    """The whole log, its spools brought in."""
    with Workspace.open(root) as place:
        compact(place, "shop")
        return PredictionLog(place, "shop").scan().collect(engine="streaming")


def test_every_answer_is_logged_once_with_what_came(workspace: Path) -> None:
    with serving("shop", workspace=workspace) as live, client(live) as http:
        row = {**shop.GOOD, "customer": "c7"}
        one = http.post("/predict", json=row, headers={"x-request-id": "mine"}).json()
        many = http.post("/predict", json=[row, {**row, "height": 900, "mood": "odd", "customer": None}]).json()
        by_form = http.post("/predict", json={**row, "age": "41"}).json()
        frame = http.post("/invocations", json={"instances": [row]})
        refused = http.post("/predict", json={**row, "age": 3})
        assert refused.status_code == 422
    rows = logged(workspace)
    ids = [one["id"], f"{many['id']}:0", f"{many['id']}:1", by_form["id"], frame.headers["x-prediction-id"]]
    answered = {each["id"]: each for each in rows.to_dicts() if each["status"] == 200}
    assert sorted(
        key.removesuffix(":0") if key.startswith(frame.headers["x-prediction-id"]) else key for key in answered
    ) == sorted(ids)
    first = answered[one["id"]]
    assert (first["version"], first["role"], first["prediction"], first["request"]) == (
        1,
        "champion",
        one["prediction"],
        "mine",
    )
    assert first["score.yes"] == one["probabilities"]["yes"]
    assert (first["x.age"], first["x.town"], first["x.member"], first["x.shelf"]) == (40, "köln", True, "2")
    assert first["x.since"].isoformat()[:10] == "2024-05-17"
    assert 0 < first["latency_ms"] < 10_000
    assert answered[by_form["id"]]["x.age"] == 41
    flagged = answered[f"{many['id']}:1"]
    assert flagged["flags"] == "categories:mood,imputed:height"
    assert (flagged["x.height"], flagged["x.mood"]) == (900, "odd")
    for each in (first, flagged):  # nothing that says who somebody is
        assert each["x.email"] not in (None, shop.GOOD["email"])
        assert each["entity"] != "c7"
    assert first["entity"] == answered[f"{many['id']}:0"]["entity"]
    (failed,) = [each for each in rows.to_dicts() if each["status"] == 422]
    assert (failed["prediction"], failed["flags"]) == (None, "minimum:age")
    spools = list((workspace / "spool").rglob("*.spool*"))
    assert spools == []


def test_what_is_turned_away_unread_is_counted_once_and_seen_by_the_watch(workspace: Path) -> None:
    large = post(b"").replace(b"length: 0", b"length: 16000000")
    with serving("shop", "--timeout", "1", workspace=workspace) as live, client(live) as http:
        assert http.post("/predict", json=shop.GOOD).status_code == 200
        connections = [raw(live) for _ in range(12)]
        for connection in connections:
            connection.sendall(large)
        answers = [everything(connection)[:12] for connection in connections]
        assert Counter(answers) == {b"HTTP/1.1 503": 8, b"HTTP/1.1 408": 4}, "64 MB of bodies are received at once"
        for path in ("/predict", "/favicon.ico"):
            with raw(live) as connection:
                connection.sendall(post(b"", path=path).replace(b"length: 0", b"length: 900000000"))
                assert everything(connection).startswith(b"HTTP/1.1 413")
        assert 'mainspring_requests_total{model="shop",route="(none)",status="413"} 2.0' in http.get("/metrics").text
        for connection in connections:
            connection.close()
    with Workspace.open(workspace) as place:
        compact(place, "shop")
        log = PredictionLog(place, "shop")
        unread = log.scan(roles=["unread"]).collect()
        assert Counter({503: 8, 408: 4, 413: 1}) == sum(
            (Counter({one["status"]: int(one["flags"].removeprefix("times:"))}) for one in unread.to_dicts()), Counter()
        )
        assert unread.height < 8
        now = datetime.now(UTC)
        window = LiveWindow(now - timedelta(minutes=5), now + timedelta(seconds=1))
        contract = Contract.from_dict(Registry(place).load("shop").json("contract.json"))
        service, _, said = ServiceWatch(contract, place).look(document.served(place.ledger.states, "shop"), [window])
    (point,) = service.points
    assert (point.requests, point.shed, point.failed, point.refused) == (14, 8, 0, 5)
    assert "57.1% of the requests were turned away, for more was asked than could be answered" in said[0]


def test_durable_answers_survive_kill_9(workspace: Path) -> None:
    with serving("shop", "--durable", workspace=workspace) as live:
        with asking(live, shop.GOOD) as load:
            time.sleep(1.0)
            (worker,) = live.workers()
            os.kill(worker, signal.SIGKILL)
            time.sleep(0.2)
        assert len(load.ids) > 20
        until(lambda: [pid for pid in live.workers() if pid != worker])
    ids = logged(workspace)["id"]
    assert ids.is_unique().all()
    assert {identity for identity, _ in load.ids} <= set(ids)


@pytest.mark.slow
def test_kill_9_loses_at_most_the_last_second(workspace: Path) -> None:
    with serving("shop", workspace=workspace) as live:
        with asking(live, shop.GOOD) as load:
            time.sleep(2.0)
            (worker,) = live.workers()
            killed = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            time.sleep(0.2)
        until(lambda: [pid for pid in live.workers() if pid != worker])
    ids = logged(workspace)["id"]
    assert ids.is_unique().all()
    kept = set(ids)
    lost = [moment for identity, moment in load.ids if identity not in kept]
    assert all(killed - moment < 1.0 for moment in lost)
    assert len(ids) > 0.4 * len(load.ids)


def test_a_log_that_cannot_be_written_fails_no_prediction_and_is_told(workspace: Path) -> None:
    folder = workspace / "spool"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")  # what a disk does that takes nothing
    with serving("shop", workspace=workspace) as live, client(live) as http, Workspace.open(workspace) as place:
        answers = [http.post("/predict", json=shop.GOOD) for _ in range(20)]
        assert {reply.status_code for reply in answers} == {200}

        def incident() -> list[str]:
            found = place.ledger.incidents.search(model="shop", kind="service", status="open")
            return [each.summary for each in found if each.details.get("cause") == "prediction log"]

        (summary,) = until(incident)
        assert "requests are answered all the same" in summary
        until(lambda: "mainspring_log_failed_total" in http.get("/metrics").text)
        folder.unlink()
        until(lambda: not incident())
    assert set(logged(workspace)["id"]) == {reply.json()["id"] for reply in answers}


def test_a_window_is_judged_when_its_last_rows_are_in() -> None:
    """There is time for two compactions beside what is waited for."""
    assert GRACE.total_seconds() >= AGE + LOOK + LATER + 2 * 7


def test_without_a_log(workspace: Path) -> None:
    with serving("shop", "--no-log", workspace=workspace) as live, client(live) as http:
        assert http.post("/predict", json=shop.GOOD).status_code == 200
    assert not (workspace / "spool").exists()


def test_labels_by_http(workspace: Path) -> None:
    old = made_id(datetime.now(UTC) - timedelta(days=3))
    with serving("shop", workspace=workspace) as live, client(live) as http:
        said = [http.post("/predict", json={**shop.GOOD, "customer": f"c{i}"}).json()["id"] for i in range(3)]
        until(lambda: not list((workspace / "spool").rglob("*.open*")), 20)
        taken = http.post("/labels", json=[{"id": said[0], "label": "yes"}, {"id": old, "label": "no"}])
        assert taken.status_code == 200, taken.text
        counts = taken.json()
        assert (counts["rows"], counts["new"], counts["late"]) == (2, 2, 1)
        again = http.post("/labels", json={"labels": [{"id": said[0], "label": "no"}]})
        assert again.json()["corrected"] == 1
        wrong = http.post(
            "/labels", json=[{"id": ["a"], "label": 1}, {"id": 5, "label": {}}, {"entity": 7, "label": 1}]
        )
        assert wrong.status_code == 422
        broken = [(each["row"], each["field"], each["rule"]) for each in wrong.json()["violations"]]
        assert broken == [(0, "id", "type"), (1, "id", "type"), (1, "label", "type")]
        assert wrong.json()["error"].startswith("Row 0: id is not the text that came with the prediction")
        for body, status in (([], 400), ("x", 400), ([3], 400), ([{"label": "yes"}], 422), ([{"id": 3}], 422)):
            reply = http.post("/labels", json=body)
            assert reply.status_code == status, reply.text
            assert reply.json()["error"]
    with Workspace.open(workspace) as place:
        compact(place, "shop")
        joined = PredictionLog(place, "shop").labelled(columns=["id"]).collect(engine="streaming")
    assert joined.select("id", "label").rows() == [(said[0], "no")]
