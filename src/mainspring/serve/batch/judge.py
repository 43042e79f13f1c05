"""Rows of a table held against the contract before they are scored, as an endpoint holds its requests.

What a broken rule does is said by the column's ``on_violation``. ``reject``: the row is not scored. ``flag``: it is,
with the value as it is, or as missing where it cannot be read. ``impute``: the column's usual value takes its place.
No row is ever left out, and each says in words what was found: ``minimum:age``, ``imputed:town``, and in front of them
``rejected`` where the row was not scored. What only a whole column can break (uniqueness, a share of missing values) is
not asked: a partition cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mainspring.data.rule import Rule, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl

    from mainspring.contract import Column

REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of n rows.

    ``frame``: the rows to score, as they are to be scored. ``scored``: (n,) true where the row is among them; None
    where all are. ``flags``: (n,) text, null for a row with nothing wrong.
    """

    frame: pl.DataFrame
    scored: pl.Series | None
    flags: pl.Series

    @property
    def rejected(self) -> int:
        """How many rows are not scored."""
        return 0 if self.scored is None else int((~self.scored).sum())

    @property
    def flagged(self) -> int:
        """How many rows are scored although something was found."""
        return len(self.flags) - self.flags.null_count() - self.rejected


class Judge:
    """Holds rows against *columns*; *typical* maps a column to its usual value, None or absent where there is none."""

    def __init__(self, columns: Iterable[Column], typical: Mapping[str, Any]) -> None:
        """Ask only what one row can answer."""
        self._columns = {column.name: replace(column, unique=False, maximum_null_fraction=None) for column in columns}
        self._typical = typical

    def __call__(self, frame: pl.DataFrame) -> Judged:
        """Judge every row of *frame*. A declared column that is not there is not asked about."""
        import polars as pl

        asked = [
            rule
            for name, column in self._columns.items()
            if name in frame.columns
            for rule in rules(column, frame.schema[name], repetitive=column.type == "category")
        ]
        broken = _broken(frame, asked)
        if not broken:
            return Judged(frame, None, pl.Series("flags", [], pl.String).extend_constant(None, frame.height))
        rejects = [mask for rule, mask in broken if self._does(rule) == "reject"]
        mended = frame.with_columns(self._mended(frame, broken))
        flags = self._flags(broken)
        if not rejects:
            return Judged(mended, None, flags)
        scored = pl.select(~pl.any_horizontal(*rejects)).to_series()
        return Judged(mended.filter(scored), scored, flags)

    def _does(self, rule: Rule) -> str:
        return self._columns[rule.column].on_violation

    def _flags(self, broken: Sequence[tuple[Rule, pl.Series]]) -> pl.Series:
        import polars as pl

        rejects = [mask for rule, mask in broken if self._does(rule) == "reject"]
        words = [pl.when(pl.any_horizontal(*rejects)).then(pl.lit(REJECTED))] if rejects else []
        words += [pl.when(mask).then(pl.lit(self._word(rule))) for rule, mask in broken]
        every = pl.select(pl.concat_str(words, separator=",", ignore_nulls=True).alias("flags")).to_series()
        return every.set(every == "", None)

    def _word(self, rule: Rule) -> str:
        kind = "imputed" if self._does(rule) == "impute" else rule.name.replace(" ", "_")
        return f"{kind}:{rule.column}"

    def _mended(self, frame: pl.DataFrame, broken: Sequence[tuple[Rule, pl.Series]]) -> list[pl.Expr]:
        """The columns as they are scored: imputed, and missing where a flagged value cannot be read."""
        import polars as pl

        replaced: dict[str, pl.Expr] = {}
        for rule, mask in broken:
            imputed = self._does(rule) == "impute"
            if not imputed and not (self._does(rule) == "flag" and rule.name == "type"):
                continue
            dtype = frame.schema[rule.column]
            usual = self._typical.get(rule.column) if imputed else None
            textual = dtype in (pl.String, pl.Categorical, pl.Enum)
            before = replaced.get(rule.column, pl.col(rule.column).cast(pl.String) if textual else pl.col(rule.column))
            value = pl.lit(_text(usual) if textual and usual is not None else usual)
            replaced[rule.column] = pl.when(mask).then(value).otherwise(before)
        return [expression.alias(name) for name, expression in replaced.items()]


def _broken(frame: pl.DataFrame, asked: Sequence[Rule]) -> list[tuple[Rule, pl.Series]]:
    """The rules that a row breaks, each with its rows; of one value's broken rules only the first counts.

    A cheap question first: most rules are not broken at all, and nothing is worked out for them row by row.
    """
    possible = [rule for rule in asked if rule.broken is not None and rule.suspected is not None]
    if not possible:
        return []
    doubts = frame.select(
        rule.suspected.alias(str(place)) for place, rule in enumerate(possible) if rule.suspected is not None
    ).row(0)
    suspected = [rule for rule, doubt in zip(possible, doubts, strict=True) if doubt]
    if not suspected:
        return []
    masks = frame.select(
        rule.broken.alias(str(place)) for place, rule in enumerate(suspected) if rule.broken is not None
    )
    told: dict[str, pl.Series] = {}
    found = []
    for rule, mask in zip(suspected, masks.iter_columns(), strict=True):
        before = told.get(rule.column)
        fresh = mask if before is None else mask & ~before
        told[rule.column] = mask if before is None else mask | before
        if fresh.any():
            found.append((rule, fresh.rename(f"{rule.name}:{rule.column}")))
    return found


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
