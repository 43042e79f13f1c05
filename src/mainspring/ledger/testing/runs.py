"""What every `Runs` must do."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError, NotFound
from mainspring.ledger.ports import MetricFilter, Point, Provenance, RunQuery

if TYPE_CHECKING:
    from mainspring.ledger import Ledger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class RunsContract:
    """Every `Runs` passes these. Provide a `ledger` fixture that is empty."""

    def test_a_run_comes_back_as_it_was_opened(self, ledger: Ledger) -> None:
        """Parameters keep their types, times their microseconds."""
        made = ledger.runs.create(
            name="nightly",
            kind="pipeline",
            experiment="churn",
            params={"trials": 30, "rate": 0.1, "deep": True, "note": None, "way": "fast"},
            tags={"team": "growth"},
            provenance=Provenance(commit="abc", dirty=False, environment="e"),
            started=NOON + timedelta(microseconds=7),
        )
        found = ledger.runs.get(made.id)
        assert found == made
        assert found.status == "running"
        assert found.seconds is None

    def test_opening_the_same_id_again_changes_nothing(self, ledger: Ledger) -> None:
        """A client that got no answer may ask again."""
        made = ledger.runs.create(name="first", id="a" * 32)
        again = ledger.runs.create(name="second", id="a" * 32)
        assert again == made
        assert ledger.runs.search(RunQuery()).total == 1

    def test_a_run_is_found_by_an_unambiguous_beginning(self, ledger: Ledger) -> None:
        """As with commits."""
        ledger.runs.create(name="one", id="abcd1" + "0" * 27)
        ledger.runs.create(name="two", id="abcd2" + "0" * 27)
        assert ledger.runs.get("abcd2").name == "two"
        with pytest.raises(NotFound, match=r"Several runs begin with 'abcd': abcd10000000, abcd20000000\. Give more"):
            ledger.runs.get("abcd")
        with pytest.raises(NotFound, match=r"No run 'abc%'\. The latest runs are "):
            ledger.runs.get("abc%")

    def test_a_missing_run_is_named_by_every_method(self, ledger: Ledger) -> None:
        """Nothing is written for it."""
        calls = (
            lambda: ledger.runs.get("nope"),
            lambda: ledger.runs.log("nope", params={"a": 1}),
            lambda: ledger.runs.finish("nope"),
            lambda: ledger.runs.delete("nope"),
            lambda: ledger.runs.history("nope", "loss"),
            lambda: ledger.runs.create(name="child", parent="nope"),
        )
        for call in calls:
            with pytest.raises(NotFound, match=re.escape("No run 'nope'. There is no run yet.")):
                call()
        assert ledger.runs.search(RunQuery()).total == 0

    def test_the_first_end_counts(self, ledger: Ledger) -> None:
        """A late second word does not rewrite history."""
        run = ledger.runs.create(name="r", started=NOON)
        ledger.runs.finish(run.id, status="failed", finished=NOON + timedelta(seconds=90))
        ledger.runs.finish(run.id, status="finished", finished=NOON + timedelta(days=1))
        found = ledger.runs.get(run.id)
        assert (found.status, found.seconds) == ("failed", 90.0)
        with pytest.raises(InputError, match=r"Expected a status out of .*, got 'done'"):
            ledger.runs.finish(run.id, status="done")  # type: ignore[arg-type]  # the mistake under test

    def test_a_parameter_keeps_its_first_value_and_a_tag_takes_the_last(self, ledger: Ledger) -> None:
        """As the port says."""
        run = ledger.runs.create(name="r", params={"a": 1}, tags={"t": "x"})
        ledger.runs.log(run.id, params={"a": 2, "b": 3}, tags={"t": "y"})
        found = ledger.runs.get(run.id)
        assert dict(found.params) == {"a": 1, "b": 3}
        assert dict(found.tags) == {"t": "y"}

    def test_history_is_ordered_by_step_and_then_as_it_came(self, ledger: Ledger) -> None:
        """Resumed training logs old steps again; both values stay, in order."""
        run = ledger.runs.create(name="r")
        for step, value in ((0, 1.0), (2, 0.5), (1, 0.7), (2, 0.4)):
            ledger.runs.log(run.id, metrics=[Point(name="loss", value=value, step=step, time=NOON)])
        found = ledger.runs.history(run.id, "loss")
        assert found.steps == (0, 1, 2, 2)
        assert found.values == (1.0, 0.7, 0.5, 0.4)
        assert set(found.times) == {NOON.timestamp()}
        assert ledger.runs.get(run.id).metrics == {"loss": 0.4}
        with pytest.raises(NotFound, match=r"No metric named 'los'\. Did you mean loss\?"):
            ledger.runs.history(run.id, "los")

    def test_nan_and_infinity_come_back(self, ledger: Ledger) -> None:
        """A diverged loss is a fact."""
        run = ledger.runs.create(name="r")
        values = (math.inf, -math.inf, math.nan)
        ledger.runs.log(run.id, metrics=[Point(name="loss", value=value, step=i) for i, value in enumerate(values)])
        found = ledger.runs.history(run.id, "loss")
        assert found.values[:2] == (math.inf, -math.inf)
        assert math.isnan(found.values[2])
        assert math.isnan(ledger.runs.get(run.id).metrics["loss"])

    def test_search_filters_and_pages(self, ledger: Ledger) -> None:
        """Each filter by itself, and the total beside the page."""
        for number in range(20):
            run = ledger.runs.create(
                name=f"r{number}",
                kind="trial" if number % 2 else "pipeline",
                experiment=f"e{number % 4}",
                params={"depth": number % 3},
                tags={"parity": str(number % 2)},
                started=NOON + timedelta(minutes=number),
            )
            ledger.runs.log(run.id, metrics=[Point(name="auc", value=number / 20)])
            if number < 5:
                ledger.runs.finish(run.id, status="failed")
        page = ledger.runs.search(RunQuery(kind="trial", limit=3, offset=1))
        assert ([run.name for run in page.runs], page.total) == (["r17", "r15", "r13"], 10)
        assert ledger.runs.search(RunQuery(experiment="e3")).total == 5
        assert ledger.runs.search(RunQuery(status="failed", descending=False)).runs[0].name == "r0"
        assert ledger.runs.search(RunQuery(params={"depth": 2})).total == 6
        assert ledger.runs.search(RunQuery(tags={"parity": "1"}, experiment="e1")).total == 5
        good = RunQuery(metrics=(MetricFilter(name="auc", op=">=", value=0.9),))
        assert [run.name for run in ledger.runs.search(good).runs] == ["r19", "r18"]
        assert dict(ledger.runs.experiments()) == {"e0": 5, "e1": 5, "e2": 5, "e3": 5}
        with pytest.raises(InputError, match="Expected one of <, <=, >, >=, ==, != in a metric filter, got 'like'"):
            ledger.runs.search(RunQuery(metrics=(MetricFilter(name="auc", op="like", value=1),)))  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"Expected the order 'started' or 'metric:NAME', got 'auc'\."):
            ledger.runs.search(RunQuery(order="auc"))

    def test_ordering_by_a_metric_puts_runs_without_it_last(self, ledger: Ledger) -> None:
        """In both directions, and across pages."""
        for name, value in (("low", 0.1), ("none", None), ("high", 0.9), ("nan", math.nan), ("mid", 0.5)):
            run = ledger.runs.create(name=name)
            if value is not None:
                ledger.runs.log(run.id, metrics=[Point(name="auc", value=value)])
        down = [run.name for run in ledger.runs.search(RunQuery(order="metric:auc")).runs]
        up = [run.name for run in ledger.runs.search(RunQuery(order="metric:auc", descending=False)).runs]
        assert (down[:3], set(down[3:])) == (["high", "mid", "low"], {"none", "nan"})
        assert up[:3] == ["low", "mid", "high"]
        pages = [ledger.runs.search(RunQuery(order="metric:auc", limit=2, offset=at)).runs for at in (0, 2, 4)]
        assert [run.name for page in pages for run in page] == down

    def test_children_belong_to_their_parent(self, ledger: Ledger) -> None:
        """And can be left out."""
        search = ledger.runs.create(name="search")
        trials = {ledger.runs.create(name=f"t{number}", parent=search.id).id for number in range(3)}
        assert {run.id for run in ledger.runs.search(RunQuery(parent=search.id)).runs} == trials
        assert all(run.parent == search.id for run in ledger.runs.search(RunQuery(parent=search.id)).runs)
        assert [run.name for run in ledger.runs.search(RunQuery(roots=True)).runs] == ["search"]

    def test_deleting_takes_the_children_along_and_is_an_error_the_second_time(self, ledger: Ledger) -> None:
        """The artifacts that only they made are no longer live."""
        parent = ledger.runs.create(name="p")
        child = ledger.runs.create(name="c", parent=parent.id)
        other = ledger.runs.create(name="o")
        ledger.artifacts.record("d1", type="json", size=1, run=child.id)
        ledger.artifacts.record("d2", type="json", size=1, run=child.id)
        ledger.artifacts.record("d2", type="json", size=1, run=other.id)
        ledger.runs.delete(parent.id)
        assert ledger.artifacts.live() == {"d2"}
        assert [run.name for run in ledger.runs.search(RunQuery()).runs] == ["o"]
        for gone in (parent.id, child.id):
            with pytest.raises(NotFound, match=f"No run '{gone}'"):
                ledger.runs.delete(gone)

    def test_together_is_all_or_nothing(self, ledger: Ledger) -> None:
        """An error takes back everything the block wrote, and only that."""
        kept = ledger.runs.create(name="kept")

        def two_of_which_one_is_wrong() -> None:
            with ledger.together():
                ledger.runs.create(name="gone")
                assert ledger.runs.search(RunQuery()).total == 2
                ledger.runs.log("nope", params={"a": 1})

        with pytest.raises(NotFound, match="No run 'nope'"):
            two_of_which_one_is_wrong()
        assert [run.id for run in ledger.runs.search(RunQuery()).runs] == [kept.id]
