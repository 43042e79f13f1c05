"""What every `Segments` must do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import InputError, Refused
from mainspring.ledger.ports import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.ledger import Ledger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _hour(number: int, *, source: str = "worker-0", hours: float = 1, **changes: object) -> Segment:
    """The segment of that hour after noon, from its start to a microsecond before its end."""
    start = NOON + timedelta(hours=number)
    base = Segment(
        model="churn", kind="predictions", source=source, sequence=number, rows=10, start=start,
        end=start + timedelta(hours=hours, microseconds=-1), digest=f"{source}/{number}", bytes=100,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]  # names are checked by replace itself


def _numbers(found: Sequence[Segment]) -> list[int]:
    return [each.sequence for each in found]


class SegmentsContract:
    """Every `Segments` passes these. Provide a `ledger` fixture that is empty."""

    def test_a_segment_comes_back_with_an_id(self, ledger: Ledger) -> None:
        """Ids rise, whatever was given; times keep their microseconds."""
        made = ledger.segments.add(_hour(0, id=77), _hour(1))
        assert made[0].id < made[1].id
        assert [replace(each, id=0) for each in made] == [_hour(0), _hour(1)]
        assert ledger.segments.search() == made

    def test_what_was_added_is_not_added_again(self, ledger: Ledger) -> None:
        """Neither later nor in one call, also where its bytes were written a second time and differ."""
        first = ledger.segments.add(_hour(0), _hour(0), _hour(1))
        assert first[0] == first[1]
        again = ledger.segments.add(_hour(1, digest="other"), _hour(2))
        assert again[0] == first[2]
        assert _numbers(ledger.segments.search()) == [0, 1, 2]
        others = (_hour(0, source="worker-1"), _hour(0, kind="labels"), _hour(0, model="fraud"))
        ledger.segments.add(*others)
        assert len(ledger.segments.search()) == 6

    def test_other_rows_under_a_known_name_are_refused(self, ledger: Ledger) -> None:
        """For one of the two would be lost; and nothing of that call stays."""
        ledger.segments.add(_hour(0))
        for wrong in (_hour(0, rows=11), _hour(0, hours=2)):
            with pytest.raises(
                InputError, match=r"The segment worker-0/0 of churn's predictions was added with 10 rows"
            ):
                ledger.segments.add(_hour(1), wrong)
        assert _numbers(ledger.segments.search()) == [0]

    def test_nonsense_is_named(self, ledger: Ledger) -> None:
        """Before anything is written."""
        with pytest.raises(InputError, match="Expected a segment of predictions or labels, got 'truths'"):
            ledger.segments.add(_hour(0), _hour(1, kind="truths"))
        with pytest.raises(InputError, match=r"worker-0/1 .* has 0 rows .*; leave out empty ones"):
            ledger.segments.add(_hour(1, rows=0))
        with pytest.raises(InputError, match=r"worker-0/1 .* ends at .*, before it starts at"):
            ledger.segments.add(_hour(1, end=NOON))
        assert ledger.segments.search() == ()

    def test_search_finds_every_segment_that_may_hold_such_rows(self, ledger: Ledger) -> None:
        """*since* is in, *until* is out, as with any span of time; the filters add up."""
        made = ledger.segments.add(*(_hour(number) for number in range(6)))
        ledger.segments.add(_hour(3, model="fraud"), _hour(3, kind="labels"))
        own = {"model": "churn", "kind": "predictions"}

        def between(since: float | None, until: float | None) -> list[int]:
            from_to = [None if each is None else NOON + timedelta(hours=each) for each in (since, until)]
            return _numbers(ledger.segments.search(**own, since=from_to[0], until=from_to[1]))  # type: ignore[arg-type]

        assert between(2, 4) == [2, 3]
        assert between(2.5, 4.5) == [2, 3, 4]
        assert between(None, 1) == [0]
        assert between(5, None) == [5]
        assert between(9, None) == []
        last = made[2].end  # the time of the last row is a row's time
        assert _numbers(ledger.segments.search(**own, since=last, until=last + timedelta(microseconds=1))) == [2]  # type: ignore[arg-type]
        page = ledger.segments.search(model="churn", kind="predictions", after=made[1].id, limit=2)
        assert _numbers(page) == [2, 3]
        assert len(ledger.segments.search(kind="labels")) == 1

    def test_one_segment_takes_the_place_of_several(self, ledger: Ledger) -> None:
        """At once; the second time changes nothing; and what it holds is never added again."""
        made = ledger.segments.add(*(_hour(number) for number in range(3)))
        whole = _hour(0, source="compact", rows=20, hours=2)
        put = ledger.segments.replace([made[0].id, made[1].id], whole)
        assert put.id > made[2].id
        assert ledger.segments.search() == (made[2], put)
        assert ledger.segments.replace([made[1].id, made[0].id], whole) == put
        assert ledger.segments.add(_hour(0)) == (made[0],)
        assert ledger.segments.search() == (made[2], put)
        assert [each.action for each in ledger.audit.entries(subject="segments/churn")] == ["segments.replace"]

    def test_a_replacement_that_does_not_fit_changes_nothing(self, ledger: Ledger) -> None:
        """Ids that are gone, another model's, a name that is taken, none at all."""
        made = ledger.segments.add(*(_hour(number) for number in range(3)), _hour(0, model="fraud"))
        ledger.segments.replace([made[0].id], _hour(0, source="compact"))
        before = ledger.segments.search()
        with pytest.raises(Refused, match=f"Gone already: segments {made[0].id}, 99. Someone was faster"):
            ledger.segments.replace([made[0].id, made[1].id, 99], _hour(1, source="compact"))
        with pytest.raises(
            InputError, match=r"A segment of churn's predictions cannot stand for fraud’s predictions\."
        ):
            ledger.segments.replace([made[1].id, made[3].id], _hour(1, source="compact"))
        with pytest.raises(InputError, match=r"compact/0 .* is there already; give the segment another sequence"):
            ledger.segments.replace([made[1].id], _hour(0, source="compact"))
        with pytest.raises(InputError, match="Expected the ids of segments to replace, got none"):
            ledger.segments.replace([], _hour(1, source="compact"))
        assert ledger.segments.search() == before

    def test_deleting_gives_the_digests_that_nothing_holds_any_more(self, ledger: Ledger) -> None:
        """And keeps the names: what was deleted does not come back by a late word."""
        made = ledger.segments.add(_hour(0, digest="a"), _hour(1, digest="b"), _hour(2, digest="b"))
        assert ledger.segments.delete([made[0].id, made[1].id, 99]) == ("a",)
        assert ledger.segments.search() == (made[2],)
        assert ledger.segments.delete([made[0].id]) == ()
        assert ledger.segments.add(_hour(0, digest="a")) == (made[0],)
        assert ledger.segments.delete([made[2].id]) == ("b",)
        assert ledger.segments.search() == ()
        told = ledger.audit.entries(subject="segments/churn")
        assert [dict(each.detail) for each in told] == [
            {"ids": [made[0].id, made[1].id], "rows": 20},
            {"ids": [made[2].id], "rows": 10},
        ]

    def test_what_a_segment_holds_is_live(self, ledger: Ledger) -> None:
        """For as long as it is there itself."""
        made = ledger.segments.add(_hour(0, digest="a"), _hour(1, digest="b"))
        assert ledger.artifacts.live() == {"a", "b"}
        ledger.segments.replace([made[0].id], _hour(0, source="compact", digest="c"))
        assert ledger.artifacts.live() == {"b", "c"}
        ledger.segments.delete([made[1].id])
        assert ledger.artifacts.live() == {"c"}
