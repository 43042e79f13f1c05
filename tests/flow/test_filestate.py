from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from mainspring.core.digest import digest_file
from mainspring.flow import filestate
from mainspring.flow.filestate import ABSENT, FileStates

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_file_that_stays_the_same_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counting(path: Path) -> str:
        read.append(path)
        return digest_file(path)

    monkeypatch.setattr(filestate, "digest_file", counting)
    table = tmp_path / "table.csv"
    table.write_text("a")
    time.sleep(0.15)  # a file just written may change again without its time showing it, so it is not remembered
    memory = tmp_path / "memory.json"
    first = FileStates(memory)
    digest = first.file(table)
    first.save()
    assert FileStates(memory).file(table) == digest
    assert len(read) == 1


def test_an_edit_that_hides_its_time_is_seen(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a")
    time.sleep(0.15)
    stat = table.stat()
    states = FileStates(tmp_path / "memory.json")
    before = states.file(table)
    table.write_text("b")
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert states.file(table) != before


def test_edits_within_one_tick_of_the_clock_are_seen(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    states = FileStates()
    seen = set()
    for number in range(50):
        table.write_text(f"{number:02}")
        seen.add(states.file(table))
    assert len(seen) == 50


def test_folders_are_their_names_and_contents_without_what_is_hidden(tmp_path: Path) -> None:
    states = FileStates()
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.csv").write_text("1")
    first = states.folder(folder)
    (folder / ".hidden").write_text("x")
    assert states.folder(folder) == first
    (folder / "inner" / "a.csv").rename(folder / "inner" / "b.csv")
    assert states.folder(folder) != first
    assert (
        states.folder(tmp_path / "none") == states.file(tmp_path / "none") == states.names(tmp_path / "none") == ABSENT
    )


def test_a_damaged_memory_costs_time_only(tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    memory.write_text("{not json")
    table = tmp_path / "table.csv"
    table.write_text("a")
    assert FileStates(memory).file(table) == digest_file(table)
