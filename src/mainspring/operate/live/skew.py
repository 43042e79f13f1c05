"""Whether a model is served what it was trained on: logged features beside those that the pipeline makes now.

Rows of both are matched by prediction id where the pipeline's table holds one, else by entity: the entity's latest row
at or before the prediction, where the table says when its rows were, and its last row otherwise. A feature that
changes by itself from then to now differs as well; name such columns in ``[monitor] ignore``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.core.errors import InputError, listed
from mainspring.features.category import text_of
from mainspring.monitor.signals import Signal, passed_over
from mainspring.operate.fold import columns_of
from mainspring.operate.live import document
from mainspring.operate.live.desk import desk_of
from mainspring.serve.log.columns import FEATURE
from mainspring.serve.log.mask import Mask
from mainspring.serve.log.read import ANSWERED, PredictionLog

if TYPE_CHECKING:
    from mainspring.contract import Contract
    from mainspring.project import Project
    from mainspring.workspace import Workspace

ROWS = 2_000
"""The latest so many answered rows are compared."""
SHARE = 0.01
"""A column is skewed from this share of differing rows on …"""
FEWEST = 3
"""… and from so many rows on."""
TOLERANCE = 1e-5
"""Relatively; a float that went through 32 bits is no other number."""
IDS = ("id", "prediction_id")
MADE = "made."


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One column: of ``rows`` matched rows ``differing`` differ, such as ``served`` where ``made`` was expected."""

    column: str
    rows: int
    differing: int
    served: str = ""
    made: str = ""

    @property
    def skewed(self) -> bool:
        """Whether so many rows differ that it is no slip."""
        return self.differing >= max(FEWEST, SHARE * self.rows)

    @property
    def words(self) -> str:
        """The finding in words."""
        share = self.differing / self.rows if self.rows else 0.0
        return (
            f"{self.column} was served otherwise than the pipeline makes it in {share:.1%} of {self.rows:,} rows "
            f"(served {self.served}, made {self.made})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """The comparison. ``by``: what rows were matched by. ``note``: why nothing was compared, empty where it was."""

    rows: int = 0
    by: str = ""
    columns: tuple[Compared, ...] = ()
    note: str = ""
    opened: tuple[int, ...] = ()

    @property
    def skewed(self) -> tuple[Compared, ...]:
        """The columns that differ."""
        return tuple(one for one in self.columns if one.skewed)

    @property
    def words(self) -> str:
        """The result in words."""
        if self.note:
            return f"Skew was not checked: {self.note}."
        if not self.skewed:
            return f"Skew: {self.rows:,} served rows are as the pipeline makes them (matched by {self.by})."
        return f"Skew: {'; '.join(one.words for one in self.skewed)}."

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        columns = [
            {"column": one.column, "rows": one.rows, "differing": one.differing, "skewed": one.skewed}
            for one in self.columns
        ]
        return {"rows": self.rows, "by": self.by, "note": self.note, "columns": columns, "opened": list(self.opened)}


def check(project: Project, workspace: Workspace) -> Skew:
    """Compare what was served last with what the pipeline makes now; what differs is an incident of data quality.

    Runs the pipeline up to its data where that is not up to date. Raises PipelineError where it fails.
    """
    contract = project.contract
    served = _served(workspace, contract)
    if not served.height:
        return Skew(note="nothing was answered yet")
    from mainspring.operate.pipeline_data import pipeline_data

    try:
        made = pipeline_data(project)
    except InputError as why:
        return Skew(note=str(why).rstrip("."))
    matched, by = _matched(served, made, contract, workspace)
    if matched is None:
        return Skew(note=by)
    over = {*passed_over(contract), *contract.personal}
    names = [
        name
        for name in made.columns
        if FEATURE + name in matched.columns and MADE + name in matched.columns and name not in over
    ]
    found = Skew(rows=matched.height, by=by, columns=tuple(_compared(matched, name) for name in names))
    return replace(found, opened=_told(project, workspace, found))


def _served(workspace: Workspace, contract: Contract) -> pl.DataFrame:
    log = PredictionLog(workspace, contract.project.name)
    features = [name for name in log.shape.columns if name.startswith(FEATURE)]
    left: list[Any] = []
    rows = 0
    for one in reversed(log.segments()):  # from the end, as far as needed
        left.insert(0, one)
        rows += one.rows
        if rows >= ROWS:
            break
    if not left:
        return pl.DataFrame()
    columns = ["id", "time", "entity", "prediction", *features]
    found = log.scan(since=left[0].start, columns=columns, roles=ANSWERED).filter(pl.col("prediction").is_not_null())
    return found.collect(engine="streaming").sort("time").tail(ROWS).drop("prediction")


def _matched(
    served: pl.DataFrame, made: pl.DataFrame, contract: Contract, workspace: Workspace
) -> tuple[pl.DataFrame | None, str]:
    """Each served row beside its row of the pipeline, and what they were matched by; or None and why not."""
    for name in IDS:
        if name in made.columns and made.schema[name] == pl.String:
            # what the log calls so too, such as time, would be taken for the pipeline's
            found = served.join(_apart(made.unique(name, keep="last")), left_on="id", right_on=MADE + name, how="inner")
            if found.height:
                return found, name
    entity, time = contract.project.entity, contract.project.time
    if entity is None or entity not in made.columns:
        return None, "the contract names no entity, and the pipeline's table holds no prediction ids"
    if served["entity"].null_count() == served.height:
        return None, f"no request named its {entity}"
    keys = made.select(text_of(entity, made.schema[entity])).to_series()
    if entity in contract.personal:
        keys = pl.Series(Mask(workspace.root).texts(keys.to_list()), dtype=pl.String)
    table = _apart(made).with_columns(keys.alias("entity"))
    if time is not None and time in made.columns and isinstance(made.schema[time], pl.Datetime | pl.Date):
        moments = made[time].cast(pl.Datetime("us"))
        if getattr(made.schema[time], "time_zone", None) is None:
            moments = moments.dt.replace_time_zone("UTC")
        table = table.with_columns(moments.cast(pl.Datetime("us", "UTC")).alias("time")).drop_nulls("time").sort("time")
        found = served.join_asof(table, on="time", by="entity", strategy="backward", check_sortedness=False)
        known = table["entity"].unique().implode()
        found = found.filter(pl.col("entity").is_in(known) & pl.col(MADE + entity).is_not_null())
    else:
        found = served.join(table.unique("entity", keep="last"), on="entity", how="inner")
    if not found.height:
        return None, f"none of the served {entity} values is in the pipeline's table"
    return found, entity


def _apart(made: pl.DataFrame) -> pl.DataFrame:
    """The pipeline's columns under names that no column of the log has."""
    return made.rename(lambda name: MADE + name)


def _compared(rows: pl.DataFrame, name: str) -> Compared:
    served, made = rows[FEATURE + name], rows[MADE + name]
    differs = _differs(served, made)
    places = differs.arg_true()
    if not len(places):
        return Compared(column=name, rows=rows.height, differing=0)
    first = int(places[0])
    return Compared(
        column=name, rows=rows.height, differing=len(places), served=_shown(served[first]), made=_shown(made[first])
    )


def _differs(served: pl.Series, made: pl.Series) -> pl.Series:
    """Where the two are not the same value; missing is a value of its own."""
    if served.dtype.is_numeric() and (made.dtype.is_numeric() or made.dtype == pl.Boolean):
        a, b = served.cast(pl.Float64).fill_nan(None), made.cast(pl.Float64).fill_nan(None)
        frame = pl.DataFrame({"a": a, "b": b})
        a_, b_ = pl.col("a"), pl.col("b")
        near = (a_ - b_).abs() <= TOLERANCE * pl.max_horizontal(a_.abs(), b_.abs(), pl.lit(1.0))
        same = (a_.is_null() & b_.is_null()) | near.fill_null(value=False)
        return frame.select(~same).to_series()
    if served.dtype.is_temporal() and made.dtype.is_temporal():
        plain = [
            part.dt.replace_time_zone(None) if getattr(part.dtype, "time_zone", None) else part
            for part in (served, made)
        ]
        return plain[0].cast(pl.Datetime("us")).ne_missing(plain[1].cast(pl.Datetime("us")))
    return served.cast(pl.String).ne_missing(made.cast(pl.String))


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{value:.6g}" if isinstance(value, float) else repr(value)


def _told(project: Project, workspace: Workspace, found: Skew) -> tuple[int, ...]:
    """Open or add to an incident for what differs and is not told by an open one; the numbers of the opened.

    Only a comparison can end what one began: what is compared but once a day would else begin anew every day.
    """
    signals = [
        Signal(
            name="skew", kind="data quality", column=one.column, value=one.differing / one.rows, low=0.0, high=SHARE,
            breached=True, rows=one.rows, text=one.words,
        )
        for one in found.skewed
    ]  # fmt: skip
    model = project.contract.project.name
    memory = document.remembered(workspace.ledger.states, model)
    if not signals and not any(case.held for case in memory.cases):
        return ()
    desk = desk_of(workspace, model, memory.cases)
    told = {column for case in desk.open if case.kind == "data quality" for column in case.columns}
    fresh = [one for one in signals if one.column not in told]
    index, where = max(memory.index, 0), f"skew of {listed([one.column or '' for one in fresh])}"
    draft = desk.draw(index, fresh, lambda: None, measured=False)
    differing = columns_of(signals)
    with workspace.ledger.together():
        opened = desk.keep(draft, where=where)
        for case in desk.open:
            if case.held and not case.columns & differing:
                desk.close(case, "what is served is again what the pipeline makes")
        begun = {one.id for one in opened} | {case.id for case, _, _ in draft.joining}
        cases = tuple(
            replace(one, held=True, last=index) if one.held or one.id in begun else one for one in desk.open
        )  # fmt: skip
        document.remember(workspace.ledger.states, model, replace(memory, cases=cases))
    return tuple(one.id for one in opened)
