"""Which columns of a text file keep their cells as they are written, and are never taken for numbers or dates.

What a file looks like does not say what a column is: ``1.10`` and ``1.1`` are two customers and one number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.data.infer import TEXT_NULLS

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from mainspring.contract import Column, Contract

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def texts_of(contract: Contract) -> frozenset[str]:
    """The columns that *contract* means as texts: those of type text, and the entity unless it is declared otherwise.

    A category is among them where one that is declared would not survive as a number: ``1.10``.
    """
    found = {name for name, column in contract.columns.items() if column.type == "text" or _has_codes(column)}
    entity = contract.project.entity
    if entity is not None:
        declared = contract.columns.get(entity)
        if declared is None or declared.type in ("text", "category"):
            found.add(entity)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Written:
    """Columns of a file that is scored and given back: all but those in ``typed`` keep their characters.

    ``learned`` are the texts that the model reads, in which the spellings of "missing" are missing values to it.
    """

    typed: frozenset[str] = frozenset()
    learned: frozenset[str] = frozenset()

    def __contains__(self, column: object) -> bool:
        """Whether *column* keeps its characters."""
        return column not in self.typed


def missing_as_null(
    frame: pl.DataFrame, columns: Collection[str], nulls: Collection[str] | None = None
) -> pl.DataFrame:
    """*frame* with the spellings of "missing" (*nulls* instead of the usual ones) as nulls in these text *columns*."""
    import polars as pl

    spellings = sorted(TEXT_NULLS if nulls is None else nulls)
    texts = [name for name in columns if frame.schema.get(name) == pl.String]
    if not texts or not spellings:
        return frame
    return frame.with_columns(
        pl.when(~pl.col(name).str.strip_chars().is_in(spellings)).then(pl.col(name)).alias(name) for name in texts
    )


def _has_codes(column: Column) -> bool:
    if column.type != "category" or column.categories is None:
        return False
    return any(
        _NUMBER.fullmatch(each) and each not in (str(float(each)), f"{float(each):.0f}") for each in column.categories
    )
