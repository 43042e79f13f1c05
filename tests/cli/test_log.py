"""``mainspring log`` and ``mainspring labels`` on a real workspace with a log that an endpoint has left."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.serve.log import compact as work
from mainspring.serve.log import merge
from mainspring.serve.log.read import PredictionLog
from mainspring.serve.log.writer import LogWriter
from mainspring.workspace import Workspace
from tests.serve.log.workbench import MODEL, NOON, SCHEMA, made_id, micros, prediction

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

MINUTE = timedelta(minutes=1)
CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "bought"
entity = "customer"
time = "asked"
[columns.age]
type = "integer"
[columns.bought]
type = "category"
[columns.customer]
type = "text"
[columns.asked]
type = "datetime"
[monitor]
label_delay = "1d"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project whose endpoint has answered 40 requests, one a minute, and is gone."""
    (tmp_path / "mainspring.toml").write_text(CONTRACT)
    with (
        Workspace.open(tmp_path / ".mainspring", actor="tester") as workspace,
        LogWriter(work.spool_root(workspace), model=MODEL, source="w", interval=0.01) as writer,
    ):
        writer.declare(SCHEMA)
        for number in range(40):
            flags = "x" if number == 7 else None
            writer.append(prediction(number, NOON + number * MINUTE, id=ids()[number], flags=flags))
    return tmp_path


_ids: list[str] = []


def ids() -> list[str]:
    if not _ids:
        _ids.extend(made_id(NOON + number * MINUTE) for number in range(40))
    return _ids


def asked(call_in: Call, place: Path, *arguments: str) -> Any:
    done = call_in(*arguments, "--json", where=place)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_compact_then_query(call_in: Call, place: Path) -> None:
    done = call_in("log", "query", where=place)
    assert done.code == 0
    assert "No prediction matches" in done.out
    assert "bytes are not in the log yet; bring them in: mainspring log compact" in done.err
    (told,) = asked(call_in, place, "log", "compact")["models"]
    assert (told["model"], told["rows"], told["kept"]) == ("shop", 40, None)
    done = call_in("log", "query", where=place)
    lines = done.out.splitlines()
    assert (done.err, len(lines)) == ("", 21)
    assert lines[0].split() == [
        "time", "id", "version", "role", "entity", "prediction", "score.no", "score.yes", "x.age", "x.income", "x.town",
        "status", "flags",
    ]  # fmt: skip
    assert lines[1].split()[:3] == ["2026-03-01", "12:39:00", ids()[39]]


