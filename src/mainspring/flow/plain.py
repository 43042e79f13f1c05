"""Plain values (numbers, texts, dates, containers of such) as one canonical text that tells any two of them apart."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_VALUES = 20_000
"""A container with more values than this is not spelled out; whoever asks uses its source instead."""

_BY_REPR = (type(None), bool, int, float, complex, str, bytes, range, Decimal, Fraction, UUID, type(Ellipsis))
_BY_REPR_DATES = (dt.datetime, dt.date, dt.time, dt.timedelta)


class NotPlain(TypeError):
    """The value, or something in it, is more than plain data."""


def canonical(value: Any) -> str:
    """One text for one value: equal texts mean equal values of equal types. Sets are sorted, dicts keep their order.

    Raises NotPlain for anything else, and for more than MOST_VALUES values.

    >>> canonical({"b": (1, 1.0, True), "a": {"y", "x"}})
    "{'b': (1, 1.0, True), 'a': {'x', 'y'}}"
    """
    budget = [MOST_VALUES]
    return _spell(value, budget)


def texts_in(value: Any) -> Iterator[str]:
    """Every text and path inside a plain value.

    >>> list(texts_in({"files": ["a.csv", 3]}))
    ['files', 'a.csv']
    """
    if isinstance(value, str | PurePath):
        yield str(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(key)
            yield from texts_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts_in(item)


def _spell(value: Any, budget: list[int]) -> str:
    budget[0] -= 1
    if budget[0] < 0:
        raise NotPlain(f"more than {MOST_VALUES} values")
    kind = type(value)
    if kind in _BY_REPR or kind in _BY_REPR_DATES:
        return repr(value)
    if kind is list:
        return f"[{', '.join(_spell(item, budget) for item in value)}]"
    if kind is tuple:
        return f"({''.join(_spell(item, budget) + ', ' for item in value).removesuffix(', ')})"
    if kind is dict:
        return f"{{{', '.join(f'{_spell(k, budget)}: {_spell(v, budget)}' for k, v in value.items())}}}"
    if kind in (set, frozenset):
        return f"{'' if kind is set else 'frozenset'}{{{', '.join(sorted(_spell(item, budget) for item in value))}}}"
    if isinstance(value, Enum):
        return f"{kind.__qualname__}.{value.name}={_spell(value.value, budget)}"
    if isinstance(value, PurePath):
        return f"Path({str(value)!r})"
    if kind is re.Pattern:
        return f"re({value.pattern!r}, {value.flags})"
    if kind is slice:
        return f"slice({_spell((value.start, value.stop, value.step), budget)})"
    raise NotPlain(kind.__name__)
