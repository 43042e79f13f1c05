"""A table at a glance: every column, what goes together, what lies far out, what leaks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, listed, quote, suggestion
from mainspring.core.frames import as_frame

if TYPE_CHECKING:
    import polars as pl

    from mainspring.core.task import Task
    from mainspring.data.associations import Associations
    from mainspring.data.leakage import Leak
    from mainspring.data.outliers import Outliers
    from mainspring.data.summary import ColumnProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was found in a table.

    ``duplicates`` is the number of rows that repeat an earlier one; ``personal`` maps columns that look as if they
    named persons to what they hold (their values are not shown anywhere). ``leaks`` is empty without a target.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    associations: Associations
    outliers: tuple[Outliers, ...]
    leaks: tuple[Leak, ...]
    duplicates: int
    bytes: int
    personal: dict[str, str]
    target: str | None = None
    task: Task | None = None
    time: str | None = None

    def __getitem__(self, name: str) -> ColumnProfile:
        """The summary of the column called *name*. Raises NotFound (a LookupError) where there is none."""
        from mainspring.core.errors import NotFound

        for column in self.columns:
            if column.name == name:
                return column
        raise NotFound.among("column", name, [column.name for column in self.columns])

    def as_dict(self) -> dict[str, Any]:
        """The profile as plain JSON values: ``rows``, ``columns``, ``leaks``, ``outliers`` and what else was found."""
        return {
            "rows": self.rows,
            "bytes": self.bytes,
            "duplicates": self.duplicates,
            "target": self.target,
            "task": self.task,
            "time": self.time,
            "columns": [
                column.as_dict() | ({"personal": self.personal[column.name]} if column.name in self.personal else {})
                for column in self.columns
            ],
            "associations": self.associations.as_dict(),
            "leaks": [asdict(leak) for leak in self.leaks],
            "outliers": [asdict(outlier) for outlier in self.outliers],
        }


def profile(frame: Any, *, target: str | None = None, time: str | None = None, task: Task | None = None) -> Profile:
    """Profile any table: Polars, pandas, Arrow or a dict of columns.

    With a *target* the columns that leak it are looked for; *time* names the column that orders the rows, against which
    later dates are suspicious; *task* overrides what the target looks like. The values of columns that look personal
    are counted but not shown.

    Raises InputError where the table has no column or no row, or a named column is missing or unusable as a target.
    """
    from dataclasses import replace

    from mainspring.data.associations import associate
    from mainspring.data.leakage import suspects
    from mainspring.data.outliers import outliers
    from mainspring.data.privacy import personal
    from mainspring.data.summary import dated, summarise

    table = usable(frame)
    if time is not None and time not in table.columns:
        raise InputError(
            f"The time column {quote(time)} is not in the table. {suggestion(time, table.columns, kind='column')}"
        )
    if target is not None:
        from mainspring.data.target import infer_task, known

        series = known(table, target)
        task = task or infer_task(series)[0]
    columns = [summarise(series) for series in table.iter_columns()]
    named = {c.name: what for c in columns if (what := personal(table[c.name], c)) is not None and c.name != target}
    columns = [replace(c, top=()) if c.name in named else c for c in columns]
    typed = dated(table, columns)
    leaks = suspects(typed, target, time=time, task=task, columns=columns) if target is not None else []
    return Profile(
        rows=table.height,
        columns=tuple(columns),
        associations=associate(typed, columns, target=target),
        outliers=outliers(typed, {c.name: c for c in columns}),
        leaks=tuple(leaks),
        duplicates=duplicates(table),
        bytes=int(table.estimated_size()),
        personal=named,
        target=target,
        task=task,
        time=time,
    )


def usable(frame: Any) -> pl.DataFrame:
    """The value as a Polars frame with at least one column, one row and no column without a name.

    Raises InputError otherwise.
    """
    table = as_frame(frame)
    if table.width == 0:
        raise InputError("The table has no columns. Expected at least one.")
    if table.height == 0:
        raise InputError(
            f"The table has {table.width} columns ({listed(table.columns)}) but no rows: nothing to look at."
        )
    return table


def duplicates(table: pl.DataFrame) -> int:
    """How many rows repeat an earlier row, by a 64-bit hash of the whole row; nested values are passed over."""
    plain = [name for name, dtype in table.schema.items() if not dtype.is_nested() and str(dtype) != "Object"]
    if not plain:
        return 0
    return table.height - table.select(plain).hash_rows().n_unique()
