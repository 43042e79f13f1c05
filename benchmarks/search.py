"""The search on real tables, 60 s each, beside histogram gradient boosting with its defaults.

    python benchmarks/search.py [--seconds 60] [--tables adult,wine_quality] [--nested] [--json FILE]

The tables lie beside the project in ``../shared/data``. Three numbers for each, from the least to the most honest:

* ``search``: what the search says of its best trial: pooled over its own folds. It chose the trial by those folds.
* ``same folds``: its parameters fitted again on the folds of the baseline (5, shuffled with seed 0, stratified for
  classes), pooled. The parameters were chosen on the same rows, cut otherwise.
* ``holdout``: a new search on four fifths, judged on the last fifth, which it never saw, with a bootstrap interval; the
  baseline on the same fifth beside it. With ``--nested`` each fold in turn is held out from a whole new search and the
  scores are pooled: an unbiased number for the whole table, at five times the time.

The baseline is scikit-learn's HistGradientBoosting with its defaults and categories from the dtype.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.predictions import Predictions

    Pair = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLES = {
    "adult": ("income", "binary", "roc_auc", 0.929),
    "california_housing": ("median_house_value", "regression", "r2", 0.835),
    "credit_default_taiwan": ("default_next_month", "binary", "roc_auc", 0.783),
    "wine_quality": ("quality", "regression", "r2", 0.47),
}
"""Target, task, metric and the number to reach."""


def load(name: str) -> tuple[pl.DataFrame, Contract]:
    import polars as pl

    from mainspring.contract import Contract, ProjectSection

    target, task, _, _ = TABLES[name]
    frame = pl.read_parquet(DATA / f"{name}.parquet").drop("split", strict=False)
    return frame, Contract(project=ProjectSection(name=name, task=task, target=target))  # type: ignore[arg-type]


def folds(frame: pl.DataFrame, contract: Contract) -> list[Pair]:
    """The folds of the baselines in the data's README."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if contract.project.task == "regression" else StratifiedKFold
    cutter = kind(5, shuffle=True, random_state=0)
    return list(cutter.split(frame, frame[contract.project.target].to_numpy()))


def plain(train: pl.DataFrame, test: pl.DataFrame, contract: Contract) -> Predictions:
    """Histogram gradient boosting as it comes."""
    import numpy as np
    import polars as pl
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    from mainspring.core.predictions import Predictions

    target = contract.project.target
    both = pl.concat([train, test]).drop(target).to_pandas()
    both = both.astype(
        {name: "category" for name in both if both[name].dtype == object or str(both[name].dtype) == "str"}
    )
    X, judged = both.iloc[: len(train)], both.iloc[len(train) :]
    settings: dict[str, Any] = {"random_state": 0, "categorical_features": "from_dtype"}
    if contract.project.task == "regression":
        model: Any = HistGradientBoostingRegressor(**settings).fit(X, train[target].to_numpy())
        return Predictions(model.predict(judged))
    model = HistGradientBoostingClassifier(**settings).fit(X, train[target].to_numpy())
    return Predictions(np.asarray(model.predict(judged)), model.predict_proba(judged), tuple(model.classes_.tolist()))


def pool(parts: list[Predictions]) -> Predictions:
    import numpy as np

    from mainspring.core.predictions import Predictions

    scores = None if parts[0].scores is None else np.concatenate([part.scores for part in parts])  # type: ignore[misc]
    return Predictions(np.concatenate([part.values for part in parts]), scores, parts[0].classes)


def gaps(frame: pl.DataFrame, truth: Any, predictions: Predictions, by: str) -> dict[str, Any]:
    """How the groups of one column fare at 0.5."""
    import polars as pl

    from mainspring.evaluate.metric import measure

    found = {
        name: round(measure(name, truth, predictions, by=frame[by], confidence=None).value, 4)
        for name in ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference")
    }
    assert predictions.classes is not None
    positive = predictions.classes[1]
    called = pl.Series(predictions.values == positive)
    table = pl.DataFrame({"group": frame[by].cast(pl.String), "true": pl.Series(truth == positive), "called": called})
    groups = table.group_by("group").agg(
        pl.len().alias("rows"),
        pl.col("called").mean().round(4).alias("selected"),
        pl.col("called").filter(pl.col("true")).mean().round(4).alias("TPR"),
        pl.col("called").filter(~pl.col("true")).mean().round(4).alias("FPR"),
    )
    return {"by": by, **found, "groups": groups.sort("group").to_dicts()}


