"""Cutting a table into a part to learn from and a part to judge on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from mainspring.core.errors import InputError, NotFound, listed, suggestion
from mainspring.core.frames import as_frame
from mainspring.data.content import is_opaque
from mainspring.data.time_text import one_format

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.contract import Contract

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

By: TypeAlias = Literal["random", "stratified", "time", "group"]

_NUMERIC_STRATA = 10
_MOST_CLASSES = 50
"""A numeric column with more distinct values than this is stratified by quantile bins."""


@dataclass(frozen=True, slots=True)
class Split:
    """Two parts that together hold every row exactly once, each in the original row order.

    ``digest`` names the two row sets: the same rows in the same parts give the same digest.
    """

    train: pl.DataFrame
    test: pl.DataFrame
    by: By
    column: str | None
    seed: int
    digest: str

    def __repr__(self) -> str:
        """One line without the rows."""
        over = f" over {self.column}" if self.column else ""
        return f"<Split by {self.by}{over}: {self.train.height} train, {self.test.height} test, {self.digest[:12]}>"


def split(
    frame: Any,
    *,
    by: By = "random",
    test: float = 0.25,
    column: str | None = None,
    seed: int = 0,
    contract: Contract | None = None,
) -> Split:
    """Cut *frame* in two.

    ``random`` draws rows; ``stratified`` keeps the shares of the values of *column* (numbers with many values are cut
    into ten quantile bins); ``time`` puts the latest rows of *column* (a date or any rising number) into the test part,
    and rows tied in time all on one side; ``group`` keeps all rows of one value of *column* together.

    *test* is the share of rows for the test part, between 0 and 1, reached as nearly as ties and groups allow. Without
    *column* the contract says it: its target to stratify, its time, its entity to group. Without a contract, ``time``
    takes the only date column of the frame. *seed* does not matter for ``time``.

    Raises InputError where a part would be empty, the column does not fit, or its time is missing for some rows.

    >>> split({"t": [1, 2, 3, 3]}, by="time", column="t", test=0.25).test["t"].to_list()
    [3, 3]
    """
    table = as_frame(frame)
    if by not in get_args(By):
        raise InputError(f"Cannot split by {by!r}. {suggestion(by, get_args(By), kind='way to split')}")
    if not 0 < test < 1:
        raise InputError(f"The test share must lie between 0 and 1, got {test}. For a quarter write test=0.25.")
    if table.height < 2:
        raise InputError(f"A table of {table.height} row{'' if table.height == 1 else 's'} cannot be split in two.")
    name = None if by == "random" else _column(table, by, column, contract)
    mask = _mask(table, by, name, test, seed)
    if mask.all() or not mask.any():
        raise InputError(
            f"Split by {by}{f' over column {name}' if name else ''} leaves one part empty: every row falls on the same "
            "side. Choose another column or another way to split."
        )
    return _parts(table, mask, by, name, seed)


def _parts(table: pl.DataFrame, mask: Mask, by: By, column: str | None, seed: int) -> Split:
    import polars as pl

    from mainspring.core.digest import digest_text
    from mainspring.data.content import frame_digest

    held = pl.Series(mask)
    train, test = table.filter(~held), table.filter(held)
    digest = digest_text(f"{frame_digest(train)} {frame_digest(test)}")
    return Split(train=train, test=test, by=by, column=column, seed=seed, digest=digest)


def _column(table: pl.DataFrame, by: By, column: str | None, contract: Contract | None) -> str:
    if column is None and contract is not None:
        section = contract.project
        column = {"stratified": section.target, "time": section.time, "group": section.entity}[by]
    if column is None and by == "time":
        dated = [name for name, dtype in table.schema.items() if dtype.is_temporal()]
        if len(dated) == 1:
            return dated[0]
        found = f"there are several date columns ({listed(dated)})" if dated else "there is no date column"
        raise InputError(f"Which column orders the rows is not said, and {found}. Pass column=… or contract=….")
    if column is None:
        raise InputError(f"Split by {by} needs a column. Pass column=… or contract=….")
    if column not in table.columns:
        raise NotFound.among("column", column, table.columns)
    if is_opaque(table.schema[column]):
        raise InputError(f"Column {column} holds values of type {table.schema[column]}, which cannot cut the table.")
    return column


def _mask(table: pl.DataFrame, by: By, column: str | None, test: float, seed: int) -> Mask:
    """Shape (rows,): True for the rows of the test part."""
    wanted = min(max(round(table.height * test), 1), table.height - 1)
    if column is None:
        return _random(table.height, wanted, seed)
    if by == "stratified":
        return _stratified(_strata(table[column]), wanted, seed)
    if by == "time":
        return _latest(table[column], wanted)
    return _grouped(_codes(table[column]), wanted, seed)


def _random(rows: int, wanted: int, seed: int) -> Mask:
    import numpy as np

    mask = np.zeros(rows, dtype=bool)
    mask[np.random.default_rng(seed).permutation(rows)[:wanted]] = True
    return mask


def _codes(values: pl.Series) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Equal codes for equal values, counted up in order of first appearance; nulls are one value of their own."""
    import numpy as np

    _, first, inverse = np.unique(values.rank("dense").fill_null(0).to_numpy(), return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.uint32)[inverse]


