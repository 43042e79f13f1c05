"""Watch a large prediction log: time beside a bare scan of the same columns, memory, and a call with nothing new.

    python benchmarks/watch.py [ROWS]        default: 10,000,000 rows of 30 columns in ten windows of a day

Each figure is taken in a process of its own, so that memory is that of the work alone. A tenth of the rows have labels.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HOURS = 240
START = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS, CATEGORIES = 24, 6
TOWNS = ["ulm", "bonn", "kiel", "trier", "celle"]
GOAL_RATIO, GOAL_MEMORY, GOAL_AGAIN = 2.0, 0.5, 0.2

CONTRACT = (
    '[project]\nname = "big"\ntask = "binary"\ntarget = "y"\n[columns.y]\ntype = "boolean"\n'
    + "".join(f'[columns.n{i}]\ntype = "number"\nminimum = -50\nmaximum = 50\n' for i in range(NUMBERS))
    + "".join(f'[columns.c{i}]\ntype = "category"\ncategories = {json.dumps(TOWNS)}\n' for i in range(CATEGORIES))
    + '[[require]]\nmetric = "accuracy"\nat_least = 0.6\n[monitor]\nwindow = "1d"\n'
)


def table(rows: int, seed: int) -> Any:
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"n{i}": draw.normal(size=rows) for i in range(NUMBERS)}
    for i in range(CATEGORIES):
        columns[f"c{i}"] = pl.Series(draw.choice(len(TOWNS), rows)).replace_strict(dict(enumerate(TOWNS)))
    y = columns["n0"] + 0.5 * columns["n1"] + draw.normal(scale=0.5, size=rows) > 0
    return pl.DataFrame({**columns, "y": y})


def make(root: Path, rows: int) -> None:
    """A project with a champion, and *rows* answered rows in its log."""
    import numpy as np
    import polars as pl

    from mainspring.data import split
    from mainspring.operate.release import release
    from mainspring.project import Project
    from mainspring.serve.log import segment, shape
    from mainspring.serve.log.identity import IdMaker
    from mainspring.serve.log.schema import schema_of
    from mainspring.train import fit

    (root / "mainspring.toml").write_text(CONTRACT)
    project = Project(root)
    with project.workspace() as place:
        parts = split(table(20_000, 0))
        model = fit(parts.train, project.contract, params={"rounds": 20})
        release(project, place, model=model, split=parts)
        schema = schema_of(project.contract, version=1, features=model.features, classes=model.classes)
        shape.declare(place.ledger, "big", schema)
        for hour in range(HOURS):
            frame = table(rows // HOURS, hour + 1)
            begin = START + timedelta(hours=hour)
            offsets = np.sort(np.random.default_rng(hour).integers(0, 3_600_000_000, len(frame)))
            times = pl.Series(offsets).cast(pl.Duration("us")) + pl.Series([begin]).dt.cast_time_unit("us")
            said = model.predict(frame)
            new = IdMaker(lambda begin=begin: int(begin.timestamp() * 1000) + 1)
            ids = [new() for _ in range(len(frame))]
            logged = frame.select(
                pl.Series("id", ids),
                times.alias("time"),
                pl.lit(1, pl.Int32).alias("version"),
                pl.lit("champion").alias("role"),
                pl.lit(None, pl.String).alias("entity"),
                pl.Series("prediction", said.values.astype(bool)),
                *(pl.Series(f"score.{name}", said.scores[:, place]) for place, name in enumerate(schema.classes or ())),
                *(pl.col(name).alias(f"x.{name}") for name in model.features),
                pl.Series("latency_ms", np.random.default_rng(hour).lognormal(0, 0.3, len(frame)), dtype=pl.Float32),
                pl.lit(200, pl.Int16).alias("status"),
                pl.lit(None, pl.String).alias("flags"),
                pl.Series("request", ids),
            )
            written = [
                segment.write(
                    place.store, piece, model="big", kind="predictions", source="benchmark", sequence=hour * 100 + n
                )
                for n, piece in enumerate(segment.pieces(logged, by_hour=True))
            ]
            some = pl.DataFrame(
                {"id": ids[::10], "label": frame["y"].gather_every(10).cast(pl.String), "about": logged["time"][::10]}
            ).with_columns(
                entity=pl.lit(None, pl.String),
                time=pl.lit(None, pl.Datetime("us", "UTC")),
                received=pl.col("about"),
                source=pl.lit("b"),
            )
            truth = segment.write(place.store, some, model="big", kind="labels", source="benchmark", sequence=hour)
            place.ledger.segments.add(*written, truth)


def scan(root: Path) -> dict[str, float]:
    """Read what the watch reads, and look at every value once."""
    import polars as pl

    from mainspring.project import Project
    from mainspring.serve.log.read import PredictionLog

    with Project(root).workspace() as place:
        log = PredictionLog(place, "big")
        left = ("entity", "request")  # ids are read for the labels
        columns = [name for name in log.shape.columns if name not in left]
        begun = time.perf_counter()
        log.scan(columns=columns).select(pl.all().max()).collect(engine="streaming")
        return {"seconds": time.perf_counter() - begun, "columns": len(columns)}


def watch(root: Path) -> dict[str, float]:
    """One call of the watch, and a second one with nothing new, as the loop makes it."""
    from mainspring.operate.live import judge  # noqa: F401  # what is timed is the watch, not Python's imports
    from mainspring.operate.live.watch import watch as look
    from mainspring.project import Project

    with Project(root).workspace() as place:
        begun = time.perf_counter()
        found = look(Project(root), place)
        spent = time.perf_counter() - begun
        begun = time.perf_counter()
        assert not look(Project(root), place).judged
        second = time.perf_counter() - begun
    incidents = len(found.opened)
    rows = sum(one.rows for one in found.judged)
    return {
        "seconds": spent, "second": second, "windows": len(found.judged), "rows": rows, "incidents": incidents
    }  # fmt: skip


def again(root: Path) -> dict[str, float]:
    """The same in a process of its own, with all that it has to load for it."""
    begun = time.perf_counter()
    from mainspring.operate.live.watch import watch as look
    from mainspring.project import Project

    found = look(Project(root))
    assert not found.judged
    return {"seconds": time.perf_counter() - begun}


def peak() -> float:
    """The peak memory of this process in GB. What the system counts as a child's includes its parent's at the start."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024**2  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def alone(work: str, root: Path) -> dict[str, float]:
    """Do *work* in a process of its own; adds its peak memory in GB and its seconds of computing."""
    done = subprocess.run(
        [sys.executable, __file__, f"--{work}", str(root)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(rows: int, folder: Path | None) -> int:
    with tempfile.TemporaryDirectory(prefix="watch") as temporary:
        root = folder or Path(temporary)
        root.mkdir(exist_ok=True)
        if not (root / "mainspring.toml").exists():
            make(root, rows)
        scans = [alone("scan", root) for _ in range(3)]
        first = alone("watch", root)
        later = [alone("again", root) for _ in range(3)]
        bare, fresh = min(one["seconds"] for one in scans), min(one["seconds"] for one in later)
        ratio = first["seconds"] / bare
        print(f"{first['rows']:,.0f} rows in {first['windows']:.0f} windows, {first['incidents']:.0f} incidents")
        for name, wall, one in (
            (f"bare scan of {scans[0]['columns']:.0f} columns", bare, scans[0]),
            ("watch", first["seconds"], first),
            ("a fresh process, no news", fresh, later[0]),
        ):
            print(f"{name:<26} {wall:7.3f} s  ({one['cpu']:5.1f} s of computing, {one['memory']:.2f} GB)")
        print(f"watch beside the scan: {ratio:.2f}x; a second call of the same process: {first['second']:.3f} s")
        reached = ratio <= GOAL_RATIO and first["memory"] <= GOAL_MEMORY and first["second"] <= GOAL_AGAIN
        print(f"goal: {GOAL_RATIO:g}x, {GOAL_MEMORY:g} GB, {GOAL_AGAIN:g} s: {'reached' if reached else 'MISSED'}")
        return 0 if reached else 1


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("--"):
        result = {"--scan": scan, "--watch": watch, "--again": again}[sys.argv[1]](Path(sys.argv[2]))
        used = resource.getrusage(resource.RUSAGE_SELF)
        result |= {"memory": peak(), "cpu": used.ru_utime + used.ru_stime}
        print(json.dumps(result))
        sys.exit(0)
    count = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 10_000_000
    sys.exit(main(count, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
