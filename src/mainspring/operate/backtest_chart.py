"""The one picture of a rehearsal: three lines over time, incidents, and where a new model went live."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mainspring.contract.metric import METRICS
from mainspring.report.figure import BAD, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.operate.loop import Step
    from mainspring.operate.rehearsal import Arm, Backtest, Spell

SMOOTHED_FROM = 16
"""With fewer windows each is drawn as it is."""
SHARES = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall", "f1_macro", "f1_weighted"})
"""Metrics that people read as a share of a hundred."""
_STATIC, _LOOP, _ALWAYS = "#8a93a6", "#2f6fde", "#2a9d6f"
_LANE = 0.045
"""The height of one lane of incidents, as a share of the picture."""
_INK = {
    "performance": "rgba(200,55,74,{})",
    "data quality": "rgba(226,113,29,{})",
    "drift": "rgba(217,162,27,{})",
    "service": "rgba(120,80,160,{})",
}
WORDS = {
    "performance": "the model did worse",
    "data quality": "the data were broken",
    "drift": "the data looked different",
    "service": "the service was disturbed",
}


def timeline(result: Backtest) -> Figure:
    """The picture of *result*. What the lines are is said by :func:`caption`."""
    xs = [period.start for period in result.loop.windows]
    smooth = len(xs) >= SMOOTHED_FROM
    kinds = [kind for kind in WORDS if any(spell.incident.kind == kind for spell in result.incidents)]
    traces: list[dict[str, Any]] = []
    heights: Sequence[float | None] = ()
    for arm, words, colour, width in (
        (result.static, "left alone", _STATIC, 2.5),
        (result.oracle, "always retrained", _ALWAYS, 1.5),
        (result.loop, "with the loop", _LOOP, 3.0),
    ):
        values = [None if math.isnan(period.value) else period.value for period in arm.windows]
        if smooth and arm is not result.oracle:
            traces.append(_dots(xs, values, colour))
        heights = _smoothed(arm) if smooth else values
        traces.append(_line(result, xs, heights, words, colour, width))
    traces += _marks(result, xs, heights)
    traces += [_legend_entry(kind) for kind in kinds]
    floor = _LANE * len(kinds) + (0.04 if kinds else 0.0)
    layout: dict[str, Any] = {
        "xaxis": {
            "title": {"text": str(result.contract.project.time)},
            "showgrid": False,
            "anchor": "free",
            "position": 0,
        },
        "yaxis": {
            "title": {"text": result.metric.replace("_", " ")},
            "tickformat": ".0%" if result.metric in SHARES else "",
            "domain": [floor, 1],
        },
        "shapes": [shape for spell in result.incidents for shape in _shapes(result, spell, xs, kinds, floor)],
        "hovermode": "x unified",
        "legend": {"orientation": "h", "y": -0.16},
        "margin": {"l": 62, "r": 16, "t": 16, "b": 40},
    }
    return Figure(data=traces, layout=layout, height=460, alt=f"Three lines over time. {result.verdict}")


def caption(result: Backtest) -> str:
    """What the picture shows, in words."""
    way = "higher" if result.higher_is_better else "lower"
    words = [f"The lines are {result.metric.replace('_', ' ')}: {METRICS[result.metric].help}; {way} is better."]
    if len(result.loop.windows) >= SMOOTHED_FROM:
        words.append("Dots are single windows, lines the mean of five windows around.")
    words.append(
        "Triangles are new models going live. Bars below are incidents; where the model did worse, or the data"
    )
    words.append("were broken, the time is tinted.")
    return " ".join(words)


def _dots(xs: list[Any], values: list[float | None], colour: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": xs, "y": values, "showlegend": False, "hoverinfo": "skip",
        "marker": {"color": colour, "size": 4, "opacity": 0.4},
    }  # fmt: skip


def _line(
    result: Backtest, xs: list[Any], values: Sequence[float | None], words: str, colour: str, width: float
) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "x": xs, "y": list(values), "name": words, "connectgaps": True,
        "line": {"color": colour, "width": width, "dash": "dot" if colour == _ALWAYS else "solid"},
        "hovertemplate": "%{y:.1%}" if result.metric in SHARES else "%{y:.4g}",
    }  # fmt: skip


def _smoothed(arm: Arm) -> list[float | None]:
    """The mean over each window and the two on either side, by their rows."""
    found: list[float | None] = []
    for place in range(len(arm.windows)):
        near = [period for period in arm.windows[max(0, place - 2) : place + 3] if not math.isnan(period.value)]
        rows = sum(period.rows for period in near)
        found.append(sum(period.value * period.rows for period in near) / rows if rows else None)
    return found


def _marks(result: Backtest, xs: list[Any], heights: Sequence[float | None]) -> list[dict[str, Any]]:
    """Triangles where another version answers first: up for a retrained one, down for one that was gone back to."""

    def promoted(step: Step) -> bool:
        return step.retrained is not None and step.retrained.promoted

    def rolled_back(step: Step) -> bool:
        return step.decision.action == "roll back"

    kinds: tuple[tuple[str, str, str, Callable[[Step], bool]], ...] = (
        ("new model live", "triangle-up", _LOOP, promoted),
        ("rolled back", "triangle-down", BAD, rolled_back),
    )
    found = []
    for words, symbol, colour, chosen in kinds:
        places = [step.window + 1 for step in result.steps if chosen(step) and step.window + 1 < len(xs)]
        if places:
            marker = {"symbol": symbol, "size": 10, "color": colour, "line": {"color": "#ffffff", "width": 1}}
            found.append(
                {
                    "type": "scatter", "mode": "markers", "x": [xs[place] for place in places],
                    "y": [heights[place] for place in places], "name": words, "marker": marker, "hoverinfo": "skip",
                }
            )  # fmt: skip
    return found


def _shapes(result: Backtest, spell: Spell, xs: list[Any], kinds: list[str], floor: float) -> list[dict[str, Any]]:
    """An incident as a bar in the lane of its kind; what did harm also tints the time that it lasted."""
    windows = result.loop.windows
    kind = spell.incident.kind
    end = len(windows) - 1 if spell.closed is None else spell.closed
    ends = {"x0": xs[spell.opened], "x1": windows[end].end}
    top = _LANE * (len(kinds) - kinds.index(kind))
    whole = {"type": "rect", "xref": "x", "yref": "paper", "line": {"width": 0}, "layer": "below"}
    lane = {"y0": top - _LANE * 0.85, "y1": top - _LANE * 0.15, "fillcolor": _INK[kind].format(0.75)}
    found = [{**whole, **ends, **lane}]
    if kind != "drift":
        found.append({**whole, **ends, "y0": floor, "y1": 1, "fillcolor": _INK[kind].format(0.12)})
    return found


def _legend_entry(kind: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": WORDS[kind],
        "marker": {"symbol": "square", "size": 12, "color": _INK[kind].format(0.75)},
    }  # fmt: skip
