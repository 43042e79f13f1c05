"""Questions to the log in a few words: conditions as in SQL, over the columns and the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, NotFound, quote
from mainspring.serve.log.columns import FEATURE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

NEWEST = 20


def where(rows: pl.LazyFrame, conditions: Sequence[str]) -> pl.LazyFrame:
    """The *rows* that meet every one of the *conditions*, such as ``version = 3`` or ``age > 60 and town is null``.

    A feature is named by itself (``age``) or as its column (``"x.age"``). Raises InputError for what is no condition,
    NotFound with the nearest name for a column that is not there.
    """
    for condition in conditions:
        rows = _where(rows, condition)
    return rows


def _where(rows: pl.LazyFrame, condition: str) -> pl.LazyFrame:
    import polars as pl

    names = rows.collect_schema().names()
    try:
        test = pl.sql_expr(condition)
        roots = test.meta.root_names()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise _no_condition(condition, error) from None
    features = {name.removeprefix(FEATURE): name for name in names if name.startswith(FEATURE)}
    for root in roots:
        if root not in names and root not in features:
            known = [*(name for name in names if not name.startswith(FEATURE)), *features]
            raise NotFound.among("column of the log", root, known)
    added = {root: features[root] for root in roots if root not in names}
    found = rows.with_columns(pl.col(column).alias(name) for name, column in added.items()).filter(test)
    try:
        found.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise _no_condition(condition, error) from None
    return found.drop(list(added))


def newest(rows: pl.LazyFrame, limit: int) -> pl.DataFrame:
    """The last *limit* of the rows, the newest first."""
    return rows.sort("time", descending=True).head(limit).collect(engine="streaming")


def write(rows: pl.LazyFrame, path: Path) -> int:
    """Write the rows to a file in the format of its suffix, streaming, whole or not at all. How many there were.

    Raises InputError for a suffix that is not known.
    """
    import polars as pl

    from mainspring.data.write import known

    form = known(path.suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing")
    try:
        if form == ".parquet":
            rows.sink_parquet(temporary, sync_on_close="all")
            count = int(pl.scan_parquet(temporary, glob=False).select(pl.len()).collect().item())
        else:
            (rows.sink_csv if form == ".csv" else rows.sink_ndjson)(temporary, sync_on_close="all")
            with temporary.open("rb") as file:
                count = sum(1 for _ in file) - (form == ".csv")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _no_condition(condition: str, error: Exception) -> InputError:
    why = str(error).splitlines()[0]
    return InputError(
        f'Expected a condition such as "version = 3" or "age > 60 and town is null", got {quote(condition)}: {why}. '
        "For times there are --since and --until."
    )
