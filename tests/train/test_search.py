"""The search: what it tries, what it says of itself, and that it keeps to its time and goes on after a kill."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.core.errors import InputError, NotFound, Refused
from mainspring.core.progress import shown_by
from mainspring.core.recording import Param, recording
from mainspring.core.scratch import scratch_in
from mainspring.evaluate.metric import measure
from mainspring.train import search
from mainspring.train.resample import Resampling
from tests.train.tables import contract, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.core.task import Task
    from mainspring.train import Model

ROOT = Path(__file__).parents[2]


ENDS = {"": "mean", ".low": "low", ".high": "high"}


class Notebook:
    """A recorder that keeps what it is told."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.params: dict[str, Param] = {}
        self.metrics: list[tuple[str, float, int]] = []
        self.status = "running"
        self.children: list[Notebook] = []

    def log_params(self, params: Mapping[str, Param]) -> None:
        self.params |= params

    def log_metric(self, name: str, value: float, *, step: int = 0) -> None:
        self.metrics.append((name, value, step))

    def log_tags(self, tags: Mapping[str, str]) -> None:
        pass

    def child(self, name: str) -> Notebook:
        self.children.append(Notebook(name))
        return self.children[-1]

    def finish(self, status: str = "finished") -> None:
        self.status = status


def told(model: Model) -> dict[str, Any]:
    """The search's own account, without what depends on the clock."""
    account = dict(model.meta["search"])
    account.pop("seconds")
    account["trials"] = [{k: v for k, v in trial.items() if k != "seconds"} for trial in account["trials"]]
    return account


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_best_of_all_kinds_is_found_and_fitted_on_all_rows(task: Task) -> None:
    frame = table(task, 500)
    model = search(frame, contract(task), trials=8)
    account = model.meta["search"]
    assert [trial["kind"] for trial in account["trials"]][:5] == [
        "baseline",
        "lightgbm",
        "linear",
        "hist_gradient_boosting",
        "forest",
    ]
    best = account["trials"][account["best"] - 1]
    assert (model.kind, model.meta["params"]) == (best["kind"], best["params"])
    finished = [trial["mean"] for trial in account["trials"] if trial["outcome"] == "finished"]
    assert best["mean"] == (min if account["metric"] == "rmse" else max)(finished)
    assert account["low"] < account["mean"] == best["mean"] < account["high"]
    assert model.meta["rows"] == 500
    assert json.loads(json.dumps(model.state())) == model.state()
    if task == "regression":
        assert account["mean"] < 0.5 * account["baseline"]
    else:
        assert account["mean"] > account["baseline"] + 0.2
    fresh = table(task, 2_000, seed=1)
    value = measure(account["metric"], fresh["y"], model.predict(fresh), confidence=None).value
    assert value == pytest.approx(account["mean"], abs=0.2 if task == "regression" else 0.06)


def test_every_trial_is_a_child_run_and_progress_is_shown() -> None:
    run, shown = Notebook(), list[tuple[float, str]]()

    def show(task: str, done: float, total: float | None, text: str = "") -> None:
        shown.append((done, text))

    with recording(run), shown_by(show):
        model = search(table("binary"), contract("binary"), trials=5)
    trials = model.meta["search"]["trials"]
    assert [child.name for child in run.children] == [f"trial {t['number']}: {t['kind']}" for t in trials]
    for child, trial in zip(run.children, trials, strict=True):
        assert child.status == ("finished" if trial["outcome"] == "finished" else "pruned")
        assert child.params == {"kind": trial["kind"], **trial["params"]}
        assert [value for name, value, _ in child.metrics if name == "roc_auc_fold"] == trial["scores"]
        assert ("roc_auc", trial["mean"], 0) in child.metrics
    account = model.meta["search"]
    assert run.metrics == [(f"search.roc_auc{end}", account[key], 0) for end, key in ENDS.items()]
    assert len(shown) == 6
    assert shown[-1][0] == 1.0
    assert "best so far" in shown[2][1]


