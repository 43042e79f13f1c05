"""The points of the charts, as plain JSON values: few enough to be stored with the model."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from mainspring.evaluate.outcome import Floats, Ints, Outcome, label_text

Curve: TypeAlias = dict[str, Any]
POINTS = 200
"""At most so many points of a curve are kept."""
BINS = 10
"""Calibration, lift and residuals are shown in at most so many groups of equally many rows."""
ROWS_OF_A_BIN = 20
"""On few rows there are fewer groups, so that each holds about so many."""
DOTS = 1000
"""At most so many rows are drawn one by one."""
Z95 = 1.959963984540054


def curves(outcome: Outcome, *, seed: int = 0) -> dict[str, Curve]:
    """Every chart that the task and the rows allow; empty where there are no rows."""
    if not len(outcome):
        return {}
    if outcome.task == "regression":
        return _regression(outcome, seed)
    if outcome.scores is None or np.isnan(outcome.scores).any():
        return {}
    if outcome.task == "multiclass":
        return {"roc": _roc_by_class(outcome), "calibration": _calibration(*_top(outcome))}
    is_positive = outcome.truth == 1
    found = {"calibration": _calibration(outcome.positive, is_positive), "scores": _scores(outcome)}
    if 0 < is_positive.sum() < len(outcome):
        found |= {
            "roc": {"positive": _roc(outcome.positive, is_positive)},
            "precision_recall": _precision_recall(outcome.positive, is_positive),
            "gain": _gain(outcome.positive, is_positive),
        }
    return found


def wilson(hits: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """The 95 % interval of a share (Wilson 1927): holds its level on few rows and near zero and one."""
    share = hits / rows
    middle = (share + Z95**2 / (2 * rows)) / (1 + Z95**2 / rows)
    half = Z95 / (1 + Z95**2 / rows) * np.sqrt(share * (1 - share) / rows + Z95**2 / (4 * rows**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _steps(scores: Floats, hit: np.ndarray[Any, Any]) -> tuple[Floats, Floats]:
    """Hits and rows called positive as the threshold falls past each different score, starting with none."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.concatenate([[0.0], np.cumsum(hit[order])[ends]])
    return hits, np.concatenate([[0.0], ends + 1.0])


def _thin(*columns: Floats) -> list[list[float]]:
    """At most POINTS of the points, evenly along the first column plus the second, ends kept."""
    length = np.cumsum(np.abs(np.diff(columns[0], prepend=columns[0][0])) + np.abs(np.diff(columns[1], prepend=0)))
    if len(length) <= POINTS:
        keep = np.arange(len(length))
    else:
        keep = np.unique(np.searchsorted(length, np.linspace(length[0], length[-1], POINTS)).clip(0, len(length) - 1))
        keep = np.union1d(keep, [0, len(length) - 1])
    return [_rounded(column[keep]) for column in columns]


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _roc(scores: Floats, hit: np.ndarray[Any, Any]) -> Curve:
    hits, called = _steps(scores, hit)
    false, true = _thin((called - hits) / (~hit).sum(), hits / hit.sum())
    return {"false_positive_rate": false, "true_positive_rate": true}


def _roc_by_class(outcome: Outcome) -> Curve:
    """One against the rest, for at most eight classes, the most frequent first."""
    rows = np.bincount(outcome.truth, minlength=outcome.known)[: outcome.known]
    shown = [label for label in np.argsort(-rows, kind="stable")[:8] if 0 < rows[label] < len(outcome)]
    return {
        label_text(outcome.labels[label]): _roc(outcome.probabilities[:, label], outcome.truth == label)
        for label in shown
    }


def _precision_recall(scores: Floats, hit: np.ndarray[Any, Any]) -> Curve:
    hits, called = _steps(scores, hit)
    recall, precision = _thin(hits[1:] / hit.sum(), hits[1:] / called[1:])
    return {"recall": recall, "precision": precision, "base_rate": float(hit.mean())}


