"""What may be behind an incident: suspected columns ranked, the worst slice, what changed upstream, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import listed
from mainspring.ledger.ports.incidents import Suspect
from mainspring.operate.fold import BUDGET, OUTPUTS, columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from mainspring.core.predictions import Predictions
    from mainspring.monitor.drift import ColumnDrift
    from mainspring.monitor.signals import Judgement, Signal
    from mainspring.operate.fold import Kind
    from mainspring.train.model import Model

SUSPECTS = 5
"""At most so many columns are suspected."""
_UNUSED = 0.02
"""The importance of a column that the model hardly uses: what moved there is still worth a look."""
_FACTORS = (10.0, 100.0, 1_000.0, 10_000.0, 1e6, 60.0, 3_600.0, 24.0, 12.0, 2.20462, 1.60934, 3.28084, 2.54, 25.4)
_FACTOR_NAMES = {2.20462: "pounds and kilograms", 1.60934: "miles and kilometres", 3.28084: "feet and metres",
                 2.54: "inches and centimetres", 25.4: "inches and millimetres", 60.0: "minutes and hours",
                 3_600.0: "seconds and hours", 24.0: "hours and days", 12.0: "months and years"}  # fmt: skip
_NEAR = 0.1
_NEARER = 0.02
"""Seasons move numbers by two or three; for such a factor the quartiles must agree more closely."""
_SHUFFLED = 1_000
"""So many rows tell how much a column moves the answers."""
_LEAST_DISTINCT = 40
_LEAST_KNOWN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a diagnosis may look at.

    ``judgement`` of the window and its rows in ``frame``; ``before``: rows of the time before, for what values used to
    be; ``importance``: share of the model by column; ``metric``; the model's ``predictions`` with the ``truth`` (null
    where not known yet); ``released``: words on a release that came just before, empty where none did; ``told``:
    columns that another open incident is about already: what began earlier is not suspected again.
    """

    judgement: Judgement
    frame: pl.DataFrame
    before: pl.DataFrame
    importance: Mapping[str, float]
    metric: str
    predictions: Predictions | None = None
    truth: pl.Series | None = None
    released: str = ""
    told: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found. ``slice`` is a sentence on where the model is worst, empty where nothing stands out."""

    suspects: tuple[Suspect, ...]
    summary: str
    slice: str = ""
    changed: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def diagnose(kind: Kind, alerts: Sequence[Signal], evidence: Evidence) -> Diagnosis:
    """Explain an incident of *kind* that *alerts* raised."""
    suspects = rank(alerts, evidence)
    changed = upstream(suspects, evidence)
    worst = _worst_slice(evidence) if kind == "performance" else ""
    moved = [one.name for one in evidence.judgement.drift.columns if one.drifted and one.name in evidence.told]
    summary = _summary(kind, alerts, suspects, changed, moved)
    return Diagnosis(suspects=suspects, summary=summary, slice=worst, changed=changed)


def plain(alerts: Sequence[Signal]) -> Diagnosis:
    """What *alerts* say by themselves, where there are no rows to look at or rows do not explain it."""
    texts = listed([alert.text for alert in alerts], limit=3)
    columns = dict.fromkeys(alert.column for alert in alerts if alert.column is not None)
    named = list(columns)[:SUSPECTS]
    suspects = tuple(
        Suspect(
            name=name,
            score=round(1 / len(columns), 3),
            text=next(alert.text for alert in alerts if alert.column == name),
        )
        for name in named
    )
    return Diagnosis(suspects=suspects, summary=f"{texts[:1].upper()}{texts[1:]}.")


def rank(alerts: Sequence[Signal], evidence: Evidence) -> tuple[Suspect, ...]:
    """The columns that changed, by how far each left its band times how much of the model rests on it.

    Where *alerts* tell of broken data, what broke comes first, and what did not break or change with it is left out.

    Scores sum to one over all that changed; at most :data:`SUSPECTS` are named.
    """
    breaks = [alert for alert in alerts if alert.kind == "data quality" and alert.column]
    broken = {alert.column: alert for alert in sorted(breaks, key=lambda one: one.value)}
    about = columns_of(alerts)
    scores: dict[str, float] = {}
    texts: dict[str, str] = {}
    for column in evidence.judgement.drift.columns:
        if column.name not in broken and (not column.drifted or column.name in evidence.told):
            continue
        if broken and column.name not in about:
            continue  # it moved by itself, and has an incident of its own
        weight = evidence.importance.get(column.name, 0.0) + _UNUSED
        alert = broken.get(column.name)
        scores[column.name] = max(_strength(column), min(alert.value, 1.0) if alert else 0.0, 1e-6) * weight
        texts[column.name] = _said(column, evidence, alert)
    total = sum(scores.values())
    order = sorted(scores, key=lambda name: (name not in broken, -scores[name]))[:SUSPECTS]
    return tuple(Suspect(name=name, score=round(scores[name] / total, 3), text=texts[name]) for name in order)


def importance(model: Model, sample: pl.DataFrame | None = None) -> dict[str, float]:
    """The share of each column in what *model* rests on, summing to one.

    For LightGBM, what its splits on the column gained. For any other model, by how much its answers for the rows of
    *sample* change on average when the column alone is shuffled (after L. Breiman, "Random forests", 2001, who looked
    at the errors; answers need no labels); empty without a sample.
    """
    booster = getattr(model.estimator, "booster_", None)
    shares = _moved_by_shuffling(model, sample) if booster is None else {}
    if booster is not None:
        gains = booster.feature_importance("gain")
        for output, gain in zip(model.encoder.outputs, gains, strict=True):
            shares[output.source] = shares.get(output.source, 0.0) + float(gain)
    total = sum(shares.values()) or 1.0
    return {name: share / total for name, share in shares.items()}


def _moved_by_shuffling(model: Model, sample: pl.DataFrame | None) -> dict[str, float]:
    import numpy as np

    if sample is None or len(sample) < 2:
        return {}
    rows = sample.head(_SHUFFLED)

    def answers(frame: pl.DataFrame) -> Any:
        said = model.predict(frame)
        return np.asarray(said.values if said.scores is None else said.scores, dtype=np.float64)

    usual = answers(rows)
    draw = np.random.default_rng(0)
    return {
        name: float(np.abs(answers(rows.with_columns(rows[name][draw.permutation(len(rows))])) - usual).mean())
        for name in model.encoder.columns
        if name in rows.columns
    }


def upstream(suspects: Sequence[Suspect], evidence: Evidence) -> tuple[str, ...]:
    """What happened outside the model, in sentences: columns gone, of another type or unit, new levels, a release."""
    found = [evidence.released] if evidence.released else []
    for column in evidence.judgement.drift.columns:
        if column.note.startswith(("missing", "new", "type", "another")):
            found.append(f"{column.name}: {column.note}")
        if column.unseen and column.kind == "level" and column.name not in evidence.told:
            names = listed(column.unseen, limit=3)
            found.append(f"{column.name} has categories it never had: {names}")
    for suspect in suspects:
        if suspect.name in evidence.frame.columns and suspect.name in evidence.before.columns:
            words = unit_change(evidence.before[suspect.name], evidence.frame[suspect.name])
            if words:
                found.append(f"{suspect.name} {words}")
    return tuple(found)


def unit_change(before: pl.Series, after: pl.Series) -> str:
    """Words that say by which usual factor *after* differs from *before*, or an empty text.

    Both quartiles and the median of the sizes must agree on the factor.
    """
    if not (before.dtype.is_numeric() and after.dtype.is_numeric()):
        return ""
    old, new = (side.drop_nulls().cast(float).abs() for side in (before, after))
    if min(len(old), len(new)) < _LEAST_KNOWN or min(old.n_unique(), new.n_unique()) < _LEAST_DISTINCT:
        return ""
    ratios = []
    for share in (0.25, 0.5, 0.75):
        here, there = new.quantile(share), old.quantile(share)
        if not here or not there or here / there <= 0:
            return ""
        ratios.append(here / there)
    for factor in _FACTORS:
        for wanted, word in ((factor, "multiplied"), (1 / factor, "divided")):
            near = _NEAR if factor >= _FACTORS[0] else _NEARER
            if all(abs(ratio / wanted - 1) <= near for ratio in ratios):
                name = _FACTOR_NAMES.get(factor)
                return f"looks {word} by {factor:g}, as if the unit had changed{f' ({name})' if name else ''}"
    return ""


def _strength(column: ColumnDrift) -> float:
    """How far a column left its band: the Jensen-Shannon distance beyond it, or the share of rows that broke."""
    shape = max((column.js or 0.0) - column.band.get("js", 0.0), 0.0)
    broken = max(
        (share - column.band.get(name, 0.0) for name, share in column.shares.items() if name in column.outside),
        default=0.0,
    )
    missing = 1.0 if column.note.startswith("missing") else 0.0
    return max(shape, broken, missing)


def _said(column: ColumnDrift, evidence: Evidence, broken: Signal | None) -> str:
    if broken is not None:
        return broken.text
    mean, was = column.after.get("mean"), column.before.get("mean")
    text = "distributed differently"
    if mean is not None and was is not None:
        text = f"mean {_number(_mean(evidence.frame, column.name, mean))}, was {_number(was)}"
    share = evidence.importance.get(column.name)
    return text if share is None else f"{text}; {share:.0%} of the model's decisions rest on it"


def _mean(frame: pl.DataFrame, name: str, winsorised: float) -> float:
    """The mean of the window's own values: the watched one counts what lies far out as less far."""
    if name not in frame.columns or not frame.schema[name].is_numeric():
        return winsorised
    found = frame[name].drop_nulls().cast(float).drop_nans().mean()
    return found if isinstance(found, float) and math.isfinite(found) else winsorised


