"""What /invocations says of single values: flags, integers that a table wrote as floats, rows of different forms."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve import shop
from tests.serve.live import client, serving

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

ODD = [shop.GOOD, {**shop.GOOD, "mood": "odd", "height": 300.0}, {**shop.GOOD, "height": None}]
FLAGS = {"1": ["categories:mood", "imputed:height"], "2": ["imputed:height"]}


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(shop.GOOD))
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return out.getvalue()


def test_flags_are_told_as_predict_tells_them_and_only_where_there_are_any(http: httpx.Client) -> None:
    assert http.post("/predict", json=ODD).json()["flags"] == FLAGS
    names = list(shop.GOOD)
    for body in (
        {"dataframe_records": ODD},
        {"instances": [[row[name] for name in names] for row in ODD]},
        {"inputs": {name: [row[name] for row in ODD] for name in names}},
    ):
        assert http.post("/invocations", json=body).json()["flags"] == FLAGS
    reply = http.post("/invocations", content=as_csv(ODD), headers={"content-type": "text/csv"})
    assert reply.json()["flags"] == FLAGS
    assert set(http.post("/invocations", json={"instances": [shop.GOOD] * 2}).json()) == {"predictions"}


def test_flags_are_told_on_a_platforms_route(workspace: Path) -> None:
    route = "/v1/endpoints/1/deployedModels/2:predict"
    with serving("shop", workspace=workspace, AIP_HTTP_PORT="0", AIP_PREDICT_ROUTE=route) as live, client(live) as http:
        assert http.post(route, json={"instances": ODD}).json()["flags"] == FLAGS


@pytest.mark.parametrize("written", ["40.0", "40", "+40.00", "40.", " 40.0 "])
def test_an_integer_may_be_written_as_a_float_in_csv(http: httpx.Client, written: str) -> None:
    table = as_csv([{**shop.GOOD, "age": written}])
    reply = http.post("/invocations", content=table, headers={"content-type": "text/csv"})
    assert reply.json() == http.post("/invocations", json={"instances": [shop.GOOD]}).json()


@pytest.mark.parametrize("written", ["40.5", "40.05", "40.0.0", ".0", "4e1x"])
def test_what_is_no_integer_is_refused_with_its_row_and_value(http: httpx.Client, written: str) -> None:
    table = as_csv([shop.GOOD, {**shop.GOOD, "age": written}])
    reply = http.post("/invocations", content=table, headers={"content-type": "text/csv"})
    assert reply.status_code == 400
    (violation,) = reply.json()["violations"]
    assert (violation["row"], violation["field"], violation["value"]) == (1, "age", written)
    assert reply.json()["message"] == "Row 1: age is not an integer."


def test_a_table_of_pandas_with_gaps_is_taken(http: httpx.Client) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([shop.GOOD, {**shop.GOOD, "age": None}])
    assert "\n40.0," in frame.to_csv(index=False)
    reply = http.post("/invocations", content=frame.to_csv(index=False), headers={"content-type": "text/csv"})
    assert [each["rule"] for each in reply.json()["violations"]] == ["nulls"]  # of the gap alone


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([shop.GOOD, list(shop.GOOD.values())], "row 0 is an object, row 1 is a list"),
        ([[1], [2], shop.GOOD], "row 0 is a list, row 2 is an object"),
        ([1, 2, [3]], "row 0 is a plain value, row 2 is a list"),
    ],
)
def test_rows_of_different_forms_are_called_so(http: httpx.Client, rows: list[Any], said: str) -> None:
    for shape in ("instances", "inputs"):
        reply = http.post("/invocations", json={shape: rows})
        assert reply.status_code == 400
        assert reply.json()["message"] == f"instances: {said}; send every row in the same form."