def bench(name: str, seconds: float, *, nested: bool) -> dict[str, Any]:
    from mainspring.evaluate.metric import difference, measure
    from mainspring.train import fit, search

    target, _, metric, goal = TABLES[name]
    frame, contract = load(name)
    truth = frame[target].to_numpy()
    cut = folds(frame, contract)
    order = [row for _, judged in cut for row in judged]

    def value(parts: list[Predictions]) -> float:
        return measure(metric, truth[order], pool(parts), confidence=None).value

    begun = time.perf_counter()
    model = search(frame, contract, seconds=seconds, trials=500, metric=metric)
    took = time.perf_counter() - begun
    account = model.meta["search"]
    again = [
        fit(frame[learn], contract, kind=model.kind, params=model.meta["params"]).predict(frame[judge])
        for learn, judge in cut
    ]
    baseline = [plain(frame[learn], frame[judge], contract) for learn, judge in cut]
    row: dict[str, Any] = {
        "table": name,
        "metric": metric,
        "goal": goal,
        "baseline": value(baseline),
        "search": account["pooled"],
        "search_mean": account["mean"],
        "search_interval": [account["low"], account["high"]],
        "same_folds": value(again),
        "kind": model.kind,
        "params": model.meta["params"],
        "trials": len(account["trials"]),
        "full_trials": sum(trial["outcome"] == "finished" for trial in account["trials"]),
        "seconds": took,
    }
    held = cut if nested else cut[:1]
    searched = [
        search(frame[learn], contract, seconds=seconds, trials=500, metric=metric).predict(frame[judge])
        for learn, judge in held
    ]
    rows = [row for _, judged in held for row in judged]
    ours, theirs = pool(searched), pool(baseline[: len(held)])
    found = measure(metric, truth[rows], ours)
    ahead = difference(metric, truth[rows], ours, theirs)
    row |= {
        "holdout": found.value,
        "holdout_interval": [found.low, found.high],
        "holdout_rows": len(rows),
        "holdout_baseline": measure(metric, truth[rows], theirs, confidence=None).value,
        "holdout_gain": [ahead.value, ahead.low, ahead.high],
    }
    if name == "adult":
        row["sex"] = gaps(frame[order], truth[order], pool(again), "sex")
        row["sex_baseline"] = gaps(frame[order], truth[order], pool(baseline), "sex")
    return row


def show(row: dict[str, Any], *, nested: bool) -> None:
    reached = "reached" if row["same_folds"] >= row["goal"] else "MISSED"
    print(f"\n{row['table']}: {row['metric']}, goal {row['goal']} {reached}")
    print(f"  baseline on the README's folds   {row['baseline']:.4f}")
    low, high = row["search_interval"]
    how = f"{row['kind']}, {row['trials']} trials, {row['full_trials']} in full, {row['seconds']:.0f} s"
    print(f"  search, its own folds            {row['search']:.4f}   (fold mean {row['search_mean']:.4f}, {how})")
    print(f"    interval of the fold mean      {low:.4f} to {high:.4f}")
    print(f"  its parameters, README's folds   {row['same_folds']:.4f}")
    low, high = row["holdout_interval"]
    kind = "nested, every row held out once " if nested else "new search, held-out fifth      "
    print(f"  {kind} {row['holdout']:.4f}   ({low:.4f} to {high:.4f}, {row['holdout_rows']} rows)")
    gain, low, high = row["holdout_gain"]
    print(f"  baseline on the same rows        {row['holdout_baseline']:.4f}")
    print(f"    gain over it                   {gain:+.4f}   ({low:+.4f} to {high:+.4f})")
    for key in ("sex", "sex_baseline"):
        if key in row:
            print(f"  {key}: {json.dumps(row[key])}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--nested", action="store_true", help="hold out every fold in turn")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not DATA.is_dir():
        print(f"The real tables are not here: {DATA}", file=sys.stderr)
        return 2
    rows = []
    for name in given.tables.split(","):
        row = bench(name, given.seconds, nested=given.nested)
        rows.append(row)
        show(row, nested=given.nested)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
