"""A served model without an endpoint: a real project and workspace, and a log that is written as compaction does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.core.clock import SimulatedClock
from mainspring.data import split
from mainspring.operate.live.watch import Watched, watch
from mainspring.operate.release import Release, release
from mainspring.project import Project
from mainspring.registry import Registry
from mainspring.serve import labels
from mainspring.serve.log import segment, shape
from mainspring.serve.log.identity import IdMaker
from mainspring.serve.log.schema import schema_of
from mainspring.train import fit
from mainspring.workspace import Workspace
from tests.operate import worlds

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.serve.labels import LabelCounts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTRACT = """
[project]
name = "world"
task = "binary"
target = "y"
time = "t"
entity = "who"
[columns.a]
type = "number"
[columns.b]
type = "number"
[columns.kind]
type = "category"
[columns.y]
type = "category"
[columns.t]
type = "integer"
[columns.who]
type = "text"
{more}
"""
PIPELINE = """
from mainspring import step
from mainspring.data import read, split
from mainspring.train import fit

@step
def raw(source: str = "world.parquet"):
    return read(source)

@step
def parts(raw, contract):
    return split(raw, by="time", test=0.25, contract=contract)

@step
def model(parts, contract):
    return fit(parts.train, contract, params={"rounds": 40})
"""
ROWS = 400
"""Rows of a window."""
_sequence = count(1)


def world(rows: int, *, seed: int = 0, turned: bool = False) -> pl.DataFrame:
    """y follows a and b; *turned*: the opposite of a."""
    frame = worlds.turning(rows, turn=0 if turned else rows, seed=seed)
    return frame.with_columns(pl.format("c{}", pl.int_range(pl.len())).alias("who"))


class Bench:
    """The project of a steady world with version 1 in force, and a clock that stands at noon."""

    def __init__(self, root: Path, *, more: str = '[monitor]\nwindow = "1h"', clock: Any = None) -> None:
        self.root = root
        self.clock = clock or SimulatedClock(NOON - timedelta(days=1))
        if not (root / "mainspring.toml").exists():
            (root / "mainspring.toml").write_text(CONTRACT.format(more=more))
            (root / "pipeline.py").write_text(PIPELINE)
            self.table = world(1_600)
            self.table.write_parquet(root / "world.parquet")
        self.project = Project(root)
        self.workspace = Workspace.open(root / ".mainspring", clock=self.clock, actor="test")
        self.model: Any = None
        if not Registry(self.workspace).names():
            self.release()
        self.at = NOON
        """Where the log ends."""

    def release(self, **params: Any) -> Release:
        parts = split(world(1_600), by="time", column="t", test=0.25)
        contract = self.project.contract
        self.model = fit(parts.train, contract, params={"rounds": 40} | params)
        return release(self.project, self.workspace, model=self.model, split=parts)

    def serve(
        self,
        rows: pl.DataFrame,
        *,
        span: timedelta = HOUR,
        version: int | None = None,
        latency: float = 2.0,
        failed: int = 0,
        status: int = 500,
        role: str = "champion",
        start: datetime | None = None,
        asked: pl.DataFrame | None = None,
    ) -> list[str]:
        """Answer *rows* over the next *span* as the champion does; the ids. Its labels are not told.

        *asked*: the rows that the champion is asked about, where these are others.
        """
        begin = self.at if start is None else start
        if start is None:
            self.at += span
        registry = Registry(self.workspace)
        found = registry.champion("world") if version is None else registry.resolve(f"world/{version}")
        assert found is not None
        model = registry.load(found).model()
        said = model.predict(rows if asked is None else asked)
        draw = np.random.default_rng(len(rows))
        offsets = np.sort(draw.uniform(0, span.total_seconds(), len(rows)))
        times = [begin + timedelta(seconds=float(offset)) for offset in offsets]
        ids = [IdMaker(lambda moment=moment: int(moment.timestamp() * 1000))() for moment in times]  # type: ignore[misc]
        assert said.scores is not None
        assert said.classes is not None
        schema = schema_of(self.project.contract, version=found.version, features=model.features, classes=model.classes)
        bad = [place < failed for place in range(len(rows))]
        table = pl.DataFrame(
            {
                "id": ids,
                "time": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
                "version": pl.Series([found.version] * len(rows), dtype=pl.Int32),
                "role": [role] * len(rows),
                "entity": rows["who"],
                "prediction": [None if failure else value for value, failure in zip(said.values, bad, strict=True)],
                **{
                    f"score.{name}": pl.Series(said.scores[:, place]) for place, name in enumerate(said.classes)
                },
                **{f"x.{name}": rows[name] for name in model.features},
                "latency_ms": pl.Series(latency * draw.lognormal(0, 0.1, len(rows)), dtype=pl.Float32),
                "status": pl.Series([status if failure else 200 for failure in bad], dtype=pl.Int16),
                "flags": pl.Series([None] * len(rows), dtype=pl.String),
                "request": ids,
            },
            strict=False,
        )  # fmt: skip
        parts = [
            segment.write(
                self.workspace.store, part, model="world", kind="predictions", source="bench",
                sequence=next(_sequence) + 1_000_000 * len(self.workspace.ledger.segments.search()),
            )
            for part in segment.pieces(table, by_hour=True)
        ]  # fmt: skip
        with self.workspace.ledger.together():
            shape.declare(self.workspace.ledger, "world", schema)
            self.workspace.ledger.segments.add(*parts)
        return ids

    def label(self, ids: list[str], rows: pl.DataFrame) -> LabelCounts:
        """Tell the truth about rows that were answered."""
        frame = pl.DataFrame({"id": ids, "label": rows["y"]})
        return labels.add(self.workspace, "world", frame, source="test")

    def watch(self, **settings: Any) -> Watched:
        """What the watch finds when the log has ended and a grace is over."""
        now = self.at + timedelta(minutes=1)
        if isinstance(self.clock, SimulatedClock) and now > self.clock.now():
            self.clock.set(now)
        return watch(self.project, self.workspace, **settings)

    def hours(self, number: int, *, seed: int = 100, labelled: bool = True, **change: Any) -> None:
        """Serve so many quiet hours."""
        for place in range(number):
            rows = world(ROWS, seed=seed + place)
            ids = self.serve(rows, **change)
            if labelled:
                self.label(ids, rows)

    def close(self) -> None:
        self.workspace.close()
