"""Cleaning: declared, counted, and the same again on new data."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.contract import Column, Contract, ProjectSection
from mainspring.core.errors import InputError
from mainspring.data import check, clean, read
from mainspring.data.clean import clean_with_report, derive
from mainspring.data.recipe import Recipe
from mainspring.data.step import Dates, Duplicates, Outliers
from mainspring.data.unit import conversions

if TYPE_CHECKING:
    from pathlib import Path


def contract(*columns: Column, target: str = "y") -> Contract:
    section = ProjectSection(name="p", task="binary", target=target)
    return Contract(project=section, columns={column.name: column for column in columns})


def cleaned(values: list[Any], **declared: Any) -> list[Any]:
    return clean(pl.DataFrame({"v": values}, strict=False), contract(Column(name="v", **declared)))["v"].to_list()


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        (["12", " 3 ", "N/A", "junk"], {"type": "integer"}, [12, 3, None, None]),
        (["9007199254740993", "1.0"], {"type": "integer"}, [9007199254740993, 1]),  # more than a float holds
        ([1.0, 2.5, None], {"type": "integer"}, [1, None, None]),
        (["$1,234.50", "(7)", "€ 3"], {"type": "number"}, [1234.5, -7.0, 3.0]),
        (["1.234,50", "2,25", "7"], {"type": "number"}, [1234.5, 2.25, 7.0]),
        (["500 g", "1.5 kg", "2", "3 lb."], {"type": "number", "unit": "kg"}, [0.5, 1.5, 2.0, 1.36077711]),
        (["12 oz. can", "3 parsecs"], {"type": "number", "unit": "oz"}, [12.0, None]),
        (["212 °F", "100 c"], {"type": "number", "unit": "celsius"}, [100.0, 100.0]),
        (["5%", "0.5"], {"type": "number", "unit": "%"}, [5.0, 0.5]),
        (["Yes", "n", "1", "maybe", None], {"type": "boolean"}, [True, False, True, None, None]),
        ([1, 0], {"type": "boolean"}, [True, False]),
        (["a_b ", "A-B", "a  b", "?", "c"], {"type": "category", "categories": ("A B",)}, ["A B"] * 3 + [None, "c"]),
        (["<=50K.", " >50K"], {"type": "category", "categories": ("<=50K", ">50K")}, ["<=50K", ">50K"]),
        (["?", "NA"], {"type": "category", "categories": ("NA", "EU")}, [None, "NA"]),  # a declared value is no null
        ([1.0, 2.0], {"type": "category", "categories": ("1", "2")}, ["1", "2"]),
        (["1.0", "10"], {"type": "category", "categories": ("10",)}, ["1.0", "10"]),  # dots within count
        ([" a  b "], {"type": "text"}, ["a  b"]),
        (["31/01/2026", "2026-02-01"], {"type": "date"}, [date(2026, 1, 31), date(2026, 2, 1)]),
        ([20260131], {"type": "date"}, [date(2026, 1, 31)]),
        ([5.0, -1.0, float("inf"), 99.0], {"type": "number", "minimum": 0.0, "maximum": 9.0}, [5.0, None, None, None]),
    ],
)  # fmt: skip
def test_values_become_what_is_declared(values: list[Any], declared: dict[str, Any], expected: list[Any]) -> None:
    assert cleaned(values, **declared) == pytest.approx(expected)


def test_moments_with_and_without_offsets_are_in_utc() -> None:
    found = cleaned(["2026-01-31T10:00:00+02:00", "2026-01-31 10:00"], type="datetime")
    assert found == [datetime(2026, 1, 31, 8, tzinfo=UTC), datetime(2026, 1, 31, 10, tzinfo=UTC)]


def test_two_date_formats_in_one_column_are_both_read() -> None:
    frame = pl.DataFrame({"v": ["05/04/2026", "31/01/2026", "2026-02-01", "oops", None]})
    result = clean_with_report(frame, contract(Column(name="v", type="datetime")))
    assert result.frame["v"].dt.date().to_list() == [date(2026, 4, 5), date(2026, 1, 31), date(2026, 2, 1), None, None]
    dates = next(change for change in result.changes if change.step == "dates")
    assert (dates.changed, dates.lost) == (3, 1)


def test_day_and_month_that_cannot_be_told_apart_are_not_guessed() -> None:
    frame = pl.DataFrame({"v": ["05/04/2026", "03/02/2026", "07/08/2026"]})
    with pytest.raises(InputError, match="may begin with the day or the month"):
        clean(frame, contract(Column(name="v", type="date")))
    told = Recipe((Dates(column="v", type="date", formats=("%d/%m/%Y",)),))
    assert clean(frame, told)["v"][0] == date(2026, 4, 5)


def test_target_and_required_columns_keep_outliers_for_the_check() -> None:
    declared = contract(
        Column(name="y", type="number", minimum=0.0),
        Column(name="needed", type="number", minimum=0.0, nullable=False),
        target="y",
    )
    frame = pl.DataFrame({"y": [-1.0], "needed": [-2.0]})
    assert clean(frame, declared).row(0) == (-1.0, -2.0)
    assert not check(clean(frame, declared), declared).passed


def test_complete_copies_go_only_where_a_key_proves_them() -> None:
    frame = pl.DataFrame({"k": [1, 1, 2], "v": [5, 5, 6]})
    keyed = contract(Column(name="k", type="integer", unique=True))
    assert clean(frame, keyed).height == 2
    assert clean(frame, contract(Column(name="k", type="integer"))).height == 3


def test_a_recipe_survives_json_and_replays_on_other_data() -> None:
    declared = contract(
        Column(name="d", type="datetime"),
        Column(name="m", type="number", unit="kg", minimum=0.0),
        Column(name="c", type="category", categories=("x", "y")),
        Column(name="k", type="integer", unique=True),
    )
    first = pl.DataFrame({"d": ["31/01/2026"], "m": ["1,5 kg"], "c": ["X"], "k": [1]})
    recipe = derive(first, declared)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))
    assert again == recipe
    later = pl.DataFrame({"d": ["05/04/2026"], "m": ["250,0 g"], "c": ["Y "], "k": [2], "new": [0]})
    assert clean(later, again).rows() == [(datetime(2026, 4, 5), 0.25, "y", 2, 0)]
    assert clean(later.select("c"), again).rows() == [("y",)]


def test_cleaning_twice_changes_nothing_more(shared_data: Path) -> None:
    frame = read(shared_data / "dirty_clean" / "beers.dirty.csv.gz")
    declared = contract(
        Column(name="ounces", type="number", unit="oz"),
        Column(name="ibu", type="integer"),
        Column(name="style", type="category"),
    )
    once = clean_with_report(frame, declared)
    twice = clean_with_report(once.frame, once.recipe)
    assert twice.frame.equals(once.frame)
    assert sum(change.changed + change.lost for change in twice.changes) == 0


def test_dirty_beers_become_the_clean_ones_where_a_rule_can(shared_data: Path) -> None:
    dirty, truth = (read(shared_data / "dirty_clean" / f"beers.{word}.csv.gz") for word in ("dirty", "clean"))
    declared = contract(
        Column(name="ounces", type="number", unit="oz"),  # 2,410 wrong cells: oz, OZ., ounce, oz. Alumi-Tek
        Column(name="abv", type="number", unit="%"),  # 693: a percent sign behind some
        Column(name="ibu", type="integer"),  # 1,005: N/A
    )
    result = clean_with_report(dirty, declared)
    for name in ("ounces", "abv", "ibu"):
        assert ((result.frame[name] - truth[name]).abs().max() or 0) < 1e-12  # type: ignore[operator]
        assert result.frame[name].null_count() == truth[name].null_count()
    assert sum(change.lost for change in result.changes) == 0


def test_raw_test_labels_get_the_spelling_of_the_training_labels(shared_data: Path) -> None:
    raw = read(shared_data / "adult-raw-test.csv.gz")
    found = clean(raw, contract(Column(name="column_15", type="category", categories=("<=50K", ">50K"))))
    assert dict(found["column_15"].value_counts().iter_rows()) == {"<=50K": 12_435, ">50K": 3_846}


def test_own_steps_and_their_mistakes() -> None:
    recipe = Recipe((Outliers(column="v", maximum=9, action="clip"),)) + Recipe((Duplicates(columns=("v",)),))
    assert clean({"v": [1, 50, 60]}, recipe)["v"].to_list() == [1, 9]
    with pytest.raises(InputError, match="Did you mean outliers"):
        Recipe.from_dict({"version": 1, "steps": [{"step": "outlier", "column": "v"}]})
    with pytest.raises(InputError, match=r"no setting 'maximun'\. Did you mean maximum"):
        Recipe.from_dict({"version": 1, "steps": [{"step": "outliers", "column": "v", "maximun": 3}]})
    with pytest.raises(InputError, match="missing required field `column`"):
        Recipe.from_dict({"version": 1, "steps": [{"step": "outliers"}]})


def test_units_convert_both_ways() -> None:
    for unit, other in (("kg", "lb"), ("km", "mile"), ("l", "gal"), ("h", "min"), ("°C", "°F")):
        scale, offset = conversions(unit)[other.casefold()]
        back_scale, back_offset = conversions(other)[unit.casefold()]
        assert (7.0 * scale + offset) * back_scale + back_offset == pytest.approx(7.0)
