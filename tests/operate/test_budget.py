"""Error budgets: arithmetic that an oracle repeats, and the document they are counted from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.contract import Contract, Requirement, judge
from mainspring.core.clock import SimulatedClock
from mainspring.core.estimate import Estimate
from mainspring.operate.budget import (
    LOOKS,
    SHORT,
    Budget,
    Slice,
    blaze,
    budget,
    budgets,
    course,
    reach,
    record,
    records,
    spark,
)
from mainspring.operate.budget_page import page, span_words
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AUC = Requirement(metric="roc_auc", at_least=0.8)
CONTRACT = Contract.parse(
    '[project]\nname = "shop"\ntask = "binary"\ntarget = "y"\n'
    '[[require]]\nmetric = "roc_auc"\nat_least = 0.8\nobjective = 0.9\n'
    '[[require]]\nmetric = "error_rate"\nat_most = 0.01\n[slo]\nover = "10d"\n'
)


def course_of(results: Sequence[Any], *, length: timedelta = HOUR, end: datetime = NOW) -> list[Slice]:
    """Slices of equal length one after the other, the last of which ends at *end*."""
    begin = end - len(results) * length
    return [
        Slice(start=begin + place * length, end=begin + (place + 1) * length, result=result)
        for place, result in enumerate(results)
    ]


def of(results: Sequence[Any], *, objective: float = 0.99, over: timedelta = 30 * DAY, **more: Any) -> Budget:
    return budget(course_of(results, **more), objective=objective, over=over, now=NOW)


results = st.lists(st.sampled_from(["pass", "fail", "not measurable"]), max_size=80)


@given(results=results, objective=st.floats(0.5, 0.999), hours=st.integers(1, 100))
def test_time_is_counted_as_hour_by_hour(results: list[Any], objective: float, hours: int) -> None:
    found = of(results, objective=objective, over=hours * HOUR)
    inside = results[-hours:]
    assert (found.kept, found.broken, found.unknown) == tuple(
        inside.count(word) * HOUR for word in ("pass", "fail", "not measurable")
    )
    assert found.left == found.allowed - found.broken
    assert found.allowed / timedelta(hours=hours) == pytest.approx(1 - objective, abs=1e-6)
    measured = [word for word in inside if word != "not measurable"]
    assert found.attained == (measured.count("pass") / len(measured) if measured else None)
    assert (found.health == "unknown") == (not measured)
    assert (found.health == "spent") == (found.broken > timedelta() and found.spent >= 1)
    last = course(found)[-1]
    assert last[1] == pytest.approx(1 - found.spent)
    assert len(spark(found)) == 28


@given(results=results.filter(lambda words: set(words) - {"not measurable"}), minutes=st.integers(1, 3_000))
def test_rates_are_the_mean_of_minutes_looked_at_one_by_one(results: list[Any], minutes: int) -> None:
    over = timedelta(minutes=minutes) * 14.4 / 0.02
    found = of(results, objective=0.9, over=over)
    behind = len(results) - 1 - max(place for place, word in enumerate(results) if word != "not measurable")
    if behind * HOUR > over / 4:
        assert {burn.long_rate for burn in found.burns} == {None}
        return
    within = len(results) * 60
    by_minute = [results[minute // 60] for minute in range(within)]
    last = max(place for place, word in enumerate(results) if word != "not measurable") * 60
    since = min(max(within - minutes, 0), last)
    seen = [word for word in by_minute[since:] if word != "not measurable"]
    assert found.burns[0].long == pytest.approx(timedelta(minutes=minutes), abs=timedelta(seconds=1))
    assert found.burns[0].long_rate == pytest.approx(seen.count("fail") / len(seen) / 0.1, abs=1e-6)


def test_looks_back_are_those_of_the_workbook_for_thirty_days() -> None:
    found = of(["pass"])
    assert [burn.long / HOUR for burn in found.burns] == pytest.approx([1, 6, 72])
    assert [burn.short / HOUR for burn in found.burns] == pytest.approx([1 / 12, 0.5, 6])
    assert [burn.threshold for burn in found.burns] == [14.4, 6, 1]
    assert [look[2] for look in LOOKS] == ["page", "page", "ticket"]
    assert SHORT == 12


@pytest.mark.parametrize(
    ("results", "health"),
    [
        ([], "unknown"),
        (["not measurable"] * 5, "unknown"),
        (["pass"] * 700, "kept"),
        (["pass"] * 700 + ["fail"], "burning fast"),
        # three hours of 7.2 are gone, but it is over: nobody is called; yet it held for less than 99 % so far
        (["fail"] * 3 + ["pass"] * 100, "unproven"),
        (["fail"] * 3 + ["pass"] * 297, "kept"),
        (["fail"] * 3 + ["not measurable"] * 297, "unproven"),
        (["fail"] * 3 + ["pass"] * 717, "kept"),
        (["pass"] * 48 + ["fail"] * 2 + ["pass"] * 5, "burning"),
        (["fail"] * 8 + ["pass"] * 400, "spent"),
    ],
)
def test_health(results: list[Any], health: str) -> None:
    assert of(results).health == health


def test_windows_longer_than_the_look_back_still_call() -> None:
    found = of(["pass"] * 20 + ["fail"], length=DAY, objective=0.95)
    assert found.health == "burning fast"
    assert found.burns[0].long_rate == pytest.approx(20)
    assert found.left == 0.5 * DAY


def test_late_labels_do_not_hide_what_was_known_last() -> None:
    found = of(["pass"] * 20 + ["fail"] * 3 + ["not measurable"] * 90)
    assert found.burns[0].firing
    assert found.unknown == 90 * HOUR


def test_what_was_long_ago_says_nothing_about_now() -> None:
    bad = ["pass"] * 20 + ["fail"] * 3
    # each look says nothing any more once the traffic has stopped for longer than it reaches and than three windows
    ended = [of(bad, end=NOW - hours * HOUR) for hours in (2, 4, 7, 73)]
    assert [sum(burn.long_rate is not None for burn in found.burns) for found in ended] == [3, 2, 1, 0]
    assert [found.health for found in ended] == ["burning fast", "burning fast", "burning", "unproven"]
    # and where the labels have stopped for more than a quarter of the span
    assert of(bad + ["not measurable"] * 200).health == "unproven"


@pytest.mark.parametrize(
    ("results", "length", "found"),
    [
        # one window may be chance, however much of the budget it was
        (["pass"] * 9 + ["fail"], HOUR, None),
        (["fail"], DAY, None),
        # of long windows the last three are looked at, of short ones those of an hour
        (["fail", "fail"], DAY, (2, 2)),
        (["pass"] * 9 + ["fail", "pass", "fail"], HOUR, (2, 3)),
        (["pass"] * 9 + ["fail"] * 6, HOUR / 12, (6, 12)),
        (["pass"] * 9 + ["fail"] * 5, HOUR / 12, None),
        # what was not measured says nothing, and what is over calls nobody
        (["fail", "not measurable", "fail"], HOUR, (2, 2)),
        (["fail"] * 9 + ["pass"], HOUR, None),
        ([], HOUR, None),
    ],
)
def test_a_budget_burns_fast_where_several_windows_say_so(
    results: list[Any], length: timedelta, found: tuple[int, int] | None
) -> None:
    made = blaze(course_of(results, length=length), objective=0.99, over=30 * DAY, now=NOW)
    assert (made and (made.broken, made.windows)) == found
    assert reach(30 * DAY) == pytest.approx(6 * HOUR, abs=timedelta(seconds=1))


def test_a_slice_is_cut_at_the_beginning_of_the_span() -> None:
    found = of(["fail"] * 3, length=DAY, over=2.5 * DAY, objective=0.5)
    assert found.broken == 2.5 * DAY
    assert found.left == -1.25 * DAY


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "ws", actor="ann", clock=SimulatedClock(NOW)) as opened:
        yield opened


def keep(workspace: Workspace, hour: int, auc: float | None, errors: float = 0.0) -> bool:
    start = NOW + (hour - 100) * HOUR
    verdicts = [
        judge(AUC, None if auc is None else Estimate(auc, rows=50), stage="live"),
        judge(CONTRACT.requirements[1], Estimate(errors, rows=60), stage="live"),
    ]
    return record(
        workspace.ledger.states, model="shop", start=start, end=start + HOUR, version=1, rows=60, verdicts=verdicts
    )


def test_a_window_is_kept_once_and_again_when_labels_have_come(workspace: Workspace) -> None:
    assert keep(workspace, 1, None)
    assert not keep(workspace, 1, None)
    revision = workspace.ledger.states.search("verdicts")[0].revision
    assert keep(workspace, 1, 0.7)
    (state,) = workspace.ledger.states.search("verdicts", "shop/20260224T210000")
    assert state.revision > revision
    (found,) = records(workspace.ledger.states, "shop")
    assert [held.result for held in found.verdicts] == ["fail", "pass"]
    assert found.verdicts[0].value == 0.7


def test_old_windows_are_dropped_when_a_new_one_is_kept_and_left_unread(workspace: Workspace) -> None:
    states = workspace.ledger.states
    states.put("verdicts", "shoe/20200101T000000.000000Z", {})
    for day in (-500, -470, -450, -300, -100):
        keep(workspace, 24 * day, 0.9)
    assert len(records(states, "shop")) == 5
    for day in (-1, 0):
        keep(workspace, 24 * day, 0.9)
    assert [(each.start - NOW).days for each in records(states, "shop")] == [-455, -305, -105, -6, -5]
    assert len(states.search("verdicts", "shoe/")) == 1
    # what began long before the span is not even read
    states.put("verdicts", "shop/20250901T000000.000000Z", "no window at all")
    assert len(records(states, "shop", since=NOW - 28 * DAY)) == 2


def test_few_labels_neither_keep_nor_break(workspace: Workspace) -> None:
    states = workspace.ledger.states
    for hour, (auc, rows) in enumerate([(0.7, 2), (0.9, 2), (0.7, 30), (0.9, 30)], start=96):
        start = NOW + (hour - 100) * HOUR
        verdict = judge(AUC, Estimate(auc, rows=rows), stage="live")
        record(states, model="shop", start=start, end=start + HOUR, version=1, rows=60, verdicts=[verdict])
    (found,) = budgets(CONTRACT, records(states, "shop"), NOW)
    assert (found.unknown, found.broken, found.kept) == (2 * HOUR, HOUR, HOUR)
    assert spark(found, width=240)[-4:] == "··▁█"


def test_budgets_follow_the_contract_in_order_with_their_own_objectives(workspace: Workspace) -> None:
    for hour in range(100):
        keep(workspace, hour, 0.7 if hour < 30 else 0.9, 0.5 if hour == 99 else 0.0)
    found = budgets(CONTRACT, records(workspace.ledger.states, "shop", since=NOW - 10 * DAY), NOW)
    assert [each.requirement for each in found] == ["roc_auc at least 0.8", "error_rate at most 0.01"]
    assert [each.objective for each in found] == [0.9, 0.99]
    assert [each.health for each in found] == ["spent", "burning fast"]
    assert found[0].broken == 30 * HOUR
    assert records(workspace.ledger.states, "shop", since=NOW - HOUR)[0].end == NOW
    html = page("shop", found)
    assert "The budget of 1 of 2 requirements is spent: roc_auc at least 0.8." in html
    assert "▁" in html


def test_a_page_about_nothing_says_so() -> None:
    assert "No window has been judged yet" in page("shop", ())


def test_spans_are_said_in_minutes() -> None:
    said = [span_words(span) for span in (90 * HOUR, -5 * HOUR, timedelta(seconds=20))]
    assert said == ["3d 18h", "−5h", "20s"]
