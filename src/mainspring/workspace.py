"""A workspace: where facts (ledger) and bytes (store) live. Rule: the only place that chooses implementations."""

from __future__ import annotations

import getpass
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from mainspring.core.clock import SystemClock
from mainspring.core.errors import InputError, LedgerError, StoreError
from mainspring.core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.core.clock import Clock
    from mainspring.ledger import Ledger
    from mainspring.store import Store

FOLDER = ".mainspring"
"""The default workspace, in the folder of the project."""
FORMAT = 1
"""The layout of the folder. The tables inside the ledger have a version of their own."""
ACTOR_VARIABLE = "MAINSPRING_ACTOR"

_MARK_FILE, _STORE, _LEDGER = "workspace.json", "store", "ledger.db"


class _Mark(msgspec.Struct, frozen=True):
    """What the file says that makes a folder a workspace."""

    format: int


class Workspace:
    """An open workspace.

    Safe for several threads; several processes may open the same one. Not to be used after a fork.
    """

    def __init__(self, *, root: Path, ledger: Ledger, store: Store, actor: str, clock: Clock) -> None:
        """Made by `open`."""
        self.root = root
        self.ledger = ledger
        self.store = store
        self.actor = actor
        self.clock = clock

    @classmethod
    def open(
        cls,
        url_or_path: str | Path | None = None,
        *,
        create: bool = True,
        actor: str | None = None,
        clock: Clock | None = None,
    ) -> Workspace:
        """Open the workspace in a folder; None means ``.mainspring`` in the current one.

        It is made where there is none and *create* is set. A workspace whose store or ledger has gone is never made
        whole: what was written into a new one would hide, or be hidden by, the old one when its disk is mounted again.

        *actor* is who stands in the history: by default ``$MAINSPRING_ACTOR``, else Git's user name, else the system's.
        Raises StoreError where the folder cannot be made, read or written, holds a workspace of a newer Mainspring, or
        one without its store; LedgerError for one without its ledger.
        """
        root = _folder(url_or_path)
        is_new = not _is_marked(root, create=create)
        if not is_new:
            _require_whole(root)
        from mainspring.ledger import open_ledger
        from mainspring.store import open_store

        time = clock or SystemClock()
        who = actor or default_actor()
        store = open_store(root / _STORE, create=is_new)
        ledger = open_ledger(root / _LEDGER, clock=time, actor=who, create=is_new)
        try:
            if is_new:
                _mark(root)  # last: a kill before it leaves a folder that is made a workspace the next time
            elif not any((root / _STORE).iterdir()) and ledger.artifacts.live():
                found = f"The store at {root / _STORE} is empty, though the ledger knows of objects in it"
                raise StoreError(_gone(root, found))
        except BaseException:
            ledger.close()
            raise
        return cls(root=root, ledger=ledger, store=store, actor=who, clock=time)

    def close(self) -> None:
        """Let go of the files. What was acknowledged stays."""
        self.ledger.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """The class and the folder."""
        return f"Workspace({str(self.root)!r})"


def default_actor() -> str:
    """Who acts: ``$MAINSPRING_ACTOR``, else Git's user name, else the system's user."""
    named = os.environ.get(ACTOR_VARIABLE) or _git_user()
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run under a user that has no name


def _git_user() -> str:
    try:
        found = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def _folder(url: str | Path | None) -> Path:
    if url is None:
        return Path.cwd() / FOLDER
    text = str(url)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    if "://" in text:
        raise InputError(f"Expected a workspace in a folder, got {text!r}. Remote workspaces are not there yet.")
    path = Path(url).absolute()
    # whoever names the project's folder means the workspace inside it
    return path / FOLDER if (path / "mainspring.toml").is_file() else path


def _is_marked(root: Path, *, create: bool) -> bool:
    """Whether *root* is a workspace, of a format this code knows; if not, the folder is there, empty or begun."""
    mark = root / _MARK_FILE
    if mark.is_file():
        _check(mark)
        return True
    if not create:
        raise StoreError(f"There is no workspace in {root}. `mainspring run` in a project makes one.")
    if root.is_file():
        raise StoreError(f"Expected a folder for the workspace, but {root} is a file.")
    with _making(root):
        root.mkdir(parents=True, exist_ok=True)
    return False


def _mark(root: Path) -> None:
    """Say that *root* is a workspace."""
    with _making(root):
        write_atomic(root / _MARK_FILE, msgspec.json.encode(_Mark(FORMAT)) + b"\n")


@contextmanager
def _making(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"Cannot make a workspace in {root}: {error.strerror}. Choose a folder that can be "
            "written, with space left."
        ) from error


def _require_whole(root: Path) -> None:
    """Raise StoreError or LedgerError where a part of the workspace in *root* has gone."""
    if not (root / _STORE).is_dir():
        raise StoreError(_gone(root, f"There is no store at {root / _STORE}"))
    if not (root / _LEDGER).is_file():
        raise LedgerError(_gone(root, f"There is no ledger at {root / _LEDGER}"))


def _gone(root: Path, what: str) -> str:
    return (
        f"{what}: a part of the workspace has gone. Is its disk mounted? Put it back; or begin anew, without what was "
        f"in it, by removing {root}."
    )


def _check(mark: Path) -> None:
    try:
        found = msgspec.json.decode(mark.read_bytes(), type=_Mark)
    except msgspec.MsgspecError as error:
        raise StoreError(f'{mark} is damaged ({error}); it should read {{"format": {FORMAT}}}.') from None
    if found.format > FORMAT:
        raise StoreError(
            f"The workspace {mark.parent} was written by a newer Mainspring (format {found.format}, "
            f"this one knows {FORMAT}). "
            "Upgrade with `pip install --upgrade mainspring`, or use another workspace."
        )
    if found.format < 1:
        raise StoreError(f"The workspace {mark.parent} has the unknown format {found.format}; formats begin at 1.")
