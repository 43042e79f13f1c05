"""A small project on disk for tests of the engine."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from mainspring.project import Project

if TYPE_CHECKING:
    from pathlib import Path

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
