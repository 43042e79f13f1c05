"""What commands print: one JSON object on standard output for scripts, tables and sentences for people."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from mainspring.core.json import plain

if TYPE_CHECKING:
    from rich.console import Console


# what a terminal obeys (C0, DEL, C1), what turns the direction of a line, and half characters; not tab and new line
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""*text* in which characters that a terminal would obey are shown, as in Python; lines and tabs stay.

    >>> print(visible("evil\x1b]0;PWNED\x07"))
    evil\x1b]0;PWNED\x07
    """
    return _UNSEEN.sub(lambda found: _shown(found[0]), text)


def one_line(text: str) -> str:
    r"""The same in one line, for the cells of a table.

    >>> print(one_line("red\nline2"))
    red\nline2
    """
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def emit_json(value: object) -> None:
    """Print *value* (dataclasses, times, paths, NumPy scalars …) as one JSON object. NaN becomes null."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=plain), indent=2).decode()
    # the encoder leaves DEL and C1 as they are; outside of strings there are none
    sys.stdout.write(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def out() -> Console:
    """The console for results: standard output."""
    from mainspring.cli._console import PlainConsole

    return PlainConsole()


def err() -> Console:
    """The console for progress, warnings and logs: standard error."""
    from mainspring.cli._console import PlainConsole

    return PlainConsole(stderr=True)


def _shown(character: str) -> str:
    code = ord(character)
    return "\\r" if character == "\r" else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
