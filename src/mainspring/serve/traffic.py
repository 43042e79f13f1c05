"""Who answers a request: the champion, or for its share of the traffic the canary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.serve.log.record import Role
    from mainspring.serve.served import Aside, Served

PARTS = 10_000
"""Shares of the traffic are told apart to a hundredth of a percent."""


def takes(model: str, percent: float, key: str) -> bool:
    """Whether the canary of *model* answers the requests of *key*, which is so for *percent* of all keys.

    The same key is always answered alike, on every worker and machine, and as the share grows whoever the canary
    answers stays with it.

    >>> takes("churn", 100.0, "anybody"), takes("churn", 0.0, "anybody")
    (True, False)
    """
    return place(model, key) < round(percent * PARTS / 100)


def place(model: str, key: str) -> int:
    """The place of *key* among the ``PARTS`` equal parts of the traffic of *model*."""
    digest = blake3(f"{model}\0{key}".encode("utf-8", "replace")).digest(length=8)
    return int.from_bytes(digest, "big") % PARTS


class Chosen(NamedTuple):
    """Who answers a request and as what, and the id of its answer, by which that was chosen if nobody is named."""

    served: Served
    role: Role
    identity: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The versions that are live at one moment. It is replaced as a whole and never changed.

    ``percent`` of the keys are the canary's. The ``shadows`` are asked too, after the answer. With a ``fallback`` every
    row is answered with it instead of what the model says. ``asides`` has what each version answers without, by its
    number, as far as it takes a column that is set aside.
    """

    revision: int
    champion: Served
    canary: Served | None = None
    percent: float = 0.0
    shadows: tuple[Served, ...] = ()
    fallback: str | float | None = None
    asides: Mapping[int, Aside] = field(default_factory=dict)

    @property
    def is_split(self) -> bool:
        """Whether it depends on the key who answers."""
        return self.canary is not None and self.percent > 0

    def choose(self, key: str) -> tuple[Served, Role]:
        """The version that answers the requests of *key*, and as what."""
        if self.canary is not None and takes(self.champion.name, self.percent, key):
            return self.canary, "canary"
        return self.champion, "champion"

    @property
    def versions(self) -> dict[int, Served]:
        """Every version that is loaded, by its number."""
        every = (*self.shadows, *([self.canary] if self.canary else []), self.champion)
        return {served.version: served for served in every}
