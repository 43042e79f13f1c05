"""``mainspring predict``: files, pipes, and what is said where rows cannot be scored."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.data import read
from mainspring.project import Project
from mainspring.registry import Registry
from tests.cli.shop import table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

ROWS = 25


@pytest.fixture
def fresh(shop: Path) -> Path:
    path = shop / "new.csv"
    path.write_text(table(ROWS, seed=9))
    return path


def by_the_model(shop: Path, rows: pl.DataFrame, version: int = 1) -> pl.DataFrame:
    """What the fitted model itself says, without its fast form."""
    with Project(shop).workspace() as workspace:
        said = Registry(workspace).load(f"shop/{version}").model().predict(rows)
    return pl.DataFrame({"prediction": said.values.tolist(), "probability": said.positive})


def assert_scored(found: pl.DataFrame, shop: Path, rows: pl.DataFrame) -> None:
    assert found.columns == [*rows.columns, "prediction", "probability"]
    assert found.select(rows.columns).equals(rows)
    expected = by_the_model(shop, rows)
    assert found["prediction"].to_list() == expected["prediction"].to_list()
    assert found["probability"].to_list() == pytest.approx(expected["probability"].to_list(), abs=1e-5)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_file_comes_back_with_predictions(
    call_in: Call, shop: Path, fresh: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "not yet" / f"scored.{suffix}"
    done = call_in("predict", "shop", "new.csv", "-o", str(out), where=shop)
    assert (done.code, done.out) == (0, "")
    assert f"25 rows scored, written to {out}" in done.err
    found = pl.read_parquet(out) if suffix == "parquet" else read(out)
    assert_scored(found, shop, pl.read_csv(fresh))


def test_what_the_model_does_not_know_keeps_its_characters(call_in: Call, shop: Path, tmp_path: Path) -> None:
    ids = ["1.10", "1.1", "1e5", "+5", "5", "nan", "inf"]
    lines = [f"{one},{30 + place},1.5,bo" for place, one in enumerate(ids)]
    (tmp_path / "rows.csv").write_text("\n".join(["customer,age,visits,town", *lines]) + "\n")
    where = str(shop / ".mainspring")
    done = call_in("predict", "shop", "rows.csv", "--workspace", where, where=tmp_path)
    assert done.code == 0, done.err
    assert [line.split(",")[0] for line in done.out.splitlines()] == ["customer", *ids]


def test_through_pipes(shop: Path, fresh: Path) -> None:
    command = [sys.executable, "-m", "mainspring", "predict", "shop@champion"]
    done = subprocess.run(command, cwd=shop, input=fresh.read_bytes(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert_scored(pl.read_csv(io.BytesIO(done.stdout)), shop, pl.read_csv(fresh))


def test_json_is_one_object(call_in: Call, shop: Path, fresh: Path, tmp_path: Path) -> None:
    done = call_in("predict", "shop", "new.csv", "--json", where=shop)
    found = json.loads(done.out)
    assert (done.code, found["model"], found["rows"], found["output"]) == (0, "shop", ROWS, None)
    assert_scored(pl.read_csv(fresh).hstack(pl.DataFrame(found["predictions"])), shop, pl.read_csv(fresh))
    out = tmp_path / "scored.parquet"
    told = json.loads(call_in("predict", "shop", "new.csv", "-o", str(out), "--json", where=shop).out)
    assert (told["rows"], told["output"], told["predictions"]) == (ROWS, str(out), None)
    assert pl.read_parquet(out).height == ROWS


def test_more_columns_and_no_target_do_not_matter(call_in: Call, shop: Path, fresh: Path) -> None:
    rows = pl.read_csv(fresh)
    (shop / "more.jsonl").write_text(
        rows.drop("bought").with_columns(who=pl.lit("ann"))[["who", "town", "visits", "age"]].write_ndjson()
    )
    done = call_in("predict", "shop", "more.jsonl", where=shop)
    assert done.code == 0, done.err
    found = pl.read_csv(io.StringIO(done.out))
    assert found.columns == ["who", "town", "visits", "age", "prediction", "probability"]
    assert found["prediction"].to_list() == by_the_model(shop, rows)["prediction"].to_list()


def test_a_version_and_a_folder_with_a_bundle_can_be_named(
    call_in: Call, shop: Path, fresh: Path, tmp_path: Path
) -> None:
    with Project(shop).workspace() as workspace:
        folder = Registry(workspace).load("shop/3").write(tmp_path / "bundle")
    named = call_in("predict", "shop/3", "new.csv", where=shop)
    away = call_in("predict", str(folder), str(fresh), where=tmp_path)
    assert named.code == away.code == 0, away.err
    assert named.out == away.out
    expected = by_the_model(shop, pl.read_csv(fresh), version=3)["prediction"].to_list()
    assert pl.read_csv(io.StringIO(away.out))["prediction"].to_list() == expected


def test_what_was_scored_before_is_replaced_and_said(call_in: Call, shop: Path, fresh: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    call_in("predict", "shop", "new.csv", "-o", str(once), where=shop)
    done = call_in("predict", "shop", str(once), "-o", str(twice), where=shop)
    assert "once.csv had prediction, probability already: replaced" in done.err
    assert once.read_bytes() == twice.read_bytes()


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ("shpo", "age,visits,town\n30,1,bo\n", "No model named 'shpo'. Did you mean shop?"),
        ("shop", "age,vists,town\n30,1,bo\n", "Column 'visits' is needed and missing. Did you mean vists?"),
        ("shop", "", "is empty"),
        ("shop", "age,visits,town\n", "no rows"),
        ("shop", "age,visits,town\n30,1\n31,1,bo\n", "line 2"),
        ("shop", None, "No file rows.csv"),
    ],
)
def test_what_cannot_be_scored_is_one_message(
    call_in: Call, shop: Path, tmp_path: Path, model: str, data: str | None, message: str
) -> None:
    if data is not None:
        (tmp_path / "rows.csv").write_text(data)
    where = str(shop / ".mainspring")
    done = call_in("predict", model, "rows.csv", "-o", "scored.csv", "--workspace", where, where=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "scored.csv").exists()


def test_a_row_that_breaks_the_contract_is_told_and_costs_no_other(call_in: Call, shop: Path, tmp_path: Path) -> None:
    rows = "age,visits,town\n30,1,bo\n31,many,ulm\n32,2,rome\n"
    (tmp_path / "rows.csv").write_text(rows)
    where = ["--workspace", str(shop / ".mainspring")]
    done = call_in("predict", "shop", "rows.csv", *where, where=tmp_path)
    assert done.code == 0
    assert "2 of 3 rows break the contract and have no prediction; their column flags says why" in done.err
    found = pl.read_csv(io.StringIO(done.out))
    assert found.columns == ["age", "visits", "town", "prediction", "probability", "flags"]
    assert found["flags"].to_list() == [None, "rejected,type:visits", "rejected,categories:town"]
    assert found["prediction"].is_null().to_list() == [False, True, True]
    (tmp_path / "rows.csv").write_text("age,visits,town\n30,many,bo\n")
    nothing = call_in("predict", "shop", "rows.csv", "--json", *where, where=tmp_path)
    assert nothing.code == 1
    told = json.loads(nothing.out)
    assert (told["rows"], told["rejected"], told["flagged"]) == (1, 1, 0)
    assert told["predictions"] == [{"prediction": None, "probability": None, "flags": "rejected,type:visits"}]


def test_a_folder_takes_parts_and_a_second_call_reuses_them(
    call_in: Call, shop: Path, fresh: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scored"
    words = ("predict", "shop", "new.csv", "-o", str(out), "--partition-rows", "10", "--json")
    first = call_in(*words, where=shop)
    assert first.code == 0, first.err
    told = json.loads(first.out)
    assert {key: told[key] for key in ("rows", "partitions", "reused", "version", "rejected", "output")} == {
        "rows": ROWS, "partitions": 3, "reused": 0, "version": 1, "rejected": 0, "output": str(out),
    }  # fmt: skip
    assert told["seconds"] > 0
    assert f"written to {out}: 3 parts" in first.err
    found = pl.read_parquet(out / "*.parquet")
    assert found["flags"].null_count() == ROWS
    assert_scored(found.drop("flags"), shop, pl.read_csv(fresh))
    assert json.loads(call_in(*words, where=shop).out)["reused"] == 3
    other = call_in("predict", "shop/3", "new.csv", "-o", str(out), where=shop)
    assert other.code == 2
    assert "begun with shop/1 (bundle" in other.err
    anew = call_in("predict", "shop/3", "new.csv", "-o", str(out), "--force", "--json", where=shop)
    assert (json.loads(anew.out)["version"], json.loads(anew.out)["partitions"]) == (3, 1)


def test_parts_go_to_a_folder_only(call_in: Call, shop: Path, fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "new.csv").write_bytes(fresh.read_bytes())
    for words, message in (
        (("new.csv", "--partition-rows", "5"), "--partition-rows makes parts, which go to a folder: -o scored/"),
        (("new.csv", "--partition-rows", "5", "-o", "x.csv"), "which go to a folder: -o x/"),
        (("new.csv", "--partition-rows", "0", "-o", "x/"), "--partition-rows must be at least 1, got 0"),
        ((str(tmp_path / "in"), "-o", "x.csv"), "are scored in parts, which go to a folder: -o x/"),
        ((str(tmp_path / "inn"), "-o", "x/"), "Did you mean in?"),
    ):
        done = call_in("predict", "shop", *words, where=shop)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
        assert not (shop / "x").exists()
    done = call_in("predict", "shop", str(tmp_path / "in"), "-o", "x.y/", where=shop)
    assert done.code == 0, done.err
    assert pl.read_parquet(shop / "x.y" / "*.parquet").height == ROWS


def test_a_pipe_can_be_scored_in_parts(shop: Path, fresh: Path, tmp_path: Path) -> None:
    words = ["predict", "shop", "-o", str(tmp_path / "out"), "--partition-rows", "10", "--json"]
    for reused in (0, 3):
        done = subprocess.run(
            [sys.executable, "-m", "mainspring", *words],
            cwd=shop, input=fresh.read_bytes(), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["reused"] == reused


def test_an_empty_pipe_is_one_message(shop: Path) -> None:
    command = [sys.executable, "-m", "mainspring", "predict", "shop"]
    done = subprocess.run(command, cwd=shop, input=b"", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"mainspring: standard input is empty.")


def test_an_output_that_cannot_be_written_is_one_message(
    call_in: Call, shop: Path, fresh: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for output, message in (
        (kept / "scored.csv", "kept.csv"),
        (tmp_path / "folder.csv", "folder.csv"),
        (tmp_path / "scored.xlsx", "not as '.xlsx'. Change the suffix"),
        (kept / "scored", "kept.csv"),
    ):
        done = call_in("predict", "shop", "new.csv", "-o", str(output), where=shop)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
        assert done.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
    assert kept.read_text() == "mine"


def test_a_full_disk_leaves_the_old_output(
    call_in: Call, shop: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scored.csv"
    out.write_text("of yesterday")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr("os.fsync", full)
    done = call_in("predict", "shop", "new.csv", "-o", str(out), where=shop)
    assert done.code == 2
    assert "No space left on device" in done.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("scored.csv", "of yesterday")]


def test_lists_go_to_parquet_but_not_to_csv(call_in: Call, shop: Path, fresh: Path, tmp_path: Path) -> None:
    rows = pl.read_csv(fresh).with_columns(tags=pl.Series([[1, 2]] * ROWS))
    rows.write_parquet(tmp_path / "rows.parquet")
    done = call_in("predict", "shop", str(tmp_path / "rows.parquet"), where=shop)
    assert (done.code, done.out) == (2, "")
    assert "CSV cannot hold tags" in done.err
    out = tmp_path / "scored.parquet"
    assert call_in("predict", "shop", str(tmp_path / "rows.parquet"), "-o", str(out), where=shop).code == 0
    assert_scored(pl.read_parquet(out), shop, rows)


def test_what_is_told_of_an_endpoint_makes_sense(call_in: Call, shop: Path, fresh: Path) -> None:
    for words, message in (
        (("--url", "localhost:8000"), "is no address of an endpoint. Expected one such as http://127.0.0.1:8000"),
        (
            ("--url", "http://127.0.0.1:9", "--token", "hush"),
            "Expected --token env:NAME or file:PATH, not a token itself",
        ),
        (("--url", "http://127.0.0.1:9", "--token", "env:NOT_THERE"), "the environment variable NOT_THERE is not set"),
        (("--url", "http://127.0.0.1:9", "--token", "file:not/there"), "There is no token: not/there cannot be read"),
        (("--url", "http://127.0.0.1:9", "--concurrency", "0"), "--concurrency must be at least 1, got 0"),
        (("--token", "env:HOME"), "--token and --any-version are for an endpoint: name it with --url"),
    ):
        done = call_in("predict", "shop", "new.csv", *words, where=shop)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
        assert "hush" not in done.err
    done = call_in("predict", "shop@challenger", "new.csv", "--url", "http://127.0.0.1:9", where=shop)
    assert "An endpoint answers with the version that it serves" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_through_a_real_endpoint_each_row_once_whoever_is_killed(
    call_in: Call, shop: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.serve.live import serving, until

    many = tmp_path / "many.csv"
    many.write_text(table(600, seed=4))
    out = tmp_path / "out"
    monkeypatch.setenv("ASKED_WITH", "hush")
    with serving("shop", workspace=shop / ".mainspring", MAINSPRING_TOKEN="hush") as live:  # noqa: S106
        url: tuple[str, ...] = ("--url", live.url)
        refused = call_in("predict", "shop", "new.csv", *url, where=shop)
        assert (refused.code, refused.out) == (2, "")
        assert "refuses (401)" in refused.err
        url = (*url, "--token", "env:ASKED_WITH")
        done = call_in("predict", "shop", "new.csv", *url, where=shop)
        assert done.code == 0, done.err
        found = pl.read_csv(io.StringIO(done.out))
        assert_scored(found.drop("prediction_id", "model_version"), shop, pl.read_csv(fresh))
        assert found["model_version"].to_list() == [1] * ROWS
        assert found["prediction_id"].n_unique() == ROWS
        words = ["shop", str(many), "-o", str(out), "--partition-rows", "50", "--request-rows", "1", *url]
        command = [sys.executable, "-m", "mainspring", "predict", *words]
        killed = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        until(lambda: len(list(out.glob("part-*"))) >= 2, 60)
        killed.kill()
        assert killed.wait() == -9
        told = json.loads(call_in("predict", *words, "--json", where=tmp_path).out)
        assert 1 <= told["reused"] < told["partitions"] == 12
        assert (told["version"], told["versions"], told["rows"]) == (1, [1], 600)
    scored = pl.read_parquet(out / "*.parquet")
    assert scored["prediction_id"].n_unique() == 600
    assert_scored(scored.drop("prediction_id", "model_version", "flags"), shop, pl.read_csv(many))
