"""Where the model is weaker than elsewhere: every level of every column, measured and tested honestly.

Looking at two hundred slices finds a bad one by luck alone. So each slice is tested against the rows outside it, and
the tests are corrected together (Holm 1979): at most one list in twenty calls any slice *worse* that is not. Chung et
al. (2019), "Slice Finder: automated data slicing for model validation", make the case for single, readable slices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mainspring.contract.metric import METRICS
from mainspring.core.estimate import Estimate
from mainspring.evaluate import bootstrap
from mainspring.evaluate.fairness import Groups
from mainspring.evaluate.level import levels
from mainspring.evaluate.metric import CONFIDENCE, LARGEST, Setting, build, estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from mainspring.evaluate.outcome import Floats, Ints, Outcome

SMALLEST_ROWS = 30
SMALLEST_SHARE = 0.01
"""A slice holds at least so many rows and this share of them."""
MOST_LEVELS = 30
"""Of a column with more levels only the most frequent are looked at."""
OF_EACH_CLASS = 5
"""A slice of a binary task holds at least so many rows of each class."""
KEPT = 40
"""At most so many slices are reported, the worst."""
WORK = 7e7
"""The bootstrap of all slices together draws at most about so many rows; more columns get fewer resamples."""
LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows where ``column`` is ``level``, and how the model does there.

    ``rest`` is the metric on all other rows. ``gap`` is how much worse the slice is, above zero whichever way the
    metric points. ``p`` is the chance of so large a gap where there is none, corrected for all slices looked at;
    ``worse`` is true where it is below 5 %.
    """

    column: str
    level: str
    estimate: Estimate
    rest: float | None
    gap: float
    p: float
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """What was found on one metric: the slices that are surely worse first, then by their gap."""

    metric: str
    overall: float | None
    looked_at: int
    found: tuple[Slice, ...] = ()

    @property
    def worse(self) -> tuple[Slice, ...]:
        """The slices where the model is weaker beyond chance."""
        return tuple(part for part in self.found if part.worse)


def find(
    outcome: Outcome, frame: pl.DataFrame, columns: Iterable[str], *, metric: str, setting: Setting | None = None
) -> Slices:
    """Measure *metric* on every slice of the rows by one of the *columns* of *frame* (the rows as first passed in)."""
    setting = setting or Setting()
    whole = estimate(metric, outcome, replace(setting, confidence=None))
    if math.isnan(whole.value):
        return Slices(metric=metric, overall=None, looked_at=0)
    columns = [name for name in columns if name in frame.columns]
    work = max(1.0, float(len(outcome)) * len(columns))
    setting = replace(setting, resamples=int(np.clip(WORK / work, 50, setting.resamples)))
    spread = _standard_error(metric, outcome, setting)
    parts = [part for name in columns for part in _by(outcome, frame[name], metric, setting, spread)]
    corrected = holm([part.p for part in parts])
    judged = [replace(part, p=p, worse=p < LEVEL) for part, p in zip(parts, corrected, strict=True)]
    judged.sort(key=lambda part: (not part.worse, -part.gap))
    return Slices(metric=metric, overall=whole.value, looked_at=len(parts), found=tuple(judged[:KEPT]))


def holm(chances: Sequence[float]) -> list[float]:
    """Chances of chance results, corrected so that all together err as often as one would (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    corrected = [1.0] * len(chances)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, chances[place] * (len(chances) - rank)))
        corrected[place] = highest
    return corrected


def _by(outcome: Outcome, column: pl.Series, metric: str, setting: Setting, spread: float) -> list[Slice]:
    """The slices of one column, their chances not corrected yet."""
    smallest = max(SMALLEST_ROWS, math.ceil(SMALLEST_SHARE * len(outcome)))
    groups = Groups.of(levels(column.gather(outcome.kept), missing=True), minimum_rows=smallest)
    found = []
    for code, level in enumerate(groups.names[:MOST_LEVELS]):
        inside = groups.code == code
        if inside.all() or not _has_classes(outcome, inside):
            continue
        made = _slice(outcome, inside, (column.name, level), metric=metric, setting=setting, spread=spread)
        if made is not None:
            found.append(made)
    return found


def _slice(
    outcome: Outcome,
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]],
    name: tuple[str, str],
    *,
    metric: str,
    setting: Setting,
    spread: float,
) -> Slice | None:
    part = outcome.take(inside)
    statistic = build(metric, part, setting)
    value = statistic.value
    rest = build(metric, outcome.take(~inside), setting).value
    if math.isnan(value):
        return None
    drawn = bootstrap.replicates([statistic], resamples=setting.resamples, seed=setting.seed)[0]
    error = float(np.nanstd(drawn)) if (~np.isnan(drawn)).any() else math.nan
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    gap = 0.0 if math.isnan(rest) else sign * (rest - value)
    around = math.hypot(error, spread * math.sqrt(len(outcome) / max(1, len(outcome) - len(part))))
    low, high = bootstrap.percentiles(drawn, setting.confidence or CONFIDENCE)
    return Slice(
        column=name[0],
        level=name[1],
        estimate=Estimate(value, low, high, len(part)),
        rest=None if math.isnan(rest) else rest,
        gap=gap,
        p=_upper_tail(gap / around) if around > 0 else float(gap <= 0),
        worse=False,
    )


def _standard_error(metric: str, outcome: Outcome, setting: Setting) -> float:
    """Of the metric on all rows, by the bootstrap."""
    some: Floats | Ints = np.arange(len(outcome))
    if len(outcome) > LARGEST:
        some = np.random.default_rng(setting.seed).choice(len(outcome), LARGEST, replace=False)
    part = build(metric, outcome.take(some), setting)
    drawn = bootstrap.replicates([part], resamples=setting.resamples, seed=setting.seed)
    return float(np.nanstd(drawn)) * math.sqrt(len(some) / len(outcome))


def _has_classes(outcome: Outcome, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    if outcome.task != "binary":
        return True
    positives = int((outcome.truth[inside] == 1).sum())
    return min(positives, int(inside.sum()) - positives) >= OF_EACH_CLASS


def _upper_tail(z: float) -> float:
    """The chance of a standard normal above *z*."""
    return 0.5 * math.erfc(z / math.sqrt(2))
