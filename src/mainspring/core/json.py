"""What the JSON encoder does not know by itself."""

from __future__ import annotations

import re
from typing import Any

UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')
"""What msgspec's decoder of structs takes in no name of a field."""


def plain(value: Any) -> Any:
    """NumPy scalars and arrays as numbers and lists, everything else as its text. Meant as msgspec's ``enc_hook``."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
