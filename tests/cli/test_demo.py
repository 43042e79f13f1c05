"""``mainspring demo`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_tells_its_story_window_by_window(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", "demo", "--no-open", "--json", "--folder", "a folder"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["simulated"] is True
    assert told["found"] == 4
    assert [event["right"] for event in told["events"]] == [True] * 4
    assert "simulated" in done.stderr.splitlines()[0]
    windows = told["backtest"]["loop"]["windows"]
    assert f"{len(windows)}/{len(windows)}" in done.stderr
    assert "set aside  income looks multiplied by 12" in done.stderr
    assert (tmp_path / told["report"]).read_text("utf-8").startswith("<!doctype html>")
    assert pl.read_parquet(tmp_path / told["table"]).height == told["rows"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", "demo", "--no-open", "--folder", "taken"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "The folder taken cannot be made" in done.stderr
    assert "Traceback" not in done.stderr
