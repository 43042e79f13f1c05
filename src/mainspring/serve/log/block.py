"""Memory in which the hot path gathers records, laid out as the disk will have them.

It is used again and again: fresh memory costs the endpoint more than the bytes that it copies there.
"""

from __future__ import annotations

import mmap
import sys

from mainspring.serve.log import spool

SIZE = 4 * 1024 * 1024
"""Bytes of records in a block."""


class Block:
    """Records one behind the other, with room for what makes them a frame of whole pages. Not safe for threads."""

    def __init__(self, size: int) -> None:
        """Have room for *size* bytes of records."""
        pages = -(-(spool.FRONT + size) // spool.PAGE) + 2
        private = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
        self._memory = memoryview(mmap.mmap(-1, pages * spool.PAGE, **private))
        self.room = size
        self._most = spool.FRONT + size
        self._end = spool.FRONT
        self._records = 0
        self.rows = 0

    @property
    def size(self) -> int:
        """The bytes of its records."""
        return self._end - spool.FRONT

    def add(self, data: bytes, records: int, rows: int) -> bool:
        """Take so many *records* of so many *rows*, or say that there is no room for them."""
        start, end = self._end, self._end + len(data)
        if end > self._most:
            return False
        self._memory[start:end] = data
        self._end = end
        self._records += records
        self.rows += rows
        return True

    def frame(self) -> memoryview:
        """All records as one frame of a spool."""
        spool.seal(self._memory, self._end, self._records)
        return self._memory[: self._end]

    def pages(self) -> memoryview:
        """As `frame`, and behind it a frame of nothing that ends with a page. The memory begins with one."""
        padding = spool.padding(len(self.frame()))
        end = self._end + len(padding)
        self._memory[self._end : end] = padding
        return self._memory[:end]

    def clear(self) -> None:
        """Forget the records."""
        self._end, self._records, self.rows = spool.FRONT, 0, 0
