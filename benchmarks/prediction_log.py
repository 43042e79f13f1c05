"""The prediction log beside the bare thing underneath: appending to a file, one sync, a scan of Parquet files.

    python benchmarks/prediction_log.py [--rows 10000000] [--folder DIR]

Handing a record over against appending it to a file; answers that wait for the disk against one bare sync each; rows a
second from spools to Parquet; what kill -9 loses; and a scan of the log with 32 columns against a scan of the same
files, each in a process of its own, with its peak memory. Figures are medians of five.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mainspring.serve.log.identity import new_id
from mainspring.serve.log.record import encode
from mainspring.serve.log.schema import Feature, Schema
from mainspring.serve.log.writer import LogWriter
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 5
FEATURES = 15
MODEL = "bench"
SCHEMA = Schema(
    version=1,
    features=tuple(Feature(f"f{place}", "number" if place < 12 else "category") for place in range(FEATURES)),
    classes=("no", "yes"),
)
ROW = [*(place * 1.37 for place in range(12)), "married", "tertiary", "cellular"]


def record() -> bytes:
    now = time.time_ns() // 1000
    return encode(new_id(), now, 1, "champion", "c-17", ROW, "yes", [0.31, 0.69], 812, 200, None, "r-1")


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def appending(folder: Path, count: int = 200_000) -> None:
    made = [record() for _ in range(count)]

    def ours(writer: LogWriter) -> None:
        append = writer.append
        for each in made:
            append(each)

    def plain(path: Path) -> None:
        with path.open("ab") as file:
            write = file.write
            for each in made:
                write(each)

    def whole(writer: LogWriter) -> None:
        for _ in range(count):
            writer.append(record())

    hands, files, wholes, dropped = list[float](), list[float](), list[float](), 0
    for _ in range(REPEATS):
        files.append(seconds(lambda: plain(folder / "plain")))
        for times, call in ((hands, ours), (wholes, whole)):
            with LogWriter(folder, model=MODEL, source="append") as writer:
                times.append(seconds(lambda call=call, writer=writer: call(writer)))
            dropped += writer.dropped
            shutil.rmtree(folder / MODEL)
        (folder / "plain").unlink()
    bare, hand, full = (median(times) / count * 1e6 for times in (files, hands, wholes))
    print(f"handing over a record: {hand:.2f} us, {hand / bare:.1f}x of appending it to a file ({dropped} dropped)")
    print(f"id, record and handing over: {full:.2f} us, {1e6 / full:,.0f} a second")


async def acknowledging(folder: Path, callers: int, count: int = 2_000) -> float:
    """Answers a second that wait until they are on the disk."""
    with LogWriter(folder, model=MODEL, source="durable", durable=True) as writer:

        async def ask() -> None:
            for _ in range(count // callers):
                assert await writer.durable(writer.append(record()))

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(callers)))
        return count / (time.perf_counter() - began)


def syncing(folder: Path, count: int = 500) -> float:
    """Bare appends a second, each with a sync of its own."""
    made = record()
    handle = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began = time.perf_counter()
    for _ in range(count):
        os.write(handle, made)
        os.fsync(handle)
    os.close(handle)
    return count / (time.perf_counter() - began)


def durability(folder: Path) -> None:
    bare = median(syncing(folder) for _ in range(REPEATS))
    for callers in (1, 16, 64):
        rates = [asyncio.run(acknowledging(folder, callers)) for _ in range(REPEATS)]
        print(f"durable, {callers:2} at once: {median(rates):,.0f} a second, {median(rates) / bare:.1f}x of bare syncs")
    shutil.rmtree(folder / MODEL)


def compacting(folder: Path, count: int = 300_000) -> None:
    from mainspring.serve.log import compact

    rates = []
    for turn in range(REPEATS):
        with Workspace.open(folder / f"compact-{turn}", actor="benchmark") as workspace:
            with LogWriter(compact.spool_root(workspace), model=MODEL, source="compact") as writer:
                writer.declare(SCHEMA)
                for _ in range(count):
                    writer.append(record())
            done = compact.compact(workspace, MODEL)
            assert done.rows == count
            rates.append(count / done.seconds)
        shutil.rmtree(folder / f"compact-{turn}")
    print(f"from spools to segments: {median(rates):,.0f} rows of {FEATURES} features a second, one thread")


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from prediction_log import MODEL, SCHEMA, record
from mainspring.serve.log.writer import LogWriter
writer = LogWriter(Path(sys.argv[1]), model=MODEL, source="killed", durable=False)
writer.declare(SCHEMA)
number = 0
while True:
    for _ in range(10):
        writer.append(record())
    number += 10
    print(number, time.time(), flush=True)
    time.sleep(0.001)
"""


