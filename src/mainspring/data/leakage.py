"""Columns that know the answer: found by what they do to the target, not by a list of names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.core.errors import listed
from mainspring.core.frames import as_frame
from mainspring.data.afterwards import ALWAYS, later, one_sided
from mainspring.data.giveaway import SEPARATION, Giveaway, giveaways, nested, said, sides
from mainspring.data.kind import tokens
from mainspring.data.power import binned, folds, out_of_fold, power
from mainspring.data.reconstruction import reconstruct
from mainspring.data.summary import ColumnProfile, dated, numbers_of, summarise
from mainspring.data.target import Truth, infer_task, known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl

    from mainspring.core.task import Task

    Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

LeakKind: TypeAlias = Literal["copy", "sum", "giveaway", "later", "dominant", "period"]

SAMPLED_ROWS = 20_000
SAMPLED_CELLS = 6_000_000
"""Predictive power is measured on at most so many random rows, and on fewer where there are very many columns."""
LEAST_SAMPLE = 2_000
LARGE = 1e100
"""A column with larger numbers than this is no term of a sum: its squares would overflow."""
SUMMED_ROWS = 5_000
TELLING_PART, TELLING_POWER = 0.25, 0.1
"""A term of a sum is a leak when it makes this share of the target's spread, or predicts this much of it alone."""
PERFECT = {"binary": 0.99, "multiclass": 0.995, "regression": 0.995}
"""A column with at least this power is as good as the answer."""
STRONG = 0.5
DOMINANCE = 1.6
"""A column is out of proportion when it is this many times as strong as the best other column …"""
PEERS = 3
"""… of which there must be at least so many."""
ALIKE = 0.95
"""Columns correlated at least so are one fact measured twice; they do not count as each other's rivals."""
CERTAIN_SHARE = 0.08
"""A column that settles the outcome for at least this share of the rows …"""
CERTAIN_RATE = 0.05
"""… in that an outcome is there at most this fraction of its usual rate."""
IGNORED_FROM = 0.5
"""A suspect of at least this strength is kept from the model by ``propose``; a weaker one is only reported."""

# fmt: off
_KNOWN_AFTERWARDS = frozenset({
    "duration", "elapsed", "outcome", "result", "results", "final", "end", "ended", "closed", "settled", "settlement",
    "resolved", "resolution", "completed", "completion", "exit", "terminated", "termination", "cancelled", "canceled",
    "cancellation", "refund", "refunded", "chargeback", "recovered", "recovery", "recoveries", "discharge",
    "discharged", "dropoff", "actual", "actuals", "event", "afterwards",
})
# fmt: on
"""Words for what is known only when the event is over. A weak hint: counts only beside a power out of proportion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Columns that would hand the model the answer, the reason in a sentence, and how sure that is.

    ``strength`` lies in [0, 1]: 1 for an identity, 0.9 and more for what settles the outcome, below 0.5 for a column
    that is only out of proportion and deserves a look.
    """

    columns: tuple[str, ...]
    target: str
    reason: str
    strength: float
    kind: LeakKind


