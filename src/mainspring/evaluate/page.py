"""An evaluation as one page: the verdicts first, then the evidence."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from mainspring.contract.metric import METRICS
from mainspring.core.estimate import Estimate
from mainspring.evaluate.chart import charts, threshold_curve
from mainspring.evaluate.whisker import Scale, whisker
from mainspring.report.page import Page
from mainspring.report.table import Html, Table, cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.contract.verdict import Verdict
    from mainspring.evaluate.evaluation import Confusion, Evaluation
    from mainspring.evaluate.group import Fairness, Group
    from mainspring.evaluate.slices import Slice
    from mainspring.evaluate.threshold import Threshold
    from mainspring.report.page import Part

SHOWN_SLICES = 20
HEADLINES = {
    "binary": ("roc_auc", "average_precision", "accuracy", "f1", "expected_cost"),
    "multiclass": ("accuracy", "f1_macro", "balanced_accuracy", "log_loss"),
    "regression": ("rmse", "mae", "r2", "mean_error"),
}
MARKS = {"pass": "good", "fail": "bad", "not measurable": ""}


def page(evaluation: Evaluation, *, title: str = "", subtitle: str = "") -> str:
    """The report of *evaluation* as one HTML text that opens offline."""
    report = Page(
        title or f"Evaluation of {evaluation.target}",
        subtitle=subtitle or _subtitle(evaluation),
        verdict=_answer(evaluation.verdicts),
        tiles=_tiles(evaluation),
    )
    report.section("Requirements", *_requirements(evaluation))
    report.section("How good it is", *_metrics(evaluation))
    figures = charts(evaluation)
    if figures:
        report.section("Charts", Html('<div class="grid">'), *figures, Html("</div>"))
    if evaluation.confusion is not None:
        report.section("Which mistakes it makes", *_mistakes(evaluation))
    if evaluation.threshold is not None:
        report.section("Where to draw the line", *_threshold(evaluation.threshold, evaluation.positive or ""))
    report.section("Where it is weaker", *_slices(evaluation))
    if evaluation.fairness or evaluation.behaviour:
        report.section("Groups of people", *_groups(evaluation))
    report.section("How this was measured", *_method(evaluation), folded=True)
    return report.render()


def _subtitle(evaluation: Evaluation) -> str:
    what = {
        "binary": f"Is it {evaluation.positive}?",
        "multiclass": f"Which of {len(evaluation.classes)} classes?",
        "regression": "How much?",
    }[evaluation.task]
    return f"{what} Measured on {evaluation.rows:,} rows the model did not learn from (stage: {evaluation.stage})."


def _answer(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """The result in one sentence."""
    if not verdicts:
        return "warn", "The contract requires nothing at this stage, so nothing was promised and nothing is broken."
    failed = [verdict for verdict in verdicts if verdict.result == "fail"]
    musts = [verdict for verdict in failed if verdict.blocks]
    held = sum(verdict.result == "pass" for verdict in verdicts)
    open_ = sum(verdict.result == "not measurable" for verdict in verdicts)
    rest = f" {open_} could not be measured here." if open_ else ""
    if musts:
        names = "; ".join(verdict.requirement for verdict in musts[:3])
        more = f" and {len(musts) - 3} more" if len(musts) > 3 else ""
        return "bad", f"Not fit for release: {_count(len(musts), 'must')} failed ({names}{more}).{rest}"
    if failed:
        names = "; ".join(verdict.requirement for verdict in failed[:3])
        return "warn", f"Fit for release with a warning: {_count(len(failed), 'should')} failed ({names}).{rest}"
    if not held:
        return "warn", f"Nothing could be measured yet: {verdicts[0].reason}."
    kind = "measured requirements" if open_ else "requirements"
    word = "The one requirement holds." if len(verdicts) == 1 else f"All {held} {kind} hold."
    return "good", word + rest


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _tiles(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([evaluation.metric, *HEADLINES[evaluation.task]])
    tiles = []
    for name in names:
        found = evaluation.metrics.get(name)
        if found is not None and not math.isnan(found.value):
            constant = evaluation.baseline.get(name)
            small = interval(found) + (f", constant answer {cell(constant)}" if constant is not None else "")
            tiles.append((name, cell(found.value), small))
    return [*tiles[:4], ("rows", f"{evaluation.rows:,}", _rows_note(evaluation))]


def _rows_note(evaluation: Evaluation) -> str:
    return f"{evaluation.unlabelled:,} more without truth" if evaluation.unlabelled else "all with a known truth"


def interval(estimate: Estimate) -> str:
    """The interval in words; empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{cell(estimate.low)} to {cell(estimate.high)}"


