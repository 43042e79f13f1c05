"""Drift of two frames of 50 columns (35 float, 10 integer, 5 string), five of them truly shifted.

    python benchmarks/drift.py                        # ours, at 100,000 and 1,000,000 rows
    python benchmarks/drift.py --peers .peers         # and, at 100,000 rows, each peer in an environment of its own

Every measurement runs in a process of its own. "From Parquet" is held against a bare streaming histogram pass over
the same files: PyArrow batches, arithmetic binning with bounds known in advance, dictionary codes counted for
strings, on the same two threads, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SEED = 20_260_101
SHIFTED = {"float_03", "float_17", "float_29", "integer_04", "string_02"}
PEERS = {
    "alibi-detect": ("pyarrow<20",),
    "deepchecks": ("pyarrow<20", "setuptools<80", "scikit-learn<1.6", "category-encoders<2.7", "numpy<2", "pandas<3"),
    "evidently": ("pyarrow<20", "pandas<3"),
    "nannyml": ("pyarrow<20", "pandas<3", "statsmodels"),
}
"""Each peer with what has to be held back or added for it to run."""
REPEATS = 5


def table(rows: int, *, current: bool) -> Any:
    """One of the two frames. The shifts: a mean by 0.1 deviations, a spread by a fifth, a tail, counts, a share."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng([SEED, rows, int(current)])
    columns: dict[str, Any] = {}
    for i in range(35):
        kind = i % 5
        if kind == 0:
            values = draw.lognormal(0, 1, rows)
        elif kind == 1:
            values = draw.gamma(2.0, 3.0, rows)
        elif kind == 2:
            values = draw.normal(50 + i, 10, rows)
        elif kind == 3:
            values = draw.normal(0, 1, rows)
        else:
            values = draw.random(rows)
        columns[f"float_{i:02}"] = values
    for i in range(10):
        values = draw.poisson(3 + i, rows) if i % 2 else draw.integers(0, 10 * (i + 1), rows)
        columns[f"integer_{i:02}"] = values.astype(np.int64)
    for i in range(5):
        weights = 1 / np.arange(1, 6 + 4 * i)
        names = np.array([f"level {j}" for j in range(len(weights))])
        if current and i == 2:
            weights[3] *= 1.35
        columns[f"string_{i:02}"] = names[draw.choice(len(names), rows, p=weights / weights.sum())]
    if current:
        columns["float_03"] = columns["float_03"] + 0.1
        columns["float_17"] = 67 + (columns["float_17"] - 67) * 1.2
        columns["float_29"] = np.where(draw.random(rows) < 0.04, columns["float_29"] * 0.1 + 0.9, columns["float_29"])
        columns["integer_04"] = draw.integers(2, 52, rows)
    return pl.DataFrame(columns)


def ours_frame(folder: Path) -> dict[str, Any]:
    import polars as pl

    from mainspring.monitor.drift import drift

    before, after = pl.read_parquet(folder / "before.parquet"), pl.read_parquet(folder / "after.parquet")
    seconds, report = best_of(lambda: drift(before, after), REPEATS)
    return {"seconds": seconds, "named": list(report.drifted)}


def ours_parquet(folder: Path) -> dict[str, Any]:
    from mainspring.monitor.drift import drift

    seconds, report = best_of(lambda: drift(folder / "before.parquet", folder / "after.parquet"))
    return {"seconds": seconds, "named": list(report.drifted), "peak_mb": peak_mb()}


def bare(folder: Path) -> dict[str, Any]:
    seconds, _ = best_of(lambda: [histograms(folder / f"{name}.parquet") for name in ("before", "after")])
    return {"seconds": seconds, "peak_mb": peak_mb()}


