"""What was spooled is in the log exactly once, whatever was killed, torn or damaged on the way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from mainspring.core.duration import LONGEST
from mainspring.core.errors import InputError, MainspringError, Refused
from mainspring.serve.log import columns, merge, segment, shape
from mainspring.serve.log import compact as module
from mainspring.serve.log import spool as spools
from mainspring.serve.log.compact import Compaction, compact, finish_spools, follow, models, spool_root, waiting
from mainspring.serve.log.lock import FileLock
from mainspring.serve.log.record import encode_many
from mainspring.serve.log.schema import Feature, Schema
from mainspring.serve.log.writer import LogWriter
from tests.serve.log.workbench import MODEL, NOON, SCHEMA, frame_of, logged, micros, prediction, run_killed, spool

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from mainspring.core.clock import SimulatedClock
    from mainspring.serve.log.mask import Mask
    from mainspring.serve.log.record import Record
    from mainspring.workspace import Workspace

HOUR = timedelta(hours=1)
KILLED = """
import os, signal, sys
from pathlib import Path
from mainspring.ledger.sql.segments import SqlSegments
from mainspring.serve.log import compact as module, merge
from mainspring.store import Store
from mainspring.workspace import Workspace

target, name, place, root = sys.argv[1:]
where = {"store": Store, "segments": SqlSegments, "path": Path, "compact": module}[target]
real, calls = getattr(where, name), 0

def dying(*arguments, **given):
    global calls
    calls += 1
    if place == f"before {calls}":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **given)
    if place == f"after {calls}":
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(where, name, dying)
module.TOGETHER = 10  # each spool becomes segments of its own, which are then merged
with Workspace.open(root, actor="killed") as workspace:
    module.compact(workspace, "shop", everything=True)
