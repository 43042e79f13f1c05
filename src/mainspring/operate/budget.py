"""Error budgets: for how much of the time a requirement held, and how fast what may be missed is being used up.

A window of the prediction log is a slice of time in which a requirement was kept or broken. The objective says for what
share of the time it must be kept; the rest, over the span of ``[slo]``, is the error budget. A window that could not be
measured (labels are late, or too few to say anything) counts for neither. This is the timeslice method of OpenSLO.
So a budget is not kept where it is within its bounds only by time that was not measured: as long as less of the
measured time was kept than the objective asks for, it is ``unproven``. Of a span that was all measured none is.

The burn rate is how many times faster than allowed the budget is used: at 1 it lasts exactly for the span. Fast and
slow burning are told apart by several pairs of looks back, a long one so that a blip does not call anybody and a short
one so that what is over does not: Google, "The Site Reliability Workbook", chapter 5, "Alerting on SLOs", table 5-8.
The watch opens an incident where a budget burns fast and more than one window says so (`blaze`).

Windows live in the ledger's states, kind ``verdicts``, key ``<model>/<start of the window, %Y%m%dT%H%M%S.%fZ>``. The
value has ``start``, ``end``, ``version``, ``rows`` and ``verdicts``, each of these with ``requirement``, ``metric``,
``priority``, ``result``, ``value``, ``bound``, ``rows`` and ``reason``. The watch writes one for each window that it
has judged, and writes it again when labels have come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from mainspring.contract.metric import METRICS
from mainspring.contract.requirement import Priority  # noqa: TC001  # documents are read by their types
from mainspring.contract.verdict import Result  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mainspring.contract import Contract, Verdict
    from mainspring.ledger.ports.states import States

KIND = "verdicts"

Health: TypeAlias = Literal["kept", "burning", "burning fast", "spent", "unproven", "unknown"]

LOOKS: tuple[tuple[float, float, str], ...] = ((0.02, 14.4, "page"), (0.05, 6.0, "page"), (0.10, 1.0, "ticket"))
"""Share of the budget, the burn rate at which it is used up within the long look back, and what that calls for."""
SHORT = 12
"""The short look back is this part of the long one."""
WINDOWS, SHARE = 3, 0.25
"""How fast a budget is used is not known where nothing was judged for longer than the long look back and so many
windows (the traffic is over), or nothing measured for this share of the span (there are no labels any more)."""
FEWEST = 30
"""What was measured on fewer labelled rows says neither that a requirement was kept nor that it was broken."""
KEPT = timedelta(days=400)
"""Windows that are older are dropped; no span reaches back further."""
LONGEST = timedelta(days=60)
"""A window that began so long before a span does not reach into it."""
_EMPTY = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One requirement in one window."""

    requirement: str
    metric: str
    priority: Priority
    result: Result
    value: float | None = None
    bound: float = 0.0
    rows: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was judged in one window; ``version`` is the champion's, None where several answered."""

    start: datetime
    end: datetime
    version: int | None
    rows: int
    verdicts: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A stretch of time in which one requirement was kept, broken or not measurable."""

    start: datetime
    end: datetime
    result: Result
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """A pair of looks back. Rates are None where nothing was measured. ``firing``: both are at the threshold or above.

    ``calls_for``: "page" somebody now, or a "ticket".
    """

    calls_for: str
    threshold: float
    long: timedelta
    short: timedelta
    long_rate: float | None
    short_rate: float | None

    @property
    def firing(self) -> bool:
        """Whether the budget is being used up at this rate, still."""
        rates = self.long_rate, self.short_rate
        return all(rate is not None and rate >= self.threshold for rate in rates)


@dataclass(frozen=True, slots=True)
class Blaze:
    """A budget that burns fast: so many times faster than allowed, broken in so many of the windows looked back at."""

    rate: float
    broken: int
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One requirement over the span ``over`` that ends ``now``.

    ``kept``, ``broken``, ``unknown``: time measured and held, measured and not held, judged but not measurable; what is
    missing of the span was not judged at all. ``allowed``: the whole budget. ``slices``: what it was counted from.
    """

    requirement: str
    metric: str
    priority: Priority
    objective: float
    over: timedelta
    now: datetime
    kept: timedelta
    broken: timedelta
    unknown: timedelta
    burns: tuple[Burn, ...]
    slices: tuple[Slice, ...]

    @property
    def allowed(self) -> timedelta:
        """For so long it may be broken in the span."""
        return self.over * (1 - self.objective)

    @property
    def left(self) -> timedelta:
        """What of the budget is left; below zero where more was used."""
        return self.allowed - self.broken

    @property
    def spent(self) -> float:
        """The used share of the budget; above 1 where more was used."""
        return self.broken / self.allowed

    @property
    def attained(self) -> float | None:
        """The share of the measured time in which it held; None where nothing was measured."""
        measured = self.kept + self.broken
        return self.kept / measured if measured else None

    @property
    def health(self) -> Health:
        """The one word about it."""
        if not self.kept + self.broken:
            return "unknown"
        if self.left <= _EMPTY < self.broken:
            return "spent"
        firing = {burn.calls_for for burn in self.burns if burn.firing}
        if firing:
            return "burning fast" if "page" in firing else "burning"
        return "kept" if self.broken <= (self.kept + self.broken) * (1 - self.objective) else "unproven"


