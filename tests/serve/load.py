"""Clients that keep asking while something happens, and remember every answer."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.live import Live


@dataclass
class Load:
    """What came back: answers by (status, what they say), and requests that got none."""

    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    ids: list[tuple[str, float]] = field(default_factory=list)  # of what was answered, and when
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    def said(self) -> list[tuple[int, dict[str, Any]]]:
        """Each distinct answer, without its id."""
        return [(status, json.loads(body)) for status, body in self.answers]


def _ask(live: Live, body: bytes, load: Load, stop: threading.Event) -> None:
    request = (
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    mine: Counter[tuple[int, str]] = Counter()
    failed: list[str] = []
    ids: list[tuple[str, float]] = []
    connection = socket.create_connection(("127.0.0.1", live.port), timeout=20)
    rest = b""
    while not stop.is_set():
        try:
            connection.sendall(request)
            while b"\r\n\r\n" not in rest:
                part = connection.recv(65536)
                if not part:
                    raise ConnectionError("closed")
                rest += part
            head, _, rest = rest.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(rest) < length:
                rest += connection.recv(65536)
            said, rest = rest[:length], rest[length:]
            answer = json.loads(said)
            ids.append((answer.pop("id", ""), time.monotonic()))
            mine[(int(head[9:12]), json.dumps(answer, sort_keys=True))] += 1
        except (OSError, ValueError, IndexError) as error:
            if not stop.is_set():
                failed.append(repr(error))
                break
    connection.close()
    with load.guard:
        load.answers.update(mine)
        load.failed += failed
        load.ids += ids


@contextmanager
def asking(live: Live, row: dict[str, Any], *, clients: int = 4) -> Iterator[Load]:
    """Ask about *row* all the time, by so many *clients*; when the block ends, the load is complete."""
    load, stop = Load(), threading.Event()
    body = json.dumps(row).encode()
    threads = [threading.Thread(target=_ask, args=(live, body, load, stop)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
