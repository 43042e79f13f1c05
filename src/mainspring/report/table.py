"""A small table for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is already safe: made by the program, with every outside value escaped."""

    markup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a header. Numbers are set to the right; a cell of Html is not escaped; None is a dash.

    ``marks`` gives a row a class: ``good``, ``bad``, ``warn`` or an empty text, one for each row.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    marks: Sequence[str] = ()
    caption: str = ""


def cell(value: object) -> str:
    """A value as people read it: four significant digits, thousands apart, a dash for nothing.

    >>> cell(1234567), cell(0.123456), cell(None), cell(float("nan")), cell(-0.0)
    ('1,234,567', '0.1235', '–', '–', '0')
    """
    if value is None or (isinstance(value, float) and value != value):  # NaN is unlike itself
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value + 0.0:.4g}"  # + 0.0: no minus before nothing
    return str(value)
