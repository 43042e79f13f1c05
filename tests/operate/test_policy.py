"""The decision: every rule by an example, and laws over whole histories of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.contract import Retrain
from mainspring.core.errors import InputError, NotFound
from mainspring.core.estimate import Estimate
from mainspring.operate.policy import Decision, Done, Policy, Situation, decide

START = datetime(2026, 1, 1, tzinfo=UTC)
WORSE = {"requirement": "accuracy fell"}
MOVED = {"drift": "age moved"}


def at(window: int, **given_: Any) -> Situation:
    """The situation after window number *window*, of an hour each."""
    defaults: dict[str, Any] = {"labelled": 100, "worth": 100}
    return Situation(window=window, now=START + timedelta(hours=window), **(defaults | given_))


def done(*windows: int) -> tuple[Done, ...]:
    return tuple(Done(window, START + timedelta(hours=window)) for window in windows)


def test_nothing_fired_holds() -> None:
    assert decide(Policy(), at(3)) == Decision("hold", "nothing asks for a retrain")


def test_a_trigger_that_the_policy_does_not_list_is_passed_over() -> None:
    assert decide(Policy(on=("requirement",)), at(3, triggers=MOVED)).action == "hold"
    assert decide(Policy(on=("drift",)), at(3, triggers=MOVED)) == Decision("retrain", "age moved", "drift")


def test_a_breached_requirement_is_the_reason_even_if_others_fired() -> None:
    decision = decide(Policy(on=("drift", "requirement")), at(3, triggers=MOVED | WORSE))
    assert (decision.trigger, decision.reason) == ("requirement", "accuracy fell")


def test_without_new_labels_there_is_nothing_to_learn() -> None:
    decision = decide(Policy(), at(3, triggers=WORSE, labelled=0))
    assert decision.action == "hold"
    assert "no labels have come" in decision.reason


def test_what_could_not_be_built_is_not_tried_again_at_once() -> None:
    assert decide(Policy(), at(3, triggers=MOVED, failing="not yet")) == Decision("hold", "not yet", "drift")


def test_labels_are_a_trigger_once_they_are_worth_it() -> None:
    policy = Policy(on=("labels",))
    assert decide(policy, at(3, labelled=99)).action == "hold"
    assert decide(policy, at(3, labelled=100)).trigger == "labels"


@pytest.mark.parametrize(("window", "action"), [(4, "hold"), (5, "retrain"), (6, "retrain")])
def test_the_schedule_counts_from_the_last_retrain(window: int, action: str) -> None:
    policy = Policy(on=("schedule",), every=3)
    assert decide(policy, at(window, retrains=done(2))).action == action


def test_the_schedule_counts_from_release_before_the_first_retrain() -> None:
    policy, release = Policy(on=("schedule",), every=timedelta(hours=3)), Done(-1, START - timedelta(hours=1))
    assert decide(policy, at(1, began=release)).action == "hold"
    assert decide(policy, at(2, began=release)).action == "retrain"


@pytest.mark.parametrize("span", [2, timedelta(hours=2)])
def test_the_cooldown_is_in_windows_or_in_time(span: Any) -> None:
    policy = Policy(cooldown=span)
    held = decide(policy, at(5, triggers=WORSE, retrains=done(4)))
    assert held.action == "hold"
    assert "the last retrain is less than 2" in held.reason
    assert decide(policy, at(6, triggers=WORSE, retrains=done(4))).action == "retrain"


def test_a_budget_without_a_span_is_for_ever() -> None:
    policy = Policy(at_most=2)
    decision = decide(policy, at(90, triggers=WORSE, retrains=done(1, 5)))
    assert (decision.action, decision.reason) == ("hold", "the budget of 2 is spent")


@pytest.mark.parametrize("span", [6, timedelta(hours=6)])
def test_a_budget_in_a_span_comes_back(span: Any) -> None:
    policy = Policy(at_most=2, per=span)
    assert decide(policy, at(6, triggers=WORSE, retrains=done(1, 5))).action == "hold"
    assert decide(policy, at(7, triggers=WORSE, retrains=done(1, 5))).action == "retrain"


def test_the_last_of_a_budget_is_kept_for_a_breached_requirement() -> None:
    policy = Policy(at_most=3, per=10)
    held = decide(policy, at(6, triggers=MOVED, retrains=done(1, 3)))
    assert (held.action, held.reason) == ("hold", "the rest of the budget is kept for a breached requirement")
    assert decide(policy, at(6, triggers=WORSE, retrains=done(1, 3))).action == "retrain"


def test_nothing_is_kept_where_requirements_start_no_retrain_or_the_budget_is_one() -> None:
    assert decide(Policy(on=("drift",), at_most=1), at(6, triggers=MOVED)).action == "retrain"
    assert decide(Policy(at_most=1), at(6, triggers=MOVED)).action == "retrain"


@pytest.mark.parametrize(("low", "action"), [(0.01, "roll back"), (0.0, "hold"), (-0.01, "hold"), (None, "hold")])
def test_only_a_champion_that_is_surely_worse_is_rolled_back(low: float | None, action: str) -> None:
    regret = Estimate(0.05, low, 0.09, 400)
    assert decide(Policy(), at(3, regret=regret)).action == action


def test_rolling_back_comes_before_everything_else() -> None:
    decision = decide(Policy(), at(3, triggers=WORSE, regret=Estimate(0.05, 0.01, 0.09, 400)))
    assert decision.reason == "the champion before was better by 0.05 on 400 rows"


def test_the_policy_of_a_contract() -> None:
    declared = Retrain(on=("drift",), cooldown=timedelta(hours=12), at_most=3, per=timedelta(days=7))
    policy = Policy.of(declared)
    assert policy == Policy(on=("drift",), cooldown=timedelta(hours=12), at_most=3, per=timedelta(days=7))
    assert policy.describe() == "retrain on drift, at most once in 12h, at most 3 times in 1w"


def test_a_policy_is_read_from_text() -> None:
    policy = Policy.parse("on=requirement+schedule, every=4, cooldown=12h, at_most=6 per 30d, promotion=approval")
    assert policy == Policy(
        on=("requirement", "schedule"), every=4, cooldown=timedelta(hours=12), at_most=6, per=timedelta(days=30),
        promotion="approval",
    )  # fmt: skip
    assert "promoted after approval" in policy.describe()
    assert Policy.parse("never").describe() == "never retrain"
    assert decide(Policy.parse("always"), at(3, retrains=done(2))).action == "retrain"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("on=drfit", NotFound, "No trigger named 'drfit'. Did you mean drift"),
        ("cool=3", NotFound, "No setting named 'cool'. Did you mean cooldown"),
        ("cooldown", InputError, "A policy is a list such as"),
        ("cooldown=soon", InputError, "cooldown is a number of windows, or a span of time such as .*; got 'soon'"),
        ("at_most=few", InputError, "at_most is a number such as 6, or 6 per 30d; got 'few'"),
        ("promotion=never", NotFound, "No promotion named 'never'"),
    ],
)
def test_a_mistake_in_a_policy_is_named(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Policy.parse(text)


fired = st.fixed_dictionaries({}, optional={"requirement": st.just("worse"), "drift": st.just("moved")})
policies = st.builds(
    Policy,
    on=st.sets(st.sampled_from(["requirement", "drift", "labels", "schedule"])).map(tuple),
    every=st.none() | st.integers(1, 5),
    cooldown=st.none() | st.integers(1, 5) | st.integers(1, 5).map(lambda hours: timedelta(hours=hours)),
    at_most=st.none() | st.integers(0, 4),
    per=st.none() | st.integers(1, 8) | st.integers(1, 8).map(lambda hours: timedelta(hours=hours)),
    reserve=st.integers(0, 2),
)


@settings(deadline=None, max_examples=150)
@given(policies, st.lists(st.tuples(fired, st.booleans()), max_size=40))
def test_whatever_happens_cooldown_and_budget_hold(policy: Policy, history: list[tuple[dict[Any, str], bool]]) -> None:
    made: list[Done] = []
    for window, (triggers, labelled) in enumerate(history):
        situation = at(window, triggers=triggers, labelled=100 * labelled, retrains=tuple(made))
        decision = decide(policy, situation)
        assert decide(policy, situation) == decision
        assert decision.reason
        if decision.action != "retrain":
            continue
        assert labelled
        assert decision.trigger in policy.on
        made.append(Done(window, situation.now))
    hours = [one.window for one in made]
    wait = _hours(policy.cooldown) or 1
    assert all(later - earlier >= wait for earlier, later in pairwise(hours))
    if policy.at_most is not None:
        span = _hours(policy.per) or len(history) + 1
        assert all(sum(begin <= hour < begin + span for hour in hours) <= policy.at_most for begin in hours)


def _hours(span: timedelta | int | None) -> int | None:
    return int(span / timedelta(hours=1)) if isinstance(span, timedelta) else span
