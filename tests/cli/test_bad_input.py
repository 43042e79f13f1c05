"""Every bad input of the list: one clear message, exit code 2, nothing lost and nothing half written.

What the engine meets while a pipeline runs (a step that raises, exits, prints without end or returns what cannot be
stored, a full disk, two runs at once, a kill) is proved in ``tests/flow``; a full disk under ``init`` and ``predict``
in their own modules.
"""

from __future__ import annotations

import json
import random
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.project import Project
from tests.cli.shop import CONTRACT, PIPELINE, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Call, Called

ROWS = 300
START = date(2024, 1, 1)
TIMED = CONTRACT.replace('name = "shop"', 'name = "shop"\ntime = "t"').replace(
    "[columns.age]", '[columns.t]\ntype = "{type}"\n[columns.age]'
)
TIMED_PIPELINE = PIPELINE.replace("read, split", "clean, read, split").replace(
    "def parts(raw):\n    return split(raw, seed=1)",
    'def parts(raw, contract):\n    return split(clean(raw, contract), by="time", contract=contract)',
)


def timed(moment: Callable[[int], object]) -> str:
    """The shop's customers with a column ``t`` in front."""
    head, *rows = table(ROWS).splitlines()
    return "\n".join([f"t,{head}", *(f"{moment(place)},{row}" for place, row in enumerate(rows))]) + "\n"


def day(place: int) -> date:
    return START + timedelta(days=place)


def hour(place: int) -> str:
    return (datetime(2024, 1, 1) + timedelta(hours=place)).isoformat()


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that a person would miss: the workspace is looked at through the command line."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".mainspring" not in path.parts and "__pycache__" not in path.parts
    }


def refused(done: Called, message: str) -> None:
    assert done.code == 2, done.out
    assert done.out == ""
    assert message in done.err
    assert done.err.startswith("mainspring: ")
    assert done.err.count("\n") == 1


# --- tables ----------------------------------------------------------------------------------------------------------

READERS = [
    ["init", "p", "--data", "bad.csv", "--target", "bought"],
    ["backtest", "bad.csv", "--target", "bought", "--time", "t"],
    ["data", "check", "bad.csv"],
    ["data", "profile", "bad.csv"],
    ["data", "diff", "shop.csv", "bad.csv"],
    ["data", "drift", "shop.csv", "bad.csv"],
    ["predict", "shop", "bad.csv", "-o", "scored.csv"],
]
TABLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bad.csv is empty. Expected a table"),
    "blank": (b"\n\n  \n", "bad.csv is empty"),
    "header only": (b"t,age,visits,town,bought\n", "but no rows"),
    "ragged": (b"t,age,bought\n1,30,true\n2,31\n3,32,false\n", "line 3 has 2"),
    "wrong encoding": ("t,town\n30,Ж\n31,ЖЖЖЖЖЖ\n".encode("koi8-r"), "not UTF-8"),
    "binary": (b"\x00\x01\x02\x00\x00" * 50, "bad.csv"),
    "duplicate names": (b"t,age,age,bought\n1,30,31,true\n", "more than once: 'age'"),
    "empty name": (b"t,,bought\n1,2,true\n", "Column 2 has no name"),
    "damaged gzip": (b"\x1f\x8b\x08\x00broken", "damaged gzip"),
    "damaged parquet": (b"PAR1broken", "Parquet"),
    "no table": (b"<html><body>404</body></html>", "HTML or XML"),
}


