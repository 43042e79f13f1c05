"""``--set name=value``: a text becomes a value of the type that the parameter declares."""

from __future__ import annotations

import inspect
import json
import types
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from mainspring.core.errors import InputError, quote
from mainspring.flow.annotation import UNKNOWN, spelled

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NONE = frozenset({"none", "null", ""})
_SCALARS_FIRST = (bool, int, float)


def assignment(text: str) -> tuple[str, str]:
    """Cut ``name=value``. Raises InputError where there is no name or no equals sign.

    >>> assignment("trials=30")
    ('trials', '30')
    """
    name, equals, value = text.partition("=")
    if not equals or not all(part.isidentifier() for part in name.strip().split(".")):
        raise InputError(f"--set expects name=value (or step.name=value), got {quote(text)}.")
    return name.strip(), value


def converted(text: str, annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    """The value that *text* means for a parameter with this annotation and default.

    With no annotation the default's type decides; with neither, JSON is tried and anything else is text. Raises
    ValueError with what was expected.

    >>> converted("30", int), converted("none", int | None), converted("1,2", list[int]), converted("x", UNKNOWN)
    (30, None, [1, 2], 'x')
    """
    if annotation is UNKNOWN and default is not inspect.Parameter.empty and default is not None:
        annotation = type(default)
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType}:
        return _one_of(text, get_args(annotation))
    if origin is Literal:
        return _literal(text, get_args(annotation))
    wanted = origin or annotation
    if not isinstance(wanted, type):
        return _free(text)
    if issubclass(wanted, Enum):
        return _literal(text, tuple(wanted), key=lambda member: (member.name, str(member.value)))
    if issubclass(wanted, list | tuple | set | frozenset):
        return wanted(_items(text, get_args(annotation)))
    if issubclass(wanted, dict):
        return _object(text)
    return _scalar(text, wanted)


def _scalar(text: str, wanted: type) -> Any:
    if wanted is bool:
        folded = text.strip().casefold()
        if folded not in _TRUE | _FALSE:
            raise ValueError("true or false")
        return folded in _TRUE
    if wanted is type(None):
        if text.strip().casefold() not in _NONE:
            raise ValueError("none")
        return None
    if wanted in (int, float):
        try:
            return wanted(text.strip())
        except ValueError:
            raise ValueError("a whole number" if wanted is int else "a number") from None
    if wanted is str:
        return text
    if issubclass(wanted, Path):
        return Path(text)
    return _free(text)


def _one_of(text: str, members: tuple[Any, ...]) -> Any:
    if type(None) in members and text.strip().casefold() in _NONE:
        return None
    # 30 for `str | int` means the number: the narrower reading wins
    ordered = sorted(members, key=lambda m: _SCALARS_FIRST.index(m) if m in _SCALARS_FIRST else (9 if m is str else 5))
    for member in ordered:
        if member is bool and text.strip() in {"0", "1"}:
            continue
        try:
            return converted(text, member)
        except ValueError:
            continue
    raise ValueError(" or ".join(spelled(member) for member in members))


def _literal(text: str, choices: tuple[Any, ...], key: Any = lambda choice: (str(choice),)) -> Any:
    for choice in choices:
        if text in key(choice):
            return choice
    raise ValueError("one of " + ", ".join(key(choice)[0] for choice in choices))


def _items(text: str, arguments: tuple[Any, ...]) -> list[Any]:
    if text.lstrip().startswith("["):
        found = _free(text)
        if not isinstance(found, list):
            raise ValueError("a list such as 1,2,3 or [1, 2, 3]")
        return found
    types_ = [argument for argument in arguments if argument is not Ellipsis]
    kind = types_[0] if len(types_) == 1 else UNKNOWN
    return [converted(part.strip(), kind) for part in text.split(",") if part.strip()]


def _object(text: str) -> Any:
    found = _free(text)
    if not isinstance(found, dict):
        raise ValueError('an object such as {"a": 1}')  # noqa: TRY004  # the text is wrong, not a type
    return found


def _free(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
