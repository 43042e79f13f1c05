from __future__ import annotations

from typing import TYPE_CHECKING

from tests.flow.workbench import Workbench

if TYPE_CHECKING:
    from mainspring.ledger.ports.datasets import DatasetVersion

PIPELINE = """
from mainspring.data import read

@step
def raw(source: str = "people.csv"):
    return read(source)

@step
def adults(raw, least: int = 18):
    return raw.filter(raw["age"] >= least)

@step
def count(adults):
    return adults.height

@step
def ages(raw) -> list:
    return raw["age"].to_list()

@step(map="ages")
def tables(ages):
    import polars as pl
    return pl.DataFrame({"age": [ages]})
"""


def _versions(bench: Workbench, name: str) -> tuple[DatasetVersion, ...]:
    with bench.project.workspace() as workspace:
        return workspace.ledger.datasets.versions(name)


def test_each_new_content_of_a_table_is_a_version_of_its_dataset(bench: Workbench) -> None:
    bench.write("people.csv", "age,name\n17,ann\n40,bob\n")
    bench.pipeline(PIPELINE)
    first = bench.run()
    assert bench.run().ran == []
    with bench.project.workspace() as workspace:
        assert workspace.ledger.datasets.names() == ("adults", "raw"), "neither numbers nor items of a mapped step"
    (raw,) = _versions(bench, "raw")
    assert (raw.version, raw.rows, raw.source, raw.run) == (1, 2, "people.csv", first.result.run)
    assert raw.schema == {"age": "Int64", "name": "String"}
    assert raw.digest == first.result.outputs["raw"].digest
    assert _versions(bench, "adults")[0].source == "step raw"

    bench.write("people.csv", "age,name\n17,ann\n40,bob\n16,cid\n")
    second = bench.run()
    assert [(each.version, each.rows, each.run) for each in _versions(bench, "raw")] == [
        (2, 3, second.result.run),
        (1, 2, first.result.run),
    ]
    assert [each.version for each in _versions(bench, "adults")] == [1], "the same rows as before"


def test_what_is_read_again_after_another_version_is_the_newest(bench: Workbench) -> None:
    bench.pipeline(PIPELINE)
    for text in ("age\n1\n", "age\n2\n", "age\n1\n"):
        bench.write("people.csv", text)
        bench.run("raw")
    versions = _versions(bench, "raw")
    assert [each.version for each in versions] == [3, 2, 1]
    assert versions[0].digest == versions[2].digest


def test_projects_that_share_a_workspace_have_datasets_of_their_own(bench: Workbench) -> None:
    for name in ("north", "south"):
        other = Workbench(bench.root.parent / name)
        other.edit("mainspring.toml", 'name = "shop"', f'name = "{name}"\nworkspace = "../both"')
        other.write("people.csv", f"age\n{len(name)}\n")
        other.pipeline(PIPELINE)
        other.run("raw")
    with other.project.workspace() as workspace:
        assert workspace.ledger.datasets.names() == ("north.raw", "south.raw")
