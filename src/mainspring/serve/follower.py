"""Follows the registry: every version is verified, unpacked and tried before a plan names it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.core.errors import MainspringError
from mainspring.serve.trial import passes
from mainspring.serve.wire import Plan, Slot

if TYPE_CHECKING:
    from mainspring.serve.origin import Origin, Wanted

AGAIN = 30.0
"""A version that was refused is looked at again after so many seconds: somebody may have mended it."""


@dataclass(slots=True)
class Change:
    """What a look at the registry came to.

    ``plan`` is what is to be live from now on, None where that stays. ``refused`` are versions with reasons that were
    not refused before, ``missing`` says that there is nothing to serve.
    """

    plan: Plan | None = None
    refused: dict[int, str] = field(default_factory=dict)
    missing: bool = False


class Follower:
    """Makes plans of what the registry says. Used by one thread."""

    def __init__(self, origin: Origin, *, name: str, shelf: Path) -> None:
        """Unpack bundles of *origin*, the model *name*, into the folder *shelf*."""
        self.refused: dict[int, str] = {}
        self._origin = origin
        self._name = name
        self._shelf = shelf / "bundles"
        self._wanted: Wanted | None = None
        self._looked = 0.0
        self._slots: dict[int, Slot] = {}
        self._number = 0
        self._plan: Plan | None = None

    def begin(self) -> Plan:
        """The first plan: the champion alone, not tried apart, since nothing is served yet that it could disturb.

        Raises MainspringError where it cannot be served.
        """
        wanted = self._origin.look()
        if wanted.champion is None:
            self._origin.check()
            raise MainspringError(f"{self._name} has no version to serve.")
        slot = self._unpacked(wanted.champion)
        self._slots[slot.version] = slot
        self._number = 1
        self._plan = Plan(1, wanted.revision, slot, fallback=wanted.fallback, aside=wanted.aside)
        return self._plan

    def look(self) -> Change:
        """Look at the registry, and prepare what it names. Raises MainspringError where it cannot be read."""
        wanted = self._origin.look()
        stale = bool(self.refused) and time.monotonic() - self._looked > AGAIN
        if wanted == self._wanted and not stale:
            return Change()
        if stale:
            self.refused = {}
        self._wanted, self._looked = wanted, time.monotonic()
        if wanted.champion is None:
            return Change(missing=True)
        change = Change()
        for version in wanted.versions:
            self._prepare(version, change)
        self.refused = {version: why for version, why in self.refused.items() if version in wanted.versions}
        plan = self._made(wanted)
        if self._plan is None or not _same(plan, self._plan):
            self._plan = change.plan = plan
        return change

    def undo(self, plan: Plan, version: int, reason: str) -> Plan:
        """The plan before *plan* once more, as *version* did not serve after all, under a new number."""
        self.refused[version] = reason
        self._slots.pop(version, None)
        self._number += 1
        wanted = self._wanted
        revision = plan.revision if wanted is None else wanted.revision
        self._plan = Plan(self._number, revision, plan.champion, fallback=plan.fallback, aside=plan.aside)
        return self._plan

    def tidy(self, *plans: Plan) -> None:
        """Remove unpacked bundles that no plan names."""
        used = {slot.version for plan in plans for slot in (plan.champion, plan.canary, *plan.shadows) if slot}
        for version in [version for version in self._slots if version not in used]:
            shutil.rmtree(self._slots.pop(version).folder, ignore_errors=True)

    def _prepare(self, version: int, change: Change) -> None:
        if version in self._slots or version in self.refused:
            return
        try:
            slot = self._unpacked(version)
            reason = passes(Path(slot.folder), self._name, version)
        except (MainspringError, OSError) as error:
            reason = str(error)
        if reason is None:
            self._slots[version] = slot
        else:
            self.refused[version] = change.refused[version] = reason

    def _unpacked(self, version: int) -> Slot:
        digest = self._origin.digest(version)
        folder = self._shelf / f"{version}-{digest[:16]}"
        bundle = self._origin.bundle(version)
        shutil.rmtree(folder, ignore_errors=True)
        bundle.write(folder)
        return Slot(version, str(folder), bundle.digest)

    def _made(self, wanted: Wanted) -> Plan:
        """What of *wanted* can serve; where the champion cannot, whoever is champion now stays, alone."""
        self._number += 1
        champion = self._slots.get(wanted.champion or 0)
        if champion is None and self._plan is not None:
            stays = self._plan.champion
            return Plan(self._number, wanted.revision, stays, fallback=wanted.fallback, aside=wanted.aside)
        if champion is None:
            raise MainspringError(self.refused.get(wanted.champion or 0, f"{self._name} cannot be served."))
        canary = self._slots.get(wanted.canary) if wanted.canary is not None else None
        return Plan(
            self._number,
            wanted.revision,
            champion,
            canary,
            wanted.percent if canary is not None else 0.0,
            tuple(self._slots[version] for version in wanted.shadows if version in self._slots),
            wanted.fallback,
            wanted.aside,
        )


def _same(one: Plan, other: Plan) -> bool:
    told = ("champion", "canary", "percent", "shadows", "fallback", "aside")
    return all(getattr(one, name) == getattr(other, name) for name in told)
