"""Real history through a real endpoint, with faults put in: what is found, when, what is blamed, and what is done.

    python benchmarks/replay.py [FOLDER] [--tables elec2,adult] [--faults unit,null]
                                                     FOLDER: where the tables lie (default: ../shared/data)

For each table a project is made by `mainspring init`, its model learns from the first half, and rows of the second half
are sent to `mainspring serve` one by one over HTTP; labels come a window late, and after every window the loop makes a
round. Each fault begins after the sixth of fourteen windows and stays. Columns let values through that break the
contract (`on_violation = "flag"`), so that what is found is found by the watch and not by a refusal. `adult` has no
time and is sent in shuffled order: there nothing changes by itself, and what is found without a fault is a false alarm.

Printed for each fault, as the ledger has it after every window: whether it was found, after how many windows, at
which place the broken column is suspected, which incidents were opened, what the loop did, and how many requests were
dropped. A fault that only shows in an incident that was open before is said to have joined it: in ``elec2`` and
``bank_marketing`` much changes by itself, as their replay without a fault tells. While the loop retrains no rows are
sent, which it rightly takes for a stop of the traffic: incidents of the service are counted by themselves. So are those
of error budgets: the champion of ``adult`` breaks what `init` proposes for its groups from the day of its release.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.contract.metric import METRICS
from mainspring.demo.replay import Client, Endpoint, requests
from mainspring.operate.action import advise
from mainspring.operate.live.loop import LiveLoop
from mainspring.project import Project
from mainspring.registry.registry import Registry
from mainspring.serve.log.compact import compact, finish_spools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.ledger.ports.incidents import Incident
    from mainspring.workspace import Workspace

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data"
WINDOW = 400
WINDOWS = 14
BEGINS = 6
QUIET_WINDOWS = 100
CODES = 20
"""Whole numbers with so many values at most are codes of a category."""
MEASURED = re.compile(
    rf"(?<!estimated )\b({'|'.join(name for name, one in METRICS.items() if one.kind == 'quality')}) "
    r"(is .* no surprise|.* was not kept)|the loss has risen and stayed"
)
"""How a timeline tells of what labels showed."""
BURNING = "uses up its error budget"
"""What an incident says first that tells of nothing but a requirement which the champion never kept."""
SECONDS = 2.0
"""A window by time, for the faults of the service itself."""


@dataclass(frozen=True)
class Case:
    """A table, and what `init` is told about it."""

    name: str
    target: str
    time: str | None
    ignore: tuple[str, ...] = ()


CASES = (
    Case("elec2", "class", "t", ("date",)),
    Case("bank_marketing", "y", "t", ("year_derived", "duration")),
    Case("adult", "income", None, ("split",)),
)


def prepare(case: Case, folder: Path, root: Path, window: str) -> tuple[Project, pl.DataFrame, pl.DataFrame]:
    """A project with a registered champion that learned from the first half, that half, and the second one."""
    table = pl.read_parquet(folder / f"{case.name}.parquet").drop(case.ignore, strict=False)
    table = table.sort(case.time) if case.time else table.sample(fraction=1.0, shuffle=True, seed=7)
    half = len(table) // 2
    root.mkdir(parents=True)
    table[:half].write_parquet(root / "first.parquet")
    told = ["--time", case.time] if case.time else []
    run(root, "init", "live", "--data", "first.parquet", "--target", case.target, *told)
    contract = root / "live" / "mainspring.toml"
    text = re.sub(r"(?m)^(\[columns\..+\])$", r'\1\non_violation = "flag"', contract.read_text())
    text = re.sub(r"(?m)^window = .*$", f"window = {window}", text)
    text = re.sub(r"(?m)^cooldown = .*$", "cooldown = 2", text)
    if window != str(WINDOW):
        # one retrain would hold up the sender for longer than a window lasts
        text = re.sub(r"(?m)^on = .*$", "on = []", text)
    if "[retrain]" not in text:
        triggers = '["requirement", "drift"]' if window == str(WINDOW) else "[]"
        text += f"\n[retrain]\non = {triggers}\ncooldown = 2\n"
    if "[rollout]" not in text:
        text += '\n[rollout]\nsteps = [25, 100]\nhold = "1s"\nminimum_rows = 50\n'
    contract.write_text(text)
    run(root / "live", "run", "--set", "seconds=10", "--set", "trials=8", good=(0, 1))
    project = Project.find(root / "live")
    with project.workspace() as workspace:
        registry = Registry(workspace)
        if registry.champion("live") is None:
            registry.promote("live", 1, override="the replay needs a champion, whatever the proposed bounds say")
    return project, table[:half], table[half:]


def run(folder: Path, *words: str, good: Sequence[int] = (0,)) -> None:
    """A command of Mainspring, which must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "mainspring", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode not in good:
        raise SystemExit(f"mainspring {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")


