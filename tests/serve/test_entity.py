"""A whole number is one entity, however it is sent: whoever has a gap in a column of ids sends 5.0 for 5."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pytest

from mainspring.contract import Contract
from mainspring.core.errors import InputError
from mainspring.operate.live.skew import _matched
from mainspring.serve import labels
from mainspring.serve.endpoint import Endpoint
from mainspring.serve.log import compact
from mainspring.serve.log.identity import entity_text
from mainspring.serve.log.writer import LogWriter
from mainspring.serve.served import Served
from mainspring.serve.settings import Limits
from mainspring.serve.traffic import Deployment
from mainspring.workspace import Workspace
from tests.serve.shop import GOOD, bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPELLINGS = (5_000_777, 5_000_777.0, "5000777")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "workspace") as opened:
        yield opened


def deployed(log: LogWriter | None = None) -> Endpoint:
    endpoint = Endpoint(Limits(), log=log)
    champion, canary = (Served(bundle(seed=seed), name="shop", version=seed + 1) for seed in range(2))
    endpoint.deploy(Deployment(1, champion, canary=canary, percent=50.0))
    return endpoint


def row(**more: Any) -> dict[str, Any]:
    return {**GOOD, **more}


@pytest.mark.parametrize("form", [lambda one: one, lambda one: [one], lambda one: {"rows": [one]}])
def test_the_same_version_answers(form: Any) -> None:
    endpoint = deployed()
    roles = set()
    for number in range(40):
        asked = [
            endpoint.ask(msgspec.json.encode(form(row(customer=each)), enc_hook=str))
            for each in (number, float(number), str(number))
        ]
        assert len({each.served.version for each in asked}) == 1
        roles.add(asked[0].role)
    assert roles == {"champion", "canary"}


def test_another_protocol_too() -> None:
    endpoint = deployed()
    live = endpoint.live()
    for number in range(40):
        asked = [endpoint.ask_rows(live, [row(customer=each)]) for each in (number, float(number), str(number))]
        assert len({each.served.version for each in asked}) == 1


def test_the_log_and_its_labels_know_it(place: Workspace) -> None:
    with LogWriter(compact.spool_root(place), model="shop", source="w", interval=0.01) as writer:
        endpoint = deployed(writer)
        for each in SPELLINGS:
            asked = endpoint.ask(msgspec.json.encode(row(customer=each), enc_hook=str))
            endpoint.record(asked, endpoint.score(asked), 0.001)
    compact.compact(place, "shop", patience=0)
    taken = labels.add(place, "shop", [{"entity": each, "label": "yes"} for each in SPELLINGS], source="test")
    assert (taken.new, taken.duplicate, taken.unknown) == (1, 2, 0)  # three times the label of one entity
    with pytest.raises(InputError, match="names no prediction"):
        labels.add(place, "shop", [{"entity": float("nan"), "label": "yes"}], source="test")


def test_a_table_with_a_gap_is_matched(place: Workspace, tmp_path: Path) -> None:
    contract = Contract.parse("[project]\nname = 'm'\ntask = 'binary'\ntarget = 'y'\nentity = 'who'\n")
    contract = replace(contract, path=tmp_path / "mainspring.toml")
    served = pl.DataFrame({"id": ["a", "b"], "entity": ["5", "6"], "x.age": [1.0, 2.0]})
    found, by = _matched(served, pl.DataFrame({"who": [5.0, None, 6.0], "age": [1.0, 3.0, 2.0]}), contract, place)
    assert found is not None, by
    assert found.height == 2


def test_a_text_stays_as_it_is() -> None:
    assert [entity_text(each) for each in ("5.0", 5.5, 1e300, None, True)] == ["5.0", "5.5", "1e+300", None, "True"]
