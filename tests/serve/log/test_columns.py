"""The rows of many requests read at once are those of each read by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.serve.log import columns
from mainspring.serve.log.mask import Mask
from mainspring.serve.log.record import Record, apart, decode, encode_turns
from mainspring.serve.log.schema import Feature, Schema
from tests.serve.log.workbench import NOON, prediction

if TYPE_CHECKING:
    from pathlib import Path

KINDS: tuple[Any, ...] = ("integer", "number", "category", "boolean", "text", "datetime", "date")
SCHEMA = Schema(version=1, features=tuple(Feature(f"the {kind}", kind) for kind in KINDS), classes=("no", "yes"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
TEXTS = st.text(max_size=5) | st.sampled_from(["2026-03-01", "2026-03-01T12:00:00Z", "true", "7"])
ANY = NUMBERS | TEXTS | st.booleans() | st.none() | st.lists(st.integers(), max_size=2)
USUAL: dict[str, Any] = {
    "integer": st.integers(-5, 5), "number": NUMBERS, "category": TEXTS, "boolean": st.booleans(), "text": TEXTS,
    "datetime": st.just("2026-03-01T12:00:00+01:00"), "date": st.just("2026-03-01"),
}  # fmt: skip
GOOD = st.fixed_dictionaries({}, optional={f"the {kind}": USUAL[kind] | st.none() for kind in KINDS})
ODD = st.dictionaries(st.sampled_from([*(f"the {kind}" for kind in KINDS), "extra"]), ANY)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(GOOD, min_size=1, max_size=6) | st.lists(GOOD | ODD, min_size=1, max_size=6))
def test_rows_read_together_are_as_each_by_itself(rows: list[dict[str, Any]], tmp_path_factory: Any) -> None:
    mask = Mask(tmp_path_factory.getbasetemp())
    records = [decode(prediction(number, NOON, features=json.dumps(row).encode())) for number, row in enumerate(rows)]
    together = columns._Rows(SCHEMA)
    together.add(records)
    alone = columns._Rows(SCHEMA)
    alone._decode = None
    alone.add(records)
    assert together.table(mask).equals(alone.table(mask))


@settings(max_examples=50, deadline=None)
@given(
    turns=st.lists(st.lists(st.tuples(ODD, TEXTS | st.none(), TEXTS), min_size=1, max_size=4), min_size=1, max_size=4),
    scored=st.booleans(),
)
def test_a_turn_is_the_rows_of_its_requests(turns: Any, scored: bool, tmp_path_factory: Any) -> None:
    """The endpoint gives the requests that it answers together to the log together."""
    mask = Mask(tmp_path_factory.getbasetemp())
    records = [decode(prediction(99, NOON, features=b"{}"))]
    for number, turn in enumerate(turns):
        rows, entities, requests = zip(*turn, strict=True)
        ids = [f"{number}-{place}" for place in range(len(turn))]
        scores = [[0.25, 0.75]] * len(turn) if scored else None
        bodies = [json.dumps(row).encode() for row in rows]
        latencies = [100.5] * len(turn)
        given = (
            ids, 1_000, 1, "champion", entities if any(entities) else None, bodies, ["yes"] * len(turn), scores,
            latencies, 200, "imputed:x" if number else None, requests if any(requests) else "",
        )  # fmt: skip
        records.append(decode(encode_turns([given])))
    together = columns.table(SCHEMA, records, mask)
    alone = columns.table(SCHEMA, [each for record in records for each in apart(record)], mask)
    assert together.equals(alone)
    assert together["id"].to_list()[1:] == [f"{a}-{b}" for a, turn in enumerate(turns) for b in range(len(turn))]


@pytest.mark.parametrize(
    "odd", [b'{"z": 1e999, "the number": 2}', b'{"z": "\xff", "the number": 2}', b"[]", b"no", None]
)
def test_a_row_does_not_depend_on_its_neighbours(odd: bytes | None, tmp_path: Path) -> None:
    """What the endpoint's decoder passes over in a row it takes is passed over here, too."""
    good = b'{"the number": 1, "the integer": 7}'
    bodies = [good, odd, good, None, [None, 3.0, *[None] * 5]]
    records = [decode(prediction(number, NOON, features=body)) for number, body in enumerate(bodies)]
    mask = Mask(tmp_path)
    together = columns.table(SCHEMA, records, mask)
    assert together.equals(pl.concat([columns.table(SCHEMA, [record], mask) for record in records]))
    taken = 2.0 if odd is not None and odd.startswith(b"{") else None
    assert together["x.the number"].to_list() == [1.0, taken, 1.0, None, 3.0]


def test_a_name_that_the_decoder_cannot_look_for_is_read_by_itself(tmp_path: Path) -> None:
    name = 'the "best" \\ worst'
    schema = Schema(version=1, features=(Feature(name, "number"),), classes=None, label="number")
    record: Record = decode(prediction(0, NOON, features=json.dumps({name: 2}).encode(), scores=None, prediction=1.0))
    assert columns.table(schema, [record], Mask(tmp_path))[f"x.{name}"].to_list() == [2.0]


@pytest.mark.parametrize("scores", [[0.1, 0.9], None, [0.2], [0.1, 0.2, 0.7]])
def test_scores_that_are_not_one_for_each_class_are_left_out(scores: Any, tmp_path: Path) -> None:
    records = [decode(prediction(number, NOON, scores=given)) for number, given in enumerate([[0.25, 0.75], scores])]
    schema = Schema(version=1, features=(Feature("age", "integer"),), classes=("no", "yes"))
    found = columns.table(schema, records, Mask(tmp_path))
    assert found["score.yes"].to_list() == [0.75, 0.9 if scores == [0.1, 0.9] else None]
