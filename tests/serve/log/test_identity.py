"""Ids never repeat and keep their order, also when the clock is set back, in forks and in threads."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.serve.log import identity
from mainspring.serve.log.identity import LENGTH, PATIENCE, IdMaker, made_at


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=50))
def test_each_is_greater_than_the_one_before_though_the_clock_trembles(steps: list[int]) -> None:
    moments = [50_000_000 + step for step in steps]
    left = iter(moments)
    new = IdMaker(lambda: next(left))
    made = [new() for _ in moments]
    assert all(first < second for first, second in pairwise(made))
    assert {len(each) for each in made} == {LENGTH}


@given(st.lists(st.integers(0, 2**48 - 10), min_size=1, max_size=50))
def test_none_repeats_and_each_says_its_time_whatever_the_clock_does(moments: list[int]) -> None:
    left = iter(moments * 2)
    new = IdMaker(lambda: next(left))
    made = [new() for _ in moments * 2]
    assert len(set(made)) == len(made)
    assert all(0 <= (made_at(each) or 0) - moment <= PATIENCE for each, moment in zip(made, moments * 2, strict=True))


def test_a_clock_that_stands_still_does_not_run_out_of_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_COUNTS", 4)
    new = IdMaker(lambda: 1_000)
    made = [new() for _ in range(10)]
    assert len(set(made)) == 10
    assert made == sorted(made)
    assert made_at(made[-1]) == 1_002


def test_threads_get_different_ids() -> None:
    new = IdMaker()
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: [new() for _ in range(2_000)], range(8)))
    assert len({each for made in lists for each in made}) == 16_000


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_makes_ids_of_its_own() -> None:
    new = IdMaker(lambda: 5)
    new()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    ours = new()
    os.close(reading)
    os.close(writing)
    assert theirs[:14] == ours[:14]
    assert theirs != ours


def test_what_is_no_id_has_no_time() -> None:
    assert made_at("order-7") is None
    assert made_at("u" * 26) is None