"""


def spool_three_hours(workspace: Workspace) -> list[str]:
    """Two writers, three hours, several spools; the ids of requests in the order of writing."""
    for source in (0, 1):
        with LogWriter(spool_root(workspace), model=MODEL, source=f"w{source}", interval=0.005, roll=0.02) as writer:
            writer.declare(SCHEMA)
            for number in range(source * 30, source * 30 + 30):
                writer.append(prediction(number, NOON + number % 3 * HOUR + timedelta(seconds=number)))
                if number % 10 == 9:
                    writer.flush()
                    time.sleep(0.03)
    return [f"r-{number}" for number in range(60)]


def test_the_log_holds_what_was_asked_and_answered(workspace: Workspace) -> None:
    given = [
        prediction(4, NOON, id="one", flags="imputed:age", features=[None, 1.5, "ulm"]),
        encode_many(
            "two", micros(NOON), 1, "shadow", 2, ["c-1", None], [[30, 2.0, "bo"], [31, None, None]],
            ["no", "yes"], [[0.9, 0.1], [0.2, 0.8]], 1_500, 200, None, "r-9",
        ),
        prediction(
            5, NOON, id="bad", features=None, prediction=None, scores=None, status=422, flags="rejected", request="",
        ),
    ]  # fmt: skip
    spool(workspace, given)
    assert waiting(workspace, MODEL) > 0
    done = compact(workspace, MODEL)
    assert (done.rows, done.spools, done.segments, done.unreadable) == (4, 1, 1, 0)
    rows = logged(workspace)
    assert rows.columns == list(shape.of(workspace.ledger, MODEL).columns) == [
        "id", "time", "version", "role", "entity", "prediction", "score.no", "score.yes", "x.age", "x.income", "x.town",
        "latency_ms", "status", "flags", "request",
    ]  # fmt: skip
    assert rows["id"].to_list() == ["one", "two:0", "two:1", "bad"]
    assert rows["request"].to_list() == ["r-4", "r-9", "r-9", "bad"]
    assert rows["x.age"].to_list() == [None, 30, 31, None]
    assert rows["entity"].to_list() == ["c-4", "c-1", None, "c-5"]
    assert rows["score.yes"].to_list() == [0.75, 0.1, 0.8, None]
    assert rows["flags"].to_list() == ["imputed:age", None, None, "rejected"]
    assert rows["latency_ms"].round(3).to_list() == pytest.approx([0.804, 1.5, 1.5, 0.805], abs=1e-6)
    assert rows["time"].to_list() == [NOON] * 4
    assert waiting(workspace, MODEL) == 0
    assert not list((spool_root(workspace) / MODEL).glob("w*")), "the folder of a writer that ended goes"
    assert models(workspace) == (MODEL,)
    assert compact(workspace, MODEL).rows == 0


def test_segments_keep_to_the_hour_and_say_when_their_rows_were(workspace: Workspace) -> None:
    requests = spool_three_hours(workspace)
    assert compact(workspace, MODEL).rows == 60
    assert sorted(logged(workspace)["request"]) == sorted(requests)
    found = workspace.ledger.segments.search(model=MODEL)
    assert {each.start.hour for each in found} == {12, 13, 14}
    assert all(each.start.hour == each.end.hour for each in found)


def test_rows_keep_their_times_when_the_clock_is_set_back(workspace: Workspace) -> None:
    moments = [NOON, NOON + timedelta(minutes=5), NOON - 2 * HOUR, NOON - 2 * HOUR + timedelta(minutes=1)]
    spool(workspace, [prediction(number, moment) for number, moment in enumerate(moments)])
    compact(workspace, MODEL)
    rows = logged(workspace).sort("request")
    assert rows["time"].to_list() == moments
    assert rows["id"].n_unique() == 4
    spans = [(each.start, each.end) for each in workspace.ledger.segments.search(model=MODEL)]
    assert sorted(spans) == [(moments[2], moments[3]), (moments[0], moments[1])]


def test_a_mad_clock_does_not_stop_the_log(workspace: Workspace) -> None:
    spool(workspace, [prediction(0, NOON, time_us=-5), prediction(1, NOON, time_us=2**62)])
    compact(workspace, MODEL)
    assert logged(workspace)["time"].to_list() == [datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("target", "name", "place"),
    [
        ("store", "put", "before 1"),
        ("store", "put", "after 1"),
        ("store", "put", "after 3"),
        ("segments", "add", "before 1"),
        ("segments", "add", "after 1"),  # in the transaction, which does not come to its end
        ("compact", "_unlink", "before 1"),
        ("compact", "_unlink", "before 2"),
        ("path", "unlink", "before 2"),
        ("path", "unlink", "after 3"),
        ("path", "rmdir", "before 1"),
        ("path", "rmdir", "after 1"),
        ("segments", "replace", "before 1"),
        ("segments", "replace", "after 1"),
        ("store", "put", "after 19"),  # a merged segment
    ],
)
def test_a_kill_at_any_point_neither_loses_nor_repeats(
    workspace: Workspace, target: str, name: str, place: str
) -> None:
    requests = spool_three_hours(workspace)
    assert run_killed(KILLED, target, name, place, workspace.root) == -9
    late = prediction(60, NOON + timedelta(seconds=60))  # what comes meanwhile changes how spools are taken together
    spool(workspace, [late], source="w2")
    compact(workspace, MODEL, everything=True)
    assert sorted(logged(workspace)["request"]) == sorted([*requests, "r-60"])
    assert waiting(workspace, MODEL) == 0
    assert not list((spool_root(workspace) / MODEL).glob("w*"))
    assert compact(workspace, MODEL, everything=True).rows == 0
    assert not workspace.ledger.states.search(module.READ), "nothing is remembered of writers that are gone"


WRITER = """
import sys, time
from pathlib import Path
from mainspring.serve.log.writer import LogWriter
from tests.serve.log.workbench import NOON, SCHEMA, prediction

root, durable = Path(sys.argv[1]), sys.argv[2] == "durable"
writer = LogWriter(root, model="shop", source="w", durable=durable, interval=0.1)
writer.declare(SCHEMA)
import asyncio

async def main():
    for number in range(1_000_000):
        ticket = writer.append(prediction(number, NOON, id=f"id-{number}"))
        if durable:
            assert await writer.durable(ticket)
        print(number, time.time(), flush=True)
        if not durable:
            time.sleep(0.0005)

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["ordinary", "durable"])
def test_what_a_killed_writer_had_acknowledged(workspace: Workspace, tmp_path: Path, mode: str) -> None:
    said = tmp_path / "said"
    with said.open("wb") as file:
        worker = subprocess.Popen([sys.executable, "-c", WRITER, spool_root(workspace), mode], stdout=file)
        time.sleep(1.6)
        assert finish_spools(workspace, MODEL), "it is alive and gives what it has"
        assert compact(workspace, MODEL).rows > 0
        time.sleep(0.3)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    compact(workspace, MODEL)
    rows = logged(workspace)
    told = [line.split() for line in said.read_text().splitlines()[:-1]]
    kept = set(rows["id"])
    lost = [(number, moment) for number, moment in told if f"id-{number}" not in kept]
    assert rows["id"].n_unique() == rows.height, "none twice, though the two compactions met a living and a dead writer"
    assert len(told) > 100
    if mode == "durable":
        assert not lost
    elif lost:
        assert float(told[-1][1]) - float(lost[0][1]) < 1, "at most the last second"


