"""Work for the scoring thread: bounded in number and time, and what is given up is never begun."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mainspring.serve.problem import Problem
from mainspring.serve.works import Works


def test_what_is_given_up_is_never_begun_and_what_is_being_done_counts_until_it_ends() -> None:
    async def run() -> None:
        free, begun = threading.Event(), []
        with ThreadPoolExecutor(1) as pool:
            works = Works(pool, most=2, timeout=0.1)

            def hang() -> None:
                assert free.wait(20)

            class Load:
                """Something large that waits."""

            load = Load()
            gone = weakref.ref(load)
            first = asyncio.create_task(works.do(hang))
            await asyncio.sleep(0)
            second = asyncio.create_task(works.do(lambda load=load: begun.append(load)))  # type: ignore[misc]
            await asyncio.sleep(0)
            del load
            with pytest.raises(Problem, match="Too much"):
                await works.do(hang)
            for each in (first, second):
                with pytest.raises(Problem, match=r"longer than 0\.1 seconds") as caught:
                    await each
                assert caught.value.status == 504
            await asyncio.sleep(0)
            assert works.waiting == 1, "the thread is at work still"
            del first, second, each, caught
            gc.collect()
            assert gone() is None
            free.set()
            assert await works.do(lambda: 3) == 3
            await asyncio.sleep(0.01)
            assert (works.waiting, begun) == (0, [])

    asyncio.run(run())


def test_what_fails_is_told_and_counts_no_more() -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            works = Works(pool, most=1, timeout=5)

            def fail() -> Any:
                raise ValueError("so")

            for _ in range(3):
                with pytest.raises(ValueError, match="so"):
                    await works.do(fail)
                await asyncio.sleep(0.01)
            assert works.waiting == 0

    asyncio.run(run())


class _Large:
    """Stands for the rows of a large request."""


def test_what_a_refused_request_has_read_is_let_go_of_at_once() -> None:
    seen: list[weakref.ref[_Large]] = []

    def read() -> None:
        rows = _Large()
        seen.append(weakref.ref(rows))
        raise Problem(413, "too many")

    async def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            works = Works(pool, most=1, timeout=10)
            for _ in range(3):
                with contextlib.suppress(Problem):
                    await works.do(read)
                await asyncio.sleep(0.05)  # the thread takes its hands off it

    gc.disable()
    try:
        asyncio.run(ask())
        assert [ref() for ref in seen] == [None] * 3
    finally:
        gc.enable()
