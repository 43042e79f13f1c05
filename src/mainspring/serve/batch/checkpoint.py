"""What of a batch is finished: a small file beside the parts, replaced as a whole after each of them.

A part counts when the checkpoint names it. It is written before that, under its final name, in one rename; so a reader
of ``part-*.parquet`` sees whole parts only, and a kill between the two costs that part's time and nothing else: what no
checkpoint names is swept away and scored again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import InputError, Refused, listed
from mainspring.core.files import sync_folder, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

NAME = "_batch.json"
LOCK = "_batch.lock"
FORMAT = 2
"""Until 2 the texts of a CSV were taken for what they looked like."""
_PART = re.compile(r"part-\d{5,}-\d{5,}\.parquet")
_UNFINISHED = re.compile(rf"\.(?:part-\d{{5,}}-\d{{5,}}\.parquet|{re.escape(NAME)})\..*\.tmp")


class Input(msgspec.Struct, frozen=True):
    """A file that is scored. ``rows`` is None as long as nobody has counted them."""

    name: str
    bytes: int
    digest: str
    rows: int | None = None


class Part(msgspec.Struct, frozen=True):
    """A finished part: its file, the rows it holds (of which input, from where on), and what became of them."""

    file: str
    input: int
    offset: int
    rows: int
    rejected: int
    flagged: int
    bytes: int
    digest: str
    versions: tuple[int, ...] = ()


class Checkpoint(msgspec.Struct, frozen=True):
    """A batch on its way. ``model`` is the scoring's identity, ``partition_rows`` how the rows are cut."""

    model: dict[str, Any]
    inputs: tuple[Input, ...]
    partition_rows: int
    parts: tuple[Part, ...] = ()
    finished: bool = False
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Replace the checkpoint in *folder*; it is on the disk when this returns."""
        write_atomic(folder / NAME, msgspec.json.format(msgspec.json.encode(self), indent=1))
        sync_folder(folder)


def load(folder: Path) -> Checkpoint | None:
    """The checkpoint in *folder*; None where nothing was begun. Raises InputError where it is damaged or newer."""
    try:
        raw = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = msgspec.json.decode(raw, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise InputError(f"{folder / NAME} is damaged ({error}). --force starts the batch anew.") from None
    if found.format > FORMAT:
        raise InputError(f"{folder / NAME} has format {found.format}, this version reads up to {FORMAT}.")
    return found


def prepare(folder: Path) -> None:
    """Make *folder* where it is missing. Raises Refused where it holds something that is not of a batch."""
    folder.mkdir(parents=True, exist_ok=True)
    strangers = sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in (NAME, LOCK) and not _PART.fullmatch(path.name) and not _UNFINISHED.fullmatch(path.name)
    )
    if strangers:
        raise Refused(
            f"{folder} holds {listed(strangers, limit=4)}, which is not of a batch; a reader of the folder would take "
            "it for answers. Name another folder, or an empty one."
        )


def begun(folder: Path) -> bool:
    """Whether *folder* holds a checkpoint or a part."""
    return any(path.name == NAME or _PART.fullmatch(path.name) for path in folder.iterdir())


def sweep(folder: Path, kept: set[str]) -> None:
    """Remove what is half written, and the parts that are not among *kept*."""
    for path in sorted(folder.iterdir()):
        if _UNFINISHED.fullmatch(path.name) or (_PART.fullmatch(path.name) and path.name not in kept):
            path.unlink(missing_ok=True)


def intact(folder: Path, part: Part) -> bool:
    """Whether *part* lies in *folder* as it was written."""
    path = folder / part.file
    try:
        return path.stat().st_size == part.bytes and digest_bytes(path.read_bytes()) == part.digest
    except OSError:
        return False
