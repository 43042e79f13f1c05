"""Holding a table against the columns of a contract."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from mainspring.core.frames import as_frame
from mainspring.data.content import is_opaque
from mainspring.data.rule import Rule, RuleName, rules

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import polars as pl

    from mainspring.contract import Column, Contract

EXAMPLES = 5
ROW, REASONS = "__row", "__reasons"
_MASKED = "•••"
_HEAD, _REPEATED = 1000, 0.2
"""A column whose first thousand rows have fewer than two hundred distinct values is asked about each value once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What became of one rule.

    ``rows_checked`` is how many rows the rule really looked at: a range looks at no missing value. ``failed`` is how
    many of them break it. ``examples`` are up to five of those, as {"row": number counted from 0, "value": value};
    values of personal columns are masked.
    """

    column: str
    rule: RuleName
    rows_checked: int
    failed: int
    examples: tuple[dict[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        """No row failed, and at least one was looked at."""
        return self.failed == 0 and self.rows_checked > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of a check.

    ``quarantine`` holds every row that breaks a rule of its own: the columns of the table, ``__row`` (its number,
    counted from 0) and ``__reasons`` (text). A null fraction is a rule of the whole column and quarantines nothing.
    """

    rows: int
    rules: tuple[RuleResult, ...]
    quarantine: pl.DataFrame

    @property
    def passed(self) -> bool:
        """Every rule passed, and there was something to look at: no rows or no rules is a failure."""
        told = any(rule.rule != "extra column" or rule.failed for rule in self.rules)
        return self.rows > 0 and told and all(rule.passed for rule in self.rules)

    def as_dict(self, *, quarantine: str | None = None) -> dict[str, Any]:
        """The check as JSON values; *quarantine* is where the bad rows were written."""
        return {
            "rows": self.rows,
            "passed": self.passed,
            "rules": [
                {
                    "column": rule.column,
                    "rule": rule.rule,
                    "rows_checked": rule.rows_checked,
                    "failed": rule.failed,
                    "examples": list(rule.examples),
                }
                for rule in self.rules
            ],
            "quarantine": quarantine,
        }


def check(frame: Any, contract: Contract, *, columns: Collection[str] | None = None, strict: bool = False) -> Check:
    """Hold *frame* against the declared columns: types, missing and infinite values, ranges, categories, patterns.

    *columns* restricts the check to these declared columns (for rows that have no target yet). A declared column that
    the frame lacks fails for every row. A column that is not declared is listed and, with *strict*, fails.

    All rules are first put as questions that are cheap to deny (is the smallest value below the minimum?) in one pass;
    only the rules that were not denied are worked out row by row, in a second.
    """
    table = as_frame(frame)
    declared = [column for name, column in contract.columns.items() if columns is None or name in columns]
    outcomes = _judge(table, [rule for column in declared for rule in _rules(column, table)])
    results = [
        RuleResult(
            column=outcome.rule.column,
            rule=outcome.rule.name,
            rows_checked=outcome.looked_at,
            failed=outcome.failed,
            examples=_examples(table, outcome, masked=contract.columns[outcome.rule.column].personal),
        )
        for outcome in outcomes
    ]
    results += [
        RuleResult(column=name, rule="extra column", rows_checked=table.height, failed=table.height if strict else 0)
        for name in table.columns
        if name not in contract.columns and name not in (ROW, REASONS)
    ]
    bad = [outcome for outcome in outcomes if outcome.failed and not outcome.rule.allowed]
    return Check(rows=table.height, rules=tuple(results), quarantine=_quarantine(table, bad))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``mask``: (rows,) true where the row breaks the rule; None where none or all do."""

    rule: Rule
    looked_at: int
    failed: int = 0
    mask: pl.Series | None = None


def _rules(column: Column, table: pl.DataFrame) -> Sequence[Rule]:
    if column.name not in table.columns:
        return [Rule(column=column.name, name="missing column", reason=f"column {column.name} is missing")]
    head = table[column.name].head(_HEAD)
    repetitive = not is_opaque(head.dtype) and head.n_unique() < head.len() * _REPEATED
    return list(rules(column, head.dtype, repetitive=repetitive))


def _judge(table: pl.DataFrame, every: Sequence[Rule]) -> list[_Outcome]:
    """Deny what can be denied in one pass over the table, and work out the rest row by row in another."""
    answers = _ask(table, every)
    masks = _masks(table, {place: rule for place, rule in enumerate(every) if answers.get(f"{place} suspected")})
    outcomes = []
    for place, rule in enumerate(every):
        looked_at = int(answers.get(f"{place} looked_at", table.height))
        mask = masks.get(place)
        if rule.name == "missing column":
            outcomes.append(_Outcome(rule, looked_at, failed=table.height))
        elif mask is None or (failed := int(mask.sum())) <= rule.allowed * table.height:
            outcomes.append(_Outcome(rule, looked_at))
        else:
            outcomes.append(_Outcome(rule, looked_at, failed, mask))
    return outcomes


def _ask(table: pl.DataFrame, every: Sequence[Rule]) -> dict[str, Any]:
    """May a row break the rule, and how many rows does it look at? One pass for all rules."""
    questions = [
        expression.alias(f"{place} {kind}")
        for place, rule in enumerate(every)
        for kind, expression in (("suspected", rule.suspected), ("looked_at", rule.looked_at))
        if expression is not None
    ]
    return table.lazy().select(questions).collect().row(0, named=True) if questions else {}


def _masks(table: pl.DataFrame, suspected: dict[int, Rule]) -> dict[int, pl.Series]:
    broken = [rule.broken.alias(str(place)) for place, rule in suspected.items() if rule.broken is not None]
    found = table.lazy().select(broken).collect() if broken else None
    return {} if found is None else {int(series.name): series for series in found.iter_columns()}


def _examples(table: pl.DataFrame, outcome: _Outcome, *, masked: bool) -> tuple[dict[str, Any], ...]:
    if outcome.mask is None:
        return ()
    rows = outcome.mask.arg_true().head(EXAMPLES)
    values = table[outcome.rule.column].gather(rows).to_list()
    return tuple(
        {"row": row, "value": _MASKED if masked and value is not None else _plain(value)}
        for row, value in zip(rows.to_list(), values, strict=True)
    )


def _plain(value: Any) -> Any:
    """A value fit for JSON; what has no number or literal there is named."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _quarantine(table: pl.DataFrame, bad: Sequence[_Outcome]) -> pl.DataFrame:
    """The rows that break a rule, each with its number and every reason."""
    import polars as pl

    if table.height == 0 or not bad:
        empty = {ROW: pl.Series([], dtype=pl.UInt32), REASONS: pl.Series([], dtype=pl.String)}
        return table.head(0).with_columns(**empty)
    place_of = {str(place): outcome for place, outcome in enumerate(bad)}
    masks = {place: outcome.mask for place, outcome in place_of.items() if outcome.mask is not None}
    rows = pl.DataFrame({ROW: pl.int_range(table.height, dtype=pl.UInt32, eager=True), **masks})
    if len(masks) == len(bad):  # otherwise a column is missing, and every row is bad
        rows = rows.filter(pl.any_horizontal(*masks))
    reasons = [
        pl.when(place).then(pl.lit(outcome.rule.reason)) if place in masks else pl.lit(outcome.rule.reason)
        for place, outcome in place_of.items()
    ]
    why = rows.select(ROW, pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias(REASONS))
    held = table if why.height == table.height else table[why[ROW]]
    return held.with_columns(why[ROW], why[REASONS])
