"""A small project on disk for tests of the engine."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.flow import engine
from mainspring.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.flow.result import FlowResult

CONTRACT = """
[project]
name = "shop"
task = "binary"
target = "bought"

[columns.age]
type = "integer"
minimum = 18
[columns.bought]
type = "boolean"
"""


class Workbench:
    """A small project on disk, edited as a person would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.write("mainspring.toml", CONTRACT)

    @property
    def project(self) -> Project:
        return Project(self.root)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def pipeline(self, text: str) -> None:
        self.write("pipeline.py", "from mainspring import step\n" + textwrap.dedent(text))

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times"
        path.write_text(text.replace(before, after), encoding="utf-8")

    def run(self, *targets: str, **settings: object) -> Ran:
        """Run in this process and close the workspace again."""
        project = self.project
        with project.workspace() as workspace:
            result = engine.run(project, targets, settings, workspace=workspace)
            values = {name: result.value(name) for name in result.outputs}
        return Ran(result, values)

    def python(self, code: str) -> subprocess.Popen[str]:
        """Run *code* in a new interpreter in the project's folder."""
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def mainspring(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the command line in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "mainspring", *arguments],
            cwd=self.root, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def calls(self, name: str = "calls") -> list[str]:
        """What steps have written through :data:`NOTE`, and forget it."""
        path = self.root.parent / name
        lines = path.read_text(encoding="utf-8").split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


NOTE = """
import os as _os

def note(word):
    with open("../calls", "a", encoding="utf-8") as file:
        file.write(word + chr(10))
"""
"""For pipelines of tests: says beside the project that a step was really called."""


@dataclass(frozen=True)
class Ran:
    """A run's result and the values it left."""

    result: FlowResult
    values: dict[str, Any]

    @property
    def statuses(self) -> dict[str, str]:
        return {step.name: step.status for step in self.result.steps}

    @property
    def ran(self) -> list[str]:
        return [step.name for step in self.result.steps if step.status == "ran"]

    @property
    def failure(self) -> str:
        assert len(self.result.failures) == 1, self.result.failures
        return str(self.result.failures[0])
