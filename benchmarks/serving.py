"""One row of JSON over HTTP, beside the same server echoing the body, with the prediction log on and off.

    python benchmarks/serving.py [--seconds 4] [--rounds 3] [--models linear forest lightgbm]
    python benchmarks/serving.py --peers .peers      # and each peer, in an environment of its own made there

Three models, trained here: a pipeline of one-hot categories, scaled numbers and a logistic regression; a random forest
of 100 trees; LightGBM of 200. At 1, 16 and 64 connections, by wrk where it is on PATH, else by a small client of our
own in a process of its own. The echo is a plain ASGI application on uvicorn with the same event loop and parser.
Everything is measured turn by turn, and the best round of each counts: others on the machine only ever slow one down.

Then: rows a second in requests of 1,000 rows beside scoring the same JSON in this process; the time from the start of
the process to its first prediction; the memory of its processes.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS, NUMBERS, CATEGORIES = 20_000, 12, 3
CONNECTIONS = (1, 16, 64)
MANY = 1_000
MODELS = ("linear", "forest", "lightgbm")
HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True)
class Speed:
    """Requests a second, and the 99th percentile of latency in milliseconds."""

    rate: float
    p99: float


# what is served


def table() -> Any:
    """12 numbers and 3 categories, and a binary target; peers read the same from a file."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, NUMBERS)).round(4)
    levels = rng.integers(0, 8, (ROWS, CATEGORIES))
    target = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (levels[:, 0] > 5) + rng.normal(size=ROWS) > 0.5
    columns = {f"n{i}": numbers[:, i] for i in range(NUMBERS)}
    columns |= {f"c{i}": [f"level {level}" for level in levels[:, i]] for i in range(CATEGORIES)}
    return pl.DataFrame(columns | {"y": target})


def workspace(folder: Path, kinds: list[str]) -> Path:
    """A workspace with each kind of model as the champion of its own name."""
    from mainspring.contract import Column, Contract, ProjectSection
    from mainspring.package import build
    from mainspring.registry import Registry
    from mainspring.train import fit
    from mainspring.workspace import Workspace

    frame = table()
    columns = {
        name: Column(name=name, type="number", minimum=-10, maximum=10)
        if name[0] == "n"
        else Column(name=name, type="category", categories=tuple(f"level {i}" for i in range(8)))
        for name in frame.columns
        if name != "y"
    }
    columns["y"] = Column(name="y", type="boolean")
    with Workspace.open(folder) as place:
        for kind in kinds:
            contract = Contract(project=ProjectSection(name=kind, task="binary", target="y"), columns=columns)
            params = {"linear": {}, "forest": {"trees": 100}, "lightgbm": {"rounds": 200}}[kind]
            model = fit(frame.head(15_000), contract, kind=kind, params=params)
            registry = Registry(place)
            registry.register(kind, build(model, contract=contract, holdout=frame.tail(2_000)))
            registry.promote(kind, 1)
    return folder


# servers


@contextmanager
def running(
    command: list[str], ready: Callable[[], bool], *, patience: float = 120.0
) -> Iterator[subprocess.Popen[bytes]]:
    """The *command* until the block ends; the block begins when it is *ready*.

    Python may keep its bytecode, as it does of what is installed: a checkout would else be compiled at every start.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )
    try:
        until = time.monotonic() + patience
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[:6]} did not start")
            time.sleep(0.005)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End the *process* and all it has started, also what has left its group: the next one takes the same port."""
    import psutil

    every = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    for each in psutil.wait_procs(every, timeout=5)[1]:
        each.kill()
    psutil.wait_procs(every, timeout=5)


