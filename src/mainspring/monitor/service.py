"""How an endpoint serves: latency, errors, saturation, refusals and traffic of a window, beside the windows before.

Latencies are counted in cells that grow by two per cent each, so that any quantile is right within one per cent and
windows add up (C. Masson, J. E. Rim and H. K. Lee, "DDSketch", PVLDB 12, 2019). What is usual is learned from the
windows before (:mod:`mainspring.monitor.series`); an endpoint that has just begun is held against nothing but errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mainspring.core.estimate import Estimate
from mainspring.monitor import bands
from mainspring.monitor.drift import SPENT
from mainspring.monitor.series import forecast
from mainspring.monitor.service_point import FEWEST, ServicePoint
from mainspring.monitor.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl

GROWTH = 1.02
SIGNALS = 5
"""So many signals share a window's false alarms."""
SMALLEST_SHARE = 0.01
"""A share of errors is named only if it has risen by this."""
_GROWN = {"latency p50": (1.5, 1.0), "latency p99": (2.0, 5.0)}
"""A latency is named only if it is so many times the expected one, and so many milliseconds above it."""
_STOPPED = 3
"""After so many windows with traffic, one without is a stop, though no band is known yet."""
_LESS, _MORE = 0.5, 4.0
_ALIKE = math.log(2)
_SHARES = 50
"""What share is usual is learned from so many windows before."""
_TRUSTED = 1_000
"""An endpoint that nobody knows yet is taken for one that has answered so many requests without an error."""
SHED = (429, 503)
"""The statuses of requests that were turned away because more was asked than could be answered."""
_TIMES = "times:"
_FLOOR = 0.05
_FASTEST = 1e-3
_BLOCK = 16_384
"""So many latencies are counted at once: what is made on the way fits into memory that is asked for only once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCounts:
    """The requests of a window, or of a part of one. ``a + b`` is both together.

    ``shed``: turned away because more was asked than could be answered (status 429 and 503); ``failed``: answered with
    another error of ours (500 and above); ``refused``: with another one of the client's (400 to 499), and ``broken``:
    which fields these named, each with the rule it broke (``minimum:age``). ``latency``: requests per cell, those that
    were answered well.
    """

    requests: int = 0
    failed: int = 0
    refused: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)
    broken: Mapping[str, int] = field(default_factory=dict)
    shed: int = 0

    def __add__(self, other: ServiceCounts) -> ServiceCounts:
        """Both together."""
        latency, broken = dict(self.latency), dict(self.broken)
        for cell, count in other.latency.items():
            latency[cell] = latency.get(cell, 0) + count
        for name, count in other.broken.items():
            broken[name] = broken.get(name, 0) + count
        return ServiceCounts(
            broken=broken,
            requests=self.requests + other.requests,
            failed=self.failed + other.failed,
            refused=self.refused + other.refused,
            shed=self.shed + other.shed,
            latency=latency,
        )

    @classmethod
    def of(cls, rows: pl.DataFrame) -> ServiceCounts:
        """Count logged *rows* with the columns ``time``, ``latency_ms``, ``status`` and ``flags``, in order of time.

        Rows of one request follow each other and agree in time and latency: they count once. A row may stand for
        several requests that were turned away unread: its flag says for how many.
        """
        import numpy as np

        if not rows.height:
            return cls()
        times = rows["time"].to_physical().to_numpy()
        latency = rows["latency_ms"].fill_null(0.0).to_numpy()
        status = rows["status"].fill_null(200).to_numpy()
        first = np.ones(len(times), dtype=bool)
        first[1:] = (times[1:] != times[:-1]) | (latency[1:] != latency[:-1])
        if not first.all():
            status, latency = status[first], latency[first]
        if not (status >= 400).any():
            return cls(requests=len(status), latency=_cells(latency))
        well = latency[status < 400]
        times = _times(rows["flags"].to_frame().filter(first).to_series())
        shed = np.isin(status, SHED)
        broken: dict[str, int] = {}
        for flags in rows["flags"].filter(rows["status"].is_between(400, 499)).drop_nulls().to_list():
            for name in flags.split(",") if not flags.startswith(_TIMES) else ():
                broken[name] = broken.get(name, 0) + 1
        return cls(
            broken=broken,
            requests=int(times.sum()),
            failed=int(times[(status >= 500) & ~shed].sum()),
            refused=int(times[(status >= 400) & (status < 500) & ~shed].sum()),
            shed=int(times[shed].sum()),
            latency=_cells(well),
        )

    def quantile(self, share: float) -> float:
        """The latency in milliseconds that this share of the well-answered requests did not exceed; NaN of none."""
        total = sum(self.latency.values())
        wanted, seen = share * total, 0
        for cell in sorted(self.latency):
            seen += self.latency[cell]
            if seen >= wanted:
                return 2 * GROWTH**cell / (GROWTH + 1)
        return math.nan

    @property
    def metrics(self) -> dict[str, Estimate]:
        """The contract's service metrics, as far as there were requests."""
        well = sum(self.latency.values())
        found = {}
        if well:
            found["latency_p50_ms"] = Estimate(self.quantile(0.5), rows=well)
            found["latency_p99_ms"] = Estimate(self.quantile(0.99), rows=well)
        if self.requests:
            found["error_rate"] = Estimate((self.failed + self.shed) / self.requests, rows=self.requests)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        latency = [[cell, count] for cell, count in sorted(self.latency.items())]
        return {
            "requests": self.requests, "failed": self.failed, "refused": self.refused, "shed": self.shed,
            "latency": latency, "broken": dict(self.broken),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ServiceCounts:
        """Read :meth:`as_dict` back."""
        latency = {int(cell): int(count) for cell, count in raw["latency"]}
        counts = {name: raw[name] for name in ("requests", "failed", "refused", "broken")}
        return cls(**counts, latency=latency, shed=raw.get("shed", 0))


def _cells(latency: np.ndarray[Any, Any]) -> dict[int, int]:
    """How many of these latencies, in milliseconds, fall into each cell."""
    import numpy as np

    least = math.floor(math.log(_FASTEST) / math.log(GROWTH))
    each = np.zeros(0, dtype=np.int64)
    for begin in range(0, len(latency), _BLOCK):
        logarithms = np.log(np.maximum(latency[begin : begin + _BLOCK], _FASTEST))
        logarithms /= math.log(GROWTH)
        cells = np.ceil(logarithms, out=logarithms).astype(np.int64)
        cells -= least
        more = np.bincount(cells, minlength=len(each))
        more[: len(each)] += each
        each = more
    found = np.flatnonzero(each)
    return dict(zip((found + least).tolist(), each[found].tolist(), strict=True))


def _times(flags: pl.Series) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For how many requests each row stands."""
    import polars as pl

    found = flags.str.extract(f"^{_TIMES}([0-9]+)$").cast(pl.Int64, strict=False)
    return found.fill_null(1).to_numpy()


def service_signals(
    before: Sequence[ServicePoint],
    now: ServicePoint,
    *,
    false_alarms: float,
    seasons: Sequence[int] = (),
) -> list[Signal]:
    """The service signals of a window, each with its band where one is known.

    *before*: the windows before, oldest first, none left out. *false_alarms*: the accepted share of quiet windows that
    raise any of these. *seasons*: lags in windows after which traffic may repeat itself (see `service_point.seasons`).
    """
    level = false_alarms * SPENT / SIGNALS
    days, before = before, _lively(before)
    shed = "turned away, for more was asked than could be answered"
    found = [
        _share("error share", "answered with an error", _parts(before, "failed"), (now.failed, now.requests), level),
        _share("saturation", shed, _parts(before, "shed"), (now.shed, now.requests), level),
        _traffic(before, now, level, seasons, days),
    ]
    # where a silence was left out, windows are not a day apart any more
    seasons = seasons if len(days) == len(before) else ()
    if now.p50 is not None and now.p99 is not None:
        found.append(_latency("latency p50", now.p50, [one.p50 for one in before], now, level, seasons))
        found.append(_latency("latency p99", now.p99, [one.p99 for one in before], now, level, seasons))
    return found


def refused_signal(before: Sequence[ServicePoint], now: ServicePoint, *, false_alarms: float) -> Signal:
    """Whether more requests than usual broke the contract: their data are to blame, not the endpoint."""
    level = false_alarms * SPENT / SIGNALS
    words = f"refused, most for {now.blamed} ({now.rule})" if now.blamed else "refused because of what they asked"
    found = _share("refused share", words, _parts(before, "refused"), (now.refused, now.requests), level)
    return replace(found, kind="data quality", column=now.blamed or None)


def _lively(points: Sequence[ServicePoint]) -> list[ServicePoint]:
    """The *points* without long silences: of each only the first window is left."""
    return [
        one for one, last in zip(points, (None, *points), strict=False) if one.requests or last is None or last.requests
    ]


def _parts(points: Sequence[ServicePoint], name: str) -> list[tuple[int, int]]:
    """How many of how many requests, window by window."""
    return [(getattr(one, name), one.requests) for one in points[-_SHARES:]]


def _share(name: str, words: str, before: list[tuple[int, int]], now: tuple[int, int], level: float) -> Signal:
    # a window full of errors is no part of what is usual
    usual = [(bad, requests) for bad, requests in before if not requests or bad / requests <= 0.5] or before
    bad, requests = sum(one for one, _ in usual), sum(one for _, one in usual) + _TRUSTED
    count, rows = now
    share = count / rows if rows else 0.0
    chance = bands.share_chance(bad, requests, count, rows, sides=1)
    return Signal(
        name=name,
        kind="service",
        value=share,
        low=0.0,
        high=bands.share_band(bad, requests, rows, level, sides=1)[1],
        breached=chance <= level and share - bad / requests >= SMALLEST_SHARE,
        rows=rows,
        text=f"{share:.1%} of the requests were {words}; {bad / requests:.1%} is usual",
    )


def _latency(
    name: str,
    value: float,
    past: Sequence[float | None],
    now: ServicePoint,
    level: float,
    seasons: Sequence[int],
) -> Signal:
    expected = forecast([math.log(one) for one in past if one], seasons=seasons, floor=_FLOOR)
    text = f"{name} is {_ms(value)}"
    if expected is None:
        return Signal(name=name, kind="service", value=value, breached=False, rows=now.requests, text=text)
    usual, high = math.exp(expected.value), math.exp(expected.band(2 * level)[1])
    times, above = _GROWN[name]
    high = max(high, usual * times, usual + above)
    return Signal(
        name=name,
        kind="service",
        value=value,
        low=0.0,
        high=high,
        breached=value > high,
        rows=now.requests,
        text=f"{text}, {_ms(usual)} is usual",
    )


def _traffic(
    before: Sequence[ServicePoint],
    now: ServicePoint,
    level: float,
    seasons: Sequence[int],
    days: Sequence[ServicePoint],
) -> Signal:
    """*days*: all points before, none left out."""
    rate = now.rate
    text = f"{_rate(rate)} requests a minute" if now.requests else "no requests came"
    regular = seasons if len(days) == len(before) else ()
    expected = forecast([_log_rate(one) for one in before], seasons=regular, floor=_FLOOR)
    low = high = None
    breached = False
    if expected is not None:
        usual = math.exp(expected.value)
        low, high = (math.exp(end) for end in expected.band(2 * level))
        low, high = min(low, usual * _LESS), max(high, usual * _MORE)
        breached = not low <= math.exp(_log_rate(now)) <= high and _is_no_chance(usual, now, level)
        text += f", {_rate(usual)} a minute are usual"
    elif not now.requests and len(before) >= _STOPPED:
        breached = all(one.requests >= FEWEST for one in before[-_STOPPED:])
    if breached and any(_was_so(days, season, now, more=high is not None and rate > high) for season in seasons):
        breached = False
    return Signal(
        name="traffic", kind="service", value=rate, low=low, high=high, breached=breached, rows=now.requests, text=text
    )


def _is_no_chance(usual: float, now: ServicePoint, level: float) -> bool:
    """Whether so many requests came not by chance, where so many a minute are usual: of few none may come at times.

    By the root of the deviance of Poisson's law.
    """
    expected, came = usual * now.seconds / 60, now.requests
    deviance = 2 * (expected - came + (came * math.log(came / expected) if came else 0.0))
    return bands.normal_chance(math.sqrt(max(deviance, 0.0))) <= level


def _was_so(days: Sequence[ServicePoint], season: int, now: ServicePoint, *, more: bool) -> bool:
    """Whether there were as few requests (or as many, with *more*) at about this time a season ago."""
    begin = len(days) - season - 1
    sign = -1 if more else 1
    return begin >= 0 and any(sign * (_log_rate(one) - _log_rate(now)) <= _ALIKE for one in days[begin : begin + 3])


def _log_rate(point: ServicePoint) -> float:
    """The logarithm of requests a minute, half a request where there were none."""
    return math.log(60 * max(point.requests, 0.5) / point.seconds)


def _ms(value: float) -> str:
    return f"{value:.3g} ms" if value < 1_000 else f"{value / 1_000:.3g} s"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
