"""What the loop remembers of its own doing, as a document of the ledger's states: kind ``loop``, key ``<model>``.

A retrain takes minutes and several transactions, between any two of which the process may be killed:

1. it is *intended*: written down before anything is done, with why and against which champion;
2. the challenger is built, which leaves nothing behind but bytes in the store;
3. it is *registered*: the new version and the document that names it become known together;
4. it is *done*: the promotion, the entries in the incidents and the document become true together.

Whoever holds the lease next goes on behind the last of these, but not for ever: each try is counted before it begins,
for what ends the process (memory that runs out) would end every one after it, too. Everything else the loop does
(rolling back, setting a column aside, holding) is one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime  # noqa: TC003  # documents are read by their types
from typing import TYPE_CHECKING

import msgspec

from mainspring.contract.policy import Trigger  # noqa: TC001

if TYPE_CHECKING:
    from mainspring.ledger.ports.states import States

KIND = "loop"
ASIDE = "aside"
"""Kind of the document, key ``<model>``, that says which columns are set aside: ``{column: words}``."""
REMEMBERED = 200
"""So many retrains are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain:
    """A retrain that was made after window number ``window``; ``version`` is 0 where nothing came of it.

    ``live``: its version was promoted, or is on its way. ``champion``: the version that it was to take over from;
    ``labelled``: labels there were when it was decided.
    """

    window: int
    moment: datetime
    trigger: Trigger
    version: int
    live: bool
    outcome: str
    champion: int = 0
    labelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """A retrain on its way. ``labelled``: labels there were when it was decided; ``fresh``: those new since the last.

    ``version`` is 0 until it is registered, ``won`` and ``outcome`` say how it did against version ``champion``.
    ``attempts``: how often it was begun or gone on with.
    """

    id: str
    trigger: Trigger
    reason: str
    window: int
    moment: datetime
    champion: int
    labelled: int
    fresh: int
    request: bool = False
    version: int = 0
    won: bool = False
    outcome: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Version ``version`` took over from ``before`` at that ``moment``, after window number ``since``.

    ``rows``: of so many answers of its own the truth was known when the two were compared last.
    """

    version: int
    before: int
    since: int
    moment: datetime
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What the loop over one model knows.

    ``began``: after which window and when it was first started. ``champion``: the version that it saw in force last.
    ``compared``: when served features were last compared with the pipeline's.
    ``answered``: the number of the last question of the watch that was answered. ``learned``: labels there were when
    the last retrain was decided. ``looked``: labels there were when the champion on trial was last looked at.
    """

    began: int
    moment: datetime
    champion: int
    answered: int = 0
    learned: int = 0
    looked: int = 0
    retrains: tuple[Retrain, ...] = ()
    trial: Trial | None = None
    aside: dict[str, str] = field(default_factory=dict)
    intended: Intended | None = None
    compared: datetime | None = None
    revision: int = 0


def known(states: States, model: str) -> Acting | None:
    """What the loop over *model* knows, None where it never ran."""
    state = states.get(KIND, model)
    return None if state is None else msgspec.convert({**state.value, "revision": state.revision}, Acting)


def write(states: States, model: str, acting: Acting, fence: tuple[str, int]) -> Acting:
    """Write it down. Raises Refused where another loop has the lease by now, or wrote."""
    value = msgspec.to_builtins(replace(acting, retrains=acting.retrains[-REMEMBERED:]))
    del value["revision"]
    state = states.put(KIND, model, value, expected=acting.revision, fence=fence)
    return replace(acting, revision=state.revision)


def in_time(acting: Acting, now: datetime) -> Acting:
    """*acting* with moments that are still to come, for the clock was ahead when they were written, taken as *now*.

    What is to pass since then would otherwise take as long as the clock was ahead.
    """
    retrains = tuple(replace(one, moment=min(one.moment, now)) for one in acting.retrains)
    trial = acting.trial and replace(acting.trial, moment=min(acting.trial.moment, now))
    compared = acting.compared and min(acting.compared, now)
    return replace(acting, moment=min(acting.moment, now), retrains=retrains, trial=trial, compared=compared)