def test_equal_arguments_give_equal_searches() -> None:
    frame = table("binary")
    one, two = (search(frame, contract("binary"), trials=9, seed=5) for _ in range(2))
    assert told(one) == told(two)
    assert np.array_equal(one.predict(frame).positive, two.predict(frame).positive)
    other = search(frame, contract("binary"), trials=9, seed=6)
    assert told(one)["trials"][1]["scores"] != told(other)["trials"][1]["scores"]


def test_what_lags_on_the_same_folds_is_given_up() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 1_500))
    frame = pl.DataFrame({"a": a, "b": b, "y": (a * b > 0).astype(int)})  # nothing for a linear model to see
    model = search(frame, contract("binary"), trials=6, resample=Resampling(kind="stratified", folds=8))
    linear = next(trial for trial in model.meta["search"]["trials"] if trial["kind"] == "linear")
    assert linear["outcome"] == "pruned"
    assert len(linear["scores"]) < 8


def test_noise_is_not_taken_for_skill() -> None:
    """Labels that nothing predicts: an encoder, imputer or threshold that saw the judged rows would find skill."""
    random = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "id": random.integers(0, 120, 1_200).astype(str),
            "sparse": np.where(random.random(1_200) < 0.5, np.nan, random.normal(size=1_200)),
            "y": random.integers(0, 2, 1_200),
        }
    )
    account = search(frame, contract("binary"), trials=8, metric="balanced_accuracy").meta["search"]
    assert account["mean"] == pytest.approx(0.5, abs=0.05)
    assert account["low"] < 0.53


def test_it_keeps_to_its_time_and_searches_big_tables_on_fewer_rows() -> None:
    frame = table("binary", 60_000)
    begun = time.perf_counter()
    model = search(frame, contract("binary"), trials=1_000, seconds=4)
    assert time.perf_counter() - begun < 9  # one fold may run over when the machine is busy
    account = model.meta["search"]
    assert 5_000 <= account["rows"] < 60_000
    assert any(trial["kind"] == "lightgbm" and trial["outcome"] == "finished" for trial in account["trials"])
    assert any(note.startswith(f"searched on {account['rows']:,} ") for note in model.meta["notes"])


def test_it_keeps_to_its_time_where_nothing_can_be_learned() -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(random.normal(size=(4_000, 10))).with_columns(y=random.integers(0, 30, 4_000))
    begun = time.perf_counter()
    model = search(frame, contract("multiclass"), trials=1_000, seconds=2)
    assert time.perf_counter() - begun < 8
    assert len(model.meta["search"]["trials"]) > 1


def test_rare_positives_get_a_threshold_for_the_metric() -> None:
    random = np.random.default_rng(0)
    a = random.normal(size=3_000)
    frame = pl.DataFrame({"a": a, "y": random.random(3_000) < 1 / (1 + np.exp(4 - 1.5 * a))})
    plain = search(frame, contract("binary"), trials=3)
    tuned = search(frame, contract("binary"), trials=3, metric="f1")
    assert plain.threshold is None
    assert tuned.threshold is not None
    assert tuned.threshold < 0.4
    half = next(trial for trial in tuned.meta["search"]["trials"] if trial["number"] == tuned.meta["search"]["best"])
    assert tuned.meta["search"]["mean"] > half["mean"] + 0.05
    assert tuned.predict(frame).values.sum() > plain.predict(frame).values.sum()


def test_costs_in_the_contract_draw_the_line() -> None:
    costs = {("yes", "no"): 10.0, ("no", "yes"): 1.0}
    model = search(table("binary"), contract("binary", cost=costs), trials=3, metric="expected_cost")
    assert model.threshold is not None
    assert model.threshold < 0.4  # a miss costs ten false alarms
    with pytest.raises(InputError, match="needs a cost matrix"):
        search(table("binary"), contract("binary"), metric="expected_cost")


