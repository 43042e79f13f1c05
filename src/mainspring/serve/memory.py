"""What an endpoint's processes keep of the memory that starting and loading took."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def settle() -> None:
    """Let what was made until now stay: the collector of cycles need not look at it again."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


def give_back() -> None:
    """Give the system what was freed. glibc keeps it else: after a forest was loaded, more than the forest takes."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library, which does so by itself
            ctypes.CDLL(None).malloc_trim(0)