def suspects(
    frame: Any,
    target: str,
    *,
    time: str | None = None,
    task: Task | None = None,
    columns: Sequence[ColumnProfile] | None = None,
) -> list[Leak]:
    """The columns of *frame* that look as if they knew *target*, the surest first.

    Five questions are asked of every column ("Leakage in data mining", Kaufman, Rosset and Perlich, KDD 2011, gives the
    ground rule: a feature must not carry what is known only after the prediction is due):

    - *copy*: does it alone predict the target without error, out of fold?
    - *sum*: do some columns add up, or multiply, to the target?
    - *giveaway*: does being filled or empty, or one of two values, settle the outcome; or is it filled only where such
      a column leaves the outcome open?
    - *later*: do its dates lie after the row's own *time*, always, or where that tells the outcome?
    - *dominant*: is it strong out of all proportion to the others, and either settles the outcome for many rows or has
      the name of something that is known only afterwards?

    And of the rows: is there a span at either end of the *time* in which only one outcome comes (*period*)?

    *columns* are the summaries of the frame where the caller has them already. Rows without a target are passed over.
    Raises InputError where the target is missing, empty or constant.
    """
    table = as_frame(frame)
    series = known(table, target)
    summaries = list(columns) if columns is not None else [summarise(s) for s in table.iter_columns()]
    filled = series.is_not_null() & (series.is_not_nan() if series.dtype.is_float() else True)
    table = dated(table, summaries).filter(filled)
    series = table[target]
    case = _Case(table, [c for c in summaries if c.name != target], series, task or infer_task(series)[0], time)
    leaks = [*case.copies(), *case.sums(), *case.giveaways(), *case.later(), *case.dominant(), *case.period()]
    return sorted(leaks, key=lambda leak: -leak.strength)


