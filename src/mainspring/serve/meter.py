"""What one worker has counted since it began: plain numbers, because a counter of a library costs ten times as much.

Workers write their numbers to files of the endpoint's own folder, so that whichever of them is asked can tell the sums.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

K = TypeVar("K")
N = TypeVar("N", int, float)

BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0
)  # fmt: skip
"""The upper ends of the buckets of a latency, in seconds."""


class Histogram(msgspec.Struct):
    """Counts of latencies by bucket, the last one open, and their sum."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def add_all(self, seconds: Sequence[float]) -> None:
        """Count several, of which there is at least one: those answered together mostly fall into one bucket."""
        first, last = bisect_left(BOUNDS, min(seconds)), bisect_left(BOUNDS, max(seconds))
        if first == last:
            self.counts[first] += len(seconds)
        else:
            for each in seconds:
                self.counts[bisect_left(BOUNDS, each)] += 1
        self.total += sum(seconds)

    def merge(self, other: Histogram) -> None:
        """Add what another has counted."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Tally(msgspec.Struct):
    """The numbers of one process, or the sums of several.

    ``requests`` by route and status, ``latency`` by route, ``scoring`` by version, ``rows`` by version and role,
    ``violations`` by field and rule, and ``counts`` of whatever else happened. ``gauges`` is how things are now.
    """

    requests: dict[tuple[str, int], int] = msgspec.field(default_factory=dict)
    latency: dict[str, Histogram] = msgspec.field(default_factory=dict)
    scoring: dict[int, Histogram] = msgspec.field(default_factory=dict)
    rows: dict[tuple[int, str], int] = msgspec.field(default_factory=dict)
    violations: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    counts: dict[str, float] = msgspec.field(default_factory=dict)
    gauges: dict[str, float] = msgspec.field(default_factory=dict)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self.together(route, status, (seconds,))

    def together(self, route: str, status: int, latencies: Sequence[float]) -> None:
        """Count requests that were answered together, by the seconds that each took."""
        key = (route, status)
        self.requests[key] = self.requests.get(key, 0) + len(latencies)
        found = self.latency.get(route)
        if found is None:
            found = self.latency[route] = Histogram()
        found.add_all(latencies)

    def scored(self, version: int, role: str, rows: int, seconds: float) -> None:
        """Count rows that a version was asked about."""
        key = (version, role)
        self.rows[key] = self.rows.get(key, 0) + rows
        found = self.scoring.get(version)
        if found is None:
            found = self.scoring[version] = Histogram()
        found.add(seconds)

    def violation(self, field: str, rule: str) -> None:
        """Count a value that broke a rule. Where it was flagged, the rule's name comes without spaces; so all do."""
        key = (field, rule.replace(" ", "_"))
        self.violations[key] = self.violations.get(key, 0) + 1

    def count(self, name: str, amount: float = 1) -> None:
        """Count whatever else happened."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def merge(self, other: Tally) -> None:
        """Add what another process has counted."""
        _add(self.requests, other.requests)
        _add(self.rows, other.rows)
        _add(self.violations, other.violations)
        _add(self.counts, other.counts)
        _add(self.gauges, other.gauges)
        _merge(self.latency, other.latency)
        _merge(self.scoring, other.scoring)


def _add(mine: dict[K, N], theirs: dict[K, N]) -> None:
    for key, amount in theirs.items():
        mine[key] = mine[key] + amount if key in mine else amount


def _merge(mine: dict[K, Histogram], theirs: dict[K, Histogram]) -> None:
    for key, histogram in theirs.items():
        mine.setdefault(key, Histogram()).merge(histogram)


_decoder = msgspec.msgpack.Decoder(Tally)


def dump(tally: Tally) -> bytes:
    """The numbers as bytes."""
    return msgspec.msgpack.encode(tally)


def leave(tally: Tally, path: Path) -> None:
    """Write the numbers to *path*, whole or not at all: somebody may be reading them."""
    temporary = path.with_name(f"{path.name}.{threading.get_ident()}")
    temporary.write_bytes(dump(tally))
    temporary.replace(path)


def load(data: bytes) -> Tally:
    """The numbers of `dump`."""
    return _decoder.decode(data)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sums."""
    every = Tally()
    for tally in tallies:
        every.merge(tally)
    return every
