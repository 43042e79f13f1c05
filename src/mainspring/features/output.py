"""One column of the encoded matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

OutputKind: TypeAlias = Literal["numeric", "categorical"]


@dataclass(frozen=True, slots=True)
class Output:
    """What one column of the matrix means.

    ``source`` is the column of the frame it is made from. A ``numeric`` output may hold NaN (missing); a
    ``categorical`` one holds the whole numbers 0 … ``levels`` - 1 and never NaN.
    """

    name: str
    source: str
    kind: OutputKind
    levels: int = 0
