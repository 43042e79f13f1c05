"""What the README shows is run: its contract, its pipeline and its commands, in its order."""

from __future__ import annotations

import re
import shlex
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mainspring.cli._exit import guarded
from mainspring.cli.app import app
from mainspring.contract import Contract

if TYPE_CHECKING:
    import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SPARING = {"run": ["--set", "trials=2"], "backtest": ["--windows", "2"]}
"""Flags that keep the commands quick; nothing else is changed about them."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(language: str, having: str) -> str:
    (found,) = [text for text in blocks(language) if having in text]
    return found


def customers(rows: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    age, usage = rng.integers(18, 90, rows), rng.gamma(2, 10, rows).round(2)
    return pl.DataFrame(
        {
            "signup": [date(2024, 1, 1) + timedelta(days=int(i) // 2) for i in range(rows)],
            "age": age,
            "sex": rng.choice(["f", "m"], rows),
            "usage": usage,
            "churned": rng.random(rows) < 1 / (1 + np.exp(0.4 * (age - 50) + 0.05 * (usage - 20))),
        }
    )


def commands(text: str) -> list[list[str]]:
    """The lines of a shell block, comments taken off."""
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def readme_contract() -> Contract:
    return Contract.parse(block("toml", "[project]"))


def test_the_contract_parses() -> None:
    contract = readme_contract()
    assert (contract.project.name, contract.project.task, contract.project.time) == ("churn", "binary", "signup")
    assert contract.features == ("age", "sex")
    assert [(one.metric, one.priority) for one in contract.requirements] == [
        ("roc_auc", "must"),
        ("equal_opportunity_difference", "should"),
    ]


def test_contract_and_pipeline_make_a_model_and_a_second_run_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mainspring.toml").write_text(block("toml", "[project]"))
    Path("pipeline.py").write_text(block("python", "@step"))
    customers(600).drop("usage").write_csv("customers.csv")
    assert guarded(app, ["run", *SPARING["run"]]) == 0, capfd.readouterr().err
    said = capfd.readouterr().out
    assert re.search(r"pass +roc_auc at least 0\.8", said)
    assert "churn version 1: the first version that keeps every must" in said
    assert guarded(app, ["run", *SPARING["run"]]) == 0
    said = capfd.readouterr().out
    assert re.findall(r"^(\w+) +reused$", said, re.MULTILINE) == ["raw", "parts", "model"]
    assert "churn version 1 (unchanged)" in said


def test_the_commands_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = customers(1200)
    table.write_parquet("history.parquet")
    table.write_csv("customers.csv")
    customers(200, seed=1).drop("churned").write_csv("new.csv")
    asked = [
        *commands(block("sh", "mainspring backtest history.parquet")),
        *commands(block("sh", "mainspring init")),
    ]
    called = [words[1] for words in asked if words[0] == "mainspring"]
    assert called[:3] == ["backtest", "init", "run"]
    assert {"why", "models", "verify", "predict", "data", "backtest"} <= set(called)
    for words in asked:
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            continue
        assert words[0] == "mainspring"
        code = guarded(app, [*words[1:], *SPARING.get(words[1], [])])
        printed = capfd.readouterr()
        assert code == 0, (words, printed.err)
        assert "Traceback" not in printed.err
        assert printed.out or "written to" in printed.err, words
    assert (tmp_path / "rehearsal.html").read_text().startswith("<!doctype html>")
    assert pl.read_parquet("scored.parquet").columns[-3:] == ["prediction", "probability", "flags"]


def test_every_command_of_the_readme_exists() -> None:
    named = set(re.findall(r"mainspring (\w+)", "\n".join(blocks("sh"))))
    assert named
    assert named <= set(app), named - set(app)


def test_what_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    missing = [link for link in links if not (Path(__file__).parents[1] / link).exists()]
    assert not missing
