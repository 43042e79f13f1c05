"""What a person or the loop has ordered and nobody has lifted yet: it stands whatever becomes of its incident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.operate import remedy
from mainspring.operate.live.acting import ASIDE

if TYPE_CHECKING:
    from datetime import datetime

    from mainspring.operate.remedy import Fallback, Pause
    from mainspring.workspace import Workspace

OrderKind: TypeAlias = Literal["pause", "fallback", "aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order that stands. ``text`` says what it does; ``lift`` is the command that ends it, or what else does."""

    model: str
    kind: OrderKind
    text: str
    lift: str
    by: str = ""
    at: datetime | None = None
    until: datetime | None = None
    incident: int | None = None

    @property
    def words(self) -> str:
        """The order as people are told it."""
        return f"Still in force: {self.text}. To lift it: {self.lift}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def standing(workspace: Workspace, model: str) -> tuple[Order, ...]:
    """The orders about *model* that are in force now: a fallback, a pause, a column set aside."""
    states, found = workspace.ledger.states, []
    fallback = remedy.falling_back(states, model)
    if fallback is not None:
        text = f"the endpoint of {model} answers {fallback.prediction} to everything, {_ordered(fallback)}"
        found.append(_order(fallback, "fallback", text))
    pause = remedy.paused(states, model, workspace.clock.now())
    if pause is not None:
        ends = f" until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else ""
        found.append(_order(pause, "pause", f"the loop only judges {model}{ends}, {_ordered(pause)}", pause.until))
    aside = states.get(ASIDE, model)
    found += [
        Order(
            model=model, kind="aside", text=f"{model} answers without {name}, which {words}",
            lift=f"mend {name} upstream; the loop takes it back when it looks as before",
        )
        for name, words in ({} if aside is None else aside.value).items()
    ]  # fmt: skip
    return tuple(found)


def _order(order: Pause | Fallback, kind: OrderKind, text: str, until: datetime | None = None) -> Order:
    return Order(
        model=order.model, kind=kind, text=text, lift=f"mainspring resume {order.model}", by=order.by, at=order.at,
        until=until, incident=order.incident,
    )  # fmt: skip


def _ordered(order: Pause | Fallback) -> str:
    """By whom and when it was ordered, and why."""
    where = f", incident {order.incident}" if order.incident is not None else ""
    reason = f" ({order.reason})" if order.reason else ""
    return f"ordered by {order.by} at {order.at:%Y-%m-%d %H:%M} UTC{where}{reason}"
