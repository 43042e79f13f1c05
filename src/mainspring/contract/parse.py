"""From TOML text to a Contract; every error names the file, the line and the nearest match."""

from __future__ import annotations

import math
import re
import tomllib
from typing import TYPE_CHECKING, Any, NoReturn

from mainspring.contract.column import Column
from mainspring.contract.contract import Contract
from mainspring.contract.keys import Section, WrongEntry, WrongKey, read_section
from mainspring.contract.metric import METRICS, measurable
from mainspring.contract.policy import Fallback, Monitor, Notify, Retrain, Rollout, Slo
from mainspring.contract.project import ProjectSection
from mainspring.contract.requirement import Requirement
from mainspring.contract.sections import LISTS, SECTIONS, TABLES_BY_NAME
from mainspring.core.errors import ContractError, listed, nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=""")
_LIMITS = ("at_least", "at_most", "below_champion_by_at_most")
_RANGED = ("integer", "number", "date", "datetime")


def load(path: Path) -> Contract:
    """Read the contract in *path*. Raises ContractError."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{path}: expected text in UTF-8, got a byte that is not at offset {error.start}."
        ) from None
    except FileNotFoundError:
        raise ContractError(f"{path}: there is no such file. Make one with: mainspring init NAME --data FILE") from None
    contract = parse(text, source=str(path))
    from dataclasses import replace

    return replace(contract, path=path)


