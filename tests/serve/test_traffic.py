"""Who answers: the champion, the canary for its share of the keys, shadows never."""

from __future__ import annotations

import json
import re
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.serve.endpoint import Endpoint
from mainspring.serve.served import Scored, Served
from mainspring.serve.settings import Limits
from mainspring.serve.traffic import PARTS, Deployment, place, takes
from mainspring.workspace import Workspace
from tests.serve import shop
from tests.serve.live import client, serving, until
from tests.serve.test_logged import logged

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


@given(key=st.text(), low=st.floats(0, 100), high=st.floats(0, 100))
def test_whoever_the_canary_answers_stays_with_it_as_it_grows(key: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert takes("m", low, key) <= takes("m", high, key)
    assert takes("m", 100.0, key)
    assert not takes("m", 0.0, key)


def test_shares_are_kept_to_a_hundredth_of_a_percent() -> None:
    keys = [f"customer {i}" for i in range(200_000)]
    for percent in (0.5, 5.0, 25.0):
        share = sum(takes("churn", percent, key) for key in keys) / len(keys) * 100
        assert abs(share - percent) < 0.15
    assert sum(place("churn", key) < PARTS // 2 and place("other", key) < PARTS // 2 for key in keys[:20_000]) < 5_400


def test_the_place_of_a_key_never_changes() -> None:
    assert [place("churn", key) for key in ("", "a", "customer 7")] == [6638, 7515, 4524]


def test_canary_and_shadow_on_a_real_endpoint(workspace: Path) -> None:
    with Workspace.open(workspace) as opened:
        opened.ledger.endpoints.set("shop", canary=2, percent=30.0, shadow=(3,), reason="for the test")
    with serving("shop", workspace=workspace) as live, client(live) as http:
        until(lambda: live.events("swapped"))
        said: dict[str, int] = {}
        for i in range(200):
            row: dict[str, Any] = {**shop.GOOD, "customer": f"c{i % 50}"}
            version = http.post("/predict", json=row).json()["version"]
            assert said.setdefault(row["customer"], version) == version
            assert version == (2 if takes("shop", 30.0, row["customer"]) else 1)
        assert set(said.values()) == {1, 2}
        answers = http.get("/v2/models/shop").json()["versions"]
        assert answers == ["1", "2", "3"]
        pinned = http.post("/v2/models/shop/versions/2/infer", json={}).json()["error"]
        assert "no inputs" in pinned

        def shadowed() -> bool:
            text = http.get("/metrics").text
            asked = f'mainspring_rows_total{{model="shop",role="shadow",version="3"}} {float(sum_of(1))}'
            return (
                asked in text
                or f'mainspring_rows_total{{model="shop",version="3",role="shadow"}} {float(sum_of(1))}' in text
            )

        def sum_of(version: int) -> int:
            return sum(4 for each in said.values() if each == version)

        until(shadowed)
        text = http.get("/metrics").text
        assert 'mainspring_canary_percent{model="shop"} 30.0' in text
        with Workspace.open(workspace) as opened:
            opened.ledger.endpoints.set("shop", reason="enough")
        until(lambda: len(live.events("swapped")) == 2)
        assert {http.post("/predict", json={**shop.GOOD, "customer": key}).json()["version"] for key in said} == {1}


def test_shadows_hold_no_more_than_so_many_rows_and_bytes() -> None:
    slow = Served(shop.bundle("linear", 3), name="shop", version=2)
    free, score = threading.Event(), slow.score

    def hanging(matrix: Any) -> Scored:
        assert free.wait(20)
        return score(matrix)

    slow.score = hanging  # type: ignore[method-assign]
    endpoint = Endpoint(Limits())
    endpoint.deploy(Deployment(1, Served(shop.bundle(), name="shop", version=1), shadows=(slow,)))
    shadows = endpoint.shadows
    assert shadows is not None

    def ask(body: bytes) -> bool:
        """Whether the shadow is to be asked too."""
        before = shadows.passed_over
        asked = endpoint.ask(body)
        endpoint.record(asked, endpoint.score(asked), 0.0)
        return shadows.passed_over == before

    many = json.dumps([shop.GOOD] * 5_000).encode()
    large = json.dumps({**shop.GOOD, "ignored": "x" * 10_000_000}).encode()
    for body, taken in ((many, 4), (large, 3)):
        free.clear()
        assert [ask(body) for _ in range(taken + 2)] == [True] * taken + [False] * 2
        free.set()
        until(lambda: not shadows.waiting and shadows.asked)
        until(partial(ask, body))
        until(lambda: not shadows.waiting)
        time.sleep(0.1)
    assert shadows.failed == {}


def test_a_fallback_answers_instead_of_the_model(workspace: Path) -> None:
    with serving("shop", workspace=workspace) as live, client(live) as http, Workspace.open(workspace) as opened:
        with opened.ledger.together():
            opened.ledger.states.put("fallback", "shop", {"prediction": "yes", "by": "me"})
            opened.ledger.endpoints.set("shop", reason="falls back")
        until(lambda: live.events("swapped"))
        assert http.get("/health").json() == {"status": "ok", "model": "shop", "version": 1, "fallback": True}
        assert 'mainspring_fallback{model="shop"} 1.0' in http.get("/metrics").text
        one = http.post("/predict", json=shop.GOOD).json()
        assert one["prediction"] == "yes"
        assert one["flags"] == ["fallback"]
        assert "probabilities" not in one
        many = http.post("/predict", json=[shop.GOOD, {**shop.GOOD, "mood": "odd"}]).json()
        assert many["predictions"] == ["yes", "yes"]
        assert many["flags"] == {"0": ["fallback"], "1": ["categories:mood", "fallback"]}
        said = http.post("/invocations", json={"instances": [shop.GOOD]}).json()
        assert said == {"predictions": ["yes"], "flags": {"0": ["fallback"]}}
        assert http.post("/predict", json={**shop.GOOD, "age": 1}).status_code == 422
        with opened.ledger.together():
            opened.ledger.states.delete("fallback", "shop")
            opened.ledger.endpoints.set("shop", reason="well again")
        until(lambda: len(live.events("swapped")) == 2)
        assert "fallback" not in http.get("/health").json()
        assert 'mainspring_fallback{model="shop"} 0.0' in http.get("/metrics").text
        assert "probabilities" in http.post("/predict", json=shop.GOOD).json()


def chance(row: dict[str, Any], seed: int = 0) -> float:
    scores = shop.bundle("linear", seed).predictor().predict_row(row).scores
    assert scores is not None
    return float(scores[0][1])


def answers_of_every_way(http: httpx.Client, row: dict[str, Any]) -> list[float]:
    """The chance of yes by the quick lane, the plain way and V2."""
    one = http.post("/predict", json=row).json()
    odd = http.post("/predict", json={**row, "age": str(row["age"])}).json()
    many = http.post("/predict", json=[row, row]).json()
    kinds = {"age": "INT64", "spent": "FP64", "member": "BOOL", "height": "FP64", shop.ODD: "FP64"}
    inputs = [
        {"name": name, "shape": [1], "datatype": kinds.get(name, "BYTES"), "data": [v if name in kinds else str(v)]}
        for name, v in row.items()
    ]
    tensor = http.post("/v2/models/shop/infer", json={"inputs": inputs}).json()["outputs"][1]["data"]
    return [one["probabilities"]["yes"], odd["probabilities"]["yes"], *many["probabilities"]["yes"], tensor[1]]


def test_columns_that_are_set_aside_are_missing_to_the_model(workspace: Path) -> None:
    row = {**shop.GOOD, "spent": 3000.0}
    less = {**row, "spent": None, "since": None, "town": None}  # a number, the parts of a date, a category
    told = ["aside:spent", "aside:town", "aside:since"]
    with serving("shop", workspace=workspace) as live, client(live) as http, Workspace.open(workspace) as opened:
        assert answers_of_every_way(http, row) == pytest.approx([chance(row)] * 5, abs=1e-6)
        broken = {"spent": "is 100 times what it was", "since": "…", "town": "…", "gone": "no column of this model"}
        with opened.ledger.together():
            opened.ledger.states.put("aside", "shop", broken)
            opened.ledger.endpoints.set("shop", shadow=(3,), reason="set aside")
        until(lambda: live.events("swapped"))
        assert http.get("/health").json() == {"status": "ok", "model": "shop", "version": 1, "aside": 3}
        assert 'mainspring_columns_aside{model="shop"} 3.0' in http.get("/metrics").text
        assert answers_of_every_way(http, row) == pytest.approx([chance(less)] * 5, abs=1e-6)
        kept = http.post("/predict", json=row, headers={"x-request-id": "kept"}).json()
        assert kept["flags"] == told
        many = http.post("/predict", json=[{**row, "mood": "odd"}]).json()
        assert many["flags"] == {"0": ["categories:mood", *told]}
        frame = http.post("/invocations", json={"instances": [row]})
        assert frame.json() == {"predictions": [kept["prediction"]], "flags": {"0": told}}
        until(lambda: re.search(r"mainspring_rows_total\{[^}]*shadow[^}]*\} 8.0", http.get("/metrics").text))
        assert 'rule="aside"' not in http.get("/metrics").text
        with opened.ledger.together():
            opened.ledger.states.put("aside", "shop", {})
            opened.ledger.endpoints.set("shop", reason="looks as before")
        until(lambda: len(live.events("swapped")) == 2)
        assert answers_of_every_way(http, row) == pytest.approx([chance(row)] * 5, abs=1e-6)
    rows = {each["role"]: each for each in logged(workspace).to_dicts() if each["request"] == "kept"}
    for role, version, seed in (("champion", 1, 0), ("shadow", 3, 6)):
        each = rows[role]
        assert (each["version"], each["x.spent"], each["x.town"]) == (version, 3000.0, "köln")
        assert each["flags"] == ",".join(told)
        assert each["score.yes"] == pytest.approx(chance(less, seed), abs=1e-6)
