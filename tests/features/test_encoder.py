"""Frames to matrices: what the numbers mean, and that one row, columns and a frame give the same numbers."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainspring.contract import Column
from mainspring.core.errors import InputError
from mainspring.features import Encoder

WORDS = ["ship", "the", "parcel", "today", "free", "prize", "now", "call", "é", "Straße"]

TABLE = pl.DataFrame(
    {
        "age": [31, None, 50, 18, 40, 31],
        "income": [1.5, math.nan, math.inf, -2.0, None, 1e300],
        "member": [True, False, None, True, False, True],
        "city": ["ulm", "bonn", None, "ulm", "bonn", "köln"],
        "since": [date(2026, 1, 1), date(2026, 2, 28), None, date(1970, 1, 1), date(1960, 5, 5), date(2026, 1, 1)],
        "empty": [None] * 6,
        "same": ["x"] * 6,
    },
    schema_overrides={"empty": pl.Float64},
)


def test_a_mixed_table_becomes_one_float32_matrix_and_says_what_it_left_out() -> None:
    encoder = Encoder.fit(TABLE, TABLE.columns)
    matrix = encoder.encode(TABLE)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert matrix.shape == (6, len(encoder.names))
    assert dict(encoder.dropped) == {"empty": "every value is null", "same": "every value is the same"}
    parts = ("since.days", "since.month", "since.day", "since.weekday")
    assert encoder.names == ("age", "income", "member", "city", *parts)
    assert [encoder.names[place] for place in encoder.categorical] == ["city"]
    assert matrix[:, 0].tolist()[0] == 31
    assert np.isnan(matrix[1, 0])


def test_infinities_and_overflows_become_the_extremes_that_were_seen() -> None:
    encoder = Encoder.fit(TABLE, ["income"])
    assert encoder.encode(pl.DataFrame({"income": [math.inf, -math.inf, 1e300, None]}))[:, 0].tolist()[:3] == [
        1.5,
        -2.0,
        1.5,
    ]


def test_codes_are_ranks_by_frequency_with_places_for_null_and_for_the_unseen() -> None:
    encoder = Encoder.fit(TABLE, ["city"])
    codes = encoder.encode(pl.DataFrame({"city": ["bonn", "ulm", None, "köln", "nowhere"]}))[:, 0].tolist()
    assert codes == [2, 3, 1, 0, 0]  # köln was seen once: too rare for a code of its own
    assert encoder.outputs[0].levels == 4


def test_a_number_declared_a_category_is_the_same_level_as_integer_float_and_text() -> None:
    encoder = Encoder.fit(pl.DataFrame({"sex": [1, 2, 2, 1, 2]}), ["sex"], {"sex": "category"})
    for values in ([1, 2], [1.0, 2.0], ["1", "2"]):
        assert encoder.encode(pl.DataFrame({"sex": values}))[:, 0].tolist() == [3, 2]
    assert encoder.encode_row({"sex": 1.0}).tolist() == [[3]]


def test_a_category_with_fifty_thousand_levels_keeps_the_frequent_ones() -> None:
    values = [f"id{i}" for i in range(50_000)] + ["often"] * 500 + ["seldom"] * 60
    encoder = Encoder.fit(pl.DataFrame({"id": values}), ["id"])
    assert encoder.codecs[0].as_dict()["levels"] == ["often", "seldom"]
    unique = pl.DataFrame({"id": [f"id{i}" for i in range(1_000)]})
    assert "none of its 1000 levels" in Encoder.fit(unique, ["id"]).dropped["id"]


def test_dates_keep_the_parts_that_vary_and_texts_are_read_as_dates_where_declared() -> None:
    frame = pl.DataFrame({"at": [datetime(2026, 3, 1, 6), datetime(2026, 3, 1, 18, 30)]})
    encoder = Encoder.fit(frame, ["at"])
    assert encoder.names == ("at.days", "at.hour")
    assert encoder.encode(frame)[:, 1].tolist() == [6, 18.5]
    texts = pl.DataFrame({"at": ["2026-03-01T06:00:00", "2026-03-01 18:30"]})
    declared = Encoder.fit(texts, ["at"], {"at": Column(name="at", type="datetime")})
    assert np.array_equal(declared.encode(texts), encoder.encode(frame))
    with pytest.raises(InputError, match=r"'at' must hold dates like 2026-01-31.*got 'soon' in 1 of 2"):
        encoder.encode(pl.DataFrame({"at": ["soon", "2026-03-01"]}))


def test_parts_are_read_in_the_zone_of_the_fitted_column() -> None:
    utc = pl.DataFrame({"at": [datetime(2026, 7, 1, 23, tzinfo=UTC), datetime(2026, 7, 3, 1, tzinfo=UTC)]})
    berlin = utc.select(pl.col("at").dt.convert_time_zone("Europe/Berlin"))
    encoder = Encoder.fit(berlin, ["at"])
    hour = encoder.names.index("at.hour")
    assert encoder.encode(berlin)[0, hour] == encoder.encode(utc)[0, hour] == 1
    assert encoder.encode_row({"at": datetime(2026, 7, 1, 23, tzinfo=UTC)})[0, hour] == 1


def test_text_becomes_shape_and_words() -> None:
    texts = [" ".join(WORDS[(i + j) % 8] for j in range(1 + i % 5)) + f" no {i}" for i in range(60)]
    encoder = Encoder.fit(pl.DataFrame({"sms": texts}), ["sms"])
    assert encoder.names[:4] == ("sms.length", "sms.words", "sms.digits", "sms.capitals")
    assert "sms.word free" in encoder.names
    assert "sms.word no" not in encoder.names  # in every row: it tells nothing
    column = encoder.names.index("sms.word free")
    twice, once, none = encoder.encode(pl.DataFrame({"sms": ["FREE free", "a free one", "nothing"]}))[:, column]
    assert twice > once > none == 0
    assert twice / once == pytest.approx(math.log1p(2) / math.log1p(1))


def test_a_missing_column_is_named_with_its_nearest() -> None:
    encoder = Encoder.fit(TABLE, ["age", "city"])
    with pytest.raises(InputError, match=r"Column 'city' is needed and missing. Did you mean City?"):
        encoder.encode(TABLE.rename({"city": "City"}))
    with pytest.raises(InputError, match="Column 'age' is needed and missing"):
        encoder.encode_row({"city": "ulm"})


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("age", ["old", "12"], "'age' must hold a number, got 'old' in 1 of 2 rows"),
        ("age", [date(2026, 1, 1)] * 2, "'age' must hold numbers, got Date"),
        ("since", [1, 2], "'since' must hold dates, got Int64"),
        ("city", [["a"], ["b"]], "'city' must hold categories, got List"),
    ],
)
def test_the_wrong_type_is_refused_with_an_example(column: str, values: list[Any], message: str) -> None:
    encoder = Encoder.fit(TABLE, [column])
    with pytest.raises(InputError, match=message):
        encoder.encode(pl.DataFrame({column: values}))


def test_a_declared_number_that_is_not_one_is_refused_when_fitted() -> None:
    with pytest.raises(InputError, match="declare it as a category"):
        Encoder.fit(TABLE, ["city"], {"city": "number"})


def test_two_thousand_columns_and_no_rows() -> None:
    wide = pl.DataFrame({f"c{i}": [float(i), i + 1.0, None] for i in range(2_000)})
    encoder = Encoder.fit(wide, wide.columns)
    assert encoder.encode(wide).shape == (3, 2_000)
    assert encoder.encode(wide.head(0)).shape == (0, 2_000)
    assert Encoder.fit(wide, []).encode(wide).shape == (3, 0)


numbers = st.none() | st.floats(width=64) | st.floats(width=32, allow_nan=False)
texts = st.none() | st.sampled_from(["ulm", "bonn", "", " ulm", "Ulm", "köln"]) | st.text(max_size=5)
sentences = st.none() | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join) | st.text(max_size=30)
naive = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
spans = st.none() | st.timedeltas(timedelta(-1000), timedelta(1000))
rows = st.fixed_dictionaries(
    {
        "number": numbers,
        "integer": st.none() | st.integers(-(2**62), 2**62),
        "flag": st.none() | st.booleans(),
        "level": texts,
        "grade": st.none() | st.sampled_from([0.1, 1.0, 2.0, 1e-7, 1e17, math.nan, math.inf]),
        "sms": sentences,
        "at": naive,
        "took": spans,
    }
)
SCHEMA: dict[str, Any] = {
    "number": pl.Float64,
    "integer": pl.Int64,
    "flag": pl.Boolean,
    "level": pl.String,
    "grade": pl.Float64,
    "sms": pl.String,
    "at": pl.Datetime("us"),
    "took": pl.Duration("us"),
}


def learned() -> Encoder:
    """An encoder of every kind of column."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "number": random.normal(size=60).tolist(),
            "integer": random.integers(-9, 9, 60).tolist(),
            "flag": [i % 3 == 0 for i in range(60)],
            "level": [["ulm", "bonn", "", "köln"][i % 4] for i in range(60)],
            "grade": [[0.1, 1.0, 2.0, 1e-7, 1e17][i % 5] for i in range(60)],
            "sms": [" ".join(WORDS[(i + j) % 10] for j in range(4)) + f" {i}" for i in range(60)],
            "at": [datetime(2026, 1, 1) + timedelta(hours=31 * i) for i in range(60)],
            "took": [timedelta(seconds=i) for i in range(60)],
        },
        schema=SCHEMA,
    )
    return Encoder.fit(frame, list(SCHEMA), {"grade": "category"})


