"""``mainspring data``: exit codes, the shapes that scripts rely on, and one message for what is no table."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.cli.app import main

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = """
[project]
name = "loans"
task = "binary"
target = "paid"

[columns.age]
type = "integer"
minimum = 18
maximum = 120
[columns.sex]
type = "category"
categories = ["f", "m"]
[columns.paid]
type = "boolean"
"""
GOOD = "age,sex,paid\n30,f,true\n44,m,false\n"
BAD = "age,sex,paid\n30,f,true\n17,x,false\n130,m,true\n"


class Answer:
    """What a command printed and how it left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


BRACKETS = "a[/b],[red]\n[/x],1\n[/x],0\n[bold]c,1\nd,0\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*tokens: object) -> Answer:
        with pytest.raises(SystemExit) as left:
            main(["data", *map(str, tokens)])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Answer(int(left.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a contract."""
    (tmp_path / "mainspring.toml").write_text(CONTRACT)
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_table_leaves_with_0(run: Any, here: Path) -> None:
    answer = run("check", "good.csv")
    assert (answer.code, answer.err) == (0, "")
    assert "2 rows keep all" in answer.out
    assert not (here / ".mainspring").exists()


def test_a_bad_table_leaves_with_1_and_its_bad_rows_in_a_file(run: Any, here: Path) -> None:
    answer = run("check", "bad.csv", "--json")
    assert answer.code == 1
    found = answer.json
    assert (found["rows"], found["passed"]) == (3, False)
    assert {
        "column": "age",
        "rule": "minimum",
        "rows_checked": 3,
        "failed": 1,
        "examples": [{"row": 1, "value": 17}],
    } in (found["rules"])
    aside = pl.read_parquet(found["quarantine"])
    assert aside["age"].to_list() == [17, 130]
    assert aside["__reasons"][0] == "age is below the minimum 18; sex is none of f, m"
    assert str(here) in found["quarantine"]


def test_people_see_what_is_broken_and_where_the_rows_went(run: Any, here: Path) -> None:
    answer = run("check", "bad.csv", "--contract", here, "--quarantine", "aside/bad.csv")
    assert answer.code == 1
    for said in ("maximum 120", "130", "categories f, m", "2 rows put aside in aside/bad.csv"):
        assert said in answer.out
    assert "age is above the maximum 120" in (here / "aside" / "bad.csv").read_text()


def test_a_requirement_on_data_is_held_too(run: Any, here: Path) -> None:
    (here / "mainspring.toml").write_text(CONTRACT + '[[require]]\nmetric = "row_count"\nat_least = 100\n')
    answer = run("check", "good.csv", "--json")
    assert answer.code == 1
    assert [(verdict["requirement"], verdict["result"]) for verdict in answer.json["verdicts"]] == [
        ("row_count at least 100", "fail")
    ]


def test_a_column_that_is_not_declared_fails_only_when_strict(run: Any, here: Path) -> None:
    (here / "more.csv").write_text("age,sex,paid,shoe\n30,f,true,42\n")
    assert run("check", "more.csv").code == 0
    assert "Not declared: shoe" in run("check", "more.csv").out
    assert run("check", "more.csv", "--strict").code == 1


def test_a_pipe(run: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        buffer = io.BytesIO(GOOD.encode())

    monkeypatch.setattr("sys.stdin", Pipe())
    assert run("check", "-", "--json").json["passed"] is True


def test_diff(run: Any, here: Path) -> None:
    same = run("diff", "good.csv", "good.csv")
    assert (same.code, "hold the same 2 rows" in same.out) == (0, True)
    changed = run("diff", "good.csv", "bad.csv", "--key", "age,sex", "--json").json
    assert (changed["added"], changed["removed"], changed["changed"], changed["equal"]) == (2, 1, 0, False)
    assert "2 rows before, 3 rows after" in run("diff", "good.csv", "bad.csv").out
    wrong = run("diff", "good.csv", "bad.csv", "--key", "agee")
    assert wrong.code == 2
    assert "Did you mean age?" in wrong.err


def test_profile(run: Any, here: Path) -> None:
    draw = np.random.default_rng(0)
    paid = draw.random(300) < 0.4
    frame = pl.DataFrame({"age": draw.integers(18, 90, 300), "paid": paid, "told": paid.astype(int)})
    frame.write_csv(here / "table.csv")
    found = run("profile", "table.csv", "--json", "--html", "page.html").json  # the target is the project's
    assert found["rows"] == 300
    assert [column["name"] for column in found["columns"]] == ["age", "paid", "told"]
    assert any(leak["columns"] == ["told"] for leak in found["leaks"])
    assert "outliers" in found
    assert (here / "page.html").read_text().startswith("<!doctype html>".upper()) or "<html" in (
        here / "page.html"
    ).read_text()
    assert "leak?" in run("profile", "table.csv", "--target", "paid").out


def test_drift(run: Any, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    pl.DataFrame({"a": draw.normal(size=5000), "b": draw.normal(size=5000)}).write_parquet(tmp_path / "then.parquet")
    pl.DataFrame({"a": draw.normal(size=2000), "b": draw.normal(1, size=2000)}).write_csv(tmp_path / "now.csv")
    found = run("drift", tmp_path / "then.parquet", tmp_path / "now.csv", "--json").json
    assert found["rows"] == 2000
    assert {column["name"]: column["drifted"] for column in found["columns"]} == {"a": False, "b": True}
    assert {"psi", "js", "ks", "band"} <= set(found["columns"][0])
    assert "1 of 2 columns have drifted" in run("drift", tmp_path / "then.parquet", tmp_path / "now.csv").out


def test_versions_of_a_dataset_are_listed_shown_and_compared(run: Any, here: Path) -> None:
    from mainspring.store.formats import save
    from mainspring.workspace import Workspace

    assert "No datasets yet" in run("list").out
    with Workspace.open(here) as workspace:
        for source in ("good.csv", "bad.csv"):
            frame = pl.read_csv(here / source)
            digest = save(workspace.store, frame).digest
            schema = {name: str(dtype) for name, dtype in frame.schema.items()}
            workspace.ledger.datasets.create("loans", digest=digest, rows=frame.height, schema=schema, source=source)
    (newest,) = run("list", "--json").json
    assert (newest["name"], newest["version"], newest["rows"], newest["source"]) == ("loans", 2, 3, "bad.csv")
    assert "loans" in run("list").out
    shown = run("show", "loans/1", "--json").json
    assert (shown["version"], shown["schema"]["sex"]) == (1, "String")
    assert [version["version"] for version in shown["versions"]] == [2, 1]
    assert "loans/2: 3 columns" in run("show", "loans").out
    assert run("diff", "loans/1", "loans/2", "--json").json["added"] == 2
    assert run("diff", "loans/1", "good.csv", "--json").json["equal"] is True
    missing = run("show", "loanz")
    assert (missing.code, "Did you mean loans?" in missing.err) == (2, True)
    assert run("diff", "loans/9", "good.csv").code == 2


def test_outside_a_project_a_contract_is_asked_for(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD)
    answer = run("check", "good.csv")
    assert answer.code == 2
    assert "No project here" in answer.err


@pytest.mark.parametrize("command", ["check", "profile"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty"),
        (b"age,sex,paid\n", "but no rows"),
        (b"age,sex,paid\n30,f,true\n17,m\n", "line 3 has 2"),
        (b"age,age,paid\n30,f,true\n", "more than once: 'age'"),
        (b"age,,paid\n30,f,true\n", "Column 2 has no name"),
        ("age,sex\n30,Ж\n31,ЖЖЖЖЖЖ\n".encode("koi8-r"), "not UTF-8"),
        (b"PK\x03\x04", "Excel workbook"),
        (None, "Did you mean good.csv"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    run: Any, here: Path, command: str, data: bytes | None, expected: str
) -> None:
    if data is not None:
        (here / "table.csv").write_bytes(data)
    before = sorted(here.rglob("*"))
    answer = run(command, "table.csv" if data is not None else "goood.csv", "--json")
    assert answer.code == 2
    assert answer.out == ""
    assert expected in answer.err
    assert answer.err.startswith("mainspring: ")
    assert answer.err.count("\n") == 1
    assert sorted(here.rglob("*")) == before  # nothing written


def test_infinities_and_mixed_types_are_found_by_the_check(run: Any, here: Path) -> None:
    (here / "mainspring.toml").write_text(CONTRACT + '[columns.income]\ntype = "number"\n')
    (here / "odd.csv").write_text("age,sex,paid,income\nforty,f,true,inf\n44,m,false,1.5\n")
    found = run("check", "odd.csv", "--json")
    assert found.code == 1
    broken = {(rule["column"], rule["rule"]): rule["examples"] for rule in found.json["rules"] if rule["failed"]}
    assert broken == {
        ("age", "type"): [{"row": 0, "value": "forty"}],
        ("income", "finite"): [{"row": 0, "value": "inf"}],
    }


def test_where_nothing_can_be_written_there_is_one_message(run: Any, here: Path) -> None:
    (here / ".mainspring").write_text("a file where the folder should be")
    answer = run("check", "bad.csv")
    assert answer.code == 2
    assert "Nothing half written was left behind" in answer.err
    assert answer.err.count("\n") == 1


def test_every_raw_file_goes_through_the_check(run: Any, shared_data: Path, tmp_path: Path) -> None:
    section = '[project]\nname = "p"\ntask = "binary"\ntarget = "y"\n[columns.y]\ntype = "text"\n'
    (tmp_path / "mainspring.toml").write_text(section)
    for path in sorted([*shared_data.glob("*.csv.gz"), *shared_data.glob("dirty_clean/*.csv.gz")]):
        answer = run("check", path, "--contract", tmp_path, "--quarantine", tmp_path / "bad.parquet", "--json")
        assert answer.code == 1
        first, *others = answer.json["rules"]
        assert (first["rule"], first["failed"]) == ("missing column", answer.json["rows"])
        assert {rule["rule"] for rule in others} == {"extra column"}


def test_brackets_in_names_and_values_are_printed_as_they_are(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consoles read [bold] as a style and fail at [/x]."""
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "[b].csv"
    table.write_text(BRACKETS)
    (tmp_path / "mainspring.toml").write_text(CONTRACT)
    profiled = run("profile", table, "--target", "[red]", "--html", tmp_path / "[p].html")
    assert (profiled.code, "[/x] (2), [bold]c (1)" in profiled.out) == (0, True), profiled.out
    checked = run("check", table)
    assert (checked.code, "Not declared: a[/b], [red]." in checked.out) == (1, True), checked.out
    (tmp_path / "later.csv").write_text(BRACKETS.replace("[/x]", "[/z]"))
    assert "[/z]" in run("diff", table, tmp_path / "later.csv").out
    assert run("drift", table, table).code == 0


def test_a_text_is_checked_by_its_characters(run: Any, here: Path) -> None:
    """The pattern holds for what is written, not for the number that it looks like."""
    (here / "mainspring.toml").write_text(CONTRACT + '[columns.code]\ntype = "text"\npattern = "[0-9]\\\\.[0-9]{2}"\n')
    (here / "codes.csv").write_text("age,sex,paid,code\n30,f,true,1.10\n44,m,false,1.20\n")
    answer = run("check", "codes.csv")
    assert (answer.code, answer.err) == (0, "")