@pytest.mark.parametrize("command", READERS, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize("kind", TABLES)
def test_a_file_that_is_no_usable_table(call_in: Call, shop: Path, command: list[str], kind: str) -> None:
    data, message = TABLES[kind]
    (shop / "bad.csv").write_bytes(data)
    before = contents(shop)
    refused(call_in(*command, where=shop), message)
    assert contents(shop) == before


@pytest.mark.parametrize("kind", ["empty", "header only", "ragged", "duplicate names", "wrong encoding"])
def test_a_pipeline_that_reads_it_fails_in_its_step_and_keeps_the_champion(
    call_in: Call, own_shop: Path, kind: str
) -> None:
    data, message = TABLES[kind]
    (own_shop / "bad.csv").write_bytes(data)
    done = call_in("run", "--set", "source=bad.csv", "--json", where=own_shop)
    assert done.code == 2
    assert message in done.err
    assert [(step["name"], step["status"]) for step in json.loads(done.out)["steps"]] == [("raw", "failed")]
    assert [one["version"] for one in json.loads(call_in("models", "list", "--json", where=own_shop).out)] == [3, 2, 1]
    assert call_in("verify", "shop", where=own_shop).code == 0


TARGETS: dict[str, tuple[Callable[[str], str], str]] = {
    "missing": (lambda text: text.replace("bought", "paid", 1), "'bought' is not in the table"),
    "constant": (lambda text: text.replace(",false", ",true"), "in all"),
    "null": (lambda text: text.replace(",false", ",").replace(",true", ","), "no value in any"),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("command", [["init", "p", "--data", "bad.csv"], ["backtest", "bad.csv", "--time", "t"]])
def test_a_target_that_cannot_be_learnt(call_in: Call, tmp_path: Path, command: list[str], kind: str) -> None:
    spoil, message = TARGETS[kind]
    (tmp_path / "bad.csv").write_text(spoil(timed(day)))
    before = contents(tmp_path)
    refused(call_in(*command, "--target", "bought", where=tmp_path), message)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", TARGETS)
def test_a_delivery_whose_target_cannot_be_learnt_fails_the_run(call_in: Call, own_shop: Path, kind: str) -> None:
    spoil, message = TARGETS[kind]
    (own_shop / "bad.csv").write_text(spoil(table(ROWS)))
    done = call_in("run", "--set", "source=bad.csv", "--json", where=own_shop)
    assert done.code == 2, done.err
    assert "Step model failed" in done.err
    assert message.split(" ")[0] in done.err
    assert "bought" in done.err
    assert [one["version"] for one in json.loads(call_in("models", "list", "--json", where=own_shop).out)] == [3, 2, 1]


def test_mixed_types_and_infinities_are_named_and_do_not_stop_the_work(call_in: Call, own_shop: Path) -> None:
    head, *rows = table(ROWS).splitlines()
    odd = [row.replace(row.split(",")[0], "forty", 1) if place == 3 else row for place, row in enumerate(rows)]
    cells = odd[5].split(",")
    odd[5] = ",".join([cells[0], "inf", *cells[2:]])
    (own_shop / "bad.csv").write_text("\n".join([head, *odd]))
    done = call_in("data", "check", "bad.csv", "--json", where=own_shop)
    assert done.code == 1
    broken = {
        (rule["column"], rule["rule"]): rule["examples"] for rule in json.loads(done.out)["rules"] if rule["failed"]
    }
    assert broken == {
        ("age", "type"): [{"row": 3, "value": "forty"}],
        ("visits", "finite"): [{"row": 5, "value": "inf"}],
    }
    done = call_in("predict", "shop", "bad.csv", where=own_shop)
    assert done.code == 0
    assert [row for row in done.out.splitlines() if "rejected" in row] == [
        f'{odd[3]},,,"rejected,type:age"', f'{odd[5]},,,"rejected,finite:visits"'
    ]  # fmt: skip
    assert "kept as text: 1 of 300 values are not numbers, such as 'forty'" in done.err
    done = call_in("run", "--set", "source=bad.csv", where=own_shop)
    assert done.code == 2
    assert "Column 'age'" in done.err
    (own_shop / "infinite.csv").write_text("\n".join([head, *rows[:5], odd[5], *rows[6:]]))
    done = call_in("run", "--set", "source=infinite.csv", where=own_shop)
    assert done.code == 0, done.err


# --- time ------------------------------------------------------------------------------------------------------------

TIMES: dict[str, tuple[Callable[[int], object], tuple[str, ...]]] = {
    "two formats": (
        lambda i: day(i).strftime("%d/%m/%Y") if i == 200 else day(i),
        ("dates in 2 formats", "'2024-01-01' (%Y-%m-%d, row 1)", "'19/07/2024' (%d/%m/%Y, row 201)"),
    ),
    "two offsets": (
        lambda i: hour(i) + ("+01:00" if i < 100 else "+02:00"),
        ("times of 2 offsets from UTC", "+01:00' (row 1)", "+02:00' (row 101)", "best in UTC (2026-01-31T12:00:00Z)"),
    ),
    "with and without zone": (
        lambda i: hour(i) + ("Z" if i < 100 else ""),
        ("dates in 2 formats", "(%Y-%m-%dT%H:%M:%S%z, row 1)", "(%Y-%m-%dT%H:%M:%S, row 101)"),
    ),
    "no date": (lambda i: "soon" if i == 7 else day(i), ("text that is no date", "'soon' (no date, row 8)")),
    "day or month": (
        lambda i: f"{1 + i * 5 % 12:02}/{1 + i * 7 % 11:02}/2024",
        ("may begin with the day or the month", "Write them as 2026-01-31"),
    ),
    "gaps": (lambda i: "" if i == 7 else day(i), ("is missing", "in 1 of 300 rows")),
    "constant": (lambda _: day(0), ("is the same in every row",)),
}


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("command", [["init", "p", "--data", "bad.csv"], ["backtest", "bad.csv"]])
def test_a_time_column_that_orders_nothing(call_in: Call, tmp_path: Path, command: list[str], kind: str) -> None:
    moment, messages = TIMES[kind]
    (tmp_path / "bad.csv").write_text(timed(moment))
    before = contents(tmp_path)
    done = call_in(*command, "--target", "bought", "--time", "t", where=tmp_path)
    for message in ("The time column 't'", *messages):
        refused(done, message)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", ["two formats", "two offsets", "with and without zone", "no date", "day or month"])
@pytest.mark.parametrize("cleaned", [True, False])
def test_a_run_over_such_a_time_column_fails_with_the_same_words(
    call_in: Call, own_shop: Path, kind: str, cleaned: bool
) -> None:
    moment, messages = TIMES[kind]
    (own_shop / "bad.csv").write_text(timed(moment))
    (own_shop / "mainspring.toml").write_text(TIMED.replace("{type}", "datetime"))
    pipeline = TIMED_PIPELINE if cleaned else TIMED_PIPELINE.replace("clean(raw, contract)", "raw")
    (own_shop / "pipeline.py").write_text("from mainspring import step\n" + pipeline)
    done = call_in("run", "--set", "source=bad.csv", "--json", where=own_shop)
    assert done.code == 2
    assert "Step parts failed" in done.err
    assert all(message in done.err for message in ("The time column 't'", *messages))


@pytest.mark.parametrize("kind", ["two formats", "two offsets", "with and without zone", "day or month"])
def test_a_profile_reads_it_and_names_it(call_in: Call, tmp_path: Path, kind: str) -> None:
    (tmp_path / "bad.csv").write_text(timed(TIMES[kind][0]))
    done = call_in("data", "profile", "bad.csv", "--json", where=tmp_path)
    assert done.code == 0
    assert json.loads(done.out)["rows"] == ROWS
    assert "column t is kept as text: " in done.err


def test_rows_out_of_order_are_sorted_and_that_is_said(call_in: Call, tmp_path: Path) -> None:
    head, *rows = timed(day).splitlines()
    random.Random(0).shuffle(rows)
    (tmp_path / "mixed.csv").write_text("\n".join([head, *rows]))
    (tmp_path / "sorted.csv").write_text(timed(day))
    asked = ["--target", "bought", "--time", "t", "--windows", "2", "--json"]
    mixed, ordered = (
        json.loads(call_in("backtest", name, *asked, where=tmp_path).out) for name in ("mixed.csv", "sorted.csv")
    )
    assert "the rows were not in the order of t and have been sorted" in mixed["notes"]
    assert "the rows were not in the order of t and have been sorted" not in ordered["notes"]
    assert [window["value"] for window in mixed["static"]["windows"]] == [
        window["value"] for window in ordered["static"]["windows"]
    ]
    made = call_in("init", "p", "--data", "mixed.csv", "--target", "bought", "--time", "t", "--json", where=tmp_path)
    assert any(
        "time t: as asked for; its rows do not come in that order" in why for why in json.loads(made.out)["reasons"]
    )
    project = Project(tmp_path / "p")
    with project.active():
        steps = project.load()
        parts = steps.parts(steps.raw(project.contract), project.contract)
    assert parts.train["t"].max() < parts.test["t"].min()


# --- size ------------------------------------------------------------------------------------------------------------


def test_two_thousand_columns_and_fifty_thousand_levels(call_in: Call, tmp_path: Path) -> None:
    draw = random.Random(0)
    names = [f"c{place}" for place in range(2000)]
    lines = [",".join([*names, "bought"])]
    lines += [",".join([*(str(draw.randint(0, 9)) for _ in names), draw.choice(["true", "false"])]) for _ in range(60)]
    (tmp_path / "wide.csv").write_text("\n".join(lines))
    done = call_in("data", "profile", "wide.csv", "--json", where=tmp_path)
    assert (done.code, len(json.loads(done.out)["columns"])) == (0, 2001)
    levels = [
        "town,age,bought",
        *(f"town {i % 50_000},{draw.randint(18, 80)},{draw.choice(['true', 'false'])}" for i in range(100_000)),
    ]
    (tmp_path / "deep.csv").write_text("\n".join(levels))
    done = call_in("init", "deep", "--data", "deep.csv", "--target", "bought", "--json", where=tmp_path)
    assert done.code == 0, done.err
    done = call_in("data", "check", "../deep.csv", "--json", where=tmp_path / "deep")
    assert done.code == 0, done.out


# --- project and workspace -------------------------------------------------------------------------------------------


def test_a_contract_with_a_column_that_is_not_there(call_in: Call, own_shop: Path) -> None:
    path = own_shop / "mainspring.toml"
    path.write_text(path.read_text().replace("[columns.visits]", "[columns.vists]"))
    done = call_in("run", where=own_shop)
    assert done.code == 2
    assert "Column 'vists' is needed and missing. Did you mean visits?" in done.err
    done = call_in("data", "check", "shop.csv", "--json", where=own_shop)
    assert done.code == 1
    assert ("vists", "missing column") in {(rule["column"], rule["rule"]) for rule in json.loads(done.out)["rules"]}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[columns.visits]", "[columns.age]", "mainspring.toml:"),
        ("[project]", "[projcet]", "project"),
        ('metric = "roc_auc"', 'metric = "roc_acu"', "roc_auc"),
        ('metric = "roc_auc"', 'metric = "demographic_parity_difference"\nby = "twon"', "town"),
        ('type = "number"', 'type = "numbr"', "number"),
        ("at_least = 0.7", 'at_least = "high"', "at_least"),
    ],
)
def test_a_contract_that_is_not_usable_names_file_and_line(
    call_in: Call, own_shop: Path, before: str, after: str, message: str
) -> None:
    path = own_shop / "mainspring.toml"
    path.write_text(path.read_text().replace(before, after, 1))
    for command in (["run"], ["data", "check", "shop.csv"], ["why", "model"]):
        done = call_in(*command, where=own_shop)
        assert (done.code, done.out) == (2, "")
        assert "mainspring.toml:" in done.err
        assert message in done.err


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('gone')", "Step raw failed: KeyError"),
        ("import sys; sys.exit(0)", "sys.exit"),
        ("return (row for row in 'ab')", "cannot be stored"),
        ("return lambda row: row", "cannot be stored"),
    ],
)
def test_a_step_that_goes_wrong(call_in: Call, own_shop: Path, body: str, message: str) -> None:
    path = own_shop / "pipeline.py"
    path.write_text(path.read_text().replace("return read(source)", body))
    done = call_in("run", "--json", where=own_shop)
    assert done.code == 2
    assert message in done.err
    assert [(step["name"], step["status"]) for step in json.loads(done.out)["steps"]] == [("raw", "failed")]
    assert call_in("verify", "shop", where=own_shop).code == 0


