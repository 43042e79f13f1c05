"""The decision of a rollout: laws that hold for whatever is seen, and a few cases by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.operate.rollout.document import as_value, of_value
from mainspring.operate.rollout.plan import BLIND, IDLE, NOTES, PATIENCE, Evidence, Judged, Rollout, advance, noticed

START = datetime(2026, 1, 1, tzinfo=UTC)
HOLD = timedelta(minutes=10)


def rollout(**more: Any) -> Rollout:
    values: dict[str, Any] = {
        "model": "shop", "version": 2, "champion": 1, "steps": (5.0, 25.0, 100.0), "hold": HOLD, "minimum_rows": 100,
        "started": START, "since": START, "traffic": 1,
    }  # fmt: skip
    return Rollout(**(values | more))


def judged(result: Any = "fail", **more: Any) -> Judged:
    return Judged(name="roc_auc at least 0.8", result=result, text="roc_auc is 0.7", **more)


good = Evidence(rows=500, champion=1, required=(judged("pass"),))

verdicts = st.builds(
    Judged,
    name=st.sampled_from(["a", "b"]),
    result=st.sampled_from(["pass", "fail", "not measurable"]),
    text=st.just("as it is"),
    priority=st.sampled_from(["must", "should"]),
    sure=st.booleans(),
    few=st.booleans(),
)
evidences = st.builds(
    Evidence,
    rows=st.integers(0, 300),
    champion=st.sampled_from([1, 1, 1, 1, 2, 3, None]),
    required=st.lists(verdicts, max_size=3).map(tuple),
    compared=st.lists(verdicts, max_size=2).map(tuple),
    untouched=st.sampled_from([True, True, True, False]),
    unloadable=st.sampled_from(["", "", "damaged"]),
    paused=st.sampled_from(["", "", "holiday"]),
)
moments = st.integers(-3_600, 7_200).map(lambda seconds: START + timedelta(seconds=seconds))
rollouts = st.builds(rollout, at=st.integers(0, 2), failing_since=st.none() | moments)


@given(rollout=rollouts, evidence=evidences, now=moments)
def test_it_goes_on_only_where_nothing_speaks_against_it(rollout: Rollout, evidence: Evidence, now: datetime) -> None:
    decision = advance(rollout, evidence, now)
    assert decision == advance(rollout, evidence, now)
    assert decision.reason
    if decision.action in ("advance", "finish") and evidence.champion == 1:
        assert now - rollout.since >= rollout.hold
        assert evidence.rows >= rollout.minimum_rows
        assert not any(one.priority == "must" and one.result == "fail" for one in evidence.judged)
        assert evidence.untouched
        assert evidence.unloadable == evidence.paused == ""
        assert (decision.action == "finish") == (rollout.at == 2)


@given(rollout=rollouts, evidence=evidences, now=moments)
def test_what_is_surely_broken_is_taken_back_at_once_at_any_step(
    rollout: Rollout, evidence: Evidence, now: datetime
) -> None:
    broken = replace(
        evidence, champion=1, untouched=True, required=(*evidence.required, judged(sure=True)), rows=0, paused="holiday"
    )
    assert advance(rollout, broken, now).action == "roll back"


@given(rollout=rollouts, evidence=evidences, now=moments, more=st.integers(0, 3_600))
def test_time_and_rows_never_turn_going_on_into_waiting(
    rollout: Rollout, evidence: Evidence, now: datetime, more: int
) -> None:
    before = advance(rollout, evidence, now)
    after = advance(rollout, replace(evidence, rows=evidence.rows + more), now + timedelta(seconds=more))
    if before.action != "hold":
        assert after.action == before.action


@given(rollout=rollouts, evidence=evidences, now=moments, status=st.sampled_from(["done", "rolled back", "aborted"]))
def test_what_is_over_stays_over(rollout: Rollout, evidence: Evidence, now: datetime, status: Any) -> None:
    assert advance(replace(rollout, status=status), evidence, now).action == "hold"
    assert replace(rollout, status=status).percent == 0


@given(evidence=evidences, now=moments)
def test_a_should_never_takes_a_version_back(evidence: Evidence, now: datetime) -> None:
    lenient = replace(
        evidence, champion=1, unloadable="",
        required=tuple(replace(one, priority="should") for one in evidence.required),
        compared=tuple(replace(one, priority="should") for one in evidence.compared),
    )  # fmt: skip
    assert advance(rollout(), lenient, now).action != "roll back"


@given(st.lists(st.tuples(evidences, st.integers(0, 1_200)), max_size=40))
def test_any_course_of_events_rises_step_by_step_and_ends_once(events: list[tuple[Evidence, int]]) -> None:
    course, now, seen = rollout(), START, [5.0]
    for evidence, seconds in events:
        now += timedelta(seconds=seconds)
        course = noticed(course, evidence, now)
        decision = advance(course, evidence, now)
        if decision.action == "advance":
            course = replace(course, at=course.at + 1, since=now)
            seen.append(course.percent)
        elif decision.action != "hold":
            course = replace(course, status="aborted" if decision.action == "abort" else "done")
            assert course.percent == 0
    assert seen == [5.0, 25.0, 100.0][: len(seen)]


@pytest.mark.parametrize(
    ("evidence", "minutes", "action", "said"),
    [
        (good, 10, "advance", "500 rows answered, nothing broken"),
        (good, 9, "hold", "held for 9m of 10m"),
        (replace(good, rows=0), 60, "hold", "0 of 100 rows answered at this step in 1h: is an endpoint serving shop,"),
        (replace(good, rows=99), 60, "hold", "99 of 100 rows answered at this step"),
        (replace(good, required=(judged(),)), 10, "hold", "roc_auc is 0.7, though not surely: more rows will tell"),
        (replace(good, required=(judged(),)), 100, "hold", "though not surely"),
        (replace(good, required=(judged(sure=True),)), 0, "roll back", "roc_auc is 0.7"),
        (
            replace(good, required=(judged("not measurable"),)), 10, "advance",
            "nothing broken; not measured: roc_auc at least 0.8",
        ),
        (replace(good, champion=3), 0, "abort", "version 3 is champion, so what was measured against version 1"),
        (replace(good, champion=2), 0, "finish", "somebody made it the champion meanwhile"),
        (replace(good, untouched=False), 10, "abort", "somebody changed the traffic"),
        (replace(good, unloadable="model.txt is damaged"), 0, "roll back", "cannot load it: model.txt is damaged"),
        (replace(good, paused="by ann"), 60, "hold", "paused: by ann"),
        (replace(good, blind="the store is gone"), 60, "hold", "cannot be read: the store is gone"),
    ],
)  # fmt: skip
def test_by_name(evidence: Evidence, minutes: int, action: str, said: str) -> None:
    decision = advance(rollout(), evidence, START + timedelta(minutes=minutes))
    assert decision.action == action
    assert said in decision.reason


def test_patience_is_counted_from_when_it_began_to_look_broken() -> None:
    """A step that was held for long for want of rows is not taken back for the first thing that looks bad."""
    bad = replace(good, required=(judged(),))
    begun = START + timedelta(hours=5)
    course = noticed(rollout(), good, begun)
    assert course.failing_since is None
    for minutes in (0, 10, 29):
        now = begun + timedelta(minutes=minutes)
        course = noticed(course, bad, now)
        assert (course.failing_since, advance(course, bad, now).action) == (begun, "hold")
    assert noticed(course, Evidence(rows=0, champion=1, blind="the store is gone"), now).failing_since == begun
    assert noticed(course, good, now).failing_since is None
    end = begun + PATIENCE * HOLD
    decision = advance(noticed(course, bad, end), bad, end)
    assert (decision.action, decision.reason) == ("roll back", "roc_auc is 0.7, for 30m")


def test_a_version_that_nobody_can_judge_is_not_left_with_traffic() -> None:
    blind = Evidence(rows=0, champion=1, blind="the store is gone")
    begun = START + timedelta(hours=5)
    course = noticed(rollout(), blind, begun)
    end = begun + PATIENCE * HOLD
    assert (course.blind_since, advance(course, blind, end - timedelta(seconds=1)).action) == (begun, "hold")
    decision = advance(noticed(course, blind, end), blind, end)
    assert (decision.action, decision.broken) == ("roll back", ("log",))
    assert decision.reason == "what it answered could not be read for 30m: the store is gone"
    seen = noticed(noticed(course, good, end), blind, end)
    assert (seen.blind_since, advance(seen, blind, end).action) == (end, "hold"), "what was read once is no blindness"
    hasty = noticed(rollout(hold=timedelta()), blind, begun)
    assert advance(hasty, blind, begun).action == "hold"
    assert advance(hasty, blind, begun + BLIND).action == "roll back"


def test_what_fails_on_a_few_rows_holds_the_step_and_never_takes_it_back() -> None:
    few = replace(good, required=(judged(few=True),))
    course = noticed(rollout(), few, START)
    later = START + timedelta(days=3)
    assert advance(noticed(course, few, later), few, later).action == "hold"


def test_a_version_that_nobody_asks_is_noted_once_a_step() -> None:
    idle, course = replace(good, rows=0), rollout()
    for minutes in range(0, 10 * IDLE * 3, 10):
        course = noticed(course, idle, START + timedelta(minutes=minutes))
    (note,) = course.notes
    assert (note.action, note.time) == ("idle", START + IDLE * HOLD)
    assert note.text.startswith("0 of 100 rows answered at this step in 1h 40m: is an endpoint")
    course = replace(course, since=START + timedelta(hours=5))
    assert len(noticed(course, idle, START + timedelta(hours=7)).notes) == 2


def test_a_clock_that_goes_back_only_holds_longer() -> None:
    assert advance(rollout(), good, START - timedelta(days=1)).reason == "held for 0s of 10m"


def test_the_document_keeps_everything() -> None:
    full = rollout(required=(judged(sure=True),), override="an emergency", ended=START).noted(START, "start", "5 %")
    assert of_value(as_value(full)) == full


def test_notes_are_bounded_and_keep_the_first() -> None:
    course = rollout()
    for number in range(3 * NOTES):
        course = course.noted(START, "note", str(number))
    assert len(course.notes) <= NOTES
    assert [course.notes[0].text, course.notes[-1].text] == ["0", str(3 * NOTES - 1)]
