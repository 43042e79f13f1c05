"""One tree of errors, written for the reader.

    MainspringError
    ├── InputError        the user's file, table, column, flag or value is not usable
    ├── ContractError     mainspring.toml is not usable (names file and line)
    ├── PipelineError     pipeline.py is not usable, or one of its steps failed
    ├── NotFound          no run, model, version, artifact, step … of this name (also a LookupError)
    ├── Refused           the rules forbid it: a failed must, a locked project, an existing file
    ├── StoreError        bytes cannot be written or read back as they were written
    └── LedgerError       facts cannot be written or read

A message says what was expected, what came, the nearest match and the next step. The constructor stays plain
(one string), so every error survives pickling between processes; build texts in class methods.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

LISTED_NAMES = 8
"""At most so many names are printed in one message."""
QUOTED_CHARACTERS = 80
"""A value from outside is cut to this length before it is printed."""


class MainspringError(Exception):
    """A mistake the user can mend. The command line prints its text, never its traceback."""

    exit_code = 2


class InputError(MainspringError, ValueError):
    """The user's file, table, column, flag or value is not usable."""


class ContractError(MainspringError, ValueError):
    """The contract is not usable. The text names the file and the line."""


class PipelineError(MainspringError):
    """pipeline.py is not usable, or one of its steps failed."""


class NotFound(MainspringError, LookupError):
    """Nothing of this kind has this name."""

    @classmethod
    def among(cls, kind: str, name: str, known: Collection[str], *, hint: str = "") -> Self:
        """Say that no *kind* is called *name*, with the nearest of the *known* names and the next step."""
        return cls(f"No {kind} named {quote(name)}. {suggestion(name, known, kind=kind)}{' ' + hint if hint else ''}")


class Refused(MainspringError):
    """The rules forbid this operation; the text says which rule and what would lift it."""


class StoreError(MainspringError, OSError):
    """Bytes cannot be written, or cannot be read back as they were written."""


class LedgerError(MainspringError):
    """Facts cannot be written or read."""


def quote(value: object) -> str:
    """The value's repr, cut to a length fit for one line.

    >>> quote("a" * 200)[-2:]
    "…'"
    """
    text = str(value)
    cut = text if len(text) <= QUOTED_CHARACTERS else text[: QUOTED_CHARACTERS - 1] + "…"
    return repr(cut) if isinstance(value, str) else cut


def listed(names: Iterable[str], *, limit: int = LISTED_NAMES) -> str:
    """The names in one phrase, at most *limit* of them.

    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    every = list(names)
    shown = ", ".join(every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"


def nearest(name: str, known: Iterable[str], *, n: int = 3) -> list[str]:
    """The known names most like *name*, best first; case does not count.

    >>> nearest("Tarjet", ["target", "age"])
    ['target']
    """
    by_fold = {candidate.casefold(): candidate for candidate in known}
    return [by_fold[match] for match in get_close_matches(name.casefold(), by_fold, n=n, cutoff=0.6)]


def suggestion(name: str, known: Collection[str], *, kind: str = "name") -> str:
    """A sentence with the nearest known names, or all of them, or that there are none.

    >>> suggestion("agee", ["age", "sex"], kind="column")
    'Did you mean age?'
    """
    if not known:
        return f"There is no {kind} yet."
    near = nearest(name, known)
    return f"Did you mean {' or '.join(near)}?" if near else f"Known: {listed(known)}."
