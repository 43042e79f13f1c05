"""``mainspring init``: what it writes, what it never overwrites, and what it says when it cannot."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.cli._exit import guarded
from mainspring.cli.app import app
from mainspring.contract import Contract
from mainspring.core.files import write_atomic
from mainspring.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

FILES = ["mainspring.toml", "pipeline.py", "tests/test_model.py", ".gitignore"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*tokens: str) -> tuple[int, str, str]:
        code = guarded(app, ["init", *tokens])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 400
    usage = rng.gamma(2, 10, n)
    frame = pl.DataFrame(
        {
            "signup": [f"2024-{1 + i // 34:02d}-{1 + i % 28:02d}" for i in range(n)],
            "usage": usage.round(2),
            "plan": rng.choice(["basic", "größer"], n),
            "email": [f"user{i}@example.com" for i in range(n)],
            "churned": np.where(rng.random(n) < 1 / (1 + np.exp(0.2 * usage - 2)), "yes", "no"),
        }
    )
    path = tmp_path / "customers.csv"
    frame.write_csv(path)
    return path


def test_it_writes_a_project_and_says_what_it_guessed(run: Run, customers: Path, tmp_path: Path) -> None:
    code, said, _ = run("churn", "--data", customers.name, "--target", "churned")
    assert code == 0
    folder = tmp_path / "churn"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == sorted(FILES)
    contract = Contract.load(folder / "mainspring.toml")
    assert (contract.project.name, contract.project.target, contract.project.time) == ("churn", "churned", "signup")
    assert contract.features == ("usage", "plan")
    text = " ".join(said.split())
    assert "Made churn from customers.csv: 400 rows, 5 columns" in text
    assert "time signup: guessed, because it holds dates" in text
    assert "personal, masked in logs and ignored: email (e-mail addresses)" in text
    assert "cd churn" in text
    assert (folder / "mainspring.toml").read_text().startswith("# What the model of churn must do")


def test_the_steps_are_plain_functions_that_find_the_data(run: Run, customers: Path, tmp_path: Path) -> None:
    run("churn", "--data", customers.name, "--target", "churned")
    project = Project.find(tmp_path / "churn")
    steps = project.load()
    with project.active():
        parts = steps.parts(steps.raw(project.contract), project.contract)
    assert parts.by == "time"
    assert parts.train.height + parts.test.height == 400
    assert parts.train["signup"].max() <= parts.test["signup"].min()
    assert 'source: str = "../customers.csv"' in (tmp_path / "churn" / "pipeline.py").read_text()


def test_the_model_test_runs_on_a_registered_model_and_can_fail(run: Run, customers: Path, tmp_path: Path) -> None:
    from mainspring.package import build
    from mainspring.registry import Registry
    from mainspring.train import fit

    run("churn", "--data", customers.name, "--target", "churned")
    folder = tmp_path / "churn"
    project = Project.find(folder)
    with project.active():
        steps = project.load()
        parts = steps.parts(steps.raw(project.contract), project.contract)
    model = fit(parts.train, project.contract)
    with project.workspace() as workspace:
        Registry(workspace).register("churn", build(model, contract=project.contract, holdout=parts.test))

    def test() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    done = test()
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
    path = folder / "mainspring.toml"
    path.write_text(path.read_text().replace("at_least = 0.", "at_least = 10.", 1))
    spoiled = test()
    assert spoiled.returncode == 1
    assert "test_every_must_of_the_contract_holds_on_unseen_rows" in spoiled.stdout


def test_json_is_one_object_with_everything(run: Run, customers: Path) -> None:
    code, said, _ = run("churn", "--data", customers.name, "--target", "churned", "--time", "none", "--json")
    found = json.loads(said)
    assert code == 0
    assert found["task"] == "binary"
    assert found["time"] is None
    assert found["files"] == FILES
    assert found["features"] == ["signup", "usage", "plan"]
    assert found["leaks"] == []


@pytest.mark.parametrize("form", ["parquet", "jsonl", "latin-1 semicolons", "gz"])
def test_any_common_form_of_table_is_read(run: Run, customers: Path, tmp_path: Path, form: str) -> None:
    frame = pl.read_csv(customers)
    path = tmp_path / {"parquet": "t.parquet", "jsonl": "t.jsonl", "gz": "t.csv.gz"}.get(form, "t.csv")
    if form == "parquet":
        frame.write_parquet(path)
    elif form == "jsonl":
        frame.write_ndjson(path)
    elif form == "gz":
        path.write_bytes(gzip.compress(customers.read_bytes()))
    else:
        path.write_bytes(frame.write_csv(separator=";").encode("latin-1"))
    code, _, complaint = run("p", "--data", path.name, "--target", "churned")
    assert code == 0, complaint
    contract = Contract.load(tmp_path / "p" / "mainspring.toml")
    assert contract.columns["plan"].categories == ("basic", "größer")
    assert contract.columns["usage"].type == "number"


def test_an_existing_project_is_not_overwritten_unasked(run: Run, customers: Path, tmp_path: Path) -> None:
    folder = tmp_path / "churn"
    (folder / "tests").mkdir(parents=True)
    (folder / "pipeline.py").write_text("mine")
    (folder / "notes.txt").write_text("kept")
    code, _, complaint = run("churn", "--data", customers.name, "--target", "churned")
    assert code == 2
    assert "has pipeline.py already, and nothing is overwritten unasked" in complaint
    assert not (folder / "mainspring.toml").exists()
    assert (folder / "pipeline.py").read_text() == "mine"
    code, _, _ = run("churn", "--data", customers.name, "--target", "churned", "--force")
    assert code == 0
    assert "@step" in (folder / "pipeline.py").read_text()
    assert (folder / "notes.txt").read_text() == "kept"


def test_a_chosen_folder_is_filled_and_the_data_still_found(run: Run, customers: Path, tmp_path: Path) -> None:
    code, said, _ = run("churn", "--data", customers.name, "--target", "churned", "--directory", "deep/er/my model")
    assert code == 0
    folder = tmp_path / "deep" / "er" / "my model"
    project = Project.find(folder)
    with project.active():
        assert project.load().raw(project.contract).height == 400
    assert "cd 'deep/er/my model'" in said


def test_this_folder_can_be_the_project(run: Run, customers: Path, tmp_path: Path) -> None:
    code, said, _ = run("churn", "--data", customers.name, "--target", "churned", "--directory", ".")
    assert code == 0
    assert 'source: str = "customers.csv"' in (tmp_path / "pipeline.py").read_text()
    assert "cd " not in said


def _fail_at(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """Let the disk be full when the file number *place* is written, once."""
    real, count = write_atomic, 0

    def write(path: Path, data: bytes | str) -> None:
        nonlocal count
        count += 1
        if count == place:
            raise OSError(28, "No space left on device", str(path))
        real(path, data)

    monkeypatch.setattr("mainspring.project.scaffold.write_atomic", write)


@pytest.mark.parametrize("place", [1, 3, 4])
def test_a_full_disk_leaves_nothing_of_a_new_project(
    run: Run, customers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    _fail_at(monkeypatch, place)
    code, _, complaint = run("churn", "--data", customers.name, "--target", "churned", "--directory", "a/b/churn")
    assert code == 2
    assert "No space left on device" in complaint
    assert [p.name for p in tmp_path.iterdir()] == [customers.name]


def test_a_full_disk_leaves_an_old_project_as_it_was(
    run: Run, customers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "churn"
    folder.mkdir()
    (folder / "pipeline.py").write_text("mine")
    _fail_at(monkeypatch, 3)
    code, _, _ = run("churn", "--data", customers.name, "--target", "churned", "--force")
    assert code == 2
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [("pipeline.py", "mine")]


def test_a_file_in_the_way_is_one_clear_message(run: Run, customers: Path, tmp_path: Path) -> None:
    (tmp_path / "churn").write_text("a file")
    code, _, complaint = run("churn", "--data", customers.name, "--target", "churned", "--force")
    assert code == 2
    assert "churn is a file. Expected a folder" in complaint


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("", "y", "empty"),
        ("a,y\n", "y", "no rows"),
        ("a,a,y\n1,2,0\n3,4,1\n", "y", "a"),
        ("a,y\n1,0\n2,1\n3,0\n", "yy", "The target column 'yy' is not in the table. Did you mean y?"),
        ("a,y\n1,5\n2,5\n3,5\n", "y", "The target column 'y' is 5 in all 3 filled rows"),
        ("a,y\n1,\n2,\n3,\n", "y", "The target column 'y' has no value in any of its 3 rows"),
        ("a,y\n7,0\n7,1\n7,0\n", "y", "No column is left to predict 'y' from"),
    ],
)  # fmt: skip
def test_a_bad_table_is_one_message_and_leaves_nothing(
    run: Run, tmp_path: Path, content: str, target: str, message: str
) -> None:
    (tmp_path / "t.csv").write_text(content)
    code, said, complaint = run("p", "--data", "t.csv", "--target", target)
    assert code == 2
    assert said == ""
    assert message in complaint
    assert "Traceback" not in complaint
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("name", "near"), [("a/b", "such as b"), ("my model!", "such as my-model"), ("..", "such as model")]
)
def test_a_name_that_cannot_be_one_gets_a_proposal(run: Run, customers: Path, name: str, near: str) -> None:
    code, _, complaint = run(name, "--data", customers.name, "--target", "churned")
    assert code == 2
    assert near in complaint


def test_a_pipe_cannot_be_read_again(run: Run) -> None:
    code, _, complaint = run("p", "--data=-", "--target", "y")
    assert code == 2
    assert "--data must be a file: the pipeline reads it again" in complaint


def test_a_missing_file_is_named(run: Run) -> None:
    code, _, complaint = run("p", "--data", "nowhere.csv", "--target", "y")
    assert code == 2
    assert "nowhere.csv" in complaint


REAL: dict[str, tuple[str, dict[str, Any]]] = {
    "adult.parquet": ("income", {}),
    "compas_two_years.parquet": ("two_year_recid", {"time": "compas_screening_date"}),
    "nyc_taxi_sample.parquet": ("fare_amount", {"time": "tpep_pickup_datetime"}),
    "heart_disease.parquet": ("disease", {"time": None}),
    "sms_spam.parquet": ("label", {"time": None}),
    "adult-raw-train.csv.gz": ("column_15", {}),
    "pjm-raw-DEOK.csv.gz": ("DEOK_MW", {"time": None}),
    "dirty_clean/beers.dirty.csv.gz": ("style", {}),
}


@pytest.mark.parametrize(("name", "target", "expected"), [(k, *v) for k, v in REAL.items()])
def test_real_tables_become_projects_whose_steps_run(
    run: Run, shared_data: Path, tmp_path: Path, name: str, target: str, expected: dict[str, Any]
) -> None:
    code, said, complaint = run("p", "--data", str(shared_data / name), "--target", target, "--json")
    assert code == 0, complaint
    found = json.loads(said)
    assert found | expected == found
    project = Project.find(tmp_path / "p")
    with project.active():
        steps = project.load()
        parts = steps.parts(steps.raw(project.contract), project.contract)
    assert parts.test.height > 0
    assert set(project.contract.features) <= set(parts.train.columns)