def test_the_torn_tail_of_a_dead_writer_is_cut(workspace: Workspace) -> None:
    spool(workspace, [prediction(number, NOON) for number in range(3)])
    (path,) = spool_root(workspace).glob("*/*/*.spool")
    torn = path.with_suffix(spools.OPEN)
    path.rename(torn)
    with torn.open("ab") as file:
        file.write(frame_of(prediction(3, NOON))[:-1])
    done = compact(workspace, MODEL)
    assert (done.rows, done.damaged) == (3, 0)
    assert done.torn > 50
    assert sorted(logged(workspace)["request"]) == ["r-0", "r-1", "r-2"]


def test_a_finished_spool_that_was_damaged_is_put_aside(workspace: Workspace) -> None:
    with LogWriter(spool_root(workspace), model=MODEL, source="w", interval=0.01) as writer:
        writer.declare(SCHEMA)
        for number in range(2):
            writer.append(prediction(number, NOON))
            writer.flush()
    (path,) = spools.spools(writer.folder)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    done = compact(workspace, MODEL)
    assert (done.rows, done.damaged) == (1, 1)
    assert path.with_suffix(".damaged").read_bytes() == data
    assert logged(workspace)["request"].to_list() == ["r-0"]
    assert compact(workspace, MODEL).rows == 0


def test_a_living_writer_keeps_the_spool_it_is_at(workspace: Workspace) -> None:
    with LogWriter(spool_root(workspace), model=MODEL, source="w", interval=0.01, roll=60) as writer:
        writer.declare(SCHEMA)
        writer.append(prediction(0, NOON))
        writer.flush()
        assert compact(workspace, MODEL).rows == 0
        assert finish_spools(workspace, MODEL)
        assert compact(workspace, MODEL).rows == 1
        writer.append(prediction(1, NOON))
        writer.flush()
        assert writer.folder.is_dir()
    assert compact(workspace, MODEL).rows == 1
    assert logged(workspace)["request"].to_list() == ["r-0", "r-1"]


def test_a_spool_that_could_not_be_finished_is_read_all_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, target: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error", str(path), str(target))

    with LogWriter(spool_root(workspace), model=MODEL, source="w", interval=0.01, roll=0.02) as writer:
        writer.declare(SCHEMA)
        with monkeypatch.context() as system:
            system.setattr("pathlib.Path.rename", refused)
            writer.append(prediction(0, NOON))
            while not writer.failed:
                time.sleep(0.005)
        assert compact(workspace, MODEL).rows == 0, "it may be the one that the writer is at"
        writer.append(prediction(1, NOON))
        while not spools.spools(writer.folder):
            time.sleep(0.005)
        assert compact(workspace, MODEL).rows == 2
    assert compact(workspace, MODEL).rows == 0
    assert sorted(logged(workspace)["request"]) == ["r-0", "r-1"]


def test_two_do_not_compact_at_once(workspace: Workspace) -> None:
    spool(workspace, [prediction(0, NOON)])
    with FileLock(spool_root(workspace) / MODEL / "compact.lock") as lock:
        assert lock.take()
        with pytest.raises(Refused, match="Another process is compacting the log of shop"):
            compact(workspace, MODEL, patience=0.1)
    assert compact(workspace, MODEL).rows == 1


