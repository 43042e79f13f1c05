"""Endpoints: which versions of a model answer, which only listen, and for what share of the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mainspring.ledger.operation import Permission, operation

CHAMPION = "champion"
"""The alias whose version answers what no canary takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The rule for one model's requests: the champion answers but for ``percent`` of them, which the ``canary`` does.

    The ``shadow`` versions are asked too and nobody waits for them. ``revision`` is 1 for a model's first rule.
    """

    model: str
    shadow: tuple[int, ...]
    canary: int | None
    percent: float
    revision: int
    updated: datetime
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What an endpoint needs to know.

    ``revision`` rises whenever the champion or the rule is set, also to what it was, and only then.
    """

    champion: int | None
    traffic: Traffic | None
    revision: int


class Endpoints(Protocol):
    """The traffic of the models that are served. Every change is in the audit trail, in the same transaction."""

    @operation(needs=Permission.READ)
    def get(self, model: str) -> Traffic | None:
        """The rule in force, None where there never was one: then the champion answers everything."""
        ...

    @operation(needs=Permission.RELEASE)
    def set(
        self,
        model: str,
        *,
        shadow: Sequence[int] = (),
        canary: int | None = None,
        percent: float = 0.0,
        reason: str = "",
        expected: int | None = None,
        at: datetime | None = None,
    ) -> Traffic:
        """Put a rule into force; the one before is in `history`. The time defaults to the ledger's clock.

        Raises Refused where the rule in force is not of the *expected* revision any more (0: there is none; None:
        whatever there is), NotFound for a version that is not there, InputError for a rule that makes no sense.
        """
        ...

    @operation(needs=Permission.READ)
    def history(self, model: str) -> tuple[Traffic, ...]:
        """Every rule there was, oldest first."""
        ...

    @operation(needs=Permission.READ)
    def live(self, model: str) -> Live:
        """What to serve now. Cheap: made to be asked several times a second."""
        ...