def _gain(scores: Floats, hit: np.ndarray[Any, Any]) -> Curve:
    """Which share of the positives is among the rows scored highest, and by how much that beats drawing lots."""
    hits, called = _steps(scores, hit)
    share, captured = called / len(scores), hits / hit.sum()
    tenths = np.arange(1, BINS + 1) / BINS
    lift = np.interp(tenths, share, captured) / tenths
    looked, found = _thin(share, captured)
    return {"share": looked, "captured": found, "tenth": _rounded(tenths), "lift": _rounded(lift)}


def _top(outcome: Outcome) -> tuple[Floats, np.ndarray[Any, Any]]:
    """The probability of the most probable class, and whether it was the true one."""
    return outcome.probabilities.max(axis=1), outcome.probabilities.argmax(axis=1) == outcome.truth


def _calibration(chance: Floats, hit: np.ndarray[Any, Any]) -> Curve:
    """Said against seen, in groups of equally many rows by rising probability; equal ones stay together."""
    edges, group = _even(chance)
    rows = np.bincount(group, minlength=len(edges) + 1).astype(np.float64)
    full = rows > 0
    said = np.bincount(group, chance, len(edges) + 1)[full] / rows[full]
    hits: Floats = np.bincount(group, hit.astype(np.float64), len(edges) + 1)[full].astype(np.float64)
    low, high = wilson(hits, rows[full])
    return {
        "predicted": _rounded(said),
        "observed": _rounded(hits / rows[full]),
        "low": _rounded(low),
        "high": _rounded(high),
        "rows": [int(count) for count in rows[full]],
    }


def _even(values: Floats) -> tuple[Floats, Ints]:
    """The inner edges of groups of equally many rows by rising value, equal values together, and each row's group."""
    groups = int(np.clip(len(values) // ROWS_OF_A_BIN, 1, BINS))
    edges: Floats = np.unique(np.quantile(values, np.linspace(0, 1, groups + 1)[1:-1]))
    return edges, np.searchsorted(edges, values, side="left")


def _scores(outcome: Outcome) -> Curve:
    """How the probabilities spread over each class, in twenty bins of equal width."""
    edges = np.linspace(0, 1, 21)
    is_positive = outcome.truth == 1
    chance = np.clip(outcome.positive, 0, 1)
    return {
        "edges": _rounded(edges),
        "positive": np.histogram(chance[is_positive], edges)[0].tolist(),
        "negative": np.histogram(chance[~is_positive], edges)[0].tolist(),
    }


def _regression(outcome: Outcome, seed: int) -> dict[str, Curve]:
    usable = np.flatnonzero(np.isfinite(outcome.decided))
    if not len(usable):
        return {}
    truth, said = outcome.truth[usable], outcome.decided[usable]
    residual = said - truth
    some = np.arange(len(truth))
    if len(some) > DOTS:
        some = np.sort(np.random.default_rng(seed).choice(len(truth), DOTS, replace=False))
    middle = np.quantile(residual, [0.005, 0.995])
    span = (float(middle[0]), float(middle[1])) if middle[1] > middle[0] else (middle[0] - 0.5, middle[1] + 0.5)
    counts, edges = np.histogram(np.clip(residual, *span), bins=40, range=span)
    return {
        "points": {"truth": _rounded(truth[some]), "predicted": _rounded(said[some]), "of": len(truth)},
        "residuals": {"edges": _rounded(edges), "rows": counts.tolist()},
        "by_tenth": _by_tenth(truth, said),
    }


def _by_tenth(truth: Floats, said: Floats) -> Curve:
    """Mean truth with its interval against mean prediction, in groups of equally many rows by rising prediction."""
    _, group = _even(said)
    found: Curve = {"predicted": [], "observed": [], "low": [], "high": [], "rows": []}
    for part in np.unique(group):
        inside = truth[group == part]
        mean = float(inside.mean())
        half = Z95 * float(inside.std(ddof=1)) / math.sqrt(len(inside)) if len(inside) > 1 else 0.0
        for key, value in (
            ("predicted", float(said[group == part].mean())),
            ("observed", mean),
            ("low", mean - half),
            ("high", mean + half),
        ):
            found[key].append(float(f"{value:.6g}"))
        found["rows"].append(len(inside))
    return found
