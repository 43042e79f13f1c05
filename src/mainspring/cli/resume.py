"""``mainspring resume``: what a person ordered about a model is lifted, also after the incident it was ordered for."""

from __future__ import annotations

from mainspring.cli._workspace import Json, Where, opened


def resume(model: str, /, *, workspace: Where = None, json: Json = False) -> None:
    """Lift a pause and a fallback of MODEL: the loop acts again, and the endpoint answers by the model again."""
    from mainspring.cli._output import emit_json, out
    from mainspring.operate import remedy

    with opened(workspace) as place:
        place.ledger.models.versions(model)  # raises NotFound for a name that nobody has
        lifted = remedy.resume(place, model)
    if json:
        emit_json({"model": model, "lifted": lifted})
    elif lifted:
        out().print(f"Lifted of {model}: {' and '.join(lifted)}.", markup=False)
    else:
        out().print(f"There was nothing to lift: {model} is not paused, and does not fall back.", markup=False)
