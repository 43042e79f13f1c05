"""Leaks: planted ones are found with a reason, honest tables stay quiet, real tables give what is known about them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.core.errors import InputError
from mainspring.data.leakage import IGNORED_FROM, Leak, by_column, suspects
from mainspring.data.power import binned, folds, gini, power
from mainspring.data.reconstruction import reconstruct
from mainspring.data.target import Truth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _honest(rows: int = 4000, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
    """Five honest columns and a binary outcome that they predict fairly well."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4))
    region = rng.choice(["north", "south", "east"], rows)
    logit = x @ np.array([0.9, 0.7, 0.5, 0.3]) + np.where(region == "north", 0.6, 0.0) - 0.8
    y = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return pl.DataFrame({f"x{i}": x[:, i] for i in range(4)} | {"region": region, "y": y}), y


def _found(frame: pl.DataFrame, target: str = "y", **options: Any) -> Mapping[str, Leak]:
    return by_column(suspects(frame, target, **options))


@pytest.mark.parametrize("seed", range(5))
def test_an_honest_table_has_no_suspects(seed: int) -> None:
    assert suspects(_honest(seed=seed)[0], "y") == []


def test_the_answer_in_another_form_is_found() -> None:
    frame, y = _honest()
    rng = np.random.default_rng(1)
    frame = frame.with_columns(grade=pl.Series(np.where(y == 1, rng.integers(1, 5, len(y)), 0)))
    found = _found(frame)
    assert set(found) == {"grade"}
    assert found["grade"].kind == "copy"
    assert "without error" in found["grade"].reason


def test_a_column_filled_only_after_the_event_is_found_and_so_is_what_hangs_on_it() -> None:
    frame, y = _honest()
    rng = np.random.default_rng(1)
    claimed = (y == 1) | (rng.random(len(y)) < 0.03)
    paid = claimed & (rng.random(len(y)) < 0.2)
    frame = frame.with_columns(
        claim_day=pl.when(pl.Series(claimed)).then(pl.Series(rng.integers(1, 365, len(y)))),
        payment=pl.when(pl.Series(paid)).then(pl.Series(rng.gamma(2, 100, len(y)))),
        has_phone=pl.Series(rng.random(len(y)) < 0.5),
        income=pl.when(pl.Series(rng.random(len(y)) < 0.7)).then(pl.Series(rng.normal(size=len(y)))),
    )
    found = _found(frame)
    assert set(found) == {"claim_day", "payment"}
    assert f"In the {int((~claimed).sum()):,} rows where claim_day is empty, y is never 1" in found["claim_day"].reason
    assert "payment is filled in only in" in found["payment"].reason
    assert "claim_day is filled in" in found["payment"].reason


def test_columns_that_add_up_to_the_target_are_found_whatever_their_weights() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    frame = pl.DataFrame({f"x{i}": rng.normal(size=n) for i in range(6)})
    frame = frame.with_columns(net=pl.Series(rng.gamma(3, 20, n)), tax=pl.Series(rng.gamma(2, 30, n)))
    frame = frame.with_columns(gross=pl.col("net") + 0.5 * pl.col("tax") - 3)
    leak = _found(frame, "gross")["net"]
    assert set(leak.columns) == {"net", "tax"}
    assert leak.kind == "sum"
    assert leak.strength == 1.0
    assert "gross = net + 0.5·tax" in leak.reason


def test_a_sum_that_holds_for_most_rows_only_is_still_found() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    parts = {"a": rng.gamma(3, 20, n), "b": rng.gamma(3, 20, n), "noise": rng.normal(size=n)}
    total = parts["a"] + parts["b"] + np.where(rng.random(n) < 0.25, rng.normal(0, 30, n), 0.0)
    found = reconstruct(list(parts), np.column_stack(list(parts.values())), total)
    assert found is not None
    assert found.columns == ("a", "b")
    assert found.share == pytest.approx(0.75, abs=0.05)