LEARNED = learned()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=1, max_size=4))
def test_rows_columns_and_frames_are_encoded_alike(rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    whole = LEARNED.encode(frame)
    assert not np.isinf(whole).any()
    one_by_one = np.vstack([LEARNED.encode_row(row) for row in rows])
    assert np.array_equal(whole, one_by_one, equal_nan=True)
    assert np.array_equal(whole, LEARNED.encode_columns(frame.to_dict(as_series=False)), equal_nan=True)
    for place in LEARNED.categorical:
        assert set(whole[:, place]) <= set(range(LEARNED.outputs[place].levels))


@given(st.lists(rows, min_size=8, max_size=20))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
def test_the_state_survives_json_whatever_was_fitted(rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    encoder = Encoder.fit(frame, list(SCHEMA))
    again = Encoder.from_dict(json.loads(json.dumps(encoder.as_dict())))
    assert again == encoder
    assert again.outputs == encoder.outputs
    assert np.array_equal(again.encode(frame), encoder.encode(frame), equal_nan=True)
    assert set(encoder.columns) | set(encoder.dropped) == set(SCHEMA)


def test_one_row_costs_microseconds() -> None:
    """Serving encodes one row at a time; a frame for each would cost a hundred times as much."""
    import timeit

    frame = pl.DataFrame({f"n{i}": [0.5, 1.5] for i in range(12)} | {f"c{i}": ["a", "b"] * 1 for i in range(4)})
    frame = pl.concat([frame] * 10)
    encoder = Encoder.fit(frame, frame.columns)
    row = frame.row(0, named=True)
    alone = min(timeit.repeat(lambda: encoder.encode_row(row), number=200, repeat=5)) / 200
    framed = min(timeit.repeat(lambda: encoder.encode(pl.DataFrame([row])), number=5, repeat=5)) / 5
    assert alone * 10 < framed
