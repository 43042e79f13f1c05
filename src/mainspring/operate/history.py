"""A table as history: rows in the order they came, cut into what was known first and windows that followed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, NotFound, quote
from mainspring.operate.moment import Moments, moments

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.task import Task

MOST_WINDOWS = 60
"""Unless asked otherwise, the judged rows are cut into at most so many windows …"""
LEAST_ROWS = 350
"""… of at least so many rows: on fewer, neither a model nor a metric says much."""
LEAST_KNOWN = 50
"""A first model needs at least so many rows to learn from."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class History:
    """The rows of ``frame`` in time order, the target among them; ``notes`` say what was done to them."""

    frame: pl.DataFrame
    contract: Contract
    moments: Moments
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.frame)

    @classmethod
    def of(
        cls,
        frame: pl.DataFrame,
        *,
        contract: Contract | None = None,
        target: str | None = None,
        time: str | None = None,
        task: Task | None = None,
        ignore: Collection[str] = (),
    ) -> History:
        """Put *frame* in order. Without a *contract* every column but target, time and *ignore* is a feature.

        Rows of one moment keep their order. Raises InputError or NotFound where target, time or an ignored column is
        missing or unusable.
        """
        contract = _bare(frame, target, time, task) if contract is None else _said(contract, target, time, task)
        notes: list[str] = []
        name = contract.project.time
        if name is None:
            raise InputError("No time column: history needs an order. Name it with --time, or as `time` in [project].")
        for column in ignore:
            if column not in frame.columns:
                raise NotFound.among("column", column, frame.columns)
        if contract.project.target in ignore or name in ignore:
            raise InputError("The target and the time column cannot be ignored.")
        read = moments(frame, name)
        if read.note:
            notes.append(f"{name}: {read.note}")
        if not read.values.is_sorted():
            order = _stable_order(read.values)
            frame, read = frame[order], replace(read, values=read.values.gather(order))
            notes.append(f"the rows were not in the order of {name} and have been sorted")
        if ignore:
            frame = frame.drop(ignore)
            contract = _without(contract, ignore)
        return cls(frame, contract, read, tuple(notes))

    def cut(
        self, *, train: float = 0.5, windows: int | None = None, window: int | timedelta | None = None
    ) -> tuple[int, tuple[Stretch, ...]]:
        """Where judging begins, and the windows from there on.

        *train* is the share of rows that is known first. Windows hold *window* rows or last that span of time, or there
        are *windows* of about the same number of rows; rows of one moment are never torn apart. Raises InputError for
        settings that do not fit.
        """
        if not 0 < train < 1:
            raise InputError(f"train is the share of rows to learn from first, between 0 and 1; got {train:g}.")
        if windows is not None and window is not None:
            raise InputError("Say either how many windows there are or how large one is, not both.")
        start = self._edge(int(self.rows * train), 0)
        if start < LEAST_KNOWN or start >= self.rows:
            raise InputError(
                f"{start:,} of {self.rows:,} rows come before the judged ones; a first model needs at least "
                f"{LEAST_KNOWN}, and at least one row has to be left to judge on. Change --train or bring more rows."
            )
        if isinstance(window, timedelta):
            edges = self._timed_edges(start, window)
        else:
            edges = self._row_edges(start, windows, window)
        return start, tuple(Stretch(a, b) for a, b in pairwise(edges))

    def _row_edges(self, start: int, windows: int | None, window: int | None) -> list[int]:
        judged = self.rows - start
        if windows is not None and not 1 <= windows <= judged:
            raise InputError(f"windows must lie between 1 and the {judged:,} judged rows, got {windows}.")
        if window is not None and window < 1:
            raise InputError(f"A window needs at least one row, got {window}.")
        if window is None:
            windows = windows or max(1, min(MOST_WINDOWS, judged // LEAST_ROWS))
            wanted = [start + round(judged * place / windows) for place in range(1, windows)]
        else:
            wanted = list(range(start + window, self.rows, window))
        edges = [start]
        for place in wanted:
            edge = self._edge(place, edges[-1])
            if edges[-1] < edge < self.rows:
                edges.append(edge)
        return [*edges, self.rows]

    def _timed_edges(self, start: int, window: timedelta) -> list[int]:
        if not self.moments.dated:
            raise InputError(
                f"The time column {quote(self.contract.project.time)} holds numbers, so a window cannot last "
                f"{window}. Give it in rows, such as --window 500."
            )
        if window <= timedelta(0):
            raise InputError(f"A window must last some time, got {window}.")
        values = self.moments.values
        first, last = self._instant(start), self._instant(self.rows - 1)
        if (last - first) / window > self.rows:
            raise InputError(f"Windows of {window} would be more than there are rows. Take longer ones.")
        edges, moment = [start], first + window
        while moment <= last:
            edge = int(values.search_sorted(_as_value(moment, self.moments.kind), side="left"))
            if edge > edges[-1]:
                edges.append(edge)
            moment += window
        return [*edges, self.rows]

    def _instant(self, row: int) -> datetime:
        return self.moments.clock(row).replace(tzinfo=None)

    def _edge(self, place: int, after: int) -> int:
        """The row nearest to *place* where a new moment begins, beyond row *after*."""
        if place <= 0 or place >= self.rows:
            return place
        values = self.moments.values
        here = values[place]
        first = int(values.search_sorted(here, side="left"))
        return first if first > after else int(values.search_sorted(here, side="right"))

    def known(self, now: int, delay: int | timedelta | None) -> int:
        """Up to which row the labels are known when row *now* is about to come.

        *delay*: rows that must have come, or time that must have passed, after a row until its label is known.
        """
        if not delay:
            return now
        if isinstance(delay, int):
            return max(0, now - delay)
        if not self.moments.dated:
            raise InputError(
                f"The time column {quote(self.contract.project.time)} holds numbers, so labels cannot be late by "
                f"{delay}. Give the delay in rows."
            )
        limit = self._instant(min(now, self.rows - 1)) - delay
        values = self.moments.values
        return min(now, int(values.search_sorted(_as_value(limit, self.moments.kind), side="right")))


def _as_value(moment: datetime, kind: str) -> Any:
    return moment.date() if kind == "date" else moment


def _stable_order(values: pl.Series) -> pl.Series:
    import polars as pl

    return pl.DataFrame({"value": values}).with_row_index("row").sort("value", maintain_order=True)["row"]


def _bare(frame: pl.DataFrame, target: str | None, time: str | None, task: Task | None) -> Contract:
    from mainspring.contract import Contract, ProjectSection
    from mainspring.data.target import infer_task, known

    if target is None:
        raise InputError("No target: say which column is predicted with --target, or run inside a project.")
    series = known(frame, target)
    found = task or infer_task(series)[0]
    return Contract(project=ProjectSection(name=target, task=found, target=target, time=time))


def _said(contract: Contract, target: str | None, time: str | None, task: Task | None) -> Contract:
    """The contract with what was said besides it."""
    given: dict[str, Any] = {"target": target, "time": time, "task": task}
    project = replace(contract.project, **{key: value for key, value in given.items() if value is not None})
    return replace(contract, project=project)


def _without(contract: Contract, ignore: Collection[str]) -> Contract:
    kept = {name: column for name, column in contract.columns.items() if name not in ignore}
    if contract.columns and not kept:
        raise InputError("Every column of the contract is ignored; nothing is left to learn from.")
    return replace(contract, columns=kept)