def test_spools_wait_while_the_store_is_gone(workspace: Workspace) -> None:
    spool(workspace, [prediction(0, NOON)])
    objects = workspace.root / "store"
    objects.rename(workspace.root / "away")
    objects.write_text("a file where the store should be")
    told: list[Compaction | Exception] = []
    stop = Event()
    thread = Thread(target=follow, args=(workspace, MODEL, stop), kwargs={"interval": 0.02, "told": told.append})
    thread.start()
    try:
        end = time.monotonic() + 10
        while not told and time.monotonic() < end:
            time.sleep(0.01)
        assert isinstance(told[0], MainspringError)
        assert waiting(workspace, MODEL) > 0
        objects.unlink()
        (workspace.root / "away").rename(objects)
        while not any(isinstance(each, Compaction) and each.rows for each in told) and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    assert logged(workspace)["request"].to_list() == ["r-0"]


def test_versions_with_other_features_stand_in_one_log(workspace: Workspace) -> None:
    wider = Schema(
        version=2,
        features=(
            Feature("income", "text"),
            Feature("age", "number"),
            Feature("paid", "boolean"),
            Feature("day", "date"),
        ),
        classes=("no", "yes", "late"),
    )
    spool(workspace, [prediction(0, NOON)])
    spool(
        workspace,
        [prediction(1, NOON, version=2, features=["lots", 30.5, True, "2026-03-01"], scores=[0.1, 0.2, 0.7])],
        wider,
    )
    compact(workspace, MODEL)
    types = shape.of(workspace.ledger, MODEL).columns
    assert [str(types[name]) for name in ("x.age", "x.income", "x.paid", "x.day", "score.late")] == [
        "Float64", "String", "Boolean", "Date", "Float64",
    ]  # fmt: skip
    rows = logged(workspace).sort("request")
    assert rows["x.income"].to_list() == ["0.0", "lots"]
    assert rows["x.paid"].to_list() == [None, True]


def test_what_does_not_fit_is_left_out_and_flagged(workspace: Workspace) -> None:
    spool(
        workspace,
        [
            prediction(0, NOON, features=["old", "much", 7], flags="unseen:town"),
            prediction(1, NOON, features=[30.5, True, [1]]),
            prediction(2, NOON, features=b'{"town": "ulm", "age": 31, "shoe": 44}'),
            prediction(3, NOON, features=b"no json"),
            prediction(4, NOON, features=[1]),
            prediction(5, NOON, version=9),
        ],
    )
    done = compact(workspace, MODEL)
    assert (done.rows, done.unreadable) == (5, 1)
    rows = logged(workspace).sort("request")
    assert rows["x.age"].to_list() == [None, 30.5, 31, None, 1]
    assert rows["x.income"].to_list() == [None, 1.0, None, None, None]
    assert rows["x.town"].to_list() == ["7", "[1]", "ulm", None, None]
    assert rows["flags"].to_list() == ["unseen:town,unfit:age,unfit:income", None, None, None, None]


def test_no_value_stops_the_log(workspace: Workspace) -> None:
    """A number beyond every number, a moment before all years, and what no column takes at all."""
    huge, early = 10**400, "0001-01-01T00:00:00+01:00"
    schema = Schema(version=1, features=(Feature("age", "integer"), Feature("since", "datetime")), classes=None)
    given = {"scores": None, "prediction": "no"}
    spool(
        workspace,
        [
            prediction(0, NOON, features=b'{"age": %d, "since": "%s"}' % (huge, early.encode()), **given),
            prediction(1, NOON, features=[huge, "2026-03-01"], **given),
            prediction(2, NOON, features=[3, early], **given),
            prediction(3, NOON, features=[4, None], **given, status=70_000),
            prediction(4, NOON, features=[5, None], **given),
        ],
        schema,
    )
    done = compact(workspace, MODEL)
    assert (done.rows, done.unreadable) == (4, 1)
    rows = logged(workspace).sort("request")
    assert rows["request"].to_list() == ["r-0", "r-1", "r-2", "r-4"]
    assert rows["x.age"].to_list() == [None, None, 3, 5]
    assert rows["flags"].to_list()[1:3] == ["unfit:age", "unfit:since"]


