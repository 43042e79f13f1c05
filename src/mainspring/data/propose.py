"""From a table to a contract: what its columns look like now, written down as what must hold from now on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, listed, quote, suggestion
from mainspring.data.declare import Notes, declare
from mainspring.data.kind import tokens
from mainspring.data.leakage import IGNORED_FROM, Leak, by_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from mainspring.contract import Column, Contract
    from mainspring.core.task import Task
    from mainspring.data.summary import ColumnProfile

LEAST_ENTITIES = 30
WINDOWS = 100
WINDOW_ROWS = 350
_SPANS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7), timedelta(days=28))
_NEGATIVE = frozenset(
    {
        "no",
        "n",
        "false",
        "good",
        "normal",
        "ham",
        "negative",
        "healthy",
        "paid",
        "legit",
        "legitimate",
        "stayed",
        "benign",
    }
)
"""Labels that mean "nothing happened": the other one is then the class worth finding."""
_WHO = frozenset(
    {
        "customer",
        "user",
        "client",
        "patient",
        "account",
        "member",
        "person",
        "employee",
        "subscriber",
        "household",
        "device",
    }
)
_ID = frozenset({"id", "uuid", "guid", "key", "no", "nr", "number"})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contract for a table, and every guess in it with its reason.

    ``comments`` maps places of the contract (``columns.age``, ``require.0`` …) to texts for
    :func:`mainspring.contract.render.render`.
    """

    contract: Contract
    reasons: tuple[str, ...]
    leaks: tuple[Leak, ...]
    comments: dict[str, str] = field(default_factory=dict)


def propose(
    frame: Any,
    *,
    name: str,
    target: str,
    time: str | None = None,
    entity: str | None = None,
    task: Task | None = None,
    guess_time: bool = True,
) -> Proposal:
    """Propose the contract of a project called *name* that predicts *target* from *frame*.

    Guessed where not given: the task, and with *guess_time* the column that orders the rows. Types, ranges (with a
    tenth of slack), categories and missing shares are those of the table. Columns that leak the target, number the
    rows, name persons, or hold nothing get the role ``ignore``. The bounds of the primary metric stand between what
    guessing and what the best single honest column reach on rows that they were not fitted to.

    Raises InputError where the target, the time or the entity is missing or unusable.
    """
    from mainspring.data.leakage import suspects
    from mainspring.data.order import clocks
    from mainspring.data.profile import usable
    from mainspring.data.summary import dated, summarise
    from mainspring.data.target import infer_task, known

    table = usable(frame)
    series = known(table, target)
    inferred, why = infer_task(series) if task is None else (_fitting(task, series), "as asked for")
    columns = [summarise(one) for one in table.iter_columns()]
    summaries = {c.name: c for c in columns}
    typed = dated(table, columns)
    notes = Notes()
    notes.reasons.append(f"task {inferred}: {why}")
    notes.comment("project.task", why)
    time = _time(table, columns, target, time, entity, notes, guess=guess_time)
    entity = _entity(table, summaries, target, time, entity, notes)
    leaks = suspects(typed, target, time=time, task=inferred, columns=columns)
    roles = {name for name in (target, time, entity) if name is not None}
    suspected = by_column(leaks)
    again = clocks(typed, columns, time=time) if time is not None else frozenset()
    if all(c.name in roles | again or c.type in ("constant", "id") for c in columns):
        again = frozenset()  # there is nothing else to learn from
    declared = {
        c.name: declare(table[c.name], c, roles, suspected.get(c.name), notes, clock=c.name in again) for c in columns
    }
    notes.reasons += [_said(leak) for leak in leaks if leak.kind == "period" or roles.isdisjoint(leak.columns)]
    notes.gather()
    features = [c.name for c in declared.values() if c.role == "feature" and c.name not in roles]
    if not features:
        raise InputError(
            f"No column is left to predict {quote(target)} from: every other one is empty, constant, a row id, "
            f"personal or a leak. What was found: {'; '.join(notes.reasons)}."
        )
    return _proposal(typed, name, target, time, entity, inferred, declared, features, summaries, tuple(leaks), notes)


def _said(leak: Leak) -> str:
    if leak.kind == "period":
        return f"look at the rows by time. {leak.reason}"
    if leak.strength >= IGNORED_FROM:
        return f"leak, ignored: {listed(leak.columns)}. {leak.reason}"
    return f"perhaps a leak, kept: {listed(leak.columns)}. {leak.reason}"


def _fitting(task: Task, series: pl.Series) -> Task:
    """The asked-for *task*, where the target column allows it. Raises InputError otherwise."""
    from mainspring.data.target import MOST_CLASSES

    distinct = series.drop_nulls().n_unique()
    numeric = series.dtype.is_numeric() or str(series.dtype) == "Boolean"
    where = f"The target column {quote(series.name)}"
    if task == "binary" and distinct != 2:
        raise InputError(
            f"{where} has {distinct:,} distinct values. Expected two for a binary task; try --task multiclass."
        )
    if task == "multiclass" and distinct > MOST_CLASSES:
        raise InputError(f"{where} has {distinct:,} distinct values, too many for classes. Try --task regression.")
    if task == "regression" and not numeric:
        raise InputError(
            f"{where} holds {series.dtype}. Expected numbers for a regression; leave --task out to infer it."
        )
    return task


