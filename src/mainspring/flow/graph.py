"""The graph that parameter names draw, checked whole before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from mainspring.contract import Contract
from mainspring.core.errors import InputError, NotFound, PipelineError, nearest, quote, suggestion
from mainspring.flow.annotation import UNKNOWN, annotations_of, fits, item_of, spelled
from mainspring.flow.setting import converted
from mainspring.flow.step import CONTRACT, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, eq=False)
class Node:
    """A step in its place.

    ``inputs``: the names of the steps whose outputs it takes, in parameter order. ``takes_contract``: whether it has a
    parameter ``contract``. ``parameters``: the settable parameters with the values in force. ``settings``: those of
    them that were set for this run rather than left at their default.
    """

    step: Step
    inputs: tuple[str, ...]
    takes_contract: bool
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The step's name."""
        return self.step.name


class Graph:
    """Steps in an order in which they can run: inputs first, otherwise as written."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Take *nodes*, already in a runnable order. Use :meth:`draw` to make a graph from steps."""
        self.nodes: dict[str, Node] = {node.name: node for node in nodes}

    @classmethod
    def draw(cls, steps: Sequence[Step], settings: Mapping[str, Any] | None = None) -> Graph:
        """Connect *steps* by their parameter names.

        *settings* maps ``parameter`` or ``step.parameter`` to a value; a text is converted to the declared type. Raises
        PipelineError for duplicate names, missing inputs, cycles and annotations that disagree, and InputError for a
        setting that no step takes or that has the wrong type.
        """
        by_name = _by_name(steps)
        chosen = _Settings(by_name, settings or {})
        nodes = {name: _node(step, by_name, chosen.of(step)) for name, step in by_name.items()}
        ordered = _ordered(nodes)
        _check_annotations(nodes)
        return cls(nodes[name] for name in ordered)

    def __iter__(self) -> Any:
        """The nodes, inputs before their takers."""
        return iter(self.nodes.values())

    def __len__(self) -> int:
        """The number of steps."""
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        """The node of this name. Raises NotFound with the nearest match."""
        if name not in self.nodes:
            raise NotFound.among("step", name, list(self.nodes))
        return self.nodes[name]

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Every step that *name* depends on, in runnable order, without itself."""
        wanted: set[str] = set()
        waiting = list(self[name].inputs)
        while waiting:
            one = waiting.pop()
            if one not in wanted:
                wanted.add(one)
                waiting.extend(self.nodes[one].inputs)
        return tuple(each for each in self.nodes if each in wanted)

    def takers(self, name: str) -> tuple[str, ...]:
        """The steps that take the output of *name* directly."""
        return tuple(node.name for node in self if name in node.inputs)

    def upto(self, targets: Sequence[str]) -> Graph:
        """The part of the graph that *targets* need; all of it where none is named."""
        if not targets:
            return self
        wanted = {name for target in targets for name in (*self.ancestors(target), target)}
        return Graph(node for node in self if node.name in wanted)


class _Settings:
    """The values given with --set, handed to the steps that take them."""

    def __init__(self, steps: Mapping[str, Step], given: Mapping[str, Any]) -> None:
        self.given = given
        settable = {
            name: [p for p in step.parameters if p != CONTRACT and p not in steps] for name, step in steps.items()
        }
        known = sorted({p for names in settable.values() for p in names})
        for key in given:
            self._check(key, settable, known)

    def _check(self, key: str, settable: Mapping[str, list[str]], known: list[str]) -> None:
        owner, dot, parameter = key.rpartition(".")
        if dot and owner not in settable:
            raise InputError(
                f"--set {key}: {suggestion(owner, list(settable), kind='step')} No step is called {owner}."
            )
        if parameter in (settable[owner] if dot else known):
            return
        if parameter in settable:
            raise InputError(f"--set {key}: {parameter} is the output of a step, so it cannot be set.")
        if parameter == CONTRACT:
            raise InputError(f"--set {key}: the contract comes from mainspring.toml, so it cannot be set.")
        hint = suggestion(parameter, settable[owner] if dot else known, kind="settable parameter")
        raise InputError(f"--set {key}: no step{f' {owner}' if dot else ''} has a parameter {quote(parameter)}. {hint}")

    def of(self, step: Step) -> dict[str, Any]:
        annotations: dict[str, Any] | None = None
        values: dict[str, Any] = {}
        for name, parameter in step.parameters.items():
            key = next((k for k in (f"{step.name}.{name}", name) if k in self.given), None)
            if key is None:
                continue
            value = self.given[key]
            if isinstance(value, str):
                annotations = annotations_of(step.function) if annotations is None else annotations
                try:
                    value = converted(value, annotations.get(name, UNKNOWN), parameter.default)
                except ValueError as error:
                    raise InputError(
                        f"--set {key}={quote(value)[1:-1]}: step {step.name} expects {error}, got {quote(value)}."
                    ) from None
            values[name] = value
        return values


def _by_name(steps: Sequence[Step]) -> dict[str, Step]:
    by_name: dict[str, Step] = {}
    for step in steps:
        first = by_name.setdefault(step.name, step)
        if first is not step:
            raise PipelineError(
                f"Two steps are called {step.name} ({first.where} and {step.where}). "
                "A parameter could not tell them apart: rename one, or use @step(name=…)."
            )
    return by_name


def _node(step: Step, steps: Mapping[str, Step], settings: Mapping[str, Any]) -> Node:
    inputs: list[str] = []
    parameters: dict[str, Any] = {}
    for name, parameter in step.parameters.items():
        if name in steps:
            inputs.append(name)
        elif name in settings:
            parameters[name] = settings[name]
        elif name == CONTRACT:
            continue
        elif parameter.default is not parameter.empty:
            parameters[name] = parameter.default
        else:
            raise PipelineError(_missing(step, name, steps))
    used = {name: value for name, value in settings.items() if name in parameters}
    return Node(step, tuple(inputs), CONTRACT in step.parameters, parameters, used)


def _missing(step: Step, name: str, steps: Mapping[str, Step]) -> str:
    near = nearest(name, [*(other for other in steps if other != step.name), CONTRACT])
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    return (
        f"{step.where}: step {step.name} needs {name!r}, but no step has that name and it has no default. "
        f"{meant}Write a step {name}, give the parameter a default, or run with --set {name}=…"
    )


def _ordered(nodes: Mapping[str, Node]) -> list[str]:
    """Inputs first, otherwise as written; depth first without recursion, so that a long chain is no trouble."""
    done: dict[str, None] = {}
    open_: dict[str, None] = {}
    for start in nodes:
        if start in done:
            continue
        stack = [(start, iter(nodes[start].inputs))]
        open_[start] = None
        while stack:
            name, inputs = stack[-1]
            following = next((one for one in inputs if one not in done), None)
            if following is None:
                stack.pop()
                open_.popitem()
                done[name] = None
            elif following in open_:
                walked = list(open_)
                raise PipelineError(_cycle(nodes, [*walked[walked.index(following) :], following]))
            else:
                open_[following] = None
                stack.append((following, iter(nodes[following].inputs)))
    return list(done)


def _cycle(nodes: Mapping[str, Node], path: list[str]) -> str:
    step = nodes[path[0]].step
    if len(path) == 2:
        return f"{step.where}: step {step.name} takes its own output {step.name!r}. Rename the parameter or the step."
    # a parameter names what is taken, so the values flow against the order in which the cycle was walked
    return (
        f"{step.where}: the steps {' → '.join(reversed(path))} feed each other in a circle. "
        "Rename a parameter or split a step."
    )


def _check_annotations(nodes: Mapping[str, Node]) -> None:
    annotations = {name: annotations_of(node.step.function) for name, node in nodes.items()}
    for name, node in nodes.items():
        for parameter in node.step.parameters:
            wanted = annotations[name].get(parameter, UNKNOWN)
            if parameter == CONTRACT:
                made: Any = Contract
            elif parameter in nodes:
                made = _made(nodes[parameter].step, annotations[parameter])
            else:
                continue
            mapped = node.step.options.map == parameter
            if not fits(item_of(made) if mapped else made, wanted):
                raise PipelineError(_disagreement(node.step, parameter, wanted, made, nodes, mapped=mapped))
            if mapped and _surely_one(made):
                raise PipelineError(
                    f"{node.step.where}: step {name} maps over {parameter}, but that step returns "
                    f"{spelled(made)}, not a list."
                )


def _made(step: Step, annotations: Mapping[str, Any]) -> Any:
    made = annotations.get("return", UNKNOWN)
    if step.options.map is None:
        return made
    return list if made is UNKNOWN else GenericAlias(list, (made,))


def _surely_one(made: Any) -> bool:
    return made in (int, float, bool, str, bytes, complex, type(None))


def _disagreement(
    step: Step, parameter: str, wanted: Any, made: Any, nodes: Mapping[str, Node], *, mapped: bool
) -> str:
    if parameter == CONTRACT:
        return (
            f"{step.where}: step {step.name}: contract is a mainspring.Contract, but it is annotated {spelled(wanted)}."
        )
    items = "items of " if mapped else ""
    return (
        f"{step.where}: step {step.name} wants {parameter}: {spelled(wanted)}, but step {parameter} "
        f"({nodes[parameter].step.where}) returns {items}{spelled(made)}. Change one of the two annotations."
    )
