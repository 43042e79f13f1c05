"""Rehearse real history: a model left alone, the loop, constant retraining, and what plain scikit-learn reaches there.

    python benchmarks/backtest.py [FOLDER]        FOLDER: where the tables lie (default: ../shared/data)

Every table is replayed with the defaults of ``mainspring backtest``, then with other windows and shares of training
rows, to show what the figures hang on. Nothing is set per table but which columns are target, time and ignored.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainspring.operate.backtest import backtest

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@dataclass(frozen=True)
class Case:
    """A table, and what plain scikit-learn reaches there: left alone, and refitted (how, and how often)."""

    name: str
    target: str
    time: str
    ignore: tuple[str, ...]
    alone: float
    refitted: float
    how: str
    goal: float
    most: int


CASES = (
    Case("elec2", "class", "t", ("date",), 0.720, 0.767, "weekly on four weeks, 68 fits", 0.77, 40),
    Case("bank_marketing", "y", "t", ("year_derived",), 0.820, 0.846, "every 500 rows on 5,000, 45 fits", 0.85, 25),
    Case(
        "bike_sharing_hourly", "cnt", "dteday", ("instant", "casual", "registered"),
        121.9, 77.4, "before each fifth on everything", 75.0, 12,
    ),
)  # fmt: skip
OTHERS: tuple[dict[str, Any], ...] = ({"windows": 50}, {"window": 336}, {"train": 0.45}, {"train": 0.55}, {"seed": 1})


def replay(case: Case, folder: Path, **settings: Any) -> dict[str, Any]:
    begun = time.perf_counter()
    found = backtest(
        folder / f"{case.name}.parquet", target=case.target, time=case.time, ignore=case.ignore, **settings
    ).as_dict()
    return found | {"wall": time.perf_counter() - begun}


def main(folder: Path) -> int:
    missed = 0
    for case in CASES:
        found = replay(case, folder)
        better = found["higher_is_better"]
        value, retrains = found["loop"]["value"], found["loop"]["retrains"]
        reached = (value >= case.goal if better else value <= case.goal) and retrains <= case.most
        missed += not reached
        print(
            f"\n{case.name}: {found['metric']}, {len(found['loop']['windows'])} windows, {found['wall']:.0f} s in all"
        )
        print(f"  scikit-learn   left alone {case.alone:<8.4g} refitted {case.refitted:.4g} ({case.how})")
        for arm in ("static", "loop", "oracle"):
            one = found[arm]
            print(
                f"  {arm:<7} {one['value']:<8.4g} ({one['low']:.4g} to {one['high']:.4g})  {one['retrains']} retrains, "
                f"{one['fits']} fits, {one['seconds']:.1f} s"
            )
        goal = f"{'at least' if better else 'at most'} {case.goal:g} with at most {case.most} retrains"
        print(f"  goal {goal}: {'reached' if reached else 'MISSED'}")
        ratio = (1 - case.refitted) / (1 - value) if found["metric"] == "accuracy" else case.refitted / value
        print(f"  error of the refitted baseline beside the loop's: {ratio:.2f}x")
        for settings in OTHERS:
            other = replay(case, folder, **settings)
            (name, given), *_ = settings.items()
            print(
                f"  {name}={given:<5}  static {other['static']['value']:<8.4g} loop {other['loop']['value']:<8.4g} "
                f"{other['loop']['retrains']} retrains"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
