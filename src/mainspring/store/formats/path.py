"""A Path means the content of the file or folder there. It comes back as a path of a read-only copy."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mainspring.core.digest import digest_text
from mainspring.core.errors import PipelineError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = "file/"
_FOLDER = "folder/"


class PathFormat:
    """A file, or a folder with everything in it. Links are followed; an empty folder inside a folder is not kept."""

    def dump(self, value: Any) -> Mapping[str, Path]:
        """Each file is a part: ``file/name`` or ``folder/name/relative path``.

        Raises PipelineError for a missing path.
        """
        path = Path(value)
        name = path.name or path.resolve().name
        if path.is_file():
            return {_FILE + name: path}
        if not path.is_dir():
            raise PipelineError(f"A step returned the path {str(path)!r}, but there is no file or folder.")
        files = sorted(inner for inner in path.rglob("*") if inner.is_file())
        parts = {f"{_FOLDER}{name}/{inner.relative_to(path).as_posix()}": inner for inner in files}
        if not parts:
            raise PipelineError(f"A step returned the folder {str(path)!r}, but it is empty.")
        return parts

    def load(self, parts: Mapping[str, bytes]) -> Path:
        """The path of a read-only copy in the temporary folder of this machine; made once for each content."""
        names = sorted(parts)
        first = PurePosixPath(names[0])
        if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in names):
            raise StoreError("A stored folder names a place outside itself; it is not unpacked.")
        stored = getattr(parts, "stored", None)
        key = stored.digest if stored is not None else digest_text("\n".join(names))
        return _checkout(parts, names, key=key) / first.parts[1]

    def describe(self, value: Any) -> dict[str, Any]:
        """The name, and how many files."""
        path = Path(value)
        count = 1 if path.is_file() else sum(1 for inner in path.rglob("*") if inner.is_file())
        return {"name": path.name or path.resolve().name, "files": count}


def _checkout(parts: Mapping[str, bytes], names: list[str], *, key: str) -> Path:
    base = Path(tempfile.gettempdir()) / f"mainspring-files-{os.getuid() if hasattr(os, 'getuid') else 0}"
    base.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and base.stat().st_uid != os.getuid():
        raise StoreError(f"The folder {base} belongs to someone else; remove it or set TMPDIR.")
    fresh = Path(tempfile.mkdtemp(dir=base, prefix=f"{key[:16]}-"))
    for name in names:
        target = fresh / PurePosixPath(name).relative_to(PurePosixPath(name).parts[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(parts[name])
        target.chmod(0o444)
    final = base / key
    try:
        fresh.replace(final)
    except OSError:
        # an earlier copy is there; someone may have changed it, so it is made way for
        shutil.rmtree(final, ignore_errors=True)
        fresh.replace(final)
    return final


PATH = PathFormat()
