"""One byte says how the rest is stored: zstd where that saves something, else as it is."""

from __future__ import annotations

import zstandard

LEVEL = 3
"""The zstd level: the default, some 300 MB/s on one core here."""
WORTH = 0.95
"""Below this ratio the compressed form is kept; Parquet pages and images are mostly above."""

LONGEST = 1 << 30
"""Nothing longer is ever compressed as one piece: chunks and small objects are far below, manifests too."""

VERBATIM = b"PAR1"
"""A Parquet file may lie in the store as it is, so that it can be scanned there: it says itself what it is."""

_RAW = b"r"
_ZSTD = b"z"


def compress(data: bytes | bytearray | memoryview) -> bytes:
    """The stored form of *data*. The same bytes and the same zstd give the same form."""
    # a compressor is not for several threads at once, and making one costs microseconds
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(data)
    if len(packed) < WORTH * len(data):
        return _ZSTD + packed
    return _RAW + bytes(data)


def decompress(stored: bytes) -> bytes:
    """The bytes from their stored form. Raises ValueError where it is not one."""
    if stored[:4] == VERBATIM:
        return stored
    kind, rest = stored[:1], memoryview(stored)[1:]
    if kind == _RAW:
        return bytes(rest)
    if kind != _ZSTD:
        raise ValueError("it does not begin as a stored object does")
    try:
        # a damaged header may claim any length, and the decompressor would ask for the memory
        if zstandard.frame_content_size(rest) > LONGEST:
            raise ValueError("it claims an impossible length")
        return zstandard.ZstdDecompressor().decompress(rest)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
