"""Which format is in charge of which type. Names and dotted paths only: nothing is imported to ask what a value is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, StoreError, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.store.formats._base import Format


@dataclass(frozen=True, slots=True)
class Entry:
    """A format: its name in stored values, the classes it takes (dotted paths), and where it lives (``module:object``).

    A value belongs to it when its class or one of its bases has one of the names; with *exact*, its class only.
    """

    type: str
    classes: tuple[str, ...]
    home: str
    exact: bool = False


_FORMATS = "mainspring.store.formats"
_entries: dict[str, Entry] = {}

ENTRIES = (
    Entry("polars.frame", ("polars.dataframe.frame.DataFrame",), f"{_FORMATS}.frame:POLARS", exact=True),
    Entry("polars.series", ("polars.series.series.Series",), f"{_FORMATS}.frame:SERIES", exact=True),
    Entry(
        "pandas.frame",
        ("pandas.DataFrame", "pandas.core.frame.DataFrame", "pandas.Series", "pandas.core.series.Series"),
        f"{_FORMATS}.frame:PANDAS",
        exact=True,
    ),
    Entry("arrow.table", ("pyarrow.lib.Table", "pyarrow.lib.RecordBatch"), f"{_FORMATS}.frame:ARROW", exact=True),
    Entry("numpy.array", ("numpy.ndarray",), f"{_FORMATS}.array:ARRAY", exact=True),
    Entry("numpy.scalar", ("numpy.generic",), f"{_FORMATS}.array:SCALAR"),
    Entry("plotly.figure", ("plotly.basedatatypes.BaseFigure",), f"{_FORMATS}.figure:FIGURE"),
    Entry("path", ("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"), f"{_FORMATS}.path:PATH"),
    Entry("mainspring.model", ("mainspring.train.model.Model",), f"{_FORMATS}.model:MODEL", exact=True),
    Entry(
        "estimator",
        (
            "sklearn.base.BaseEstimator",
            "lightgbm.basic.Booster",
            "mainspring.store.formats.estimator.BoosterEstimator",
        ),
        f"{_FORMATS}.estimator:ESTIMATOR",
    ),
)

RECORDS: dict[str, str] = {
    "Split": "mainspring.data.split:Split",
    "Estimate": "mainspring.core.estimate:Estimate",
    "Predictions": "mainspring.core.predictions:Predictions",
    "Verdict": "mainspring.contract.verdict:Verdict",
    "Figure": "mainspring.report.figure:Figure",
    "Table": "mainspring.report.table:Table",
}
"""Our frozen dataclasses that may be stored, and made again from their fields."""


def register(entry: Entry) -> None:
    """Add a format. A later one of the same type replaces the earlier."""
    _entries[entry.type] = entry
    _by_class.cache_clear()


def register_record(name: str, home: str) -> None:
    """Let the dataclass at *home* (``module:Class``) be stored field by field, under *name*."""
    RECORDS[name] = home


def entry_for(value: object) -> Entry | None:
    """The format in charge of *value*, or None."""
    return _by_class(type(value))  # type: ignore[arg-type]  # a class is hashable, whatever mypy thinks of object


@cache
def _by_class(kind: type) -> Entry | None:
    for position, base in enumerate(kind.__mro__):
        name = f"{base.__module__}.{base.__qualname__}"
        for entry in _entries.values():
            if name in entry.classes and (position == 0 or not entry.exact):
                return entry
    return None


def record_name(value: object) -> str | None:
    """The name under which the class of *value* may be stored field by field, or None."""
    kind = type(value)
    home = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, known in RECORDS.items() if known == home), None)


def format_of(type_name: str) -> Format:
    """The format of a stored type. Raises StoreError where this installation knows none."""
    entry = _entries.get(type_name)
    if entry is None:
        raise StoreError(
            f"This installation has no format for values of type {type_name!r}. Known: {listed(sorted(_entries))}. "
            "They may have been written by a newer Mainspring or need a plugin."
        )
    return _resolve(entry.home)  # type: ignore[no-any-return]  # dotted paths carry no types


def record_class(name: str) -> type[Any]:
    """The dataclass stored under *name*. Raises StoreError for one that is not on our list."""
    if name not in RECORDS:
        raise StoreError(f"Values of the record type {name!r} are not on the list of what may be loaded.")
    return _resolve(RECORDS[name])  # type: ignore[no-any-return]  # dotted paths carry no types


def _resolve(home: str) -> Any:
    module, _, name = home.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"Values of this type need {error.name}, which is not installed: pip install {error.name}"
        ) from error


def _fill(entries: Iterable[Entry]) -> None:
    for entry in entries:
        _entries[entry.type] = entry


_fill(ENTRIES)
