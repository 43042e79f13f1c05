"""The predicted column as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, listed, quote
from mainspring.features.encoder import require

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mainspring.contract import Contract

MOST_CLASSES = 200
Label = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Target:
    """The target of the rows that have one.

    ``y``: shape (rows,), the place of the class among ``classes`` (int64), or the number (float64). ``frame`` holds
    the kept rows; ``notes`` say what was left out.
    """

    frame: pl.DataFrame
    y: np.ndarray[Any, Any]
    classes: tuple[Label, ...] | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, frame: pl.DataFrame, contract: Contract) -> Target:
        """Read the contract's target from *frame*.

        Rows whose target is null (or not finite) are left out with a note. Raises InputError where the target is
        missing, all null, constant, of too many classes, or not of the task's kind.
        """
        import polars as pl

        name, task = contract.project.target, contract.project.task
        require([name], frame.columns)
        series = frame[name]
        if task == "regression":
            series = _numbers(series)
            known = series.is_finite().fill_null(value=False)
        else:
            if isinstance(series.dtype, (pl.Categorical, pl.Enum)) or not (
                series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.String, pl.Null)
            ):
                series = series.cast(pl.String)
            known = series.is_not_null() & (series.is_not_nan() if series.dtype.is_float() else True)
        notes: tuple[str, ...] = ()
        lost = len(series) - int(known.sum())
        if lost == len(series):
            raise InputError(f"Target {quote(name)} has no value in {len(series)} rows; there is nothing to learn.")
        if lost:
            frame, series = frame.filter(known), series.filter(known)
            notes = (f"{lost} of {len(known)} rows have no target and were left out",)
        if series.n_unique() < 2:
            raise InputError(
                f"Target {quote(name)} is {quote(series[0])} in all {len(series)} rows; a model needs two "
                "different values to learn from."
            )
        if task == "regression":
            return cls(frame, series.to_numpy(), None, notes)
        classes = _classes(series, contract)
        places = series.replace_strict(list(classes), range(len(classes)), return_dtype=pl.Int64)
        return cls(frame, places.to_numpy(), classes, notes)


def _numbers(series: pl.Series) -> pl.Series:
    import polars as pl

    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        numbers = series.cast(pl.Float64, strict=False) if series.dtype == pl.String else None
        if numbers is None or numbers.null_count() > series.null_count():
            raise InputError(
                f"Target {quote(series.name)} must hold numbers for a regression, got {series.dtype} such as "
                f'{quote(series.drop_nulls().head(1).to_list()[0])}. Clean it, or set task = "classification".'
            )
        return numbers
    return series.cast(pl.Float64)


def _classes(series: pl.Series, contract: Contract) -> tuple[Label, ...]:
    """The labels, sorted; in a binary task the positive one comes last."""
    name, task, positive = contract.project.target, contract.project.task, contract.project.positive
    classes = series.unique().sort().to_list()
    if task == "binary":
        if len(classes) != 2:
            raise InputError(
                f"Target {quote(name)} of a binary task must have two values, got {len(classes)}: "
                f'{listed(map(str, classes))}. Clean it, or set task = "multiclass".'
            )
        if positive is not None:
            texts = [str(label).lower() if isinstance(label, bool) else str(label) for label in classes]
            if positive.lower() not in [text.lower() for text in texts]:
                raise InputError(
                    f"The contract counts {quote(positive)} as positive; target {quote(name)} has {listed(texts)}."
                )
            if texts[0].lower() == positive.lower():
                classes.reverse()
    elif len(classes) > min(MOST_CLASSES, max(2, len(series) // 2)):
        raise InputError(
            f"Target {quote(name)} has {len(classes)} different values in {len(series)} rows, too many for classes. "
            'Set task = "regression" if it is a number.'
        )
    return tuple(classes)
