"""Every real table goes through init, profile, check and run as a person would send it, without a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TABLES = {
    "adult.parquet": "income",
    "adult-raw-test.csv.gz": "column_15",
    "adult-raw-train.csv.gz": "column_15",
    "bank_marketing.parquet": "y",
    "bike_sharing_hourly.parquet": "cnt",
    "california_housing.parquet": "median_house_value",
    "compas_two_years.parquet": "two_year_recid",
    "credit_default_taiwan.parquet": "default_next_month",
    "credit_german.parquet": "risk",
    "dirty_clean/beers.clean.csv.gz": "abv",
    "dirty_clean/beers.dirty.csv.gz": "style",
    "dirty_clean/flights.clean.csv.gz": "src",
    "dirty_clean/flights.dirty.csv.gz": "src",
    "elec2.parquet": "class",
    "em_amazon_google.parquet": "label",
    "em_beer.parquet": "label",
    "em_dblp_acm.parquet": "label",
    "em_fodors_zagats.parquet": "label",
    "heart_disease.parquet": "disease",
    "kddcup99_10pct.parquet": "label",
    "nyc_taxi_sample.parquet": "fare_amount",
    "pjm-raw-DAYTON.csv.gz": "DAYTON_MW",
    "pjm-raw-DEOK.csv.gz": "DEOK_MW",
    "pjm_hourly_load.parquet": "mw",
    "sms_spam.parquet": "label",
    "titanic.parquet": "Survived",
    "wine_quality.parquet": "quality",
}
"""Each table with a column to predict."""

LEAKS = {
    "bank_marketing.parquet": {"duration"},
    "bike_sharing_hourly.parquet": {"casual", "registered"},
    "compas_two_years.parquet": {"is_recid", "vr_charge_degree", "vr_offense_date", "vr_charge_desc"},
    "heart_disease.parquet": {"num"},
}
SECONDS = 240
"""No command may take longer, however busy the machine."""


def mainspring(where: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", *map(str, arguments)],
        cwd=where,
        env=os.environ | {"MAINSPRING_ACTOR": "ann"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def test_no_table_is_forgotten(shared_data: Path) -> None:
    there = {path.relative_to(shared_data).as_posix() for path in shared_data.rglob("*") if path.is_file()}
    assert {name for name in there if name.endswith((".parquet", ".csv.gz"))} == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_becomes_a_judged_model(shared_data: Path, tmp_path: Path, name: str) -> None:
    table, target = shared_data / name, TABLES[name]
    made = mainspring(tmp_path, "init", "here", "--data", table, "--target", target, "--json")
    assert made.returncode == 0, made.stderr
    rows = json.loads(made.stdout)["rows"]
    project = tmp_path / "here"

    profiled = mainspring(project, "data", "profile", table, "--json")
    assert profiled.returncode == 0, profiled.stderr
    profile = json.loads(profiled.stdout)
    assert {"rows", "columns", "leaks", "outliers"} <= set(profile)
    assert profile["rows"] == rows
    found = {column for leak in profile["leaks"] for column in leak["columns"]}
    assert found >= LEAKS.get(name, set())

    checked = mainspring(project, "data", "check", table, "--json")
    assert checked.returncode == 0, "the contract is true of the table that it was proposed from"
    check = json.loads(checked.stdout)
    assert (check["rows"], check["passed"], check["quarantine"]) == (rows, True, None)
    assert all(rule["rows_checked"] for rule in check["rules"] if rule["rule"] == "type")

    ran = mainspring(project, "run", "--set", "trials=2", "--set", "seconds=4", "--json")
    assert ran.returncode in (0, 1), ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["model"] == {"name": "here", "version": 1}
    assert [step["status"] for step in answer["steps"]] == ["ran", "ran", "ran"]
    failed = [one for one in answer["verdicts"] if one["priority"] == "must" and one["result"] == "fail"]
    assert (ran.returncode == 1) == bool(failed)
    assert all(set(metric) >= {"value", "low", "high"} for metric in answer["metrics"].values())


def test_messy_files_are_read_or_refused_in_one_message(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "messy" / "messytables_horror.zip") as archive:
        archive.extractall(tmp_path)
    codes = {}
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        done = mainspring(tmp_path, "data", "profile", path, "--json")
        codes[path.name] = done.returncode
        assert done.returncode in (0, 2), path.name
        if done.returncode:
            assert (done.stdout, done.stderr.count("\n")) == ("", 1), done.stderr
            assert done.stderr.startswith("mainspring: ")
        else:
            assert json.loads(done.stdout)["rows"] > 0
    assert sum(code == 0 for code in codes.values()) >= 10, codes
    assert codes["utf-16le_encoded.csv"] == codes["spanish_chars.csv"] == codes["simple.psv"] == 0
