"""What a step looks at while it runs: the files it reads and the sections of the contract it uses.

Both are seen, not declared. The contract that a step gets notes which of its sections are read. Files come from two
sides: every file of the project that Python opens for reading while the step runs, and every text in the step's code
or parameters that names a file (libraries in other languages open files unseen). What the step writes does not count.

Not seen are environment variables, clocks, networks and databases, and a file that a library in another language opens
by a name put together at run time (``f"{day}.csv"``; through :func:`mainspring.data.read` it is seen). For those there
is a parameter to hand the value in, or ``@step(cache=False)``.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mainspring.contract import Contract, ProjectSection
from mainspring.core.digest import digest_text
from mainspring.flow.filestate import ABSENT, FileStates, signature_of
from mainspring.project.modules import is_own_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from mainspring.flow.fingerprint import Fingerprint

MOST_TEXT = 255
"""A text longer than this is no file name."""

_KINDS = frozenset({"file", "folder", "names", "pattern", "contract"})
_GLOB = frozenset("*?[")
_MACHINERY = (
    "/importlib/", "/importlib_metadata/", "/pkg_resources/", "/pkgutil.py",
    "/mainspring/project/installed.py", "/mainspring/ledger/provenance.py",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROJECT_FIELDS = frozenset(field.name for field in dataclasses.fields(ProjectSection))
_CONTRACT_FIELDS = frozenset(field.name for field in dataclasses.fields(Contract)) - {"path"}


class Witness:
    """Sees what is looked at inside its ``with`` block. One at a time in a process."""

    def __init__(self, root: Path, fingerprint: Fingerprint, states: FileStates, contract: Contract | None) -> None:
        """Watch a step of the project at *root* whose texts are in *fingerprint*; *contract* where it takes one."""
        self._root = root
        self._states = states
        self._sections: set[str] = set()
        self._read: dict[Path, tuple[int, int] | None] = {}
        self._listed: set[Path] = set()
        self._written: set[Path] = set()
        self._named = _named_files(root, fingerprint.texts, fingerprint.folders, states)
        self._beyond = tuple(_folders_beyond(root, fingerprint.texts))
        self.contract = _watched(contract, self._sections) if contract is not None else None

    def __enter__(self) -> Self:
        """Begin to look."""
        _eye.open(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look away."""
        _eye.close()

    def opened(self, name: str, flags: int, mode: str | None) -> None:
        """Note that a file was opened."""
        path = Path(os.path.abspath(name))  # noqa: PTH100  # resolve() would follow links, which are part of the name
        writes = bool(flags & _WRITING) if mode is None else bool(set(mode) & set("wax+"))
        if writes:
            self._written.add(path)
        elif self._counts(path) and path not in self._read:
            self._read[path] = signature_of(path)

    def looked_into(self, name: str) -> None:
        """Note that the names in a folder were asked for."""
        path = Path(os.path.abspath(name))  # noqa: PTH100
        if path.is_relative_to(self._root) and not _is_hidden(path, self._root):
            self._listed.add(path)

    def parts(self, contract: Contract | None) -> dict[str, str]:
        """What was looked at, by name, with its digest; for a file that changed meanwhile, one that never recurs."""
        found = {f"contract {section}": section_digest(contract, section) for section in sorted(self._sections)}
        for part, digest in self._named.items():
            path = _path_of(self._root, part)
            now = _digest(self._root, part, self._states)
            if path not in self._written and now == digest:
                found[part] = digest
        for path, signature in self._read.items():
            if path in self._written:
                continue
            part = f"file {_shown(path, self._root)}"
            if part not in self._named:
                same = signature_of(path) == signature
                found[part] = self._states.file(path) if same else f"changed while it was read ({os.urandom(8).hex()})"
        for path in self._listed:
            # a folder that the step itself writes into is its output as much as its input
            if not any(written.parent == path for written in self._written):
                found[f"names {_shown(path, self._root)}"] = self._states.names(path)
        return dict(sorted(found.items()))

    def _counts(self, path: Path) -> bool:
        if path.is_relative_to(self._root):
            return not _is_hidden(path, self._root) and not is_own_code(path)
        return any(path.is_relative_to(folder) for folder in self._beyond)


def is_seen(part: str) -> bool:
    """Whether a part of a fingerprint comes from a witness."""
    return part.partition(" ")[0] in _KINDS


def look_again(root: Path, seen: Iterable[str], states: FileStates, contract: Contract | None) -> dict[str, str]:
    """The present digests of parts that a witness named."""
    now = {}
    for part in seen:
        kind, _, name = part.partition(" ")
        now[part] = section_digest(contract, name) if kind == "contract" else _digest(root, part, states)
    return now


def section_digest(contract: Contract | None, section: str) -> str:
    """The digest of one section of the contract (``columns``, ``project.target`` …); comments are not in it."""
    value: Any = contract
    for name in section.split("."):
        value = getattr(value, name, ABSENT)
    return digest_text(_spelled(value))


