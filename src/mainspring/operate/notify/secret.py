"""Secrets by reference: ``env:NAME`` or ``file:PATH``. What they hold is read when it is used, and never kept."""

from __future__ import annotations

import os
import stat

from mainspring.operate.notify.failure import Undeliverable

LARGEST = 64 * 1024
"""Bytes of a file with a secret, at most."""


def resolve(reference: str) -> str:
    """What *reference* stands for; anything but a reference stands for itself. Surrounding space is dropped.

    Raises Undeliverable, which may be over later, where it is not there.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "").strip()
        if not value:
            raise Undeliverable(f"the environment variable {name} is not set")
        return value
    if kind == "file":
        try:
            text = _read(name).decode("utf-8")
        except (OSError, ValueError) as error:  # also a name that no file can have
            raise Undeliverable(f"{name} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
        if not text.strip():
            raise Undeliverable(f"{name} holds no secret: it is empty")
        return text.strip()
    return reference


def _read(name: str) -> bytes:
    """The bytes of the regular file *name*: a device has no end, and a pipe that nobody writes to keeps one waiting."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(name, flags | getattr(os, "O_CLOEXEC", 0))
    with open(handle, "rb") as file:  # noqa: PTH123  # a handle, which pathlib does not open
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Undeliverable(f"{name} holds no secret: it is no file")
        found = file.read(LARGEST + 1)  # not by its size, which it may not tell
    if len(found) > LARGEST:
        raise Undeliverable(f"{name} holds no secret: it is larger than {LARGEST // 1024} KB")
    return found
