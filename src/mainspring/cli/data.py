"""``mainspring data``: tables and dataset versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    import polars as pl

    from mainspring.contract import Column, Contract, Verdict
    from mainspring.data.check import Check, RuleResult
    from mainspring.data.diff import ColumnDiff
    from mainspring.ledger.ports.datasets import DatasetVersion
    from mainspring.project import Project

app = App(name="data", help="Tables and dataset versions.", help_format="markdown")

File = Annotated[
    str,
    Parameter(
        help="CSV (any encoding, delimiter; .gz too), Parquet or JSON lines; - for a pipe.", allow_leading_hyphen=True
    ),
]
Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False, help="Print one JSON object.")]
Encoding = Annotated[str | None, Parameter(help="The text's encoding, where it is not found out.")]
Delimiter = Annotated[str | None, Parameter(help="The delimiter, where it is not found out.")]
_SHOWN_EXAMPLES = 3
_SHOWN_COLUMNS = 40


@app.command
def check(
    file: File,
    /,
    *,
    contract: Annotated[Path | None, Parameter(help="The contract; default: that of the project here.")] = None,
    quarantine: Annotated[Path | None, Parameter(help="Where bad rows go: .parquet, .csv or .jsonl.")] = None,
    strict: Annotated[
        bool, Parameter(negative=(), show_default=False, help="A column that is not declared fails too.")
    ] = False,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    json: Json = False,
) -> int:
    """Hold a table against the columns of the contract; bad rows are put aside in a file with their reasons.

    Leaves with 1 where a rule or a requirement on data that must hold does not.
    """
    from mainspring.cli._output import emit_json
    from mainspring.data.check import check as run
    from mainspring.data.write import write

    declared = _contract(contract)
    frame = _read(file, contract=declared, encoding=encoding, delimiter=delimiter)
    found = run(frame, declared, strict=strict)
    aside = None
    if found.quarantine.height:
        aside = str(write(found.quarantine, quarantine or _aside(declared, file)))
    verdicts = _verdicts(declared, frame)
    good = found.passed and not any(verdict.blocks for verdict in verdicts)
    if json:
        emit_json(found.as_dict(quarantine=aside) | {"verdicts": list(verdicts)})
    else:
        _print_check(file, found, declared, verdicts, aside)
    return 0 if good else 1


@app.command
def diff(
    before: File,
    after: File,
    /,
    *,
    key: Annotated[
        str | None, Parameter(help="The column, or columns with commas between, that identify a row.")
    ] = None,
    json: Json = False,
) -> int:
    """Say what changed between two tables: files, or versions of a dataset of this project (name/2)."""
    from mainspring.cli._output import emit_json
    from mainspring.data.diff import diff as run

    found = run(_table(before), _table(after), key=[name.strip() for name in key.split(",")] if key else None)
    if json:
        emit_json(found.as_dict())
    else:
        _print_diff(found.as_dict(), list(found.columns))
    return 0


@app.command
def profile(
    file: File,
    /,
    *,
    target: Annotated[str | None, Parameter(help="The predicted column; default: the project's. Finds leaks.")] = None,
    time: Annotated[str | None, Parameter(help="The column that orders the rows; default: the project's.")] = None,
    html: Annotated[Path | None, Parameter(help="Write a page that opens offline.")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    json: Json = False,
) -> int:
    """Describe a table: types, missing values, distributions, associations, outliers, leaks."""
    from mainspring.cli._output import emit_json, out
    from mainspring.data.profile import profile as run

    frame = _read(file, encoding=encoding, delimiter=delimiter)
    if target is None and (project := _project()) is not None:
        section = project.contract.project
        target = section.target if section.target in frame.columns else None
        time = time or (section.time if section.time in frame.columns else None)
    found = run(frame, target=target, time=time)
    if html is not None:
        from mainspring.core.files import write_atomic
        from mainspring.data.profile_page import page

        write_atomic(html, page(found, title=Path(file).name))
    if json:
        emit_json(found.as_dict())
        return 0
    _print_profile(found.as_dict())
    if html is not None:
        out().print(f"Page: {html}", markup=False)
    return 0


@app.command
def drift(
    reference: File,
    current: File,
    /,
    *,
    ignore: Annotated[str | None, Parameter(help="Columns that are not judged, with commas between.")] = None,
    json: Json = False,
) -> int:
    """Say which columns of the current table are no longer distributed as in the reference."""
    from mainspring.cli._output import emit_json
    from mainspring.monitor.drift import drift as run

    left_out = [name.strip() for name in ignore.split(",")] if ignore else []
    found = run(_streamed(reference), _streamed(current), ignore=left_out)
    if json:
        emit_json(found.as_dict())
    else:
        _print_drift(found.as_dict())
    return 0


@app.command(name="list")
def list_(*, json: Json = False) -> int:
    """List the datasets of this project, each with its newest version."""
    from mainspring.cli._output import emit_json, out

    with _needed_project().workspace() as workspace:
        newest = [workspace.ledger.datasets.get(name) for name in workspace.ledger.datasets.names()]
    if json:
        emit_json([_brief(version) for version in newest])
        return 0
    if not newest:
        out().print("No datasets yet. `mainspring run` records the tables that its steps make.")
        return 0
    _print_versions(newest, named=True)
    return 0


@app.command
def show(
    name: Annotated[str, Parameter(help="A dataset, or one version of it: name/2.")],
    /,
    *,
    json: Json = False,
) -> int:
    """Show the versions of a dataset, and the columns of the newest or the named one."""
    from mainspring.cli._output import emit_json

    with _needed_project().workspace() as workspace:
        datasets = workspace.ledger.datasets
        series, number = _reference(name)
        version = datasets.get(series, number)
        versions = datasets.versions(series)
    if json:
        emit_json(_brief(version) | {"schema": dict(version.schema), "profile": dict(version.profile)}
                  | {"versions": [_brief(other) for other in versions]})  # fmt: skip
        return 0
    _print_versions(versions, named=False)
    _print_schema(version)
    return 0


# --- where things come from ------------------------------------------------------------------------------------------


def _project() -> Project | None:
    """The project here, None where there is none."""
    from mainspring.core.errors import InputError
    from mainspring.project import Project

    try:
        return Project.find()
    except InputError:
        return None


def _needed_project() -> Project:
    from mainspring.project import Project

    return Project.find()


def _contract(path: Path | None) -> Contract:
    from mainspring.contract import Contract

    if path is None:
        return _needed_project().contract
    return Contract.load(path / "mainspring.toml" if path.is_dir() else path)


def _read(file: str, **options: Any) -> pl.DataFrame:
    """Read a file and say on standard error what was guessed."""
    from mainspring.cli._output import err
    from mainspring.data.read import read_with_report

    frame, report = read_with_report(file, **options)
    for note in report.notes:
        err().print(f"{report.source}: {note}", style="dim", markup=False)
    return frame


def _reference(name: str) -> tuple[str, int | None]:
    series, _, version = name.rpartition("/")
    return (series, int(version)) if series and version.isdigit() else (name, None)


def _table(source: str) -> pl.DataFrame:
    """A file, or where there is none of this name, a dataset of the project here."""
    if source == "-" or Path(source).exists() or (project := _project()) is None:
        return _read(source)
    from mainspring.core.frames import as_frame
    from mainspring.store.formats import load

    series, version = _reference(source)
    with project.workspace() as workspace:
        if series not in workspace.ledger.datasets.names():
            return _read(source)  # says that there is no such file, and what is called like it
        return as_frame(load(workspace.store, workspace.ledger.datasets.get(series, version).digest))


def _streamed(file: str) -> Any:
    """A Parquet file by its path, to be read column by column; anything else as a frame."""
    path = Path(file)
    if file != "-" and path.is_file():
        with path.open("rb") as opened:
            if opened.read(4) == b"PAR1":
                return path
    return _read(file)


def _aside(contract: Contract, file: str) -> Path:
    """Where bad rows go by default: with the project's other state, which is not under version control."""
    folder = contract.path.parent if contract.path is not None else Path()
    stem = "stdin" if file == "-" else Path(file).name.split(".")[0]
    return folder / ".mainspring" / "quarantine" / f"{stem}.parquet"


