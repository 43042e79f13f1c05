"""One card for each column of a profile, drawn as plain SVG and HTML: light, and at home in light and dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mainspring.report.table import cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.data.summary import ColumnProfile, Histogram

CHART_WIDTH, CHART_HEIGHT = 300, 62
TOP_SHOWN = 5


def card(column: ColumnProfile, *, tags: Sequence[tuple[str, str]] = (), mark: str = "", share: str = "") -> str:
    """The card of *column*: name, tags as (class, text), picture, key figures, what is missing, notes.

    *mark* is a class of the card (``target``, ``leak``); *share* a ready sentence about its link with the target.
    """
    labels = "".join(f'<span class="tag {kind}">{escape(text)}</span>' for kind, text in tags)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in ([share] if share else []) + list(column.notes))
    return (
        f'<div class="card {mark}" data-name="{escape(column.name.casefold(), quote=True)}">'
        f'<h3>{escape(column.name)}</h3><div class="tags"><span class="tag">{escape(column.type)}</span>{labels}</div>'
        f"{_picture(column)}{_facts(column)}{_gap(column)}{notes}</div>"
    )


def _picture(column: ColumnProfile) -> str:
    if column.type == "boolean" and column.top:
        return levels(column.top, rows=column.rows - column.nulls, distinct=column.distinct)
    if column.histogram is not None and column.distinct > 1 and column.type != "id":
        return histogram(column.histogram, ends=_ends(column))
    if column.top and column.type not in ("id", "constant") and column.histogram is None:
        return levels(column.top, rows=column.rows - column.nulls, distinct=column.distinct)
    if column.type == "id":
        return '<p class="note">Every row has its own value.</p>'
    if column.type == "constant":
        says = (
            "no value in any row" if column.empty else f"always {column.top[0][0]}" if column.top else "one value only"
        )
        return f'<p class="note">{escape(says)}</p>'
    return ""


def _ends(column: ColumnProfile) -> tuple[str, str]:
    """The lowest and the highest value, as labels."""
    if column.span is not None:
        return _day(column.span.first), _day(column.span.last)
    if column.numbers is not None:
        return cell(column.numbers.minimum), cell(column.numbers.maximum)
    return "", ""


def histogram(bins: Histogram, *, ends: tuple[str, str]) -> str:
    """Bars over their lowest and highest value; the outermost are paler where they hold a tail and so reach further."""
    edges = [edge if isinstance(edge, str) else cell(edge) for edge in bins.edges]
    top = max(bins.counts) or 1
    step = CHART_WIDTH / len(bins.counts)
    gap = 1.5 if step > 4 else 0.5
    bars = []
    for i, count in enumerate(bins.counts):
        tall = max(count / top * (CHART_HEIGHT - 2), 1.2 if count else 0)
        says = f"{_day(edges[i])} to {_day(edges[i + 1])}: {count:,} rows"
        tail = ' class="tail"' if _is_tail(bins, i) else ""
        bars.append(
            f'<rect{tail} x="{i * step:.1f}" y="{CHART_HEIGHT - tall:.1f}" width="{step - gap:.1f}" '
            f'height="{tall:.1f}" rx="1"><title>{escape(says)}</title></rect>'
        )
    return (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="histogram">'
        f'<line x1="0" x2="{CHART_WIDTH}" y1="{CHART_HEIGHT}" y2="{CHART_HEIGHT}"/>{"".join(bars)}</svg>'
        f'<div class="ends"><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></div>'
    )


def _is_tail(bins: Histogram, place: int) -> bool:
    edges = bins.edges
    if place not in (0, len(bins.counts) - 1) or len(bins.counts) < 4:
        return False
    usual, own = (edges[2], edges[1]), (edges[place + 1], edges[place])
    if any(isinstance(edge, str) for edge in (*usual, *own)):
        return False
    return float(own[0]) - float(own[1]) > 1.5 * (float(usual[0]) - float(usual[1]))


def _day(edge: str) -> str:
    """A moment without its seconds: what fits under a small picture."""
    return edge[:16].replace("T", " ").removesuffix(" 00:00")


def levels(top: Sequence[tuple[str, int]], *, rows: int, distinct: int) -> str:
    """The most frequent values as bars, and in the last line all the others together."""
    shown = top[:TOP_SHOWN]
    lines = [
        f'<li><i style="width:{count / rows * 100:.1f}%"></i><span title="{escape(value, quote=True)}">'
        f"{escape(value) or '(empty text)'}</span><b>{_percent(count, rows)}</b></li>"
        for value, count in shown
    ]
    others = distinct - len(shown)
    if others > 0:
        rest = rows - sum(count for _, count in shown)
        says = f"{others:,} other value{'s' if others > 1 else ''}"
        lines.append(f'<li class="rest"><span>{says}</span><b>{_percent(rest, rows)}</b></li>')
    return f'<ul class="levels">{"".join(lines)}</ul>'


def _percent(part: int, whole: int) -> str:
    share = part / max(whole, 1) * 100
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else f"{part:,}"


def _facts(column: ColumnProfile) -> str:
    facts: dict[str, str] = {}
    if column.numbers is not None and column.type not in ("boolean", "id", "constant"):
        n = column.numbers
        facts = {"mean": cell(n.mean), "median": cell(n.median), "sd": cell(n.sd), "distinct": cell(column.distinct)}
        if n.zeros > 0.05 * column.rows:
            facts["zero"] = _percent(n.zeros, column.rows)
        if n.negatives:
            facts["negative"] = _percent(n.negatives, column.rows)
        if abs(n.skew) >= 1:
            facts["skew"] = cell(round(n.skew, 1))
        if column.infinite:
            facts["infinite"] = cell(column.infinite)
    elif column.lengths is not None and column.type != "category":
        size = column.lengths
        facts = {"distinct": cell(column.distinct), "characters": f"{size.minimum}–{size.maximum}"}
        facts["mean length"] = f"{size.mean:.0f}"
    elif not column.empty:
        facts = {"distinct": cell(column.distinct)}
    if column.span is not None:
        facts["in row order"] = "yes" if column.span.ordered else "no"
    if column.nulls and not column.empty:
        facts["missing"] = _percent(column.nulls, column.rows)
    return _grid(facts)


def _grid(facts: Mapping[str, str]) -> str:
    body = "".join(f"<div><span>{escape(name)}</span>{escape(value)}</div>" for name, value in facts.items())
    return f'<div class="facts">{body}</div>' if facts else ""


def _gap(column: ColumnProfile) -> str:
    if not column.nulls:
        return ""
    share = column.null_fraction * 100
    return f'<div class="gap" title="{share:.1f} % missing"><i style="width:{max(share, 0.7):.1f}%"></i></div>'