def test_time_and_entities_of_the_contract_decide_the_folds() -> None:
    frame = table("binary").with_columns(
        pl.Series("at", [f"2026-{1 + i // 28 % 12:02d}-{1 + i % 28:02d}" for i in range(300)]),
        pl.Series("who", [f"p{i // 3}" for i in range(300)]),
    )
    timed = search(frame, contract("binary", time="at"), trials=2)
    assert timed.meta["search"]["resample"] == "5 blocks in time order, learning from all before"
    assert "at" not in timed.features
    grouped = search(frame.drop("at"), contract("binary", entity="who"), trials=2)
    assert grouped.meta["search"]["resample"] == "5 folds of whole groups, 3 times"
    assert "who" not in grouped.features
    drawn = search(frame.drop("at", "who"), contract("binary"), trials=2, resample="bootstrap")
    assert drawn.meta["search"]["resample"] == "5 bootstrap draws"
    with pytest.raises(InputError, match="'at' must hold dates like"):
        search(frame.with_columns(pl.lit("soon").alias("at")), contract("binary", time="at"), resample="expanding")


def test_candidates_can_be_named() -> None:
    model = search(table("binary"), contract("binary"), trials=4, candidates=["linear"])
    assert {trial["kind"] for trial in model.meta["search"]["trials"]} == {"baseline", "linear"}
    assert len({trial["params"].get("strength") for trial in model.meta["search"]["trials"]}) == 4
    with pytest.raises(NotFound, match="No kind of model named 'svm'"):
        search(table("binary"), contract("binary"), candidates=["svm"])
    with pytest.raises(NotFound, match=r"No metric of a binary task named 'rmse'"):
        search(table("binary"), contract("binary"), metric="rmse")
    with pytest.raises(InputError, match="at least 1 trial"):
        search(table("binary"), contract("binary"), trials=0)


@pytest.mark.parametrize("metric", ["mae", "mean_error", "r2", "max_error"])
def test_any_metric_of_the_task_can_lead(metric: str) -> None:
    account = search(table("regression", 150), contract("regression"), trials=3, metric=metric).meta["search"]
    finished = [t["mean"] for t in account["trials"] if t["outcome"] == "finished"]
    loss = {"r2": lambda v: -v, "mean_error": abs}.get(metric, lambda v: v)
    assert loss(account["mean"]) == min(map(loss, finished))


AWKWARD = {
    "twenty rows": pl.DataFrame({"a": range(20), "y": ["x", "y"] * 10}),
    "one positive": pl.DataFrame({"a": range(60), "y": [True] + [False] * 59}),
    "nothing but nulls": pl.DataFrame({"a": [None] * 40, "b": [1.0] * 40, "y": [0, 1] * 20}),
    "infinities": pl.DataFrame({"a": [math.inf, -math.inf, 1.0, math.nan] * 20, "y": [0, 1, 1, 0] * 20}),
    "nulls in the target": pl.DataFrame({"a": range(60), "y": [None, 0, 1] * 20}),
    "a unique text": pl.DataFrame({"a": [f"row number {i}" for i in range(80)], "y": [0, 1] * 40}),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_are_searched(name: str) -> None:
    frame = AWKWARD[name]
    model = search(frame, contract("binary"), trials=6)
    assert len(model.predict(frame)) == len(frame)
    assert all(trial["outcome"] in {"finished", "pruned"} for trial in model.meta["search"]["trials"])


def test_a_rare_class_may_be_missing_from_folds() -> None:
    frame = table("multiclass", 120).with_columns(pl.when(pl.int_range(120) == 7).then(9).otherwise("y").alias("y"))
    model = search(frame, contract("multiclass"), trials=6)
    assert model.classes == (0, 1, 2, 9)
    assert all(trial["outcome"] != "failed" for trial in model.meta["search"]["trials"])


def test_classes_missing_from_folds_do_not_mislead_the_rounds() -> None:
    """Rounds are followed by labels: where the learning half lacks a class, those above it must not slip by one."""
    row = pl.int_range(600)
    classes = pl.when(row < 5).then(row).otherwise(pl.col("y") + 5).alias("y")
    frame = table("multiclass", 600, seed=2).with_columns(classes)
    model = search(frame, contract("multiclass"), trials=2, candidates=["lightgbm"])
    (trial,) = (each for each in model.meta["search"]["trials"] if each["kind"] == "lightgbm")
    assert trial["params"]["rounds"] > 20
    assert trial["mean"] > 0.8


def test_a_skewed_target_may_be_learned_on_the_scale_of_its_logarithm() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 1_500))
    frame = pl.DataFrame({"a": a, "b": b, "y": np.exp(2 + 1.5 * a + b + 0.2 * random.normal(size=1_500))})
    model = search(frame, contract("regression"), trials=8, metric="mae", candidates=["lightgbm"])
    plain, logarithm = model.meta["search"]["trials"][1:3]
    assert logarithm["params"] == {**plain["params"], "scale": "log1p", "rounds": logarithm["params"]["rounds"]}
    assert logarithm["mean"] < plain["mean"]
    assert model.meta["search"]["mean"] < 0.25 * model.meta["search"]["baseline"]


