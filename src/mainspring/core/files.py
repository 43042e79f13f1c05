"""Writing a file so that nothing half written is ever visible, and what was written outlives a power cut."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write *data* to *path*: temporary name in the same folder, fsync, rename.

    An interrupted or failed write leaves the old file (or none) in place. Raises OSError as the system gives it.
    """
    import tempfile  # which takes a while to import, and few write files

    raw = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            sync_file(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_file(handle: int) -> None:
    """Wait until what was written to an open file is on the disk."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # fsync there leaves the bytes in the drive's memory
    else:
        os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the names in *folder* are on the disk."""
    if os.name == "nt":
        return  # Windows keeps a folder's names by itself and cannot open one
    handle = os.open(folder, os.O_RDONLY)
    try:
        sync_file(handle)
    finally:
        os.close(handle)
