"""The proof that a packaged model still predicts what it predicted at training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.package.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The replay of a bundle's examples.

    ``largest_difference`` is over all ``rows`` and all scores, of the form that predicts; ``forms`` has it for
    each. ``environment`` maps each scoring library whose version differs from the one at packaging to (then, now).
    """

    equal: bool
    largest_difference: float
    tolerance: float
    rows: int
    form: str
    forms: Mapping[str, float]
    environment: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)


def verify(bundle: Bundle) -> Verification:
    """Replay the examples of *bundle* through every form it has and hold the answers against the recorded ones.

    A bundle without example rows is not equal: nothing was shown.
    """
    from mainspring.package import parity, scorer
    from mainspring.package.environment import changed

    rows, recorded = bundle.examples()
    model = bundle.model()
    matrix = model.encoder.encode(rows)
    scorers: dict[str, scorer.Scorer] = {"native": scorer.native(model)}
    if "model.onnx" in bundle.parts:
        scorers["onnx"] = scorer.onnx_scorer(bundle.parts["model.onnx"], model)
    found = {form: parity.compare(score(matrix), recorded) for form, score in scorers.items()}
    used = found[bundle.manifest.form]
    return Verification(
        equal=all(each.agrees for each in found.values()),
        largest_difference=used.largest_difference,
        tolerance=used.tolerance,
        rows=used.rows,
        form=bundle.manifest.form,
        forms={form: each.largest_difference for form, each in found.items()},
        environment=changed(bundle.json("environment.json")["distributions"]),
    )
