"""One declared column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ColumnType: TypeAlias = Literal["integer", "number", "category", "boolean", "text", "datetime", "date"]
Role: TypeAlias = Literal["feature", "ignore"]
OnViolation: TypeAlias = Literal["reject", "flag", "impute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column must look like. A bound of None is not checked; bounds include their ends.

    ``minimum`` and ``maximum`` are numbers (or ISO 8601 texts for dates). ``maximum_null_fraction`` is a share in
    [0, 1]; with ``nullable`` false no null is allowed at all. ``categories`` lists every allowed value (category and
    text columns). ``pattern`` is a regular expression that the whole value must match. ``unit`` is documentation
    and lets ``clean`` convert. ``personal`` columns are masked in logs and erased on request; ``sensitive`` columns
    define the groups of fairness requirements. A column with role ``ignore`` is checked but is not a feature; the
    target, time and entity columns of the project are never features.

    ``on_violation`` is what an endpoint does with a value that breaks a rule: ``reject`` answers 422; ``flag`` lets it
    through (as missing, where it cannot be read) and marks the prediction; ``impute`` puts the column's usual value in
    its place and marks the prediction.
    """

    name: str
    type: ColumnType
    minimum: float | str | None = None
    maximum: float | str | None = None
    nullable: bool = True
    maximum_null_fraction: float | None = None
    categories: tuple[str, ...] | None = None
    unique: bool = False
    pattern: str | None = None
    role: Role = "feature"
    personal: bool = False
    sensitive: bool = False
    unit: str | None = None
    description: str | None = None
    on_violation: OnViolation = "reject"