def _spelled(value: Any) -> str:
    """A contract's values are plain, frozen dataclasses: their repr tells them apart, once mappings are unrolled."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return "{" + ", ".join(f"{key!r}: {_spelled(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _named_files(root: Path, texts: Iterable[str], folders: Iterable[str], states: FileStates) -> dict[str, str]:
    """Digests, before the step runs, of everything that a text names: files, patterns, and folders among *folders*."""
    found: dict[str, str] = {}
    likely = sorted(text for text in texts if 0 < len(text) <= MOST_TEXT and text.isprintable())
    places = [root, *(root / text for text in likely if _is_folder(root / text))]
    whole = frozenset(folders)
    for text in likely:
        if not _GLOB.isdisjoint(text) and any(sign in text for sign in "./"):
            part = f"pattern {text}"
            if _matches(root, text):
                found[part] = _digest(root, part, states)
            continue
        for place in places:
            path = Path(os.path.normpath(place / text))
            if path.is_relative_to(root) and _is_hidden(path, root):
                continue
            if is_file(path) and not is_own_code(path):
                part = f"file {_shown(path, root)}"
            elif text in whole and _is_folder(path) and path != root:
                part = f"folder {_shown(path, root)}"
            else:
                continue
            found[part] = _digest(root, part, states)
    return found


def is_file(path: Path) -> bool:
    """Whether there is a file; a text that can be no name is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _matches(root: Path, pattern: str) -> list[Path]:
    try:
        anchor = Path(pattern).anchor
        return sorted((Path(anchor) if anchor else root).glob(pattern.removeprefix(anchor)))
    except (OSError, ValueError, NotImplementedError):
        return []


def _folders_beyond(root: Path, texts: Iterable[str]) -> Iterable[Path]:
    """Folders outside the project that the step names: what it opens there counts."""
    for text in texts:
        if ("/" in text or os.sep in text) and len(text) <= MOST_TEXT and text.isprintable():
            path = Path(os.path.normpath(root / text))
            if not path.is_relative_to(root) and _is_folder(path) and path != Path(path.anchor):
                yield path


def _digest(root: Path, part: str, states: FileStates) -> str:
    kind, _, name = part.partition(" ")
    path = root / name
    if kind == "file":
        return states.file(path)
    if kind == "folder":
        return states.folder(path)
    if kind == "names":
        return states.names(path)
    return digest_text("\n".join(f"{match}\t{states.file(match)}" for match in _matches(root, name) if is_file(match)))


def _path_of(root: Path, part: str) -> Path:
    return root / part.partition(" ")[2]


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts)


def _watched(contract: Contract, sections: set[str]) -> Contract:
    """A contract equal to *contract* that notes in *sections* which of its fields are read."""
    project = _WatchedProject(**_values(contract.project, _PROJECT_FIELDS))
    object.__setattr__(project, "_seen", sections)
    values = _values(contract, _CONTRACT_FIELDS | {"path"})
    watched = _WatchedContract(**values | {"project": project})
    object.__setattr__(watched, "_seen", sections)
    return watched


def _values(source: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


class _WatchedProject(ProjectSection):
    """The project section, noting what is read of it. Copies and pickles are the plain thing, all of it noted."""

    __slots__ = ("_seen",)
    _seen: set[str]

    def __getattribute__(self, name: str) -> Any:
        if name in _PROJECT_FIELDS:
            _note(self, f"project.{name}")
        return object.__getattribute__(self, name)

    def __reduce__(self) -> Any:
        return _plain_project, (_values(self, _PROJECT_FIELDS),)


class _WatchedContract(Contract):
    """The contract, noting which sections are read."""

    __slots__ = ("_seen",)
    _seen: set[str]

    def __getattribute__(self, name: str) -> Any:
        if name in _CONTRACT_FIELDS and name != "project":
            _note(self, name)
        return object.__getattribute__(self, name)

    def __reduce__(self) -> Any:
        return _plain_contract, (_values(self, _CONTRACT_FIELDS | {"path"}),)


_WatchedContract.__qualname__ = "Contract"  # what its repr says
_WatchedProject.__qualname__ = "ProjectSection"


def _note(watched: object, section: str) -> None:
    try:
        object.__getattribute__(watched, "_seen").add(section)
    except AttributeError:  # made by dataclasses.replace, which has read every field
        return


def _plain_project(values: Mapping[str, Any]) -> ProjectSection:
    return ProjectSection(**values)


def _plain_contract(values: Mapping[str, Any]) -> Contract:
    return Contract(**values)


def _is_machinery(file: str) -> bool:
    """Whether *file* lists the folders of the import path only to find modules or versions."""
    return file.startswith("<frozen importlib") or any(sign in file.replace(os.sep, "/") for sign in _MACHINERY)


class _Eye:
    """The interpreter's audit hook. It cannot be taken out again, so there is one, and it sleeps between steps."""

    def __init__(self) -> None:
        self._witness: Witness | None = None
        self._installed = False
        self._busy = threading.local()

    def open(self, witness: Witness) -> None:
        self._witness = witness
        if not self._installed:
            sys.addaudithook(self._hear)
            self._installed = True

    def close(self) -> None:
        self._witness = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        witness = self._witness
        if witness is None or event not in ("open", "os.listdir", "os.scandir") or getattr(self._busy, "now", False):
            return
        name = arguments[0]
        if not isinstance(name, str | bytes | os.PathLike):
            if not (name is None and event != "open"):
                return
            name = "."
        self._busy.now = True
        try:
            if event == "open":
                witness.opened(os.fsdecode(name), arguments[2] or 0, arguments[1])
            elif not _is_machinery(sys._getframe(1).f_code.co_filename):  # noqa: SLF001  # who asks is all that tells
                witness.looked_into(os.fsdecode(name))
        except (OSError, ValueError):
            return
        finally:
            self._busy.now = False


_eye = _Eye()