def _time(
    table: pl.DataFrame,
    columns: Sequence[ColumnProfile],
    target: str,
    time: str | None,
    entity: str | None,
    notes: Notes,
    *,
    guess: bool,
) -> str | None:
    from mainspring.data.order import check_time, guess_time, why_not
    from mainspring.data.privacy import personal

    if time is not None:
        if time == target:
            raise InputError(f"The time column and the target are both {quote(time)}. Name two different columns.")
        order = check_time(table, time, {c.name: c for c in columns})
        notes.reasons.append(f"time {time}: as asked for; {order}")
        return time
    if not guess:
        return None
    births = [c.name for c in columns if (what := personal(table[c.name], c)) is not None and "birth" in what]
    for c in columns:
        if c.type in ("date", "datetime") and (why := why_not(table[c.name])) is not None:
            notes.reasons.append(f"{c.name} is not taken for the time: {why}")
    found = guess_time(table, columns, but=[name for name in (target, entity, *births) if name is not None])
    if found is None:
        return None
    taken = {target, entity, found[0]}
    if all(c.name in taken or c.type in ("constant", "id") for c in columns):
        notes.reasons.append(
            f"{found[0]} stays a feature: it is the only column to learn from. So rows are held out at random and the "
            "model fills in between its neighbours; to forecast, add columns known before, such as the value a week ago"
        )
        return None
    notes.reasons.append(f"time {found[0]}: guessed, because {found[1]}")
    notes.comment("project.time", f"guessed: {found[1]}")
    return found[0]


def _entity(
    table: pl.DataFrame,
    columns: Mapping[str, ColumnProfile],
    target: str,
    time: str | None,
    entity: str | None,
    notes: Notes,
) -> str | None:
    if entity is not None:
        if entity not in table.columns:
            near = suggestion(entity, table.columns, kind="column")
            raise InputError(f"The entity column {quote(entity)} is not in the table. {near}")
        if entity in (target, time):
            raise InputError(
                f"The entity column {quote(entity)} is already the {'target' if entity == target else 'time'}."
            )
        if columns[entity].empty:
            raise InputError(f"The entity column {quote(entity)} has no value in any row.")
        notes.reasons.append(f"entity {entity}: as asked for")
        return entity
    for column in columns.values():
        words = set(tokens(column.name))
        if column.name in (target, time) or not (words & _WHO and words & _ID):
            continue
        if column.distinct >= LEAST_ENTITIES and column.nulls == 0:
            each = table.height / column.distinct
            notes.reasons.append(f"entity {column.name}: guessed from its name; {each:.1f} rows each")
            notes.comment("project.entity", "guessed from its name")
            return column.name
    return None


def _proposal(
    typed: pl.DataFrame,
    name: str,
    target: str,
    time: str | None,
    entity: str | None,
    task: Task,
    declared: dict[str, Column],
    features: list[str],
    summaries: Mapping[str, ColumnProfile],
    leaks: tuple[Leak, ...],
    notes: Notes,
) -> Proposal:
    from mainspring.contract import Contract, Monitor, ProjectSection
    from mainspring.data.baseline import baseline
    from mainspring.data.demand import fairness, quality

    floor = baseline(typed, target, task, features, time=time)
    requirements = quality(floor, notes)
    requirements += fairness(typed, summaries, declared, notes, task=task, after=len(requirements))
    positive = _positive(typed[target]) if task == "binary" else None
    if positive is not None:
        notes.comment("project.positive", "the class that a score is the probability of")
    notes.comment("project.purpose", "say what the predictions are used for")
    window = _window(typed, time)
    contract = Contract(
        project=ProjectSection(
            name=name,
            task=task,
            target=target,
            time=time,
            entity=entity,
            positive=positive,
            purpose=f"Predict {target}",
        ),
        columns=declared,
        requirements=tuple(requirements),
        monitor=Monitor(window=window),
    )
    spoken = f"{window:,} rows" if isinstance(window, int) else str(window).removesuffix(", 0:00:00")
    share = "" if typed.height < WINDOW_ROWS * WINDOWS else ": about a hundredth of this table each"
    notes.comment("monitor", f"live rows are judged in windows of {spoken}{share}")
    return Proposal(contract, tuple(notes.reasons), leaks, notes.comments)


def _positive(series: pl.Series) -> str:
    """The label to look for: the one beside a "nothing happened", or the larger one."""
    first, second = (value for value in series.drop_nulls().unique().sort().to_list())
    texts = [str(label).lower() if isinstance(label, bool) else _plain(label) for label in (first, second)]
    if texts[1].casefold() in _NEGATIVE and texts[0].casefold() not in _NEGATIVE:
        return texts[0]
    return texts[1]


def _plain(label: object) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _window(typed: pl.DataFrame, time: str | None) -> timedelta | int:
    """A span that cuts the table into about a hundred windows, of some hundreds of rows each."""
    rows = max(min(WINDOW_ROWS, typed.height), round(typed.height / WINDOWS, -2))
    if time is None or not typed.schema[time].is_temporal():
        return int(rows)
    first, last = typed[time].min(), typed[time].max()
    whole = last - first  # type: ignore[operator]  # both are dates
    if not isinstance(whole, timedelta) or whole <= timedelta(0):
        return int(rows)
    wanted = whole * (rows / typed.height)
    return min(_SPANS, key=lambda span: abs(math.log(span / wanted)))
