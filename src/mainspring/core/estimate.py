"""A measured number with what is known about its certainty."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its confidence interval and the number of rows it was measured on.

    ``low`` and ``high`` are None where no interval was asked for; ``rows`` of zero means that nothing was measured,
    and ``value`` is then NaN.
    """

    value: float
    low: float | None = None
    high: float | None = None
    rows: int = 0
