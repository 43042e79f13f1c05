"""What every `Steps` must do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import NotFound
from mainspring.ledger.ports import Output, StepRecord

if TYPE_CHECKING:
    from mainspring.ledger import Ledger


def _record(run: str, **changes: object) -> StepRecord:
    base = StepRecord(
        key="k1",
        step="train",
        run=run,
        outputs=(Output(digest="m1", type="model", size=9, name="train", meta={"rows": 3}),),
        inputs={"parts": "p1"},
        parts={"source": "s1", "trials": "30"},
        seconds=1.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # names are checked by replace itself


class StepsContract:
    """Every `Steps` passes these. Provide a `ledger` fixture that is empty."""

    def test_a_record_comes_back_by_its_key(self, ledger: Ledger) -> None:
        """Whole; and its outputs are artifacts with lineage."""
        run = ledger.runs.create(name="r")
        record = _record(run.id)
        ledger.steps.record(record)
        found = ledger.steps.find("k1")
        assert found is not None
        assert found.finished is not None
        assert replace(found, finished=None) == record
        assert ledger.artifacts.get("m1").run == run.id
        assert [edge.input for edge in ledger.artifacts.lineage("m1").edges] == ["p1"]
        assert ledger.steps.find("k2") is None

    def test_only_a_step_that_ran_is_found(self, ledger: Ledger) -> None:
        """A failure is remembered, but never reused; a reuse points at nothing new."""
        run = ledger.runs.create(name="r")
        ledger.steps.record(_record(run.id, status="failed", outputs=(), error="ZeroDivisionError"))
        assert ledger.steps.find("k1") is None
        assert ledger.steps.latest("train") is None
        assert [each.error for each in ledger.steps.history("train")] == ["ZeroDivisionError"]

    def test_the_latest_explains_what_changed(self, ledger: Ledger) -> None:
        """With *before*, the one of another run."""
        first, second = ledger.runs.create(name="a"), ledger.runs.create(name="b")
        ledger.steps.record(_record(first.id))
        ledger.steps.record(_record(second.id, key="k2", parts={"source": "s2", "trials": "30"}))
        latest, earlier = ledger.steps.latest("train"), ledger.steps.latest("train", before=second.id)
        assert latest is not None
        assert earlier is not None
        assert (latest.parts["source"], earlier.parts["source"]) == ("s2", "s1")
        assert [each.key for each in ledger.steps.history("train", limit=1)] == ["k2"]

    def test_recording_again_replaces(self, ledger: Ledger) -> None:
        """A retried step has one record in its run."""
        run = ledger.runs.create(name="r")
        ledger.steps.record(_record(run.id, status="failed", outputs=(), error="x"))
        ledger.steps.record(_record(run.id))
        assert [each.status for each in ledger.steps.of_run(run.id)] == ["ran"]

    def test_a_deleted_run_is_no_cache(self, ledger: Ledger) -> None:
        """Its bytes may be gone."""
        run = ledger.runs.create(name="r")
        ledger.steps.record(_record(run.id))
        ledger.runs.delete(run.id)
        assert ledger.steps.find("k1") is None
        assert ledger.steps.latest("train") is None

    def test_a_step_needs_its_run(self, ledger: Ledger) -> None:
        """And leaves nothing behind without it."""
        with pytest.raises(NotFound, match="No run 'nope'"):
            ledger.steps.record(_record("nope"))
        assert ledger.artifacts.live() == frozenset()