def test_of_a_turn_that_cannot_be_read_only_the_request_is_lost_that_cannot(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ("a", "b", "c")
    turn = (ids, micros(NOON), 1, "champion", None, (b"{}",) * 3, ["no"] * 3, None, [1.0] * 3, 200, None, "")
    with LogWriter(spool_root(workspace), model=MODEL, source="w", interval=0.01) as writer:
        writer.declare(SCHEMA)
        assert writer.append_turn(turn, 3) == 3
        assert writer.append_turn((*turn[:2], 9, *turn[3:]), 3) == 6
    real = columns.table

    def broken(schema: Schema, records: list[Record], mask: Mask) -> pl.DataFrame:
        if any("b" in record.id for record in records):
            raise ValueError("b")
        return real(schema, records, mask)

    monkeypatch.setattr(columns, "table", broken)
    done = compact(workspace, MODEL)
    assert (done.rows, done.unreadable) == (2, 1 + 3), "three are of a version that nobody has described"
    assert logged(workspace)["id"].to_list() == ["a", "c"]


def test_records_wait_while_the_key_that_masks_them_cannot_be_read(workspace: Workspace) -> None:
    schema = Schema(version=1, features=(Feature("town", "text", personal=True),), classes=("no", "yes"))
    key = workspace.root / "log.key"
    key.write_text("no key")
    spool(workspace, [prediction(0, NOON, features=["ulm"])], schema)
    with pytest.raises(MainspringError, match=r"log\.key should hold the key"):
        compact(workspace, MODEL)
    key.unlink()
    assert compact(workspace, MODEL).rows == 1


def test_small_segments_of_an_hour_become_one(workspace: Workspace, clock: SimulatedClock) -> None:
    for number in range(merge.MANY - 1):
        spool(workspace, [prediction(number, NOON + timedelta(minutes=number))])
        assert compact(workspace, MODEL).merged == 0
    spool(workspace, [prediction(99, NOON)])
    assert compact(workspace, MODEL).merged == merge.MANY
    (one,) = workspace.ledger.segments.search(model=MODEL)
    rows = logged(workspace)
    assert rows["time"].is_sorted()
    assert sorted(rows["request"]) == sorted([*(f"r-{number}" for number in range(merge.MANY - 1)), "r-99"])
    spool(workspace, [prediction(100, NOON)])
    compact(workspace, MODEL)
    assert len(workspace.ledger.segments.search(model=MODEL)) == 2
    clock.advance(2 * HOUR)
    assert compact(workspace, MODEL).merged == 2, "the hour is over"
    assert list(workspace.store.digests()) != [one.digest], "a reader may still be at the old one"
    clock.advance(2 * HOUR)
    compact(workspace, MODEL)
    (left,) = workspace.ledger.segments.search(model=MODEL)
    assert list(workspace.store.digests()) == [left.digest]
    assert logged(workspace).height == merge.MANY + 1


def test_the_log_is_kept_as_long_as_it_is_wanted(workspace: Workspace, clock: SimulatedClock) -> None:
    spool(workspace, [prediction(number, NOON - number * 24 * HOUR) for number in range(5)])
    compact(workspace, MODEL)
    assert merge.kept(workspace, MODEL) is None
    merge.keep(workspace, MODEL, timedelta(days=2, hours=1))
    assert compact(workspace, MODEL).expired == 2
    assert sorted(logged(workspace)["request"]) == ["r-0", "r-1", "r-2"]
    merge.keep(workspace, MODEL, None)
    clock.advance(timedelta(days=30))
    assert compact(workspace, MODEL).expired == 0


def test_a_large_log_is_cut_into_segments_of_a_bounded_size(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "ROWS", 100)
    monkeypatch.setattr(module, "TOGETHER", 250)
    for source in range(4):
        spool(
            workspace,
            [prediction(number, NOON) for number in range(source * 150, source * 150 + 150)],
            source=f"w{source}",
        )
    assert compact(workspace, MODEL).rows == 600
    found = workspace.ledger.segments.search(model=MODEL)
    assert max(each.rows for each in found) == 100
    assert sorted(logged(workspace)["request"]) == sorted(f"r-{number}" for number in range(600))
    assert os.listdir(workspace.root / "spool" / MODEL) == ["compact.lock"]  # noqa: PTH208


def test_a_log_is_kept_for_a_hundred_years_at_most_or_for_ever(workspace: Workspace) -> None:
    merge.keep(workspace, MODEL, LONGEST)
    with pytest.raises(InputError, match=r"for 36500d \(100 years\) at most, or forever; got 36501d"):
        merge.keep(workspace, MODEL, LONGEST + timedelta(days=1))
    assert merge.kept(workspace, MODEL) == LONGEST
    assert compact(workspace, MODEL).expired == 0