SCRIPT = """
import sys
from mainspring.train import search
from mainspring.core.progress import shown_by
from tests.train.tables import contract, table

def show(task, done, total, text):
    print(text, flush=True)

with shown_by(show):
    search(table("binary", 2_000), contract("binary"), trials=40, journal=sys.argv[1])
"""


def test_a_killed_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    journal = tmp_path / "search.journal"
    command = [sys.executable, "-c", SCRIPT, str(journal)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("trial 2:"):
                with pytest.raises(Refused, match="Another search is writing to the journal"):
                    search(table("binary", 2_000), contract("binary"), trials=10, journal=journal)
            if line.startswith("trial 7:"):
                process.send_signal(signal.SIGKILL)
                break
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')  # what a line looks like that was cut by the kill
    run = Notebook()
    with recording(run):
        model = search(table("binary", 2_000), contract("binary"), trials=10, journal=journal)
    account = model.meta["search"]
    assert len(account["trials"]) == 10
    assert len(run.children) <= 3  # the first seven were not repeated
    assert [trial["kind"] for trial in account["trials"]][:2] == ["baseline", "lightgbm"]
    again = search(table("binary", 2_000), contract("binary"), trials=10, journal=journal)
    assert told(again)["trials"] == told(model)["trials"]
    assert np.array_equal(again.predict(table("binary")).positive, model.predict(table("binary")).positive)
    with pytest.raises(InputError, match="belongs to another search"):
        search(table("binary", 500), contract("binary"), trials=10, journal=journal)


def test_a_scratch_folder_keeps_the_journal_until_the_search_is_done(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(task: str, done: float, total: float | None, text: str = "") -> None:
        if text.startswith("trial 4:"):
            raise Stop

    frame, run = table("binary"), Notebook()
    with scratch_in(tmp_path):
        with pytest.raises(Stop), shown_by(stop):
            search(frame, contract("binary"), trials=6)
        assert len(list(tmp_path.iterdir())) == 1
        with recording(run):
            search(frame, contract("binary"), trials=6)
    assert len(run.children) == 2
    assert list(tmp_path.iterdir()) == []


def test_two_equal_searches_beside_each_other_do_not_wait(tmp_path: Path) -> None:
    frame = table("binary")
    inner: list[Model] = []
    begun: list[str] = []

    def meanwhile(task: str, done: float, total: float | None, text: str = "") -> None:
        if text.startswith("trial 2:") and not begun:
            begun.append(text)
            inner.append(search(frame, contract("binary"), trials=3))

    with scratch_in(tmp_path), shown_by(meanwhile):
        outer = search(frame, contract("binary"), trials=3)
    assert told(inner[0]) == told(outer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_thousand_columns_are_searched() -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(random.normal(size=(2_000, 2_000)), schema=[f"c{i}" for i in range(2_000)])
    frame = frame.with_columns((pl.col("c0") + pl.col("c1") + pl.Series(random.normal(size=2_000)) > 0).alias("y"))
    begun = time.perf_counter()
    model = search(frame, contract("binary"), seconds=40, trials=8)
    assert time.perf_counter() - begun < 90
    assert model.meta["search"]["mean"] > 0.8
