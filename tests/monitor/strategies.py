"""Frames of every kind of column, with everything that goes wrong in them."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, 1e308, -1e308, 1e-300]),
    st.floats(-1e6, 1e6, width=32),
)
WHOLE = st.one_of(st.none(), st.integers(-(2**40), 2**40))
WORDS = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "", "é", "1"]), st.text(max_size=3))
DATES = st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
TRUTHS = st.one_of(st.none(), st.booleans())


@st.composite
def frames(draw: st.DrawFn, *, smallest: int = 0) -> pl.DataFrame:
    """A frame of up to forty rows with one column of each kind."""
    rows = draw(st.integers(smallest, 40))

    def column(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    return pl.DataFrame(
        {
            "number": pl.Series(column(NUMBERS), dtype=pl.Float64),
            "whole": pl.Series(column(WHOLE), dtype=pl.Int64),
            "word": pl.Series(column(WORDS), dtype=pl.String),
            "day": pl.Series(column(DATES), dtype=pl.Date),
            "truth": pl.Series(column(TRUTHS), dtype=pl.Boolean),
            "empty": pl.Series([None] * rows, dtype=pl.Null),
            "list": pl.Series([[1]] * rows, dtype=pl.List(pl.Int64)),
        }
    )
