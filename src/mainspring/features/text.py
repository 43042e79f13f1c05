"""Free text as its shape and its frequent words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring.core.errors import InputError, quote
from mainspring.features.output import Output

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SHAPE = ("length", "words", "digits", "capitals")
"""Characters; words; the share of digits and of ASCII capitals among the characters."""
WORD = r"[\p{L}\p{N}]+|[!?$£€%]"
ASCII_WORD = re.compile(r"[a-z0-9]+|[!?$%]")
MOST_WORDS = 400
MOST_CELLS = 40_000_000
"""A text column takes at most so many cells of the matrix (160 MB)."""


@dataclass(frozen=True, slots=True)
class TextCodec:
    """A text as four numbers of shape and, for each word of a vocabulary, log(1 + count) · idf.

    The vocabulary is the words that most rows hold (at least five), idf is log(rows / rows with the word); see Salton
    and Buckley, Term-weighting approaches in automatic text retrieval, 1988. Case does not count; null is empty.
    """

    kind: ClassVar[str] = "text"
    column: str
    words: tuple[str, ...]
    weights: tuple[float, ...]
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the vocabulary."""
        object.__setattr__(self, "_places", {word: place for place, word in enumerate(self.words)})

    @classmethod
    def fit(cls, series: pl.Series) -> TextCodec | str:
        """Learn the vocabulary of *series*. A text says why the column is of no use."""
        import polars as pl

        rows = len(series)
        if series.null_count() == rows:
            return "every value is null"
        most = max(16, min(MOST_WORDS, MOST_CELLS // max(rows, 1)))
        found = (
            _tokens(series)
            .unique()
            .group_by("word")
            .len("rows")
            .filter((pl.col("rows") >= 5) & (pl.col("rows") < rows))
            .sort(["rows", "word"], descending=[True, False])
            .head(most)
        )
        weights = tuple(math.log(rows / count) for count in found["rows"].to_list())
        return cls(series.name, tuple(found["word"].to_list()), weights)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The four numbers of shape, then one column for each word."""
        names = (*SHAPE, *(f"word {word}" for word in self.words))
        return tuple(Output(f"{self.column}.{name}", self.column, "numeric") for name in names)

    def fill(self, series: pl.Series, out: np.ndarray[Any, Any]) -> None:
        """Write the encoded *series* into *out*, shape (rows, outputs)."""
        import numpy as np
        import polars as pl

        text = series.cast(pl.String).fill_null("").alias("text")
        length = pl.col("text").str.len_chars()
        share = pl.when(length > 0).then(length).otherwise(1)
        shape = text.to_frame().select(
            length.alias("length"),
            pl.col("text").str.to_lowercase().str.count_matches(WORD).alias("words"),
            (pl.col("text").str.count_matches("[0-9]") / share).alias("digits"),
            (pl.col("text").str.count_matches("[A-Z]") / share).alias("capitals"),
        )
        out[:, : len(SHAPE)] = shape.select(pl.all().cast(pl.Float32)).to_numpy()
        out[:, len(SHAPE) :] = 0
        places = pl.DataFrame(
            {"word": self.words, "place": range(len(self.words))}, schema={"word": pl.String, "place": pl.Int64}
        )
        hits = _tokens(series).join(places, on="word").group_by("row", "place").len("count")
        if len(hits):
            weights = np.asarray(self.weights)
            place = hits["place"].to_numpy()
            out[hits["row"].to_numpy(), len(SHAPE) + place] = np.log1p(hits["count"].to_numpy()) * weights[place]

    def check(self, series: pl.Series) -> None:
        """Raise InputError where *series* holds no text."""
        import polars as pl

        if series.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
            raise InputError(f"Column {quote(self.column)} must hold text, got {series.dtype}.")

    def values(self, value: Any) -> tuple[float, ...]:
        """Encode one value."""
        text = "" if value is None else str(value)
        if not text.isascii():  # Unicode tables of Python and of the columnar engine differ: let one decide
            return self._by_frame(text)
        found = ASCII_WORD.findall(text.lower())
        length = len(text) or 1
        counts = [0] * len(self.words)
        for word in found:
            if (place := self._places.get(word)) is not None:
                counts[place] += 1
        return (
            float(len(text)),
            float(len(found)),
            sum(map(text.count, "0123456789")) / length,
            sum("A" <= letter <= "Z" for letter in text) / length,
            *(math.log1p(count) * weight if count else 0.0 for count, weight in zip(counts, self.weights, strict=True)),
        )

    def _by_frame(self, text: str) -> tuple[float, ...]:
        import numpy as np
        import polars as pl

        out = np.empty((1, len(SHAPE) + len(self.words)), np.float32)
        self.fill(pl.Series(self.column, [text]), out)
        return tuple(out[0].tolist())

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {"column": self.column, "words": list(self.words), "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> TextCodec:
        """The codec of a state made by :meth:`as_dict`."""
        return cls(state["column"], tuple(state["words"]), tuple(state["weights"]))


def _tokens(series: pl.Series) -> pl.DataFrame:
    """Every word of every row: columns ``row`` and ``word``."""
    import polars as pl

    words = pl.col("text").str.to_lowercase().str.extract_all(WORD).alias("word")
    table = series.cast(pl.String).alias("text").to_frame().with_row_index("row").select("row", words)
    return table.explode("word").drop_nulls("word")
