"""The quick lane: rows of one turn are scored together, slow models hold nobody up, and there is an end to waiting."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mainspring.serve.endpoint import Endpoint
from mainspring.serve.lane import Lane
from mainspring.serve.served import Pace, Scored, Served
from mainspring.serve.settings import Limits
from mainspring.serve.traffic import Deployment
from tests.serve import shop

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
