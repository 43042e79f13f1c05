"""Follows the registry: every version is verified, unpacked and tried before a plan names it."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.core.errors import MainspringError
from mainspring.serve.trial import Trial
from mainspring.serve.wire import Plan, Slot

if TYPE_CHECKING:
    from mainspring.serve.origin import Origin, Wanted

AGAIN = 30.0
"""After so many seconds a refused version is tried again, as somebody may have mended it; then more and more rarely."""
RARELY = 900.0
"""The longest time between two trials."""
SOON = 1.5
"""So many seconds trials may keep back what else has changed, so that one change is one swap where that can be."""


@dataclass(slots=True)
class Change:
    """What a look at the registry came to.

    ``plan`` is what is to be live from now on, None where that stays. ``refused`` are versions with reasons that were
    refused by this look, ``missing`` says that there is nothing to serve, ``settled`` that nothing is being tried.
    """

    plan: Plan | None = None
    refused: dict[int, str] = field(default_factory=dict)
    missing: bool = False
    settled: bool = False


class Follower:
    """Makes plans of what the registry says. Safe for threads, and no call waits for a version that is being tried."""

    def __init__(self, origin: Origin, *, name: str, shelf: Path) -> None:
        """Unpack bundles of *origin*, the model *name*, into the folder *shelf*."""
        self.refused: dict[int, str] = {}
        self._origin = origin
        self._name = name
        self._shelf = shelf / "bundles"
        self._slots: dict[int, Slot] = {}
        self._trials: dict[int, Trial] = {}
        self._rests: dict[int, tuple[float, float]] = {}  # when a refused version is due, and how long it rested
        self._plan: Plan | None = None
        self._before: int | None = None  # the champion before, to which a rollback goes
        self._wanted: Wanted | None = None
        self._changed = 0.0  # when that was first wanted
        self._is_missing = False
        self._guard = threading.Lock()

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
        self._plan = Plan(1, wanted.revision, slot, fallback=wanted.fallback, aside=wanted.aside)
        return self._plan

    def look(self) -> Change:
        """Look at the registry, and go on with trying what it names. Raises MainspringError where it cannot be read."""
        wanted = self._origin.look()
        with self._guard:
            if wanted.champion is None:
                first, self._is_missing = not self._is_missing, True
                self._abandon()
                return Change(missing=first)
            self._is_missing = False
            for version in [version for version in self.refused if version not in wanted.versions]:
                del self.refused[version], self._rests[version]
            change = Change()
            if wanted != self._wanted:
                self._wanted, self._changed = wanted, time.monotonic()
            self._try(wanted, change)
            is_new = any(version not in self.refused for version in self._trials)
            if is_new and time.monotonic() - self._changed < SOON:
                return change
            plan = self._made(wanted)
            if self._plan is None or not _same(plan, self._plan):
                if self._plan is not None and self._plan.champion.version != plan.champion.version:
                    self._before = self._plan.champion.version
                self._plan = change.plan = plan
            change.settled = not self._trials
            return change

    def undo(self, plan: Plan, version: int, reason: str) -> Plan:
        """*plan* under a new number and without *version*, which did not serve after all."""
        with self._guard:
            self._refuse(version, reason)
            slot = self._slots.pop(version, None)
            if slot is not None:
                shutil.rmtree(slot.folder, ignore_errors=True)
            canary = None if plan.canary is None or plan.canary.version == version else plan.canary
            self._plan = msgspec.structs.replace(
                plan,
                number=self._next_number(),
                canary=canary,
                percent=0.0 if canary is None else plan.percent,
                shadows=tuple(shadow for shadow in plan.shadows if shadow.version != version),
            )
            return self._plan

    def mend(self, slot: Slot) -> None:
        """Unpack what is in *slot* once more. Raises MainspringError or OSError where that cannot be."""
        with self._guard:
            self._unpacked(slot.version)

    def tidy(self, plan: Plan) -> None:
        """Remove unpacked bundles that neither the *plan* nor the last one names, but for the champion's before it."""
        with self._guard:
            used = {slot.version for each in (plan, self._plan or plan) for slot in each.slots}
            for version in [version for version in self._slots if version not in {*used, self._before}]:
                shutil.rmtree(self._slots.pop(version).folder, ignore_errors=True)

    def close(self) -> None:
        """Try nothing any more."""
        with self._guard:
            self._abandon()

    def _try(self, wanted: Wanted, change: Change) -> None:
        """See what has come of trials, and begin those of what is new, or was refused and has rested."""
        for version, trial in list(self._trials.items()):
            if version not in wanted.versions:
                self._trials.pop(version).abandon()
            elif trial.has_ended():
                del self._trials[version]
                reason = trial.reason()
                if reason is not None:
                    change.refused[version] = self._refuse(version, reason)
                    continue
                self._slots[version] = trial.slot
                self.refused.pop(version, None)
                self._rests.pop(version, None)
        now = time.monotonic()
        live = set() if self._plan is None else {slot.version for slot in self._plan.slots}
        for version in wanted.versions:
            if version in self._slots and version not in live and not _is_whole(self._slots[version]):
                del self._slots[version]  # who tidies temporary folders was there, so it is unpacked again
            rests = version in self.refused and self._rests[version][0] > now
            if rests or version in self._slots or version in self._trials:
                continue
            try:
                self._trials[version] = Trial(self._unpacked(version), self._name)
            except (MainspringError, OSError) as error:
                change.refused[version] = self._refuse(version, str(error))

    def _refuse(self, version: int, reason: str) -> str:
        rest = min(RARELY, 2 * self._rests[version][1]) if version in self._rests else AGAIN
        self._rests[version] = (time.monotonic() + rest, rest)
        self.refused[version] = reason
        return reason

    def _abandon(self) -> None:
        while self._trials:
            self._trials.popitem()[1].abandon()

    def _unpacked(self, version: int) -> Slot:
        digest = self._origin.digest(version)
        folder = self._shelf / f"{version}-{digest[:16]}"
        bundle = self._origin.bundle(version)
        shutil.rmtree(folder, ignore_errors=True)
        bundle.write(folder)
        return Slot(version, str(folder), bundle.digest)

    def _made(self, wanted: Wanted) -> Plan:
        """What of *wanted* can serve; until the champion can, whoever is champion now stays."""
        champion = self._slots.get(wanted.champion or 0)
        if champion is None:
            if self._plan is None:
                raise MainspringError(f"{self._name} cannot be served: nothing is yet.")
            champion = self._plan.champion
        beside = {version: slot for version, slot in self._slots.items() if version != champion.version}
        canary = beside.get(wanted.canary or 0)
        return Plan(
            self._next_number(),
            wanted.revision,
            champion,
            canary,
            wanted.percent if canary is not None else 0.0,
            tuple(beside[version] for version in wanted.shadows if version in beside),
            wanted.fallback,
            wanted.aside,
        )

    def _next_number(self) -> int:
        return 1 if self._plan is None else self._plan.number + 1


def _same(one: Plan, other: Plan) -> bool:
    told = ("champion", "canary", "percent", "shadows", "fallback", "aside")
    return all(getattr(one, name) == getattr(other, name) for name in told)


class _Listed(msgspec.Struct):
    """What a manifest says of files."""

    parts: dict[str, str]


def _is_whole(slot: Slot) -> bool:
    """Whether every file of the bundle is still there; what is in them is for whoever loads it to see."""
    from mainspring.package import manifest as manifests  # not before the workers are started

    folder = Path(slot.folder)
    try:
        listed = msgspec.json.decode((folder / manifests.NAME).read_bytes(), type=_Listed)
        return all((folder / part).is_file() for part in listed.parts)
    except (OSError, ValueError, msgspec.DecodeError):
        return False
