"""``mainspring models``: what a script and a person see of versions, aliases and their history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def answered(call_in: Call, where: Path, *arguments: str) -> Any:
    done = call_in("models", *arguments, "--json", where=where)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_list_gives_every_version_newest_first(call_in: Call, shop: Path) -> None:
    found = answered(call_in, shop, "list")
    assert [(one["name"], one["version"], one["aliases"], one["passed"]) for one in found] == [
        ("shop", 3, [], True),
        ("shop", 2, [], False),
        ("shop", 1, ["champion"], True),
    ]
    assert {"name", "version", "aliases", "metrics", "created"} <= set(found[0])
    assert found[1]["metrics"]["roc_auc"] == 0.5
    assert found[0]["created"].endswith("Z")
    assert answered(call_in, shop, "list", "shop") == found


def test_people_see_the_metric_that_the_contract_asks_about(call_in: Call, shop: Path) -> None:
    lines = call_in("models", "list", where=shop).out.splitlines()
    assert lines[0].split() == ["model", "version", "alias", "musts", "headline", "created"]
    assert lines[2].split()[:5] == ["shop", "2", "failed", "roc_auc", "0.5"]
    assert lines[3].split()[:4] == ["shop", "1", "champion", "passed"]


def test_show_has_metrics_with_intervals_verdicts_and_forms(call_in: Call, shop: Path) -> None:
    found = answered(call_in, shop, "show", "shop/2")
    assert set(found["metrics"]["accuracy"]) == {"value", "low", "high", "rows"}
    (verdict,) = found["verdicts"]
    expected = {"requirement": "roc_auc at least 0.7", "result": "fail", "bound": 0.7, "value": 0.5, "rows": 100}
    assert verdict | expected == verdict
    assert (found["kind"], found["form"], found["features"]) == ("baseline", "native", ["age", "visits", "town"])
    assert found["forms"]["onnx"]["kept"] is False
    assert answered(call_in, shop, "show", "shop")["version"] == 1
    assert answered(call_in, shop, "show", "models:/shop@champion")["version"] == 1
    text = call_in("models", "show", "shop/2", where=shop).out
    assert "fail  roc_auc at least 0.7 (must): 0.5 on 100 rows" in text


def test_history_says_who_when_and_why(call_in: Call, shop: Path) -> None:
    (change,) = answered(call_in, shop, "history", "shop")
    assert (change["alias"], change["before"], change["after"], change["override"]) == ("champion", None, 1, None)
    assert change["reason"] == "the first version that keeps every must"
    assert change["actor"]
    assert "the first version" in call_in("models", "history", "shop", where=shop).out


def test_at_answers_what_was_champion(call_in: Call, shop: Path) -> None:
    before = answered(call_in, shop, "at", "2020-02-29", "shop")
    assert before == {"name": "shop", "at": "2020-02-29T23:59:59.999999Z", "version": None, "transition": None}
    (change,) = answered(call_in, shop, "history", "shop")
    now = answered(call_in, shop, "at", change["time"], "shop")
    assert (now["version"], now["transition"]) == (1, change)
    said = call_in("models", "at", "2020-02-29T12:00", "shop", where=shop)
    assert said.out == "shop had no champion at 2020-02-29 12:00:00 UTC.\n"
    said = call_in("models", "at", change["time"], "shop", where=shop)
    assert said.out.startswith("shop/1 was champion at ")


def test_the_workspace_can_be_named_from_elsewhere(call_in: Call, shop: Path, tmp_path: Path) -> None:
    found = answered(call_in, tmp_path, "list", "--workspace", str(shop / ".mainspring"))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "shpo"], "No model named 'shpo'. Did you mean shop?"),
        (["list", "shpo"], "Did you mean shop?"),
        (["history", "shpo"], "Did you mean shop?"),
        (["at", "2026-01-01", "shpo"], "Did you mean shop?"),
        (["at", "yesterday", "shop"], "Expected a date such as 2026-01-31"),
        (["show", "shop/9"], "The model 'shop' has no version 9; it has 1 to 3."),
        (["show", "shop@champoin"], "Did you mean champion?"),
        (["show", "shop/1/2"], "Expected a model such as churn, churn/3"),
    ],
)
def test_wrong_use_is_one_message(call_in: Call, shop: Path, arguments: list[str], message: str) -> None:
    done = call_in("models", *arguments, where=shop)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_without_models_the_way_to_one_is_said(call_in: Call, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "mainspring.toml").write_bytes((shop / "mainspring.toml").read_bytes())
    done = call_in("models", "list", where=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "There is no workspace in" in done.err
    assert "`mainspring run` in a project makes one." in done.err
    assert not (tmp_path / ".mainspring").exists(), "looking makes nothing"
    Workspace.open(tmp_path).close()
    done = call_in("models", "list", where=tmp_path)
    assert (done.code, done.out) == (0, "No model is registered yet. Make one with: mainspring run\n")
    done = call_in("models", "list", where=tmp_path / "..")
    assert done.code == 2
    assert "mainspring init" in done.err
