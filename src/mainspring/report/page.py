"""One self-contained HTML page: opens from a file, offline, in light and dark."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.core.files import write_atomic
from mainspring.report.figure import COLOURS, Figure
from mainspring.report.table import Html, Table, cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jinja2 import Template

Part: TypeAlias = "str | Html | Figure | Table"
"""Text is escaped and set as a paragraph; Html is set as it is."""


@dataclass(slots=True)
class Section:
    """A heading with its parts; ``open`` false folds it away."""

    title: str
    parts: tuple[Part, ...]
    open: bool = True


@dataclass(slots=True)
class Page:
    """A report: a title, a sentence that says the result, figures people remember, then sections.

    >>> page = Page("Drift", subtitle="Two tables, one question")
    >>> page.section("Columns", Table(header=["name"], rows=[["age"]]))
    >>> "age" in page.render()
    True
    """

    title: str
    subtitle: str = ""
    verdict: tuple[str, str] | None = None
    """("good" | "warn" | "bad", sentence): the answer, first on the page."""
    tiles: list[tuple[str, str, str]] = field(default_factory=list)
    """(label, figure, small print): the few numbers worth remembering."""
    sections: list[Section] = field(default_factory=list)
    footer: str = ""

    def section(self, title: str, *parts: Part, folded: bool = False) -> None:
        """Append a section."""
        self.sections.append(Section(title, parts, open=not folded))

    def render(self) -> str:
        """The page as one HTML text. The chart library is included only where a figure is."""
        figures: list[Figure] = []
        sections = [
            {"title": s.title, "open": s.open, "html": "\n".join(_part(part, figures) for part in s.parts)}
            for s in self.sections
        ]
        return _template().render(
            page=self,
            sections=sections,
            figures=_figures_json(figures),
            library=_chart_library() if figures else "",
        )

    def save(self, path: Path) -> Path:
        """Write the page to *path* at once or not at all, and return the path."""
        write_atomic(path, self.render())
        return path


def _part(part: Part, figures: list[Figure]) -> str:
    match part:
        case Html():
            return part.markup
        case Table():
            return table_html(part)
        case Figure():
            figures.append(part)
            alt = escape(part.alt, quote=True)
            return (
                f'<div class="figure" id="figure-{len(figures) - 1}" style="height:{part.height}px" role="img" '
                f'aria-label="{alt}"></div>'
            )
        case str():
            return f"<p>{escape(part)}</p>"


def table_html(table: Table) -> str:
    """The table as markup, every outside value escaped."""
    numeric = [_is_numeric([row[place] for row in table.rows]) for place in range(len(table.header))]
    head = "".join(
        f"<th{' class=n' if right else ''}>{escape(name)}</th>"
        for name, right in zip(table.header, numeric, strict=True)
    )
    marks = table.marks or [""] * len(table.rows)
    body = "".join(
        f'<tr class="{mark}">' + "".join(map(_cell_html, row, numeric)) + "</tr>"
        for mark, row in zip(marks, table.rows, strict=True)
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column holds numbers and gaps only: its header then stands over them, at the right."""
    known = [value for value in values if value is not None]
    return bool(known) and all(_is_number(value) for value in known)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell_html(value: Any, right: bool) -> str:  # noqa: FBT001  # one call, mapped over a row
    if isinstance(value, Html):
        return f"<td>{value.markup}</td>"
    return f"<td{' class=n' if right or _is_number(value) else ''}>{escape(cell(value))}</td>"


def _figures_json(figures: list[Figure]) -> str:
    import msgspec

    from mainspring.core.json import plain

    specs: list[dict[str, Any]] = [
        {"data": figure.data, "layout": {"colorway": list(COLOURS)} | figure.layout} for figure in figures
    ]
    # "</" inside the data would end the script element
    return msgspec.json.encode(specs, enc_hook=plain).decode().replace("</", "<\\/")


@cache
def _template() -> Template:
    from jinja2 import Environment

    source = (files("mainspring.report") / "templates" / "page.html.j2").read_text("utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


@cache
def _chart_library() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