def _worst_slice(evidence: Evidence) -> str:
    if evidence.predictions is None or evidence.truth is None:
        return ""
    from mainspring.evaluate import slices
    from mainspring.evaluate.metric import Setting
    from mainspring.evaluate.outcome import Outcome

    outcome = Outcome.of(evidence.truth, evidence.predictions)
    if not len(outcome):
        return ""
    names = [name for name in evidence.importance if name in evidence.frame.columns]
    found = slices.find(outcome, evidence.frame, names, metric=evidence.metric, setting=Setting(resamples=50))
    for part in found.worse:
        return (
            f"worst where {part.column} is {part.level}: {evidence.metric} {part.estimate.value:.4g} on "
            f"{part.estimate.rows:,} rows, {_number(part.rest)} elsewhere"
        )
    return ""


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e9 else f"{value:.4g}"


def _summary(
    kind: Kind, alerts: Sequence[Signal], suspects: Sequence[Suspect], changed: Sequence[str], moved: Sequence[str]
) -> str:
    """Two or three plain sentences. *moved*: columns that look different, too, and of which another incident tells."""
    sentences = []
    measured = next(
        (
            a
            for a in alerts
            if a.kind == "performance" and (a.low is not None or a.high is not None) and a.name != "loss stream"
        ),
        None,
    )
    if measured is not None:
        sentences.append(_performance_words(measured))
    elif any(alert.name == "loss stream" for alert in alerts):
        sentences.append("Errors have become more frequent or larger, and stay so.")
    burning = [alert.text for alert in alerts if alert.name.startswith(BUDGET) and alert.kind == "performance"]
    sentences += [f"{text[:1].upper()}{text[1:]}." for text in burning[:1]]
    if kind == "data quality":
        broken = [alert.text for alert in alerts if alert.kind == "data quality"]
        sentences.insert(0, f"The data broke: {listed(broken, limit=3)}.")
    elif suspects:
        names = listed([suspect.name for suspect in suspects], limit=3)
        more = " look" if len(suspects) > 1 else " looks"
        sentences.append(
            f"{names}{more} different from what the model learned on ({suspects[0].name}: {suspects[0].text})."
        )
    elif kind == "performance":
        if measured is not None or not burning:
            sentences.append(_unmoved(moved))
    else:
        said = [alert.text for alert in alerts if alert.column in OUTPUTS]
        sentences.append(f"The model answers differently ({said[0]})." if said else "The data look different.")
    if changed:
        sentences.append(f"Upstream: {changed[0]}.")
    return " ".join(sentences)


def _unmoved(told: Sequence[str]) -> str:
    if told:
        return (
            f"No column looks different but those of other incidents ({listed(told, limit=3)}): they do harm by now, "
            "or the relation between the columns and the target has changed itself."
        )
    return "No column looks different: the relation between the columns and the target has changed itself."


def _performance_words(signal: Signal) -> str:
    name, low, high = signal.name.replace("_", " "), signal.low, signal.high
    name = f"{name[:1].upper()}{name[1:]}"
    if low is not None and signal.value < low:
        return f"{name} fell to {signal.value:.4g} on {signal.rows:,} rows; at least {low:.4g} was expected."
    if high is not None and signal.value > high:
        return f"{name} rose to {signal.value:.4g} on {signal.rows:,} rows; at most {high:.4g} was expected."
    return f"{name} is {signal.value:.4g}."
