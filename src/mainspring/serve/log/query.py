"""Questions to the log in a few words: conditions as in SQL, over the columns and the features."""

from __future__ import annotations

from contextlib import contextmanager
from errno import EISDIR
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, NotFound, StoreError, quote
from mainspring.serve.log.columns import FEATURE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    aliases = [pl.col(column).alias(name) for name, column in added.items()]
    try:
        # the schema alone does not show that a number is held against a text: no rows at all do
        pl.LazyFrame(schema=rows.collect_schema()).with_columns(aliases).filter(test).collect()
    except pl.exceptions.PolarsError as error:
        raise _no_condition(condition, error) from None
    return rows.with_columns(aliases).filter(test).drop(list(added))


def newest(rows: pl.LazyFrame, limit: int) -> pl.DataFrame:
    """The last *limit* of the rows, the newest first. Raises InputError where a condition fails at one of them."""
    with _answered():
        return rows.sort("time", descending=True).head(limit).collect(engine="streaming")


def write(rows: pl.LazyFrame, path: Path) -> int:
    """Write the rows to a file in the format of its suffix, streaming, whole or not at all. How many there were.

    Raises InputError for a suffix that is not known, a place that cannot be written, and where a condition fails at one
    of the rows.
    """
    from mainspring.data.write import known

    form = known(path.suffix)
    temporary = path.with_name(f".{path.name}.writing")
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "Is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()  # says why it cannot be; what Polars raises does not
    except OSError as error:
        why = "its folder is a file" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise InputError(
            f"Expected a file that can be written, got {quote(str(path))}: {why}. Name another one: -o FILE"
        ) from None
    try:
        with _answered():
            count = _sink(rows, temporary, form)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error}. Nothing half written was left behind.") from None
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _sink(rows: pl.LazyFrame, path: Path, form: str) -> int:
    import polars as pl

    if form == ".parquet":
        rows.sink_parquet(path, sync_on_close="all")
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    if form == ".csv":  # in which a value may go over several lines
        rows.sink_csv(path, sync_on_close="all")
        return int(pl.scan_csv(path, glob=False, infer_schema=False).select(pl.len()).collect().item())
    rows.sink_ndjson(path, sync_on_close="all")
    with path.open("rb") as file:
        return sum(1 for _ in file)


@contextmanager
def _answered() -> Iterator[None]:
    """What only a value of some row shows: CAST(town AS INT) of one that is no number."""
    import polars as pl

    try:
        yield
    except pl.exceptions.PolarsError as error:
        why = str(error).splitlines()[0]
        raise InputError(f"The question cannot be answered for every prediction: {why}. Change --where.") from None


def _no_condition(condition: str, error: Exception) -> InputError:
    why = str(error).splitlines()[0]
    return InputError(
        f'Expected a condition such as "version = 3" or "age > 60 and town is null", got {quote(condition)}: {why}. '
        "For times there are --since and --until."
    )
