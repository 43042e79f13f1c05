"""What a process has counted is read by others while it is written."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from mainspring.serve import meter
from mainspring.serve.meter import Tally

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_reads_half_of_what_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.tally"
    tally = Tally(counts={f"count-{number}": 1.0 for number in range(2_000)})
    meter.leave(tally, path)

    def write() -> None:
        for _ in range(100):
            meter.leave(tally, path)

    writers = [Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert meter.load(path.read_bytes()) == tally
    for writer in writers:
        writer.join()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_rule_has_one_name_in_the_metrics() -> None:
    tally = Tally()
    tally.violation("age", "missing column")  # refused
    tally.violation("age", "missing_column")  # flagged
    assert tally.violations == {("age", "missing_column"): 2}
