"""Whole profiles: what they hold, bad tables, and every real table."""

from __future__ import annotations

import datetime as dt
import json
import math
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mainspring.core.errors import InputError, NotFound
from mainspring.data import profile
from mainspring.data.profile_page import page
from mainspring.data.read import read

if TYPE_CHECKING:
    from pathlib import Path

TABLES = (
    "adult.parquet", "bank_marketing.parquet", "bike_sharing_hourly.parquet", "california_housing.parquet",
    "compas_two_years.parquet", "credit_default_taiwan.parquet", "credit_german.parquet", "elec2.parquet",
    "em_amazon_google.parquet", "em_beer.parquet", "em_dblp_acm.parquet", "em_fodors_zagats.parquet",
    "heart_disease.parquet", "nyc_taxi_sample.parquet", "pjm_hourly_load.parquet", "sms_spam.parquet",
    "titanic.parquet", "wine_quality.parquet", "kddcup99_10pct.parquet", "adult-raw-test.csv.gz",
    "pjm-raw-DEOK.csv.gz", "pjm-raw-DAYTON.csv.gz", "dirty_clean/beers.dirty.csv.gz",
    "dirty_clean/flights.dirty.csv.gz",
)  # fmt: skip


@pytest.fixture(scope="module")
def people() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 500
    bought = rng.random(n) < 0.4
    return pl.DataFrame(
        {
            "customer_id": range(1000, 1000 + n),
            "email": [f"user{i}@example.com" for i in range(n)],
            "spent": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 50, n)),
            "town": rng.choice(["Bern", "Basel", "Genf"], n),
            "refund_day": [int(d) if b else None for d, b in zip(rng.integers(1, 99, n), bought, strict=True)],
            "bought": bought,
        }
    )


def test_a_profile_says_what_is_there(people: pl.DataFrame) -> None:
    found = profile(people, target="bought")
    assert (found.rows, found.task, found.duplicates) == (500, "binary", 0)
    assert found["spent"].nulls == people["spent"].is_nan().sum()
    assert [leak.columns for leak in found.leaks] == [("refund_day",)]
    assert found.personal == {"email": "e-mail addresses"}
    with pytest.raises(NotFound, match="Did you mean town"):
        found["twon"]


def test_it_is_one_json_object_with_the_fixed_keys(people: pl.DataFrame) -> None:
    plain = json.loads(msgspec.json.encode(profile(people, target="bought").as_dict()))
    assert {"rows", "columns", "leaks", "outliers"} <= set(plain)
    assert [column["name"] for column in plain["columns"]] == people.columns
    spent = plain["columns"][2]
    assert spent["type"] == "number"
    assert sum(spent["histogram"]["counts"]) == 500 - spent["nulls"]
    assert plain["leaks"][0]["columns"] == ["refund_day"]


def test_values_of_personal_columns_are_shown_nowhere(people: pl.DataFrame) -> None:
    found = profile(people, target="bought")
    assert "example.com" not in json.dumps(found.as_dict())
    assert "example.com" not in page(found)
    assert "personal: values hidden" in page(found)


def test_pandas_and_arrow_give_the_same_profile(people: pl.DataFrame) -> None:
    plain = people.drop("refund_day")
    expected = profile(plain).as_dict()
    arrow = profile(pa.table(plain.to_arrow())).as_dict()
    assert arrow == expected
    by_pandas = profile(plain.to_pandas()).as_dict()
    assert by_pandas["columns"][2] == expected["columns"][2]
    assert by_pandas["associations"]["pairs"] == expected["associations"]["pairs"]
    assert isinstance(plain.to_pandas(), pd.DataFrame)


def test_repeated_rows_are_counted() -> None:
    frame = pl.DataFrame({"a": [1, 1, 2, 1], "b": ["x", "x", "x", None]})
    assert profile(frame).duplicates == 1


def test_the_page_opens_offline_and_escapes_what_comes_from_outside() -> None:
    frame = pl.DataFrame({"<script>alert(1)</script>": ["<img src=x onerror=alert(2)>", "b"] * 30, "x": range(60)})
    html = page(profile(frame), title="a <b> title")
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html
    assert "a &lt;b&gt; title" in html


def test_the_page_says_first_what_leaks(people: pl.DataFrame) -> None:
    html = page(profile(people, target="bought"))
    assert html.index("refund_day looks as if it knew bought") < html.index("What goes together")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame(), "The table has no columns"),
        (pl.DataFrame({"a": [], "b": []}), "2 columns .* but no rows"),
        ([1, 2], "Expected a table"),
    ],
)
def test_what_is_no_table_is_one_clear_message(frame: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        profile(frame)


def test_an_unknown_time_column_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"The time column 'dya' is not in the table\. Did you mean day"):
        profile({"day": [1, 2, 3]}, time="dya")


def test_odd_columns_are_profiled_without_falling_over() -> None:
    frame = pl.DataFrame(
        {
            "infinite": [math.inf, -math.inf, 1.0, 2.0] * 10,
            "nothing": pl.Series([None] * 40, dtype=pl.String),
            "null type": pl.Series([None] * 40),
            "lists": [[1], [2, 3]] * 20,
            "structs": [{"a": 1}] * 40,
            "bytes": [b"x", b"y"] * 20,
            "mixed": ["1", "2", "three", "4"] * 10,
            "huge": [1e308, -1e308] * 20,
            "tiny": [5e-324, 0.0] * 20,
            "category": pl.Series(["a", "b"] * 20, dtype=pl.Categorical),
            "decimal": pl.Series([1, 2] * 20).cast(pl.Decimal(10, 2)),
            "zoned": pl.Series([dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(40)]),
            "": [1, 2, 3, 4] * 10,
        }
    )  # fmt: skip
    found = profile(frame)
    assert found["infinite"].infinite == 20
    assert found["null type"].empty
    assert found["mixed"].notes == ("mixed: 75% of the values are numbers, the others are words",)
    assert found["zoned"].type == "datetime"
    assert len(page(found)) > 10_000


def test_two_thousand_columns_stay_fast() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"c{i}": rng.normal(size=500) for i in range(2000)} | {"y": rng.integers(0, 2, 500)})
    start = time.perf_counter()
    found = profile(frame, target="y")
    html = page(found)
    assert time.perf_counter() - start < 15  # about 2 s on an idle core
    assert found.leaks == ()
    assert len(found.associations.left_out) > 1900
    assert len(html) < 4_000_000


def test_a_category_of_fifty_thousand_levels() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"code": [f"c{i}" for i in rng.integers(0, 50_000, 120_000)], "y": rng.integers(0, 2, 120_000)}
    )
    found = profile(frame, target="y")
    assert found["code"].type == "category"
    assert found["code"].distinct > 40_000
    assert found.leaks == ()


@pytest.mark.parametrize("name", TABLES)
def test_every_real_table_is_profiled(shared_data: Path, name: str) -> None:
    found = profile(read(shared_data / name))
    assert found.rows > 100
    assert msgspec.json.encode(found.as_dict())
    assert "</html>" in page(found)
