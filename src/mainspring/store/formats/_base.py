"""What a format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Format(Protocol):
    """Turns values of one type into named parts and back.

    The same value must give the same bytes, or nothing deduplicates and every later step runs again. `load` trusts
    nothing in the bytes: it makes only the types that the format itself names. Both raise InputError or StoreError.
    """

    def dump(self, value: Any) -> Mapping[str, bytes | Path]:
        """The parts of *value*: bytes, or files that hold them. A name is a relative path."""

    def load(self, parts: Mapping[str, bytes]) -> Any:
        """The value from its parts."""

    def describe(self, value: Any) -> dict[str, Any]:
        """Plain facts for lists and pages, such as rows and columns; the same for equal values."""
