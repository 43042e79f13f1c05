"""Secrets by reference: ``env:NAME`` or ``file:PATH``. What they hold is read when it is used, and never kept."""

from __future__ import annotations

import os
from pathlib import Path

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
            path = Path(name)
            text = path.read_text("utf-8") if path.stat().st_size <= LARGEST else ""
        except (OSError, UnicodeDecodeError) as error:
            raise Undeliverable(f"{name} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
        if not text.strip():
            raise Undeliverable(f"{name} holds no secret (it is empty, or larger than 64 KB)")
        return text.strip()
    return reference
