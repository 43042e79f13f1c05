"""Frames to numbers: encoding, selection. Rule: pure; learns from the rows it is fitted on and from no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.features.encoder import Encoder
    from mainspring.features.output import Output

__all__ = ["Encoder", "Output"]


def __getattr__(name: str) -> Any:
    if name == "Encoder":
        from mainspring.features.encoder import Encoder

        return Encoder
    if name == "Output":
        from mainspring.features.output import Output

        return Output
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
