"""The live demo: a real endpoint, a real log, a real loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.demo.live import play
from mainspring.demo.loans import simulate
from mainspring.demo.replay import Client, Endpoint, requests

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.demo.live import Lived


@pytest.mark.slow
def test_the_served_model_is_looked_after_and_no_request_is_dropped(tmp_path: Path) -> None:
    seen: list[Lived] = []
    story = play(tmp_path / "a live demo", watch=seen.append)
    assert [lived.place for lived in seen] == list(range(1, seen[-1].windows + 1))
    assert story.dropped == 0
    assert story.sent == story.answered == sum(lived.rows for lived in seen)
    assert [finding.right for finding in story.findings] == [True] * 4, [one.row() for one in story.findings]
    assert story.others == ()
    assert story.swaps >= 1
    assert story.recovered is not None
    assert seen[0].versions.keys() == {1}
    assert 1 not in seen[-1].versions


def test_a_request_has_the_columns_that_are_asked_for() -> None:
    rows = simulate(weeks=20, applications=10).frame.head(3)
    bodies = requests(rows, ["age", "income", "not there"])
    assert [list(body) for body in bodies] == [["age", "income"]] * 3


def test_who_does_not_answer_is_counted_as_dropped() -> None:
    client = Client("http://127.0.0.1:9")
    answers = client.predict([{"x": 1}, {"x": 2}])
    assert [answer.status for answer in answers] == [0, 0]
    assert (client.sent, client.answered, client.dropped) == (2, 0, 2)


def test_an_endpoint_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "mainspring.toml").write_text('[project]\nname = "p"\ntask = "binary"\ntarget = "y"\n')
    pl.DataFrame({"y": [True]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(Exception, match="The endpoint did not start"), Endpoint(tmp_path, "nothing"):
        pass
