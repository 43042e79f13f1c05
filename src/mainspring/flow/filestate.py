"""What is in files and folders, as digests. A file whose size, times and place are as remembered is not read again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.core.digest import digest_file, digest_text

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT = "absent"
"""Stands for the content of what is not there."""

_RACE_NS = 100_000_000
"""A file changed within so many nanoseconds of being read may change again without its times showing it."""
_SKIPPED = frozenset({"__pycache__"})


class FileStates:
    """Digests of files and folders, remembered between runs in one small file."""

    def __init__(self, memory: Path | None = None) -> None:
        """Remember in the file *memory*; None: only as long as this object lives."""
        self._memory = memory
        self._known: dict[str, tuple[list[int], str]] | None = None
        self._changed = False

    def file(self, path: Path) -> str:
        """The digest of the file's bytes, or ABSENT."""
        try:
            stat = path.stat()
        except (OSError, ValueError):
            return ABSENT
        signature = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        name = str(path)
        remembered = self._load().get(name)
        if remembered is not None and remembered[0] == signature:
            return remembered[1]
        try:
            digest = digest_file(path)
        except OSError:
            return ABSENT
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _RACE_NS:
            self._load()[name] = (signature, digest)
            self._changed = True
        return digest

    def folder(self, path: Path) -> str:
        """The digest of every file below the folder with its name, hidden ones left out; or ABSENT."""
        if not path.is_dir():
            return ABSENT
        lines = [f"{file.relative_to(path).as_posix()}\t{self.file(file)}" for file in _files_below(path)]
        return digest_text("\n".join(lines))

    def names(self, path: Path) -> str:
        """The digest of the names in the folder, hidden ones left out; or ABSENT."""
        try:
            found = sorted(name for name in os.listdir(path) if not _is_skipped(name))  # noqa: PTH208  # names only
        except OSError:
            return ABSENT
        return digest_text("\n".join(found))

    def save(self) -> None:
        """Write what was learnt. Losing it costs time only, so it is not forced to the disk."""
        if self._memory is None or not self._changed or self._known is None:
            return
        temporary = self._memory.with_name(f".{self._memory.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(msgspec.json.encode(self._known))
            temporary.replace(self._memory)
        except OSError:
            temporary.unlink(missing_ok=True)
        self._changed = False

    def _load(self) -> dict[str, tuple[list[int], str]]:
        if self._known is None:
            try:
                raw = self._memory.read_bytes() if self._memory else b"{}"
                self._known = msgspec.json.decode(raw, type=dict[str, tuple[list[int], str]])
            except (OSError, msgspec.MsgspecError):
                self._known = {}
        return self._known


def signature_of(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file or folder; None where there is none."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return stat.st_size, stat.st_mtime_ns


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_skipped(name))
        yield from (Path(place, name) for name in sorted(files) if not _is_skipped(name))


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED
