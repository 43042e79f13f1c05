"""Rows held against the contract one value at a time: the plain way, which decides and explains.

Well-formed rows do not come here: `mainspring.serve.compiled` accepts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import nearest
from mainspring.serve.field import Broken
from mainspring.serve.problem import MOST_TOLD, Problem, Violation, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.serve.field import Field

ENOUGH = 10 * MOST_TOLD
"""After so many violations no further row is looked at."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that may be scored.

    ``numbers`` are the model's, one list for each row. ``sent`` are the values that came, in the order of the fields;
    what could not be read is None. ``flags`` name what was let through or imputed: None, or for each row a text such as
    ``imputed:age,maximum:height`` or None.
    """

    numbers: list[list[float]]
    sent: list[list[Any]]
    flags: list[str | None] | None


def judge(fields: Sequence[Field], rows: Sequence[Any]) -> Judged:
    """Read every value of *rows*.

    Raises Problem 422 with all violations of columns that reject them, 400 for a row that is not an object.
    """
    numbers: list[list[float]] = []
    sent: list[list[Any]] = []
    every: list[str | None] = []
    violations: list[Violation] = []
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Problem(400, f"Row {place} is {_named(row)}; expected an object with a value for each column.")
        judged = _Row(fields, row, place)
        numbers.append(judged.numbers)
        sent.append(judged.sent)
        every.append(",".join(judged.flags) or None)
        violations += judged.violations
        if len(violations) >= ENOUGH:
            break
    if violations:
        raise invalid(violations)
    return Judged(numbers, sent, every if any(every) else None)


class _Row:
    """One row on its way."""

    def __init__(self, fields: Sequence[Field], row: Mapping[str, Any], place: int) -> None:
        self.numbers: list[float] = []
        self.sent: list[Any] = []
        self.flags: list[str] = []
        self.violations: list[Violation] = []
        self._place = place
        for field in fields:
            if field.name in row:
                self._take(field, row[field.name])
            elif field.needed:
                self._absent(field, row, fields)
            else:
                self.sent.append(None)

    def _take(self, field: Field, raw: Any) -> None:
        try:
            value = field.read(raw)
            self.numbers += field.numbers(value)
        except Broken as broken:
            self._broken(field, raw, broken)
        else:
            self.sent.append(value)

    def _absent(self, field: Field, row: Mapping[str, Any], fields: Sequence[Field]) -> None:
        near = nearest(field.name, row.keys() - {each.name for each in fields}, n=1)
        hint = f"; did you mean {near[0]!r} by it" if near else ""
        self._broken(field, None, Broken("missing column", f"{field.name} is not there{hint}"))

    def _broken(self, field: Field, raw: Any, broken: Broken) -> None:
        if field.on_violation == "reject":
            shown = field.shown(raw)
            self.violations.append(Violation(self._place, field.name, broken.rule, shown, str(broken)))
            return
        value, numbers = field.lenient(raw)
        self.sent.append(value)
        if field.on_violation == "impute":
            numbers = field.usual
            self.flags.append(f"imputed:{field.name}")
        else:
            self.flags.append(f"{broken.rule.replace(' ', '_')}:{field.name}")
        self.numbers += numbers


def _named(value: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
