"""``mainspring shadow``: let a version listen before it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mainspring.cli._workspace import Json, Where, opened

if TYPE_CHECKING:
    from mainspring.contract import Verdict
    from mainspring.operate.shadow import Heard


def shadow(
    name: str,
    /,
    *versions: int,
    off: Annotated[bool, Parameter(negative=(), help="No version listens any more.")] = False,
    reason: Annotated[str, Parameter(help="Why; the history shows it.")] = "",
    workspace: Where = None,
    json: Json = False,
) -> None:
    """Let VERSIONS listen: they are asked what the champion is asked, and nobody waits for their answers.

    Without versions: show what those that listen said, beside what was answered to the same rows. Endpoints follow at
    once. To let a version answer, step by step: `mainspring rollout`.
    """
    from mainspring.cli._contract import contract_of
    from mainspring.cli._output import emit_json, out
    from mainspring.core.errors import InputError, listed
    from mainspring.operate import shadow as shadows

    if off and versions:
        raise InputError("Choose one of --off and the versions that are to listen.")
    with opened(workspace) as place:
        if off or versions:
            rule = shadows.listen(place, name, versions, reason=reason)
            if json:
                emit_json({"model": name, "shadow": rule.shadow, "revision": rule.revision})
            elif not rule.shadow:
                out().print(f"No version of {name} listens any more.", markup=False)
            else:
                who = listed([f"{name}/{version}" for version in rule.shadow])
                out().print(f"Now listening: {who}. What is said there: mainspring shadow {name}", markup=False)
            return
        place.ledger.models.versions(name)  # raises for a name that is not there
        found = shadows.heard(place, contract_of(place, name, workspace=workspace), name)
    if json:
        emit_json({"model": name, "shadow": found})
        return
    if not found:
        out().print(f"No version of {name} listens. To let one: mainspring shadow {name} VERSION", markup=False)
    for each in found:
        _show(name, each)


def _show(name: str, heard: Heard) -> None:
    from mainspring.cli._output import out
    from mainspring.cli._table import add_plain, print_table, table

    head = f"{name}/{heard.version} listens since {heard.since:%Y-%m-%d %H:%M} UTC: "
    if heard.alike is None:
        out().print(f"{head}nothing came yet. Is an endpoint serving {name}, and is it asked?", markup=False)
        return
    rows = f"{heard.rows:,} rows, {heard.alike:.1%} of them predicted as they were answered"
    out().print(f"{head}{rows}; the truth is known of {heard.labelled:,}", markup=False)
    made = table("requirement", f"{name}/{heard.version}", "as answered", "rows", right=["rows"])
    for said, answered in zip(heard.verdicts, heard.answered, strict=True):
        add_plain(made, said.requirement, _said(said), _said(answered), f"{said.rows:,}")
    if heard.verdicts:
        print_table(made)


def _said(verdict: Verdict) -> str:
    return f"{verdict.result}" if verdict.value is None else f"{verdict.value:.4g} ({verdict.result})"
