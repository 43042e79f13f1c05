"""What every `Artifacts` must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.core.errors import NotFound

if TYPE_CHECKING:
    from mainspring.ledger import Ledger


class ArtifactsContract:
    """Every `Artifacts` passes these. Provide a `ledger` fixture that is empty."""

    def test_an_artifact_comes_back(self, ledger: Ledger) -> None:
        """With the run and the name under which it was made last."""
        first, second = ledger.runs.create(name="a"), ledger.runs.create(name="b")
        ledger.artifacts.record("d", type="json", size=3, name="old", run=first.id, meta={"rows": 2})
        ledger.artifacts.record("d", type="json", size=3, name="new", run=second.id)
        found = ledger.artifacts.get("d")
        assert (found.name, found.run, found.size, dict(found.meta)) == ("new", second.id, 3, {"rows": 2})
        with pytest.raises(NotFound, match="No artifact has the digest 'e'"):
            ledger.artifacts.get("e")

    def test_recording_twice_is_recording_once(self, ledger: Ledger) -> None:
        """The same facts are the same facts."""
        run = ledger.runs.create(name="a")
        for _ in range(2):
            ledger.artifacts.record("d", type="json", size=3, name="x", run=run.id, inputs={"raw": "c"})
        assert [each.digest for each in ledger.artifacts.of_run(run.id)] == ["d"]
        assert len(ledger.artifacts.lineage("d").edges) == 1

    def test_lineage_goes_up_and_down(self, ledger: Ledger) -> None:
        """The nearest first, as deep as asked: raw → parts → model, parts and model → report."""
        run = ledger.runs.create(name="r")
        ledger.artifacts.record("raw", type="frame", size=1, run=run.id)
        ledger.artifacts.record("parts", type="split", size=1, run=run.id, inputs={"raw": "raw"})
        ledger.artifacts.record("model", type="model", size=1, run=run.id, inputs={"parts": "parts"})
        ledger.artifacts.record("report", type="json", size=1, run=run.id, inputs={"model": "model", "data": "parts"})
        up = ledger.artifacts.lineage("report")
        assert [each.digest for each in up.artifacts] == ["report", "model", "parts", "raw"]
        assert {(edge.output, edge.role, edge.input) for edge in up.edges} == {
            ("report", "model", "model"),
            ("report", "data", "parts"),
            ("model", "parts", "parts"),
            ("parts", "raw", "raw"),
        }
        assert {edge.run for edge in up.edges} == {run.id}
        near = ledger.artifacts.lineage("report", depth=1)
        assert {each.digest for each in near.artifacts} == {"report", "model", "parts"}
        assert len(near.edges) == 2
        down = ledger.artifacts.lineage("raw", direction="down")
        assert [each.digest for each in down.artifacts] == ["raw", "parts", "model", "report"]

    def test_a_circle_ends(self, ledger: Ledger) -> None:
        """A step may return its very input."""
        ledger.artifacts.record("a", type="json", size=1, inputs={"x": "a"})
        assert [each.digest for each in ledger.artifacts.lineage("a").artifacts] == ["a"]

    def test_what_datasets_and_models_hold_is_live(self, ledger: Ledger) -> None:
        """Even with their run deleted."""
        run = ledger.runs.create(name="r")
        ledger.artifacts.record("table", type="frame", size=1, run=run.id)
        ledger.artifacts.record("scrap", type="frame", size=1, run=run.id)
        ledger.datasets.create("customers", digest="table", rows=1)
        ledger.models.create("churn", digest="bundle", passed=True)
        ledger.runs.delete(run.id)
        assert ledger.artifacts.live() == {"table", "bundle"}
