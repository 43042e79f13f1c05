"""Cutting bytes where their content says so, so that a change moves only the cuts around it.

FastCDC as in Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems"
(IEEE TPDS 2020). The parameters are part of the store's format: with others nothing old would deduplicate.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

AVERAGE = 64 * 1024
SMALLEST = 16 * 1024
LARGEST = 256 * 1024
"""Chunk sizes in bytes."""


def cut(data: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    """The chunks of *data*, in order and without gaps. Raises StoreError without the native cutter."""
    view = memoryview(data)
    chunker = _native()(AVERAGE, min_size=SMALLEST, max_size=LARGEST, normalized_chunking=1, seed=0)
    for chunk in chunker.cut_buf(view):
        yield view[chunk.offset : chunk.offset + chunk.length]


@cache
def _native() -> Any:
    """The compiled FastCDC. Its pure-Python fallback is some 10,000 times slower, so it is refused."""
    try:
        from pyfastcdc.cy import FastCDC
    except ImportError as error:
        raise StoreError(
            f"The compiled part of pyfastcdc cannot be loaded ({error}), and its Python fallback is too slow to use. "
            "Install a wheel for this platform: pip install --force-reinstall --only-binary=:all: pyfastcdc"
        ) from error
    return FastCDC
