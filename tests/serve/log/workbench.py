"""Making logs in tests: records of a known shape, writers that are closed, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.serve.log import compact, segment
from mainspring.serve.log.block import Block
from mainspring.serve.log.identity import IdMaker
from mainspring.serve.log.record import encode
from mainspring.serve.log.schema import Feature, Schema
from mainspring.serve.log.writer import LogWriter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mainspring.workspace import Workspace

MODEL = "shop"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA = Schema(
    version=1,
    features=(Feature("age", "integer"), Feature("income", "number"), Feature("town", "category")),
    classes=("no", "yes"),
)


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def prediction(number: int, moment: datetime, **given: Any) -> bytes:
    """The record of one row; its id is ``given["id"]`` or made for its time."""
    fields: dict[str, Any] = {
        "id": made_id(moment),
        "time_us": micros(moment),
        "version": 1,
        "role": "champion",
        "entity": f"c-{number}",
        "features": [20 + number % 50, number / 2, "ulm" if number % 2 else "bo"],
        "prediction": "yes" if number % 3 else "no",
        "scores": [0.25, 0.75],
        "latency_us": 800 + number,
        "status": 200,
        "flags": None,
        "request": f"r-{number}",
    }
    return encode(**(fields | given))


def made_id(moment: datetime) -> str:
    """A new id as it would have been made at *moment*."""
    return IdMaker(lambda: micros(moment) // 1000)()


def spool(workspace: Workspace, records: Iterable[bytes], schema: Schema = SCHEMA, *, source: str = "w") -> None:
    """Write the records as an endpoint that ends in good order does."""
    with LogWriter(compact.spool_root(workspace), model=MODEL, source=source, interval=0.01) as writer:
        writer.declare(schema)
        for record in records:
            assert writer.append(record) > 0


def frame_of(*records: bytes) -> bytes:
    """A frame of a spool as an endpoint writes it."""
    block = Block(sum(map(len, records)))
    assert all(block.add(record, 1, 1) for record in records)
    return bytes(block.frame())


def logged(workspace: Workspace, kind: Any = "predictions") -> pl.DataFrame:
    """Every row of every segment, in the order of the segments."""
    found = workspace.ledger.segments.search(model=MODEL, kind=kind)
    frames = [segment.read(workspace.store, each) for each in found]
    assert [each.rows for each in found] == [frame.height for frame in frames]
    for each, frame in zip(found, frames, strict=True):
        time = frame[segment.TIME_OF[each.kind]]
        assert (time.min(), time.max()) == (each.start, each.end)
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def run_killed(code: str, *arguments: str | Path) -> int:
    """Run Python *code* in a process of its own; its exit code, −9 where it was killed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode
