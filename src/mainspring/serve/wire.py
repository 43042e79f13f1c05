"""What the supervisor and its workers say to each other: one JSON object a line, by the worker's standard streams."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from mainspring.serve.settings import Settings  # noqa: TC001  # the decoder reads the annotation


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first line to a worker. ``socket`` is a handle that it has inherited, ``shared`` the socket on Windows."""

    settings: Settings
    socket: int | None = None
    shared: bytes | None = None


class Slot(msgspec.Struct, frozen=True):
    """A version and the folder with its bundle."""

    version: int
    folder: str
    digest: str


class Plan(msgspec.Struct, frozen=True, tag="plan"):
    """What is to be live. ``number`` rises with each plan of a supervisor."""

    number: int
    revision: int
    champion: Slot
    canary: Slot | None = None
    percent: float = 0.0
    shadows: tuple[Slot, ...] = ()
    fallback: str | float | None = None
    aside: tuple[str, ...] = ()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every version, the champion first."""
        return (self.champion, *(() if self.canary is None else (self.canary,)), *self.shadows)


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A worker answers by the plan of this number."""

    number: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A worker cannot follow a plan, and stays with what it has; ``version`` is the one that does not serve."""

    number: int
    version: int
    reason: str


class LogTrouble(msgspec.Struct, frozen=True, tag="log"):
    """How a worker's prediction log is: ``error`` is None when it is well again.

    ``dropped`` rows are lost and ``failed`` writes were refused since the worker began.
    """

    error: str | None
    dropped: int
    failed: int


Said: TypeAlias = Done | Failed | LogTrouble
Told: TypeAlias = Hello | Plan

_said = msgspec.json.Decoder(Said)
_told = msgspec.json.Decoder(Told)


def line(message: Any) -> bytes:
    """A message as a line."""
    return msgspec.json.encode(message) + b"\n"


def said(text: bytes) -> Said:
    """What a worker says."""
    message: Said = _said.decode(text)
    return message


def told(text: bytes) -> Told:
    """What a supervisor says."""
    message: Told = _told.decode(text)
    return message
