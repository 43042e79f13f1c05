"""Proposed contracts: true of the table they come from, parsed back equal, with a reason for every guess."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Contract
from mainspring.contract.render import render
from mainspring.core.errors import InputError
from mainspring.data import check, propose
from mainspring.data.baseline import baseline
from mainspring.data.read import read

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.data.propose import Proposal


@pytest.fixture(scope="module")
def customers() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 1200
    usage = rng.gamma(2, 10, n)
    left = rng.random(n) < 1 / (1 + np.exp(0.12 * usage - 1.5))
    return pl.DataFrame(
        {
            "customer_id": [f"C{i % 400:04d}" for i in range(n)],
            "row": range(n),
            "signup": [dt.date(2023, 1, 1) + dt.timedelta(days=i // 4) for i in range(n)],
            "sex": rng.choice(["f", "m"], n),
            "age": rng.integers(18, 90, n),
            "usage": [None if lost else value for lost, value in zip(rng.random(n) < 0.05, usage, strict=True)],
            "share": rng.random(n),
            "plan": rng.choice(["basic", "plus", "pro"], n),
            "email": [f"user{i}@example.com" for i in range(n)],
            "closed_on": [dt.date(2024, 6, 1) if gone else None for gone in left],
            "note": [None] * n,
            "currency": ["EUR"] * n,
            "churned": np.where(left, "yes", "no"),
        },
        strict=False,
    )


@pytest.fixture(scope="module")
def proposal(customers: pl.DataFrame) -> Proposal:
    return propose(customers, name="churn", target="churned")


def test_task_time_and_entity_are_guessed_with_reasons(proposal: Proposal) -> None:
    project = proposal.contract.project
    assert (project.task, project.time, project.entity, project.positive) == ("binary", "signup", "customer_id", "yes")
    said = "\n".join(proposal.reasons)
    assert "task binary: churned has two values, 'no' and 'yes'" in said
    assert "time signup: guessed, because it holds dates and rises from row to row" in said
    assert "entity customer_id: guessed from its name; 3.0 rows each" in said


def test_columns_that_no_model_should_learn_from_are_ignored(proposal: Proposal) -> None:
    contract = proposal.contract
    ignored = {name for name, column in contract.columns.items() if column.role == "ignore"}
    assert ignored == {"row", "email", "closed_on", "note", "currency"}
    assert set(contract.features) == {"sex", "age", "usage", "share", "plan"}
    assert [leak.columns for leak in proposal.leaks] == [("closed_on",)]
    assert contract.sensitive == ("sex", "age")
    assert contract.personal == ("email",)


def test_types_ranges_nulls_and_categories_are_those_of_the_table_with_slack(proposal: Proposal) -> None:
    columns = proposal.contract.columns
    assert columns["signup"].type == "date"
    assert columns["plan"].categories == ("basic", "plus", "pro")
    assert (columns["share"].minimum, columns["share"].maximum) == (0.0, 1.0)
    assert columns["age"].minimum == 10
    assert columns["age"].maximum == 97
    assert columns["usage"].minimum == 0.0
    assert columns["usage"].nullable
    assert columns["usage"].maximum_null_fraction == pytest.approx(0.08, abs=0.02)
    assert not columns["plan"].nullable
    assert columns["row"].unique


def test_bounds_stand_between_guessing_and_the_best_single_column(customers: pl.DataFrame, proposal: Proposal) -> None:
    must, should, step, fair = proposal.contract.requirements
    floor = baseline(customers, "churned", "binary", proposal.contract.features, time="signup")
    assert floor.column == "usage"
    assert floor.rows == 300
    assert floor.low < floor.value < floor.high
    assert 0.5 < must.bound < should.bound <= floor.low
    assert (must.priority, should.priority) == ("must", "should")
    assert step.below_champion_by_at_most == 0.005
    assert (fair.metric, fair.by, fair.priority) == ("equal_opportunity_difference", "sex", "should")


def test_the_text_is_commented_and_parses_back_equal(proposal: Proposal) -> None:
    text = render(proposal.contract, proposal.comments)
    assert Contract.parse(text).as_dict() == proposal.contract.as_dict()
    assert "# ignored: leaks the target" in text
    assert "# looks personal: e-mail addresses" in text
    assert max(map(len, text.splitlines())) < 200


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=12, max_size=60).filter(lambda values: len(set(values)) > 1),
    st.lists(st.integers(-(10**12), 10**12), min_size=60, max_size=60),
    st.lists(st.sampled_from(["a", "b b", 'c "quoted"', "ü", "", " padded "]), min_size=60, max_size=60),
)
def test_a_table_keeps_the_contract_that_was_proposed_from_it(
    numbers: list[float], whole: list[int], words: list[str]
) -> None:
    n = len(numbers)
    frame = pl.DataFrame({"x": numbers, "n": whole[:n], "w": words[:n], "y": [i % 2 for i in range(n)]})
    found = propose(frame, name="p", target="y")
    result = check(frame, Contract.parse(render(found.contract, found.comments)))
    assert result.passed, [rule for rule in result.rules if rule.failed]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1] * 50, "binary"),
        ([True, False] * 50, "binary"),
        (["a", "b", "c", "d"] * 25, "multiclass"),
        ([1, 2, 3, 4] * 25, "multiclass"),
        ([3, 4, 5, 9] * 25, "regression"),
        ([0.5 * i for i in range(100)], "regression"),
        ([1.0, 2.0, 3.0, 1.0] * 25, "multiclass"),
    ],
)
def test_the_task_follows_from_the_target(values: list[Any], task: str) -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=100), "y": values})
    assert propose(frame, name="p", target="y").contract.project.task == task


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (["no", "yes"], "yes"),
        (["bad", "good"], "bad"),
        (["ham", "spam"], "spam"),
        (["DOWN", "UP"], "UP"),
        ([0, 1], "1"),
    ],
)
def test_the_positive_class_is_the_one_worth_finding(labels: list[Any], positive: str) -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=100), "y": labels * 50})
    assert propose(frame, name="p", target="y").contract.project.positive == positive


def _frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 60
    return pl.DataFrame(
        {
            "x": rng.normal(size=n),
            "when": ["2024-01-05", "05/01/2024"] * 30,
            "gaps": [None, *[float(i) for i in range(n - 1)]],
            "fixed": [1] * n,
            "word": [f"w{i}" for i in rng.integers(0, 9, n)],
            "many": [f"text number {i} is here" for i in range(n)],
            "value": rng.normal(size=n),
            "y": [0, 1] * 30,
        }
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y "}, r"The target column 'Y ' is not in the table\. Did you mean y\?"),
        ({"target": "y", "time": "wen"}, r"The time column 'wen' is not in the table\. Did you mean when\?"),
        ({"target": "y", "time": "y"}, "The time column and the target are both 'y'"),
        ({"target": "y", "time": "gaps"}, "'gaps' is missing in 1 of 60 rows"),
        ({"target": "y", "time": "fixed"}, "'fixed' is the same in every row"),
        ({"target": "y", "time": "word"}, r"'word' holds text that is no date: 'w\d' \(no date, row 1\)"),
        ({"target": "y", "time": "when"}, r"in 2 formats: '2024-01-05' \(%Y-%m-%d, row 1\) and '05/01/2024' \(%d"),
        ({"target": "y", "entity": "z"}, "The entity column 'z' is not in the table"),
        ({"target": "y", "entity": "y"}, "is already the target"),
        ({"target": "value", "task": "binary"}, "'value' has 60 distinct values. Expected two"),
        ({"target": "word", "task": "regression"}, "holds String. Expected numbers for a regression"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_clear_message(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        propose(_frame(), name="p", **options)


def test_a_text_target_with_a_value_for_each_row_is_refused() -> None:
    frame = pl.DataFrame({"x": range(300), "y": [f"text number {i}" for i in range(300)]})
    with pytest.raises(InputError, match="is text with 300 distinct values"):
        propose(frame, name="p", target="y")


def test_nothing_left_to_learn_from_is_said() -> None:
    frame = pl.DataFrame({"id": range(100), "one": [1] * 100, "y": [0, 1] * 50})
    with pytest.raises(InputError, match="No column is left to predict 'y' from"):
        propose(frame, name="p", target="y")


def test_a_lone_date_stays_a_feature_unless_it_was_asked_for_as_the_time() -> None:
    hours = [dt.datetime(2023, 1, 1) + dt.timedelta(hours=i) for i in range(500)]
    frame = pl.DataFrame({"when": hours, "load": [float(hour.hour * 10 + i % 7) for i, hour in enumerate(hours)]})
    found = propose(frame, name="p", target="load")
    assert found.contract.project.time is None
    assert found.contract.features == ("when",)
    (said,) = (reason for reason in found.reasons if reason.startswith("when stays a feature"))
    assert "the only column to learn from. So rows are held out at random" in said
    with pytest.raises(InputError, match="No column is left"):
        propose(frame, name="p", target="load", time="when")


def test_infinities_are_named_and_do_not_make_a_bound() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": [math.inf, *rng.normal(size=199)], "y": [0, 1] * 100})
    found = propose(frame, name="p", target="y")
    assert "with infinite values, which the check reports: x" in found.reasons
    assert abs(float(found.contract.columns["x"].maximum or 0)) < 10


def test_a_category_of_fifty_thousand_levels_lists_none() -> None:
    rng = np.random.default_rng(0)
    codes = [f"c{i}" for i in rng.integers(0, 50_000, 120_000)]
    column = propose({"code": codes, "y": rng.integers(0, 2, 120_000)}, name="p", target="y").contract.columns["code"]
    assert (column.type, column.categories) == ("category", None)


def test_a_bound_is_beyond_guessing_where_no_column_helps() -> None:
    random = np.random.default_rng(1)
    frame = pl.DataFrame({"a": random.normal(size=900), "y": random.integers(0, 30, 900).astype(str)})
    must = propose(frame, name="p", target="y").contract.requirements[0]
    floor = baseline(frame, "y", "multiclass", ["a"])
    assert must.at_least is not None
    assert floor.trivial < must.at_least < floor.trivial + 0.0101

    noise = frame.with_columns(y=pl.Series(random.normal(size=900)))
    must = propose(noise, name="p", target="y").contract.requirements[0]
    assert must.at_most is not None
    assert 0.99 * baseline(noise, "y", "regression", ["a"]).trivial < must.at_most
    assert must.at_most < baseline(noise, "y", "regression", ["a"]).trivial

    coin = frame.with_columns(y=pl.Series(random.integers(0, 2, 900)))
    assert propose(coin, name="p", target="y").contract.requirements[0].at_least == 0.51


def test_groups_too_small_to_be_judged_get_no_fairness_requirement() -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "sex": ["f"] * 960 + ["m"] * 40,
            "a": random.normal(size=1_000),
            "y": random.integers(0, 2, 1_000),
        }
    )
    found = propose(frame, name="p", target="y")
    assert all(requirement.by is None for requirement in found.contract.requirements)
    (said,) = (reason for reason in found.reasons if reason.startswith("no fairness requirement"))
    assert said == "no fairness requirement by sex: fewer than two groups have the 160 rows that a comparison takes"


def test_windows_fit_the_table() -> None:
    rng = np.random.default_rng(0)
    n = 24 * 365
    hours = [dt.datetime(2023, 1, 1) + dt.timedelta(hours=i) for i in range(n)]
    frame = pl.DataFrame({"when": hours, "x": rng.normal(size=n), "y": rng.normal(size=n)})
    assert propose(frame, name="p", target="y").contract.monitor.window == dt.timedelta(days=28)
    assert propose(frame, name="p", target="y", guess_time=False).contract.monitor.window == 350


REAL = {
    "adult.parquet": "income", "bank_marketing.parquet": "y", "bike_sharing_hourly.parquet": "cnt",
    "california_housing.parquet": "median_house_value", "compas_two_years.parquet": "two_year_recid",
    "credit_default_taiwan.parquet": "default_next_month", "credit_german.parquet": "risk", "elec2.parquet": "class",
    "em_amazon_google.parquet": "label", "em_beer.parquet": "label", "em_dblp_acm.parquet": "label",
    "em_fodors_zagats.parquet": "label", "heart_disease.parquet": "disease", "nyc_taxi_sample.parquet": "fare_amount",
    "pjm_hourly_load.parquet": "mw", "sms_spam.parquet": "label", "titanic.parquet": "Survived",
    "wine_quality.parquet": "quality", "kddcup99_10pct.parquet": "label", "adult-raw-test.csv.gz": "column_15",
    "pjm-raw-DEOK.csv.gz": "DEOK_MW", "pjm-raw-DAYTON.csv.gz": "DAYTON_MW",
    "dirty_clean/beers.dirty.csv.gz": "style", "dirty_clean/flights.dirty.csv.gz": "src",
}  # fmt: skip


@pytest.mark.parametrize(("name", "target"), REAL.items())
def test_every_real_table_keeps_the_contract_proposed_from_it(shared_data: Path, name: str, target: str) -> None:
    frame = read(shared_data / name)
    found = propose(frame, name="project", target=target)
    contract = Contract.parse(render(found.contract, found.comments))
    assert contract.as_dict() == found.contract.as_dict()
    result = check(frame, contract)
    assert result.passed, [(rule.column, rule.rule, rule.failed) for rule in result.rules if rule.failed]


def test_a_number_that_tells_the_time_once_more_is_ignored() -> None:
    random = np.random.default_rng(0)
    rows = 400
    frame = pl.DataFrame(
        {
            "day": [dt.date(2024, 1, 1) + dt.timedelta(days=i // 2) for i in range(rows)],
            "elapsed": np.arange(rows) // 2 / 200,
            "year": np.arange(rows) // 200,
            "price": random.normal(size=rows),
            "y": random.integers(0, 2, rows),
        }
    )
    found = propose(frame.sample(rows, shuffle=True, seed=1), name="p", target="y", time="day")
    assert found.contract.features == ("year", "price")
    assert any(reason.startswith("ignored, rises as the time does") for reason in found.reasons)
    assert "elapsed" in propose(frame, name="p", target="y", guess_time=False).contract.features
