"""``mainspring verify``."""

from __future__ import annotations

from mainspring.cli._model import ModelName, bundle_of
from mainspring.cli._workspace import Json, Where  # noqa: TC001  # the parser reads these annotations


def verify(model: ModelName, /, *, workspace: Where = None, json: Json = False) -> int:
    """Replay the held-out rows that travel with a model and compare with what it predicted at training.

    Leaves with 1 where they are not equal.
    """
    from mainspring import package
    from mainspring.cli._output import emit_json, err, out

    proof = package.verify(bundle_of(model, workspace))
    if json:
        emit_json(proof)
        return 0 if proof.equal else 1
    word = "[green]equal[/]" if proof.equal else "[red]not equal[/]"
    out().print(
        f"{word}: {proof.rows} rows, largest difference {proof.largest_difference:.3g} "
        f"(allowed {proof.tolerance:.3g}), scored as {proof.form}"
    )
    for name, (then, now) in proof.environment.items():
        err().print(f"{name} was {then} at training and is {now or 'missing'} here", style="yellow")
    return 0 if proof.equal else 1
