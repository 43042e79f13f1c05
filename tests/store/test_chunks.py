from __future__ import annotations

import random
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from mainspring.store.chunks import LARGEST, SMALLEST, cut

GOLDEN = [
    93418, 38722, 111818, 76821, 28281, 69260, 84476, 45203, 93094, 76075, 80170, 51501, 95240, 108884, 98896, 85986,
    121096, 103231, 71581, 59107, 88274, 152564, 73820, 78766, 13716,
]  # fmt: skip


def noise(size: int, seed: int = 20260301) -> bytes:
    return random.Random(seed).randbytes(size)


def test_the_cut_points_are_part_of_the_format() -> None:
    """With others, nothing that is stored already would be found again. If this fails, pin the older pyfastcdc."""
    assert [len(chunk) for chunk in cut(noise(2_000_000))] == GOLDEN


@given(st.integers(0, 3_000_000), st.integers(0, 2**32))
def test_chunks_are_the_bytes_in_order(size: int, seed: int) -> None:
    data = noise(size, seed)
    chunks = list(cut(data))
    assert b"".join(chunks) == data
    assert all(SMALLEST <= len(chunk) <= LARGEST for chunk in chunks[:-1])


def test_an_insertion_moves_only_the_cuts_around_it() -> None:
    data = noise(4_000_000)
    before = {bytes(chunk) for chunk in cut(data)}
    after = [bytes(chunk) for chunk in cut(data[:1_500_000] + b"a few new bytes" + data[1_500_000:])]
    assert sum(chunk not in before for chunk in after) <= 2


WITHOUT_NATIVE = """
import sys
sys.modules["pyfastcdc.cy"] = None  # as where the compiled part cannot be loaded
from mainspring.core.errors import StoreError
from mainspring.store.chunks import cut
try:
    list(cut(b"x" * 1000))
except StoreError as error:
    print(error)
"""


def test_the_slow_fallback_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_NATIVE], capture_output=True, text=True, check=True
    )
    assert "its Python fallback is too slow to use" in done.stdout
    assert "pip install" in done.stdout
