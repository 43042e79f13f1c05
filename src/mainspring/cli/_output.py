"""What commands print: one JSON object on standard output for scripts, tables and sentences for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from mainspring.core.json import plain

if TYPE_CHECKING:
    from rich.console import Console


def emit_json(value: object) -> None:
    """Print *value* (dataclasses, times, paths, NumPy scalars …) as one JSON object. NaN becomes null."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=plain), indent=2).decode() + "\n")


def out() -> Console:
    """The console for results: standard output."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False)


def err() -> Console:
    """The console for progress, warnings and logs: standard error."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)
