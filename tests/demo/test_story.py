"""The story of the demo is told by the loop itself, and held against the truth fairly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.demo import story as stories
from mainspring.demo.loans import simulate
from mainspring.demo.story import Story, compare, contract, page, tell

if TYPE_CHECKING:
    from mainspring.operate.rehearsal import Passed


@pytest.fixture(scope="module")
def passed() -> list[Passed]:
    return []


@pytest.fixture(scope="module")
def story(passed: list[Passed]) -> Story:
    return tell(watch=passed.append)


def test_the_contract_declares_the_simulated_table() -> None:
    declared = contract()
    assert list(declared.columns) == [
        name for name in declared.columns if name in simulate(weeks=20, applications=30).frame.columns
    ]
    assert declared.columns["sex"].sensitive


def test_every_window_is_told(story: Story, passed: list[Passed]) -> None:
    assert [one.place for one in passed] == list(range(1, passed[-1].windows + 1))
    assert sum(one.rows for one in passed) == sum(window.rows for window in story.result.loop.windows)
    assert sum(len(one.opened) for one in passed) == len(story.result.incidents)


def test_all_four_events_are_found_with_their_columns_and_answered_rightly(story: Story) -> None:
    found = {finding.event.kind: finding for finding in story.findings}
    assert all(finding.right for finding in story.findings)
    assert found["unit change"].rank == 1
    assert found["unit change"].after is not None
    assert found["unit change"].after <= timedelta(days=8)
    assert found["harmless shift"].answer == "watched: labels showed no harm"
    assert found["concept change"].rank is None
    assert found["concept change"].after is not None
    assert found["concept change"].after >= found["concept change"].earliest
    assert story.others == ()


def test_the_loop_is_better_than_leaving_it_alone_for_few_retrains(story: Story) -> None:
    result = story.result
    assert result.loop.value.low is not None
    assert result.static.value.high is not None
    assert result.loop.value.low > result.static.value.high
    assert result.loop.retrains <= 6 < result.oracle.retrains


def test_what_was_not_found_is_said_to_be_missed(story: Story) -> None:
    blind = compare(story.history, replace(story.result, incidents=()))
    assert [finding.answer for finding in blind.findings] == ["did not see it"] * 4
    assert not any(finding.right for finding in blind.findings)
    assert [finding.row()[2] for finding in blind.findings] == ["no"] * 4


def test_an_incident_about_other_columns_is_not_taken_for_the_event(story: Story) -> None:
    unit = next(one for one in story.result.incidents if [each.name for each in one.incident.suspects] == ["income"])
    wrong = replace(unit, incident=replace(unit.incident, suspects=(replace(unit.incident.suspects[0], name="term"),)))
    told = compare(story.history, replace(story.result, incidents=(wrong,)))
    assert told.findings[0].incident is None
    assert [one.incident for one in told.others] == [wrong.incident]


def test_the_page_says_that_all_is_simulated_and_shows_the_truth(story: Story) -> None:
    html = page(story)
    assert stories.SIMULATED in html
    for event in story.history.events:
        assert event.kind in html