def _strata(values: pl.Series) -> np.ndarray[Any, np.dtype[np.uint32]]:
    import polars as pl

    distinct = values.n_unique()
    if values.dtype.is_numeric() and distinct > _MOST_CLASSES:
        ranks = values.rank("average") / max(values.len() - values.null_count(), 1)
        return _codes((ranks * _NUMERIC_STRATA).ceil().cast(pl.Int64).alias(values.name))
    if distinct > values.len() / 2:
        raise InputError(
            f"Column {values.name} has {distinct} different values in {values.len()} rows: too many to keep their "
            "shares. Stratify over a column with few values, or split by random."
        )
    return _codes(values)


def _stratified(codes: np.ndarray[Any, np.dtype[np.uint32]], wanted: int, seed: int) -> Mask:
    """Largest remainders: every stratum gives its share, whole rows, and the total is exactly *wanted*."""
    import numpy as np

    sizes = np.bincount(codes)
    exact = sizes * (wanted / len(codes))
    take = np.floor(exact).astype(int)
    order = np.argsort(-(exact - take), kind="stable")
    take[order[: wanted - take.sum()]] += 1
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(codes))
    shuffled = shuffled[np.argsort(codes[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(codes)) - np.repeat(starts, sizes)
    mask = np.zeros(len(codes), dtype=bool)
    mask[shuffled[place < np.repeat(take, sizes)]] = True
    return mask


def _latest(values: pl.Series, wanted: int) -> Mask:
    """The rows at or after the moment whose cut comes nearest to *wanted* rows."""
    import numpy as np
    import polars as pl

    if not (values.dtype.is_temporal() or values.dtype.is_numeric()):
        if values.dtype in (pl.String, pl.Categorical, pl.Enum):
            one_format(values)  # says which formats or offsets there are, where they are several
        raise InputError(
            f"Column {values.name} is {values.dtype}, but time must be a date or a number. "
            "Where it holds dates as text, declare it as datetime in the contract and call clean first."
        )
    missing = int(values.null_count()) + (int(values.is_nan().sum()) if values.dtype.is_float() else 0)
    if missing:
        raise InputError(
            f"{missing} of {values.len()} rows have no time in column {values.name}, so they belong to no side. "
            "Remove or mend them first."
        )
    physical = values.to_physical().to_numpy()
    ordered = np.sort(physical)
    moments, begins = np.unique(ordered, return_index=True)
    after = len(ordered) - begins  # rows at or after each moment
    if len(moments) < 2:
        return np.ones(len(ordered), dtype=bool)  # no moment to cut at: the caller says so
    best = 1 + int(np.argmin(np.abs(after[1:] - wanted)))
    return np.asarray(physical >= moments[best])


def _grouped(codes: np.ndarray[Any, np.dtype[np.uint32]], wanted: int, seed: int) -> Mask:
    """Shuffled groups go to the test part as long as each brings it nearer to *wanted* rows."""
    import numpy as np

    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen = np.zeros(len(sizes), dtype=bool)
    held = 0
    for group in order[:-1]:  # one group always stays behind
        if abs(held + sizes[group] - wanted) < abs(held - wanted):
            chosen[group] = True
            held += sizes[group]
    if not chosen.any() and len(sizes) > 1:
        chosen[np.argmin(sizes)] = True
    return np.asarray(chosen[codes])
