"""A chart as plain Plotly JSON: no plotting library is imported to describe it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

COLOURS = ("#2f6fde", "#e2711d", "#2a9d6f", "#b5179e", "#8a6d3b", "#4a4e69")
"""The series colours, told apart by people who see red and green alike."""
GOOD, BAD, WARN, QUIET = "#2a9d6f", "#c8374a", "#d9a21b", "#9aa3b2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Traces and layout in Plotly's JSON form, with a height in pixels and a text for those who cannot see it."""

    data: list[dict[str, Any]]
    layout: dict[str, Any] = field(default_factory=dict)
    height: int = 320
    alt: str = ""