def _verdicts(contract: Contract, frame: pl.DataFrame) -> tuple[Verdict, ...]:
    """The requirements that can be held against a table alone."""
    from mainspring.contract.metric import METRICS

    if not any("data" in METRICS[requirement.metric].stages for requirement in contract.requirements):
        return ()
    from mainspring.evaluate.requirements import verdicts

    return verdicts(contract, None, None, frame, stage="data")


# --- what people see -------------------------------------------------------------------------------------------------


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _print_check(file: str, found: Check, contract: Contract, verdicts: tuple[Verdict, ...], aside: str | None) -> None:
    from rich.markup import escape

    from mainspring.cli._output import out
    from mainspring.cli._table import add_plain, print_table, table

    console = out()
    judged = [rule for rule in found.rules if rule.rule != "extra column"]
    broken = [rule for rule in found.rules if not rule.passed]
    extra = [rule.column for rule in found.rules if rule.rule == "extra column" and rule.passed]
    if not found.rows or not judged:
        console.print(f"[red]✗[/red] {escape(file)}: nothing was checked: {_rows(found.rows)}, {len(judged)} rules.")
    elif not broken:
        console.print(f"[green]✓[/green] {escape(file)}: {_rows(found.rows)} keep all {len(judged)} rules.")
    else:
        console.print(
            f"[red]✗[/red] {escape(file)}: {_rows(found.rows)}, {len(broken)} of {len(judged)} rules are broken."
        )
        rows = table("column", "rule", "looked at", "failed", "for instance", right=["looked at", "failed"])
        for rule in sorted(broken, key=lambda rule: -rule.failed):
            add_plain(rows, *_rule_row(rule, contract.columns.get(rule.column)))
        print_table(rows)
    if extra:
        console.print(f"[yellow]![/yellow] Not declared: {escape(_listed(extra))}.")
    for verdict in verdicts:
        mark = {"pass": "[green]✓[/green]", "fail": "[red]✗[/red]"}.get(verdict.result, "[yellow]![/yellow]")
        value = "" if verdict.value is None else f": {verdict.value:g}"
        console.print(f"{mark} {escape(f'{verdict.requirement}{value} {verdict.reason}')}".rstrip())
    if aside is not None:
        console.print(f"{_rows(found.quarantine.height)} put aside in {aside}", markup=False)


