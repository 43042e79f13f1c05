"""``mainspring slo``: for how much of the time each requirement held, and what is left of its error budget."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # the command line reads the annotations
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from mainspring.operate.budget import Budget
    from mainspring.workspace import Workspace


def slo(
    model: str | None = None,
    /,
    *,
    over: Annotated[str | None, Parameter(help="The span, such as 28d; default: the contract's.")] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="Write an HTML page to this file.")] = None,
    workspace: Where = None,
    json: Json = False,
) -> int:
    """Show the error budget of every requirement: how long it held, what is left, how fast it is used up.

    Leaves with 1 where the budget of a must is spent.
    """
    from mainspring.cli._contract import contract_of
    from mainspring.cli._output import emit_json
    from mainspring.operate import budget

    with opened(workspace) as place:
        name = model or _only(place)
        contract = contract_of(place, name, workspace=workspace)
        now = place.clock.now()
        span = _over(over) or contract.slo.over
        windows = budget.records(place.ledger.states, name, since=now - span)
    found = budget.budgets(contract, windows, now, over=span)
    if output is not None:
        from mainspring.core.files import write_atomic
        from mainspring.operate.budget_page import page

        write_atomic(output, page(name, found))
    if json:
        emit_json({"model": name, "windows": len(windows), "budgets": [budget.as_dict(each) for each in found]})
    else:
        _show(name, found, len(windows))
    return 1 if any(each.priority == "must" and each.health == "spent" for each in found) else 0


def _show(name: str, budgets: Sequence[Budget], windows: int) -> None:
    from rich.markup import escape

    from mainspring.cli._output import out
    from mainspring.cli._table import print_table, table
    from mainspring.operate.budget import spark
    from mainspring.operate.budget_page import MARKS, UNPROVEN, span_words

    if not budgets:
        seen = "no window of it has been judged" if not windows else "no requirement of its contract was judged"
        out().print(f"There is nothing to say about {name} yet: {seen}. See: mainspring watch", markup=False)
        return
    colours = {"good": "green", "warn": "yellow", "bad": "red", "": "dim"}
    rows = table(
        "requirement", "held", "objective", "left", "of", "not measured", "burn", "", "health",
        right=["held", "left", "not measured", "burn"],
    )  # fmt: skip
    for each in budgets:
        rates = [burn.long_rate for burn in each.burns if burn.long_rate is not None]
        colour = colours[MARKS[each.health]]
        rows.add_row(
            escape(each.requirement), "–" if each.attained is None else f"{each.attained:.2%}", f"{each.objective:.4g}",
            span_words(each.left), span_words(each.allowed), span_words(each.unknown) if each.unknown else "",
            f"{rates[0]:.3g}" if rates else "–", spark(each),
            f"[{colour}]{each.health}[/]",
        )  # fmt: skip
    print_table(rows)
    if any(each.health == "unproven" for each in budgets):
        out().print(UNPROVEN, markup=False)


def _only(place: Workspace) -> str:
    from mainspring.core.errors import InputError, listed

    names = place.ledger.models.names()
    if len(names) != 1:
        known = f"there are {listed(names)}" if names else "there is none yet"
        raise InputError(f"Say which model: {known}.")
    return names[0]


def _over(text: str | None) -> timedelta | None:
    from mainspring.cli._span import span
    from mainspring.core.errors import InputError, quote
    from mainspring.operate.budget import KEPT

    found = span("--over", text or None)
    if found is not None and found > KEPT:
        raise InputError(f"--over is {KEPT.days}d at most, for older windows are not kept; got {quote(text)}.")
    return found
