"""A batch: every row once, in order, whatever is killed, damaged or changed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pytest

from mainspring.core.errors import InputError, MainspringError, NotFound, Refused
from mainspring.serve.batch.job import run
from mainspring.serve.batch.local import LocalScoring
from mainspring.serve.batch.source import BYTES, CELLS, MOST_ROWS, open_source
from mainspring.serve.log.lock import FileLock
from tests.serve.batch.conftest import names, spoilt, table, together

if TYPE_CHECKING:
    from mainspring.package import Bundle
    from mainspring.serve.batch.scored import Scored

ROWS = 1_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    spoilt(ROWS).write_parquet(path, row_group_size=130)
    return path


def go(source: Path | str, scoring: Any, folder: Path, rows: int | None = 300, **how: Any) -> Any:
    return run(open_source(str(source), besides=folder), scoring, folder, partition_rows=rows, **how)


def expected(bundle: Bundle, rows: pl.DataFrame) -> pl.DataFrame:
    """The model's own answers to the rows that the contract lets through, flagged values as they are."""
    usual = bundle.json("serving.json")["typical"]["height"]
    good = rows.filter(pl.col("row") % 7 != 3).with_columns(
        pl.when(pl.col("row") % 11 == 4).then(usual).otherwise("height").alias("height")
    )
    said = bundle.model().predict(good)
    answers = pl.DataFrame({"row": good["row"], "prediction": said.values, "probability": said.positive})
    return rows.select("row").join(answers, on="row", how="left", maintain_order="left")


def check(folder: Path, bundle: Bundle, rows: pl.DataFrame) -> None:
    found = together(folder)
    assert found.columns == [*rows.columns, "prediction", "probability", "flags"]
    assert found.select(rows.columns).equals(rows)
    wanted = expected(bundle, rows)
    assert found["prediction"].to_list() == wanted["prediction"].to_list()
    assert found["probability"].to_list() == pytest.approx(wanted["probability"].to_list(), abs=1e-5, nan_ok=False)
    assert found["flags"].str.starts_with("rejected").fill_null(value=False).to_list() == [
        row % 7 == 3 for row in rows["row"]
    ]


