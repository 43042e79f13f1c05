"""How the loop may act: [monitor], [retrain], [rollout], [slo], [fallback], [notify]."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

Trigger: TypeAlias = Literal["requirement", "drift", "schedule", "labels"]
Promotion: TypeAlias = Literal["rule", "approval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """How the prediction log is cut into windows and judged.

    ``window`` is a span of time or a number of rows. ``false_alarms`` is the accepted share of quiet windows that raise
    an alert (all signals of a window together). ``ignore`` lists columns whose drift is not watched.
    """

    window: timedelta | int = field(default_factory=lambda: timedelta(days=1))
    false_alarms: float = 0.01
    label_delay: timedelta | int | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain:
    """When a challenger is built.

    ``on`` lists the triggers. ``cooldown`` (time or windows) must pass between two retrains; ``at_most`` retrains per
    ``per`` are allowed (None: no budget). ``promotion`` says whether a better challenger goes live by rule or waits
    for approval.
    """

    on: tuple[Trigger, ...] = ("requirement", "drift")
    every: timedelta | int | None = None
    cooldown: timedelta | int | None = None
    at_most: int | None = None
    per: timedelta | None = None
    promotion: Promotion = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Traffic percentages a new version passes through, and how long it is held at each.

    It goes on to the next only after it has answered ``minimum_rows`` rows at the present one.
    """

    steps: tuple[int, ...] = (5, 25, 100)
    hold: timedelta = timedelta(minutes=10)
    minimum_rows: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """The share of the time that a requirement must hold, and the span over which that is counted.

    ``objective`` is for requirements that name none of their own; what it leaves of ``over`` is the error budget.
    """

    objective: float = 0.99
    over: timedelta = timedelta(days=28)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What an endpoint may answer instead of the model when somebody falls back to it: a label, or a number's text."""

    prediction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Where incidents are announced.

    ``urls``: references (``env:NAME``, ``file:PATH``) to an apprise URL or a webhook, or a webhook itself where its
    address is no secret. ``secret``: a reference to what webhooks are signed with. ``allow``: hosts, addresses and
    networks that may be called although they are not public. ``severity``: the least that is announced.
    """

    urls: tuple[str, ...] = ()
    severity: Literal["info", "warning", "critical"] = "warning"
    secret: str | None = None
    allow: tuple[str, ...] = ()
