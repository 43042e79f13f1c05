"""The desk and its diagnoses, on windows judged by the monitor itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.core.clock import SimulatedClock
from mainspring.ledger import open_ledger
from mainspring.monitor.signals import Signal, judge_window
from mainspring.operate.champion import Champion, crown
from mainspring.operate.diagnosis import Evidence, importance, unit_change
from mainspring.operate.fold import BUDGET
from mainspring.operate.incident import Desk
from mainspring.operate.learner import SpanFits
from mainspring.operate.memory import MemoryIncidents
from tests.operate import worlds

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.ledger.ports.incidents import Incident

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = 400


def watched(frame: pl.DataFrame) -> Champion:
    """A model of the first 1,000 rows, whose record are the 600 after them."""
    model, _ = SpanFits(frame, worlds.contract(), window=WINDOW).whole(1_000)
    unseen = frame[1_000:1_600]
    return crown(
        model, worlds.contract(), frame[:1_600], version=1, unseen=unseen, predictions=model.predict(unseen),
        metrics=["accuracy"],
    )  # fmt: skip


class Case:
    """A desk that looks at one window after the other."""

    def __init__(self, port: Any = None) -> None:
        self.clock = SimulatedClock(START)
        self.frame = worlds.steady(6_000)
        self.champion = watched(self.frame)
        self.desk = Desk(port or MemoryIncidents(self.clock), model="world", clock=self.clock)
        self.window = -1

    def see(self, change: Any = None) -> tuple[Incident, ...]:
        """The next window, with its rows changed by *change*."""
        self.window += 1
        self.clock.advance(timedelta(hours=1))
        begin = 1_600 + self.window * WINDOW
        rows = self.frame[begin : begin + WINDOW]
        rows = rows if change is None else change(rows)
        said = self.champion.model.predict(rows)
        found = judge_window(
            self.champion.reference, worlds.contract(), rows.select("a", "b", "kind"), predictions=said,
            truth=rows["y"], baseline=self.champion.baseline,
        )  # fmt: skip
        evidence = Evidence(
            judgement=found, frame=rows, before=self.frame[:1_600], importance=self.champion.importance,
            metric="accuracy", predictions=said, truth=rows["y"],
        )  # fmt: skip
        return self.desk.note(self.window, found.breaches, evidence, where=f"hour {self.window}")


def flipped(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.when(pl.col("y") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes")).alias("y"))


def test_a_quiet_window_opens_nothing() -> None:
    case = Case()
    assert case.see() == ()
    assert case.desk.open == ()


def test_a_unit_change_upstream_is_named_with_its_factor() -> None:
    case = Case()
    (opened,) = case.see(lambda rows: rows.with_columns(pl.col("a") * 1_000))
    # the sign of a decides here, so the change does no harm
    assert opened.kind == "drift"
    assert opened.suspects[0].name == "a"
    assert opened.suspects[0].score > 0.9
    assert "of the model's decisions rest on it" in opened.suspects[0].text
    assert opened.details["changed"] == ["a looks multiplied by 1000, as if the unit had changed"]
    assert "Upstream: a looks multiplied by 1000" in opened.summary


def test_a_shift_that_does_harm_is_an_incident_of_performance_with_its_suspect() -> None:
    case = Case()
    (opened,) = case.see(lambda rows: rows.with_columns(pl.col("a") + 2))
    assert opened.kind == "performance"
    assert [suspect.name for suspect in opened.suspects] == ["a"]
    assert opened.summary.startswith("Accuracy fell to 0.")
    assert "a looks different from what the model learned on (a: mean" in opened.summary


def test_a_changed_relation_has_no_suspects_and_says_so() -> None:
    case = Case()
    (opened,) = case.see(flipped)
    assert (opened.kind, opened.suspects) == ("performance", ())
    assert "No column looks different: the relation between the columns and the target has changed" in opened.summary


def test_a_new_category_is_broken_data() -> None:
    case = Case()
    (opened,) = case.see(lambda rows: rows.with_columns(pl.lit("mauve").alias("kind")))
    assert opened.kind == "data quality"
    assert [suspect.name for suspect in opened.suspects] == ["kind"]
    assert "kind has categories it never had: mauve" in opened.details["changed"]
    assert opened.summary.startswith(
        "The data broke: 100.0% of kind is a category that the reference never had (mauve)"
    )


def test_a_column_that_breaks_while_others_drift_is_told_of_at_once_and_by_itself() -> None:
    case = Case()

    def moved(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("a") * 1_000)

    def gone(rows: pl.DataFrame) -> pl.DataFrame:
        return moved(rows).with_columns(pl.lit(None, dtype=pl.String).alias("kind"))

    (drifting, broke) = (*case.see(lambda rows: moved(rows).with_columns(pl.lit("red").alias("kind"))), *case.see(gone))
    assert {suspect.name for suspect in drifting.suspects} == {"a", "kind"}
    assert (broke.kind, broke.severity) == ("data quality", "warning")
    assert [suspect.name for suspect in broke.suspects] == ["kind"], "a moved by itself, and was told of"
    both = Case().see(gone)
    assert {one.kind: [suspect.name for suspect in one.suspects] for one in both} == {
        "drift": ["a"], "data quality": ["kind"]
    }  # fmt: skip


def test_more_that_breaks_and_the_harm_it_does_are_told_by_the_same_incident() -> None:
    case = Case()
    (opened,) = case.see(lambda rows: rows.with_columns(pl.lit("mauve").alias("kind")))

    def worse(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.lit("mauve").alias("kind"), pl.lit(None, dtype=pl.Float64).alias("a"))

    assert case.see(worse) == case.see(worse) == ()
    found = case.desk.port.get(opened.id)
    assert [event.kind for event in found.events] == ["opened", "signal", "changed", "signal", "signal"]
    assert [suspect.name for suspect in found.suspects] == ["a", "kind"]
    assert "100.0% of a is missing" in found.summary
    assert "Accuracy fell to" in found.summary
    assert found.events[2].text == found.summary


def test_harm_that_shows_later_is_told_and_what_broke_stays_suspected() -> None:
    case = Case()
    broken = Signal(
        name="null share",
        kind="data quality",
        column="a",
        value=0.4,
        breached=True,
        rows=400,
        text="40% of a is missing",
    )
    worse = Signal(
        name="accuracy", kind="performance", value=0.6, breached=True, rows=400, text="accuracy is 0.6, 0.8 is usual"
    )
    for window, alerts in enumerate(([broken], [broken], [worse], [broken, worse])):
        case.desk.keep(case.desk.draw(window, alerts, lambda: None))
    (found,) = (case.desk.port.get(one.id) for one in case.desk.open)
    assert [event.kind for event in found.events] == ["opened", "signal", "signal", "changed", "signal", "signal"]
    assert found.events[3].text == "Accuracy is 0.6, 0.8 is usual."
    assert (found.kind, found.summary, [one.name for one in found.suspects]) == (
        "data quality", "40% of a is missing.", ["a"]
    )  # fmt: skip


def test_where_it_is_worst_is_said() -> None:
    case = Case()
    other = pl.when(pl.col("y") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    wrong = pl.when(pl.col("kind") == "red").then(other).otherwise(pl.col("y")).alias("y")
    (opened,) = case.see(lambda rows: rows.with_columns(wrong))
    assert "worst where kind is red: accuracy" in opened.details["slice"]


def test_what_lasts_is_one_incident_and_ends_when_it_is_over() -> None:
    case = Case()
    (opened,) = case.see(flipped)
    assert case.see(flipped) == ()
    case.desk.act("hold", "hold: too early")
    case.desk.act("retrain", "retrain: version 2 went live")
    case.desk.act("hold", "hold: wait for labels")
    assert case.see() == case.see() == ()
    assert case.desk.open == ()
    found = case.desk.port.get(opened.id)
    assert (found.status, found.action, found.closed) == ("closed", "retrain", START + timedelta(hours=4))
    kinds = [event.kind for event in found.events]
    assert kinds == ["opened", "signal", "signal", "action", "action", "action", "closed"]
    assert found.events[1].text.startswith("hour 0: ")


def test_what_lasts_for_long_is_told_ever_less_often_and_an_equal_hold_once() -> None:
    case = Case()
    slow = Signal(name="latency p99", kind="service", value=80.0, breached=True, rows=400, text="latency p99 is 80 ms")
    gone = Signal(
        name="missing column", kind="data quality", column="a", value=1.0, breached=True, rows=0, text="a is missing"
    )
    for window in range(33):
        case.desk.keep(case.desk.draw(window, [slow, gone], lambda: None), where=f"hour {window}")
        case.desk.act("hold", "hold: mend it upstream")
    broken, served = sorted((case.desk.port.get(one.id) for one in case.desk.open), key=lambda one: one.kind)
    signals = [event.text.split(":")[0] for event in served.events if event.kind == "signal"]
    assert signals == [f"hour {window}" for window in (0, 1, 2, 4, 8, 16, 32)]
    assert [event.kind for event in broken.events].count("action") == 1
    assert broken.details["alerts"] == 33, "they are counted all the same"
    slower = replace(slow, name="latency p50")
    case.desk.keep(case.desk.draw(33, [slower], lambda: None), where="hour 33")
    assert case.desk.port.get(served.id).events[-1].text.startswith("hour 33: "), "what is new is told at once"


def test_incidents_are_kept_in_the_ledger_where_there_is_one(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db", clock=SimulatedClock(START), actor="loop", create=True)
    try:
        case = Case(ledger.incidents)
        (opened,) = case.see(flipped)
        case.desk.act("retrain", "retrain: version 2 went live")
        kept = ledger.incidents.get(opened.id)
        assert (kept.model, kept.kind, kept.action) == ("world", "performance", "retrain")
        assert kept.opened == START + timedelta(hours=1)
        assert ledger.audit.verify() is None
    finally:
        ledger.close()


@pytest.mark.parametrize(
    ("factor", "noise", "words"),
    [
        (1_000.0, 0.0, "looks multiplied by 1000, as if the unit had changed"),
        (1 / 60, 0.02, "looks divided by 60, as if the unit had changed (minutes and hours)"),
        (2.20462, 0.0, "looks multiplied by 2.20462, as if the unit had changed (pounds and kilograms)"),
        (2.3, 0.0, ""),
        (1.0, 0.0, ""),
    ],
)
def test_usual_factors_are_recognised_and_others_are_not(factor: float, noise: float, words: str) -> None:
    draw = np.random.default_rng(0)
    before = pl.Series("x", draw.lognormal(size=2_000))
    after = pl.Series("x", before.to_numpy() * factor * draw.normal(1, noise, size=2_000))
    assert unit_change(before, after) == words


def test_a_seasonal_code_is_no_unit_change() -> None:
    assert unit_change(pl.Series([1, 2, 3, 4] * 50), pl.Series([10, 20, 30, 40] * 50)) == ""


def test_importance_is_by_column_and_sums_to_one() -> None:
    shares = importance(Case().champion.model)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert max(shares, key=lambda name: shares[name]) == "a"


def test_a_slow_endpoint_is_an_incident_of_its_own_that_no_retrain_is_written_into() -> None:
    case = Case()
    slow = Signal(
        name="latency p99", kind="service", value=80.0, low=0.0, high=9.0, breached=True, rows=400,
        text="latency p99 is 80 ms, 3 ms is usual",
    )  # fmt: skip

    def unasked() -> Evidence:
        raise AssertionError("a slow endpoint is not explained by the rows")

    evidence = Evidence(
        judgement=judge_window(case.champion.reference, worlds.contract(), case.frame.head(0).select("a", "b", "kind")),
        frame=case.frame.head(0), before=case.frame.head(0), importance={}, metric="accuracy",
    )  # fmt: skip
    (opened,) = case.desk.keep(case.desk.draw(0, [slow], lambda: evidence))
    assert (opened.kind, opened.severity, opened.suspects) == ("service", "critical", ())
    assert opened.summary == "Latency p99 is 80 ms, 3 ms is usual."
    case.desk.act("retrain", "retrain")
    assert [event.kind for event in case.desk.port.get(opened.id).events] == ["opened", "signal"]
    assert case.desk.draw(1, [slow], unasked).opening == ()
    case.desk.keep(case.desk.draw(2, [], unasked))
    assert case.desk.port.get(opened.id).status == "closed"


def test_what_is_graver_and_joins_a_warning_is_told_as_what_it_is() -> None:
    case = Case()
    slow = Signal(
        name="latency_p99_ms at most 5", kind="service", value=8.0, breached=True, rows=400, severity="warning",
        text="latency_p99_ms at most 5 was not kept (8)",
    )  # fmt: skip
    down = replace(slow, name="error share", text="100 % of the requests failed", severity=None)
    (opened,) = case.desk.keep(case.desk.draw(0, [slow], lambda: None))
    assert opened.severity == "warning"
    case.desk.keep(case.desk.draw(1, [slow, down], lambda: None))
    found = case.desk.port.get(opened.id)
    assert (found.severity, found.summary) == ("critical", "100 % of the requests failed.")
    case.desk.port.update(opened.id, severity="info")
    case.desk.keep(case.desk.draw(2, [slow, down], lambda: None))
    assert case.desk.port.get(opened.id).severity == "info", "people know better, and nothing is new"


def test_drift_whose_harm_only_a_budget_shows_is_kept_as_what_it_became() -> None:
    case = Case()
    moved = Signal(name="js", kind="drift", column="a", value=0.4, breached=True, rows=400, text="a moved")
    burning = Signal(
        name=f"{BUDGET}accuracy at least 0.9", kind="performance", value=20.0, breached=True, rows=2,
        text="accuracy at least 0.9 was broken in 2 of the last 2 windows", severity="warning",
    )  # fmt: skip
    (opened,) = case.desk.keep(case.desk.draw(0, [moved], lambda: None))
    assert (opened.kind, opened.severity) == ("drift", "info")
    case.desk.keep(case.desk.draw(1, [burning], lambda: None))
    found = case.desk.port.get(opened.id)
    assert (found.kind, found.severity) == ("performance", "warning")
    assert found.summary == "Accuracy at least 0.9 was broken in 2 of the last 2 windows."
