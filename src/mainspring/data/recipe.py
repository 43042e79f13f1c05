"""A declared list of cleaning steps that does the same to every table it is applied to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import InputError, suggestion
from mainspring.data.step import STEPS, Duplicates, Step, as_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one step did: ``changed`` cells (or removed rows), and ``lost`` cells, which could not be read."""

    step: str
    column: str | None
    changed: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Cleaning steps in order. Plain values through and through: equal recipes change equal tables equally."""

    steps: tuple[Step, ...] = ()

    def apply(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[Change, ...]]:
        """The cleaned frame and what each step changed. A step whose column the frame lacks does nothing."""
        changes: list[Change] = []
        mended: dict[
            str, pl.Series
        ] = {}  # put into the frame together: a frame of thousands of columns is slow to change
        for step in self.steps:
            if isinstance(step, Duplicates):
                frame = frame.with_columns(mended.values())
                mended = {}
                kept = _distinct(frame, step)
                changes.append(Change(step=step.name, column=None, changed=frame.height - kept.height))
                frame = kept
            elif step.column in frame.columns:
                name = step.column
                found = step.mend(mended[name] if name in mended else plain_text(frame[name]))
                mended[name] = found.series
                changes.append(Change(step=step.name, column=name, changed=found.changed, lost=found.lost))
        return frame.with_columns(mended.values()), tuple(changes)

    def __add__(self, other: Recipe) -> Recipe:
        """One recipe, then the other."""
        return Recipe((*self.steps, *other.steps))

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return {"version": VERSION, "steps": [as_dict(step) for step in self.steps]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that :meth:`as_dict` wrote. Raises InputError for an unknown step or setting."""
        if values.get("version") != VERSION:
            raise InputError(f"This recipe has version {values.get('version')!r}; this Mainspring reads {VERSION}.")
        return cls(tuple(_step(dict(step)) for step in values.get("steps", ())))


def _step(values: dict[str, Any]) -> Step:
    name = str(values.pop("step", ""))
    if name not in STEPS:
        raise InputError(f"No cleaning step named {name!r}. {suggestion(name, STEPS, kind='step')}")
    known = {field.name for field in fields(STEPS[name])}
    for key in values:
        if key not in known:
            raise InputError(f"The step {name} has no setting {key!r}. {suggestion(key, known, kind='setting')}")
    try:
        return msgspec.convert(values, STEPS[name])
    except msgspec.ValidationError as error:
        raise InputError(f"The step {name} cannot be read: {error}.") from None


def plain_text(series: pl.Series) -> pl.Series:
    """Dictionary-encoded text as plain text; any other column as it is."""
    import polars as pl

    return series.cast(pl.String) if series.dtype in (pl.Categorical, pl.Enum) else series


def _distinct(frame: pl.DataFrame, step: Duplicates) -> pl.DataFrame:
    if any(column not in frame.columns for column in step.columns):
        return frame
    return frame.unique(subset=list(step.columns) or None, keep="first", maintain_order=True)
