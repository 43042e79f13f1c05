"""The profile of a table as one HTML page that opens offline."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from mainspring.core.errors import listed
from mainspring.data.leakage import IGNORED_FROM, by_column
from mainspring.data.profile_cards import card
from mainspring.report.page import Page
from mainspring.report.table import Html, Table, cell

if TYPE_CHECKING:
    from mainspring.data.associations import Associations
    from mainspring.data.leakage import Leak
    from mainspring.data.outliers import Outliers
    from mainspring.data.profile import Profile

MOST_CARDS = 240
"""Columns beyond this come as lines of a table: a page of two thousand pictures helps nobody."""
MOST_SQUARES = 36
"""The picture of associations shows so many columns, those with the strongest links."""
ROWS_SHOWN = 5
PAIRS_SHOWN = 15
MOSTLY_EMPTY = 0.5


def page(profile: Profile, *, title: str = "Profile") -> str:
    """The page as HTML text: what needs a look first, then columns, associations, outliers and the methods."""
    sheet = Page(title=title, subtitle=_subtitle(profile), verdict=_verdict(profile), tiles=_tiles(profile))
    found = _findings(profile)
    style = Html(f"<style>{_asset('profile.css')}</style>")
    sheet.section("What needs a look", style, _list(found) if found else "Nothing stands out.")
    sheet.section(f"Columns ({len(profile.columns):,})", *_columns(profile))
    sheet.section("What goes together", *_together(profile.associations))
    sheet.section("Outliers", *_outliers(profile))
    sheet.section("How this was made", *_methods(profile), folded=True)
    return sheet.render()


@cache
def _asset(name: str) -> str:
    return (files("mainspring.data") / "templates" / name).read_text("utf-8")


def _subtitle(profile: Profile) -> str:
    text = f"{profile.rows:,} rows × {len(profile.columns):,} columns, {_size(profile.bytes)} in memory"
    if profile.target is not None:
        text += f" · target {profile.target} ({profile.task})"
    return text + (f" · time {profile.time}" if profile.time is not None else "")


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _verdict(profile: Profile) -> tuple[str, str]:
    sure = [c for leak in profile.leaks if leak.strength >= IGNORED_FROM for c in leak.columns]
    if sure:
        several = len(sure) > 1
        return (
            "bad",
            f"{listed(sure)} look{'' if several else 's'} as if {'they' if several else 'it'} knew {profile.target}: "
            "a model that learns from this will disappoint in production.",
        )
    found = _findings(profile)
    if not found:
        return "good", "Nothing in this table stands out."
    count = (
        f"{len(found)} thing{'s' if len(found) > 1 else ''} in this table need{'' if len(found) > 1 else 's'} a look."
    )
    none = f" No column seems to know {profile.target} beforehand." if profile.target is not None else ""
    return "warn", count + none


def _tiles(profile: Profile) -> list[tuple[str, str, str]]:
    cells = profile.rows * len(profile.columns)
    missing = sum(c.nulls for c in profile.columns)
    odd = sum(o.count for o in profile.outliers)
    suspects = len(by_column(profile.leaks))
    return [
        ("Rows", f"{profile.rows:,}", f"{profile.duplicates:,} repeat an earlier row"),
        ("Columns", f"{len(profile.columns):,}", _kinds(profile)),
        ("Missing cells", f"{missing / cells:.1%}", f"{missing:,} of {cells:,}"),
        (
            "Leak suspects",
            str(suspects) if profile.target is not None else "–",
            "columns that know the target" if profile.target is not None else "name a target to look for them",
        ),
        ("Far-out values", f"{odd:,}", f"in {len(profile.outliers)} column{'' if len(profile.outliers) == 1 else 's'}"),
    ]


def _kinds(profile: Profile) -> str:
    counts: dict[str, int] = {}
    for column in profile.columns:
        counts[column.type] = counts.get(column.type, 0) + 1
    most = sorted(counts.items(), key=lambda pair: -pair[1])[:3]
    return ", ".join(f"{count} {kind}" for kind, count in most)


def _findings(profile: Profile) -> list[tuple[str, str, str]]:
    """(class, heading, sentence) for everything that a person should decide about."""
    found = [_suspicion(leak) for leak in profile.leaks]
    groups: list[tuple[str, str, list[str]]] = [
        ("warn", "Infinite values", [c.name for c in profile.columns if c.infinite]),
        ("warn", "Without any value", [c.name for c in profile.columns if c.empty]),
        ("warn", "Always the same", [c.name for c in profile.columns if c.type == "constant" and not c.empty]),
        (
            "warn",
            "Mostly missing",
            [f"{c.name} ({c.null_fraction:.0%})" for c in profile.columns if MOSTLY_EMPTY <= c.null_fraction < 1],
        ),
        ("warn", "Personal", [f"{name} ({what})" for name, what in profile.personal.items()]),
        (
            "warn",
            "Numbers and words mixed",
            [c.name for c in profile.columns if any(note.startswith(("mixed", "numbers")) for note in c.notes)],
        ),
        ("", "One value for each row", [c.name for c in profile.columns if c.type == "id"]),
    ]
    for kind, heading, names in groups:
        if names:
            found.append((kind, heading, listed(names, limit=12) + "."))
    if profile.duplicates:
        share = profile.duplicates / profile.rows
        found.append(
            (
                "warn",
                "Repeated rows",
                f"{profile.duplicates:,} rows ({share:.1%}) are equal to an earlier one in every column.",
            )
        )
    return found


def _suspicion(leak: Leak) -> tuple[str, str, str]:
    if leak.kind == "period":
        return "warn", "One outcome only", leak.reason
    return ("bad", "Leak", leak.reason) if leak.strength >= IGNORED_FROM else ("warn", "Perhaps a leak", leak.reason)


def _list(found: list[tuple[str, str, str]]) -> Html:
    lines = "".join(f'<li class="{kind}"><b>{escape(heading)}</b>{escape(text)}</li>' for kind, heading, text in found)
    return Html(f'<ul class="found">{lines}</ul>')


def _columns(profile: Profile) -> list[Html | Table]:
    leaks = by_column(profile.leaks)
    outliers = {o.column: o.count for o in profile.outliers}
    links = _links(profile)
    cards = []
    for column in profile.columns[:MOST_CARDS]:
        tags: list[tuple[str, str]] = []
        mark = ""
        if column.name == profile.target:
            tags.append(("good", "target"))
            mark = "target"
        if column.name in leaks:
            tags.append(("bad", "leak suspect"))
            mark = "leak"
        if column.name in profile.personal:
            tags.append(("warn", "personal: values hidden"))
        if column.name in outliers:
            tags.append(("", f"{outliers[column.name]:,} far out"))
        cards.append(card(column, tags=tags, mark=mark, share=links.get(column.name, "")))
    find = '<input class="find" type="search" placeholder="Find a column …" aria-label="Find a column">'
    parts: list[Html | Table] = [
        Html(f'{find}<div class="cards">{"".join(cards)}</div><script>{_asset("profile.js")}</script>')
    ]
    rest = profile.columns[MOST_CARDS:]
    if rest:
        rows = [[c.name, c.type, f"{c.null_fraction:.1%}", c.distinct, _range(c.numbers)] for c in rest]
        caption = f"The other {len(rest):,} columns"
        parts.append(Table(header=["column", "type", "missing", "distinct", "range"], rows=rows, caption=caption))
    return parts


def _range(numbers: object) -> str | None:
    low, high = getattr(numbers, "minimum", None), getattr(numbers, "maximum", None)
    return None if low is None else f"{cell(low)} to {cell(high)}"


def _links(profile: Profile) -> dict[str, str]:
    """For each column how strongly it goes with the target."""
    names = profile.associations.columns
    if profile.target not in names:
        return {}
    row = profile.associations.matrix[names.index(profile.target)]
    return {
        name: f"goes with {profile.target}: {value:.2f}"
        for name, value in zip(names, row, strict=True)
        if name != profile.target and value == value and abs(value) >= 0.1
    }


def _together(links: Associations) -> list[Html | Table | str]:
    if len(links.columns) < 2:
        return ["Fewer than two columns are of a kind that can be compared."]
    seen = "all rows" if links.rows == links.of else f"{links.rows:,} random rows of {links.of:,}"
    parts: list[Html | Table | str] = [Html(_heat(links))]
    if links.pairs:
        rows = [
            [p.left, p.right, Html(_bar(p.value)), p.measure, None if p.pearson is None else f"{p.pearson:.2f}"]
            for p in links.pairs[:PAIRS_SHOWN]
        ]
        parts.append(
            Table(
                header=["", "", "strength", "measure", "Pearson"],
                rows=rows,
                caption=f"The strongest pairs, from {seen}",
            )
        )
    if links.left_out:
        parts.append(
            f"Left out: {listed(links.left_out, limit=12)} (texts, row ids, constant columns, or beyond the limit)."
        )
    return parts


def _bar(value: float) -> str:
    side = "bar down" if value < 0 else "bar"
    return f'<span class="{side}" style="width:{abs(value) * 90:.0f}px"></span>{value:.2f}'


def _heat(links: Associations) -> str:
    """The matrix as squares: blue for together, orange for opposite, paler for weaker."""
    import numpy as np

    matrix = np.array(links.matrix)
    strength = np.where(np.isnan(matrix), 0.0, np.abs(matrix)) - np.eye(len(matrix))
    best = np.sort(np.argsort(-strength.max(axis=0), kind="stable")[:MOST_SQUARES])
    names = [links.columns[i] for i in best]
    size, left, top = 20, 132, 96
    wide = left + size * len(names) + 30
    squares = []
    for r, i in enumerate(best):
        for c, j in enumerate(best):
            value = matrix[i, j]
            known = value == value
            kind = "none" if not known else "down" if value < 0 else "up"
            fade = f' fill-opacity="{max(abs(value), 0.03):.2f}"' if known else ""
            says = (
                f"{names[r]} · {names[c]}: {value:.2f}" if known else f"{names[r]} · {names[c]}: too few rows in common"
            )
            squares.append(
                f'<rect class="{kind}"{fade} x="{left + c * size}" y="{top + r * size}" width="{size - 1}" '
                f'height="{size - 1}" rx="2"><title>{escape(says)}</title></rect>'
            )
    labels = [
        f'<text x="{left - 6}" y="{top + i * size + 14}" text-anchor="end">{escape(_short(name))}</text>'
        f'<text transform="translate({left + i * size + 13} {top - 6}) rotate(-45)">{escape(_short(name, 15))}</text>'
        for i, name in enumerate(names)
    ]
    return (
        f'<div class="heat"><svg viewBox="0 0 {wide} {top + size * len(names) + 4}" width="{wide}" role="img" '
        f'aria-label="strength of association between columns">{"".join(squares)}{"".join(labels)}</svg></div>'
    )


def _short(name: str, size: int = 20) -> str:
    return name if len(name) <= size else name[: size - 1] + "…"


def _outliers(profile: Profile) -> list[Table | str]:
    if not profile.outliers:
        return ["No value lies far outside the bulk of its column."]
    rows = [
        [
            o.column,
            o.count,
            f"{o.count / profile.rows:.2%}",
            f"{_bound(o.low)} to {_bound(o.high)}",
            _extremes(o, profile),
        ]
        for o in profile.outliers
    ]
    return [
        Table(
            header=["column", "far out", "share", "expected within", "most extreme (row, counted from 0)"], rows=rows
        ),
        "A value far out is not wrong by itself: it is one to look at. Columns of which more than 5 % would be far out "
        "have a long tail or a second hump and are not listed.",
    ]


def _bound(value: float | str) -> str:
    return value[:19] if isinstance(value, str) else cell(float(value))


def _extremes(outlier: Outliers, profile: Profile) -> str:
    if outlier.column in profile.personal:
        return "rows " + ", ".join(f"{row:,}" for row in outlier.rows[:ROWS_SHOWN]) + " (values hidden)"
    pairs = zip(outlier.values[:ROWS_SHOWN], outlier.rows[:ROWS_SHOWN], strict=True)
    return ", ".join(f"{_bound(value)} (row {row:,})" for value, row in pairs)


def _methods(profile: Profile) -> list[str]:
    links = profile.associations
    sample = (
        f"on {links.rows:,} random rows of {links.of:,}" if links.rows < links.of else f"on all {links.rows:,} rows"
    )
    texts = [
        "Counts, quantiles, moments and histograms are exact, over all rows. The paler bars at the ends of a histogram "
        "hold the outermost 0.5 % and reach as far as the values do.",
        f"Associations are measured {sample}: Spearman's rank correlation between numbers (dates and true/false count "
        "as numbers), the correlation ratio with Kelley's correction (1935) between a number and a category, Cramér's "
        "V with Bergsma's bias correction (2013) between categories. A null leaves out its row for the pair.",
        "Far-out values are judged by the boxplot adjusted for skew (Hubert and Vandervieren, 2008), at three quartile "
        "ranges.",
        "Repeated rows are found by a 64-bit hash of the whole row.",
    ]
    if profile.target is not None:
        texts.append(
            "Leak suspects: each column alone predicts the target on rows it was not fitted to; sums and products of "
            "columns are compared with it; columns that are filled, or set, only with one outcome are traced; dates "
            "after the row's own time are suspicious (Kaufman, Rosset and Perlich, 2011). A suspicion is not a proof: "
            "decide by when the value is known."
        )
    if profile.personal:
        texts.append("Values of columns that look personal are counted and not shown.")
    return texts
