"""Many requests at once on one connection: all are answered in order, and what they cost has a bound."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
import socket
import threading
import time
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.serve import memory
from mainspring.serve.app import App
from mainspring.serve.served import Served
from mainspring.serve.settings import Limits, Settings
from mainspring.serve.traffic import Deployment
from mainspring.serve.worker import _config, _Server
from tests.serve import shop
from tests.serve.test_predict_route import answered, everything, post, raw

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.serve.live import Live

DOCS = b"GET /docs HTTP/1.1\r\nhost: localhost\r\n\r\n"
GOOD = post(json.dumps(shop.GOOD).encode())
LAST = post(json.dumps(shop.GOOD).encode(), "connection: close")
CHUNKED = b"transfer-encoding: chunked"
H2C = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk"
WEBSOCKET = "connection: Upgrade\r\nupgrade: websocket"


@asynccontextmanager
async def running(**limits: Any) -> AsyncIterator[tuple[App, tuple[str, int]]]:
    """An application on a port of this machine, in this process, and its address."""
    app = App(Settings(model="shop", reference="shop", limits=Limits(**limits)))
    app.start(asyncio.get_running_loop())
    app.endpoint.deploy(Deployment(1, Served(shop.bundle(), name="shop", version=1)))
    server = _Server(_config(app))
    app.connections = server.server_state.connections
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield app, listening.getsockname()
    finally:
        server.should_exit = True
        await serving


async def flooded(address: tuple[str, int], requests: bytes) -> socket.socket:
    """A client that sends *requests* until it can no more, and reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(address)
    connection.setblocking(False)
    await asyncio.sleep(0.01)  # so that the first read finds much
    for _ in range(20):
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection.send(requests)
        await asyncio.sleep(0.005)
    return connection


@pytest.mark.parametrize("token", [None, "needed"])
def test_what_waits_on_a_connection_is_a_few_requests_and_goes_with_it(
    caplog: pytest.LogCaptureFixture, token: str | None
) -> None:
    async def run() -> None:
        async with running() as (app, address):
            app.guard._token = None if token is None else b"of another"
            clients = [await flooded(address, DOCS * 5000) for _ in range(5)]
            held = [weakref.ref(each) for each in app.connections]
            assert len(held) == 5
            assert app.held > 100_000, "what is not parsed yet counts"
            assert max(len(each.pipeline) for each in app.connections) <= 4096 // len(DOCS) + 1
            gc.disable()  # a worker's collector hardly ever runs
            try:
                for client in clients:
                    client.close()
                for _ in range(100):
                    await asyncio.sleep(0.01)
                    if not any(each() for each in held):
                        break
                assert not any(each() for each in held), "closed connections are kept"
            finally:
                gc.enable()
            assert app.held == 0

    asyncio.run(run())
    assert not caplog.records, caplog.text


def test_there_is_an_end_to_what_may_wait_unparsed() -> None:
    async def run() -> None:
        async with running(bodies=300_000) as (app, address):
            clients = [await flooded(address, DOCS * 5000) for _ in range(4)]
            assert app.held <= 300_000
            assert app.tally.counts["refused_bodies"] >= 1
            for client in clients:
                client.close()

    asyncio.run(run())


def statuses(live: Live, requests: list[bytes]) -> list[bytes]:
    """The statuses of the answers to *requests*, which are sent at once, and the last of which closes."""
    with raw(live) as connection:
        sending = threading.Thread(target=connection.sendall, args=(b"".join(requests),))
        sending.start()
        answers = everything(connection)
        sending.join(10)
    return re.findall(rb"HTTP/1\.1 (\d+)", answers)


@pytest.mark.parametrize("depth", [1, 16, 300])
def test_all_of_a_pipeline_is_answered_in_order(endpoint: Live, depth: int) -> None:
    lines = post(b"\r\n\r\n" * 200, path="/invocations")
    chunked = post(b"").replace(b"content-length: 0", b"transfer-encoding: chunked") + b"3\r\n{} \r\n0\r\n\r\n"
    wide = post(json.dumps([shop.GOOD] * 300).encode())
    burst: list[tuple[bytes, bytes]] = [
        (GOOD, b"200"),
        (DOCS, b"200"),
        (post(b"{}"), b"422"),
        (lines, b"400"),
        (DOCS.replace(b"/docs", b"/nowhere"), b"404"),
        (chunked, b"422"),
        (wide, b"200"),
    ]
    asked = [burst[place % len(burst)] for place in range(depth)]
    assert statuses(endpoint, [*(sent for sent, _ in asked), LAST]) == [*(status for _, status in asked), b"200"]


@pytest.mark.parametrize("request_", [GOOD, DOCS])
def test_a_pipeline_of_one_kind_is_answered_whole(endpoint: Live, request_: bytes) -> None:
    last = request_.replace(b"host: localhost", b"host: localhost\r\nconnection: close")
    assert statuses(endpoint, [request_] * 2000 + [last]) == [b"200"] * 2001


@pytest.mark.parametrize("wish", [H2C, WEBSOCKET])
@pytest.mark.parametrize("rows", [1, 300])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_wish_for_another_protocol_is_passed_over(endpoint: Live, wish: str, rows: int, *, chunked: bool) -> None:
    body = json.dumps([shop.GOOD] * rows).encode()
    sent = post(body, wish)
    if chunked:
        head = post(body, wish).partition(b"content-length: ")[0] + CHUNKED + b"\r\n" + wish.encode() + b"\r\n\r\n"
        sent = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    look = DOCS[:-2] + wish.encode() + b"\r\n\r\n"
    before = len(endpoint.lines)
    assert statuses(endpoint, [sent, sent, look, GOOD, look, sent, LAST]) == [b"200"] * 7
    with raw(endpoint) as connection:
        step = len(sent) // 7
        for begin in range(0, len(sent), step):
            connection.sendall(sent[begin : begin + step])
            time.sleep(0.01)
        assert answered(connection).startswith(b"HTTP/1.1 200")
    assert endpoint.lines[before:] == []


def test_this_is_no_proxy(endpoint: Live) -> None:
    with raw(endpoint) as connection:
        connection.sendall(b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\nhello")
        assert everything(connection).startswith(b"HTTP/1.1 501")


def test_when_a_crowd_is_gone_what_it_took_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(memory, "give_back", lambda: given.append(1))

    async def run() -> None:
        async with running() as (app, address):
            for crowd, times in ((10, 0), (0, 0), (80, 0), (50, 0), (20, 1), (20, 1), (0, 1)):
                clients = [await asyncio.open_connection(*address) for _ in range(crowd)]
                await asyncio.sleep(0.05)
                app.tick()
                await asyncio.sleep(0.02)
                assert len(given) == times, crowd
                for _, writer in clients:
                    writer.close()
                await asyncio.sleep(0.05)

    asyncio.run(run())
