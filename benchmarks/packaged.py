"""One row through a packaged model, beside the bare ONNX session call and beside ``predict_proba`` on a one-row frame.

    python benchmarks/packaged.py

Prints medians over interleaved rounds, so that a busy moment of the machine meets every contender alike.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.package import build, onnx
from mainspring.train import fit

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, NUMBERS, CATEGORIES = 20_000, 12, 3
ROUNDS, CALLS = 30, 200


def table(rows: int) -> tuple[pl.DataFrame, Contract]:
    """12 numbers and 3 categories, some missing, and a binary target."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, NUMBERS))
    levels = rng.integers(0, 8, (rows, CATEGORIES))
    target = numbers[:, 0] + numbers[:, 1] * numbers[:, 2] + (levels[:, 0] > 5) + rng.normal(size=rows) > 0.5
    numbers[rng.random(numbers.shape) < 0.03] = np.nan
    columns = {f"n{i}": numbers[:, i] for i in range(NUMBERS)}
    columns |= {f"c{i}": [f"level {level}" for level in levels[:, i]] for i in range(CATEGORIES)}
    frame = pl.DataFrame(columns | {"y": target}).with_columns(pl.col(pl.Float64).fill_nan(None))
    types = {name: "category" if frame[name].dtype == pl.String else "number" for name in columns}
    declared = {name: Column(name=name, type=kind) for name, kind in types.items()}  # type: ignore[arg-type]
    return frame, Contract(
        project=ProjectSection(name="bench", task="binary", target="y"),
        columns=declared | {"y": Column(name="y", type="boolean")},
    )


def medians(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds a call, the median over interleaved rounds."""
    seen: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            count = CALLS if name != "predict_proba on a frame" else max(CALLS // 20, 5)
            start = time.perf_counter()
            for _ in range(count):
                call()
            seen[name].append((time.perf_counter() - start) / count * 1e6)
    return {name: statistics.median(times) for name, times in seen.items()}


def main() -> None:
    """Measure three kinds of model."""
    frame, contract = table(ROWS)
    train, holdout = frame.head(ROWS * 3 // 4), frame.tail(ROWS // 4)
    for kind in ("linear", "forest", "lightgbm"):
        model = fit(train, contract, kind=kind)
        bundle = build(model, contract=contract, holdout=holdout)
        row = holdout[:1].to_dicts()[0]
        matrix = model.encoder.encode_row(row)
        wide = holdout[:1].select(model.encoder.columns)
        packed, native = bundle.predictor(), bundle.predictor("native")
        calls: dict[str, Callable[[], object]] = {
            "packaged": partial(packed.predict_row, row),
            "packaged, native form": partial(native.predict_row, row),
        }
        as_frame = _named(model.encoder.encode(wide), model.encoder.names)
        calls["predict_proba on a frame"] = partial(model.estimator.predict_proba, as_frame)
        if bundle.manifest.form == "onnx":
            session = onnx.session(bundle.parts["model.onnx"])
            output = onnx.answer_name(session)
            calls["bare ONNX call"] = partial(onnx.run, session, output, matrix)
        found = medians(calls)
        print(f"{kind} (form {bundle.manifest.form})")
        for name, microseconds in found.items():
            print(f"  {name:28} {microseconds:10.1f} µs")
        if "bare ONNX call" in found:
            print(
                f"  packaged / bare ONNX call    {found['packaged'] / found['bare ONNX call']:10.2f} x   (goal ≤ 2.5)"
            )
        speed = found["predict_proba on a frame"] / found["packaged, native form"]
        print(f"  frame / native form          {speed:10.1f} x   (goal ≥ 20 for lightgbm)")


def _named(matrix: np.ndarray[Any, Any], names: tuple[str, ...]) -> object:
    import pandas as pd

    return pd.DataFrame(matrix, columns=list(names))


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main()
