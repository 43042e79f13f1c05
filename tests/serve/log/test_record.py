"""Records hold what a request was asked and told, whatever is in it, and cost next to nothing."""

from __future__ import annotations

import timeit
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.serve.log.record import apart, decode, encode, encode_many, encode_turns

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(features=st.lists(JSON, max_size=6), entity=JSON, flags=st.none() | st.text())
def test_what_goes_in_comes_out(features: list[Any], entity: Any, flags: str | None) -> None:
    record = decode(encode("id", 17, 3, "canary", entity, features, "yes", [0.25, 0.75], 812, 200, flags, "r"))
    assert (record.id, record.time, record.version, record.role) == ("id", 17, 3, "canary")
    assert (record.entity, record.features, record.flags) == (entity, features, flags)
    assert (record.prediction, record.scores, record.latency, record.status) == ("yes", [0.25, 0.75], 812, 200)
    assert (record.request, record.rows) == ("r", 0)


def test_rows_are_kept_as_lists_as_the_json_they_came_in_and_as_numpy() -> None:
    scores = np.array([[0.1, 0.9], [0.8, 0.2]])
    record = decode(
        encode_many("id", 1, 1, "champion", 2, None, b'[{"a":1}]', ["n", "y"], scores.tobytes(), 5, 200, None, "r")
    )
    assert record.features == b'[{"a":1}]'
    assert np.frombuffer(record.scores).reshape(2, 2).tolist() == scores.tolist()
    assert record.rows == 2
    record = decode(
        encode("id", 1, 1, "champion", np.int64(7), [np.float32(0.5)], np.str_("y"), scores[0], 5, 200, None, "r")
    )
    assert (record.entity, record.features, record.prediction, record.scores) == (7, [0.5], "y", [0.1, 0.9])


@pytest.mark.parametrize("value", [2**70, "\ud800", {"a": {2**70: "\udfff"}}, [[2**70]], object()])
def test_no_value_makes_it_fail(value: Any) -> None:
    record = decode(encode("id", 1, 1, "champion", value, [1.5, value], None, None, 5, 200, None, "r"))
    assert record.features[0] == 1.5
    assert decode(encode_many("id", 1, 1, "champion", 1, [value], [[value]], None, None, 5, 200, None, "r")).rows == 1


@pytest.mark.parametrize("turns", [1, 15, 16, 65_535, 65_536])
def test_turns_stand_one_behind_the_other(turns: int) -> None:
    turn = (["a"], 1, 1, "champion", None, [b"{}"], ["yes"], [[0.5]], [5.0], 200, None, "")
    data = encode_turns([turn] * turns)
    assert len(data) % turns == 0
    assert decode(data[: len(data) // turns]).id == ["a"]
    assert data == data[: len(data) // turns] * turns


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("value", ["yes", 2**70])
def test_a_turn_taken_apart_is_its_requests(named: bool, value: Any) -> None:
    entities = ["c-1", None] if named else None
    own = ["", "r-2"] if named else ""
    scores: list[list[float]] | None = [[0.25, 0.75], [0.5, 0.5]] if named else None
    turn = (("a", "b"), 17, 3, "canary", entities, (b"{}", b"[]"), ["no", value], scores, [5.0, 6.0], 200, "x", own)
    whole = decode(encode_turns([turn]))
    assert whole.count == 2
    first, second = apart(whole)
    alone = encode(
        "a", 17, 3, "canary", entities and entities[0], b"{}", "no", scores[0] if scores else None, 5, 200, "x", ""
    )  # fmt: skip
    assert first == decode(alone)
    assert (second.id, second.entity, second.features, second.latency) == ("b", None, b"[]", 6.0)
    assert (second.prediction, second.request) == (str(value), "r-2" if named else "")
    assert (apart(second), second.count) == ([second], 1)


def test_a_value_that_cannot_be_had_costs_its_turn_the_values_and_no_other_turn() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    def turn(name: str, value: Any) -> tuple[Any, ...]:
        return ([name], 1, 1, "champion", [value], [b"{}"], ["yes"], [[0.5]], [5.0], 200, "x", ["r"])

    good = encode_turns([turn("a", "c-1")])
    data = encode_turns([turn("a", "c-1"), turn("b", Mute()), turn("a", "c-1")])
    assert data[: len(good)] == data[-len(good) :] == good
    bare = decode(data[len(good) : -len(good)])
    assert (bare.id, bare.status, bare.flags, bare.latency) == (["b"], 200, "x", [5.0])
    assert (bare.features, bare.prediction, bare.entity, bare.scores, bare.request) == ([None], [None], None, None, "")


def test_damaged_bytes_are_no_record() -> None:
    whole = encode("id", 1, 1, "champion", None, [1.0], None, None, 5, 200, None, "r")
    with pytest.raises(msgspec.MsgspecError):
        decode(whole[:-1])


def test_a_row_of_15_features_costs_less_than_3_microseconds() -> None:
    row = [0.5 * place for place in range(12)] + ["ulm", "married", "tertiary"]

    def once() -> bytes:
        return encode("0" * 26, 17 * 10**14, 3, "champion", "c-1", row, "yes", [0.25, 0.75], 812, 200, None, "r" * 26)

    assert min(timeit.repeat(once, number=2000, repeat=5)) / 2000 < 3e-6
