"""Names of runs, made where the run is opened, so that nobody has to ask a server for one."""

from __future__ import annotations

import os


def new_id() -> str:
    """A new identifier: 32 hexadecimal digits, of which twelve are enough for people.

    >>> len(new_id())
    32
    """
    return os.urandom(16).hex()
