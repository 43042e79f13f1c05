"""Facts from training: never in the way, never lost in an orderly process."""

from __future__ import annotations

import logging
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from mainspring.core.recording import recorder, recording
from mainspring.ledger import open_ledger
from mainspring.ledger.ports import RunQuery
from mainspring.ledger.recorder import RunRecorder
from mainspring.ledger.sql.ledger import SqlLedger

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from mainspring.ledger import Ledger


def test_facts_arrive_in_order_and_with_their_children(ledger: Ledger) -> None:
    run = ledger.runs.create(name="search", experiment="churn")
    with RunRecorder(ledger, run.id, experiment="churn") as top, recording(top):
        recorder().log_params({"trials": 2, "rate": np.float64(0.5), "way": np.array([1])})  # type: ignore[dict-item]
        for number in range(2):
            trial = recorder().child(f"trial {number}")
            trial.log_params({"depth": number})
            for step in range(3):
                trial.log_metric("auc", 0.5 + step / 10, step=step)
            trial.log_tags({"fold": "1"})
            trial.finish("pruned" if number else "finished")
        top.finish()
    found = ledger.runs.get(run.id)
    assert (found.status, dict(found.params)) == ("finished", {"trials": 2, "rate": 0.5, "way": 1})
    trials = ledger.runs.search(RunQuery(parent=run.id, descending=False)).runs
    assert [trial.status for trial in trials] == ["finished", "pruned"]
    assert [trial.experiment for trial in trials] == ["churn", "churn"]
    assert ledger.runs.history(trials[0].id, "auc").values == (0.5, 0.6, 0.7)
    assert dict(trials[1].tags) == {"fold": "1"}


def test_flush_says_when_everything_is_durable(ledger: Ledger) -> None:
    run = ledger.runs.create(name="r")
    top = RunRecorder(ledger, run.id)

    def log(name: str) -> None:
        for step in range(500):
            top.log_metric(name, float(step), step=step)

    threads = [Thread(target=log, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert top.flush()
    assert [len(ledger.runs.history(run.id, name)) for name in "abcd"] == [500] * 4
    assert top.close()


def test_a_bad_fact_is_dropped_alone_and_said(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    run = ledger.runs.create(name="r")
    with caplog.at_level(logging.WARNING), RunRecorder(ledger, run.id) as top:
        top.log_metric("good", 1.0)
        top.log_metric("bad", "high")  # type: ignore[arg-type]  # the mistake under test
        RunRecorder(ledger, "nope", shipper=top._shipper).log_metric("lost", 1.0)
        top.log_metric("good", 2.0, step=1)
    assert ledger.runs.history(run.id, "good").values == (1.0, 2.0)
    assert dict(ledger.runs.get(run.id).metrics) == {"good": 2.0}
    assert sum("was refused and dropped" in each.message for each in caplog.records) == 2


def test_a_ledger_that_cannot_write_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another process holds the database longer than a write is patient: facts wait and then arrive."""
    import sqlite3

    with open_ledger(tmp_path / "ledger.db") as ledger:
        assert isinstance(ledger, SqlLedger)
        run = ledger.runs.create(name="r")
        # from here on every write fails, as on a full disk
        ledger.session.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1"))
        top = RunRecorder(ledger, run.id)
        with caplog.at_level(logging.WARNING):
            for step in range(20_000):
                top.log_metric("loss", float(step), step=step)
            assert not top.flush(seconds=0.5)
        assert "wait in memory, the ledger does not take them" in caplog.text
        ledger.session.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))
        assert top.flush(seconds=10)
        assert len(ledger.runs.history(run.id, "loss")) == 20_000
        top.close()
    assert sqlite3.connect(tmp_path / "ledger.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


AT_EXIT = """
import sys
from mainspring.ledger import open_ledger
from mainspring.ledger.recorder import RunRecorder

top = RunRecorder(open_ledger(sys.argv[1]), sys.argv[2])
for step in range(1000):
    top.log_metric("loss", 1.0, step=step)
"""


def test_what_waits_at_the_end_of_the_process_is_written(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger.db") as ledger:
        run = ledger.runs.create(name="r")
        subprocess.run([sys.executable, "-c", AT_EXIT, str(tmp_path / "ledger.db"), run.id], check=True, timeout=60)
        assert len(ledger.runs.history(run.id, "loss")) == 1000