class Stage:
    """One endpoint with its log, to which windows are sent."""

    def __init__(self, project: Project, workspace: Workspace, client: Client, target: str) -> None:
        self.project, self.workspace, self.client, self.target = project, workspace, client, target
        self._late: list[list[dict[str, Any]]] = []
        self._loop = LiveLoop(project, workspace, grace=timedelta(0))
        self.opened: list[tuple[int, Incident]] = []
        self.states: list[tuple[int, dict[int, Incident]]] = []
        """After each window, the incidents as they were then."""
        self.done: list[tuple[int, str]] = []
        self.windows = 0

    def send(self, rows: pl.DataFrame) -> None:
        """Send one window of *rows*, the labels of the one before, and judge what there is."""
        answers = self.client.predict(requests(rows, [name for name in rows.columns if name != self.target]))
        truth = rows[self.target].to_list()
        self._late.append([{"id": a.id, "label": y} for a, y in zip(answers, truth, strict=True) if a.id])
        if len(self._late) > 1:
            self.client.label(self._late.pop(0))
        self.judge()

    def judge(self) -> None:
        """Bring the log up to date and let the loop have a look."""
        finish_spools(self.workspace, "live")
        compact(self.workspace, "live")
        round_ = self._loop.once()
        if round_.watched is not None:
            self.windows += len(round_.watched.judged)
            self.opened += [(self.windows, incident) for incident in round_.watched.opened]
        self.done += [(self.windows, line) for line in round_.done]
        incidents = self.workspace.ledger.incidents
        now = (incidents.get(one.id) for one in incidents.search(model="live", limit=1_000))
        self.states.append((self.windows, {one.id: one for one in now if one.kind != "service"}))


def by_importance(project: Project, frame: pl.DataFrame) -> list[str]:
    """The columns on which the model rests, most of it first."""
    with project.workspace() as workspace:
        weights = Registry(workspace).load("live").json("profile.json")["importance"]
    if not weights:
        raise SystemExit("The model does not say what it rests on: no column can be chosen to be broken.")
    return sorted((name for name in frame.columns if name in weights), key=lambda name: -weights[name])


def category(names: Sequence[str], learned: pl.DataFrame, hit: pl.DataFrame) -> tuple[str, Any]:
    """The most important category, by name or by a few codes, and its commonest level in *hit*.

    The model must have learned the level: one that it never saw is as strange to it under any other name.
    """
    for name in names:
        dtype, level = hit.schema[name], hit[name].mode().sort()[0]
        codes = dtype.is_integer() and learned[name].n_unique() <= CODES
        if (codes or dtype == pl.String) and level in learned[name]:
            return name, level
    raise SystemExit("The table has no category whose levels stay: none can be renamed.")


