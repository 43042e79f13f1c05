"""Columns that are called as Mainspring calls its own go through everything: the name of a column is the user's."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.operate.live import skew
from mainspring.project import Project
from mainspring.registry import Registry
from mainspring.serve.endpoint import Endpoint
from mainspring.serve.log.compact import spool_root
from mainspring.serve.log.writer import LogWriter
from mainspring.serve.served import Served
from mainspring.serve.settings import Limits
from mainspring.serve.traffic import Deployment
from tests.flow.workbench import Workbench

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

NUMBERS = ("count", "counts", "len", "value", "index", "score", "bin", "place", "n", "row", "self", "time", "weight")
LEVELS = (
    "rows", "literal", "level", "version", "role", "status", "flags", "id", "label", "prediction", "entity", "group",
    "text", "word", "received", "request", "probability",
)  # fmt: skip
ROWS = 600
CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "bought"
time = "day"
entity = "who"
[monitor]
window = 100
[columns.who]
type = "text"
[columns.day]
type = "datetime"
[columns.bought]
type = "boolean"
[[require]]
metric = "demographic_parity_difference"
by = "rows"
at_most = 0.99
[[require]]
metric = "accuracy"
each = "level"
at_least = 0.1
"""
PIPELINE = """
from mainspring.data import clean, read, split
from mainspring.train import fit

@step
def raw(contract, source: str = "all.csv"):
    return read(source, contract=contract)

@step
def parts(raw, contract):
    return split(clean(raw, contract), by="time", contract=contract)

@step
def model(parts, contract):
    return fit(parts.train, contract, kind="linear")
"""


def table(seed: int) -> pl.DataFrame:
    draw = random.Random(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    rows = []
    for number in range(ROWS):
        row: dict[str, Any] = {name: round(draw.gauss(), 4) for name in NUMBERS} | {
            name: draw.choice("abc") for name in LEVELS
        }
        row |= {"who": f"p{number}", "day": start + timedelta(hours=number)}
        rows.append(row | {"bought": row["count"] + row["len"] + (row["rows"] == "a") + draw.gauss(0, 0.4) > 0.4})
    return pl.DataFrame(rows)


@pytest.fixture
def place(tmp_path: Path, call_in: Call) -> Path:
    bench = Workbench(tmp_path)
    columns = [f'[columns.{name}]\ntype = "number"' for name in NUMBERS]
    columns += [
        f'[columns.{name}]\ntype = "category"\nsensitive = {str(name in ("rows", "level")).lower()}' for name in LEVELS
    ]
    bench.write("mainspring.toml", CONTRACT + "\n".join(columns))
    bench.pipeline(PIPELINE)
    table(0).write_csv(tmp_path / "all.csv")
    table(1).write_csv(tmp_path / "new.csv")
    done = call_in("run", where=tmp_path)
    assert done.code == 0, done.out + done.err
    return tmp_path


def serve(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer every new row an hour ago, one request each, as an endpoint does; the ids of the answers."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() - 3_600 * 10**9)
    ids = []
    with Project(place).workspace() as workspace:
        bundle = Registry(workspace).load("shop")
        with LogWriter(spool_root(workspace), model="shop", source="w", interval=0.01) as writer:
            endpoint = Endpoint(Limits(), log=writer)
            endpoint.deploy(Deployment(1, Served(bundle, name="shop", version=1)))
            for row in table(1).drop("bought", "day").to_dicts():
                asked = endpoint.ask(json.dumps(row).encode())
                assert endpoint.record(asked, endpoint.score(asked), 0.001)
                ids.append(asked.identity)
    monkeypatch.undo()
    return ids


def test_from_the_table_to_the_watch(place: Path, call_in: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (
        ("data", "check", "new.csv"),
        ("data", "profile", "new.csv"),
        ("data", "diff", "all.csv", "new.csv", "--key", "who"),
        ("data", "drift", "all.csv", "new.csv"),
        ("verify", "shop"),
        ("predict", "shop", "new.csv", "-o", "scored.parquet"),
        ("backtest", "--windows", "2"),
    ):
        done = call_in(*command, where=place)
        assert done.code == 0, (command, done.err)
    ids = serve(place, monkeypatch)
    truth = table(1).select(pl.Series("id", ids), pl.col("bought").alias("label"))
    truth.write_csv(place / "late.csv")
    assert call_in("log", "compact", where=place).code == 0
    told = json.loads(call_in("labels", "add", "late.csv", "--json", where=place).out)
    assert (told["new"], told["unknown"]) == (ROWS, 0)
    watched = json.loads(call_in("watch", "--json", where=place).out)
    assert watched["windows"] == ROWS // 100, watched
    assert call_in("loop", "--once", where=place).code == 0


def test_served_rows_are_held_beside_the_pipelines_own(
    place: Path, call_in: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(1).write_csv(place / "all.csv")
    serve(place, monkeypatch)
    assert call_in("log", "compact", where=place).code == 0
    project = Project(place)
    with project.workspace() as workspace:
        found = skew.check(project, workspace)
    assert (found.note, found.by, found.rows) == ("", "who", ROWS)
    assert {one.column for one in found.columns} == {*NUMBERS, *LEVELS}
    assert not found.skewed


def test_a_key_that_is_called_as_the_number_of_its_rows(tmp_path: Path, call_in: Call) -> None:
    (tmp_path / "one.csv").write_text("len,count\n1,2\n1,3\n")
    done = call_in("data", "diff", "one.csv", "one.csv", "--key", "len", where=tmp_path)
    assert done.code == 2
    assert "The key len is not unique in the table before: 1 values occur more than once, '1' 2 times." in done.err
