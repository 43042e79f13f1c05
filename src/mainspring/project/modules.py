"""Loading the project's own modules: from their source, apart from those of any other project."""

from __future__ import annotations

import ast
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import PipelineError
from mainspring.project.installed import installed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

_STANDARD_LIBRARY = str(Path(os.__file__).resolve().parent) + os.sep
_OURS = str(Path(__file__).resolve().parents[1]) + os.sep
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_own_code(path: str | Path | None) -> bool:
    """Whether a file is someone's own Python: not the standard library, not an installed package, not Mainspring."""
    if path is None or not str(path).endswith(".py"):
        return False
    file = os.path.realpath(path)
    if not _INSTALLED.isdisjoint(Path(file).parts):
        return False
    return not file.startswith((_STANDARD_LIBRARY, _OURS)) and not installed().is_installed(file)


class Finder:
    """Finds modules as ever, but has own code compiled from the source on disk.

    Python's compiled files are trusted by whole second and length: after a quick edit of one character the old code
    would run under the new source's key. So they are neither read nor written here. A file is read once: what was
    looked at is what runs, even if it is edited meanwhile.

    ``trees`` keeps the syntax tree of every module that was loaded this way. ``expected`` maps files to the digests
    that another process saw; a file that has another content by now is refused.
    """

    def __init__(self) -> None:
        """Begin with nothing loaded."""
        self.trees: dict[str, tuple[Path, ast.Module]] = {}
        self.expected: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        """The content of a source file, the same for as long as the project stays loaded."""
        if path not in self._contents:
            content = Path(path).read_bytes()
            if self.expected.get(path, digest_bytes(content)) != digest_bytes(content):
                raise PipelineError(f"{Path(path).name} was edited while the pipeline was running. Run it again.")
            self._contents[path] = content
        return self._contents[path]

    @property
    def digests(self) -> dict[str, str]:
        """The digest of every source file read so far, by path."""
        return {path: digest_bytes(content) for path, content in self._contents.items()}

    def forget(self) -> None:
        """Read everything anew from now on."""
        self.trees.clear()
        self._contents.clear()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ask every other finder, and replace the loader of own code."""
        for finder in sys.meta_path:
            if finder is self:
                continue
            look = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = look(name, path, target) if look else None
            if spec is not None:
                if type(spec.loader) is SourceFileLoader and is_own_code(spec.origin):
                    spec.loader = FreshLoader(name, str(spec.origin), self)
                return spec
        return None


class FreshLoader(SourceFileLoader):
    """Compiles a module from its source, always."""

    def __init__(self, name: str, path: str, finder: Finder) -> None:
        """Load module *name* from *path* as *finder* has read it, and leave its syntax tree there."""
        super().__init__(name, path)
        self._finder = finder

    def get_code(self, fullname: str) -> CodeType:
        """The module's code; its tree is kept."""
        path = self.get_filename(fullname)
        tree = ast.parse(self._finder.read(path), filename=path)
        self._finder.trees[fullname] = (Path(path), tree)
        return compile(tree, path, "exec", dont_inherit=True)


def take_modules(root: Path) -> dict[str, ModuleType]:
    """Remove the modules of *root*'s own code from the interpreter and return them."""
    prefix = str(root) + os.sep
    taken = {
        name: module
        for name, module in list(sys.modules.items())
        if name != "__main__" and _file_of(module).startswith(prefix) and is_own_code(_file_of(module))
    }
    for name in taken:
        del sys.modules[name]
    return taken


def _file_of(module: object) -> str:
    # a namespace package has no file, and a lazy module may fail on any attribute but its dict
    found = getattr(module, "__dict__", {}).get("__file__")
    return found if isinstance(found, str) else ""
