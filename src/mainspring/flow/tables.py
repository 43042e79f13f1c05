"""Tables that steps return, as versions of datasets: a dataset for each such step, a version for each new content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.flow.filestate import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.ledger import Ledger
    from mainspring.ledger.ports.steps import StepRecord
    from mainspring.project import Project

TABLES = frozenset({"polars.frame", "pandas.frame", "arrow.table"})
"""The types of stored values that are tables."""

_LOOKED_AT = ("file ", "folder ", "pattern ")


def series_of(project: Project) -> str:
    """What the names of the project's datasets begin with: nothing, or the project where several share a workspace."""
    return f"{project.contract.project.name}." if project.contract.project.workspace is not None else ""


def keep_table(ledger: Ledger, record: StepRecord, series: str) -> None:
    """See that the table a step returned is the newest version of its dataset; nothing where it returned no table.

    A table that is read again as it was before is no new version. The items of a mapped step are none either.
    """
    if len(record.outputs) != 1 or record.outputs[0].type not in TABLES or record.step.endswith("]"):
        return
    table = record.outputs[0]
    ledger.datasets.create(
        series + record.step,
        digest=table.digest,
        rows=int(table.meta.get("rows", 0)),
        schema={str(name): str(kind) for name, kind in table.meta.get("columns", {}).items()},
        source=", ".join(_sources(record)),
        run=record.run,
    )


def _sources(record: StepRecord) -> Iterator[str]:
    """The files that the step looked at; where there are none, the steps that it got its values from."""
    found = [
        part.partition(" ")[2]
        for part, digest in record.parts.items()
        if part.startswith(_LOOKED_AT) and digest != ABSENT
    ]
    yield from found or (f"step {name}" for name in record.inputs)
