"""Content digests: BLAKE3, 256 bits, written as 64 lower-case hexadecimal digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from pathlib import Path

SHORT = 12
"""So many digits are shown to people."""


def digest_bytes(data: bytes | bytearray | memoryview) -> str:
    """The digest of *data*.

    >>> digest_bytes(b"")[:12]
    'af1349b9f5f9'
    """
    return str(blake3(data).hexdigest())


def digest_text(text: str) -> str:
    """The digest of *text* in UTF-8."""
    return digest_bytes(text.encode())


def digest_file(path: Path) -> str:
    """The digest of the file's bytes, read through a memory map on several threads."""
    if path.stat().st_size == 0:
        return digest_bytes(b"")
    return str(blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest())