def test_every_row_comes_out_once_and_in_order(
    source: Path, scoring: LocalScoring, bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    found = go(source, scoring, out)
    check(out, bundle, spoilt(ROWS))
    assert names(out) == ["_batch.json", *(f"part-00000-{number:05d}.parquet" for number in range(4))]
    assert [pl.read_parquet(out / name).height for name in names(out)[1:]] == [300, 300, 300, 100]
    assert (found.rows, found.partitions, found.reused) == (ROWS, 4, 0)
    flags = together(out)["flags"]
    assert found.rejected == flags.str.starts_with("rejected").sum() == 143
    assert found.flagged == flags.count() - found.rejected > 200


def test_a_second_call_scores_nothing(source: Path, scoring: LocalScoring, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = go(source, scoring, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    second = go(source, Unused(scoring), out, None)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert (second.rows, second.rejected, second.flagged) == (first.rows, first.rejected, first.flagged)
    assert (second.partitions, second.reused) == (4, 4)


class Unused:
    """A scoring that may not be asked."""

    def __init__(self, scoring: LocalScoring) -> None:
        self.identity = scoring.identity
        self.require = scoring.require

    def score(self, frame: pl.DataFrame, *, place: str) -> Scored:
        raise AssertionError(place)


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_kill_at_any_commit_point_costs_no_row_and_doubles_none(
    source: Path, scoring: LocalScoring, bundle: Bundle, tmp_path: Path
) -> None:
    rows = spoilt(ROWS)
    packed = bundle.write(tmp_path / "bundle")

    def dying(out: Path, step: int) -> subprocess.CompletedProcess[str]:
        words = [packed, source, out, 400, step]
        command = [sys.executable, Path(__file__).with_name("dying.py"), *words]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False, env=environment
        )

    whole = dying(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout)
    assert steps >= 2 * 3 * 3  # a part and its checkpoint are each synced, renamed, and synced by name: three parts
    lost = set()
    for step in range(1, steps + 1):
        out = tmp_path / f"killed-{step}"
        assert dying(out, step).returncode == -signal.SIGKILL, step
        named = [part["file"] for part in state(out)["parts"]] if (out / "_batch.json").exists() else []
        for part in out.glob("part-*.parquet"):  # what a reader sees of a killed batch is whole and in place
            at = 400 * int(part.stem[-5:])
            assert pl.read_parquet(part).select(rows.columns).equals(rows.slice(at, 400)), step
        second = go(source, scoring, out, 400)
        assert second.reused == len(named), step
        lost.add(3 - second.reused)
        check(out, bundle, rows)
        assert names(out) == ["_batch.json", *(f"part-00000-{number:05d}.parquet" for number in range(3))]
        shutil.rmtree(out)
    assert lost == {0, 1, 2, 3}


def state(folder: Path) -> Any:
    return msgspec.json.decode((folder / "_batch.json").read_bytes())


def test_a_call_that_failed_goes_on_where_it_stopped(
    source: Path, scoring: LocalScoring, bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConnectionError):
        go(source, Failing(scoring, after=2), out)
    assert not state(out)["finished"]
    assert go(source, scoring, out).reused == 2
    assert state(out)["finished"]
    check(out, bundle, spoilt(ROWS))


class Failing:
    """A scoring that breaks down."""

    def __init__(self, scoring: LocalScoring, *, after: int) -> None:
        self.identity, self.require, self._score, self._left = scoring.identity, scoring.require, scoring.score, after

    def score(self, frame: pl.DataFrame, *, place: str) -> Scored:
        self._left -= 1
        if self._left < 0:
            raise ConnectionError
        return self._score(frame, place=place)


def test_damaged_and_lost_parts_are_scored_again(
    source: Path, scoring: LocalScoring, bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    go(source, scoring, out)
    (out / "part-00000-00001.parquet").unlink()
    part = out / "part-00000-00002.parquet"
    part.write_bytes(part.read_bytes()[:-8] + b"12345678")
    found = go(source, scoring, out)
    assert found.reused == 2
    assert found.notes == ("2 finished parts missing or damaged: scored again",)
    check(out, bundle, spoilt(ROWS))


def test_another_model_input_or_cut_is_refused_unless_forced(
    source: Path, scoring: LocalScoring, bundle: Bundle, other_bundle: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    go(source, scoring, out, 100)
    kept = {name: (out / name).read_bytes() for name in names(out)}
    renamed = LocalScoring(bundle, name="demo@champion", version=3)
    assert go(source, renamed, out, 100).reused == 10  # the same bytes under another name
    other = LocalScoring(other_bundle, name="demo", version=2)
    with pytest.raises(
        Refused, match=r"begun with demo/1 \(bundle .{12}\); this is demo/2 \(bundle .{12}\)"
    ) as refused:
        go(source, other, out, 100)
    assert "--force" in str(refused.value)
    with pytest.raises(Refused, match="begun with parts of 100 rows, not 300"):
        go(source, scoring, out)
    spoilt(ROWS, seed=3).write_parquet(source)
    with pytest.raises(Refused, match=r"begun with rows\.parquet of other contents"):
        go(source, scoring, out, 100)
    assert {name: (out / name).read_bytes() for name in names(out)} == kept
    found = go(source, other, out, 400, force=True)
    assert (found.partitions, found.reused) == (3, 0)
    check(out, other_bundle, spoilt(ROWS, seed=3))


def test_an_input_that_changes_while_it_is_scored_is_refused(
    source: Path, scoring: LocalScoring, tmp_path: Path
) -> None:
    class Meddling(Failing):
        def score(self, frame: pl.DataFrame, *, place: str) -> Scored:
            if self._left == 3:
                spoilt(ROWS, seed=3).write_parquet(source)
            return super().score(frame, place=place)

    with pytest.raises(Refused, match=r"rows\.parquet has changed while it was scored"):
        go(source, Meddling(scoring, after=4), tmp_path / "out", 100)


def test_a_folder_of_files_is_scored_in_the_order_of_names(
    scoring: LocalScoring, bundle: Bundle, tmp_path: Path
) -> None:
    rows = spoilt(ROWS)
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    (folder / "_temporary").mkdir()
    rows[:250].write_parquet(folder / "a.parquet")
    rows[250:600].write_csv(folder / "b.csv")
    rows[600:].write_ndjson(folder / "more" / "c.jsonl")
    (folder / "README.md").write_text("mine")
    (folder / ".hidden.csv").write_text("no")
    (folder / "_temporary" / "x.csv").write_text("no")
    out = tmp_path / "out"
    with pytest.raises(ConnectionError):
        go(folder, Failing(scoring, after=3), out, 200)
    assert go(folder, scoring, out, 200).reused == 3
    check(out, bundle, rows)
    assert [each["rows"] for each in state(out)["inputs"]] == [250, 350, 400]
    assert open_source(str(folder)).notes == ("no tables, passed over: README.md",)
    (folder / "c.parquet").write_bytes((folder / "a.parquet").read_bytes())
    with pytest.raises(Refused, match=r"was begun without c\.parquet"):
        go(folder, scoring, out, 200)


def test_files_that_differ_are_told(scoring: LocalScoring, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    table(20).write_parquet(folder / "a.parquet")
    table(20).with_columns(flags=pl.lit("mine"), more=1).write_parquet(folder / "b.parquet")
    found = go(folder, scoring, tmp_path / "out", None)
    assert set(found.notes) == {
        "b.parquet differs from the files before it in its columns: flags, more",
        "b.parquet had flags already: replaced",
    }


def test_what_cannot_be_scored_leaves_no_folder(scoring: LocalScoring, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    with pytest.raises(NotFound, match="Did you mean in"):
        go(tmp_path / "inn", scoring, out)
    with pytest.raises(InputError, match=r"has no table in it.*It holds no files"):
        go(folder, scoring, out)
    table(20).write_parquet(folder / "a.parquet")
    table(20).drop("age").write_parquet(folder / "b.parquet")
    with pytest.raises(InputError, match="'age' is needed and missing"):
        go(folder, scoring, out)
    (folder / "b.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match=r"b\.parquet is a damaged Parquet file"):
        go(folder, scoring, out)
    table(20).head(0).write_parquet(folder / "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet has columns .* but no rows"):
        go(folder, scoring, out)
    with pytest.raises(InputError, match="it lies in"):
        go(folder, scoring, folder / "out")
    assert not out.exists()


def test_a_text_that_cannot_be_scored_can_be_mended_without_force(
    scoring: LocalScoring, bundle: Bundle, tmp_path: Path
) -> None:
    text, out = tmp_path / "rows.csv", tmp_path / "out"
    table(50).drop("age").write_csv(text)
    with pytest.raises(MainspringError, match="'age' is needed"):
        go(text, scoring, out)
    spoilt(50).write_csv(text)
    go(text, scoring, out)
    check(out, bundle, spoilt(50))


def test_a_folder_of_somebody_else_is_left_alone(source: Path, scoring: LocalScoring, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.parquet").write_text("mine")
    for force in (False, True):
        with pytest.raises(Refused, match=r"holds mine\.parquet, which is not of a batch"):
            go(source, scoring, out, force=force)
    (out / "mine.parquet").rename(out / "part-00000-00000.parquet")
    with pytest.raises(Refused, match=r"has parts, but no _batch\.json"):
        go(source, scoring, out)
    assert names(out) == ["part-00000-00000.parquet"]
    (out / "_batch.json").write_text("{}")
    with pytest.raises(InputError, match=r"damaged.*--force starts the batch anew"):
        go(source, scoring, out)
    assert go(source, scoring, out, force=True).reused == 0


def test_two_processes_do_not_write_one_folder(source: Path, scoring: LocalScoring, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / "_batch.lock") as other:
        assert other.take()
        with pytest.raises(Refused, match="Another process is writing"):
            go(source, scoring, out)
    go(source, scoring, out)
    assert "_batch.lock" not in names(out)


def test_a_full_disk_keeps_what_is_finished(
    source: Path, scoring: LocalScoring, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, calls = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 8:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        go(source, scoring, tmp_path / "out")
    monkeypatch.undo()
    assert not [name for name in names(tmp_path / "out") if name.endswith(".tmp")]
    assert go(source, scoring, tmp_path / "out").reused >= 1
    check(tmp_path / "out", bundle, spoilt(ROWS))


def test_pieces_are_as_large_as_memory_allows(tmp_path: Path) -> None:
    pl.DataFrame({"x": range(1_000)}).write_parquet(tmp_path / "narrow.parquet")
    pl.DataFrame({f"x{place}": range(100) for place in range(1_000)}).write_parquet(tmp_path / "wide.parquet")
    pl.DataFrame({"x": [f"{place:05}" * 2_000 for place in range(64)]}).write_parquet(tmp_path / "long.parquet")
    assert open_source(str(tmp_path / "narrow.parquet")).rows_apiece() == MOST_ROWS
    assert 2_000 < open_source(str(tmp_path / "long.parquet")).rows_apiece() <= BYTES // 10_000
    assert open_source(str(tmp_path / "wide.parquet")).rows_apiece() == CELLS // 1_000


def test_threads_are_gone_afterwards(source: Path, scoring: LocalScoring, tmp_path: Path) -> None:
    go(source, scoring, tmp_path / "out")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("batch-")]
