"""What the annotations of two steps say about each other. Only what is surely wrong is called wrong."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

if typing.TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN: Final = Any
"""An annotation that is missing or cannot be resolved (for instance a name imported for type checkers only)."""

_CONTAINERS_OF_ONE = (list, set, frozenset)


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The resolved annotations by parameter name, and ``return``; what cannot be resolved is UNKNOWN."""
    import inspect

    plain = inspect.unwrap(function)
    names = getattr(plain, "__globals__", {})
    return {name: _resolved(value, names) for name, value in getattr(plain, "__annotations__", {}).items()}


def fits(produced: Any, consumed: Any) -> bool:
    """Whether a value annotated *produced* may be handed to a parameter annotated *consumed*.

    Anything unknown fits, and so does a wider type (the value may be of the narrower one).

    >>> fits(int, float), fits(list[int], list[str]), fits(str, int | None), fits(Any, int)
    (True, False, False, True)
    """
    produced, consumed = _plain(produced), _plain(consumed)
    if produced is consumed or _says_nothing(produced) or _says_nothing(consumed):
        return True
    for one, other in ((produced, consumed), (consumed, produced)):
        if get_origin(one) in {Union, types.UnionType}:
            members = get_args(one)
            return any(fits(m, other) if one is produced else fits(other, m) for m in members)
    if get_origin(produced) is Literal and get_origin(consumed) is Literal:
        return bool(set(get_args(produced)) & set(get_args(consumed)))
    if get_origin(produced) is Literal:
        return any(fits(type(value), consumed) for value in get_args(produced))
    if get_origin(consumed) is Literal:
        return any(fits(produced, type(value)) for value in get_args(consumed))
    return _classes_fit(produced, consumed)


def item_of(annotation: Any) -> Any:
    """The type of one item of a sequence annotation, UNKNOWN where it does not say.

    >>> item_of(list[int]), item_of(tuple[str, ...]), item_of(int)
    (<class 'int'>, <class 'str'>, typing.Any)
    """
    arguments = get_args(_plain(annotation))
    same = [argument for argument in arguments if argument is not Ellipsis]
    return same[0] if len(same) == 1 else UNKNOWN


def spelled(annotation: Any) -> str:
    """The annotation as one would write it.

    >>> spelled(int | None), spelled(list[str]), spelled(bytes)
    ('int | None', 'list[str]', 'bytes')
    """
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    if annotation is None:
        return type(None)
    if not isinstance(annotation, str):
        return annotation
    try:
        found = eval(annotation, names)  # noqa: S307  # the project's own annotation, as typing.get_type_hints does
    except Exception:  # whatever it raises, it says nothing we could hold against anyone
        return UNKNOWN
    return type(None) if found is None else found


def _plain(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return type(None) if annotation is None else annotation


def _says_nothing(annotation: Any) -> bool:
    if annotation in (Any, object) or isinstance(annotation, TypeVar | str):
        return True
    origin = get_origin(annotation) or annotation
    return getattr(origin, "_is_protocol", False) is True and origin.__module__ != "collections.abc"


def _classes_fit(produced: Any, consumed: Any) -> bool:
    made, wanted = get_origin(produced) or produced, get_origin(consumed) or consumed
    if not isinstance(made, type) or not isinstance(wanted, type):
        return True
    if made in (int, float) and wanted in (float, complex):
        return True
    if issubclass(made, Enum) and issubclass(wanted, str | int):
        return True
    try:
        related = issubclass(made, wanted) or issubclass(wanted, made)
    except TypeError:  # some generics refuse the question
        return True
    return related and _arguments_fit(made, wanted, get_args(produced), get_args(consumed))


def _arguments_fit(made: type, wanted: type, produced: tuple[Any, ...], consumed: tuple[Any, ...]) -> bool:
    if not produced or not consumed or made is tuple or wanted is tuple or len(produced) != len(consumed):
        return True
    if made not in (*_CONTAINERS_OF_ONE, dict):
        return True
    return all(fits(one, other) for one, other in zip(produced, consumed, strict=True))
