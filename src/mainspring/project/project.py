"""A project: the folder with the contract (``mainspring.toml``) and the pipeline (``pipeline.py``)."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from contextlib import contextmanager, redirect_stdout
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, MainspringError, PipelineError
from mainspring.project.modules import Finder, FreshLoader, take_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType, TracebackType

    from mainspring.contract import Contract
    from mainspring.workspace import Workspace

CONTRACT_FILE = "mainspring.toml"
PIPELINE_FILE = "pipeline.py"
STATE_FOLDER = ".mainspring"
"""Where a project keeps its workspace, its locks and its logs."""


class Project:
    """A folder, its contract and its pipeline. Everything but the folder is read when it is asked for."""

    def __init__(self, root: Path) -> None:
        """Take the folder *root*, which holds a ``mainspring.toml``. Use :meth:`find` to look for it."""
        self.root = root.resolve()
        self.finder = Finder()
        self._modules: dict[str, ModuleType] = {}
        self._depth = 0

    def __repr__(self) -> str:
        """Name the folder."""
        return f"Project({str(self.root)!r})"

    @classmethod
    def find(cls, start: Path | str | None = None) -> Project:
        """The project around *start* (default: the current folder): the nearest folder with a ``mainspring.toml``.

        Raises InputError where there is none above.
        """
        place = Path.cwd() if start is None else Path(start).resolve()
        for folder in (place, *place.parents):
            if (folder / CONTRACT_FILE).is_file():
                return cls(folder)
        raise InputError(
            f"No project here: neither {place} nor a folder above it has a {CONTRACT_FILE}. "
            "Make one with: mainspring init NAME --data FILE --target COLUMN"
        )

    @property
    def pipeline(self) -> Path:
        """The file with the steps."""
        return self.root / PIPELINE_FILE

    @cached_property
    def contract(self) -> Contract:
        """The contract as read from ``mainspring.toml``. Raises ContractError with file and line."""
        from mainspring.contract import Contract

        return Contract.load(self.root / CONTRACT_FILE)

    @property
    def state(self) -> Path:
        """The folder for locks, logs and caches of this machine. Made on first use.

        Raises InputError where it cannot be made.
        """
        folder = self.root / STATE_FOLDER
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be used as a folder ({error.strerror}). A run keeps its results there: "
                "make the project's folder writable, or move what is in the way."
            ) from None
        return folder

    def workspace(self, *, create: bool = True) -> Workspace:
        """Open the workspace that the contract names (from the project's folder), or ``.mainspring`` in that folder.

        It is made where there is none and *create* is set. See `Workspace.open`.
        """
        from mainspring.workspace import Workspace

        named = self.contract.project.workspace
        if named is None:
            return Workspace.open(self.root / STATE_FOLDER, create=create)
        return Workspace.open(named if "://" in named else self.root / named, create=create)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let the project's modules be imported and relative paths be found from its folder.

        Outside the block the interpreter is as it was: other projects' modules of the same names are not disturbed.
        """
        if self._depth:
            yield
            return
        here = Path.cwd()
        set_aside = take_modules(self.root)
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self.finder)
        sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        self._depth = 1
        os.chdir(self.root)
        try:
            yield
        finally:
            self._depth = 0
            self._modules = take_modules(self.root)
            sys.modules.update(set_aside)
            sys.meta_path.remove(self.finder)
            if str(self.root) in sys.path:
                sys.path.remove(str(self.root))
            if here.is_dir():
                os.chdir(here)

    def load(self) -> ModuleType:
        """Execute ``pipeline.py`` as it is on disk now, and with it every module of the project that it imports.

        Raises PipelineError with file and line where it is missing, does not parse, raises or leaves the interpreter.
        """
        if not self.pipeline.is_file():
            raise PipelineError(
                f"{self.root} has a {CONTRACT_FILE} but no {PIPELINE_FILE}. Write one with @step functions."
            )
        with self.active():
            take_modules(self.root)
            self.finder.forget()
            name = self.pipeline.stem
            loader = FreshLoader(name, str(self.pipeline), self.finder)
            spec = ModuleSpec(name, loader, origin=str(self.pipeline))
            spec.has_location = True
            module = module_from_spec(spec)
            sys.modules[name] = module
            try:
                # what is printed on the way is no result: standard output may be promised to one JSON object
                with redirect_stdout(sys.stderr):
                    loader.exec_module(module)
            except MainspringError:
                raise
            except (Exception, SystemExit) as error:
                raise PipelineError(self._load_failure(error)) from error
        return module

    def shown(self, path: str | Path) -> str:
        """The path as people know it: from the project's folder where it lies inside."""
        try:
            return str(Path(path).relative_to(self.root))
        except ValueError:
            return str(path)

    def frames(self, trace: TracebackType | None) -> list[traceback.FrameSummary]:
        """The entries of *trace* that are the project's own code."""
        return [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(self.root)]

    def _load_failure(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(self.root):
            line = f"\n    {error.text.strip()}" if error.text else ""
            return f"{self.shown(error.filename)}:{error.lineno}: {error.msg}.{line}"
        frames = self.frames(error.__traceback__)
        where = f"{self.shown(frames[-1].filename)}:{frames[-1].lineno}" if frames else PIPELINE_FILE
        line = f"\n    {frames[-1].line}" if frames and frames[-1].line else ""
        if isinstance(error, SystemExit):
            return f"{where}: the pipeline called sys.exit while it was loaded. Leave that to scripts.{line}"
        if isinstance(error, ModuleNotFoundError) and error.name:
            return f"{where}: no module named {error.name!r}. Install it in this environment, or mend the name.{line}"
        return f"{where}: {type(error).__name__}: {error}{line}"