def record(
    states: States,
    *,
    model: str,
    start: datetime,
    end: datetime,
    version: int | None,
    rows: int,
    verdicts: Iterable[Verdict],
    fence: tuple[str, int] | None = None,
) -> bool:
    """Keep what was judged in the window from *start* to *end*. Whether it was news: the same twice is written once.

    Windows that ended more than :data:`KEPT` before are dropped, a few at a time.
    """
    held = tuple(
        Held(
            requirement=each.requirement,
            metric=each.metric,
            priority=each.priority,
            result=each.result,
            value=each.value,
            bound=each.bound,
            rows=each.rows,
            reason=each.reason,
        )
        for each in verdicts
    )
    made = Record(start=start.astimezone(UTC), end=end.astimezone(UTC), version=version, rows=rows, verdicts=held)
    # through JSON once, so that it is compared with what a ledger would give back
    value = msgspec.json.decode(msgspec.json.encode(made))
    key = _key(model, made.start)
    before = states.get(KIND, key)
    if before is not None and before.value == value:
        return False
    states.put(KIND, key, value, fence=fence)
    for old in states.search(KIND, f"{model}/", until=_key(model, made.end - KEPT - LONGEST), limit=10):
        states.delete(KIND, old.key, fence=fence)
    return True


def records(
    states: States,
    model: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    longest: timedelta = LONGEST,
) -> tuple[Record, ...]:
    """The windows of *model* that end after *since* and begin before *until*, oldest first; none lasts *longest*."""
    first = None if since is None else _key(model, since - longest)
    last = None if until is None else _key(model, until)
    found = (msgspec.convert(one.value, Record) for one in states.search(KIND, f"{model}/", since=first, until=last))
    return tuple(each for each in found if since is None or each.end > since)


def tells(held: Held | Verdict) -> bool:
    """Whether a requirement was measured on more than a few rows, where that takes labels."""
    return METRICS[held.metric].kind in ("data", "service") or held.rows >= FEWEST


def budgets(
    contract: Contract, windows: Sequence[Record], now: datetime, *, over: timedelta | None = None
) -> tuple[Budget, ...]:
    """The budget of every requirement that *windows* speak of and the contract still has, in the contract's order.

    *over*: the span, by default that of ``[slo]``.
    """
    span = over or contract.slo.over
    made = []
    for requirement in contract.requirements:
        slices = [
            sliced(window.start, window.end, held)
            for window in windows
            for held in window.verdicts
            if held.requirement == requirement.name
        ]
        if slices:
            made.append(
                budget(
                    slices,
                    requirement=requirement.name,
                    metric=requirement.metric,
                    priority=requirement.priority,
                    objective=requirement.objective or contract.slo.objective,
                    over=span,
                    now=now,
                )
            )
    return tuple(made)


def sliced(start: datetime, end: datetime, held: Held | Verdict) -> Slice:
    """What a window says of a requirement; of too few rows nothing."""
    return Slice(start=start, end=end, result=held.result if tells(held) else "not measurable", value=held.value)


def budget(
    slices: Iterable[Slice],
    *,
    objective: float,
    over: timedelta,
    now: datetime,
    requirement: str = "",
    metric: str = "",
    priority: Priority = "must",
) -> Budget:
    """The budget over the span *over* that ends *now*. Slices are cut at its ends. Pure."""
    since = now - over
    inside = tuple(_cut(each, since, now) for each in sorted(slices, key=lambda each: each.start))
    inside = tuple(each for each in inside if each.end > each.start)
    sums = {"pass": _EMPTY, "fail": _EMPTY, "not measurable": _EMPTY}
    for each in inside:
        sums[each.result] += each.end - each.start
    return Budget(
        requirement=requirement,
        metric=metric,
        priority=priority,
        objective=objective,
        over=over,
        now=now,
        kept=sums["pass"],
        broken=sums["fail"],
        unknown=sums["not measurable"],
        burns=tuple(_burn(inside, objective, over, now, *look) for look in LOOKS),
        slices=inside,
    )


def reach(over: timedelta) -> timedelta:
    """So far back `blaze` looks where windows are short."""
    return max(over * share / rate for share, rate, call in LOOKS if call == "page")