def killing(folder: Path, times: int = 10) -> None:
    """What of the log is gone when its process is killed at a random moment."""
    from mainspring.serve.log import compact

    lost, spans = list[int](), list[float]()
    for turn in range(times):
        with Workspace.open(folder / f"kill-{turn}", actor="benchmark") as workspace:
            root = compact.spool_root(workspace)
            arguments = [sys.executable, "-c", KILLED, str(root), str(Path(__file__).parent)]
            said = folder / "said"
            with said.open("wb") as out:
                process = subprocess.Popen(arguments, stdout=out)
                time.sleep(1.5 + turn * 0.037)
                process.send_signal(signal.SIGKILL)
                process.wait()
            kept = compact.compact(workspace, MODEL).rows
            told = [line.split() for line in said.read_text().splitlines()[:-1]]
            gone = [float(moment) for number, moment in told if int(number) > kept]
            lost.append(max(int(told[-1][0]) - kept, 0))
            spans.append(float(told[-1][1]) - gone[0] if gone else 0.0)
        shutil.rmtree(folder / f"kill-{turn}")
    print(f"kill -9, {times} times: {median(lost):.0f} records lost, at most {max(lost)}; at most {max(spans):.3f} s")


SCAN = """
import json, resource, sys, time
from pathlib import Path
import polars as pl
from mainspring.serve.log.read import PredictionLog
from mainspring.workspace import Workspace
root, what = Path(sys.argv[1]), sys.argv[2]
began = time.perf_counter()
with Workspace.open(root, create=False, actor="benchmark") as workspace:
    began = time.perf_counter()
    if what == "bare":
        rows = pl.scan_parquet([path for path in (root / "store/objects").rglob("*") if path.is_file()], glob=False)
    else:
        rows = PredictionLog(workspace, "bench").scan()
    numbers = [name for name, kind in rows.collect_schema().items() if kind.is_numeric()]
    rest = pl.exclude(numbers).drop_nulls().len().name.suffix("_n")
    found = rows.select(pl.len(), pl.col(numbers).mean(), rest).collect(engine="streaming")
    spent = time.perf_counter() - began
try:  # the peak of this program alone: getrusage tells that of the process which started it, if that was larger
    status = Path("/proc/self/status").read_text()
    peak = 1024 * int(status.partition("VmHWM:")[2].split()[0])
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": spent, "bytes": peak, "rows": found["len"][0], "columns": len(rows.collect_schema())}))
"""


def fill(workspace: Workspace, rows: int) -> None:
    """A log of 32 columns, an hour in each segment."""
    import numpy as np
    import polars as pl

    from mainspring.serve.log import segment, shape
    from mainspring.serve.log.columns import FIXED

    names = [f"f{place}" for place in range(18)]
    features = (*(Feature(name, "number") for name in names), Feature("a", "category"), Feature("b", "category"))
    shape.declare(workspace.ledger, MODEL, Schema(version=1, features=features, classes=("no", "yes")))
    draw = np.random.default_rng(0)
    for number in range(rows // segment.ROWS):
        count = segment.ROWS
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        times = np.linspace(0, 3_599e6, count).astype(np.int64) + int(start.timestamp() * 1e6)
        frame = pl.DataFrame(
            {
                "id": [f"{number:06}{place:08}00ABCDEFGHJK" for place in range(count)],
                "time": times,
                "version": np.ones(count, np.int32),
                "role": ["champion"] * count,
                "entity": draw.integers(0, 10**6, count).astype(str),
                "prediction": draw.choice(["no", "yes"], count),
                "score.no": draw.random(count),
                "score.yes": draw.random(count),
                **{f"x.{name}": draw.normal(size=count) for name in names},
                "x.a": draw.choice(["aa", "bb", "cc"], count),
                "x.b": draw.choice(["ulm", "bo"], count),
                "latency_ms": draw.random(count).astype(np.float32),
                "status": np.full(count, 200, np.int16),
                "flags": pl.Series([None] * count, dtype=pl.String),
                "request": [f"r-{place}" for place in range(count)],
            }
        ).with_columns(pl.col("time").cast(FIXED["time"]))
        made = segment.write(workspace.store, frame, model=MODEL, kind="predictions", source="fill", sequence=number)
        workspace.ledger.segments.add(made)


def scanning(folder: Path, rows: int) -> None:
    with Workspace.open(folder / "scan", actor="benchmark") as workspace:
        fill(workspace, rows)
    found: dict[str, list[dict[str, Any]]] = {"bare": [], "ours": []}
    for _ in range(REPEATS):
        for what, times in found.items():
            arguments = [sys.executable, "-c", SCAN, str(folder / "scan"), what]
            times.append(json.loads(subprocess.run(arguments, capture_output=True, check=True, text=True).stdout))
    ours, bare = (median(each["seconds"] for each in found[what]) for what in ("ours", "bare"))
    most = max(each["bytes"] for each in found["ours"]) / 1e6
    one = found["ours"][0]
    print(
        f"a scan of {one['rows']:,} rows x {one['columns']}: {ours:.2f} s, every file verified; "
        f"{ours / bare:.2f}x of a bare scan; at most {most:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        appending(folder)
        durability(folder)
        compacting(folder)
        killing(folder)
        scanning(folder, given.rows)


if __name__ == "__main__":
    main()
