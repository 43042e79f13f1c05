"""Files read piece by piece are what they are read whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.data import read
from mainspring.serve.batch.table import open_table

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EVERY = {
    "integer": pl.Series([1, None, 3] * 20, dtype=pl.Int16),
    "number": pl.Series([0.5, None, float("nan")] * 20),
    "truth": pl.Series([True, None, False] * 20),
    "text": pl.Series(["a", None, "ü"] * 20),
    "category": pl.Series(["a", None, "b"] * 20, dtype=pl.Categorical),
    "level": pl.Series(["a", None, "b"] * 20, dtype=pl.Enum(["b", "a"])),
    "day": pl.Series([date(2026, 1, 31), None, date(1900, 1, 1)] * 20),
    "moment": pl.Series([datetime(2026, 1, 31, 1, 2, 3, 4), None, datetime(1900, 1, 1)] * 20),
    "zoned": pl.Series([datetime(2026, 1, 31, tzinfo=UTC), None, None] * 20),
    "clock": pl.Series([time(1, 2, 3), None, None] * 20),
    "span": pl.Series([timedelta(seconds=1), None, None] * 20),
    "money": pl.Series([Decimal("1.50"), None, None] * 20, dtype=pl.Decimal(10, 2)),
    "list": pl.Series([[1, 2], None, []] * 20),
    "struct": pl.Series([{"a": 1}, None, {"a": 2}] * 20),
}


def test_every_type_comes_as_the_reader_gives_it(tmp_path: Path) -> None:
    frame = pl.DataFrame(EVERY)
    path = tmp_path / "every.parquet"
    frame.write_parquet(path, row_group_size=17)
    held = open_table(path, path.name)
    pieces = [held.read(at, min(7, 60 - at)) for at in range(0, 60, 7)]
    whole = read(path)
    assert {piece.schema == whole.schema for piece in pieces} == {True}, (pieces[0].schema, whole.schema)
    assert pl.concat(pieces).equals(whole)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 60)), min_size=1, max_size=6), st.integers(1, 120))
def test_pieces_may_be_read_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int]], group: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pl.DataFrame({"x": range(100)}).write_parquet(path, row_group_size=group)
    held = open_table(path, path.name)
    for offset, rows in asked:
        rows = min(rows, 100 - offset)
        assert held.read(offset, rows)["x"].to_list() == list(range(offset, offset + rows))
    held.close()
    assert held.read(3, 2)["x"].to_list() == [3, 4]