def histograms(path: Path) -> dict[str, Any]:
    """A histogram of every column, by the least work there is: bounds from the footer, 32 bins of equal width."""
    import numpy as np
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    names = footer.schema.names

    def count(column: int) -> Any:
        name = names[column]
        parts = [footer.row_group(i).column(column).statistics for i in range(footer.num_row_groups)]
        text = name.startswith("string")
        total = np.zeros(32, dtype=np.int64)
        with pq.ParquetFile(path, metadata=footer, read_dictionary=[name] if text else None) as file:
            low, high = min(part.min for part in parts), max(part.max for part in parts)
            for batch in file.iter_batches(131_072, columns=[name], use_threads=False):
                values = batch.column(0)
                if text:
                    total += np.bincount(values.indices.to_numpy(), minlength=32)
                else:
                    numbers = (values.to_numpy() - low) * (31.999 / (high - low))
                    total += np.bincount(numbers.astype(np.int64), minlength=32)
        return total

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(count, range(len(names))), strict=True))


def peer_alibi_detect(before: Any, after: Any) -> tuple[tuple[float, float], list[str]]:
    import numpy as np
    from alibi_detect.cd import TabularDrift

    names = list(before.columns)
    texts = [name for name in names if before[name].dtype == object]
    codes = {name: {level: code for code, level in enumerate(sorted(set(before[name])))} for name in texts}

    def matrix(frame: Any) -> Any:
        return np.column_stack([frame[name].map(codes[name]) if name in texts else frame[name] for name in names])

    def run() -> Any:
        # it takes matrices only: making them of the frames is part of judging two frames
        a, b = matrix(before), matrix(after)
        categories = {names.index(name): len(codes[name]) for name in texts}
        detector = TabularDrift(a, p_val=0.05, categories_per_feature=categories)
        return detector.predict(b, drift_type="feature")

    seconds, found = timed(run)
    return seconds, [name for name, drifted in zip(names, found["data"]["is_drift"], strict=True) if drifted]


def peer_deepchecks(before: Any, after: Any) -> tuple[tuple[float, float], list[str]]:
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import FeatureDrift

    texts = [name for name in before.columns if before[name].dtype == object]

    def run() -> Any:
        a, b = Dataset(before, cat_features=texts, label=None), Dataset(after, cat_features=texts, label=None)
        return FeatureDrift(n_samples=len(before)).run(a, b, with_display=False)

    seconds, found = timed(run)
    return seconds, [name for name, value in found.value.items() if value["Drift score"] > 0.1]


def peer_evidently(before: Any, after: Any) -> tuple[tuple[float, float], list[str]]:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    seconds, found = timed(lambda: Report([DataDriftPreset()]).run(after, before).dict())
    named = []
    for metric in found["metrics"]:
        config = metric.get("config", {})
        column, threshold, value = config.get("column"), config.get("threshold"), metric.get("value")
        if column is None or not isinstance(value, float):
            continue
        distance = "distance" in str(config.get("method", "")).lower() or "psi" in str(config.get("method", "")).lower()
        limit = threshold if threshold is not None else (0.1 if distance else 0.05)
        if (value >= limit) if distance else (value < limit):
            named.append(column)
    return seconds, named


def peer_nannyml(before: Any, after: Any) -> tuple[tuple[float, float], list[str]]:
    import nannyml

    names = list(before.columns)

    def run() -> Any:
        calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_number=1)
        return calculator.fit(before).calculate(after)

    seconds, found = timed(run)
    frame = found.filter(period="analysis").to_df()
    flags = [
        name
        for name in names
        if any(frame[key].any() for key in frame.columns if key[0] == name and key[-1] == "alert")
    ]
    return seconds, flags


def timed(work: Any) -> tuple[tuple[float, float], Any]:
    """Wall and processor seconds, and the answer. On a busy machine the second is the fairer one."""
    start, used = time.perf_counter(), time.process_time()
    answer = work()
    return (time.perf_counter() - start, time.process_time() - used), answer


def best_of(work: Any, repeats: int = 3) -> tuple[tuple[float, float], Any]:
    return min((timed(work) for _ in range(repeats)), key=lambda run: run[0])


def peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def worker(name: str, folder: Path) -> None:
    if name.startswith("write "):
        write(folder, int(name.removeprefix("write ")))
        return
    if name in ("ours_frame", "ours_parquet", "bare"):
        answer = {"ours_frame": ours_frame, "ours_parquet": ours_parquet, "bare": bare}[name](folder)
    else:
        import pandas as pd

        frames = [pd.read_parquet(folder / f"{part}.parquet") for part in ("before", "after")]
        frames = [frame.astype({key: object for key in frame if key.startswith("string")}) for frame in frames]
        seconds, named = globals()[f"peer_{name}"](*frames)
        answer = {"seconds": seconds, "named": named}
    sys.stdout.write("\nANSWER " + json.dumps(answer) + "\n")


def measure(python: str, name: str, folder: Path) -> dict[str, Any] | str:
    """The worker's answer, or why there is none."""
    done = subprocess.run(
        [python, __file__, "--worker", name, "--data", str(folder)], capture_output=True, text=True, timeout=1_800
    )
    for line in done.stdout.splitlines():
        if line.startswith("ANSWER "):
            answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
            return answer
    return (done.stderr.strip().splitlines() or ["no output"])[-1][:160]


def peer_python(folder: Path, package: str) -> str:
    """The interpreter of the peer's own environment, made on first use. Raises RuntimeError where it does not
    install."""
    home = folder / package
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", "--no-input", package, *PEERS[package]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1_800)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed"])[-1][:160])
        (home / "ready").touch()
    return str(python)


def verdict(named: list[str]) -> str:
    wrong, lost = sorted(set(named) - SHIFTED), sorted(SHIFTED - set(named))
    if not wrong and not lost:
        return "exactly the five"
    return (
        f"{len(named)} named"
        + (f", lost {', '.join(lost)}" if lost else "")
        + (f", {len(wrong)} falsely" if wrong else "")
    )


def show(label: str, answer: dict[str, Any] | str, against: dict[str, Any] | None = None) -> None:
    if isinstance(answer, str):
        print(f"  {label:<24} skipped: {answer}")
        return
    wall, used = answer["seconds"]
    ratio = ""
    if against is not None:
        ratio = f"   {wall / against['seconds'][0]:.0f} x ours (processor: {used / against['seconds'][1]:.0f} x)"
    peak = f"   peak {answer['peak_mb']:.0f} MB" if "peak_mb" in answer else ""
    named = f"   {verdict(answer['named'])}" if "named" in answer else ""
    print(f"  {label:<24}{wall:8.3f} s ({used:.3f} s processor){ratio}{peak}{named}", flush=True)


def write(folder: Path, rows: int) -> None:
    for part, current in (("before", False), ("after", True)):
        table(rows, current=current).write_parquet(folder / f"{part}.parquet")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peers", type=Path, help="folder for the peers' environments; without it they are left out")
    options.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    options.add_argument("--worker", help=argparse.SUPPRESS)
    options.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.worker:
        worker(given.worker, given.data)
        return
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # not in this process: a child's peak memory begins at what its parent held when it was forked
            subprocess.run([sys.executable, __file__, "--worker", f"write {rows}", "--data", name], check=True)
            print(f"{rows:,} rows x 50 columns, two frames ({os.cpu_count()} cores)")
            frame = measure(sys.executable, "ours_frame", folder)
            show("ours, frames in memory", frame)
            streamed, least = measure(sys.executable, "ours_parquet", folder), measure(sys.executable, "bare", folder)
            show("ours, from Parquet", streamed)
            show("bare histogram pass", least)
            if isinstance(streamed, dict) and isinstance(least, dict):
                wall, used = (streamed["seconds"][i] / least["seconds"][i] for i in (0, 1))
                print(f"  from Parquet over the bare pass: {wall:.2f} x (processor: {used:.2f} x)")
            if given.peers and rows == given.rows[0] and isinstance(frame, dict):
                compare(given.peers, folder, frame)


def compare(peers: Path, folder: Path, ours: dict[str, Any]) -> None:
    for package in PEERS:
        try:
            python = peer_python(peers, package)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            show(package, f"does not install: {error}")
            continue
        show(package, measure(python, package.replace("-", "_"), folder), ours)


if __name__ == "__main__":
    main()