def _span(estimate: Estimate) -> Html:
    """The interval on one line of a table."""
    return Html(f'<span style="white-space:nowrap">{escape(interval(estimate))}</span>')


def _requirements(evaluation: Evaluation) -> list[Part]:
    if not evaluation.verdicts:
        return ["Add [[require]] entries to mainspring.toml to say what the model must do."]
    rows = []
    for verdict in evaluation.verdicts:
        found = Estimate(math.nan if verdict.value is None else verdict.value, verdict.low, verdict.high, verdict.rows)
        word = {"pass": "holds", "fail": "fails", "not measurable": "not measurable"}[verdict.result]
        mark = MARKS[verdict.result]
        if verdict.result == "fail" and verdict.priority == "should":
            word, mark = "warns", "warn"
        picture = "" if verdict.value is None else _bound_picture(found, verdict)
        rows.append(
            [
                Html(f'<span class="tag {mark}">{word}</span>'),
                Html(f"<b>{escape(verdict.requirement)}</b>" + _small(verdict.reason)),
                verdict.priority,
                verdict.value,
                _span(found),
                Html(picture),
                verdict.rows,
            ]
        )
    marks = ["warn" if v.result == "fail" and not v.blocks else MARKS[v.result] for v in evaluation.verdicts]
    header = ["", "requirement", "", "value", "95 % interval", "against the bound", "rows"]
    return [Table(header=header, rows=rows, marks=marks)]


def _bound_picture(found: Estimate, verdict: Verdict) -> str:
    allowed = "above" if " at least " in verdict.requirement else "below"
    scale = Scale.over([found.value, found.low, found.high, verdict.bound], margin=0.25)
    colour = "var(--good)" if verdict.result == "pass" else "var(--bad)" if verdict.blocks else "var(--warn)"
    label = f"{cell(found.value)}, bound {cell(verdict.bound)}"
    return whisker(found, scale, mark=verdict.bound, allowed=allowed, colour=colour, label=label)


def _small(text: str) -> str:
    return f'<br><span style="color:var(--soft);font-size:12.5px">{escape(text)}</span>' if text else ""


def _metrics(evaluation: Evaluation) -> list[Part]:
    if not evaluation.metrics:
        return ["Nothing was measured."]
    rows = [
        [
            Html(f"<b>{escape(name)}</b>" + _small(METRICS[name].help)),
            found.value,
            _span(found),
            evaluation.baseline.get(name),
            "more" if METRICS[name].higher_is_better else "near zero" if name == "mean_error" else "less",
        ]
        for name, found in evaluation.metrics.items()
    ]
    parts: list[Part] = [
        Table(header=["metric", "value", "95 % interval", "a constant answer", "better is"], rows=rows)
    ]
    for name, gain in evaluation.gains.items():
        parts.append(_against_champion(name, gain))
    return parts


def _against_champion(name: str, gain: Estimate) -> str:
    if math.isnan(gain.value):
        return f"Against the champion, {name} cannot be compared on these rows."
    sure = gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0)
    side = "better" if gain.value > 0 else "worse"
    tail = "." if sure else "; the interval holds zero, so the two cannot be told apart on these rows."
    span = f" ({interval(gain)})" if gain.low is not None else ""
    return f"Against the champion on the same rows: {name} is {cell(abs(gain.value))} {side}{span}{tail}"