def test_factors_of_the_target_are_found() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    frame = pl.DataFrame({"price": rng.lognormal(2, 1, n), "pieces": rng.integers(1, 50, n), "x": rng.random(n) + 1})
    frame = frame.with_columns(revenue=pl.col("price") * pl.col("pieces"), z=pl.Series(rng.normal(size=n)))
    assert set(_found(frame, "revenue")) == {"price", "pieces"}


def test_a_good_but_honest_regression_is_not_a_sum() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"x{i}": rng.normal(size=3000) for i in range(5)})
    noisy = frame.with_columns(y=pl.sum_horizontal("x0", "x1", "x2") + pl.Series(rng.normal(0, 0.05, 3000)))
    assert suspects(noisy, "y") == []


def _with_call(name: str) -> pl.DataFrame:
    """A column out of all proportion: short calls never succeed."""
    frame, y = _honest(8000)
    rng = np.random.default_rng(2)
    spans = np.where(y == 1, rng.gamma(6, 100, len(y)), rng.gamma(1.2, 200, len(y)))
    weak = frame.select("region", "y", *(pl.col(f"x{i}") + pl.Series(rng.normal(0, 2, len(y))) for i in range(4)))
    return weak.with_columns(pl.Series(name, spans))


def test_a_column_out_of_proportion_with_a_late_name_is_kept_from_the_model() -> None:
    leak = _found(_with_call("duration"))["duration"]
    assert leak.kind == "dominant"
    assert leak.strength >= IGNORED_FROM
    assert "known only afterwards" in leak.reason


def test_without_such_a_name_it_is_reported_but_kept() -> None:
    found = _found(_with_call("quantity"))
    assert found["quantity"].strength < IGNORED_FROM


def test_dates_after_the_time_of_the_row_are_found() -> None:
    frame, y = _honest(2000)
    start = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=i) for i in range(len(y))]
    frame = frame.with_columns(
        asked=pl.Series(start),
        answered=pl.Series(start) + pl.duration(minutes=90),
        born=pl.Series(start) - pl.duration(days=9000),
    )
    assert _found(frame) == {}
    found = _found(frame, time="asked")
    assert set(found) == {"answered"}
    assert "by 90 minutes at the median" in found["answered"].reason


def test_dates_that_are_later_only_with_one_outcome_are_found() -> None:
    frame, y = _honest(3000)
    rng = np.random.default_rng(1)
    start = pl.Series([dt.date(2022, 1, 1) + dt.timedelta(days=int(day)) for day in rng.integers(0, 600, len(y))])
    shift = np.where((y == 1) & (rng.random(len(y)) < 0.6), rng.integers(1, 200, len(y)), -rng.integers(1, 200, len(y)))
    even = rng.integers(-200, 200, len(y))
    frame = frame.with_columns(
        asked=start,
        seen=start + pl.Series([dt.timedelta(days=int(days)) for days in shift]),
        planned=start + pl.Series([dt.timedelta(days=int(days)) for days in even]),
    )
    found = _found(frame, time="asked")
    assert set(found) == {"seen"}
    assert "the share of y = 1 is 1 there against" in found["seen"].reason


