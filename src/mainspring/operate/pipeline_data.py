"""The data of a project's pipeline: what its model is made from, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.errors import InputError
from mainspring.core.frames import as_frame

if TYPE_CHECKING:
    import polars as pl

    from mainspring.project import Project


def pipeline_data(project: Project) -> pl.DataFrame:
    """Both parts of the first split in the pipeline, together; without a split, the first table with the target.

    Steps run (or are reused) one after the other until one gives such a value; what comes later is left alone. Raises
    InputError where none does, and PipelineError where a step fails.
    """
    import polars as pl

    from mainspring.data.split import Split
    from mainspring.flow import engine
    from mainspring.flow.pipeline import load_graph

    target = project.contract.project.target
    table: pl.DataFrame | None = None
    with project.workspace() as workspace:
        with project.active():
            names = [node.name for node in load_graph(project)]
        for name in names:
            result = engine.run(project, [name], workspace=workspace)
            result.check()
            with project.active():
                value = result.value(name)
            if isinstance(value, Split):
                return pl.concat([value.train, value.test], how="vertical_relaxed")
            if table is None and isinstance(value, pl.DataFrame) and target in value.columns:
                table = as_frame(value)
            if table is not None and not isinstance(value, pl.DataFrame):
                break
    if table is None:
        raise InputError(
            f"No step of {project.pipeline.name} gives a split or a table with the target {target!r}. Name the table: "
            "mainspring backtest FILE"
        )
    return table
