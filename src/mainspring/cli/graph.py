"""``mainspring graph``: the pipeline as a tree, or as Mermaid."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def graph(
    *steps: Annotated[str, Parameter(help="Only these steps and what they need. Default: all.")],
    mermaid: Annotated[bool, Parameter(negative=(), show_default=False, help="As a Mermaid flowchart.")] = False,
) -> None:
    """Draw the pipeline as a tree: each step under the last of its inputs."""
    from mainspring.cli._output import out
    from mainspring.flow import drawing
    from mainspring.flow.pipeline import load_graph
    from mainspring.project import Project

    project = Project.find()
    with project.active():
        drawn = load_graph(project).upto(steps)
    out().print((drawing.mermaid if mermaid else drawing.text)(drawn), markup=False)
