"""What the JSON encoder does not know by itself."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """NumPy scalars and arrays as numbers and lists, everything else as its text. Meant as msgspec's ``enc_hook``."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
