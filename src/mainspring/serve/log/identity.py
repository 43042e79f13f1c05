"""Prediction ids: 26 characters that sort by time and never repeat, whatever the clock does."""

from __future__ import annotations

import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = 26
PATIENCE = 1_000
"""An id is made at the time it says, or at most so many milliseconds before."""

LARGEST_WHOLE = 2.0**53
"""From here on a float no longer tells one whole number from the next."""
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U, and in the order of their values
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_COUNTS = 1 << 20
_RANDOM_BITS = 60


class IdMaker:
    """Makes ids: 48 bits of milliseconds since 1970, 20 bits of a counter, 60 random bits of this maker.

    Each id is greater than the one before it. A clock that is set back by less than a second is waited for: the maker
    goes on from the latest time it has seen. One that is set back further is followed, with other random bits. Two
    makers, in one process or two, do not meet because of theirs; a forked child draws its own. Safe for threads.
    """

    def __init__(self, milliseconds: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        """Take the time from *milliseconds*."""
        self._milliseconds = milliseconds
        self._lock = threading.Lock()
        self._moment = -1
        self._prefix = ""
        self._count = 0
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def __call__(self) -> str:
        """A new id.

        >>> new = IdMaker()
        >>> first, second = new(), new()
        >>> len(first), first < second
        (26, True)
        """
        with self._lock:
            moment = self._milliseconds()
            if moment > self._moment:
                self._begin(moment)
            elif moment < self._moment - PATIENCE:
                self._own = _random()
                self._begin(moment)
            count = self._count
            self._count = count + 1
            if count == _COUNTS:
                self._begin(self._moment + 1)
                count, self._count = 0, 1
            return self._prefix + _PAIRS[count >> 10] + _PAIRS[count & 1023] + self._own

    def _begin(self, moment: int) -> None:
        self._moment = moment
        self._prefix = _text(moment, 10)
        self._count = 0

    def _renew(self) -> None:
        self._lock = threading.Lock()  # the parent's may be held by a thread that the child does not have
        self._own = _random()


def entity_text(entity: Any) -> str | None:
    """Whom a row or a label is about, as the log keeps it; None where it does not say.

    A whole number has one text: whoever has a gap in a column of ids sends 5.0 for 5. A text stays as it is.

    >>> entity_text(5), entity_text(5.0), entity_text("5.0")
    ('5', '5', '5.0')
    """
    if isinstance(entity, float):
        if entity != entity:
            return None
        if entity.is_integer() and abs(entity) < LARGEST_WHOLE:
            return str(int(entity))
    return None if entity is None else str(entity)


def key_of(entity: Any, identity: str) -> str:
    """By what it is chosen who answers: the entity, or the answer's *identity* where none is named."""
    named = entity_text(entity)
    return identity if named is None else named


def made_at(identity: str) -> int | None:
    """The milliseconds since 1970 at which *identity* was made; None where it is not an id of ours."""
    if len(identity) < LENGTH:
        return None
    value = 0
    for character in identity[:10]:
        place = _DIGITS.find(character)
        if place < 0:
            return None
        value = value << 5 | place
    return value


def _random() -> str:
    return _text(secrets.randbits(_RANDOM_BITS), 12)


def _text(value: int, length: int) -> str:
    return "".join(_DIGITS[value >> 5 * place & 31] for place in reversed(range(length)))


new_id = IdMaker()
"""Makes the ids of this process."""
