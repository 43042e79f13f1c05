"""The files of a new project: contract, pipeline, tests; written all or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, Refused, listed, quote
from mainspring.core.files import write_atomic
from mainspring.project.project import CONTRACT_FILE, PIPELINE_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template

    from mainspring.contract import Contract

MOST_STEPS_UP = 2
"""A data file further away than so many folders up is named by its whole path."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HEADER = """What the model of {name} must do, proposed by `mainspring init` from {source}.

Every line is a guess to be corrected: ranges and categories are those of the table with a little slack,
bounds come from simple baselines. The same lines are checked on new data, on the holdout, before a
release and on live rows. `mainspring schema` prints a JSON schema for editors."""
_SPLITS = {
    "time": "Learn from the past, be judged on the latest quarter.",
    "group": "Learn from some, be judged on others: all rows of one {entity} on one side.",
    "stratified": "Learn from three quarters, be judged on the rest, with equal shares of {target}.",
    "random": "Learn from three quarters, be judged on the rest.",
}


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A project that is not written yet: its folder and the text of each file by its path in there."""

    root: Path
    texts: Mapping[str, str]

    def write(self, *, force: bool = False) -> None:
        """Write every file, or none.

        A new folder appears at once and complete. In a folder that is there already, files that would be overwritten
        are a Refused unless *force*; if a write fails, what was there before is put back. Raises OSError as the system
        gives it.
        """
        if not self.root.exists():
            self._appear()
            return
        if not self.root.is_dir():
            raise InputError(f"{self.root} is a file. Expected a folder, or a name that is free.")
        existing = [name for name in self.texts if (self.root / name).exists()]
        if existing and not force:
            raise Refused(
                f"{self.root} has {listed(existing)} already, and nothing is overwritten unasked. "
                "Choose another name or --directory, or add --force to replace them."
            )
        self._replace()

    def _appear(self) -> None:
        made = _make_folders(self.root.parent)
        try:
            temporary = Path(tempfile.mkdtemp(dir=self.root.parent, prefix=f".{self.root.name}.", suffix=".tmp"))
            try:
                for name, text in self.texts.items():
                    (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                    write_atomic(temporary / name, text)
                temporary.chmod(0o755)
                temporary.rename(self.root)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        except BaseException:
            _remove_folders(made)
            raise

    def _replace(self) -> None:
        before: dict[Path, bytes | None] = {}
        made: list[Path] = []
        try:
            for name, text in self.texts.items():
                path = self.root / name
                made += _make_folders(path.parent)
                before[path] = path.read_bytes() if path.exists() else None
                write_atomic(path, text)
        except BaseException:
            for path, content in before.items():
                if content is None:
                    path.unlink(missing_ok=True)
                else:
                    write_atomic(path, content)
            _remove_folders(made)
            raise


def scaffold(contract: Contract, comments: Mapping[str, str], *, source: Path, root: Path) -> Scaffold:
    """The files of a project that keeps *contract* and learns from the file *source*, to be written into *root*."""
    from mainspring.contract.render import render

    project = contract.project
    by = _split_by(contract)
    words = {
        "name": project.name,
        "source": json.dumps(place(source, root), ensure_ascii=False),  # a JSON text is a Python text
        "split_by": by,
        "split_says": _SPLITS[by].format(entity=project.entity, target=project.target).replace('"', "'"),
    }
    header = _HEADER.format(name=project.name, source=source.name)
    return Scaffold(
        root,
        {
            CONTRACT_FILE: render(contract, {"": header, **comments}),
            PIPELINE_FILE: _template("pipeline.py").render(words),
            "tests/test_model.py": _template("test_model.py").render(words),
            ".gitignore": _template("gitignore").render(words),
        },
    )


def _split_by(contract: Contract) -> str:
    if contract.project.time is not None:
        return "time"
    if contract.project.entity is not None:
        return "group"
    return "random" if contract.project.task == "regression" else "stratified"


def place(source: Path, root: Path) -> str:
    """The path of *source* as ``pipeline.py`` names it: from the project's folder where it is near, else in full.

    >>> place(Path("/work/customers.csv"), Path("/work/churn"))
    '../customers.csv'
    """
    full = Path(os.path.abspath(source))  # noqa: PTH100  # resolve() would follow links that the user made on purpose
    relative = Path(os.path.relpath(full, os.path.abspath(root)))  # noqa: PTH100
    return relative.as_posix() if relative.parts.count("..") <= MOST_STEPS_UP else full.as_posix()


def project_name(name: str) -> str:
    """The name, if it can be that of a folder, a model and a URL part. Raises InputError with one that can."""
    if _NAME.fullmatch(name):
        return name
    near = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name).strip("-._") or "model"
    raise InputError(
        f"{quote(name)} cannot be the name of a project. Expected letters, digits, dots, dashes and underscores, such "
        f"as {near}. A folder elsewhere is given with --directory."
    )


def _make_folders(folder: Path) -> list[Path]:
    """Make *folder* and its parents, and return those that were not there, the outermost first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_folders(made: list[Path]) -> None:
    for folder in reversed(made):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, StrictUndefined

    text = (files("mainspring.project") / "templates" / f"{name}.j2").read_text("utf-8")
    # S701: these are Python and TOML files, where HTML escapes would be mistakes
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return environment.from_string(text)
