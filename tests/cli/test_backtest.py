"""``mainspring backtest``: with a table alone, inside a project, and one clear message for every mistake."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.cli.app import main
from tests.operate import worlds

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """
from mainspring import step
from mainspring.data import read, split


@step
def raw(source: str = "rows.parquet"):
    return read(source)


@step
def parts(raw, contract):
    return split(raw, by="time", test=0.25, contract=contract)


@step
def model(parts):
    raise RuntimeError("the rehearsal must not need the model")
"""
CONTRACT = """
[project]
name = "world"
task = "binary"
target = "y"
time = "t"

[columns.a]
type = "number"
[columns.b]
type = "number"
[columns.y]
type = "category"
[columns.t]
type = "integer"

[monitor]
window = 150
[retrain]
on = ["requirement"]
"""


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*tokens: object) -> Answer:
        with pytest.raises(SystemExit) as left:
            main(["backtest", *map(str, tokens)])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Answer(int(left.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    worlds.turning(1_200, turn=800).write_parquet(path)
    return path


def test_a_table_alone_is_enough(run: Any, table: Path, tmp_path: Path) -> None:
    report = tmp_path / "history.html"
    answer = run(table, "--target", "y", "--time", "t", "--ignore", "kind", "--window", "100", "--report", report)
    assert answer.code == 0
    for words in ("Left alone the model would have had accuracy", "with the loop", " alerts\n", "The timeline"):
        assert words in answer.out
    assert "backtest:" in answer.err
    assert "would have lived through" in report.read_text("utf-8")


def test_scripts_get_one_object(run: Any, table: Path) -> None:
    answer = run(
        table, "--target", "y", "--time", "t", "--windows", "4", "--policy", "on=schedule,every=2", "--label-delay",
        "50", "--train", "0.6", "--metric", "log_loss", "--json",
    )  # fmt: skip
    found = answer.json
    assert (found["metric"], len(found["loop"]["windows"]), found["loop"]["windows"][0]["start"]) == (
        "log_loss",
        4,
        720,
    )
    assert found["policy"].startswith("retrain on schedule")
    for arm in ("static", "loop", "oracle"):
        assert {"value", "windows", "retrains", "seconds"} <= found[arm].keys()
    for incident in found["loop"]["incidents"]:
        assert {"kind", "opened", "closed", "suspects", "action"} <= incident.keys()


def test_windows_of_days_on_a_csv_with_dates_as_text(run: Any, tmp_path: Path) -> None:
    days = [f"{date(2024, 1, 1) + timedelta(days=row // 4):%d/%m/%Y}" for row in range(800)]
    worlds.steady(800).with_columns(pl.Series("t", days)).write_csv(tmp_path / "rows.csv")
    found = run(tmp_path / "rows.csv", "--target", "y", "--time", "t", "--window", "25d", "--json").json
    assert [window["rows"] for window in found["static"]["windows"]] == [100] * 4
    assert found["static"]["windows"][0]["start"].startswith("2024-04-10")


def test_inside_a_project_contract_and_data_are_its_own(
    run: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mainspring.toml").write_text(CONTRACT)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    found = run("--json").json
    assert found["rows"] == 1_200
    assert [window["rows"] for window in found["loop"]["windows"]] == [150] * 4
    assert found["policy"] == "retrain on requirement"
    named = run(table, "--json").json
    assert named["loop"]["value"] == found["loop"]["value"]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["--time", "t"], "Say which column is predicted"),
        (["--target", "y"], "No time column"),
        (["--target", "z", "--time", "t"], "The target column 'z' is not in the table"),
        (["--target", "y", "--time", "tt"], "The time column 'tt' is not in the table. Did you mean t"),
        (["--target", "y", "--time", "t", "--window", "soon"], "--window is a number of rows such as 500, or a span"),
        (["--target", "y", "--time", "t", "--window", "7d"], "holds numbers, so a window cannot last"),
        (["--target", "y", "--time", "t", "--policy", "on=drfit"], "Did you mean drift"),
        (["--target", "y", "--time", "t", "--metric", "acuracy"], "Did you mean accuracy"),
        (["--target", "y", "--time", "t", "--ignore", "bb"], "No column named 'bb'"),
        (["--target", "y", "--time", "t", "--train", "2"], "between 0 and 1; got 2"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    run: Any, table: Path, tokens: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    answer = run(table, *tokens)
    assert answer.code == 2
    assert message in answer.err
    assert answer.out == ""


def test_two_formats_are_named_and_so_is_a_zone_that_only_some_rows_have(run: Any, tmp_path: Path) -> None:
    for times, message in (
        (["2024-01-01", "02/01/2024"], "dates in 2 formats"),
        (["2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00"], "dates in 2 formats"),
    ):
        worlds.steady(200).with_columns(pl.Series("t", times * 100)).write_csv(tmp_path / "rows.csv")
        answer = run(tmp_path / "rows.csv", "--target", "y", "--time", "t")
        assert (answer.code, message in answer.err) == (2, True), answer.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "flags", "static", "goal", "retrains"),
    [
        ("elec2", ["--target", "class", "--time", "t", "--ignore", "date"], 0.72, 0.77, 40),
        ("bank_marketing", ["--target", "y", "--time", "t", "--ignore", "year_derived"], 0.82, 0.85, 25),
        (
            "bike_sharing_hourly",
            ["--target", "cnt", "--time", "dteday", "--ignore", "instant,casual,registered"],
            121.9,
            75.0,
            12,
        ),
    ],
)
def test_on_real_history_the_loop_reaches_its_figures(
    run: Any, shared_data: Path, name: str, flags: list[str], static: float, goal: float, retrains: int
) -> None:
    found = run(shared_data / f"{name}.parquet", *flags, "--json").json
    assert found["static"]["value"] == pytest.approx(static, rel=0.02)
    assert found["loop"]["retrains"] <= retrains
    value = found["loop"]["value"]
    assert value >= goal if found["higher_is_better"] else value <= goal
