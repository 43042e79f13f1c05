"""Where an endpoint's versions come from: a workspace's registry, or one folder with a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mainspring.core.errors import MainspringError, NotFound, StoreError, quote, suggestion
from mainspring.registry import CHAMPION, Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.package import Bundle
    from mainspring.registry import Reference
    from mainspring.workspace import Workspace

FALLBACK = "fallback"
"""The kind of the ledger's state that says what is answered instead of the model; its key is the model's name."""
ASIDE = "aside"
"""The kind of the ledger's state that says which columns broke upstream, ``{column: words}``; the same key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the registry says is to be live. Equal values ask for nothing new."""

    revision: int
    champion: int | None
    canary: int | None = None
    percent: float = 0.0
    shadows: tuple[int, ...] = ()
    fallback: str | float | None = None
    aside: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version, the champion first."""
        every = (self.champion, self.canary, *self.shadows)
        return tuple(dict.fromkeys(version for version in every if version is not None))


class Origin(Protocol):
    """Says what is to be live, and gives bundles."""

    def look(self) -> Wanted:
        """What is to be live now. Cheap; raises MainspringError where it cannot be told."""

    def check(self) -> None:
        """Raise NotFound, with what there is instead, where there is nothing to serve."""

    def digest(self, version: int) -> str:
        """What identifies the bundle of a version."""

    def bundle(self, version: int) -> Bundle:
        """The bundle of a version, every part verified. Raises MainspringError where it is damaged or gone."""


class Registered:
    """A model of a workspace. Without an alias or a version its champion and its traffic rule are followed."""

    def __init__(self, open_workspace: Callable[[], Workspace], reference: Reference) -> None:
        """Follow *reference*; the workspace is opened when it is first needed."""
        self._open = open_workspace
        self._reference = reference
        self._workspace: Workspace | None = None
        self._orders: tuple[int, str | float | None, tuple[str, ...]] = (-1, None, ())

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        if self._workspace is None:
            self._workspace = self._open()
        return self._workspace

    def look(self) -> Wanted:
        """What is to be live now."""
        ledger, name = self.workspace.ledger, self._reference.name
        live = ledger.endpoints.live(name)
        fallback, aside = self._said(live.revision)
        if self._reference.version is not None:
            return Wanted(live.revision, self._reference.version, fallback=fallback, aside=aside)
        if self._reference.alias not in (None, CHAMPION):
            named = ledger.models.aliases(name).get(str(self._reference.alias))
            return Wanted(live.revision, named, fallback=fallback, aside=aside)
        traffic = live.traffic
        if traffic is None or live.champion is None:
            return Wanted(live.revision, live.champion, fallback=fallback, aside=aside)
        canary = traffic.canary if traffic.canary != live.champion and traffic.percent > 0 else None
        shadows = tuple(version for version in traffic.shadow if version not in (live.champion, canary))
        percent = traffic.percent if canary is not None else 0.0
        return Wanted(live.revision, live.champion, canary, percent, shadows, fallback, aside)

    def digest(self, version: int) -> str:
        """The digest of the version's bundle in the store."""
        return self.workspace.ledger.models.get(self._reference.name, version).digest

    def bundle(self, version: int) -> Bundle:
        """The bundle, from the store."""
        registry = Registry(self.workspace)
        return registry.load(self.workspace.ledger.models.get(self._reference.name, version))

    def check(self) -> None:
        """Raise NotFound, with what there is instead, where the reference names nothing that can be served."""
        try:
            Registry(self.workspace).resolve(self._reference)
        except NotFound:
            names = self.workspace.ledger.models.names()
            if self._reference.name not in names:
                raise NotFound(
                    f"No model named {quote(self._reference.name)} in {self.workspace.root}. "
                    f"{suggestion(self._reference.name, names, kind='model')}"
                ) from None
            raise

    def _said(self, revision: int) -> tuple[str | float | None, tuple[str, ...]]:
        """The fallback in force, and the columns that are set aside; the revision rises with both."""
        if revision != self._orders[0]:
            states, name = self.workspace.ledger.states, self._reference.name
            fallback, aside = (
                state.value if (state := states.get(kind, name)) is not None and isinstance(state.value, dict) else {}
                for kind in (FALLBACK, ASIDE)
            )
            self._orders = (revision, fallback.get("prediction"), tuple(sorted(aside)))
        return self._orders[1:]


class Packed:
    """One bundle in a folder. It never changes, and is version 1."""

    def __init__(self, folder: Path) -> None:
        """Serve the bundle in *folder*."""
        self._folder = folder

    def look(self) -> Wanted:
        """Always the same."""
        return Wanted(0, 1)

    def check(self) -> None:
        """There is something."""

    def digest(self, version: int) -> str:
        """The digest of its manifest."""
        return self.bundle(version).digest

    def bundle(self, version: int) -> Bundle:
        """The bundle."""
        from mainspring import package

        try:
            return package.read(self._folder)
        except OSError as error:
            if isinstance(error, MainspringError):
                raise
            raise StoreError(f"The bundle in {self._folder} cannot be read: {error.strerror}.") from error


if TYPE_CHECKING:

    def _fits(registered: Registered, packed: Packed) -> tuple[Origin, Origin]:
        return registered, packed
