"""The store and the ledger beside the bare thing underneath: Parquet files, one SQLite commit, appending to a file.

    python benchmarks/workspace.py [--rows 780000] [--folder DIR]

Ten versions of a table of 32 columns, one percent changed each, against ten Parquet files as Polars writes them; adding
a version against writing that file; a step's value, facts and lineage against one bare durable commit; searching 10,000
runs and reading a history of 10,000 points; logging a metric against appending a line to a file. Figures are medians.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mainspring.ledger.ports import MetricFilter, Output, Point, RunQuery, StepRecord
from mainspring.ledger.recorder import RunRecorder
from mainspring.store import save
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


def table(rows: int, seed: int) -> pl.DataFrame:
    """20 numbers, 6 integers with few values, 3 categories, a running number, a text, a date-like number."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"f{place}": draw.normal(size=rows) for place in range(20)}
    columns |= {f"i{place}": draw.integers(0, 1000, rows) for place in range(6)}
    columns |= {f"s{place}": draw.choice(["alpha", "beta", "gamma", "delta"], rows) for place in range(3)}
    columns |= {"id": np.arange(rows), "name": [f"customer-{number}" for number in draw.integers(0, 10**9, rows)]}
    return pl.DataFrame(columns).with_columns(day=pl.col("id") // 1000)


def versions(folder: Path, rows: int) -> None:
    import polars as pl

    place = random.Random(7)
    with Workspace.open(folder / "versions", actor="benchmark") as workspace:
        frame = table(rows, 0)
        whole, ours, theirs = 0, list[float](), list[float]()
        for version in range(10):
            if version:
                new = table(rows // 100, version)
                at = place.randrange(rows - len(new))
                frame = pl.concat([frame[:at], new, frame[at + len(new) :]])
            path = folder / f"{version}.parquet"
            theirs.append(seconds(lambda path=path, frame=frame: frame.write_parquet(path)))
            ours.append(seconds(lambda frame=frame: save(workspace.store, frame)))
            whole += path.stat().st_size
            path.unlink()
        stored = sum(path.stat().st_size for path in (folder / "versions" / "store").rglob("*") if path.is_file())
    print(f"ten versions: stored {stored / 1e6:.0f} MB, whole files {whole / 1e6:.0f} MB: {whole / stored:.1f}x less")
    print(f"adding a version: {median(ours):.2f} s, {median(ours) / median(theirs):.2f}x of writing the file")


def facts(folder: Path) -> None:
    with Workspace.open(folder / "facts", actor="benchmark") as workspace:
        ledger = workspace.ledger
        run = ledger.runs.create(name="pipeline")

        def step(number: int) -> None:
            stored = save(workspace.store, {"number": number})
            outputs = (Output(digest=stored.digest, type=stored.type, size=stored.size),)
            parts = {"source": "s" * 64, "libraries": "l" * 64}
            ledger.steps.record(
                StepRecord(
                    key=f"{number:064}", step="s", run=run.id, outputs=outputs, inputs={"a": "b" * 64}, parts=parts
                )
            )

        whole = repeated(step, 300)
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a)")
    commit = repeated(lambda number: bare.execute("INSERT INTO t VALUES (?)", ("x" * 200 + str(number),)), 300)
    print(
        f"a step's value, facts and lineage, durable: {whole * 1e3:.2f} ms (a bare SQLite commit {commit * 1e3:.2f} ms)"
    )


def look_back(folder: Path) -> None:
    draw = random.Random(0)
    with Workspace.open(folder / "look", actor="benchmark") as workspace:
        runs = workspace.ledger.runs
        with workspace.ledger.together():
            for number in range(10_000):
                run = runs.create(
                    name=f"r{number}",
                    experiment=f"e{number % 7}",
                    params={f"p{each}": draw.random() for each in range(5)},
                )
                runs.log(run.id, metrics=[Point(name=f"m{each}", value=draw.random()) for each in range(5)])
        runs.log(run.id, metrics=[Point(name="loss", value=draw.random(), step=step) for step in range(10_000)])
        queries = {
            "the newest 50": RunQuery(),
            "the 50 best by a metric": RunQuery(order="metric:m1"),
            "a filter on a metric": RunQuery(metrics=(MetricFilter(name="m2", op=">", value=0.9),)),
            "an experiment, filtered and sorted": RunQuery(
                experiment="e3", metrics=(MetricFilter(name="m2", op=">", value=0.5),), order="metric:m1"
            ),
        }
        for name, query in queries.items():
            print(
                f"search in 10,000 runs, {name}: {repeated(lambda _, query=query: runs.search(query), 30) * 1e3:.1f} ms"
            )
        print(f"a history of 10,000 points: {repeated(lambda _: runs.history(run.id, 'loss'), 30) * 1e3:.1f} ms")


def tracking(folder: Path) -> None:
    calls = 200_000
    with Workspace.open(folder / "track", actor="benchmark") as workspace:
        run = workspace.ledger.runs.create(name="training")
        with RunRecorder(workspace.ledger, run.id) as recorder:
            started = time.perf_counter()
            for step in range(calls):
                recorder.log_metric("loss", 1.0, step=step)
            called = time.perf_counter() - started
            recorder.flush()
            stored = time.perf_counter() - started
    with (folder / "log").open("w") as file:
        started = time.perf_counter()
        for step in range(calls):
            file.write(f"loss\t1.0\t{step}\n")
        appended = time.perf_counter() - started
    rate = calls / called
    print(f"track: {rate:,.0f} calls/s, {calls / stored:,.0f}/s stored (appending a line {calls / appended:,.0f}/s)")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def repeated(work: Callable[[int], object], times: int) -> float:
    return median(seconds(lambda number=number: work(number)) for number in range(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=780_000)
    parser.add_argument("--folder", type=Path, help="Where to write; default: the temporary folder.")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        facts(folder)
        look_back(folder)
        tracking(folder)
        versions(folder, arguments.rows)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
