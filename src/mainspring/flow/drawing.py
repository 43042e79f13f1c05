"""The graph as text for a terminal and as Mermaid for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.core.errors import quote

if TYPE_CHECKING:
    from mainspring.flow.graph import Graph, Node

SHOWN_VALUE = 40
"""A parameter's value is cut to so many characters."""


def text(graph: Graph) -> str:
    """A tree: each step hangs under the last of its inputs; other inputs are named beside it.

    ::

        raw  source='customers.csv'
        └─ parts  (contract)
           └─ model  (contract)  trials=30
    """
    under: dict[str | None, list[Node]] = {}
    position = {name: index for index, name in enumerate(graph.nodes)}
    for node in graph:
        last = max(node.inputs, key=position.__getitem__, default=None)
        under.setdefault(last, []).append(node)
    lines: list[str] = []
    # children are pushed in reverse, so that they come off the stack as written; no recursion for a long chain
    stack = [(node, "", "") for node in reversed(under.get(None, []))]
    while stack:
        node, lead, indent = stack.pop()
        lines.append(f"{lead}{_label(node, graph)}")
        children = under.get(node.name, [])
        for index, child in reversed(list(enumerate(children))):
            last_child = index == len(children) - 1
            stack.append((child, indent + ("└─ " if last_child else "├─ "), indent + ("   " if last_child else "│  ")))
    return "\n".join(lines)


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, top to bottom, with the contract as a node of its own where a step takes it."""
    lines = ["flowchart TD"]
    if any(node.takes_contract for node in graph):
        lines.append('    contract[("contract")]')
    for node in graph:
        said = [node.name, *(f"{name} = {_value(value)}" for name, value in node.parameters.items())]
        lines.append(f'    {_id(node.name)}["{"<br/>".join(_escaped(part) for part in said)}"]')
    for node in graph:
        lines += [f"    {_id(name)} --> {_id(node.name)}" for name in node.inputs]
        if node.takes_contract:
            lines.append(f"    contract -.-> {_id(node.name)}")
    return "\n".join(lines)


def _label(node: Node, graph: Graph) -> str:
    position = {name: index for index, name in enumerate(graph.nodes)}
    last = max(node.inputs, key=position.__getitem__, default=None)
    others = [name for name in node.inputs if name != last] + (["contract"] if node.takes_contract else [])
    parts = [node.name]
    if node.step.options.map:
        parts.append(f"for each of {node.step.options.map}")
    if others:
        parts.append(f"({', '.join(others)})")
    parts += [f"{name}={_value(value)}" for name, value in node.parameters.items()]
    return "  ".join(parts)


def _value(value: Any) -> str:
    shown = quote(value) if isinstance(value, str) else repr(value)
    return shown if len(shown) <= SHOWN_VALUE else shown[: SHOWN_VALUE - 1] + "…"


def _id(name: str) -> str:
    return f"step_{name}"  # a bare name could be a word of Mermaid's own, such as end


def _escaped(part: str) -> str:
    return part.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