def _rule_row(rule: RuleResult, column: Column | None) -> tuple[str, str, str, str, str]:
    bound = {
        "minimum": column and column.minimum,
        "maximum": column and column.maximum,
        "pattern": column and column.pattern,
        "type": column and column.type,
        "null fraction": column and column.maximum_null_fraction,
    }.get(rule.rule)
    if rule.rule == "categories" and column is not None and column.categories is not None:
        bound = _listed(column.categories, 4)
    values = [str(example["value"]) for example in rule.examples if example["value"] is not None]
    shown = ", ".join(list(dict.fromkeys(values))[:_SHOWN_EXAMPLES])
    name = rule.rule if bound is None else f"{rule.rule} {bound}"
    return rule.column, name, f"{rule.rows_checked:,}", f"{rule.failed:,}", _short(shown)


def _short(text: str, width: int = 40) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _listed(names: Any, limit: int = 8) -> str:
    from mainspring.core.errors import listed

    return listed(names, limit=limit)


def _print_diff(found: dict[str, Any], columns: list[ColumnDiff]) -> None:
    from mainspring.cli._output import out
    from mainspring.cli._table import add_plain, print_table, table

    console = out()
    if found["equal"]:
        console.print(f"[green]=[/green] The tables hold the same {_rows(found['rows_after'])}.")
        return
    console.print(
        f"{_rows(found['rows_before'])} before, {_rows(found['rows_after'])} after: "
        f"{found['added']:,} added, {found['removed']:,} removed"
        + ("." if found["changed"] is None else f", {found['changed']:,} changed.")
    )
    for word in ("added", "removed"):
        if found[f"columns_{word}"]:
            console.print(f"Columns {word}: {_listed(found[f'columns_{word}'])}.", markup=False)
    differing = [column for column in columns if column.differs]
    rows = table("column", "cells", "missing", "distance", "what changed", right=["cells", "distance"])
    for column in sorted(differing, key=lambda column: -(column.distance or 0))[:_SHOWN_COLUMNS]:
        add_plain(
            rows,
            column.name,
            "" if column.changed is None else f"{column.changed:,}",
            f"{column.nulls_before:,} → {column.nulls_after:,}",
            "" if column.distance is None else f"{column.distance:.3f}",
            _short(_change(column), 60),
        )
    if differing:
        print_table(rows)


def _change(column: ColumnDiff) -> str:
    said = []
    if column.type_before != column.type_after:
        said.append(f"{column.type_before} → {column.type_after}")
    if column.mean_before is not None and column.mean_after is not None and column.mean_before != column.mean_after:
        said.append(f"mean {column.mean_before:.4g} → {column.mean_after:.4g}")
    said += [
        f"{word} {_listed(values, 3)}"
        for word, values in (("new", column.appeared), ("gone", column.vanished))
        if values
    ]
    said += [f"{example['before']} → {example['after']}" for example in column.examples[:1]]
    return "; ".join(said)


