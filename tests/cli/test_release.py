"""From a pipeline to a registered version through ``mainspring run``, on a small table with a real model."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.flow.workbench import Workbench

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "bought"

[columns.age]
type = "integer"
[columns.visits]
type = "number"
[columns.bought]
type = "boolean"

[[require]]
metric = "roc_auc"
at_least = 0.7
"""
PIPELINE = """
from mainspring.data import read, split
from mainspring.train import fit

@step
def raw(source: str = "shop.csv"):
    return read(source)

@step
def parts(raw):
    return split(raw, seed=1)

@step
def model(parts, contract, kind: str = "linear"):
    return fit(parts.train, contract, kind=kind)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path)
    draw = random.Random(0)
    rows = [(draw.randint(18, 80), round(draw.expovariate(1), 3)) for _ in range(400)]
    lines = [f"{age},{visits},{str(visits + draw.gauss(0, 0.3) > 0.7).lower()}" for age, visits in rows]
    bench.write("shop.csv", "\n".join(["age,visits,bought", *lines]))
    bench.write("mainspring.toml", CONTRACT)
    bench.pipeline(PIPELINE)
    return bench


def ran(call_in: Call, bench: Workbench, *arguments: str, code: int = 0) -> Any:
    done = call_in("run", "--json", *arguments, where=bench.root)
    assert done.code == code, done.err
    return json.loads(done.out)


def versions(bench: Workbench) -> list[int]:
    with bench.project.workspace() as workspace:
        return sorted(version.version for version in workspace.ledger.models.versions("shop"))


def test_a_model_is_judged_and_registered_once(shop: Workbench, call_in: Call) -> None:
    first = ran(call_in, shop)
    assert first["model"] == {"name": "shop", "version": 1}
    assert first["metrics"]["roc_auc"]["low"] < first["metrics"]["roc_auc"]["value"] <= 1
    (verdict,) = first["verdicts"]
    assert (verdict["requirement"], verdict["result"], verdict["rows"]) == ("roc_auc at least 0.7", "pass", 100)
    assert {"stage", "value", "bound", "low", "high"} <= set(verdict)
    with shop.project.workspace() as workspace:
        assert workspace.ledger.models.get("shop", 1).run == first["run"]

    loaded = shop.python(
        "import sys; from mainspring.cli.app import main\n"
        "try: main(['run', '--json'])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    out, modules = loaded.communicate(timeout=60)
    again = json.loads(out)
    assert {key: again[key] for key in ("model", "metrics", "verdicts")} == {
        key: first[key] for key in ("model", "metrics", "verdicts")
    }
    assert not {"polars", "numpy", "sklearn"}.intersection(modules.split())
    assert versions(shop) == [1]

    shop.edit("mainspring.toml", "at_least = 0.7", "at_least = 0.9999")
    judged = ran(call_in, shop, code=1)
    assert {step["status"] for step in judged["steps"]} == {"reused"}
    assert judged["model"] == {"name": "shop", "version": 2}
    assert judged["verdicts"][0]["result"] == "fail"
    assert ran(call_in, shop, code=1)["model"]["version"] == 2, "a remembered failure fails again"
    assert versions(shop) == [1, 2]


def test_a_run_says_what_it_read_and_what_came_of_it(shop: Workbench, call_in: Call) -> None:
    first = ran(call_in, shop)
    assert next(iter(first["metrics"])) == "roc_auc", "what the contract asks for comes first"
    again = ran(call_in, shop)
    for run in (first["run"], again["run"]):
        shown = json.loads(call_in("runs", "show", run, "--json", where=shop.root).out)
        assert shown["tags"] == {"model": "shop/1"}
        assert shown["metrics"]["roc_auc"] == first["metrics"]["roc_auc"]["value"]
        assert [(one["name"], one["version"], one["rows"]) for one in shown["data"]] == [("raw", 1, 400)]
    assert "raw/1" in call_in("runs", "show", where=shop.root).out
    assert "roc_auc 0." in call_in("runs", "list", where=shop.root).out.splitlines()[1].partition("finished")[2]

    rows = (shop.root / "shop.csv").read_text(encoding="utf-8").splitlines()
    shop.write("shop.csv", "\n".join(rows[:-20]))
    ran(call_in, shop)
    differing = json.loads(call_in("runs", "diff", first["run"], "--json", where=shop.root).out)["differences"]
    assert {"what": "data", "name": "raw", "before": "raw/1", "after": "raw/2"} in differing
    assert {"what": "tag", "name": "model", "before": "shop/1", "after": "shop/2"} in differing
    assert all("(release)" not in one["what"] for one in differing), "what the release notes for itself is no step"
    listed = json.loads(call_in("data", "list", "--json", where=shop.root).out)
    assert [(one["name"], one["version"], one["rows"], one["source"]) for one in listed] == [
        ("raw", 2, 380, "shop.csv")
    ]
    diff = call_in("data", "diff", "raw/1", "raw/2", where=shop.root)
    assert "400 rows before, 380 rows after" in diff.out


def test_two_models_or_none_to_judge_release_nothing(shop: Workbench, call_in: Call) -> None:
    shop.pipeline(
        PIPELINE + "\n@step\ndef other(parts, contract):\n    return fit(parts.train, contract, kind='linear')\n"
    )
    done = call_in("run", where=shop.root)
    assert done.code == 0
    assert "Nothing is released: model and other each return a model." in done.err
    assert versions_or_none(shop) == []
    assert ran(call_in, shop, "model")["model"] == {"name": "shop", "version": 1}
    assert ran(call_in, shop, "parts")["model"] is None
    shop.pipeline(PIPELINE.replace("split(raw, seed=1)", "raw").replace("parts.train", "parts"))
    done = call_in("run", where=shop.root)
    assert "no step before it returns a split to judge it on" in done.err
    assert done.code == 0


def versions_or_none(bench: Workbench) -> list[int]:
    with bench.project.workspace() as workspace:
        names = workspace.ledger.models.names()
    return versions(bench) if "shop" in names else []