class _Case:
    """One table under suspicion: ``taken`` collects the columns that are explained already."""

    def __init__(
        self, table: pl.DataFrame, columns: list[ColumnProfile], series: pl.Series, task: Task, time: str | None
    ) -> None:
        import numpy as np

        self.table = table
        self.columns = {c.name: c for c in columns if not c.empty and c.type != "constant"}
        self.target = series.name
        self.task = task
        self.time = time
        self.truth = Truth.of(series, task)
        self.taken: set[str] = set() if time is None else {time}
        most = max(LEAST_SAMPLE, min(SAMPLED_ROWS, SAMPLED_CELLS // max(len(columns), 1)))
        rows = np.arange(table.height)
        if table.height > most:
            rows = np.sort(np.random.default_rng(0).choice(table.height, most, replace=False))
        self.sample = table[rows] if len(rows) < table.height else table
        self.sampled = self.truth.take(rows)
        self.fold = folds(len(rows))
        self.codes = {name: binned(self.sample[name]) for name in self.columns}
        self.power = {name: power(code, self.sampled, self.fold) for name, code in self.codes.items()}

    def leak(self, columns: Sequence[str], reason: str, strength: float, kind: LeakKind) -> Leak:
        self.taken.update(columns)
        return Leak(columns=tuple(columns), target=self.target, reason=reason, strength=strength, kind=kind)

    def copies(self) -> list[Leak]:
        found = []
        for name, strength in self.power.items():
            if strength >= PERFECT[self.task] and name not in self.taken and self.columns[name].type != "id":
                measure = "of its variance" if self.task == "regression" else "Gini coefficient"
                reason = (
                    f"{name} alone predicts {self.target} (almost) without error on rows it was not fitted to "
                    f"({measure} {strength:.3f}): it is the answer in another form."
                )
                found.append(self.leak([name], reason, min(1.0, strength), "copy"))
        return found

    def sums(self) -> list[Leak]:
        import numpy as np

        if self.task != "regression":
            return []
        huge = {
            c.name for c in self.columns.values() if c.numbers and max(-c.numbers.minimum, c.numbers.maximum) > LARGE
        }
        numeric = [
            name
            for name in self.columns
            if name not in self.taken
            and name not in huge
            and (self.sample.schema[name].is_numeric() or self.sample.schema[name].is_temporal())
        ]
        if not numeric:
            return []
        rows = np.arange(self.sample.height)
        if len(rows) > SUMMED_ROWS:
            rows = np.random.default_rng(1).choice(rows, SUMMED_ROWS, replace=False)
        values = np.column_stack([_seconds(self.sample[name])[rows] for name in numeric])
        truth = self.sampled.values[rows, 0]
        result = reconstruct(numeric, values, truth)
        if result is None:
            return []
        telling = [
            name
            for name, weight in zip(result.columns, result.weights, strict=True)
            if abs(weight) * np.nanstd(values[:, numeric.index(name)]) >= TELLING_PART * truth.std()
            or self.power[name] >= TELLING_POWER
        ]
        reason = (
            f"{listed(result.columns)} {'give' if len(result.columns) > 1 else 'gives'} {self.target} back exactly in "
            f"{result.share:.1%} of the rows: {result.formula(self.target)}."
        )
        if len(telling) < len(result.columns):
            reason += f" The parts that tell most are {listed(telling)}."
        return [self.leak(telling, reason, 1.0, "sum")]

    def giveaways(self) -> list[Leak]:
        halves = sides(self.table, [c for c in self.columns.values() if c.name not in self.taken], self.target)
        sure = giveaways(halves, self.truth)
        found = [self._settling(group) for group in _same_rows([(g.side.mask, g) for g in sure])]
        for flag in (g for g in sure if g.gini >= SEPARATION):
            inner = [half for half in nested(halves, flag) if half.column not in self.taken]
            for group in _same_rows([(half.mask, half) for half in inner]):
                reason = (
                    f"{said(group)} only in {int(group[0].mask.sum()):,} rows, all of them rows where "
                    f"{flag.side.column} {flag.other.says}, which itself gives {self.target} away."
                )
                found.append(self.leak([half.column for half in group], reason, 0.9, "giveaway"))
        return found

    def _settling(self, group: list[Giveaway]) -> Leak:
        one = group[0]
        outcome, never = one.label.removeprefix("not "), one.label.startswith("not ")
        if one.rate == 1:
            verdict = f"{self.target} is {'never' if never else 'always'} {outcome}"
        else:
            verdict = f"{self.target} is {'not ' if never else ''}{outcome} in {one.rate:.1%}"
        reason = (
            f"In the {int(one.side.mask.sum()):,} rows where {said([g.side for g in group])}, {verdict}: "
            "that was written with the outcome in hand."
        )
        return self.leak([g.side.column for g in group], reason, 0.95, "giveaway")

    def later(self) -> list[Leak]:
        """Dates of the future; needs a time column of dates."""
        if self.time is None or not self.table.schema[self.time].is_temporal():
            return []
        found = []
        for name in self.columns:
            if name in self.taken or not self.table.schema[name].is_temporal():
                continue
            gap = later(self.table[name], self.table[self.time], self.truth)
            if gap is None:
                continue
            reason = f"{name} lies after {self.time} in {gap.share:.1%} of the rows, by {gap.typical} at the median"
            if gap.share < ALWAYS:
                there = f"{self._outcome()} is {gap.outcome:.3g} there against {gap.elsewhere:.3g} in the others"
                reason += f", and {there}"
            found.append(self.leak([name], f"{reason}: it is not known yet when the row comes in.", 0.6, "later"))
        return found

    def _outcome(self) -> str:
        """What the first column of the truth measures, in words."""
        return self.target if self.task == "regression" else f"the share of {self.target} = {self.truth.labels[0]}"

    def period(self) -> list[Leak]:
        """Spans of time with one outcome; they suspect the rows, so no column is taken out for them."""
        if self.time is None:
            return []
        span = one_sided(self.table[self.time], self.truth)
        if span is None:
            return []
        label, never = span.label.removeprefix("not "), span.label.startswith("not ")
        if span.rate == 1:
            verdict = f"{'never' if never else 'always'} {label}"
        else:
            verdict = f"{'not ' if never else ''}{label} in {span.rate:.1%}"
        reason = (
            f"{span.side.capitalize()} {span.moment} ({span.rows:,} rows) {self.target} is {verdict}: these rows seem "
            "to be in the table because of their outcome, or their other outcomes have not come in yet. Leave them "
            "out, or every date will tell the answer."
        )
        return [Leak(columns=(self.time,), target=self.target, reason=reason, strength=0.4, kind="period")]

    def dominant(self) -> list[Leak]:
        found: list[Leak] = []
        order = sorted(self.power, key=lambda name: -self.power[name])
        for name in order:
            strength = self.power[name]
            if strength < STRONG:
                break
            if name in self.taken or self._is_clock(name):
                continue
            rivals = [
                other
                for other in order
                if other not in self.taken
                and other != name
                and not self._is_clock(other)
                and not self._alike(name, other)
            ]
            if len(rivals) < PEERS or strength < DOMINANCE * self.power[rivals[0]]:
                continue
            leak = self._out_of_proportion(name, strength, rivals[0])
            if leak is not None:
                found.append(leak)
        return found

    def _out_of_proportion(self, name: str, strength: float, rival: str) -> Leak | None:
        hint = sorted(_KNOWN_AFTERWARDS.intersection(tokens(name)))
        settled = 0.0 if self.task == "regression" else self._settled(name)
        if not hint and settled < CERTAIN_SHARE:
            return None
        reason = (
            f"{name} alone is {strength / max(self.power[rival], 1e-9):.1f} times as strong as the best other column "
            f"({rival}): {strength:.2f} against {max(self.power[rival], 0.0):.2f}, out of fold"
        )
        if settled >= CERTAIN_SHARE:
            reason += f"; it settles {self.target} for {settled:.0%} of the rows"
        if hint:
            reason += f"; and “{hint[0]}” is the name of something known only afterwards"
        return self.leak(
            [name], reason + ".", (0.45 if not hint else 0.7) + (0.1 if hint and settled else 0.0), "dominant"
        )

    def _settled(self, name: str) -> float:
        """The share of rows for which the column leaves (almost) no doubt that one outcome does not come."""
        import numpy as np

        share = 0.0
        for k in range(self.sampled.values.shape[1]):
            outcome = self.sampled.values[:, k]
            # hardly smoothed: a bin of a hundred rows must be able to show a rate near zero
            rates = out_of_fold(self.codes[name], outcome, self.fold, smoothing=1.0)
            base = float(outcome.mean())
            share = max(share, float(np.mean(rates <= CERTAIN_RATE * base)))
            if self.task == "binary":
                share = max(share, float(np.mean(1 - rates <= CERTAIN_RATE * (1 - base))))
        return share

    def _is_clock(self, name: str) -> bool:
        """Whether a column only says when or which: a row number, or numbers that never fall from row to row."""
        column = self.columns[name]
        if column.type == "id" or name == self.time:
            return True
        dtype = self.table.schema[name]
        return column.distinct > 2 and (dtype.is_numeric() or dtype.is_temporal()) and self.table[name].is_sorted()

    def _alike(self, left: str, right: str) -> bool:
        import numpy as np

        a, b = self.codes[left], self.codes[right]
        if min(a.max(), b.max()) < 2:
            return False
        matrix = np.corrcoef(a, b)
        return bool(abs(matrix[0, 1]) >= ALIKE)


def _same_rows(items: Sequence[tuple[Any, Any]]) -> list[list[Any]]:
    """Group items whose masks are equal, in the order of their first appearance."""
    groups: dict[bytes, list[Any]] = {}
    for mask, item in items:
        groups.setdefault(mask.tobytes(), []).append(item)
    return list(groups.values())


def _seconds(series: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers as they are; dates as seconds from the first of them, small enough for exact arithmetic."""
    import polars as pl

    if not series.dtype.is_temporal():
        return numbers_of(series)
    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime("us"))
    values = numbers_of(series)
    import numpy as np

    start = np.nanmin(values) if not np.isnan(values).all() else 0.0
    result: np.ndarray[Any, np.dtype[np.float64]] = (values - start) / 1e6
    return result


def by_column(leaks: Sequence[Leak]) -> Mapping[str, Leak]:
    """The surest leak of each suspected column; a span of time suspects rows, not a column."""
    found: dict[str, Leak] = {}
    for leak in sorted(leaks, key=lambda one: -one.strength):
        for column in leak.columns if leak.kind != "period" else ():
            found.setdefault(column, leak)
    return found
