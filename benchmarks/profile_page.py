"""The profile page of 100,000 rows x 50 columns, with associations and outliers, beside skrub and ydata-profiling.

    python benchmarks/profile_page.py [--rows 100000] [--peers DIR] [--page FILE.html]

Timed from the frame in memory to the HTML text in memory. "Bare" is what no profile can do without: sorting every
numeric column once and counting the values of every text column. Peers run in environments of their own under DIR, made
there where missing, on the same table, each in its usual form (skrub: ``TableReport``; ydata-profiling: ``minimal`` and
full); one that does not install is left out. Every time is the best of several rounds in a warm process; look at the
ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

SEED = 20_260_101
ROUNDS = 5
GOAL = 1.0
"""Seconds on two cores."""
PEER_SECONDS = 900
PEERS: dict[str, tuple[list[str], str]] = {
    "skrub": (
        ["skrub", "pyarrow", "polars"],
        "from skrub import TableReport\n"
        "every = {'plot_distributions': True, 'compute_associations': True, 'verbose': 0}\n"
        "def page(frame): return TableReport(frame, **every).html()\n",
    ),
    "ydata-profiling, minimal": (
        ["ydata-profiling", "setuptools<81", "pyarrow"],
        "from ydata_profiling import ProfileReport\n"
        "def page(frame): return ProfileReport(frame, minimal=True, progress_bar=False).to_html()\n",
    ),
    "ydata-profiling, full": (
        ["ydata-profiling", "setuptools<81", "pyarrow"],
        "from ydata_profiling import ProfileReport\n"
        "def page(frame): return ProfileReport(frame, progress_bar=False).to_html()\n",
    ),
}
_PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas
{define}
frame = pandas.read_parquet(sys.argv[1])
seconds = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    html = page(frame)
    seconds.append(time.perf_counter() - start)
    assert "<html" in html.lower() or "<div" in html.lower()
print(json.dumps({{"seconds": min(seconds), "characters": len(html)}}))
"""


def table(rows: int) -> pl.DataFrame:
    """35 numbers of five shapes, 10 whole numbers, 5 texts of 3 to 20,000 levels; gaps, and a few far values."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(SEED)
    columns: dict[str, Any] = {}
    for i in range(35):
        values = [
            lambda: draw.lognormal(0, 1, rows),
            lambda: draw.gamma(2.0, 3.0, rows),
            lambda: draw.normal(50, 10, rows),
            lambda: draw.random(rows),
            lambda: columns["float_00"] * 0.5 + draw.normal(0, 1, rows),
        ][i % 5]()
        if i % 7 == 3:
            values[draw.random(rows) < 0.05] = np.nan
        if i % 5 == 2:
            values[draw.integers(0, rows, 5)] = 10_000.0
        columns[f"float_{i:02}"] = values
    for i in range(10):
        columns[f"integer_{i:02}"] = draw.poisson(3 + 5 * i, rows)
    for i, levels in enumerate((3, 10, 50, 1_000, 20_000)):
        columns[f"string_{i:02}"] = np.array([f"level {j}" for j in range(levels)])[draw.integers(0, levels, rows)]
    return pl.DataFrame(columns).fill_nan(None)


def bare(frame: pl.DataFrame) -> None:
    import numpy as np
    import polars as pl

    for series in frame.iter_columns():
        if series.dtype == pl.String:
            series.value_counts()
        else:
            np.sort(series.cast(pl.Float64).to_numpy())


def best(act: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ours(frame: pl.DataFrame) -> str:
    from mainspring.data import profile
    from mainspring.data.profile_page import page

    return page(profile(frame))


def peer(name: str, folder: Path, data: Path) -> dict[str, float] | None:
    """Time one peer in its environment; None, with the reason printed, where it does not install or run."""
    packages, define = PEERS[name]
    home = folder / name.split(",")[0]
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    install = subprocess.run([python, "-m", "pip", "install", "-q", *packages], capture_output=True, text=True)
    if install.returncode:
        print(f"{name}: does not install here ({install.stderr.strip().splitlines()[-1][:100]})")
        return None
    rounds = 1 if "full" in name else 3
    try:
        done = subprocess.run(
            [python, "-c", _PEER.format(define=define), str(data), str(rounds)],
            capture_output=True, text=True, timeout=PEER_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"{name}: not done after {PEER_SECONDS} s")
        return None
    if done.returncode:
        print(f"{name}: does not run here ({done.stderr.strip().splitlines()[-1][:100]})")
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument(
        "--peers", type=Path, help="a folder for the peers' environments; without it only ours is timed"
    )
    options.add_argument("--full", action="store_true", help="also ydata-profiling's full form, which takes minutes")
    options.add_argument("--page", type=Path, help="write our page here, to be looked at")
    chosen = options.parse_args()
    frame = table(chosen.rows)
    html = ours(frame)
    for wanted in ("strongest pairs", "most extreme", "far out"):
        if wanted not in html:
            sys.exit(f"the page lacks {wanted!r}")
    if chosen.page:
        chosen.page.write_text(html)
    floor, mine = best(lambda: bare(frame)), best(lambda: ours(frame))
    print(f"{frame.height:,} rows x {frame.width} columns, best of {ROUNDS}")
    print(f"bare sort and count  {floor:7.3f} s")
    print(f"mainspring           {mine:7.3f} s   {mine / floor:5.1f} x bare   {len(html) / 1e6:.2f} M characters")
    print(f"goal of {GOAL:g} s: {'kept' if mine <= GOAL else 'MISSED'}")
    if chosen.peers is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "table.parquet"
        frame.write_parquet(data)
        for name in PEERS:
            if "full" in name and not chosen.full:
                continue
            found = peer(name, chosen.peers.resolve(), data)
            if found is not None:
                print(
                    f"{name:<25} {found['seconds']:7.3f} s   {found['seconds'] / mine:5.1f} x ours   "
                    f"{found['characters'] / 1e6:.2f} M characters"
                )


if __name__ == "__main__":
    main()
