"""Several boosted models of one matrix as a single one: their trees side by side, leaves scaled by weight.

Boosted trees add up, so the weighted mean of the raw scores of several boosters is itself a booster: for classes the
weighted mean of the log-odds, for numbers of the numbers. The blend is therefore an ordinary model that is stored,
packaged, converted and verified like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.core.predictions import Predictions
    from mainspring.train.model import Model

LEAST_WEIGHT = 0.005
"""A model that weighs less is left out: its trees would only cost time."""
_SCALED = ("leaf_value=", "internal_value=")
_TINY = 1e-300
_TREES, _END = "Tree=0\n", "end of trees"


def blend(models: Sequence[Model], weights: Sequence[float], *, meta: dict[str, Any] | None = None) -> Model:
    """The weighted mean of *models* (LightGBM, with the same encoder and classes) as one model.

    Weights are normalised; a weight below :data:`LEAST_WEIGHT` counts as none. Raises InputError where the models do
    not fit together or no weight is left.
    """
    from mainspring.store.formats.estimator import BoosterEstimator

    total = float(sum(weights))
    kept = [(m, w / total) for m, w in zip(models, weights, strict=True) if total > 0 and w / total >= LEAST_WEIGHT]
    if not kept:
        raise InputError("A blend needs at least one model with a weight above zero.")
    first = kept[0][0]
    if len(kept) == 1:
        return replace(first, meta={**first.meta, **(meta or {})})
    if any(model.encoder != first.encoder or not fits(model, first) for model, _ in kept):
        raise InputError("Only LightGBM models with one encoder, the same classes and the same scale can be blended.")
    left = sum(weight for _, weight in kept)
    text = merge_boosters([(model.estimator.booster_.model_to_string(), weight / left) for model, weight in kept])
    classes = None if first.classes is None else list(range(len(first.classes)))
    return replace(first, estimator=BoosterEstimator(text, classes), meta={**first.meta, **(meta or {})})


def fits(model: Model, other: Model) -> bool:
    """Whether the trees of both give the same kind of scores."""
    boosters = hasattr(model.estimator, "booster_") and hasattr(other.estimator, "booster_")
    if not boosters or model.classes != other.classes or model.link != other.link:
        return False
    trees = {each.estimator.booster_.num_model_per_iteration() for each in (model, other)}
    return len(trees) == 1 and (model.classes is None or (all_classes(model) and all_classes(other)))


def all_classes(model: Model) -> bool:
    """Whether the estimator met every class that the model names."""
    return model.classes is not None and len(model.estimator.classes_) == len(model.classes)


def merge_boosters(parts: Sequence[tuple[str, float]]) -> str:
    """One LightGBM model text (format v4) from several with their weights. The header is that of the first."""
    header = parts[0][0].partition(_TREES)[0]
    footer = _END + parts[0][0].partition(_END)[2]
    trees: list[str] = []
    for text, weight in parts:
        body = _TREES + text.partition(_TREES)[2].partition(_END)[0]
        for tree in body.split("Tree=")[1:]:
            trees.append(f"Tree={len(trees)}\n{_scaled(tree.partition(chr(10))[2], weight)}")
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    lines = [f"tree_sizes={sizes}" if line.startswith("tree_sizes=") else line for line in header.split("\n")]
    return "\n".join(lines) + "".join(trees) + footer


def _scaled(tree: str, weight: float) -> str:
    import numpy as np

    lines = tree.split("\n")
    for place, line in enumerate(lines):
        name = next((name for name in _SCALED if line.startswith(name)), None)
        if name is not None:
            values = np.array(line.removeprefix(name).split(), np.float64) * weight
            # repr gives the shortest text that reads back as the same double
            lines[place] = name + " ".join(map(repr, values.tolist()))
    return "\n".join(lines)


def pooled(said: Sequence[Predictions], weights: Sequence[float], *, threshold: float | None = None) -> Predictions:
    """What the :func:`blend` of several models says, from what each *said* of the same rows.

    Probabilities are pooled as their weighted geometric mean, which is the weighted mean of the raw scores.
    """
    import numpy as np

    from mainspring.core.predictions import Predictions
    from mainspring.train.model import decide

    shares = np.asarray(weights, np.float64) / float(sum(weights))
    first = said[0]
    if first.classes is None:
        return Predictions(np.sum([share * one.values for share, one in zip(shares, said, strict=True)], axis=0))
    logs = [np.log(np.maximum(one.scores, _TINY)) for one in said if one.scores is not None]
    raw = np.exp(np.sum([share * log for share, log in zip(shares, logs, strict=True)], axis=0))
    scores = raw / raw.sum(axis=1, keepdims=True)
    return Predictions(decide(scores, first.classes, threshold), scores, first.classes)
