"""Messages between the engine and its worker processes: a length, then a pickle.

Pickle is safe here: both ends are the same user's processes, started by one another, over a pipe that nobody else has.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mainspring.flow.perform import Done

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True)
class Hello:
    """The first message to a worker: which project, as which files, in which workspace."""

    root: Path
    workspace: Path
    path: tuple[str, ...]
    digests: Mapping[str, str]
    states: Path


@dataclass(frozen=True)
class Ready:
    """The worker has loaded the project; or it could not, for the *reason*."""

    reason: str = ""


@dataclass(frozen=True)
class Ask:
    """Do this task, pickled: it may hold values of classes that only the loaded project knows."""

    number: int
    task: bytes


@dataclass(frozen=True)
class Answer:
    """A task is done."""

    number: int
    done: Done


@dataclass(frozen=True)
class Moved:
    """A step has reported progress."""

    task: str
    done: float
    total: float | None
    text: str = field(default="")


def send(pipe: IO[bytes], message: object) -> None:
    """Write one message. Raises OSError where the other end is gone, and what pickle raises for what cannot travel."""
    data = pickle.dumps(message, protocol=5)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Read one message; None where the other end is gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return pickle.loads(data) if len(data) == length else None  # noqa: S301  # see the top of this file
