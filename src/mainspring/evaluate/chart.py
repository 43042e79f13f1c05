"""The charts of an evaluation as plain figures."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mainspring.report.figure import BAD, COLOURS, GOOD, QUIET, Figure

if TYPE_CHECKING:
    from mainspring.evaluate.curve import Curve
    from mainspring.evaluate.evaluation import Evaluation
    from mainspring.evaluate.threshold import Threshold

BLUE, ORANGE = COLOURS[0], COLOURS[1]
SHARE = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.25}
SMALL = {"size": 12}


def charts(evaluation: Evaluation) -> list[Figure]:
    """Every chart that the evaluation has points for, the most telling first."""
    curves = evaluation.curves
    made = []
    if "points" in curves:
        made += [_points(curves["points"]), _residuals(curves["residuals"]), _by_tenth(curves["by_tenth"])]
    if "roc" in curves:
        made.append(_roc(curves["roc"], evaluation))
    if "precision_recall" in curves:
        made.append(_precision_recall(curves["precision_recall"]))
    if "calibration" in curves:
        made.append(_calibration(curves["calibration"], top=evaluation.task == "multiclass"))
    if "gain" in curves:
        made.append(_gain(curves["gain"]))
    if "scores" in curves:
        made.append(_scores(curves["scores"], evaluation))
    return made


def threshold_curve(threshold: Threshold) -> Figure:
    """What each threshold gives, with the one in force and the recommended one marked."""
    places, values = [list(column) for column in zip(*threshold.curve, strict=True)] or ([], [])
    word = "Mean cost a row" if threshold.objective == "cost" else "F1"
    low, high = min(values), max(values)
    marks = [(threshold.current, QUIET, "now"), (threshold.best, GOOD, "best")]
    data: list[dict[str, Any]] = [_line(places, values, BLUE, word)]
    for at, colour, name in marks:
        data.append(
            _line([at, at], [low, high], colour, f"{name}: {at:.3g}", dash="dot")
            | {"hoverinfo": "name", "mode": "lines"}
        )
    return _figure(
        f"{word} by threshold", data, x="called positive from this probability on", y="", alt=f"{word} by threshold"
    )


def _figure(
    title: str, data: list[dict[str, Any]], *, x: str, y: str, alt: str = "", legend: bool = True, **layout: Any
) -> Figure:
    plan: dict[str, Any] = {
        "title": {"text": title, "font": {"size": 14}, "x": 0, "xref": "container", "xanchor": "left"},
        "xaxis": {"title": {"text": x, "standoff": 4, "font": SMALL}} | layout.pop("xaxis", {}),
        "yaxis": {"title": {"text": y, "standoff": 4, "font": SMALL}} | layout.pop("yaxis", {}),
        "showlegend": legend,
        "legend": {"orientation": "h", "y": -0.24, "x": 0, "yanchor": "top", "font": SMALL},
        "margin": {"l": 50, "r": 14, "t": 34, "b": 44},
    }
    return Figure(data=data, layout=plan | layout, height=330, alt=alt or title)


def _line(x: Any, y: Any, colour: str, name: str, *, dash: str = "solid", width: float = 2.2) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": name,
        "line": {"color": colour, "dash": dash, "width": width},
    }


def _chance(x: list[float], y: list[float], name: str) -> dict[str, Any]:
    return _line(x, y, QUIET, name, dash="dash", width=1.3) | {"hoverinfo": "skip"}


def _roc(curve: Curve, evaluation: Evaluation) -> Figure:
    data = [_chance([0, 1], [0, 1], "by chance")]
    for place, (name, points) in enumerate(curve.items()):
        shown = "model" if evaluation.task == "binary" else name
        line = _line(points["false_positive_rate"], points["true_positive_rate"], COLOURS[place % len(COLOURS)], shown)
        data.append(line | ({"line": line["line"] | {"dash": "dot"}} if place >= len(COLOURS) else {}))
    found = evaluation.metrics.get("roc_auc") or evaluation.metrics.get("roc_auc_ovr")
    area = f", area {found.value:.3f}" if found is not None else ""
    return _figure(
        f"ROC{area}", data, x="false alarms among negatives", y="found among positives", xaxis=SHARE, yaxis=SHARE
    )


def _precision_recall(curve: Curve) -> Figure:
    data = [
        _chance([0, 1], [curve["base_rate"]] * 2, "calling everyone"),
        _line(curve["recall"], curve["precision"], BLUE, "model"),
    ]
    return _figure(
        "Precision and recall",
        data,
        x="found among positives (recall)",
        y="right among called (precision)",
        xaxis=SHARE,
        yaxis=SHARE,
    )


def _error_bars(curve: Curve) -> dict[str, Any]:
    above = [high - seen for high, seen in zip(curve["high"], curve["observed"], strict=True)]
    below = [seen - low for low, seen in zip(curve["low"], curve["observed"], strict=True)]
    return {"type": "data", "array": above, "arrayminus": below, "thickness": 1.4, "width": 3}


def _said_and_seen(curve: Curve, name: str) -> list[dict[str, Any]]:
    ends = [min(*curve["predicted"], *curve["observed"]), max(*curve["predicted"], *curve["observed"])]
    return [
        _chance(ends, ends, "said = seen") | {"showlegend": False},
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": curve["predicted"],
            "y": curve["observed"],
            "name": name,
            "text": [f"{rows:,} rows" for rows in curve["rows"]],
            "line": {"color": BLUE, "width": 1.6},
            "marker": {"size": 7},
            "error_y": _error_bars(curve),
        },
    ]


def _calibration(curve: Curve, *, top: bool) -> Figure:
    return _figure(
        "Calibration: is 30 % really 30 %?",
        _said_and_seen(curve, "groups of equally many rows"),
        x="probability of the answer given" if top else "probability said",
        y="share right" if top else "share seen",
        xaxis={"tickformat": ".0%"},
        yaxis={"tickformat": ".0%"},
    )


def _gain(curve: Curve) -> Figure:
    data = [_chance([0, 1], [0, 1], "drawing lots"), _line(curve["share"], curve["captured"], BLUE, "model")]
    return _figure(
        f"Gain: the top tenth is {curve['lift'][0]:.1f} times as rich",
        data,
        x="rows looked at, highest scores first",
        y="positives found",
        xaxis=SHARE,
        yaxis=SHARE,
    )


def _scores(curve: Curve, evaluation: Evaluation) -> Figure:
    edges = curve["edges"]
    middle = [(low + high) / 2 for low, high in pairwise(edges)]
    no, yes = evaluation.classes[:2]
    data = []
    for key, name, colour in (("negative", no, BLUE), ("positive", yes, ORANGE)):
        total = sum(curve[key]) or 1
        data.append(
            {
                "type": "bar",
                "x": middle,
                "y": [count / total for count in curve[key]],
                "customdata": curve[key],
                "hovertemplate": "%{customdata:,} rows<extra>%{fullData.name}</extra>",
                "name": f"truth {name}",
                "marker": {"color": colour},
                "opacity": 0.72,
            }
        )
    return _figure(
        "How far apart the classes are",
        data,
        x=f"probability of {yes}",
        y="share of the class",
        barmode="overlay",
        bargap=0.04,
        xaxis={"tickformat": ".0%"},
        yaxis={"tickformat": ".0%"},
    )


def _points(curve: Curve) -> Figure:
    every = [*curve["truth"], *curve["predicted"]]
    ends = [min(every), max(every)]
    shown, total = len(curve["truth"]), curve["of"]
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": curve["predicted"],
            "y": curve["truth"],
            "name": f"{shown:,} of {total:,} rows" if shown < total else f"{total:,} rows",
            "marker": {"size": 5, "opacity": 0.45, "color": BLUE},
        },
        _chance(ends, ends, "said = seen"),
    ]
    return _figure("Truth against prediction", data, x="predicted", y="true")


def _residuals(curve: Curve) -> Figure:
    edges = curve["edges"]
    middle = [(low + high) / 2 for low, high in pairwise(edges)]
    colours = [BAD if abs(place) > 0.5 * max(abs(edges[0]), abs(edges[-1])) else BLUE for place in middle]
    data = [{"type": "bar", "x": middle, "y": curve["rows"], "marker": {"color": colours}, "name": "rows"}]
    return _figure(
        "How large the errors are",
        data,
        x="prediction minus truth",
        y="rows",
        legend=False,
        bargap=0.03,
    )


def _by_tenth(curve: Curve) -> Figure:
    return _figure(
        "Said and seen, from low to high",
        _said_and_seen(curve, "groups of equally many rows"),
        x="mean prediction",
        y="mean truth",
    )
