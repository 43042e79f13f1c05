"""The time column: what is read as time, and one clear message for what is not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from mainspring.core.errors import InputError
from mainspring.operate.moment import moments


def read(values: list[Any] | pl.Series) -> Any:
    return moments(pl.DataFrame({"t": values}), "t")


def test_any_number_is_time() -> None:
    found = read([3, 1, 2])
    assert (found.kind, found.dated, found.text(0)) == ("number", False, 3)
    assert read([0.5, 1.0]).text(0) == 0.5
    # a number has no date; a clock still has to rise with the rows
    assert found.clock(1) > found.clock(0)


def test_dates_and_times() -> None:
    assert read([date(2026, 1, 2), date(2026, 1, 3)]).text(0) == "2026-01-02"
    aware = read([datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)])
    assert aware.clock(0) == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert "UTC" in aware.note


@pytest.mark.parametrize(
    ("texts", "second"),
    [
        (["2026-01-02", "2026-01-03"], "2026-01-03"),
        (["31-12-2012 01:00", "01-01-2013 02:00"], "2013-01-01T02:00:00"),
        (["12/31/2012", "01/02/2013"], "2013-01-02"),
        (["2026-01-02T10:00:00Z", "2026-01-02T11:00:00Z"], "2026-01-02T11:00:00"),
        (["10", "20"], 20),
    ],
)
def test_text_of_one_format_is_time(texts: list[str], second: Any) -> None:
    found = read(texts)
    assert found.text(1) == second
    assert found.note


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["2026-01-02", "03/01/2026"],
            r"dates in 2 formats: '2026-01-02' \(%Y-%m-%d, row 1\) and '03/01/2026' \(%d/%m/%Y, row 2\)",
        ),
        (["2026-01-02", "soon"], r"text that is no date: .*'soon' \(no date, row 2\)"),
        (
            ["2026-01-02T10:00:00+01:00", "2026-01-02T10:00:00+02:00"],
            r"times of 2 offsets from UTC: .*\(row 1\) and .*\(row 2\).*with the same offset",
        ),
        (["2026-02-30", "2026-02-31"], "no date"),
        (["03/04/2026", "01/06/2026", "02/05/2026"], "may begin with the day or the month"),
        (["31/01/2026", "01/31/2026"], "dates in 2 formats"),
        ([1, None, 3], "missing .or not finite. in 1 of 3 rows"),
        ([1.0, float("inf")], "missing .or not finite. in 1 of 2 rows"),
        ([5, 5, 5], "the same in every row and orders nothing"),
        ([[1], [2]], "Expected dates, numbers"),
    ],
)
def test_what_orders_nothing_is_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(values)


def test_a_missing_time_column_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'dat' is not in the table. Did you mean date"):
        moments(pl.DataFrame({"date": [1, 2]}), "dat")
