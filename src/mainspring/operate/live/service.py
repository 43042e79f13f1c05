"""How the endpoint serves, judged on short windows of its own: an outage of the night is told in the night.

Latency, errors, saturation and traffic are looked at every five minutes, or with each window of ``[monitor]`` where
these are shorter, and so are the error budgets of requirements on them. That goes by time also where windows are cut by
rows, which come no more when the traffic stops. The windows of ``[monitor]`` that are longer are looked at as well
(:func:`tell`): what is too little to be seen in five minutes may be seen in a day.

Everything is one document: what was found, the incidents that it opened and how far the log was looked at become known
in one transaction, and of two that look at once the slower one's work is thrown away.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound, StoreError
from mainspring.monitor.service_point import KEPT, ServicePoint, seasons
from mainspring.operate.fold import BUDGET
from mainspring.operate.live import document
from mainspring.operate.live.windows import SILENT, LiveWindow, by_time, floor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mainspring.contract import Contract
    from mainspring.ledger.ports import Incident
    from mainspring.monitor.service import ServiceCounts
    from mainspring.monitor.signals import Signal
    from mainspring.operate.live.document import Service
    from mainspring.workspace import Workspace

SPAN = timedelta(minutes=5)
"""How long a window is by which service is judged, at most."""
TOGETHER = 12
"""The rows of so many windows are read at once, ..."""
ROWS = 500_000
"""... if they are not more than so many."""
_DAY = timedelta(days=1)
_SLOW, _FAILS = ("latency p50", "latency p99"), ("error share", "saturation")
_ABOUT = {"latency_p50_ms": _SLOW, "latency_p99_ms": _SLOW, "error_rate": _FAILS}
"""The alarms that tell of a requirement on this metric."""


def span_of(contract: Contract) -> timedelta:
    """How long a window is by which service is judged."""
    window = contract.monitor.window
    return SPAN if isinstance(window, int) else min(window, SPAN)


def is_longer(contract: Contract, window: LiveWindow) -> bool:
    """Whether a window of ``[monitor]`` may show what shorter ones do not."""
    return window.end - window.start > span_of(contract)


class ServiceWatch:
    """Looks at how the endpoint of one model serves."""

    def __init__(self, contract: Contract, workspace: Workspace) -> None:
        """Judge by *contract*, on the log of *workspace*."""
        self._contract, self._workspace = contract, workspace
        self._ledger = workspace.ledger
        self._model = contract.project.name
        self._span = span_of(contract)

    def due(self, service: Service, now: datetime) -> list[LiveWindow]:
        """The windows that have ended by *now* and were not looked at; what is older than what is kept never is."""
        earliest = floor(now, self._span) - KEPT * self._span
        begin = None if service.next is None else max(service.next, earliest)
        if begin is not None and begin + self._span > now:
            return []
        segments = self._ledger.segments.search(
            model=self._model, kind="predictions", since=earliest if begin is None else begin
        )
        return list(by_time(segments, self._span, now=now, begin=begin, silent=service.silent))

    def look(self, service: Service, windows: Sequence[LiveWindow]) -> tuple[Service, list[Incident], list[str]]:
        """Judge *windows*, all or none of them. Gives what is known then, the incidents opened, and words on alarms.

        Raises Refused where somebody else did so since *service* was read.
        """
        from mainspring.operate.live.desk import desk_of

        found: list[tuple[int, LiveWindow, list[Signal]]] = []
        after = service
        for window, counts in self._counts(windows):
            if counts is None:  # of a damaged log nothing is known, not that all is well
                after = replace(after, next=window.end)
                continue
            after, alarms = self._judged(after, window, counts)
            found.append((after.index, window, alarms))
        desk = desk_of(self._workspace, self._model, service.cases)
        opened: list[Incident] = []
        with self._ledger.together():
            for index, window, alarms in found:
                opened += desk.keep(desk.draw(index, alarms, lambda: None), where=window.words)
            after = document.serve(self._ledger.states, self._model, replace(after, cases=desk.open))
        said = [f"{window.words}  {'; '.join(one.text for one in alarms)}" for _, window, alarms in found if alarms]
        return after, opened, said

    def taken_back(self, service: Service, begin: datetime) -> Service:
        """What is known up to *begin*: of later windows nothing, of those before as much as the log still tells.

        Windows that were left out on the way to a time ahead have displaced what was usual, so that is read anew.
        """
        earliest = begin - KEPT * self._span
        segments = self._ledger.segments.search(model=self._model, kind="predictions", since=earliest, until=begin)
        start = max(min((floor(one.start, self._span) for one in segments), default=begin), earliest)
        windows = [
            LiveWindow(start + place * self._span, start + (place + 1) * self._span)
            for place in range((begin - start) // self._span)
        ]
        points = [ServicePoint.of(counts, one.seconds) for one, counts in self._counts(windows) if counts is not None]
        told = {name: end for name, end in service.told.items() if end <= begin}
        return replace(service, next=begin, silent=0, points=tuple(points), told=told)

    def _judged(self, service: Service, window: LiveWindow, counts: ServiceCounts) -> tuple[Service, list[Signal]]:
        """What is known after *window*, and what is unusual in it."""
        from mainspring.monitor.service import service_signals
        from mainspring.operate.live.measured import burning_service

        points = service.points
        if service.next is not None and service.silent > SILENT - 1:
            # what was passed over was silent, too; windows that lie a day apart are to stay so
            gap = min((window.start - service.next) // self._span, KEPT)
            points += (ServicePoint.nothing(self._span.total_seconds()),) * gap
        point = ServicePoint.of(counts, window.seconds)
        signals = service_signals(points, point, false_alarms=self._accepted, seasons=seasons(self._span))
        alarms = [one for one in signals if one.breached]
        alarms += burning_service(self._contract, (*points, point), window.end)
        return replace(
            service,
            next=window.end,
            index=service.index + 1,
            silent=0 if point.requests else service.silent + 1,
            points=(*points, point)[-KEPT:],
            told=service.told | dict.fromkeys((one.name for one in alarms), window.end),
        ), alarms

    def _counts(self, windows: Sequence[LiveWindow]) -> Iterator[tuple[LiveWindow, ServiceCounts | None]]:
        """The requests of each window, of several read at once; None for one whose rows cannot be read."""
        from mainspring.monitor.service import ServiceCounts
        from mainspring.serve.log.read import PredictionLog

        log = PredictionLog(self._workspace, self._model)
        left = list(windows)
        while left:
            some = [one for one in left[:TOGETHER] if one.end - left[0].start <= TOGETHER * self._span]
            if sum(one.rows for one in log.segments(some[0].start, some[-1].end)) > ROWS:
                some = some[:1]
            try:
                rows = _requests(log, some[0].start, some[-1].end)
            except (StoreError, NotFound):
                if len(some) == 1:
                    yield some[0], None
                else:
                    for one in some:
                        yield from self._counts([one])
                del left[: len(some)]
                continue
            times = rows["time"]
            for window in some:
                begin, end = (int(times.search_sorted(moment)) for moment in (window.start, window.end))
                yield window, ServiceCounts.of(rows[begin:end])
            del left[: len(some)]

    @property
    def _accepted(self) -> float:
        """The share of quiet windows that may raise an alarm: no more of them in the time of a window of [monitor]."""
        monitor = self._contract.monitor
        # half of all is for the data, and a longer window has its half of the rest (see `tell`)
        window = monitor.window if isinstance(monitor.window, timedelta) else _DAY
        share = monitor.false_alarms / 2
        return share if window <= self._span else share / 2 * (self._span / window)


def tell(
    workspace: Workspace, contract: Contract, window: LiveWindow, alerts: Sequence[Signal]
) -> tuple[Incident, ...]:
    """Write down what a window of ``[monitor]`` told of the service. Gives the incidents opened by it.

    What the short windows in it have told already, and what is over, is not told again, but for requirements that no
    alarm was about. An incident that only such a window shows stays open until the next one. To be called in a block of
    `Ledger.together`; raises Refused where somebody else wrote.
    """
    from mainspring.operate.live.desk import desk_of

    states, model = workspace.ledger.states, contract.project.name
    service = document.served(states, model)
    desk = desk_of(workspace, model, service.cases)
    alerts = alerts if desk.open else _untold(alerts, service, window.start)
    if not alerts:
        return ()
    index = max(service.index, 0)
    opened = desk.keep(desk.draw(index, alerts, lambda: None), where=window.words)
    until = index + math.ceil((window.end - window.start) / span_of(contract))
    # what short windows show, they end as well
    lasting = {one.id for one in opened} | {one.id for one in service.cases if one.last > index}
    cases = tuple(replace(one, last=max(one.last, until)) if one.id in lasting else one for one in desk.open)
    document.serve(states, model, replace(service, cases=cases))
    return opened


def _untold(alerts: Sequence[Signal], service: Service, since: datetime) -> list[Signal]:
    """Of *alerts* those that are not explained by what short windows have told since then."""
    told = {name for name, end in service.told.items() if end > since}
    about = {one.name: {BUDGET + one.name, *_ABOUT.get(one.name.partition(" ")[0], told)} for one in alerts}
    return [one for one in alerts if not told & about[one.name]]


def _requests(log: Any, since: datetime, until: datetime) -> Any:
    """The logged rows of that time, in its order, shadows left out; only what tells how they were served."""
    from mainspring.serve.log.read import ASKED

    columns = ["time", "role", "latency_ms", "status", "flags"]
    rows = log.scan(since, until, columns, roles=ASKED).drop("role").collect(engine="streaming")
    return rows if rows["time"].is_sorted() else rows.sort("time", maintain_order=True)
