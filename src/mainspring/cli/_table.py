"""Tables for people: plain columns on a terminal, one line a row where another program reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts.validators import Number

from mainspring.cli._output import one_line, out

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.table import Table

COUNT = Number(gte=1, lte=2**31 - 1)
"""What --limit may be; more rows than that nobody reads."""
PIPED_WIDTH = 200
"""Characters in a line where there is no terminal to ask."""


def table(*headers: str, right: Collection[str] = ()) -> Table:
    """An empty table; the columns named in *right* hold numbers."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(escape(one_line(header)), justify="right" if header in right else "left", overflow="fold")
    return made


def add_plain(made: Table, *cells: str) -> None:
    """Add a row of texts from a user's data, in which brackets are brackets and no colours."""
    made.add_row(*map(cell, cells))


def cell(text: str) -> str:
    """A text from a user's data as it may stand in a row: in one line, and no markup."""
    from rich.markup import escape

    return escape(one_line(text))


def print_table(made: Table) -> None:
    """Print the table to standard output."""
    console = out()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(made)