def unit(column: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda rows: rows.with_columns(pl.col(column) * 10)


def null(column: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda rows: rows.with_columns(pl.lit(None, dtype=rows.schema[column]).alias(column))


def renamed(column: str, level: Any, learned: pl.Series) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A level by another name, a code by the next one that is free."""
    other = f"{level} (new)" if isinstance(level, str) else int(learned.to_numpy().max()) + 1
    return lambda rows: rows.with_columns(pl.col(column).replace(level, other))


def swapped(column: str, level: Any, target: str, classes: list[Any]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The classes change places where *column* is *level* (for a number: above it)."""
    there = pl.col(column) == level if isinstance(level, str) else pl.col(column) > level
    other = pl.col(target).replace_strict({classes[0]: classes[1], classes[1]: classes[0]})
    return lambda rows: rows.with_columns(pl.when(there).then(other).otherwise(pl.col(target)).alias(target))


def of_rows(case: Case, folder: Path, place: Path, wanted: set[str]) -> None:
    """The faults of data and concept, in windows by rows."""
    project, learned, rest = prepare(case, folder, place / case.name, str(WINDOW))
    names = by_importance(project, rest)
    numbers = [name for name in names if rest.schema[name].is_numeric() and rest[name].n_unique() > CODES]
    hit = rest[BEGINS * WINDOW : WINDOWS * WINDOW]
    level_column, level = category(names, learned, hit)
    slice_column, where = level_column, level
    if not isinstance(level, str):
        # one of a few codes is too small a slice of a window to be a change of the concept
        slice_column, where = numbers[1], float(hit[numbers[1]].to_numpy().mean())
    classes = sorted(rest[case.target].unique().to_list(), key=str)
    faults: dict[str, tuple[str | None, Callable[[pl.DataFrame], pl.DataFrame]]] = {
        "none": (None, lambda rows: rows),
        "unit": (numbers[0], unit(numbers[0])),
        "null": (numbers[0], null(numbers[0])),
        "renamed": (level_column, renamed(level_column, level, learned[level_column])),
        "swapped": (None, swapped(slice_column, where, case.target, classes)),
    }
    untouched: Stage | None = None
    for name, (column, change) in faults.items():
        if wanted and name not in wanted:
            continue
        windows = QUIET_WINDOWS if name == "none" and case.time is None else WINDOWS
        rows_needed = windows * WINDOW
        # shuffled rows may come a second time in another order: nothing changes by that
        again = rest.sample(fraction=1.0, shuffle=True, seed=8)
        sent = rest if case.time else pl.concat([rest, again]).head(rows_needed)
        count = min(windows, len(sent) // WINDOW)
        with (
            fresh(project, place / f"{case.name}-{name}") as other,
            Endpoint(other.root, "live") as endpoint,
            Client(endpoint.address) as client,
            other.workspace() as workspace,
        ):
            stage = Stage(other, workspace, client, case.target)
            for k in range(count):
                rows = sent[k * WINDOW : (k + 1) * WINDOW]
                stage.send(change(rows) if k >= BEGINS else rows)
            say(case.name, name, column, stage, client, count, untouched)
            if name == "none" and case.time:
                untouched = stage


@dataclass(frozen=True)
class Trace:
    """Where a fault shows: in which window, in which incident and when that was opened, at which place of suspects."""

    window: int
    incident: Incident
    opened: int
    place: int

    @property
    def words(self) -> str:
        """For people."""
        place = f", suspected at place {self.place}" if self.place else ""
        after = f"after {self.window - BEGINS} windows{place}"
        if self.opened > BEGINS:
            return f"found {after} ({self.incident.kind})"
        return f"joined the {self.incident.kind} incident of window {self.opened} {after}"


def traces(stage: Stage, column: str | None) -> list[Trace]:
    """Where a fault first shows in each incident.

    Of a broken *column*: it is suspected and was not told of in that way before. Of a changed concept (None): what was
    measured with labels, which come a window late, became worse than expected; an estimate cannot know of it.
    """
    opened = {one.id: window for window, one in stage.opened}
    late = column is None
    before = {window: incidents for window, incidents in stage.states if window <= BEGINS + late}
    known = before[max(before)] if before else {}
    found: dict[int, Trace] = {}
    for window, incidents in stage.states:
        for number, one in incidents.items():
            if window <= BEGINS + late or number in found:
                continue
            old = known.get(number)
            if column is None:
                said = [event.text for event in one.events[len(old.events) if old else 0 :] if event.kind == "signal"]
                if any(MEASURED.search(text) for text in said):
                    found[number] = Trace(window, one, opened[number], 0)
                continue
            names = [suspect.name for suspect in one.suspects]
            if column in names and (old is None or (one.summary, one.suspects) != (old.summary, old.suspects)):
                found[number] = Trace(window, one, opened[number], names.index(column) + 1)
    return list(found.values())


def say(
    table: str, fault: str, column: str | None, stage: Stage, client: Client, count: int, untouched: Stage | None
) -> None:
    """What was found and done: a line, one for each incident as it is at the end, and one for each act of the loop.

    Where the replay without a fault, *untouched*, told of the same, that is said.
    """
    standing = [one for _, one in stage.opened if BURNING in one.summary.split(". ")[0]]
    opened = [(window, one) for window, one in stage.opened if one.kind != "service" and one not in standing]
    after = [one for window, one in opened if window > BEGINS]
    found = [] if fault == "none" else traces(stage, column)
    own = [one for one in found if one.opened > BEGINS]
    if fault == "none":
        words = f"{len(opened)} incidents in {count} windows"
    else:
        words = "; ".join(one.words for one in found) or "not found"
        if untouched is not None and (same := traces(untouched, column)):
            words += f" (without the fault: {'; '.join(one.words for one in same)})"
    if column is not None:
        words = f"{column}: {words}"
    service = sum(one.kind == "service" for _, one in stage.opened)
    print(
        f"{table:15} {fault:9} {words}; incidents before {len(opened) - len(after)}, after {len(after)}, of the fault "
        f"{len(own)} (service {service}, error budgets {len(standing)}); "
        f"sent {client.sent:,}, dropped {client.dropped}, statuses {client.statuses}",
        flush=True,
    )
    last = stage.states[-1][1] if stage.states else {}
    for window, one in (pair for pair in stage.opened if pair[1].kind != "service"):
        now = last.get(one.id, one)
        became = one.kind if now.kind == one.kind else f"{one.kind}, became {now.kind}"
        acted = f" Action: {now.action}." if now.action else ""
        slice_ = f" ({now.details['slice']})" if now.details.get("slice") else ""
        print(f"    incident of window {window}: {became}, {now.status}: {now.summary[:200]}{slice_}{acted}")
        for trace in found:
            if trace.incident.id == one.id and trace.opened <= BEGINS:
                told = [event.text for event in trace.incident.events if event.kind in ("changed", "signal")]
                print(f"        window {trace.window}: {told[-1][:160]}")
    for window, line in stage.done:
        if not line.startswith("retraining") and not line.startswith("hold"):
            print(f"    window {window}: {line[:180]}")


class fresh:  # noqa: N801  # reads as what it is: a fresh copy
    """A copy of a project, so that every fault meets the same champion and an empty log."""

    def __init__(self, project: Project, root: Path) -> None:
        import shutil

        shutil.copytree(project.root, root)
        self._project = Project.find(root)

    def __enter__(self) -> Project:
        return self._project

    def __exit__(self, *_: object) -> None:
        """Nothing: the whole place goes at the end."""


def of_service(case: Case, folder: Path, place: Path, wanted: set[str]) -> None:
    """The faults of the service itself, in windows by time: answers that come late, and a stop of the traffic."""
    project, _, rest = prepare(case, folder, place / f"{case.name}-service", f'"{SECONDS:.0f}s"')
    names = [name for name in rest.columns if name != case.target]
    for name in ("latency", "stop"):
        if wanted and name not in wanted:
            continue
        with (
            fresh(project, place / f"{case.name}-{name}") as other,
            Endpoint(other.root, "live") as endpoint,
            Client(endpoint.address) as client,
            other.workspace() as workspace,
        ):
            stage = Stage(other, workspace, client, case.target)
            stop = threading.Event()
            begun, slowing = time.monotonic(), None
            total = 24
            for k in range(total):
                broken = k >= total // 2
                if broken and name == "latency" and slowing is None:
                    slowing = threading.Thread(target=halted, args=(endpoint.workers, stop), daemon=True)
                    slowing.start()
                if not (broken and name == "stop"):
                    # half a window's time, not to be late for the next one
                    at = (k * 200) % (len(rest) - 200)
                    client.predict(requests(rest[at : at + 200], names))
                stage.judge()
                time.sleep(max(0.0, begun + (k + 1) * SECONDS - time.monotonic()))
            stop.set()
            if slowing is not None:
                slowing.join()
            stage.judge()
            print(
                f"{case.name:15} {name:9} begins in window {total // 2} of {total}; "
                f"sent {client.sent:,}, dropped {client.dropped}; opened:",
                flush=True,
            )
            for window, one in stage.opened:
                advice = advise(workspace, other.contract, one)
                print(f"    window {window}: {one.kind}: {one.summary[:110]} Advice: {advice.action}")


def halted(workers: Sequence[int], stop: threading.Event) -> None:
    """Stop the endpoint's own workers for most of the time, as a machine without time for them would."""
    while not stop.is_set():
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        stop.wait(0.03)
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        stop.wait(0.005)  # few answers are given meanwhile: of those of a window many are late


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--tables", default="")
    parser.add_argument("--faults", default="", help="of: none, unit, null, renamed, swapped, latency, stop")
    given = parser.parse_args()
    tables, wanted = (set(filter(None, text.split(","))) for text in (given.tables, given.faults))
    with tempfile.TemporaryDirectory() as place:
        for case in CASES:
            if tables and case.name not in tables:
                continue
            if not wanted or wanted & {"none", "unit", "null", "renamed", "swapped"}:
                of_rows(case, given.folder, Path(place), wanted)
            if not wanted or wanted & {"latency", "stop"}:
                of_service(case, given.folder, Path(place), wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
