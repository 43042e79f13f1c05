"""``mainspring init``."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mainspring.cli._workspace import Json  # noqa: TC001  # the parser reads this annotation

if TYPE_CHECKING:
    import polars as pl

    from mainspring.data.propose import Proposal
    from mainspring.project.scaffold import Scaffold


def init(
    name: Annotated[str, Parameter(help="What the project and its model are called.")],
    /,
    *,
    data: Annotated[Path, Parameter(help="The table: CSV (any encoding, delimiter; .gz too), Parquet or JSON lines.")],
    target: Annotated[str, Parameter(help="The column to predict.")],
    time: Annotated[
        str | None, Parameter(help="The column that orders the rows; guessed if not given; none: there is none.")
    ] = None,
    entity: Annotated[str | None, Parameter(help="The column that says whom a row is about.")] = None,
    task: Annotated[
        Literal["binary", "multiclass", "regression"] | None, Parameter(help="What the target is, if it misleads.")
    ] = None,
    directory: Annotated[Path | None, Parameter(help="The project's folder; default: NAME, here.")] = None,
    force: Annotated[bool, Parameter(negative=(), show_default=False, help="Replace files that are there.")] = False,
    json: Json = False,
) -> int:
    """Propose a contract and a pipeline for a table, and say what was guessed and why.

    Writes the folder NAME with mainspring.toml, pipeline.py, tests and .gitignore. Nothing is overwritten unless
    --force is given, and nothing is left half written.
    """
    from mainspring.cli._output import emit_json
    from mainspring.data.propose import propose
    from mainspring.data.read import read
    from mainspring.project.scaffold import project_name, scaffold

    project_name(name)
    root = Path.cwd() / (directory if directory is not None else name)
    table = read(_file(data))
    found = propose(
        table,
        name=name,
        target=target,
        time=None if time == "none" and "none" not in table.columns else time,
        entity=entity,
        task=task,
        guess_time=time is None,
    )
    made = scaffold(found.contract, found.comments, source=data, root=root)
    made.write(force=force)
    if json:
        emit_json(_plain(made, found, table))
    else:
        _tell(made, found, table, data)
    return 0


def _file(data: Path) -> Path:
    """The file. Raises InputError for a pipe: the pipeline could not read it again."""
    from mainspring.core.errors import InputError

    if str(data) == "-":
        raise InputError(
            "--data must be a file: the pipeline reads it again with every run. Save the pipe to a file first."
        )
    return data


def _plain(made: Scaffold, found: Proposal, table: pl.DataFrame) -> dict[str, object]:
    project = found.contract.project
    return {
        "project": project.name,
        "directory": str(made.root),
        "files": list(made.texts),
        "rows": table.height,
        "columns": table.width,
        "task": project.task,
        "target": project.target,
        "time": project.time,
        "entity": project.entity,
        "features": list(found.contract.features),
        "reasons": list(found.reasons),
        "leaks": list(found.leaks),
    }


_SAYS = {
    "mainspring.toml": "the contract: columns and requirements, to be corrected",
    "pipeline.py": "how the model is made: read, clean, split, search",
    "tests/test_model.py": "what must be true of the model",
    ".gitignore": "keeps the workspace out of Git",
}


def _tell(made: Scaffold, found: Proposal, table: pl.DataFrame, data: Path) -> None:
    from textwrap import wrap

    from rich.text import Text

    from mainspring.cli._output import out

    console = out()
    shown = _shown(made.root)
    title = Text.assemble((f"Made {shown}", "bold green"), f" from {data.name}: ")
    console.print(title + Text(f"{table.height:,} rows, {table.width} columns\n"))
    for name in made.texts:
        console.print(f"  {name:<20} [dim]{_SAYS.get(name, '')}[/]")
    console.print("\n[bold]What was guessed, and why[/]")
    for reason in found.reasons:
        style = "red" if reason.startswith("leak") else "yellow" if reason.startswith("perhaps a leak") else ""
        lines = wrap(reason, max(console.width - 4, 40), break_long_words=False, break_on_hyphens=False)
        console.print(Text.assemble(("  • ", "dim"), ("\n    ".join(lines), style)))
    features = found.contract.features
    console.print(f"\n{len(features)} of {table.width} columns are features. Look through mainspring.toml, then:\n")
    if made.root != Path.cwd():
        console.print(Text(f"  cd {quote(shown)}"))
    console.print("  mainspring run")


def _shown(root: Path) -> str:
    """The folder as people would type it."""
    near = os.path.relpath(root)
    return near if not near.startswith("..") else str(root)
