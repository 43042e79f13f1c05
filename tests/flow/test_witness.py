"""A changed file re-runs exactly what reads it, however it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.flow.workbench import Workbench

READERS = """
import os
from pathlib import Path

SOURCE = "constant.txt"
FOLDER = Path("data")

@step
def parameter(source: str = "parameter.txt"):
    return Path(source).read_text()

@step
def constant():
    with open(SOURCE) as file:
        return file.read()

@step
def joined():
    return (FOLDER / "joined.txt").read_text()

@step
def built(day: int = 3):
    with open(f"data/day-{day}.txt") as file:
        return file.read()

@step
def unseen():
    descriptor = os.open("unseen.txt", os.O_RDONLY)
    try:
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)

@step
def globbed():
    return sorted(path.name for path in Path("data").glob("*.log"))

@step
def folder(where: str = "many"):
    return len(os.listdir(where))

@step
def none():
    return "nothing"
"""
FILES = ["parameter.txt", "constant.txt", "data/joined.txt", "data/day-3.txt", "unseen.txt", "many/a.csv"]


@pytest.fixture
def readers(bench: Workbench) -> Workbench:
    bench.pipeline(READERS)
    for name in FILES:
        bench.write(name, f"{name} 1")
    first = bench.run()
    assert first.result.failures == ()
    assert bench.run().ran == []
    return bench


@pytest.mark.parametrize(
    ("file", "reader"),
    [
        ("parameter.txt", ["parameter"]),
        ("constant.txt", ["constant"]),
        ("data/joined.txt", ["joined"]),
        ("data/day-3.txt", ["built"]),
        ("unseen.txt", ["unseen"]),
        ("many/a.csv", ["folder"]),
    ],
)
def test_a_changed_file_reruns_who_reads_it(readers: Workbench, file: str, reader: list[str]) -> None:
    readers.write(file, f"{file} 2")
    assert readers.run().ran == reader
    assert readers.run().ran == []
    readers.write(file, f"{file} 1")
    assert readers.run().ran == [], "the old content is known"


def test_files_that_come_and_go_are_noticed(readers: Workbench) -> None:
    readers.write("data/new.log", "1")
    assert readers.run().ran == ["globbed"]
    readers.write("many/b.csv", "1")
    assert readers.run().ran == ["folder"]
    (readers.root / "constant.txt").unlink()
    assert readers.run().statuses["constant"] == "failed"


def test_touching_a_file_or_writing_the_same_again_changes_nothing(readers: Workbench) -> None:
    for name in FILES:
        readers.write(name, f"{name} 1")
    assert readers.run().ran == []


def test_what_a_step_writes_is_not_an_input(bench: Workbench) -> None:
    bench.pipeline("""
    import os
    from pathlib import Path

    @step
    def report(out: str = "report.html"):
        before = Path(out).read_text() if Path(out).exists() else ""
        Path(out).write_text(before + "x")
        os.system("date +%N > native.txt")
        Path("native.txt").read_text()
        return len(before)
    """)
    assert bench.run().ran == ["report"]
    assert bench.run().ran == []


def test_looking_for_modules_and_versions_is_no_input(bench: Workbench) -> None:
    bench.pipeline("""
    import importlib.metadata

    @step
    def version():
        import late
        return importlib.metadata.version("polars") + late.WORD
    """)
    bench.write("late.py", "WORD = '!'\n")
    assert bench.run().ran == ["version"]
    bench.write("notes.txt", "a new file")
    assert bench.run().ran == []


def test_a_file_read_by_a_library_that_opens_it_unseen_is_found_by_its_name(bench: Workbench) -> None:
    bench.write("table.csv", "a,b\n1,2\n")
    bench.pipeline("""
    import polars as pl

    @step
    def table():
        return pl.scan_csv("table.csv").collect()
    """)
    assert bench.run().values["table"].rows() == [(1, 2)]
    assert bench.run().ran == []
    bench.write("table.csv", "a,b\n1,3\n")
    assert bench.run().values["table"].rows() == [(1, 3)]


def test_sections_of_the_contract_are_seen_one_by_one(bench: Workbench) -> None:
    bench.pipeline("""
    import dataclasses

    @step
    def target(contract):
        return contract.project.target

    @step
    def features(contract):
        return list(contract.features)

    @step
    def everything(contract):
        return contract.as_dict()

    @step
    def copied(contract):
        return dataclasses.replace(contract, requirements=()).project.owner
    """)
    first = bench.run()
    assert first.values["target"] == "bought"
    assert first.values["features"] == ["age"]
    bench.edit("mainspring.toml", 'name = "shop"', 'name = "other"')
    assert bench.run().ran == ["everything"]
    bench.edit("mainspring.toml", "minimum = 18", "minimum = 19")
    assert bench.run().ran == ["features", "everything", "copied"]
