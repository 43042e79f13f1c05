"""Folding: alerts of one cause become one incident, others do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.monitor.signals import Signal
from mainspring.operate.fold import BUDGET, HARM, QUIET, Case, plan


def alert(kind: Any, column: str | None = None) -> Signal:
    return Signal(name="js", kind=kind, column=column, value=1.0, breached=True, rows=100)


def case(number: int, kind: Any, *columns: str, opened: int = 0, last: int | None = None) -> Case:
    last = opened if last is None else last
    return Case(id=number, kind=kind, columns=frozenset(columns), opened=opened, last=last)


DRIFT_A, DRIFT_B = alert("drift", "a"), alert("drift", "b")
BROKEN_A = alert("data quality", "a")
SAYS_OTHER = alert("drift", "score")
WORSE = alert("performance")


def test_everything_that_begins_together_is_one_incident() -> None:
    drawn = plan([], [DRIFT_A, DRIFT_B, SAYS_OTHER, WORSE], 0)
    assert [(kind, len(found)) for kind, found in drawn.opening] == [("performance", 4)]


def test_drift_without_harm_is_drift() -> None:
    assert [kind for kind, _ in plan([], [DRIFT_A, SAYS_OTHER], 0).opening] == ["drift"]


def test_broken_data_explains_drift_of_the_column_and_harm() -> None:
    drawn = plan([], [BROKEN_A, DRIFT_A, WORSE], 0)
    assert [(kind, len(found)) for kind, found in drawn.opening] == [("data quality", 3)]


def test_a_requirement_on_the_data_is_broken_by_what_is_broken_in_them() -> None:
    burning = replace(alert("data quality"), name=f"{BUDGET}null_fraction at most 0.1")
    still = case(1, "data quality", "a", opened=1, last=6)
    drawn = plan([still], [burning], 7)
    assert (drawn.opening, drawn.joining[0][0].columns) == ((), frozenset("a"))
    assert [kind for kind, _ in plan([still], [alert("data quality")], 7).opening] == ["data quality"]


def test_harm_that_shows_while_data_is_still_broken_is_its_effect() -> None:
    still = case(1, "data quality", "a", opened=1, last=4)
    for found in ([BROKEN_A, WORSE], [WORSE]):
        drawn = plan([still], found, 5)
        assert drawn.opening == ()
        assert drawn.joining[0][0].kind == "data quality"
    mended = case(1, "data quality", "a", opened=1, last=3)
    assert [kind for kind, _ in plan([mended], [WORSE], 5).opening] == ["performance"]
    assert [kind for kind, _ in plan([still], [BROKEN_A, WORSE], 2 + HARM).opening] == ["performance"]


def test_a_column_that_breaks_beside_drift_of_others_is_a_cause_of_its_own() -> None:
    drawn = plan([case(1, "drift", "a", "b", opened=4)], [BROKEN_A, DRIFT_B], 5)
    assert drawn.opening == (("data quality", (BROKEN_A,)),)
    assert [(joined.kind, found) for joined, found in drawn.joining] == [("drift", (DRIFT_B,))]


def test_drift_of_the_column_alone_was_the_beginning_of_its_break() -> None:
    (joined,) = plan([case(1, "drift", "a", "score", opened=4)], [DRIFT_A, BROKEN_A, WORSE], 5).joining
    assert (joined[0].kind, len(joined[1])) == ("data quality", 3)
    later = plan([case(1, "drift", "a", opened=3)], [DRIFT_A, BROKEN_A], 5)
    assert [kind for kind, _ in later.opening] == ["data quality"]


def test_drift_of_a_broken_column_goes_where_its_break_goes() -> None:
    drawn = plan([case(1, "data quality", "b", opened=4)], [DRIFT_A, BROKEN_A], 5)
    assert drawn.opening == ()
    assert drawn.joining[0][1] == (DRIFT_A, BROKEN_A)


def test_harm_comes_from_the_data_that_broke_last_sooner_than_from_drift() -> None:
    cases = [
        case(1, "drift", "b", opened=6),
        case(2, "data quality", "c", opened=3),
        case(3, "data quality", "a", opened=5),
    ]
    alerts = [alert("data quality", "c"), BROKEN_A, DRIFT_B, WORSE]
    assert {one.id: one.kind for one, found in plan(cases, alerts, 7).joining if WORSE in found} == {3: "data quality"}


def test_people_are_told_again_of_new_breaks_of_far_more_rows_and_of_harm_and_of_nothing_else() -> None:
    def broken(share: float, name: str = "maximum") -> Signal:
        return replace(BROKEN_A, name=name, value=share)

    guessed = replace(WORSE, name="estimated accuracy")
    story = [
        ([broken(0.06)], False),
        ([broken(0.09)], False),
        ([broken(0.12), DRIFT_A], True),
        ([broken(0.12)], False),
        ([broken(0.13), broken(0.01, "nulls")], True),
        ([broken(0.13), guessed], True),
        ([broken(0.13), guessed], False),
        ([broken(0.13), WORSE], True),
        ([broken(0.13), guessed, WORSE], False),
    ]
    one = Case.of(1, "data quality", [broken(0.06)], 0)
    for window, (found, news) in enumerate(story, 1):
        (after, _), *_ = plan([one], found, window).joining
        assert (after.told != one.told) is news, f"window {window}"
        one = after


def test_a_budget_that_has_long_burnt_hides_no_model_that_does_worse() -> None:
    burning = replace(WORSE, name=f"{BUDGET}equal_opportunity_difference at most 0.1")
    old = Case.of(1, "performance", [burning], 0)
    drawn = plan([old], [burning, WORSE], 5)
    assert drawn.opening == (("performance", (WORSE,)),)
    assert [(one.id, found) for one, found in drawn.joining] == [(1, (burning,))]
    assert plan([old], [DRIFT_A], 1).opening == (("drift", (DRIFT_A,)),), "nor does it gather what drifts"
    assert plan([], [burning, WORSE], 5).opening == (("performance", (WORSE, burning)),)
    both = Case.of(2, "performance", [WORSE], 4)
    (joined,) = plan([both], [burning, WORSE], 5).joining
    assert joined[1] == (WORSE, burning)
    other = replace(burning, name=f"{BUDGET}roc_auc at least 0.7")
    joined_by = {one.id: found for one, found in plan([old, both], [burning, other], 5).joining}
    assert joined_by == {1: (burning, other)}, "what burns together is told together"
    assert plan([old, both], [other], 5).joining[0][0].id == 2, "and by itself with what hurts"


def test_drift_of_another_column_beside_broken_data_is_another_cause() -> None:
    drawn = plan([], [BROKEN_A, DRIFT_B], 0)
    assert sorted(kind for kind, _ in drawn.opening) == ["data quality", "drift"]


def test_a_column_that_goes_on_drifting_stays_with_its_incident() -> None:
    drawn = plan([case(1, "drift", "a")], [DRIFT_A], 5)
    assert drawn.opening == ()
    assert drawn.joining[0][0].last == 5


def test_a_column_that_joins_soon_has_the_same_cause_and_later_another() -> None:
    assert plan([case(1, "drift", "a", opened=4)], [DRIFT_B], 5).opening == ()
    assert [kind for kind, _ in plan([case(1, "drift", "a", opened=2, last=4)], [DRIFT_B], 5).opening] == ["drift"]


def test_harm_soon_after_drift_makes_it_an_incident_of_performance() -> None:
    drawn = plan([case(1, "drift", "a", opened=4)], [DRIFT_A, WORSE], 5)
    assert drawn.opening == ()
    assert drawn.joining[0][0].kind == "performance"


def test_harm_long_after_harmless_drift_is_another_cause() -> None:
    drawn = plan([case(1, "drift", "a", opened=0, last=4)], [DRIFT_A, WORSE], 5)
    assert [(kind, found) for kind, found in drawn.opening] == [("performance", (WORSE,))]


def test_a_mended_model_ends_its_incident_though_its_columns_still_drift() -> None:
    drawn = plan([case(1, "performance", "a", opened=0, last=3)], [DRIFT_A], 3 + QUIET)
    assert [closed.id for closed in drawn.closing] == [1]
    assert drawn.joining == ()


def test_service_has_its_own_incident() -> None:
    drawn = plan([], [alert("service"), WORSE], 0)
    assert sorted(kind for kind, _ in drawn.opening) == ["performance", "service"]
    assert plan([case(1, "service")], [alert("service")], 1).opening == ()


def test_an_alert_that_names_no_column_stays_with_its_incident_however_long_it_lasts() -> None:
    refused = alert("data quality")
    open_: list[Case] = []
    for window in range(10):
        drawn = plan(open_, [refused], window)
        open_ = [one for one, _ in drawn.joining]
        open_ += [Case.of(1 + window, kind, found, window) for kind, found in drawn.opening]
    assert [(one.id, one.last) for one in open_] == [(1, 9)]


def test_what_labels_told_is_over_when_labels_say_so_and_not_while_none_come() -> None:
    bad = Case.of(1, "performance", [WORSE], 3)
    for window in range(4, 20):
        drawn = plan([bad], [], window, measured=False)
        (bad,) = drawn.waiting
        assert drawn.closing == ()
    (bad,) = plan([bad], [], 20).waiting
    assert [one.id for one in plan([bad], [], 20).closing] == [1]
    guessed = replace(WORSE, name="estimated accuracy")
    assert plan([Case.of(1, "performance", [guessed], 3)], [], 5, measured=False).closing, "no label ends an estimate"


def test_what_only_its_finder_can_end_outlasts_quiet_windows() -> None:
    held = replace(Case.of(1, "data quality", [BROKEN_A], 0), held=True)
    assert plan([held], [], 50).closing == ()
    assert plan([held], [BROKEN_A], 50).opening == ()


alerts = st.lists(
    st.builds(
        alert,
        st.sampled_from(["data quality", "drift", "performance", "service"]),
        st.sampled_from(["a", "b", "c", "score", "prediction"]),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(alerts, max_size=20))
def test_no_alert_is_lost_or_told_twice(history: list[list[Signal]]) -> None:
    open_: dict[int, Case] = {}
    number = 0
    for window, found in enumerate(history):
        drawn = plan(list(open_.values()), found, window)
        told = [signal for _, group in drawn.opening for signal in group]
        told += [signal for _, group in drawn.joining for signal in group]
        closed = {one.id for one in drawn.closing}
        # what is told to an incident that ends in the same window is the only thing that may be dropped
        assert len(told) == len(found) if not closed else len(told) <= len(found)
        assert closed <= open_.keys()
        assert not closed & {one.id for one, _ in drawn.joining}
        open_ = {key: one for key, one in open_.items() if key not in closed}
        open_ |= {one.id: one for one in (*drawn.waiting, *(one for one, _ in drawn.joining))}
        for kind, group in drawn.opening:
            number += 1
            columns = [signal.column for signal in group if signal.column]
            open_[number] = case(number, kind, *columns, opened=window)
    assert all(len(history) - 1 - one.last <= QUIET for one in open_.values())