def test_ten_megabytes_of_output_go_to_the_log_and_not_to_the_screen(call_in: Call, own_shop: Path) -> None:
    path = own_shop / "pipeline.py"
    path.write_text(path.read_text().replace("return read(source)", "print('x' * 10_000_000)\n    return read(source)"))
    done = call_in("run", "raw", "--json", where=own_shop)
    assert done.code == 0, done.err
    assert json.loads(done.out)["steps"][0]["status"] == "ran"
    assert len(done.out) + len(done.err) < 2000


def test_a_workspace_of_another_version_is_left_alone(call_in: Call, own_shop: Path) -> None:
    (marker,) = (own_shop / ".mainspring").glob("workspace*")
    kept = marker.read_text()
    marker.write_text(kept.replace("1", "999"))
    for command in (["run"], ["models", "list"], ["verify", "shop"], ["promote", "shop", "3"]):
        done = call_in(*command, where=own_shop)
        assert (done.code, done.out) == (2, "")
        assert "999" in done.err
    marker.write_text(kept)
    found = json.loads(call_in("models", "list", "--json", where=own_shop).out)
    assert [one["version"] for one in found] == [3, 2, 1]


def test_a_ledger_that_is_no_database_is_one_message(call_in: Call, own_shop: Path) -> None:
    (ledger,) = (own_shop / ".mainspring").glob("ledger*.db")
    for other in ledger.parent.glob(f"{ledger.name}-*"):
        other.unlink()
    ledger.write_bytes(b"this is no database, whatever its name says" * 100)
    for command in (["run"], ["models", "list"], ["predict", "shop", "shop.csv"]):
        done = call_in(*command, where=own_shop)
        assert (done.code, done.out) == (2, "")
        assert "ledger" in done.err
        assert done.err.count("\n") == 1