def test_a_question_in_time_and_conditions(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")

    def numbers(*arguments: str) -> list[int]:
        rows = asked(call_in, place, "log", "query", "shop", "--limit", "99", *arguments)["rows"]
        return sorted((micros_of(row) - micros(NOON)) // 60_000_000 for row in rows)

    assert numbers("--since", "2026-03-01T12:30", "--until", "2026-03-01T12:33") == [30, 31, 32]
    assert numbers("--since", "2026-03-01", "--until", "2026-03-01") == list(range(40))
    assert numbers("--since", "2026-03-02") == []
    assert numbers("--where", "age >= 25 and town = 'ulm'", "-w", '"x.income" < 5') == [5, 7, 9]
    assert numbers("-w", "flags is not null") == [7]
    assert len(numbers("-w", "role = 'champion'")) == 40
    (row,) = asked(call_in, place, "log", "query", "--limit", "1", "--columns", "x.age", "id")["rows"]
    assert row == {"x.age": 59, "id": ids()[39]}


def micros_of(row: dict[str, Any]) -> int:
    from datetime import datetime

    return micros(datetime.fromisoformat(row["time"]))


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_into_a_file(call_in: Call, place: Path, suffix: str) -> None:
    asked(call_in, place, "log", "compact")
    target = place / "out" / f"log{suffix}"
    done = call_in("log", "query", "-o", str(target), "-w", "age < 30", where=place)
    assert (done.code, done.out) == (0, "")
    assert "10 predictions written" in done.err
    readers: dict[str, Any] = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}
    read = readers[suffix](target)
    assert read["id"].to_list() == ids()[:10]
    assert asked(call_in, place, "log", "query", "-o", str(target), "--limit", "3")["rows"] == 3
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-w", "version ="], "Expected a condition such as \"version = 3\" .* got 'version ='"),
        (["-w", "agee > 3"], "No column of the log named 'agee'. Did you mean age"),
        (["-w", "x.age > 3"], "No column of the log named 'x'"),
        (["-w", "time > '2026-01-01'"], "For times there are --since and --until"),
        (["-w", "age = 'abc'"], "got \"age = 'abc'\": cannot compare string with numeric"),
        (["-w", "entity = 3"], "got 'entity = 3': cannot compare string with numeric"),
        (["-w", "1"], "got '1': filter predicate must be of type `Boolean`"),
        (["-w", "CAST(town AS INT) = 3"], "cannot be answered for every prediction: .* Change --where"),
        (["-w", "CAST(town AS INT) = 3", "-o", "log.csv"], "cannot be answered for every prediction"),
        (["--limit", "-3"], 'Invalid value "-3" for --limit. Must be >= 1'),
        (["--limit", "99999999999999999999"], "Must be <= 2147483647"),
        (["--since", "999999d"], r"--since is 36500d \(100 years\) at most; got '999999d'"),
        (["--until", "9" * 30 + "w"], r"--until is 36500d \(100 years\) at most"),
        (["--since", "0001-01-01T00:00:00+05:00"], "Expected a time from the year 1 to 9999 in UTC, got '0001"),
        (["-o", "/proc/nowhere/log.csv"], "Expected a file that can be written, got '/proc/nowhere/log.csv': "),
        (["-o", "/dev/null/log.csv"], "got '/dev/null/log.csv': its folder is a file"),
        (["--since", ""], "Expected a date such as 2026-01-31 or .* got ''"),
        (["-o", "."], "Tables can be written as .parquet"),
        (["--columns", "ages"], "No column of the log named 'ages'"),
        (["--since", "yesterday"], "Expected a date such as 2026-01-31"),
        (["-o", "log.xlsx"], "Tables can be written as .parquet"),
        (["shoop"], "No model named 'shoop'. Did you mean shop"),
    ],
)
def test_a_question_that_makes_no_sense(call_in: Call, place: Path, arguments: list[str], message: str) -> None:
    asked(call_in, place, "log", "compact")
    done = call_in("log", "query", *arguments, where=place)
    assert (done.code, done.out) == (2, "")
    assert re.search(message, done.err), done.err
    assert not (place / "log.csv").exists()


