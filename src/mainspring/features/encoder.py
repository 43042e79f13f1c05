"""A frame as the float32 matrix that every estimator learns from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mainspring.contract import Column
from mainspring.core.errors import InputError, quote, suggestion
from mainspring.features import category, number
from mainspring.features.category import CategoryCodec
from mainspring.features.moment import MomentCodec
from mainspring.features.number import NumberCodec
from mainspring.features.text import TextCodec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl

    from mainspring.contract import ColumnType
    from mainspring.features.output import Output

    Matrix: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

Codec: TypeAlias = NumberCodec | CategoryCodec | MomentCodec | TextCodec
CODECS: dict[str, type[Codec]] = {each.kind: each for each in (NumberCodec, CategoryCodec, MomentCodec, TextCodec)}
TEXT_WORDS = 3.0
"""A text column whose values have fewer words on average is a category, not a text."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """What was learned from the fitted rows about turning a frame into numbers.

    ``columns`` are the needed columns in order, ``outputs`` the columns of the matrix; ``dropped`` maps each column
    that is passed over to the reason. The state is plain JSON (:meth:`as_dict`), never pickle.

    >>> import polars as pl
    >>> encoder = Encoder.fit(pl.DataFrame({"age": [31, None, 50], "sex": ["f", "m", "f"]}), ["age", "sex"])
    >>> encoder.names
    ('age', 'sex')
    >>> encoder.encode_row({"age": 40, "sex": None})
    array([[40.,  1.]], dtype=float32)
    """

    codecs: tuple[Codec, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay the outputs out in the order of the columns."""
        object.__setattr__(self, "outputs", tuple(output for codec in self.codecs for output in codec.outputs))

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        features: Sequence[str],
        types: Mapping[str, ColumnType | Column] | None = None,
    ) -> Encoder:
        """Learn from the rows of *frame* how to encode its *features*.

        *types* declares columns (by type name or contract column); the others are judged by their dtype: numbers and
        truth values as they are, dates by their parts, strings as categories, or as text where most values are
        different and have several words. Columns that cannot inform (all null, constant) are dropped with the reason.
        Raises InputError where a feature is missing or does not hold what was declared.
        """
        require(features, frame.columns)
        codecs: list[Codec] = []
        dropped: dict[str, str] = {}
        for name in features:
            declared = (types or {}).get(name)
            fitted = _fit(frame[name], declared.type if isinstance(declared, Column) else declared)
            if isinstance(fitted, str):
                dropped[name] = fitted
            else:
                codecs.append(fitted)
        return cls(tuple(codecs), dropped)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a frame must have, in order."""
        return tuple(codec.column for codec in self.codecs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the matrix columns."""
        return tuple(output.name for output in self.outputs)

    @property
    def numeric(self) -> tuple[int, ...]:
        """The places of the numeric columns of the matrix."""
        return tuple(place for place, output in enumerate(self.outputs) if output.kind == "numeric")

    @property
    def categorical(self) -> tuple[int, ...]:
        """The places of the columns of the matrix that hold codes."""
        return tuple(place for place, output in enumerate(self.outputs) if output.kind == "categorical")

    def encode(self, frame: pl.DataFrame) -> Matrix:
        """The matrix of *frame*: shape (rows, outputs), float32, C-contiguous.

        Raises InputError where a needed column is missing or holds something else than was learned.
        """
        import numpy as np

        require(self.columns, frame.columns)
        out = np.empty((len(frame), len(self.outputs)), np.float32)
        places: list[int] = []
        expressions: list[pl.Expr] = []
        place = 0
        for codec in self.codecs:
            series = frame[codec.column]
            codec.check(series)
            width = len(codec.outputs)
            if isinstance(codec, TextCodec):
                codec.fill(series, out[:, place : place + width])
            else:
                places.extend(range(place, place + width))
                expressions.extend(codec.expressions(series.dtype))
            place += width
        if expressions:
            table = frame.select(each.alias(str(i)) for i, each in enumerate(expressions))
            if len(places) == place:
                return np.ascontiguousarray(table.to_numpy(), np.float32)
            out[:, places] = table.to_numpy()
        return out

    def encode_row(self, row: Mapping[str, Any]) -> Matrix:
        """The matrix of one row of Python values, shape (1, outputs), without building a frame.

        Gives the same numbers as :meth:`encode`. A key that is absent is an InputError; None is null.
        """
        import numpy as np

        values: list[float] = []
        try:
            for codec in self.codecs:
                values += codec.values(row[codec.column])
        except KeyError:
            require(self.columns, row.keys())
            raise
        return np.array([values], np.float32)

    def encode_columns(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        """The matrix of columns of Python values, all of one length, without building a frame."""
        import numpy as np

        require(self.columns, columns.keys())
        rows = len(columns[self.codecs[0].column]) if self.codecs else 0
        out = np.empty((rows, len(self.outputs)), np.float32)
        place = 0
        for codec in self.codecs:
            width = len(codec.outputs)
            cells = columns[codec.column]
            if len(cells) != rows:
                raise InputError(f"Column {quote(codec.column)} has {len(cells)} values, the first has {rows}.")
            if rows:
                out[:, place : place + width] = [codec.values(cell) for cell in cells]
            place += width
        return out

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values; equal encoders give equal dicts."""
        codecs = [{"kind": codec.kind, **codec.as_dict()} for codec in self.codecs]
        return {"codecs": codecs, "dropped": dict(self.dropped)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Encoder:
        """The encoder of a state made by :meth:`as_dict`. Raises InputError for an unknown kind of codec."""
        codecs = []
        for each in state["codecs"]:
            if each["kind"] not in CODECS:
                raise InputError(f"This encoder needs a newer version: unknown codec {quote(each['kind'])}.")
            codecs.append(CODECS[each["kind"]].from_dict(each))
        return cls(tuple(codecs), dict(state["dropped"]))


def require(needed: Sequence[str], present: Any) -> None:
    """Raise InputError naming the first needed column that is not *present*, and the nearest that is."""
    known = present if isinstance(present, (set, frozenset)) else set(present)
    for name in needed:
        if name not in known:
            raise InputError(f"Column {quote(name)} is needed and missing. {suggestion(name, sorted(known))}")


def _fit(series: pl.Series, declared: ColumnType | None) -> Codec | str:
    """The codec of one column, or the reason why it is dropped."""
    import polars as pl

    dtype = series.dtype
    if dtype == pl.Null or series.null_count() == len(series):
        return "every value is null"
    if not category.accepts(dtype):
        return f"{dtype} is not a kind of feature"
    if declared in {"integer", "number", "boolean"}:
        if not number.accepts(dtype):
            raise InputError(f"Column {quote(series.name)} is declared {declared} and holds {dtype}.")
        return NumberCodec.fit(series, boolean=declared == "boolean")
    if declared in {"date", "datetime"}:
        return MomentCodec.fit(series)
    if declared == "category":
        return CategoryCodec.fit(series)
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Duration, pl.Time):
        return NumberCodec.fit(series)
    if dtype.is_temporal():
        return MomentCodec.fit(series)
    return TextCodec.fit(series) if _is_text(series) else CategoryCodec.fit(series)


def _is_text(series: pl.Series) -> bool:
    """Whether most values of a string column differ and have several words."""
    import polars as pl

    texts = series.cast(pl.String).drop_nulls()
    sample = texts.head(5_000)
    if sample.n_unique() * 2 < len(sample):
        return False
    words = sample.str.count_matches(r"\S+").mean()
    return isinstance(words, float) and words >= TEXT_WORDS
