"""The rehearsal as one page: a picture that a manager understands first, then the incidents, then every window."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from mainspring.core.duration import format_duration
from mainspring.operate.backtest_chart import SHARES, SMOOTHED_FROM, WORDS, caption, timeline
from mainspring.report.page import Page
from mainspring.report.table import Html, Table, cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.ledger.ports.incidents import Suspect
    from mainspring.operate.rehearsal import Arm, Backtest, Spell

SHOWN_INCIDENTS = 25
SHOWN_ACTIONS = 3
_TAGS = {"performance": "bad", "data quality": "warn", "drift": "warn", "service": "bad"}
_METHOD = (
    "The static model and the loop began with the same model of all rows before. A retrain fits the same small model "
    "on several spans of history, weighs them by how the same fits of one window earlier did on the freshest labelled "
    "window, and goes live unless it is surely worse there than the model in force. For two windows after that the "
    "model before stands by; if it would surely have been better, the loop goes back to it."
)


def page(
    result: Backtest, *, title: str = "", subtitle: str = "", sections: Sequence[tuple[str, Sequence[Any]]] = ()
) -> str:
    """The report of a rehearsal as one HTML text that opens offline.

    *title* and *subtitle* replace its own; *sections*, headings with their parts, come after the picture.
    """
    tone = "warn" if not math.isfinite(result.gain) else "good" if result.gain > 0 else "bad"
    report = Page(
        title or f"What the model of {result.contract.project.name} would have lived through",
        subtitle=f"{subtitle} {_subtitle(result)}".strip(),
        verdict=(tone, result.verdict),
        tiles=_tiles(result),
    )
    report.section("How it would have done", timeline(result), caption(result))
    for heading, parts in sections:
        report.section(heading, *parts)
    report.section("Incidents", *_incidents(result))
    report.section("What the loop did", *_actions(result))
    report.section("Window by window", _windows(result), folded=len(result.loop.windows) > SMOOTHED_FROM)
    report.section("How this was rehearsed", *_method(result), folded=True)
    return report.render()


def _subtitle(result: Backtest) -> str:
    judged = sum(period.rows for period in result.loop.windows)
    return (
        f"Trained on {result.start:,} rows up to {result.learned_until}; then {judged:,} rows up to {result.ended}, in "
        f"{len(result.loop.windows)} windows, replayed in the order in which they came."
    )


def _tiles(result: Backtest) -> list[tuple[str, str, str]]:
    name = result.metric.replace("_", " ")
    hurt = sum(1 for spell in result.incidents if spell.incident.kind == "performance")
    way = "higher is better" if result.higher_is_better else "lower is better"
    loop, always = result.loop, result.oracle
    back = f", {result.rollbacks} rolled back" if result.rollbacks else ""
    return [
        ("left alone", _shown(result, result.static.value.value), f"{name}, {way}"),
        ("with the loop", _shown(result, loop.value.value), f"{loop.retrains} retrains{back}"),
        ("always retrained", _shown(result, always.value.value), f"{always.retrains} retrains, needed or not"),
        ("incidents", f"{len(result.incidents)}", f"{hurt} did harm; {result.alerts:,} alerts folded"),
        ("computing", f"{loop.seconds:.0f} s", f"for the loop; always retraining {always.seconds:.0f} s"),
    ]


def _incidents(result: Backtest) -> list[Any]:
    if not result.incidents:
        return ["Nothing happened that asked for attention."]
    order = sorted(result.incidents, key=lambda spell: (spell.incident.kind == "drift", spell.opened))
    parts: list[Any] = [Html(_incident(result, spell)) for spell in order[:SHOWN_INCIDENTS]]
    if len(order) > SHOWN_INCIDENTS:
        parts.append(f"And {len(order) - SHOWN_INCIDENTS} more; they are in the JSON output.")
    return parts


def _incident(result: Backtest, spell: Spell) -> str:
    found = spell.incident
    windows = result.loop.windows
    until = "the end" if spell.closed is None else str(windows[spell.closed].end)
    tag = f'<span class="tag {_TAGS.get(found.kind, "")}">{escape(WORDS.get(found.kind, found.kind))}</span>'
    told = [f"{tag} <b>{escape(str(windows[spell.opened].start))} to {escape(until)}</b>", escape(found.summary)]
    if found.details.get("slice"):
        told.append(escape(_sentence(str(found.details["slice"]))))
    told += [f"Upstream: {escape(_sentence(str(one)))}" for one in list(found.details.get("changed", []))[1:4]]
    actions = [event.text for event in found.events if event.kind == "action" and not event.text.startswith("hold")]
    told += [f"→ {escape(_sentence(text))}" for text in actions[:SHOWN_ACTIONS]]
    if len(actions) > SHOWN_ACTIONS:
        told.append(f"→ And {len(actions) - SHOWN_ACTIONS} more actions until it was over.")
    return f"<p>{'<br>'.join(told)}</p>{_suspects(found.suspects)}"


def _suspects(suspects: Sequence[Suspect]) -> str:
    if not suspects:
        return ""
    bars = "".join(
        f"<tr><td>{escape(one.name)}</td>"
        f'<td style="width:160px"><div style="height:9px;margin-top:6px;border-radius:5px;background:var(--blue);'
        f'width:{max(2, round(140 * one.score))}px"></div></td><td>{escape(one.text)}</td></tr>'
        for one in suspects
    )
    head = "<tr><th>suspect</th><th>how much</th><th>what was seen</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{bars}</tbody></table></div>'


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def _actions(result: Backtest) -> list[Any]:
    rows, marks = [], []
    for step in result.steps:
        if step.decision.action == "hold":
            continue
        done = step.retrained
        told = ("", "") if done is None else (_sentence(done.reason), done.memory)
        ended = Html(f'<span style="white-space:nowrap">{escape(str(result.loop.windows[step.window].end))}</span>')
        rows.append([ended, step.decision.action, _sentence(step.decision.reason), *told])
        marks.append("warn" if done is None else "good" if done.promoted else "")
    said = f"The policy: {result.policy.describe()}."
    if not rows:
        return [f"It only watched. {said}"]
    header = ["after", "action", "why", "what came of it", "what the new model goes by"]
    return [said, Table(header=header, rows=rows, marks=marks)]


def _windows(result: Backtest) -> Table:
    rows, marks = [], []
    arms = (result.static, result.loop, result.oracle)
    for place, (period, step) in enumerate(zip(result.loop.windows, result.steps, strict=True)):
        values = [arm.windows[place].value for arm in arms]
        known = [None if math.isnan(value) else value for value in values]
        done = [len(step.alerts), step.decision.action, f"version {step.version}"]
        rows.append([str(period.start), period.rows, *known, *done])
        marks.append({"retrain": "good", "roll back": "warn"}.get(step.decision.action, ""))
    header = ["from", "rows", "left alone", "with the loop", "always retrained", "alerts", "then", "in force"]
    return Table(header=header, rows=rows, marks=marks)


def _method(result: Backtest) -> list[Any]:
    arms = (result.static, result.loop, result.oracle)
    rows = [[arm.name, cell(arm.value.value), _interval(arm)] for arm in arms]
    return [
        "Every model learned only from rows whose labels were known before the window it answered for began; labels "
        f"were known {_lateness(result)}. Nothing was tuned on the judged rows.",
        _METHOD,
        f"Fits in all: {result.static.fits} for the static model, {result.loop.fits} for the loop (candidates "
        f"included), {result.oracle.fits} for always retraining. Seconds are the computing time of one core.",
        Table(header=["", result.metric.replace("_", " "), "95 % interval over rows"], rows=rows),
        *[_sentence(note) for note in result.notes],
    ]


def _lateness(result: Backtest) -> str:
    delay = result.label_delay
    if not delay:
        return "when the window of their row had ended"
    return f"{delay:,} rows after their row" if isinstance(delay, int) else f"{format_duration(delay)} after their row"


def _interval(arm: Arm) -> str:
    if arm.value.low is None or arm.value.high is None:
        return "–"
    return f"{arm.value.low:.4g} to {arm.value.high:.4g}"


def _shown(result: Backtest, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1%}" if result.metric in SHARES else f"{value:.4g}"