def _mistakes(evaluation: Evaluation) -> list[Part]:
    table = evaluation.confusion
    parts: list[Part] = [] if table is None else [Html(_heat(table))]
    rows = [[q.label, q.precision.value, q.recall.value, q.f1.value, q.support] for q in evaluation.per_class]
    header = ["class", "right among called (precision)", "found among true (recall)", "F1", "rows truly so"]
    if rows:
        parts.append(Table(header=header, rows=rows))
    return parts


def _heat(table: Confusion) -> str:
    """The confusion matrix, each cell tinted by its share of the row."""
    head = "".join(f"<th class=n>{escape(label)}</th>" for label in table.labels)
    body = []
    for place, (label, counts) in enumerate(zip(table.labels, table.counts, strict=True)):
        total = sum(counts) or 1
        cells = []
        for across, count in enumerate(counts):
            tint = "var(--good)" if across == place else "var(--bad)"
            strength = round(100 * (0.08 + 0.5 * count / total)) if count else 0
            cells.append(
                f'<td class=n style="background:color-mix(in srgb,{tint} {strength}%,transparent)">{count:,}'
                f'<br><span style="color:var(--soft);font-size:12px">{count / total:.0%}</span></td>'
            )
        body.append(f"<tr><th>{escape(label)}</th>{''.join(cells)}</tr>")
    return (
        '<div class="scroll"><table style="width:auto;min-width:340px"><caption>Rows by truth (down) and decision '
        "(across); shares are of the true class</caption>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _threshold(threshold: Threshold, positive: str) -> list[Part]:
    cost = threshold.objective == "cost"
    what = "a mean cost a row" if cost else "an F1"
    now, best = threshold.current_value, threshold.best_value
    text = (
        f"A row is called {positive} from a probability of {cell(threshold.current)} on; that gives {what} of "
        f"{cell(now)}. The best line is at {cell(threshold.best)}"
    )
    text += f", which gives {cell(best)}" if best is not None else ""
    if cost and now is not None and best is not None and now > best:
        text += f": {cell(now - best)} saved on each row, {cell((now - best) * 1000)} on a thousand"
    parts: list[Part] = [f"{text}. It was picked on {threshold.picked_on}."]
    if not cost:
        parts.append("Declare [[cost]] in mainspring.toml to let money draw the line instead of F1.")
    if len(threshold.curve) > 1:
        parts.append(threshold_curve(threshold))
    return parts


def _slices(evaluation: Evaluation) -> list[Part]:
    found = evaluation.slices
    if not found.found:
        return ["No column splits the rows into parts large enough to compare."]
    worse = len(found.worse)
    if worse:
        word = f"In {worse} of {found.looked_at} slices the model is weaker than elsewhere beyond chance."
    else:
        word = f"In none of {found.looked_at} slices is the model weaker than elsewhere beyond chance."
    shown = found.found[:SHOWN_SLICES]
    scale = Scale.over(
        [found.overall, *(n for part in shown for n in (part.estimate.value, part.estimate.low, part.estimate.high))]
    )
    rows = [_slice_row(part, scale, found.overall) for part in shown]
    header = ["slice", found.metric, "95 % interval", "against all rows (dashed)", "elsewhere", "rows", "beyond chance"]
    return [
        f"{word} The chance of a chance finding is corrected for the number of slices looked at (Holm).",
        Table(header=header, rows=rows, marks=["bad" if part.worse else "" for part in shown]),
        *([f"{found.looked_at - len(shown)} more slices are less weak."] if found.looked_at > len(shown) else []),
    ]


def _slice_row(part: Slice, scale: Scale, overall: float | None) -> list[object]:
    colour = "var(--bad)" if part.worse else "var(--blue)"
    label = f"{part.column} is {part.level}: {cell(part.estimate.value)}"
    return [
        Html(f"{escape(part.column)} is <b>{escape(part.level)}</b>"),
        part.estimate.value,
        _span(part.estimate),
        Html(whisker(part.estimate, scale, mark=overall, colour=colour, label=label)),
        part.rest,
        part.estimate.rows,
        ("yes" if part.worse else "no") + f", p {_chance(part.p)}",
    ]


def _chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.9995 else "1"


def _groups(evaluation: Evaluation) -> list[Part]:
    parts: list[Part] = []
    for fairness in evaluation.fairness:
        parts += _fairness(fairness, binary=evaluation.task == "binary")
    rows = [
        [one.column, one.change, f"{one.share:.1%}", f"{one.low:.1%} to {one.high:.1%}", one.mean_change, one.rows]
        for one in evaluation.behaviour
    ]
    if rows:
        header = ["only this was changed", "how", "answers that change", "95 % interval", "mean change", "rows"]
        caption = "Does the answer hang on it? Everything else about the row was kept."
        parts.append(Table(header=header, rows=rows, caption=caption))
    return parts


def _fairness(fairness: Fairness, *, binary: bool) -> list[Part]:
    parts: list[Part] = [Html(f"<h3 style='margin:18px 0 8px'>By {escape(fairness.column)}</h3>")]
    if fairness.metrics:
        gaps = [[name, found.value, _span(found), METRICS[name].help] for name, found in fairness.metrics.items()]
        parts.append(Table(header=["between the groups", "value", "95 % interval", "what it is"], rows=gaps))
    scale = Scale(0.0, 1.0)
    if not binary:
        scale = Scale.over([n for g in fairness.groups for n in (g.estimate.value, g.estimate.low, g.estimate.high)])
    header = ["group", "rows", fairness.metric]
    header += ["called positive", "", "found among positives", "", "false alarms"] if binary else [""]
    parts.append(Table(header=header, rows=[_group_row(group, scale, binary=binary) for group in fairness.groups]))
    if fairness.left_out:
        names = ", ".join(f"{name} ({rows:,} rows)" for name, rows in fairness.left_out.items())
        parts.append(f"Left out, too few rows to compare or not known: {names}.")
    if fairness.cut:
        parts.append("The numbers were cut into quarters of equally many rows.")
    return parts


def _group_row(group: Group, scale: Scale, *, binary: bool) -> list[object]:
    name = Html(f'<span style="white-space:nowrap">{escape(group.name)}</span>')
    if not binary:
        return [name, group.rows, group.estimate.value, Html(whisker(group.estimate, scale, label=group.name))]
    row: list[object] = [name, group.rows, group.estimate.value]
    for rate, drawn in (
        (group.selection_rate, True),
        (group.true_positive_rate, True),
        (group.false_positive_rate, False),
    ):
        row.append(None if rate is None else rate.value)
        if drawn:
            row.append(Html("" if rate is None else whisker(rate, scale, label=group.name, bar=True)))
    return row


def _method(evaluation: Evaluation) -> list[Part]:
    return [
        *evaluation.notes,
        "Intervals are 95 % percentile bootstraps over the rows (Efron & Tibshirani 1993); rates of groups and of "
        "the calibration chart carry Wilson intervals. An interval says what other rows of the same kind would give; "
        "it says nothing about rows of another kind, for instance of next year.",
        "Each slice is compared with the rows outside it; the tests are corrected together by Holm's method. A slice "
        "that is not called weaker may still be weaker: on few rows it cannot be shown.",
        "Fairness differences are the largest minus the smallest rate over groups of at least 30 rows, by the "
        "definitions of Fairlearn.",
        "A constant answer predicts the mean, or the shares of the classes, for every row: a model that does not beat "
        "it has learned nothing.",
    ]