def parse(text: str, *, source: str = "mainspring.toml") -> Contract:
    """Read a contract from TOML *text*. Raises ContractError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{source}: not valid TOML: {error}.") from None
    return _Parser(text, source).contract(tree)


def read_tree(tree: dict[str, Any], *, source: str) -> Contract:
    """The contract of a *tree* in the shape of the TOML file (see ``Contract.as_dict``). Raises ContractError."""
    return _Parser("", source).contract(tree)


class _Parser:
    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.lines = _line_numbers(text)

    def contract(self, tree: dict[str, Any]) -> Contract:
        for name in tree:
            if name not in SECTIONS:
                near = suggestion(name, tuple(SECTIONS), kind="section")
                self.fail((name,), f"there is no section [{name}]. {near}")
        self.shapes(tree)
        if "project" not in tree:
            self.fail((), "the section [project] is missing: it names the task and the target.")
        project = ProjectSection(**self.section(("project",), tree["project"]))
        columns = {
            name: Column(name=name, **self.section(("columns", name), values))
            for name, values in tree.get("columns", {}).items()
        }
        for name, column in columns.items():
            self.check_column(name, column)
        contract = Contract(
            project=project,
            columns=columns,
            requirements=tuple(
                self.requirement(index, values, project, columns)
                for index, values in enumerate(tree.get("require", []))
            ),
            monitor=Monitor(**self.section(("monitor",), tree.get("monitor", {}))),
            retrain=self.retrain(tree.get("retrain", {})),
            rollout=Rollout(**self.section(("rollout",), tree.get("rollout", {}))),
            slo=Slo(**self.section(("slo",), tree.get("slo", {}))),
            fallback=self.fallback(tree, project, columns),
            notify=self.notify(tree.get("notify", {})),
            cost=self.cost(tree.get("cost", [])),
        )
        self.check_names(contract)
        return contract

    def shapes(self, tree: dict[str, Any]) -> None:
        for name, values in tree.items():
            if name in LISTS:
                good = isinstance(values, list) and all(isinstance(value, dict) for value in values)
                form = f"[[{name}]]"
            else:
                good, form = isinstance(values, dict), f"[{name}]"
                if good and name in TABLES_BY_NAME:
                    good = all(isinstance(value, dict) for value in values.values())
                    form = f"[{name}.NAME]"
            if not good:
                self.fail((name,), f"{name} is a section: expected {form} with keys under it.")

    def section(self, path: tuple[str | int, ...], values: dict[str, Any]) -> dict[str, Any]:
        keys: Section = SECTIONS[str(path[0])]
        try:
            return read_section(keys, values)
        except WrongKey as wrong:
            name = str(wrong)
            self.fail((*path, name), f"{_written(path)} has no key {name}. {suggestion(name, tuple(keys), kind='key')}")
        except WrongEntry as wrong:
            if wrong.key is None:
                self.fail(path, f"{_written(path)}: {wrong}.")
            self.fail((*path, wrong.key), f"{_written(path)} {wrong.key}: {wrong}.")

    def requirement(
        self, index: int, values: dict[str, Any], project: ProjectSection, columns: dict[str, Column]
    ) -> Requirement:
        path = ("require", index)
        read = self.section(path, values)
        requirement = Requirement(**read)
        limits = [limit for limit in _LIMITS if limit in read]
        if len(limits) != 1:
            got = " and ".join(limits) or "none"
            self.fail(
                path, f"[[require]] {requirement.metric}: expected exactly one of {', '.join(_LIMITS)}; got {got}."
            )
        metric = METRICS[requirement.metric]
        if project.task not in metric.tasks:
            fitting = measurable(project.task)
            near = nearest(metric.name, fitting)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Fitting: {listed(fitting, limit=24)}."
            self.fail((*path, "metric"), f"[[require]] {metric.name} does not fit the task {project.task}. {hint}")
        if metric.kind == "fairness" and not requirement.by:
            self.fail(path, f'[[require]] {metric.name} compares groups: name their column with by = "…".')
        if metric.kind != "fairness" and requirement.by:
            self.fail(
                (*path, "by"),
                f"[[require]] {metric.name} is not a fairness metric, so by does not apply. "
                'For a bound in every group use each = "…".',
            )
        for key, names in (
            ("by", [requirement.by]),
            ("each", [requirement.each]),
            ("where", [c for c, _ in requirement.where]),
        ):
            self.check_columns((*path, key), f"[[require]] {key}", names, columns)
        return requirement

    def retrain(self, values: dict[str, Any]) -> Retrain:
        read = self.section(("retrain",), values)
        if "at_most" in read:
            read["at_most"], read["per"] = read["at_most"]
        if "schedule" in read.get("on", ()) and "every" not in read:
            self.fail(("retrain", "on"), '[retrain] on has "schedule": say how often with every = "7d".')
        return Retrain(**read)

    def fallback(self, tree: dict[str, Any], project: ProjectSection, columns: dict[str, Column]) -> Fallback:
        if "fallback" not in tree:
            return Fallback()
        fallback = Fallback(**self.section(("fallback",), tree["fallback"]))
        path, said = ("fallback", "prediction"), str(fallback.prediction)
        target = columns.get(project.target)
        labels = () if target is None else target.categories or (("false", "true") if target.type == "boolean" else ())
        if project.task == "regression":
            try:
                good = math.isfinite(float(said))
            except ValueError:
                good = False
            if not good:
                self.fail(path, f"[fallback] prediction: expected a number for a regression, got {said!r}.")
        elif labels and said not in labels:
            self.fail(
                path,
                f"[fallback] prediction: {project.target} has no class {said!r}. "
                f"{suggestion(said, labels, kind='class')}",
            )
        return fallback

    def notify(self, values: dict[str, Any]) -> Notify:
        notify = Notify(**self.section(("notify",), values))
        if notify.secret is None and any(url.startswith("http") for url in notify.urls):
            self.fail(("notify", "urls"), '[notify] webhooks are signed: say what with by secret = "env:NAME".')
        return notify

    def cost(self, entries: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
        costs: dict[tuple[str, str], float] = {}
        for index, values in enumerate(entries):
            read = self.section(("cost", index), values)
            pair = read["truth"], read["prediction"]
            if pair in costs:
                self.fail(("cost", index), f"[[cost]] truth {pair[0]} with prediction {pair[1]} is given twice.")
            costs[pair] = float(read["cost"])
        return costs

    def check_column(self, name: str, column: Column) -> None:
        path = ("columns", name)
        low, high = column.minimum, column.maximum
        for key, end in (("minimum", low), ("maximum", high)):
            if end is None:
                continue
            if column.type not in _RANGED:
                self.fail((*path, key), f"[columns.{name}] {key} does not apply to a {column.type} column.")
            if isinstance(end, str) != (column.type in ("date", "datetime")):
                expected = "a date such as 2026-01-31" if column.type in ("date", "datetime") else "a number"
                self.fail(
                    (*path, key),
                    f"[columns.{name}] {key}: expected {expected} for a {column.type} column, got {end!r}.",
                )
        if low is not None and high is not None and low > high:  # type: ignore[operator]  # both are of one kind here
            self.fail((*path, "minimum"), f"[columns.{name}] minimum {low} is above maximum {high}.")
        if column.categories is not None and column.type not in ("category", "text", "integer", "boolean"):
            self.fail((*path, "categories"), f"[columns.{name}] categories does not apply to a {column.type} column.")
        if column.pattern is not None:
            try:
                re.compile(column.pattern)
            except re.error as error:
                self.fail((*path, "pattern"), f"[columns.{name}] pattern is not a regular expression: {error}.")

    def check_names(self, contract: Contract) -> None:
        for key in ("target", "time", "entity"):
            self.check_columns(("project", key), f"[project] {key}", [getattr(contract.project, key)], contract.columns)
        self.check_columns(("monitor", "ignore"), "[monitor] ignore", contract.monitor.ignore, contract.columns)
        for index, requirement in enumerate(contract.requirements):
            if requirement.metric == "expected_cost" and not contract.cost:
                self.fail(("require", index), "[[require]] expected_cost needs a cost matrix: add [[cost]] entries.")

    def check_columns(self, path: tuple[str | int, ...], what: str, names: Iterable[str | None], columns: Any) -> None:
        if not columns:
            return  # a contract may leave the columns open
        for name in names:
            if name is not None and name not in columns:
                self.fail(
                    path, f"{what} names the column {name}, which is not declared. {suggestion(name, tuple(columns))}"
                )

    def fail(self, path: tuple[str | int, ...], text: str) -> NoReturn:
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known)
        raise ContractError(f"{self.source}{f':{line}' if line else ''}: {text}")


def _written(path: tuple[str | int, ...]) -> str:
    name = str(path[0])
    return f"[[{name}]]" if name in LISTS else "[" + ".".join(str(part) for part in path) + "]"


def _line_numbers(text: str) -> dict[tuple[str | int, ...], int]:
    """Where each section and key of *text* begins, counted from 1.

    tomllib keeps no positions. Line by line is enough for the forms people write; a key inside an inline table falls
    back to the line of the key that holds it.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    counts: dict[str, int] = {}
    section: tuple[str | int, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            parts = tuple(
                match[0] or match[1] or match[2] for match in re.findall(r'"([^"]*)"|\'([^\']*)\'|([^.\s]+)', header[2])
            )
            if header[1] == "[[":
                index = counts.get(header[2], 0)
                counts[header[2]] = index + 1
                section = (*parts, index)
                lines.setdefault(parts, number)
            else:
                section = parts
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            lines.setdefault((*section, key[1] or key[2] or key[3]), number)
    return lines