def test_what_is_named_twice_is_shown_once_and_time_may_end_with_the_calendar(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")
    rows = asked(call_in, place, "log", "query", "--columns", "id", "id", "--until", "9999-12-31")["rows"]
    assert rows == [{"id": each} for each in reversed(ids()[20:])]


def test_a_folder_in_the_place_of_the_file_is_named(call_in: Call, place: Path) -> None:
    (place / "log.csv").mkdir()
    done = call_in("log", "query", "-o", "log.csv", where=place)
    assert done.code == 2
    assert "got 'log.csv': Is a directory" in done.err


def test_what_an_endpoint_still_writes_is_told_of(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")
    with LogWriter(place / ".mainspring" / work.FOLDER, model=MODEL, source="alive", interval=0.01) as writer:
        writer.declare(SCHEMA)
        writer.append(prediction(99, NOON))
        until = time.monotonic() + 10
        while not list(place.rglob("*.open")) and time.monotonic() < until:
            time.sleep(0.01)
        done = call_in("log", "query", "-w", "age > 900", where=place)
    assert done.out == "No prediction matches.\n"
    assert re.match(r"\d+ bytes are not in the log yet; bring them in: mainspring log compact\n", done.err)


EVIL = "evil\x1b]0;PWNED\x07\x1b[31mred\nline2\x9b1m[bold]b[/bold] :bomb: \u202e"


@pytest.fixture
def haunted(place: Path) -> Path:
    """The same place, where a client has sent what a terminal would obey."""
    with (
        Workspace.open(place / ".mainspring") as workspace,
        LogWriter(work.spool_root(workspace), model=MODEL, source="v", interval=0.01) as writer,
    ):
        writer.declare(SCHEMA)
        writer.append(prediction(1, NOON + timedelta(days=1), entity=EVIL, features=[30, 1.5, EVIL]))
    return place


def test_what_a_client_sent_cannot_speak_to_the_terminal(call_in: Call, haunted: Path, tmp_path: Path) -> None:
    asked(call_in, haunted, "log", "compact")
    question = ["log", "query", "--limit", "1", "--columns", "entity", "x.town"]
    done = call_in(*question, where=haunted)
    head, line = done.out.splitlines()
    assert head.split() == ["entity", "x.town"]
    shown = r"evil\x1b]0;PWNED\x07\x1b[31mred\nline2\x9b1m[bold]b[/bold] :bomb: \u202e"
    assert line == f"{shown}  {shown}"
    plain = call_in(*question, "--json", where=haunted).out
    assert json.loads(plain)["rows"] == [{"entity": EVIL, "x.town": EVIL}]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain)
    for suffix, read in ((".csv", pl.read_csv), (".jsonl", pl.read_ndjson)):
        file = tmp_path / f"log{suffix}"
        assert asked(call_in, haunted, *question, "-o", str(file))["rows"] == 1
        assert read(file).row(0) == (EVIL, EVIL), "a file keeps the data"


def test_how_long_the_log_is_kept(call_in: Call, place: Path) -> None:
    (told,) = asked(call_in, place, "log", "compact", "shop", "--keep", "5000w")["models"]
    assert (told["expired"], told["kept"]) == (0, "5000w")
    done = call_in("log", "compact", "--keep", "1d", where=place)
    assert done.out == "shop: 0 predictions brought in, 0 small files merged, 40 older than 1d let go.\n"
    assert asked(call_in, place, "log", "compact", "--keep", "forever")["models"][0]["kept"] is None
    done = call_in("log", "compact", "--keep", "long", where=place)
    assert done.code == 2
    assert "or forever; got 'long'" in done.err


@pytest.mark.parametrize("span", ["9999999d", "800000d", "730000d", "9" * 400 + "w"])
def test_a_span_that_reaches_before_the_calendar_is_not_kept(call_in: Call, place: Path, span: str) -> None:
    done = call_in("log", "compact", "--keep", span, where=place)
    assert (done.code, done.out) == (2, "")
    assert re.search("--keep is .* or forever; got '", done.err), done.err
    assert asked(call_in, place, "log", "compact")["models"][0]["kept"] is None


def test_such_a_span_that_was_saved_before_means_forever(call_in: Call, place: Path) -> None:
    with Workspace.open(place / ".mainspring") as workspace:
        workspace.ledger.states.put(merge.KEEP, MODEL, {"seconds": 9999999 * 86_400.0})
    (told,) = asked(call_in, place, "log", "compact")["models"]
    assert (told["rows"], told["expired"], told["kept"]) == (40, 0, None)


def test_labels_by_id_and_how_they_stand(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")
    rows = "".join(f"{each},{'yes' if number % 2 else 'no'}\n" for number, each in enumerate(ids()[:10]))
    (place / "late.csv").write_text("id,label\n" + rows + f"{made_id(NOON)},no\n")
    told = asked(call_in, place, "labels", "add", "late.csv")
    assert told == {
        "model": "shop", "file": "late.csv", "rows": 11, "new": 11, "duplicate": 0, "corrected": 0, "empty": 0,
        "unknown": 1, "unanswered": 0, "early": 0, "stale": 0, "late": 11,
    }  # fmt: skip
    done = call_in("labels", "add", "late.csv", where=place)
    assert done.out == "shop: 11 labels: 0 new, 11 there already.\n"
    totals = asked(call_in, place, "labels", "count")
    assert (totals["predictions"], totals["labelled"], totals["orphans"]) == (40, 10, 1)
    done = call_in("labels", "count", where=place)
    assert done.out.splitlines() == [
        "shop: 10 of 40 predictions have a label (25.0%).",
        "22 labels: 11 new, 11 there already, 11 late, 1 of predictions that are not in the log.",
        "1 label belongs to no prediction in the log.",
    ]


def test_labels_by_entity_and_time_as_the_contract_names_them(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")
    (place / "truth.csv").write_text(
        "customer,asked,bought\nc-3,2026-03-01T12:03:00Z,yes\nc-4,2026-03-01 13:00,no\nc-5,2026-03-01 12:04,no\n"
    )
    told = asked(call_in, place, "labels", "add", "truth.csv")
    assert (told["new"], told["unknown"]) == (3, 1)
    (place / "other.csv").write_text("wer,wann,was\nc-3,2026-03-01T12:03:00Z,no\n")
    flags = ["--entity", "wer", "--time", "wann", "--label", "was", "--model", "shop"]
    assert asked(call_in, place, "labels", "add", "other.csv", *flags)["corrected"] == 1


def test_labels_from_before_their_predictions_are_told_apart(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")
    (place / "train.csv").write_text(
        "customer,asked,bought\nc-3,2025-12-01,yes\nc-4,2025-12-02,no\nc-5,2026-03-01,no\neve,2026-03-01,no\n"
    )
    done = call_in("labels", "add", "train.csv", where=place)
    assert done.out == (
        "shop: 4 labels: 4 new, 4 late, 2 from before the predictions of their entities, "
        "1 of predictions that are not in the log.\n"
    )
    assert "times are those of the column asked" in done.err
    assert "--time COLUMN; or leave it out of the file" in done.err
    (line,) = [line for line in call_in("labels", "count", where=place).out.splitlines() if "belong" in line]
    assert line == ("3 labels belong to no prediction in the log: 2 from before the predictions of their entities.")


def test_labels_of_entities_that_look_like_numbers(call_in: Call, place: Path) -> None:
    asked(call_in, place, "log", "compact")
    (place / "truth.csv").write_text(
        "customer,asked,bought\n1.10,2026-03-01T12:03:00Z,yes\n1.1,2026-03-01 12:03,no\n+5,2026-03-01 12:04,no\n"
    )
    asked(call_in, place, "labels", "add", "truth.csv")
    with Workspace.open(place / ".mainspring") as workspace:
        taken = PredictionLog(workspace, "shop").labels().select("entity").collect()
    assert sorted(taken["entity"]) == ["+5", "1.1", "1.10"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "wass"], "No column named 'wass'. Did you mean was"),
        (["--label", "was"], "Say which predictions the labels belong to: --id COLUMN"),
        (["--id", "wer"], "Say which column holds the truth: --label COLUMN. The file has wer, wann, was"),
        (["--model", "sop"], "No model named 'sop'. Did you mean shop"),
    ],
)
def test_labels_that_are_not_understood(call_in: Call, place: Path, arguments: list[str], message: str) -> None:
    asked(call_in, place, "log", "compact")
    (place / "other.csv").write_text("wer,wann,was\nc-3,2026-03-01T12:03:00Z,no\n")
    extra = ["--entity", "wer", "--label", "was"] if "--model" in arguments else []
    done = call_in("labels", "add", "other.csv", *arguments, *extra, where=place)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_labels_before_anything_was_logged_are_held_against_the_registered_model(call_in: Call, own_shop: Path) -> None:
    (own_shop / "early.csv").write_text(f"id,label\n{made_id(NOON)},true\n")
    assert asked(call_in, own_shop, "labels", "add", "early.csv")["unknown"] == 1
    (own_shop / "early.csv").write_text(f"id,label\n{made_id(NOON)},perhaps\n")
    done = call_in("labels", "add", "early.csv", where=own_shop)
    assert (done.code, done.out) == (2, "")
    assert "Row 0: expected true or false as a label, got 'perhaps'" in done.err
