"""The quick lane: rows of one turn are scored together, slow models hold nobody up, and there is an end to waiting."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.contract import Contract
from mainspring.package import build
from mainspring.serve.app import App
from mainspring.serve.endpoint import Endpoint
from mainspring.serve.lane import Lane
from mainspring.serve.log.writer import LogWriter
from mainspring.serve.served import Pace, Scored, Served
from mainspring.serve.settings import Limits, Settings
from mainspring.serve.traffic import Deployment, takes
from mainspring.train import fit
from tests.serve import shop
from tests.serve.test_logged import logged

if TYPE_CHECKING:
    from pathlib import Path

ROW = json.dumps(shop.GOOD).encode()


class Asker:
    """A connection that keeps what it is answered."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any], bytes]] = []

    def answer(self, status: int, body: bytes, headers: bytes = b"") -> None:
        self.answers.append((status, json.loads(body), headers))


def served(*, pace: Pace | None = None) -> Served:
    made = Served(shop.bundle(), name="shop", version=1)
    made.warm()
    if pace is not None:
        made.pace = pace
    return made


def lane_of(endpoint: Endpoint) -> Lane:
    return Lane(endpoint, asyncio.get_running_loop(), ThreadPoolExecutor(1))


async def settled(askers: list[Asker], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not all(asker.answers for asker in askers):
        assert time.monotonic() < until
        await asyncio.sleep(0.005)


def test_rows_of_one_turn_are_scored_together() -> None:
    async def run() -> None:
        endpoint = Endpoint(Limits())
        live = served(pace=Pace(1e-5, 1e-6))
        sizes: list[int] = []
        score = live.score

        def counted(matrix: Any) -> Scored:
            sizes.append(len(matrix))
            return score(matrix)

        live.score = counted  # type: ignore[method-assign]
        endpoint.deploy(Deployment(1, live))
        lane = lane_of(endpoint)
        askers = [Asker() for _ in range(100)]
        for place, asker in enumerate(askers):
            body = json.dumps({**shop.GOOD, "spent": float(place)}).encode()
            lane.take(asker, body, time.perf_counter(), "", b"")
        await settled(askers)
        assert sizes == [64, 36]
        predictor = shop.bundle().predictor()
        for place, asker in enumerate(askers):
            ((status, said, _),) = asker.answers
            expected = predictor.predict_row({**shop.GOOD, "spent": float(place)})
            assert expected.scores is not None
            assert status == 200
            assert said["prediction"] == expected.values[0]
            assert said["probabilities"]["yes"] == pytest.approx(expected.scores[0][1], abs=1e-6)
        assert len({asker.answers[0][1]["id"] for asker in askers}) == 100

    asyncio.run(run())


def test_a_slow_model_holds_nobody_up_and_sheds_what_it_cannot_do() -> None:
    async def run() -> None:
        endpoint = Endpoint(Limits(queue=8))
        live = served(pace=Pace(0.2, 0.2))
        score = live.score

        def slowly(matrix: Any) -> Scored:
            time.sleep(0.2)
            return score(matrix)

        live.score = slowly  # type: ignore[method-assign]
        endpoint.deploy(Deployment(1, live))
        lane = lane_of(endpoint)
        first, others = Asker(), [Asker() for _ in range(20)]
        lane.take(first, ROW, time.perf_counter(), "", b"")
        await asyncio.sleep(0.05)
        for asker in others:
            lane.take(asker, ROW, time.perf_counter(), "", b"")
        start = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - start < 0.1, "the loop was held up"
        await settled([first, *others])
        refused = [asker for asker in others if asker.answers[0][0] == 503]
        assert len(refused) == 12
        assert b"retry-after: 1\r\n" in refused[0].answers[0][2]
        assert first.answers[0][0] == 200

    asyncio.run(run())


def test_a_model_that_fails_is_a_500_for_each_who_asked_and_no_more() -> None:
    async def run() -> None:
        endpoint = Endpoint(Limits())
        live = served(pace=Pace(1e-5, 1e-6))
        score = live.score

        def failing(matrix: Any) -> Scored:
            raise MemoryError("as a library may")

        live.score = failing  # type: ignore[method-assign]
        endpoint.deploy(Deployment(1, live))
        lane = lane_of(endpoint)
        askers = [Asker() for _ in range(3)]
        for asker in askers:
            lane.take(asker, ROW, time.perf_counter(), "", b"")
        await settled(askers)
        assert {asker.answers[0][0] for asker in askers} == {500}
        live.score = score  # type: ignore[method-assign]
        again = Asker()
        lane.take(again, ROW, time.perf_counter(), "", b"")
        await settled([again])
        assert again.answers[0][0] == 200

    asyncio.run(run())


def test_who_was_asked_before_a_swap_answers_and_the_next_is_asked_after() -> None:
    async def run() -> None:
        endpoint = Endpoint(Limits())
        other = Served(shop.bundle("linear", 3), name="shop", version=2)
        other.warm()
        endpoint.deploy(Deployment(1, served()))
        lane = lane_of(endpoint)
        before, after = Asker(), Asker()
        lane.take(before, ROW, time.perf_counter(), "", b"")
        endpoint.deploy(Deployment(2, other))
        lane.take(after, ROW, time.perf_counter(), "", b"")
        await settled([before, after])
        assert [each.answers[0][1]["version"] for each in (before, after)] == [1, 2]

    asyncio.run(run())


def test_while_nothing_is_loaded_clients_are_asked_to_come_again() -> None:
    async def run() -> None:
        asker = Asker()
        lane_of(Endpoint(Limits())).take(asker, ROW, time.perf_counter(), "", b"")
        ((status, said, headers),) = asker.answers
        assert (status, said["error"]) == (503, "The model is being loaded: try again.")
        assert b"retry-after" in headers

    asyncio.run(run())


def strict() -> Served:
    """Version 2: its contract knows no town köln."""
    terms = Contract.parse(shop.CONTRACT.replace('"bo", "ulm", "köln"', '"bo", "ulm"'))
    rows = shop.table().filter(shop.table()["town"] != "köln")
    made = Served(build(fit(rows, terms, kind="linear"), contract=terms, holdout=rows[:50]), name="shop", version=2)
    made.warm()
    return made


def broken() -> Served:
    """Version 2, whose model raises."""
    made = Served(shop.bundle("linear", 3), name="shop", version=2)

    def failing(matrix: Any) -> Scored:
        raise ValueError("as a library may")

    made.score = failing  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize(("canary", "status"), [(strict, 422), (broken, 500)])
@pytest.mark.parametrize("form", ["quick", "plain", "many"])
def test_what_a_canary_refuses_or_fails_is_held_against_it(
    canary: Any, status: int, form: str, workspace: Path
) -> None:
    """Nobody is named, so that the id of the answer decides: it decides once, and is the one in the log."""
    row = {**shop.GOOD, "age": "40"} if form == "plain" else shop.GOOD
    body = json.dumps([row, row] if form == "many" else row).encode()
    askers = [Asker() for _ in range(40)]

    async def run() -> None:
        with LogWriter(workspace / "spool", model="shop", source="here") as log:
            endpoint = Endpoint(Limits(), log=log)
            endpoint.deploy(Deployment(1, served(), canary(), 50.0))
            lane = lane_of(endpoint)
            for asker in askers:
                lane.take(asker, body, time.perf_counter(), "", b"")
            await settled(askers)

    asyncio.run(run())
    answers = [asker.answers[0][0] for asker in askers]
    rows = logged(workspace).to_dicts()
    refused = [each for each in rows if each["status"] == status]
    assert len(refused) == answers.count(status) > 5
    assert len({each["id"].partition(":")[0] for each in rows}) == 40
    for each in rows:
        theirs = takes("shop", 50.0, each["id"].partition(":")[0])
        assert (each["role"], each["version"]) == (("canary", 2) if theirs else ("champion", 1))
        assert each["status"] == (status if theirs else 200)


def test_who_waits_too_long_for_a_slow_model_is_told_and_the_next_is_answered() -> None:
    async def run() -> None:
        endpoint = Endpoint(Limits(timeout=5))
        live = served(pace=Pace(0.2, 0.2))
        score, free = live.score, threading.Event()

        def hanging(matrix: Any) -> Scored:
            assert free.wait(20)
            return score(matrix)

        live.score = hanging  # type: ignore[method-assign]
        endpoint.deploy(Deployment(1, live))
        lane = lane_of(endpoint)
        start = time.perf_counter()
        askers = [Asker() for _ in range(4)]
        lane.take(askers[0], ROW, start - 60, "", b"")
        await asyncio.sleep(0.05)
        for asker, age in zip(askers[1:], (60, 0, 60), strict=True):
            body = json.dumps({**shop.GOOD, "spent": float(age)}).encode()
            lane.take(asker, body, start - age, "", b"")
        lane.tick(time.perf_counter())
        lane.tick(time.perf_counter())
        assert [[status for status, _, _ in asker.answers] for asker in askers] == [[504], [504], [], [504]]
        assert "longer than 5 seconds" in askers[0].answers[0][1]["error"]
        free.set()
        await settled(askers)
        assert [len(asker.answers) for asker in askers] == [1, 1, 1, 1]
        ((status, said, _),) = askers[2].answers
        expected = shop.bundle().predictor().predict_row({**shop.GOOD, "spent": 0.0})
        assert status == 200
        assert expected.scores is not None
        assert said["probabilities"]["yes"] == pytest.approx(expected.scores[0][1], abs=1e-6)
        assert lane.waiting == 0

    asyncio.run(run())


async def invoked(app: App, body: bytes) -> int:
    """The status with which the application answers a POST to /invocations."""
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return int(told[0]["status"])


def app_of(live: Served, limits: Limits) -> App:
    app = App(Settings(model="shop", reference="shop", limits=limits))
    app.start(asyncio.get_running_loop())
    app.endpoint.deploy(Deployment(1, live))
    return app


def test_small_requests_to_a_slow_model_wait_for_it_as_single_rows_do() -> None:
    async def run() -> None:
        live = served(pace=Pace(0.2, 0.2))
        score = live.score

        def slowly(matrix: Any) -> Scored:
            time.sleep(0.005)
            return score(matrix)

        live.score = slowly  # type: ignore[method-assign]
        app = app_of(live, Limits(jobs=2, queue=30))
        body = json.dumps({"instances": [shop.GOOD]}).encode()
        assert await asyncio.gather(*(invoked(app, body) for _ in range(30))) == [200] * 30
        large = json.dumps({"instances": [shop.GOOD], "params": "x" * 70_000}).encode()
        assert sorted(await asyncio.gather(*(invoked(app, large) for _ in range(5)))) == [200, 200, 503, 503, 503]

    asyncio.run(run())


@pytest.mark.parametrize("rows", [64, 70])
def test_more_rows_than_a_few_are_scored_on_the_thread(rows: int) -> None:
    async def run() -> None:
        live = served(pace=Pace(1e-5, 1e-6))
        threads: list[str] = []
        score = live.score

        def watched(matrix: Any) -> Scored:
            threads.append(threading.current_thread().name)
            return score(matrix)

        live.score = watched  # type: ignore[method-assign]
        app = app_of(live, Limits())
        asker, body = Asker(), json.dumps([shop.GOOD] * rows).encode()
        assert len(body) < 64 * 1024
        app.lane.take(asker, body, time.perf_counter(), "", b"")
        await settled([asker])
        assert asker.answers[0][0] == 200
        assert await invoked(app, json.dumps({"instances": [list(shop.GOOD.values())] * rows}).encode()) == 200
        assert [name.startswith("scoring") for name in threads] == [rows > 64] * 2

    asyncio.run(run())


@pytest.mark.parametrize("pace", [Pace(0.0, 0.0), Pace(0.2, 0.2)])
def test_a_model_that_says_too_little_is_an_error_of_each_request(pace: Pace, workspace: Path) -> None:
    """Nobody is answered twice, and nobody waits for ever."""

    async def run() -> None:
        with LogWriter(workspace / "spool", model="shop", source="here") as log:
            endpoint = Endpoint(Limits(), log=log)
            live = served(pace=pace)
            live.score_each = lambda matrix: Scored(["yes"], [[0.5, 0.5]])  # type: ignore[method-assign]
            endpoint.deploy(Deployment(1, live))
            lane, askers = lane_of(endpoint), [Asker() for _ in range(5)]
            for asker in askers:
                lane.take(asker, ROW, time.perf_counter(), "", b"")
            await settled(askers)
            assert [[status for status, _, _ in asker.answers] for asker in askers] == [[500]] * 5

    asyncio.run(run())
    assert logged(workspace)["status"].to_list() == [500] * 5


def test_a_long_turn_of_a_slow_model_is_logged_in_parts(workspace: Path) -> None:
    async def run() -> None:
        with LogWriter(workspace / "spool", model="shop", source="here") as log:
            endpoint = Endpoint(Limits(), log=log)
            endpoint.deploy(Deployment(1, served(pace=Pace(0.2, 0.2))))
            lane, askers = lane_of(endpoint), [Asker() for _ in range(200)]
            for number, asker in enumerate(askers):
                body = json.dumps({**shop.GOOD, "spent": float(number)}).encode()
                lane.take(asker, body, time.perf_counter(), f"r-{number}", b"")
            await settled(askers)

    asyncio.run(run())
    rows = logged(workspace)
    assert rows["request"].to_list() == [f"r-{number}" for number in range(200)]
    assert rows["x.spent"].to_list() == [float(number) for number in range(200)]


def test_refusals_wait_for_the_disk_too_where_answers_do(workspace: Path) -> None:
    async def run() -> None:
        with LogWriter(workspace / "spool", model="shop", source="here", durable=True) as log:
            synced: list[int] = []

            class Watching(Asker):
                def answer(self, status: int, body: bytes, headers: bytes = b"") -> None:
                    synced.append(log.status().synced)
                    super().answer(status, body, headers)

            endpoint = Endpoint(Limits(), log=log)
            nobody, asker = Asker(), Watching()
            lane = lane_of(endpoint)
            lane.take(nobody, ROW, time.perf_counter(), "", b"")
            endpoint.deploy(Deployment(1, served()))
            lane.take(asker, b"{}", time.perf_counter(), "", b"")
            await settled([asker])
            assert (asker.answers[0][0], synced) == (422, [1])
            assert b"lost" not in asker.answers[0][2] + nobody.answers[0][2]

    asyncio.run(run())
