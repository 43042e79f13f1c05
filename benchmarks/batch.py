"""Score a large Parquet file in parts, beside scoring one whole frame in memory.

    python benchmarks/batch.py [--rows 10000000] [--rounds 3] [--url]

A table of twelve numbers and three categories, a logistic regression and a LightGBM of 200 trees. Each work is a
process of its own, so that its memory is its own: one that reads the file whole and calls the packaged predictor once
(its answers are thrown away, and the reading is not timed), and ``mainspring predict MODEL FILE -o FOLDER``, which
besides reads the file, holds every row against the contract and puts the rows and their answers on the disk. Then the
same call again, over finished parts, and after a kill -9 in the middle. With --url also through ``mainspring serve``
(over at most 500,000 rows; the slower LightGBM has at most 2,000,000). The best of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = "abcdefgh"
GROUP = 1_000_000
FEWER, SERVED = 2_000_000, 500_000
WHOLE = """
import json, sys, time
import polars as pl
from pathlib import Path
from mainspring import package
from mainspring.package.predictor import PackagedPredictor
from mainspring.package.serving import serving
served = serving(package.read(Path(sys.argv[1])))
frame = pl.read_parquet(sys.argv[2])
begun = time.perf_counter()
PackagedPredictor(served.model, served.scorer).predict(frame)
print(json.dumps({"rows": frame.height, "seconds": time.perf_counter() - begun}))
"""


def table(rows: int, rng: np.random.Generator) -> Any:
    import polars as pl

    numbers = {f"x{place}": rng.normal(size=rows) for place in range(12)}
    levels = {f"c{place}": np.array(list(LEVELS))[rng.integers(0, len(LEVELS), rows)] for place in range(3)}
    return pl.DataFrame(numbers | levels)


def write(path: Path, rows: int) -> None:
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    first = table(min(rows, GROUP), rng).to_arrow()
    with parquet.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for left in range(rows - GROUP, 0, -GROUP):
            writer.write_table(table(min(left, GROUP), rng).to_arrow())


def model(kind: str, workspace: Path) -> None:
    """A registered champion, judged against bounds and categories."""
    import polars as pl

    from mainspring import package
    from mainspring.contract import Column, Contract, ProjectSection
    from mainspring.registry import Registry
    from mainspring.train import fit
    from mainspring.workspace import Workspace

    rows = table(20_000, np.random.default_rng(1))
    score = pl.col("x0") + pl.col("x1") * pl.col("x2") + (pl.col("c0") == "a")
    rows = rows.with_columns((score > 0.2).alias("y"))
    columns = {f"x{place}": Column(name=f"x{place}", type="number", minimum=-20, maximum=20) for place in range(12)}
    columns |= {f"c{place}": Column(name=f"c{place}", type="category", categories=tuple(LEVELS)) for place in range(3)}
    columns["y"] = Column(name="y", type="boolean")
    contract = Contract(project=ProjectSection(name=kind, task="binary", target="y"), columns=columns)
    params = {"rounds": 200} if kind == "lightgbm" else {}
    fitted = fit(rows[:16_000], contract, kind=kind, params=params)
    with Workspace.open(workspace) as place:
        registry = Registry(place)
        version = registry.register(kind, package.build(fitted, contract=contract, holdout=rows[16_000:]))
        registry.promote(kind, version.version)
        registry.load(version).write(workspace.parent / kind)


def measured(command: list[Any], *, until: Callable[[], bool] | None = None) -> dict[str, Any]:
    """What a process printed as JSON, and its peak memory. It is killed once *until* says so."""
    begun = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    if until is not None:
        while not until():
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    out = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    if until is None and status != 0:
        raise SystemExit(f"{command} failed")
    told = {"wall": time.perf_counter() - begun, "megabytes": usage.ru_maxrss / 1024}
    return told | (json.loads(out) if out else {})


def seconds(found: dict[str, Any]) -> float:
    return float(found["seconds"])


def report(kind: str, rows: Path, whole: dict[str, Any], parts: dict[str, Any]) -> None:
    count = parts["rows"]
    print(f"\n{kind}: {count:,} rows, {rows.stat().st_size / 1e6:,.0f} MB")
    print(f"  one frame, predict alone   {rate(count, whole)}")
    print(f"  in parts, all told         {rate(count, parts)}, {parts['partitions']} parts")
    print(f"  of its rate                {whole['seconds'] / parts['seconds']:.2f}")


def compare(kind: str, folder: Path, rows: Path, rounds: int) -> None:
    workspace, out = folder / ".mainspring", folder / "out"
    call = ["-m", "mainspring", "predict", kind, rows, "-o", out, "--json", "--workspace", workspace]
    whole, parts = [], []
    for _ in range(rounds):  # by turns, so that a busy moment of the machine meets both
        whole.append(measured(["-c", WHOLE, folder / kind, rows]))
        shutil.rmtree(out, ignore_errors=True)
        parts.append(measured(call))
    report(kind, rows, min(whole, key=seconds), min(parts, key=seconds))
    again = measured(call)
    print(f"  finished, called again     {again['wall']:.2f} s wall, {again['reused']} parts reused")
    shutil.rmtree(out)
    half = again["partitions"] // 2
    measured(call, until=lambda: len(list(out.glob("part-*"))) >= half)
    rest = measured(call)
    reused = f"{rest['reused']} of {rest['partitions']} parts reused"
    print(f"  after a kill -9 half-way   {rest['wall']:.2f} s wall, {reused}")
    shutil.rmtree(out)


def through(kind: str, folder: Path, rows: Path) -> None:
    """Through an endpoint of one worker, with its prediction log on."""
    port, workspace = 18_473, folder / ".mainspring"
    words = ["-m", "mainspring", "serve", kind, "--port", str(port), "--workspace", str(workspace)]
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(4)
        url = ["--url", f"http://127.0.0.1:{port}"]
        found = measured(
            ["-m", "mainspring", "predict", kind, folder / "few.parquet", "-o", folder / "far", "--json", *url]
        )
        print(f"  through an endpoint        {rate(found['rows'], found)}")
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder / "far", ignore_errors=True)


def rate(rows: int, found: dict[str, Any]) -> str:
    spent = seconds(found)
    return f"{rows / spent:>9,.0f} rows/s ({spent:.1f} s), {found['megabytes']:,.0f} MB at most"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, some = folder / "rows.parquet", folder / "some.parquet"
        # apart: a process that is started inherits the peak memory of the one that starts it
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            apart.submit(write, rows, asked.rows).result()
            apart.submit(write, some, min(FEWER, asked.rows)).result()
            apart.submit(write, folder / "few.parquet", min(SERVED, asked.rows)).result()
            for kind in ("linear", "lightgbm"):
                apart.submit(model, kind, folder / ".mainspring").result()
        for kind in ("linear", "lightgbm"):
            compare(kind, folder, rows if kind == "linear" else some, asked.rounds)
            if asked.url:
                through(kind, folder, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