def test_rows_that_came_in_because_of_their_outcome_are_noticed() -> None:
    frame, y = _honest(4000)
    days = pl.Series([dt.date(2022, 1, 1) + dt.timedelta(days=i // 10) for i in range(len(y))])
    frame = frame.with_columns(day=days)
    assert suspects(frame, "y", time="day") == []
    ripe = frame.with_columns(y=pl.when(pl.col("day") >= dt.date(2022, 12, 1)).then(0).otherwise(pl.col("y")))
    (leak,) = suspects(ripe, "y", time="day")
    assert leak.kind == "period"
    assert leak.reason.startswith("From 2022-12-")
    assert "y is never 1" in leak.reason
    assert by_column([leak]) == {}


def test_a_rising_row_number_is_no_leak_and_does_not_hide_one() -> None:
    frame = _with_call("duration").sort("y").with_row_index("t")
    assert set(_found(frame, time="t")) == {"duration"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("yy", "The target column 'yy' is not in the table. Did you mean y?"),
        ("constant", "is 7 in all 4,000 filled rows: a constant cannot be learned"),
        ("empty", "has no value in any of its 4,000 rows"),
    ],
)
def test_a_target_that_cannot_be_learned_is_one_clear_message(target: str, message: str) -> None:
    frame = _honest()[0].with_columns(constant=pl.lit(7), empty=pl.lit(None, pl.Float64))
    with pytest.raises(InputError, match=message):
        suspects(frame, target)


def test_power_is_measured_on_rows_that_were_not_fitted_to() -> None:
    rng = np.random.default_rng(0)
    y = pl.Series("y", rng.integers(0, 2, 3000))
    labels = pl.Series("label", [f"v{i}" for i in range(3000)])
    truth, fold = Truth.of(y, "binary"), folds(3000)
    assert abs(power(binned(labels), truth, fold)) < 0.1
    assert abs(power(binned(pl.Series(rng.normal(size=3000))), truth, fold)) < 0.1
    assert power(binned(y), truth, fold) > 0.999


def test_gini_is_that_of_the_roc_curve() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 500).astype(float)
    scores = np.round(rng.normal(size=500) + truth, 1)
    assert gini(truth, scores) == pytest.approx(2 * roc_auc_score(truth, scores) - 1)


REAL: tuple[tuple[str, str, str | None, set[str]], ...] = (
    ("bank_marketing", "y", None, {"duration"}),
    ("bank_marketing", "y", "t", {"duration"}),
    ("bike_sharing_hourly", "cnt", "dteday", {"casual", "registered"}),
    ("heart_disease", "disease", None, {"num"}),
    ("adult", "income", None, set()),
    ("titanic", "Survived", None, set()),
    ("california_housing", "median_house_value", None, set()),
    ("wine_quality", "quality", None, set()),
    ("credit_default_taiwan", "default_next_month", None, set()),
    ("credit_german", "risk", None, set()),
    ("elec2", "class", "t", set()),
    ("sms_spam", "label", None, set()),
    ("pjm_hourly_load", "mw", "datetime", set()),
    ("em_dblp_acm", "label", None, set()),
    (
        "nyc_taxi_sample",
        "fare_amount",
        "tpep_pickup_datetime",
        {"total_amount", "tip_amount", "tolls_amount", "tpep_dropoff_datetime"},
    ),
    (
        "compas_two_years",
        "two_year_recid",
        None,
        {"is_recid", "is_violent_recid", "event", "end"}
        | {
            f"r_{what}"
            for what in ("charge_degree", "days_from_arrest", "offense_date", "charge_desc", "jail_in", "jail_out")
        }
        | {f"vr_{what}" for what in ("charge_degree", "offense_date", "charge_desc")},
    ),
)


def test_the_cut_of_the_compas_table_is_noticed(shared_data: Path) -> None:
    """From April 2014 on only those who were arrested again are in it (Barenstein, arXiv:1906.04711)."""
    frame = pl.read_parquet(shared_data / "compas_two_years.parquet")
    leaks = suspects(frame, "two_year_recid", time="compas_screening_date")
    assert {"in_custody", "out_custody"} <= set(by_column(leaks))
    (span,) = (leak for leak in leaks if leak.kind == "period")
    assert span.reason.startswith("From 2014-0")
    assert "two_year_recid is always 1" in span.reason


@pytest.mark.parametrize(("name", "target", "time", "expected"), REAL, ids=[f"{r[0]}-{r[2]}" for r in REAL])
def test_on_real_tables_the_known_leaks_are_found_and_nothing_else(
    shared_data: Path, name: str, target: str, time: str | None, expected: set[str]
) -> None:
    found = _found(pl.read_parquet(shared_data / f"{name}.parquet"), target, time=time)
    assert set(found) == expected
    assert all(leak.strength >= IGNORED_FROM for leak in found.values())
