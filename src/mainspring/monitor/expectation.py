"""Performance of a classifier before the labels come, from its own confidence.

The idea (known from NannyML as confidence-based performance estimation): if calibrated chances hold, each row says
how likely each answer is to be right, so every metric has an expected value without a label. A row is counted once
for each class, with that class's chance as its weight, and the metric is computed on the weighted rows; so every
metric of :mod:`mainspring.evaluate` can be estimated by its own code.

**It cannot see concept drift.** It knows how the inputs moved, through the scores; if the same inputs now mean
something else, the scores do not tell, and only labels will.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mainspring.core.estimate import Estimate
from mainspring.evaluate.metric import Setting, build
from mainspring.monitor.bands import normal_bound
from mainspring.monitor.calibration import Calibration
from mainspring.monitor.spread import LARGEST, Spread, spreads, value_of, weights_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mainspring.evaluate.outcome import Outcome

DRAWS = 50
CELLS = 40_000
"""At most so many weighted rows (rows times classes) are looked at."""

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True)
class Expectation:
    """What a classifier's scores are worth, learned on rows with known truth.

    ``calibrations``: one per class. ``spreads``: per metric the estimate on the reference and how it varies from
    window to window. ``offsets``: per metric realised less estimated on the reference, added to every estimate.
    """

    calibrations: tuple[Calibration, ...]
    spreads: dict[str, Spread]
    offsets: dict[str, float]

    @classmethod
    def fit(
        cls, outcome: Outcome, metrics: Mapping[str, float], *, cost: Mapping[tuple[str, str], float], seed: int = 0
    ) -> Expectation:
        """Learn from *outcome* (truth and scores); *metrics*: what to estimate, with the realised values."""
        scores = outcome.probabilities
        found = tuple(Calibration.fit(scores[:, label], outcome.truth == label) for label in range(outcome.known))
        bare = cls(found, {}, {})
        part = _part(outcome, seed, most=LARGEST)
        share = bare.chances(part.probabilities)
        virtual = _virtual(part)
        statistics = {name: build(name, virtual, Setting(cost=cost)) for name in metrics}
        offsets = {name: metrics[name] - value_of(statistic, share) for name, statistic in statistics.items()}
        offsets = {name: offset for name, offset in offsets.items() if math.isfinite(offset)}
        learned = {name: statistics[name] for name in offsets}
        found_spreads = spreads(learned, values=metrics, rows=len(outcome), share=share, seed=seed)
        return cls(found, found_spreads, offsets)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.calibrations)

    def settled(
        self, outcome: Outcome, windows: Sequence[slice], *, cost: Mapping[tuple[str, str], float]
    ) -> Expectation:
        """The same, its bands widened by how the estimates of the reference's own *windows* vary."""
        values: dict[str, list[float]] = {name: [] for name in self.spreads}
        for window in windows:
            part = outcome.take(np.arange(len(outcome))[window])
            share, virtual = self.chances(part.probabilities), _virtual(part)
            for name, found in values.items():
                found.append(value_of(build(name, virtual, Setting(cost=cost)), share) + self.offsets[name])
        rows = windows[0].stop - windows[0].start if windows else 0
        return replace(self, spreads={name: self.spreads[name].settled(found, rows) for name, found in values.items()})

    def chances(self, scores: Floats, *, generator: np.random.Generator | None = None) -> Floats:
        """Calibrated chances of shape (n, classes), each row summing to one; redrawn where a *generator* is given."""
        redrawn = [None if generator is None else found.redrawn(generator) for found in self.calibrations]
        chances = np.column_stack(
            [found.chance(scores[:, label], hits=redrawn[label]) for label, found in enumerate(self.calibrations)]
        )
        whole: Floats = chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-12)
        return whole

    def estimate(
        self,
        outcome: Outcome,
        metrics: Iterable[str],
        *,
        cost: Mapping[tuple[str, str], float],
        confidence: float | None = 0.95,
        seed: int = 0,
    ) -> dict[str, Estimate]:
        """Estimate *metrics* on the scores of *outcome* (no truth needed), with intervals unless *confidence* is None.

        The interval covers which labels these rows happen to have and the calibration's own sampling error, not the
        assumption that the calibration still holds. ``rows`` is how many rows were looked at. A metric that was not
        learned is left out.
        """
        if not len(outcome):
            return {}
        part = _part(outcome, seed, most=max(CELLS // self.classes, 100))
        generator = np.random.default_rng(seed)
        share = self.chances(part.probabilities)
        drawn = None
        if confidence is not None:
            drawn = np.stack([self._labels(part.probabilities, generator) for _ in range(DRAWS)])
        virtual = _virtual(part)
        estimates = {}
        for name in metrics:
            if name not in self.offsets:
                continue
            statistic = build(name, virtual, Setting(cost=cost))
            value = value_of(statistic, share) + self.offsets[name]
            low = high = None
            if confidence is not None and drawn is not None:
                values = statistic.of(weights_of(statistic, drawn))
                if np.isfinite(values).any():
                    half = normal_bound((1 - confidence) / 2) * float(np.nanstd(values))
                    low, high = value - half, value + half
            estimates[name] = Estimate(value, low, high, len(part))
        return estimates

    def _labels(self, scores: Floats, generator: np.random.Generator) -> Floats:
        """One possible set of labels as weights, shape (classes · n,), class by class."""
        upto = np.cumsum(self.chances(scores, generator=generator), axis=1)
        drawn = (generator.random((len(scores), 1)) > upto[:, :-1]).sum(axis=1)
        weights = np.zeros((upto.shape[1], len(scores)))
        weights[drawn, np.arange(len(scores))] = 1.0
        return weights.ravel()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "calibrations": [found.as_dict() for found in self.calibrations],
            "spreads": {name: found.as_dict() for name, found in self.spreads.items()},
            "offsets": dict(self.offsets),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Expectation:
        """Read :meth:`as_dict` back."""
        return cls(
            tuple(Calibration.from_dict(found) for found in raw["calibrations"]),
            {name: Spread.from_dict(found) for name, found in raw["spreads"].items()},
            {name: float(offset) for name, offset in raw["offsets"].items()},
        )


def _part(outcome: Outcome, seed: int, *, most: int) -> Outcome:
    """At most so many rows of *outcome*, by chance."""
    if len(outcome) <= most:
        return outcome
    return outcome.take(np.sort(np.random.default_rng(seed).choice(len(outcome), most, replace=False)))


def _virtual(outcome: Outcome) -> Outcome:
    """Every row once for each class as its truth, class by class."""
    rows, classes = len(outcome), outcome.known
    return replace(
        outcome,
        truth=np.repeat(np.arange(classes, dtype=np.int64), rows),
        decided=np.tile(outcome.decided, classes),
        scores=np.tile(outcome.probabilities, (classes, 1)),
        kept=np.tile(outcome.kept, classes),
        labelled=True,
    )
