"""An endpoint in this process whose connection can be made bad: the real reading, judging and scoring, over HTTP."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serve.endpoint import Endpoint
from mainspring.serve.openapi import document
from mainspring.serve.problem import Problem
from mainspring.serve.reply import refusal
from mainspring.serve.served import Served
from mainspring.serve.settings import Limits, Settings
from mainspring.serve.traffic import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.package import Bundle

DROP = 0
"""As a status: close the connection without an answer."""
OVER_HTTP_1_1 = "HTTP/1.1"


@dataclass
class Bad:
    """``fault`` says of the nth request (from 1) with which status and headers it is refused, None to answer it."""

    url: str = ""
    token: str | None = None
    fault: Callable[[int], tuple[int, dict[str, str]] | None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    requests: list[tuple[float, str, list[dict[str, Any]]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    guard: Any = field(default_factory=threading.Lock)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the requests that are there at once."""
        with self.guard:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.guard:
                self.at_once -= 1


@contextmanager
def endpoint(bundle: Bundle, *, version: int = 1, most_rows: int = 10_000) -> Iterator[tuple[Bad, Endpoint]]:
    """The endpoint of a bundle, and what its connection does."""
    bad = Bad()
    limits = Limits(rows=most_rows)
    served = Endpoint(limits)
    served.deploy(Deployment(1, Served(bundle, name="demo", version=version)))
    settings = Settings(model="demo", reference="demo", limits=limits)

    handler = _handler(bad, served, settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    bad.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield bad, served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(bad: Bad, served: Endpoint, settings: Settings) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = OVER_HTTP_1_1

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self._lacks_token():
                return
            body = msgspec.json.encode(document(served.live(), settings)) if self.path == "/openapi.json" else b""
            self._answer(200 if body else 404, body)

        def do_POST(self) -> None:
            with bad.counted():
                self._predict()

        def _predict(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = self.headers["x-request-id"]
            with bad.guard:
                bad.requests.append((time.monotonic(), request, msgspec.json.decode(body)))
                number = len(bad.requests)
                fault = bad.fault(number)
            if fault is not None and fault[0] == DROP:
                self.close_connection = True
                return
            if fault is not None:
                self._answer(fault[0], b'{"error":"Not now."}', fault[1])
                return
            if self._lacks_token():
                return
            status, answer = _said(served, body, request)
            bad.after(number)
            self._answer(status, answer)

        def _lacks_token(self) -> bool:
            if bad.token is None or self.headers["authorization"] == f"Bearer {bad.token}":
                return False
            self._answer(401, b'{"error":"A token is needed."}')
            return True

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _said(served: Endpoint, body: bytes, request: str) -> tuple[int, bytes]:
    try:
        asked = served.ask(body, request)
        return 200, served.render(asked, served.score(asked))
    except Problem as problem:
        refused = refusal(problem, "/predict")
        return refused.status, refused.body
