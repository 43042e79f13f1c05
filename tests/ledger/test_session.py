"""Durability: what is acknowledged stays, whoever dies; many writers share a sync; a failed sync ends all promises."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import LedgerError, NotFound
from mainspring.ledger import open_ledger
from mainspring.ledger.ports import RunQuery
from mainspring.ledger.sql.ledger import SqlLedger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file_ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with open_ledger(tmp_path / "ledger.db", actor="tester") as opened:
        assert isinstance(opened, SqlLedger)
        yield opened


def python(code: str, *arguments: str, preexec: str = "") -> subprocess.Popen[str]:
    """A Python process that runs *code*; *arguments* are in ``sys.argv[1:]``."""
    return subprocess.Popen(
        [sys.executable, "-c", preexec + code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


WRITER = """
import sys
from pathlib import Path
from mainspring.ledger import open_ledger

with open_ledger(Path(sys.argv[1]), actor="writer") as ledger:
    for number in range(int(sys.argv[2])):
        with ledger.together():
            run = ledger.runs.create(name=f"{sys.argv[3]}-{number}", params={"number": number})
            ledger.artifacts.record(f"{sys.argv[3]}-{number}", type="json", size=1, run=run.id)
        print(run.id, flush=True)
"""


def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_seen_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = python(WRITER, str(path), "100000", "w")
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    with writer:  # the pipe's own reader, which may hold lines already: `communicate` reads past it
        acknowledged += [line for line in writer.stdout.read().splitlines() if len(line) == 32]
    with open_ledger(path, actor="reader") as ledger:
        total = ledger.runs.search(RunQuery(limit=1)).total
        assert total - len(acknowledged) in {0, 1}, "one more may have been durable before it was said"
        for run in acknowledged:
            assert len(ledger.artifacts.of_run(run)) == 1
        assert len(ledger.artifacts.live()) == total
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writers = [python(WRITER, str(path), "60", name) for name in ("a", "b")]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    with open_ledger(path, actor="reader") as ledger:
        assert ledger.runs.search(RunQuery(limit=1)).total == 120


def test_many_threads_share_a_commit(file_ledger: SqlLedger) -> None:
    """Sixteen threads that write at once cost far fewer commits than writes, and each sees its own write."""
    barrier, failures = Barrier(16), list[BaseException]()

    def work(name: int) -> None:
        try:
            barrier.wait()
            for number in range(10):
                run = file_ledger.runs.create(name=f"{name}-{number}")
                assert file_ledger.runs.get(run.id).name == f"{name}-{number}"
        except BaseException as error:
            failures.append(error)

    before = file_ledger.session.commits
    threads = [Thread(target=work, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert file_ledger.runs.search(RunQuery(limit=1)).total == 160
    assert file_ledger.session.commits - before < 160


def test_one_bad_write_in_a_batch_fails_alone(file_ledger: SqlLedger) -> None:
    barrier, outcomes = Barrier(8), dict[int, object]()

    def work(name: int) -> None:
        barrier.wait()
        try:
            outcomes[name] = file_ledger.runs.create(name=str(name), parent="nope" if name % 2 else None)
        except NotFound as error:
            outcomes[name] = error

    threads = [Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [isinstance(outcomes[name], NotFound) for name in range(8)] == [False, True] * 4
    assert {run.name for run in file_ledger.runs.search(RunQuery()).runs} == {"0", "2", "4", "6"}


def test_the_database_took_the_settings(file_ledger: SqlLedger) -> None:
    def pragmas(connection: object) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]  # type: ignore[attr-defined]

    assert file_ledger.session.read(pragmas) == ["wal", 2, 1]
    assert file_ledger.session.write(pragmas) == ["wal", 2, 1]


SYNC_FAILS = """
import sys
from pathlib import Path
from mainspring.core.errors import LedgerError
from mainspring.ledger import open_ledger

ledger = open_ledger(Path(sys.argv[1]), actor="writer")
print("open", flush=True)
sys.stdin.readline()
for number in range(3):
    try:
        ledger.runs.create(name=str(number))
        print("kept", flush=True)
    except LedgerError as error:
        print(error, flush=True)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which makes the sync fail, is not here")
def test_after_a_failed_sync_nothing_more_is_acknowledged(tmp_path: Path) -> None:
    """The kernel may drop what it could not write and say so only once, so the second try must not be believed."""
    path = tmp_path / "ledger.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", SYNC_FAILS, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdin is not None
    assert writer.stdout.readline() == "open\n"
    # only the first sync fails: the ledger must refuse the later ones by itself
    inject = ["--inject=fsync,fdatasync:error=EIO:when=1", "-e", "trace=fsync,fdatasync"]
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-p", str(writer.pid), *inject], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    try:
        time.sleep(0.5)
        if tracer.poll() is not None:
            pytest.skip(f"strace may not attach here: {tracer.stderr.read()}")
        output, _ = writer.communicate("go\n", timeout=60)
    finally:
        writer.kill()
        tracer.terminate()
        tracer.communicate(timeout=10)
    lines = output.splitlines()
    assert len(lines) == 3
    assert all("takes no more facts: the disk failed to keep the last ones" in line for line in lines), output
    with open_ledger(path, actor="reader") as ledger:
        assert ledger.runs.search(RunQuery(limit=1)).total == 0


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
FILLER = """
import sys
from pathlib import Path
from mainspring.core.errors import LedgerError
from mainspring.ledger import open_ledger

with open_ledger(Path(sys.argv[1]), actor="writer") as ledger:
    try:
        for number in range(100000):
            ledger.runs.create(name=f"{number}", tags={"text": "x" * 2000})
            print("kept", flush=True)
    except LedgerError as error:
        print(error, flush=True)
"""


def test_a_full_disk_is_said_and_what_was_kept_is_kept(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: SQLite meets the same failed write."""
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    output, errors = python(FILLER, str(path), preexec=LIMIT).communicate(timeout=60)
    *kept, message = output.splitlines()
    assert set(kept) == {"kept"}, errors
    assert str(path) in message
    assert "disk" in message
    with open_ledger(path) as ledger:
        assert ledger.runs.search(RunQuery(limit=1)).total == len(kept)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(LedgerError, match=r"ledger\.db: it is damaged \(file is not a database\)"):
        open_ledger(path)
    assert path.read_bytes() == b"not a database" * 1000


def test_a_missing_ledger_is_not_made_where_only_looking(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="There is no ledger at"):
        open_ledger(tmp_path / "ledger.db", create=False)
    with pytest.raises(LedgerError, match="it cannot be opened; see that the folder exists"):
        open_ledger(tmp_path / "missing" / "ledger.db")
    assert list(tmp_path.iterdir()) == []


FORKED = """
import os, sys
from pathlib import Path
from mainspring.core.errors import LedgerError
from mainspring.ledger import open_ledger

ledger = open_ledger(Path(sys.argv[1]))
run = ledger.runs.create(name="parent")
child = os.fork()
if child == 0:
    try:
        ledger.runs.get(run.id)
    except LedgerError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(ledger.runs.get(run.id).name)
"""


def test_a_forked_child_is_told_to_open_its_own(tmp_path: Path) -> None:
    output, errors = python(FORKED, str(tmp_path / "ledger.db")).communicate(timeout=30)
    assert "was opened before this process was forked" in output, errors
    assert output.endswith("parent\n")
