"""A history sent through a real endpoint, row by row over HTTP, with labels that come later."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from mainspring.core.errors import MainspringError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import polars as pl

START_SECONDS = 60.0
STOP_SECONDS = 30.0
CONNECTIONS = 4
LABELS_AT_ONCE = 2_000


class Endpoint:
    """``mainspring serve`` in a process of its own, for the model of the project in a folder."""

    def __init__(self, project: Path, model: str, *options: str) -> None:
        """Start it on a free port of this machine, with further *options* of the command."""
        self._said: list[str] = []
        self._ready = threading.Event()
        self.address = ""
        self.workers: tuple[int, ...] = ()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mainspring", "serve", model, "--port", "0", *options],
            cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Wait until it answers. Raises MainspringError with what it said where it does not."""
        self._ready.wait(START_SECONDS)
        if not self.address:
            self.__exit__()
            raise MainspringError("The endpoint did not start. It said:\n" + "\n".join(self._said[-20:]))
        return self

    def __exit__(self, *_: object) -> None:
        """Let it finish what it has begun, and end it."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)

    def _listen(self) -> None:
        with self._process.stderr or nullcontext(()) as stream:
            for line in stream:
                self._said.append(line.rstrip())
                if not self.address and '"event":"serving"' in line:
                    serving = json.loads(line)
                    self.address, self.workers = str(serving["address"]), tuple(serving["workers"])
                    self._ready.set()
        self._ready.set()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one row: the prediction's id, empty where none came, and the HTTP status (0: none)."""

    id: str
    status: int
    version: int = 0


@dataclass(slots=True)
class Client:
    """Asks an endpoint on a few connections. ``sent``, ``answered`` and ``dropped`` count rows.

    ``renewed``: a kept connection had been closed while it rested, and a request was sent again on a fresh one.
    """

    address: str
    sent: int = 0
    answered: int = 0
    renewed: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    _resting: list[http.client.HTTPConnection] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        while self._resting:
            self._resting.pop().close()

    @property
    def dropped(self) -> int:
        """Rows that got no answer at all, or a server's error."""
        return sum(count for status, count in self.statuses.items() if status == 0 or status >= 500)

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """One request for each of *rows*; the answers in their order."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = list(pool.map(self._predict, rows, chunksize=32))
        self.sent += len(answers)
        for answer in answers:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            self.answered += answer.status == 200
        return answers

    def label(self, labels: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Send labels, each with ``id`` and ``label``. Gives what became of them."""
        every = list(labels)
        total: dict[str, int] = {}
        for begin in range(0, len(every), LABELS_AT_ONCE):
            status, body = self._post("/labels", {"labels": every[begin : begin + LABELS_AT_ONCE]})
            if status != 200:
                raise MainspringError(f"The endpoint refused labels with status {status}: {body}")
            for name, count in body.items():
                if isinstance(count, int):
                    total[name] = total.get(name, 0) + count
        return total

    def _predict(self, row: Mapping[str, Any]) -> Answer:
        status, body = self._post("/predict", row)
        return Answer(str(body.get("id", "")), status, int(body.get("version", 0)))

    def _post(self, route: str, body: Any) -> tuple[int, dict[str, Any]]:
        content = json.dumps(body, default=str).encode()
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request("POST", route, content, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.renewed += 1
                if attempt == 2:
                    return 0, {}
                continue
            self._resting.append(connection)
            return answer.status, json.loads(text) if text else {}
        return 0, {}

    def _connection(self) -> http.client.HTTPConnection:
        try:
            return self._resting.pop()  # of a list, which threads may share
        except IndexError:
            place = urlsplit(self.address)
            return http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=60)


def requests(frame: pl.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of *frame* as request bodies with these *columns*; moments as ISO 8601."""
    return frame.select(name for name in columns if name in frame.columns).to_dicts()