def blaze(slices: Sequence[Slice], *, objective: float, over: timedelta, now: datetime) -> Blaze | None:
    """Whether somebody has to be called for the budget at *now*, the end of the last window.

    What one window says may be chance, and says the window itself where it is none: a budget burns fast where more than
    one was broken, and half of those looked back at, which are the last :data:`WINDOWS` measured ones at least.
    """
    measured = sorted((each for each in slices if each.result != "not measurable"), key=lambda each: each.start)
    for burn in budget(measured, objective=objective, over=over, now=now).burns:
        if burn.calls_for != "page" or not burn.firing or burn.long_rate is None:
            continue
        looked = max([each for each in measured if each.end > now - burn.long], measured[-WINDOWS:], key=len)
        broken = sum(each.result == "fail" for each in looked)
        if broken > 1 and 2 * broken >= len(looked):
            return Blaze(burn.long_rate, broken, len(looked))
    return None


def _burn(
    slices: Sequence[Slice], objective: float, over: timedelta, now: datetime, share: float, rate: float, call: str
) -> Burn:
    long = over * share / rate
    long_rate = short_rate = None
    if _is_known(slices, over, now, long):
        long_rate, short_rate = (_rate(slices, objective, now, span) for span in (long, long / SHORT))
    return Burn(
        calls_for=call, threshold=rate, long=long, short=long / SHORT, long_rate=long_rate, short_rate=short_rate
    )


def _is_known(slices: Sequence[Slice], over: timedelta, now: datetime, long: timedelta) -> bool:
    """Whether what was measured last still says how fast the budget is used."""
    if not slices:
        return False
    latest = slices[-1]
    measured = max((each.end for each in slices if each.result != "not measurable"), default=now - over)
    return now - latest.end <= max(long, WINDOWS * (latest.end - latest.start)) and now - measured <= SHARE * over


def _rate(slices: Sequence[Slice], objective: float, now: datetime, span: timedelta) -> float | None:
    """How many times faster than allowed the budget was used in the *span* before *now*.

    It reaches back to the last measured slice at least: windows may be longer than the span, and labels late.
    """
    measured = [each for each in slices if each.result != "not measurable"]
    if not measured:
        return None
    since = min(now - span, measured[-1].start)
    within = [_cut(each, since, now) for each in measured if each.end > since]
    total = sum((each.end - each.start for each in within), _EMPTY)
    broken = sum((each.end - each.start for each in within if each.result == "fail"), _EMPTY)
    return broken / total / (1 - objective)


def _cut(each: Slice, since: datetime, until: datetime) -> Slice:
    start, end = max(each.start, since), min(each.end, until)
    return Slice(start=start, end=end, result=each.result, value=each.value)


def spark(found: Budget, *, width: int = 28) -> str:
    """The span as a line of *width* signs, oldest first: the higher the bar, the larger the share of the time it held.

    A dot: nothing was measured then.

    >>> moment = datetime(2026, 1, 2, tzinfo=UTC)
    >>> day = timedelta(days=1)
    >>> bad = Slice(start=moment - day / 4, end=moment, result="fail")
    >>> good = Slice(start=moment - day / 2, end=moment - day / 4, result="pass")
    >>> spark(budget([good, bad], objective=0.9, over=day, now=moment), width=8)
    '····██▁▁'
    """
    step = found.over / width
    begin = found.now - found.over
    signs = []
    for place in range(width):
        start, end = begin + place * step, begin + (place + 1) * step
        kept = total = _EMPTY
        for each in found.slices:
            part = min(each.end, end) - max(each.start, start)
            if part > _EMPTY and each.result != "not measurable":
                total += part
                kept += part if each.result == "pass" else _EMPTY
        signs.append("▁▂▃▄▅▆▇█"[int(7 * (kept / total))] if total else "·")
    return "".join(signs)


def course(found: Budget) -> tuple[tuple[datetime, float], ...]:
    """What was left of the budget after each slice, as a share of the whole, from the start of the span on."""
    left, points = found.allowed, [(found.now - found.over, 1.0)]
    for each in found.slices:
        if each.result == "fail":
            points.append((each.start, left / found.allowed))
            left -= each.end - each.start
        points.append((each.end, left / found.allowed))
    points.append((found.now, left / found.allowed))
    return tuple(points)


def as_dict(found: Budget) -> dict[str, Any]:
    """As plain JSON values; times in seconds."""
    return {
        "requirement": found.requirement,
        "metric": found.metric,
        "priority": found.priority,
        "objective": found.objective,
        "over": found.over.total_seconds(),
        "health": found.health,
        "attained": found.attained,
        "allowed": found.allowed.total_seconds(),
        "left": found.left.total_seconds(),
        "spent": found.spent,
        "kept": found.kept.total_seconds(),
        "broken": found.broken.total_seconds(),
        "unknown": found.unknown.total_seconds(),
        "windows": len(found.slices),
        "burns": [
            {
                "calls_for": burn.calls_for,
                "threshold": burn.threshold,
                "long": burn.long.total_seconds(),
                "short": burn.short.total_seconds(),
                "long_rate": burn.long_rate,
                "short_rate": burn.short_rate,
                "firing": burn.firing,
            }
            for burn in found.burns
        ],
        "spark": spark(found),
    }


def _key(model: str, start: datetime) -> str:
    return f"{model}/{start.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
