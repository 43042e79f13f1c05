"""When to retrain, when to hold, when to roll back: one pure decision from the declared policy and what is known.

The rules, in the order they are asked:

1. A champion that went live lately and is surely worse than the one before it on rows labelled since is rolled back.
2. A retrain needs a trigger, labels that the last retrain did not have, the cooldown to be over, and budget left.
   One that came to nothing counts for neither; it is tried again with more labels, or after a while.
3. The last retrain of a budget is kept for a breached requirement: what merely drifts, or is due, may wait.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from mainspring.contract.policy import Promotion, Retrain, Trigger
from mainspring.core.duration import format_duration, parse_duration
from mainspring.core.errors import InputError, NotFound, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.core.estimate import Estimate

Action: TypeAlias = Literal["retrain", "hold", "roll back"]
URGENCY: tuple[Trigger, ...] = ("requirement", "drift", "labels", "schedule")
"""Of several triggers the first of these is named as the reason."""
_SETTING = re.compile(r"^\s*([a-z_]+)\s*=\s*(.+?)\s*$")
_BUDGET = re.compile(r"^(\d+)(?:\s+per\s+(.+))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A retraining policy. Spans are time, or a number of windows where they are whole numbers.

    ``on``: the triggers that may start a retrain; none means never. ``every``: the period of ``schedule``.
    ``cooldown``: what must pass between two retrains. At most ``at_most`` retrains in any span of ``per`` (None:
    ever); ``reserve`` of them are kept for the trigger ``requirement``. ``promotion``: by rule, or after approval.
    """

    on: tuple[Trigger, ...] = ("requirement", "drift")
    every: timedelta | int | None = None
    cooldown: timedelta | int | None = None
    at_most: int | None = None
    per: timedelta | int | None = None
    reserve: int = 1
    promotion: Promotion = "rule"

    @classmethod
    def of(cls, retrain: Retrain) -> Policy:
        """The policy that a contract's ``[retrain]`` declares."""
        return cls(
            on=retrain.on,
            every=retrain.every,
            cooldown=retrain.cooldown,
            at_most=retrain.at_most,
            per=retrain.per,
            promotion=retrain.promotion,
        )

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read a text such as ``on=requirement+drift, cooldown=2, at_most=6 per 12``, or ``never``, or ``always``.

        Whole numbers are windows. Raises InputError that names the setting, and NotFound for an unknown one.

        >>> Policy.parse("on=drift, cooldown=2, at_most=6 per 30d").cooldown
        2
        """
        if text.strip() == "never":
            return cls(on=())
        if text.strip() == "always":
            return cls(on=("schedule",), every=1)
        values: dict[str, Any] = {}
        for part in filter(str.strip, text.split(",")):
            found = _SETTING.match(part)
            if found is None:
                raise InputError(
                    f"A policy is a list such as on=requirement+drift, cooldown=2, at_most=6 per 30d (or never, or "
                    f"always); got {quote(part.strip())}."
                )
            values |= _setting(found[1], found[2])
        return cls(**values)

    def describe(self) -> str:
        """The policy as one would say it."""
        if not self.on:
            return "never retrain"
        said = f"retrain on {' or '.join(self.on)}"
        if "schedule" in self.on and self.every:
            said += f" (every {_span_words(self.every)})"
        if self.cooldown:
            said += f", at most once in {_span_words(self.cooldown)}"
        if self.at_most is not None:
            said += f", at most {self.at_most} times" + ("" if self.per is None else f" in {_span_words(self.per)}")
        return said + (", promoted after approval" if self.promotion == "approval" else "")


@dataclass(frozen=True, slots=True)
class Done:
    """A retrain that was made: at which window and moment."""

    window: int
    moment: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision rests on, after window number ``window`` at ``now``.

    ``triggers``: those that fired, each with its reason in words (``schedule`` and ``labels`` are found out by the
    decision itself). ``retrains``: those already made, oldest first. ``labelled``: rows whose labels came since the
    last retrain (or since release); ``worth``: so many of them make the trigger ``labels``. ``regret``: by how much
    the previous champion would have been better than the present one on labelled rows since the present one went
    live, None where that cannot be said. ``broken``: words on a column that is broken upstream, empty where none is.
    ``failing``: why a challenger is not tried to be built again yet, empty where the last one was built.
    """

    window: int
    now: datetime
    triggers: Mapping[Trigger, str] = field(default_factory=dict)
    retrains: Sequence[Done] = ()
    labelled: int = 0
    worth: int = 1
    regret: Estimate | None = None
    began: Done | None = None
    broken: str = ""
    failing: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why. ``trigger`` is what asked for it, None where nothing did."""

    action: Action
    reason: str
    trigger: Trigger | None = None


def decide(policy: Policy, situation: Situation) -> Decision:
    """Retrain, hold or roll back. Pure: the same policy and situation always give the same decision."""
    regret = situation.regret
    if regret is not None and regret.low is not None and regret.low > 0:
        return Decision("roll back", f"the champion before was better by {regret.value:.3g} on {regret.rows:,} rows")
    fired = _fired(policy, situation)
    if not fired:
        return Decision("hold", "nothing asks for a retrain")
    trigger = next(name for name in URGENCY if name in fired)
    if situation.broken:
        return Decision("hold", f"{situation.broken}: mend it upstream, a retrain would learn the fault", trigger)
    if not situation.labelled:
        return Decision("hold", "no labels have come that the champion has not learned from", trigger)
    if situation.failing:
        return Decision("hold", situation.failing, trigger)
    if wait := _cooling(policy, situation):
        return Decision("hold", wait, trigger)
    if broke := _broke(policy, situation, trigger):
        return Decision("hold", broke, trigger)
    return Decision("retrain", fired[trigger], trigger)


def _fired(policy: Policy, situation: Situation) -> dict[Trigger, str]:
    fired = {name: why for name, why in situation.triggers.items() if name in policy.on}
    last = situation.retrains[-1] if situation.retrains else situation.began
    due = policy.every is not None and (last is None or not _within(policy.every, last, situation))
    if "schedule" in policy.on and due:
        fired["schedule"] = f"due every {_span_words(policy.every)}"
    if "labels" in policy.on and situation.labelled >= situation.worth:
        fired["labels"] = f"{situation.labelled:,} new labels have come"
    return fired


def _cooling(policy: Policy, situation: Situation) -> str:
    """Why it is too early, or an empty text."""
    if policy.cooldown is None or not situation.retrains:
        return ""
    early = _within(policy.cooldown, situation.retrains[-1], situation)
    return f"the last retrain is less than {_span_words(policy.cooldown)} ago" if early else ""


def _broke(policy: Policy, situation: Situation, trigger: Trigger) -> str:
    """Why the budget forbids it, or an empty text."""
    if policy.at_most is None:
        return ""
    span = policy.per
    used = sum(1 for done in situation.retrains if span is None or _within(span, done, situation))
    over = "" if span is None else f" in {_span_words(span)}"
    if used >= policy.at_most:
        return f"the budget of {policy.at_most}{over} is spent"
    if trigger != "requirement" and "requirement" in policy.on and used >= policy.at_most - policy.reserve > 0:
        return "the rest of the budget is kept for a breached requirement"
    return ""


def _within(span: timedelta | int | None, done: Done, situation: Situation) -> bool:
    """Whether *done* is less than *span* ago."""
    if span is None:
        return True
    if isinstance(span, timedelta):
        return situation.now - done.moment < span
    return situation.window - done.window < span


def _span_words(span: timedelta | int | None) -> str:
    if isinstance(span, timedelta):
        return format_duration(span)
    return "a window" if span == 1 else f"{span} windows"


def _setting(name: str, value: str) -> dict[str, Any]:
    match name:
        case "on":
            wanted = [part.strip() for part in value.split("+")]
            for part in wanted:
                if part not in get_args(Trigger):
                    raise NotFound.among("trigger", part, get_args(Trigger))
            return {"on": tuple(wanted)}
        case "every" | "cooldown":
            return {name: _span(name, value)}
        case "at_most":
            found = _BUDGET.match(value)
            if found is None:
                raise InputError(f"at_most is a number such as 6, or 6 per 30d; got {quote(value)}.")
            return {"at_most": int(found[1]), "per": _span("at_most", found[2]) if found[2] else None}
        case "reserve":
            if not value.isdigit():
                raise InputError(f"reserve is a number of retrains; got {quote(value)}.")
            return {"reserve": int(value)}
        case "promotion":
            if value not in get_args(Promotion):
                raise NotFound.among("promotion", value, get_args(Promotion))
            return {"promotion": value}
    raise NotFound.among("setting", name, ("on", "every", "cooldown", "at_most", "reserve", "promotion"))


def _span(name: str, value: str) -> timedelta | int:
    if value.isdigit():
        return int(value)
    try:
        return parse_duration(value)
    except ValueError as error:
        raise InputError(f"{name} is a number of windows, or {error}; got {quote(value)}.") from None
