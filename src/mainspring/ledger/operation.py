"""The mark on every method of a port: what it is called and which permission it needs.

From it come the HTTP route, the remote client and the permission check of a server, and the test that none is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Permission(IntEnum):
    """What a caller must be allowed to do; each includes those before it."""

    READ = 1
    WRITE = 2
    RELEASE = 3
    """Change what is live: aliases, promotions, rollbacks."""
    ADMIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one port."""

    port: str
    name: str
    needs: Permission


def operation(*, needs: Permission) -> Callable[[Function], Function]:
    """Mark a port's method as an operation that *needs* a permission."""

    def mark(function: Function) -> Function:
        function.__operation__ = needs  # type: ignore[attr-defined]  # read by `operations` only
        return function

    return mark


def operations(port: type) -> tuple[Operation, ...]:
    """The operations that *port* declares. Raises TypeError for a public method without the mark.

    >>> from mainspring.ledger.ports.audit import Audit
    >>> [(each.name, each.needs.name) for each in operations(Audit)][0]
    ('append', 'WRITE')
    """
    found = []
    for name, member in vars(port).items():
        if name.startswith("_") or not callable(member):
            continue
        needs = getattr(member, "__operation__", None)
        if needs is None:
            raise TypeError(f"{port.__name__}.{name} does not say which permission it needs; mark it with @operation.")
        found.append(Operation(port=port.__name__.lower(), name=name, needs=needs))
    return tuple(found)
