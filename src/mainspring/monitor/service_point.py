"""What is remembered of how an endpoint served in one window. Light to load: documents of the watch hold many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.monitor.service import ServiceCounts

FEWEST = 20
"""The latency of fewer requests is not judged."""
KEPT = 600
"""So many windows are looked back at: two days and two hours of five minutes each, 25 days of an hour each."""
_SEASONS = (timedelta(days=1), timedelta(weeks=1))


def seasons(span: timedelta) -> tuple[int, ...]:
    """The lags, in windows of *span*, at which traffic may repeat itself: a day and a week, as far as these are kept.

    Of five minutes that is a day only. A week is known to windows of 17 minutes and more: the short ones by which an
    endpoint is judged do without it, those of ``[monitor]`` mostly have it.

    >>> seasons(timedelta(minutes=5)), seasons(timedelta(hours=1)), seasons(timedelta(days=1))
    ((288,), (24, 168), (7,))
    """
    return tuple(each // span for each in _SEASONS if not each % span and 1 < each // span < KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePoint:
    """What is remembered of a window: requests (how many failed, were refused, shed), its seconds, its latencies.

    ``blamed``: the field that most of the refused requests were refused for, and ``rule``, which it broke; empty where
    there is none.
    """

    requests: int
    failed: int
    refused: int
    seconds: float
    p50: float | None
    p99: float | None
    blamed: str = ""
    rule: str = ""
    shed: int = 0

    @classmethod
    def of(cls, counts: ServiceCounts, seconds: float) -> ServicePoint:
        """Remember *counts* of a window that lasted so many *seconds*."""
        well = sum(counts.latency.values())
        most, times = max(counts.broken.items(), key=lambda item: item[1], default=("", 0))
        rule, _, blamed = most.partition(":") if 2 * times >= counts.refused else ("", "", "")
        return cls(
            blamed=blamed,
            rule=rule.replace("_", " "),
            requests=counts.requests,
            failed=counts.failed,
            refused=counts.refused,
            shed=counts.shed,
            seconds=seconds,
            p50=counts.quantile(0.5) if well >= FEWEST else None,
            p99=counts.quantile(0.99) if well >= FEWEST else None,
        )

    @classmethod
    def nothing(cls, seconds: float) -> ServicePoint:
        """A window of so many *seconds* without a request."""
        return cls(requests=0, failed=0, refused=0, seconds=seconds, p50=None, p99=None)

    @property
    def rate(self) -> float:
        """Requests a minute."""
        return 60 * self.requests / self.seconds