def _print_profile(found: dict[str, Any]) -> None:
    from rich.markup import escape

    from mainspring.cli._output import out
    from mainspring.cli._table import add_plain, print_table, table

    console = out()
    width = len(found["columns"])
    repeated = f"{found['duplicates']:,} repeated" if found["duplicates"] else "none repeated"
    console.print(f"{_rows(found['rows'])}, {repeated}; {width} column{'s' * (width != 1)}.")
    rows = table("column", "type", "missing", "distinct", "values", right=["missing", "distinct"])
    for column in found["columns"][:_SHOWN_COLUMNS]:
        missing = "" if not column["nulls"] else f"{100 * column['null_fraction']:.1f} %"
        values = _short(_values(column), 60)
        add_plain(rows, column["name"], column["type"], missing, f"{column['distinct']:,}", values)
    print_table(rows)
    if len(found["columns"]) > _SHOWN_COLUMNS:
        console.print(f"… and {len(found['columns']) - _SHOWN_COLUMNS} more columns (--html or --json shows all).")
    for leak in found["leaks"]:
        console.print(f"[yellow]leak?[/yellow] {escape(', '.join(leak['columns']))}: {escape(leak['reason'])}")
    for outlier in found["outliers"][:_SHOWN_COLUMNS]:
        shown = ", ".join(str(row) for row in outlier["rows"][:_SHOWN_EXAMPLES])
        console.print(f"[dim]outliers[/dim] {escape(outlier['column'])}: {outlier['count']:,}, such as in row {shown}")


def _values(column: dict[str, Any]) -> str:
    if "personal" in column:
        return f"looks personal ({column['personal']}): not shown"
    if numbers := column.get("numbers"):
        return f"{numbers['minimum']:g} to {numbers['maximum']:g}, mean {numbers['mean']:.4g}"
    if span := column.get("span"):
        return f"{span['first']} to {span['last']}"
    return ", ".join(f"{entry['value']} ({entry['rows']:,})" for entry in column.get("top", [])[:_SHOWN_EXAMPLES])


def _print_drift(found: dict[str, Any]) -> None:
    from mainspring.cli._output import out
    from mainspring.cli._table import add_plain, print_table, table

    console = out()
    drifted = [column for column in found["columns"] if column["drifted"]]
    among = f"{_rows(found['rows'])} against {_rows(found['reference_rows'])}"
    if not drifted:
        console.print(f"[green]✓[/green] {among}: no column has drifted ({len(found['columns'])} looked at).")
        return
    console.print(f"[red]✗[/red] {among}: {len(drifted)} of {len(found['columns'])} columns have drifted.")
    rows = table("column", "PSI", "JS", "KS", "outside its band", "what changed", right=["PSI", "JS", "KS"])
    by_name = {column["name"]: column for column in drifted}
    for name in found["drifted"][:_SHOWN_COLUMNS]:
        column = by_name[name]
        numbers = ["" if column[key] is None else f"{column[key]:.3f}" for key in ("psi", "js", "ks")]
        add_plain(rows, name, *numbers, ", ".join(column["outside"]), _short(_moved(column), 60))
    print_table(rows)


def _moved(column: dict[str, Any]) -> str:
    before, after = column["before"], column["after"]
    said = [
        f"{key} {before[key]:.4g} → {after[key]:.4g}" for key in before if key in after and before[key] != after[key]
    ]
    if column["unseen"]:
        said.append(f"new: {_listed(column['unseen'], 3)}")
    return "; ".join([*said, *([column["note"]] if column["note"] else [])])


def _brief(version: DatasetVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "rows": version.rows,
        "columns": len(version.schema),
        "created": version.created,
        "source": version.source,
        "run": version.run,
    }


def _print_versions(versions: Any, *, named: bool) -> None:
    from mainspring.cli._table import add_plain, print_table, table
    from mainspring.core.digest import SHORT

    headers = [*(["dataset"] if named else []), "version", "rows", "created", "digest", "from"]
    rows = table(*headers, right=["version", "rows"])
    for version in versions:
        row = [str(version.version), f"{version.rows:,}", f"{version.created:%Y-%m-%d %H:%M}", version.digest[:SHORT]]
        add_plain(rows, *([version.name] if named else []), *row, version.source)
    print_table(rows)


def _print_schema(version: DatasetVersion) -> None:
    from mainspring.cli._output import out

    out().print(f"\n{version.name}/{version.version}: {len(version.schema)} columns", markup=False)
    for name, kind in version.schema.items():
        out().print(f"  {name}: {kind}", markup=False)
