"""How quiet drift detection is when nothing happens, and how sharp when something does.

    python benchmarks/quiet.py [--reference 100000] [--windows 200] [--seed 0]

Windows of 50 columns (35 numbers of seven shapes, 10 integers, 5 categories) at 200, 2,000 and 20,000 rows: drawn
afresh from the reference's distribution, and resampled from the reference's own rows. At most 1 % may raise an alert.
Then one of the 50 columns is shifted by 0.3 standard deviations in windows of 2,000 rows: at least 95 % must name it.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import polars as pl

from mainspring.monitor.drift import drift
from mainspring.monitor.profile import Reference

SIZES = (200, 2_000, 20_000)
SHIFT = 0.3


def table(draw: np.random.Generator, rows: int) -> pl.DataFrame:
    """Rows of the reference's distribution."""
    shapes = (
        lambda: draw.normal(size=rows),
        lambda: draw.lognormal(0, 1, rows),
        lambda: draw.standard_t(3, rows),
        lambda: draw.random(rows),
        lambda: draw.gamma(1.5, 2.0, rows),
        lambda: np.where(draw.random(rows) < 0.5, 0.0, draw.exponential(1.0, rows)),
        lambda: np.round(draw.normal(100, 15, rows), 1),
    )
    columns: dict[str, Any] = {f"float_{i:02}": shapes[i % len(shapes)]() for i in range(35)}
    for i in range(10):
        columns[f"integer_{i:02}"] = (
            draw.poisson(0.3 + i, rows) if i % 2 else draw.integers(0, 10 ** (1 + i // 2), rows)
        )
    for i in range(5):
        weights = 1 / np.arange(1, 4 + 10 * i) ** 1.5
        names = np.array([f"level {j}" for j in range(len(weights))])
        columns[f"string_{i:02}"] = names[draw.choice(len(names), rows, p=weights / weights.sum())]
    return pl.DataFrame(columns)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--reference", type=int, default=100_000, help="rows of the reference")
    options.add_argument("--windows", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    draw = np.random.default_rng(given.seed)
    before = table(draw, given.reference)
    reference = Reference.fit(before)
    print(f"reference {given.reference:,} rows x {before.width} columns, {given.windows} windows of each kind")
    for rows in SIZES:
        for kind in ("fresh", "resampled"):
            start = time.perf_counter()
            alerts = 0
            for _ in range(given.windows):
                window = table(draw, rows) if kind == "fresh" else before[draw.integers(0, before.height, rows)]
                alerts += bool(drift(reference, window).drifted)
            took = (time.perf_counter() - start) / given.windows
            print(
                f"  {rows:>6,} rows, {kind:<9}  alerts {alerts:>3} = {alerts / given.windows:6.2%}   "
                f"{took * 1_000:.0f} ms a window, drawing included",
                flush=True,
            )
    deviations = {name: float(before[name].to_numpy().std()) for name in before.columns if name.startswith("float")}
    found = alone = 0
    for i in range(given.windows):
        name = list(deviations)[i % len(deviations)]
        window = table(draw, 2_000).with_columns(pl.col(name) + SHIFT * deviations[name])
        named = drift(reference, window).drifted
        found, alone = found + (name in named), alone + (named == (name,))
    print(f"   2,000 rows, one of 50 shifted by {SHIFT} deviations: found in {found / given.windows:.1%}", end="")
    print(f", and nothing else named in {alone / given.windows:.1%}")


if __name__ == "__main__":
    main()
