from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.store.compression import compress, decompress


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_round_trip(data: bytes, times: int) -> None:
    assert decompress(compress(data * times)) == data * times


def test_what_does_not_shrink_is_kept_as_it_is() -> None:
    noise = random.Random(1).randbytes(10_000)
    assert len(compress(noise)) == len(noise) + 1
    assert len(compress(b"a" * 10_000)) < 100


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"x123",
        b"z",
        b"zgarbage",
        compress(b"a" * 1000)[:-3],
        # a header that claims an exabyte must not be believed
        b"z\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00",
    ],
)
def test_damage_is_an_error_and_never_a_crash(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decompress(damaged)
