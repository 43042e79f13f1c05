"""From a project's ``pipeline.py`` to its steps and their graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.core.errors import PipelineError
from mainspring.flow.graph import Graph
from mainspring.flow.step import collecting, step_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.flow.step import Step
    from mainspring.project import Project


def load_steps(project: Project) -> list[Step]:
    """The steps of the project: those that ``pipeline.py`` marks, and those it imports by name, in that order.

    Raises PipelineError where the file is not usable or has no steps. Call it while the project is active.
    """
    with collecting() as marked:
        module = project.load()
    own = [step for step in marked if step.function.__module__ == module.__name__]
    named = [step for value in vars(module).values() if (step := step_of(value)) is not None]
    imported = [step for step in dict.fromkeys(named) if step.function.__module__ != module.__name__]
    if not own and not imported:
        raise PipelineError(
            f"{project.pipeline.name} has no steps. Write functions marked with @step (from mainspring import step)."
        )
    return [*imported, *own]


def load_graph(project: Project, settings: Mapping[str, Any] | None = None) -> Graph:
    """The project's graph with *settings* in force, checked whole. Raises as :func:`load_steps` and `Graph.draw` do."""
    return Graph.draw(load_steps(project), settings)
