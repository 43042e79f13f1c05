"""``mainspring graph``: the pipeline as a tree, or as Mermaid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # the parser reads this annotation

if TYPE_CHECKING:
    from mainspring.flow.graph import Node


def graph(
    *steps: Annotated[str, Parameter(help="Only these steps and what they need. Default: all.")],
    mermaid: Annotated[bool, Parameter(negative=(), show_default=False, help="As a Mermaid flowchart.")] = False,
    json: Json = False,
) -> None:
    """Draw the pipeline as a tree: each step under the last of its inputs."""
    from mainspring.cli._output import emit_json, out
    from mainspring.flow import drawing
    from mainspring.flow.pipeline import load_graph
    from mainspring.project import Project

    project = Project.find()
    with project.active():
        drawn = load_graph(project).upto(steps)
    if json:
        emit_json({"steps": [_plain(node) for node in drawn]})
        return
    out().print((drawing.mermaid if mermaid else drawing.text)(drawn), markup=False)


def _plain(node: Node) -> dict[str, Any]:
    values = {name: value if _is_json(value) else repr(value) for name, value in node.parameters.items()}
    return {"name": node.name, "inputs": list(node.inputs), "contract": node.takes_contract, "parameters": values}


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
