"""What one endpoint may cost, whatever its clients do: memory, connections, a million rows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from mainspring.serve.app import App
from mainspring.serve.served import Served
from mainspring.serve.settings import Limits, Settings
from mainspring.serve.traffic import Deployment
from mainspring.serve.worker import Worker, _config, _Server
from tests.serve import shop
from tests.serve.live import client, serving, until
from tests.serve.test_predict_route import everything, post, raw

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serve.live import Live

MIB = 1024 * 1024


def memory(live: Live) -> float:
    """Resident megabytes of the workers."""
    return float(sum(psutil.Process(pid).memory_info().rss for pid in live.workers()) / MIB)


def test_half_sent_bodies_hold_no_more_than_their_share(workspace: Path) -> None:
    options = ("--no-log", "--max-body", "16", "--timeout", "5")
    with serving("shop", *options, workspace=workspace) as live, client(live) as http:
        http.post("/predict", json=shop.GOOD)
        before = memory(live)
        connections = [raw(live) for _ in range(12)]
        for connection in connections:
            connection.sendall(post(b"").replace(b"length: 0", b"length: 16000000"))
        refused = 0
        for connection in connections:
            connection.settimeout(0.5)
            with contextlib.suppress(OSError):
                for _ in range(15):
                    connection.sendall(b" " * MIB)
            with contextlib.suppress(OSError):
                refused += b"HTTP/1.1 503" in connection.recv(1000)
        assert http.post("/predict", json=shop.GOOD).status_code == 200
        assert memory(live) - before < 200
        assert refused >= 6, "64 MB of bodies are what may be received at once"
        for connection in connections:
            connection.close()
        until(lambda: 'mainspring_receiving_bytes{model="shop"} 0.0' in http.get("/metrics").text)


@pytest.mark.slow
def test_who_does_not_read_answers_is_not_read_either(workspace: Path) -> None:
    with serving("shop", "--no-log", workspace=workspace) as live, client(live) as http:
        before = memory(live)
        request = post(json.dumps(shop.GOOD).encode())
        with raw(live) as connection:
            connection.settimeout(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sent = 0
            try:
                for _ in range(300):
                    connection.sendall(request * 200)
                    sent += 200
            except TimeoutError:
                pass
            assert sent < 60_000, "it read on and on"
            assert memory(live) - before < 60
            assert http.post("/predict", json=shop.GOOD).status_code == 200


@pytest.mark.slow
def test_five_thousand_connections(workspace: Path) -> None:
    with serving("shop", "--no-log", workspace=workspace) as live:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
        if min(hard, 20_000) < 6_000:
            pytest.skip("this system allows too few open files")
        before = memory(live)
        body = post(json.dumps(shop.GOOD).encode())
        connections = [raw(live) for _ in range(5_000)]
        try:
            for _ in range(2):
                for connection in connections:
                    connection.sendall(body)
                for connection in connections:
                    answer = connection.recv(4096)
                    assert answer.startswith(b"HTTP/1.1 200"), answer
            with client(live) as http:
                start = time.perf_counter()
                assert http.get("/health").status_code == 200
                assert time.perf_counter() - start < 1
            assert memory(live) - before < 150
        finally:
            for connection in connections:
                connection.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_a_million_rows_where_they_are_allowed(workspace: Path) -> None:
    options = ("--no-log", "--max-rows", "1000000", "--max-body", "400", "--timeout", "300")
    with serving("shop", *options, workspace=workspace) as live, client(live) as http:
        row = msgspec.json.encode(shop.GOOD)
        body = b"[" + b",".join([row] * 1_000_000) + b"]"
        with raw(live) as connection:
            connection.settimeout(300)
            start = time.monotonic()
            connection.sendall(post(body, "connection: close"))
            waits = []
            connection.settimeout(0.2)
            answer = b""
            while not answer:  # meanwhile others are answered
                before = time.perf_counter()
                assert http.post("/predict", json=shop.GOOD).status_code == 200
                waits.append(time.perf_counter() - before)
                try:
                    answer = connection.recv(1 << 20)
                except TimeoutError:
                    assert time.monotonic() - start < 200
            connection.settimeout(60)
            answer += everything(connection)
        said = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert said["rows"] == 1_000_000
        assert len(said["predictions"]) == 1_000_000
        assert memory(live) < 4_000
        assert max(waits) < 10


@pytest.mark.slow
def test_ten_thousand_requests_over_swaps(workspace: Path) -> None:
    from mainspring.registry import Registry
    from mainspring.workspace import Workspace
    from tests.serve.load import asking

    with serving("shop", "--workers", "2", workspace=workspace) as live, Workspace.open(workspace) as place:
        with asking(live, shop.GOOD, clients=8) as load:
            for turn in range(6):
                Registry(place).promote("shop", 2 if turn % 2 == 0 else 1, override="for the test")
                count = turn + 1
                until(lambda count=count: len(live.events("swapped")) >= count, 20)  # type: ignore[misc]
            time.sleep(1)
        assert load.failed == []
        assert load.total >= 10_000
        assert {status for status, _ in load.said()} == {200}
        took = [event["seconds"] for event in live.events("swapped")]
        assert len(took) == 6


def test_who_never_takes_the_answers_is_cut_off_in_the_end() -> None:
    async def run() -> None:
        limits = Limits(keep_alive=0.3, timeout=0.3)
        app = App(Settings(model="shop", reference="shop", limits=limits))
        app.start(asyncio.get_running_loop())
        app.endpoint.deploy(Deployment(1, Served(shop.bundle(), name="shop", version=1)))
        server = _Server(_config(app))
        app.connections = server.server_state.connections
        listening = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(listening.getsockname())
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(200):
                connection.send(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 200)
                await asyncio.sleep(0)
        start = time.monotonic()
        while app.connections and time.monotonic() - start < 10:
            await asyncio.sleep(0.1)
            app.tick()
        held = len(app.connections)
        connection.close()
        server.should_exit = True
        await serving
        assert held == 0, "the connection is held for ever"

    asyncio.run(run())


def test_what_is_due_once_a_second_goes_on_after_a_failure(tmp_path: Path) -> None:
    async def run() -> None:
        settings = Settings(model="shop", reference="shop", shelf=str(tmp_path))
        with socket.socket() as unused:
            worker = Worker(settings, unused, iter(()))
            turns: list[int] = []

            def failing() -> None:
                turns.append(len(turns))
                raise RuntimeError("dictionary changed size during iteration")

            worker._app.start(asyncio.get_running_loop())
            worker._app.tick = failing  # type: ignore[method-assign]
            ticking = asyncio.create_task(worker._tick())
            await asyncio.sleep(2.3)
            assert turns == [0, 1]
            assert list(tmp_path.glob("*.tally"))
            ticking.cancel()

    asyncio.run(run())
