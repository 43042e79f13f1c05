"""How many threads a fit may use, and how they wait for each other."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL_CELLS = 4_000_000
"""A matrix of fewer cells is fitted on one thread: that takes seconds at most, and no waiting for other threads."""


def available() -> int:
    """The cores this process may run on, or fewer where OMP_NUM_THREADS (the field's own switch) says so."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, min(here, int(asked))) if asked.isdigit() else here


def suited(cells: int) -> int:
    """The threads for one fit on a matrix of so many *cells*."""
    return 1 if cells < SMALL_CELLS else available()


@contextmanager
def limited(threads: int, *, kind: str | None = None) -> Iterator[None]:
    """Hold the libraries that take no thread count (of *kind* openmp or blas; None: both) to so many *threads*."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads, user_api=kind):
        yield


def be_patient() -> None:
    """Let OpenMP threads sleep while they wait, unless the user has said otherwise.

    They spin by default. On a machine whose cores are wanted by others too, a fit of 0.4 s was seen to take 60 s. The
    setting is read when a library that uses OpenMP is loaded, so this is called before.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