def ask(url: str, body: bytes) -> bytes | None:
    """One request; None where nobody answers with success. It costs little: a start is awaited by asking again."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    try:
        connection.request("POST", address.path, body, HEADERS)
        reply = connection.getresponse()
        return reply.read() if reply.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ours(root: Path, kind: str, port: int, *options: str) -> list[str]:
    """The command of our endpoint."""
    return [
        sys.executable, "-m", "mainspring", "serve", kind, "--port", str(port), "--workspace", str(root), *options
    ]  # fmt: skip


def echo(port: int) -> list[str]:
    """The command of the echo."""
    return [sys.executable, __file__, "--echo", str(port)]


def serve_echo(port: int) -> None:
    """Answer with the body, on uvicorn."""
    import uvicorn

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", lifespan="off", access_log=False,
        log_level="error",
    )  # fmt: skip


# load


def load(url: str, body: bytes, connections: int, seconds: float) -> Speed:
    """Ask for so many *seconds*. Raises RuntimeError where an answer was no success."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "body"
        file.write_bytes(body)
        if shutil.which("wrk"):
            return _wrk(url, file, Path(folder) / "ask.lua", connections, seconds)
        done = subprocess.run(
            [sys.executable, __file__, "--load", url, str(file), str(connections), str(seconds)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return Speed(**json.loads(done.stdout))


def _wrk(url: str, body: Path, script: Path, connections: int, seconds: float) -> Speed:
    script.write_text(
        f'local file = io.open("{body}", "rb")\nwrk.method = "POST"\nwrk.body = file:read("*a")\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
    )
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--latency",
        "--timeout",
        "30s",
        "-s",
        str(script),
        url,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or p99 is None:
        raise RuntimeError(said)
    return Speed(float(rate[1]), float(p99[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[p99[2]])


class _Asker(asyncio.Protocol):
    """A connection that asks again as soon as it was answered."""

    def __init__(self, request: bytes, times: list[float]) -> None:
        self._request, self._times, self._data, self._began = request, times, b"", 0.0
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
        if len(body) >= length:
            self._times.append(time.perf_counter() - self._began)
            self.failed += not head.startswith(b"HTTP/1.1 200")
            self._data = body[length:]
            self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


def ask_away(url: str, body: bytes, connections: int, seconds: float) -> Speed:
    """What wrk does, in Python: it takes more of the machine, so figures are lower throughout."""
    import uvloop

    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    head = f"POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    times: list[float] = []

    async def run() -> float:
        loop = asyncio.get_running_loop()
        request = head.encode() + body
        began = time.perf_counter()
        made = [
            await loop.create_connection(lambda: _Asker(request, times), name, int(port)) for _ in range(connections)
        ]
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        for transport, asker in made:
            transport.close()
            if asker.failed:
                raise RuntimeError("an answer was no success")
        return took

    took = uvloop.run(run())
    ordered = sorted(times)
    return Speed(len(times) / took, ordered[int(len(ordered) * 0.99)] * 1000)


def best(speeds: list[Speed]) -> Speed:
    """The best of several rounds, each figure for itself."""
    return Speed(max(each.rate for each in speeds), min(each.p99 for each in speeds))


# figures


def compare(targets: dict[str, tuple[list[str], str, bytes]], given: argparse.Namespace) -> dict[str, dict[int, Speed]]:
    """The speed of each target (command, URL, body) at each number of connections, turn by turn."""
    found: dict[str, dict[int, list[Speed]]] = {name: {count: [] for count in CONNECTIONS} for name in targets}
    for _ in range(given.rounds):
        for name in list(found):
            command, url, body = targets[name]
            try:
                with running(command, lambda url=url, body=body: ask(url, body) is not None):  # type: ignore[misc]
                    load(url, body, 4, 1.0)
                    for count in CONNECTIONS:
                        found[name][count].append(load(url, body, count, given.seconds))
            except RuntimeError as error:
                if name in ("echo", "ours", "ours, no log"):
                    raise
                print(f"  {name}: left out: {error}")
                del found[name], targets[name]
    return {name: {count: best(speeds) for count, speeds in by.items()} for name, by in found.items()}


def memory(pid: int) -> tuple[float, float]:
    """Megabytes of a process and its children: resident, and with what they share counted once."""
    import psutil

    every = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(each.memory_info().rss for each in every) / 2**20, sum(_proportional(each) for each in every) / 2**20


def _proportional(process: Any) -> float:
    return float(getattr(process.memory_full_info(), "pss", process.memory_info().rss))


def start(command: list[str], url: str, body: bytes) -> tuple[float, float, float]:
    """Seconds from the start of the process to its first prediction, and its memory a little later."""
    began = time.perf_counter()
    with running(command, lambda: ask(url, body) is not None) as process:
        took = time.perf_counter() - began
        load(url, body, 4, 1.0)
        resident, proportional = memory(process.pid)
    return took, resident, proportional


def many(root: Path, kind: str, port: int, rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Rows a second in requests of many rows, and of scoring the same JSON in this process."""
    import polars as pl

    from mainspring.registry import Registry
    from mainspring.workspace import Workspace

    body = json.dumps(rows).encode()
    with Workspace.open(root) as place:
        predictor = Registry(place).load(kind).predictor()
    inside = []
    for _ in range(60):
        began = time.perf_counter()
        said = predictor.predict(pl.DataFrame(json.loads(body)))
        json.dumps(said.values.tolist())
        inside.append(len(rows) / (time.perf_counter() - began))
    url = f"http://127.0.0.1:{port}/predict"
    with running(ours(root, kind, port), lambda: ask(url, body) is not None):
        rates = [load(url, body, 1, 2.0).rate * len(rows) for _ in range(3)]
    return max(rates), max(inside)


def report(kind: str, found: dict[str, dict[int, Speed]]) -> None:
    """Print what was found for one model."""
    print(f"\n{kind}: requests a second (p99 in ms)")
    print(f"  {'':26}" + "".join(f"{count:>20}" for count in CONNECTIONS) + "   connections")
    for name, speeds in found.items():
        cells = "".join(f"{speeds[count].rate:>12,.0f} ({speeds[count].p99:5.2f})" for count in CONNECTIONS)
        print(f"  {name:<26}{cells}")
    base = found["ours"]
    for name, goal in (("echo", "goal: at least 0.60"), ("ours, no log", "goal: at least 0.97")):
        cells = "".join(f"{base[count].rate / found[name][count].rate:>20.2f}" for count in CONNECTIONS)
        print(f"  {'ours / ' + name:<26}{cells}   ({goal})")
    for name in found:
        if name not in ("ours", "echo", "ours, no log"):
            cells = "".join(f"{base[count].rate / found[name][count].rate:>19.1f}x" for count in CONNECTIONS)
            print(f"  {'ours / ' + name:<26}{cells}   p99 at 16: {found[name][16].p99 / base[16].p99:.0f}x")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    options.add_argument("--peers", type=Path, help="folder for the peers' environments; without it they are left out")
    options.add_argument("--only", nargs="*", help="only these peers")
    options.add_argument("--port", type=int, default=18_000)
    options.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    options.add_argument("--load", nargs=4, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.echo:
        serve_echo(given.echo)
        return
    if given.load:
        url, file, connections, seconds = given.load
        print(json.dumps(vars(ask_away(url, Path(file).read_bytes(), int(connections), float(seconds)))))
        return
    measure(given)


def measure(given: argparse.Namespace) -> None:
    """Everything for every model."""
    port = given.port
    frame = table()
    row = json.dumps(frame.drop("y").row(0, named=True)).encode()
    print(f"{os.cpu_count()} cores; load by {'wrk' if shutil.which('wrk') else 'our own client'}")
    with tempfile.TemporaryDirectory() as name:
        root = workspace(Path(name) / "workspace", given.models)
        data = Path(name) / "data.parquet"
        frame.write_parquet(data)
        url = f"http://127.0.0.1:{port}/predict"
        for kind in given.models:
            targets: dict[str, tuple[list[str], str, bytes]] = {
                "echo": (echo(port), url, row),
                "ours": (ours(root, kind, port), url, row),
                "ours, no log": (ours(root, kind, port, "--no-log"), url, row),
            }
            if given.peers:
                from serving_peers import commands

                targets |= commands(given.peers.resolve(), given.only, kind, data, port, row)
            report(kind, compare(targets, given))
            rows = frame.drop("y").head(MANY).to_dicts()
            outside, inside = many(root, kind, port, rows)
            share = f"{outside / inside:.2f} of scoring in process (goal: at least 0.70)"
            print(f"  {MANY:,} rows a request: {outside:,.0f} rows a second, {share}")
            for target, (command, address, body) in targets.items():
                if target not in ("echo", "ours, no log"):
                    times = [start(command, address, body) for _ in range(3)]
                    took = min(each[0] for each in times)
                    resident, proportional = times[-1][1:]
                    print(
                        f"  {target:<26} first prediction after {took:.2f} s, {resident:.0f} MB resident "
                        f"({proportional:.0f} MB with shared pages counted once)"
                    )


if __name__ == "__main__":
    main()
