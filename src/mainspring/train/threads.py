"""How many threads a fit may use."""

from __future__ import annotations

import os


def threads() -> int:
    """The cores this process may run on, or fewer where OMP_NUM_THREADS (the field's own switch) says so."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return min(here, int(asked)) if asked.isdigit() and int(asked) else here
