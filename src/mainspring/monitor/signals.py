"""Judging one window: every signal with its expected band, in one call.

The false alarms that the contract accepts (``[monitor] false_alarms``, for all signals of a window together) are
shared: one half belongs to the data (drift of columns and predictions, broken rules), the other to performance
(metrics and the loss stream), so that watching a thousand columns does not make the watch over the model itself
blind.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainspring.contract.metric import METRICS
from mainspring.evaluate.outcome import Outcome
from mainspring.monitor import drift as drifts
from mainspring.monitor import performance, quality
from mainspring.monitor.baseline import prediction_frame, row_losses
from mainspring.monitor.drift import SPENT, ColumnDrift, DriftReport
from mainspring.monitor.profile import WindowProfile
from mainspring.monitor.stream import LossStream

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from mainspring.contract import Contract
    from mainspring.core.estimate import Estimate
    from mainspring.core.predictions import Predictions
    from mainspring.monitor.baseline import Baseline
    from mainspring.monitor.profile import Reference
    from mainspring.monitor.quality import RuleCounts
    from mainspring.monitor.spread import Spread
    from mainspring.monitor.window import Window

SignalKind: TypeAlias = Literal["data quality", "drift", "performance", "service"]

SMALLEST_LOSS = 0.005
"""A metric is said to have become worse only from this on: in its own unit if that is a share, else relatively."""
MOSTLY_LABELLED = 0.5
"""From this share of labelled rows on, the realised metric speaks and the estimated one is silent."""
LEAST_LABELLED = 30
_QUALITY = ("nulls", "unusable", "unseen")
_UNBOUNDED = frozenset(
    {"rmse", "mae", "median_absolute_error", "max_error", "mean_error", "mape", "log_loss", "expected_cost"}
)
_SHAPE = ("js", "psi", "ks", "shift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One measured number on a window, with the band it keeps while nothing has changed.

    ``name``: the statistic, rule or metric; ``column`` None where it concerns the model (predictions are the columns
    ``prediction`` and ``score``). ``low`` and ``high`` are None where nothing is known to compare with. ``rows`` is
    how many rows were looked at. ``text`` says it in words. ``severity`` is None where it is as grave as its kind is.
    """

    name: str
    kind: SignalKind
    value: float
    breached: bool
    rows: int
    column: str | None = None
    low: float | None = None
    high: float | None = None
    window: Window | None = None
    text: str = ""
    severity: Literal["info", "warning", "critical"] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name, "kind": self.kind, "column": self.column, "value": self.value, "low": self.low,
            "high": self.high, "breached": self.breached, "rows": self.rows, "text": self.text,
            "window": None if self.window is None else self.window.as_dict(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that was found on one window.

    ``realised`` and ``estimated``: the followed metrics, as far as labels are there or scores allow. ``stream``: the
    state of the loss stream after this window, to be passed to the next.
    """

    rows: int
    signals: tuple[Signal, ...]
    drift: DriftReport
    profile: WindowProfile
    realised: dict[str, Estimate] = field(default_factory=dict)
    estimated: dict[str, Estimate] = field(default_factory=dict)
    stream: LossStream | None = None

    @property
    def breaches(self) -> tuple[Signal, ...]:
        """The signals that left their bands: the window's alerts."""
        return tuple(signal for signal in self.signals if signal.breached)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A window's rows as counts. ``a + b`` is exactly what the rows of both count to.

    ``profile``: the columns in the bins of the reference; ``rules``: the contract's rules; ``said``: the answers in
    the bins of the baseline, None where none were given.
    """

    profile: WindowProfile
    rules: RuleCounts
    said: WindowProfile | None = None

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self.profile.rows

    def __add__(self, other: Counted) -> Counted:
        """Both together. Raises InputError where they were counted against different references."""
        if self.said is None or other.said is None:
            said = self.said or other.said
        else:
            said = self.said + other.said
        rules = dict(self.rules)
        for rule, (failed, rows) in other.rules.items():
            before = rules.get(rule, (0, 0))
            rules[rule] = before[0] + failed, before[1] + rows
        return Counted(profile=self.profile + other.profile, rules=rules, said=said)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "profile": self.profile.as_dict(),
            "rules": [[column, rule, *counts] for (column, rule), counts in self.rules.items()],
            "said": None if self.said is None else self.said.as_dict(),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Counted:
        """Read :meth:`as_dict` back."""
        return cls(
            profile=WindowProfile.from_dict(raw["profile"]),
            rules={(column, rule): (int(failed), int(rows)) for column, rule, failed, rows in raw["rules"]},
            said=None if raw["said"] is None else WindowProfile.from_dict(raw["said"]),
        )


def passed_over(contract: Contract, ignore: Collection[str] = ()) -> frozenset[str]:
    """The columns that are not judged: *ignore*, those of ``[monitor] ignore``, and time, target and entity."""
    roles = (contract.project.time, contract.project.target, contract.project.entity)
    return frozenset({*ignore, *contract.monitor.ignore, *(role for role in roles if role)})


def count_window(
    reference: Reference,
    contract: Contract,
    frame: pl.DataFrame,
    *,
    predictions: Predictions | None = None,
    baseline: Baseline | None = None,
    ignore: Collection[str] = (),
) -> Counted:
    """Count the rows of *frame*, a window or a part of one, and the *predictions*; see :func:`judge_window`."""
    over = passed_over(contract, ignore)
    judged = [name for name in reference.columns if name not in over]
    said = None
    if baseline is not None and predictions is not None:
        said = baseline.profile(prediction_frame(predictions, positive=baseline.positive))
    profile = reference.profile(frame)
    profiled = {name: (reference.columns[name], profile.columns[name]) for name in judged}
    rules = quality.count_rules(frame, contract, judged, profiled=profiled)
    return Counted(profile=profile, rules=rules, said=said)


def judge_window(
    reference: Reference,
    contract: Contract,
    frame: pl.DataFrame,
    *,
    predictions: Predictions | None = None,
    truth: Any = None,
    baseline: Baseline | None = None,
    stream: LossStream | None = None,
    window: Window | None = None,
    ignore: Collection[str] = (),
    seed: int = 0,
) -> Judgement:
    """Judge the rows of *frame*.

    *predictions*: what the model said for these rows; *truth*: their labels, null where not known yet, or None. Both
    need *baseline*, what the model did when it was released. *stream*: the state after the window before; a fresh one
    is begun without. *ignore*: columns that are not judged, besides those of ``[monitor] ignore``; the contract's
    time, target and entity columns never are.
    """
    return judge_counted(
        reference,
        contract,
        count_window(reference, contract, frame, predictions=predictions, baseline=baseline, ignore=ignore),
        predictions=predictions,
        truth=truth,
        baseline=baseline,
        stream=stream,
        window=window,
        ignore=ignore,
        seed=seed,
    )


def judge_counted(
    reference: Reference,
    contract: Contract,
    counted: Counted,
    *,
    predictions: Predictions | None = None,
    truth: Any = None,
    baseline: Baseline | None = None,
    stream: LossStream | None = None,
    window: Window | None = None,
    ignore: Collection[str] = (),
    confidence: float | None = 0.95,
    seed: int = 0,
) -> Judgement:
    """:func:`judge_window` for rows that are counted already, part by part and by one *reference* and *baseline*.

    *predictions* and *truth* may be those of fewer rows than were counted, such as a sample of a very large window:
    only performance is measured on them. *confidence*: None for metrics without intervals, which are quick; what is
    breached does not rest on these.
    """
    over = passed_over(contract, ignore)
    judged = [name for name in reference.columns if name not in over]
    profile, said = counted.profile, counted.said
    rules = quality.settled(counted.rules, contract)
    half = contract.monitor.false_alarms / 2
    outputs = 0 if said is None or baseline is None else len(baseline.predictions.columns)
    tests = len(judged) + outputs + len(rules)
    report = drifts.compare(reference, profile, false_alarms=half, ignore=over, others=tests - len(judged))
    found = [signal for column in report.columns for signal in _of_column(column)]
    if said is not None and baseline is not None:
        moved = drifts.compare(baseline.predictions, said, false_alarms=half, others=tests - outputs)
        # an answer that the model never gave before tells of the model, not of data that broke
        found += [replace(signal, kind="drift") for column in moved.columns for signal in _of_column(column)]
    if rules:
        level = half * SPENT / tests
        found += [_of_rule(rule, level) for rule in quality.compare(reference.rules, rules, contract, level=level)]
    judgement = Judgement(rows=counted.rows, signals=tuple(found), drift=report, profile=profile, stream=stream)
    if baseline is not None and predictions is not None and len(predictions):
        judgement = _with_performance(judgement, baseline, predictions, truth, half * SPENT, seed, confidence)
    return _placed(judgement, window)


def signals(*args: Any, **settings: Any) -> list[Signal]:
    """The signals of :func:`judge_window` alone."""
    return list(judge_window(*args, **settings).signals)


def _of_column(column: ColumnDrift) -> list[Signal]:
    """One drift signal for a column, and one for each way in which its values are unusable."""
    if column.note.startswith("missing: "):
        return [
            Signal(
                name="missing column", kind="data quality", column=column.name, value=1.0, low=0.0, high=0.0,
                breached=True, rows=0, text=f"{column.name} is missing",
            )
        ]  # fmt: skip
    found = []
    outside = [name for name in _SHAPE if name in column.outside]
    beyond = column.kind != "level" and "unseen" in column.outside
    told = outside[0] if outside else next((name for name in _SHAPE if getattr(column, name) is not None), None)
    if told is not None:
        value, high = float(getattr(column, told)), column.band.get(told)
        low = None if high is None else (-high if told == "shift" else 0.0)
        text = f"{column.name} is distributed {'otherwise than' if outside else 'as'} in the reference{_moved(column)}"
        found.append(
            Signal(
                name=told, kind="drift", column=column.name, value=value, low=low, high=high,
                breached=bool(outside), rows=column.rows, text=text,
            )
        )  # fmt: skip
    if beyond and not outside:
        found.append(
            Signal(
                name="beyond the reference", kind="drift", column=column.name, value=column.shares["unseen"], low=0.0,
                high=column.band.get("unseen"), breached=True, rows=column.rows,
                text=f"{column.shares['unseen']:.1%} of {column.name} lies beyond every value of the reference",
            )
        )  # fmt: skip
    for name in _QUALITY:
        if name not in column.shares or (name == "unseen" and column.kind != "level"):
            continue
        share = column.shares[name]
        if not share and name not in column.outside:
            continue
        found.append(
            Signal(
                name=_PLAIN[name], kind="data quality", column=column.name, value=share,
                low=0.0, high=column.band.get(name), breached=name in column.outside, rows=column.rows,
                text=f"{share:.1%} of {column.name} {_SAYS[name]}{_beside(name, column)}",
            )
        )  # fmt: skip
    return found


_PLAIN = {"nulls": "null share", "unusable": "unusable values", "unseen": "unseen categories"}
_SAYS = {
    "nulls": "is missing",
    "unusable": "is infinite or cannot be read",
    "unseen": "is a category that the reference never had",
}


def _moved(column: ColumnDrift) -> str:
    before, after = column.before.get("mean"), column.after.get("mean")
    return "" if before is None or after is None else f": mean {after:.4g}, was {before:.4g}"


def _beside(name: str, column: ColumnDrift) -> str:
    if name == "unseen":
        return _named(column)
    return f", {column.before['nulls']:.1%} was usual" if name == "nulls" and "nulls" in column.before else ""


def _named(column: ColumnDrift) -> str:
    names = list(column.unseen)[:3]
    return f" ({', '.join(names)}{', …' if len(column.unseen) > len(names) else ''})" if names else ""


def _of_rule(rule: quality.BrokenRule, level: float) -> Signal:
    against = f"{rule.usual:.1%} is usual" if rule.limit is None else f"it allows {rule.limit:.1%}"
    return Signal(
        name=rule.rule,
        kind="data quality",
        column=rule.column,
        value=rule.share,
        low=0.0,
        high=rule.high,
        breached=rule.exceeds(level),
        rows=rule.rows,
        text=f"{rule.share:.1%} of {rule.column} breaks the contract's rule on {rule.rule}, {against}",
    )


def _with_performance(
    judgement: Judgement,
    baseline: Baseline,
    predictions: Predictions,
    truth: Any,
    level: float,
    seed: int,
    confidence: float | None,
) -> Judgement:
    outcome = Outcome.of(truth, predictions, positive=baseline.positive)
    labelled = len(outcome) if outcome.labelled else 0
    each = level / (len(baseline.metrics) + 1)
    realised: dict[str, Estimate] = {}
    stream = judgement.stream
    found = list(judgement.signals)
    if labelled:
        realised = performance.realised(baseline, outcome, confidence=confidence, seed=seed)
        found += [
            _of_metric(name, name, estimate, baseline.spreads.get(name), each, silent=labelled < LEAST_LABELLED)
            for name, estimate in realised.items()
        ]
        stream = stream or LossStream(mean=baseline.loss, deviation=baseline.loss_deviation, quiet_rows=labelled / each)
        stream = stream.update(row_losses(outcome))
        found.append(_of_stream(stream, labelled))
    estimated = performance.estimated(
        baseline, predictions, profile=judgement.profile, confidence=confidence, seed=seed
    )
    spoken = labelled >= MOSTLY_LABELLED * len(predictions)
    for name, estimate in estimated.items():
        spreads = baseline.spreads if baseline.expectation is None else baseline.expectation.spreads
        spread = spreads.get(name)
        found.append(_of_metric(f"estimated {name}", name, estimate, spread, each, silent=spoken))
    return replace(judgement, signals=tuple(found), realised=realised, estimated=estimated, stream=stream)


def _of_metric(
    label: str, metric: str, estimate: Estimate, spread: Spread | None, level: float, *, silent: bool
) -> Signal:
    """A metric beside its band; only a turn for the worse is a breach, and never of one that is *silent*."""
    band = None if spread is None else spread.band(estimate.rows, 2 * level)
    breached = False
    text = f"{label} is {estimate.value:.4g}"
    if spread is not None and band is not None:
        higher = METRICS[metric].higher_is_better
        loss = spread.value - estimate.value if higher else estimate.value - spread.value
        if metric == "mean_error":
            loss = abs(estimate.value) - abs(spread.value)
        smallest = SMALLEST_LOSS * abs(spread.value) if metric in _UNBOUNDED else SMALLEST_LOSS
        left = estimate.value < band[0] if higher else estimate.value > band[1]
        left = left or (metric == "mean_error" and estimate.value < band[0])
        breached = left and loss >= smallest and not silent
        text += f" on {estimate.rows:,} rows; between {band[0]:.4g} and {band[1]:.4g} is no surprise"
    return Signal(
        name=label,
        kind="performance",
        value=estimate.value,
        low=None if band is None else band[0],
        high=None if band is None else band[1],
        breached=breached,
        rows=estimate.rows,
        text=text,
    )


def _of_stream(stream: LossStream, rows: int) -> Signal:
    return Signal(
        name="loss stream",
        kind="performance",
        value=stream.peak,
        low=0.0,
        high=stream.threshold,
        breached=stream.raised,
        rows=rows,
        text=f"the loss has {'risen and stayed risen' if stream.raised else 'not risen for good'}",
    )


def _placed(judgement: Judgement, window: Window | None) -> Judgement:
    if window is None:
        return judgement
    return replace(judgement, signals=tuple(replace(signal, window=window) for signal in judgement.signals))
