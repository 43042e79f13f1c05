"""Who may become champion, how one goes back, and what the history answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.contract import Requirement, judge
from mainspring.core.clock import SimulatedClock
from mainspring.core.errors import InputError, NotFound, Refused, StoreError
from mainspring.core.estimate import Estimate
from mainspring.package import build, verify
from mainspring.registry import Registry, parse_reference
from mainspring.workspace import Workspace
from tests.package.conftest import contract, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.contract import Verdict
    from mainspring.package import Bundle

START = datetime(2026, 1, 1, tzinfo=UTC)
BOUND = Requirement(metric="roc_auc", at_least=0.8)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    from mainspring.train import fit

    model = fit(table(300), contract("binary"), kind="linear")
    return build(model, contract=contract("binary"), holdout=table(80, seed=1))


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def workspace(tmp_path: Path, clock: SimulatedClock) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "ws", actor="ann", clock=clock) as opened:
        yield opened


def verdict(value: float) -> Verdict:
    return judge(BOUND, Estimate(value, rows=80), stage="holdout")


def filled(workspace: Workspace, bundle: Bundle, *values: float) -> Registry:
    registry = Registry(workspace)
    for value in values:
        registry.register("churn", bundle, metrics={"roc_auc": Estimate(value, rows=80)}, verdicts=[verdict(value)])
    return registry


def test_a_registered_bundle_comes_back_whole_and_verifies(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9)
    loaded = registry.load("churn/1")
    assert loaded.digest == bundle.digest
    assert verify(loaded).equal


def test_a_failed_must_needs_an_override_that_the_history_shows(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.5)
    with pytest.raises(Refused, match=r"it fails roc_auc at least 0\.8.*--override"):
        registry.promote("churn", 1)
    assert registry.champion("churn") is None
    registry.promote("churn", 1, alias="challenger")
    registry.promote("churn", 1, override="the old one is down")
    assert registry.history("churn")[-1].override == "the old one is down"


def test_an_override_is_not_recorded_where_none_was_needed(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9)
    assert registry.promote("churn", 1, override="just in case").override is None


def test_references(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9, 0.91)
    with pytest.raises(NotFound, match=r"no champion yet; it has 2 versions.*mainspring promote churn 2"):
        registry.resolve("churn")
    registry.promote("churn", 1)
    registry.promote("churn", 2, alias="challenger")
    found = [
        registry.resolve(text).version for text in ("churn", "churn@champion", "models:/churn@challenger", "churn/2")
    ]
    assert found == [1, 1, 2, 2]
    with pytest.raises(NotFound, match="Did you mean churn"):
        registry.resolve("chrun")
    with pytest.raises(NotFound, match="Did you mean challenger"):
        registry.resolve("churn@chalenger")
    with pytest.raises(InputError, match=r"Expected a model such as churn, churn/3"):
        parse_reference("churn/3/4")


def test_rollback_goes_back_one_champion_at_a_time(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9, 0.9, 0.9)
    with pytest.raises(Refused, match="never had a champion"):
        registry.rollback("churn")
    for version in (1, 2, 3):
        registry.promote("churn", version)
    assert registry.rollback("churn").after == 2
    assert registry.rollback("churn").after == 1
    with pytest.raises(Refused, match="no champion came before churn/1"):
        registry.rollback("churn")
    registry.promote("churn", 3)
    assert registry.rollback("churn").after == 1


def test_rollback_returns_to_the_champion_before_also_where_an_older_version_was_promoted(
    workspace: Workspace, bundle: Bundle
) -> None:
    registry = filled(workspace, bundle, 0.9, 0.9, 0.9)
    for version in (1, 2, 1):
        registry.promote("churn", version)
    assert registry.rollback("churn").after == 2
    assert registry.rollback("churn").after == 1
    for version in (2, 3, 2):
        registry.promote("churn", version)
    assert registry.rollback("churn", reason="slow").after == 3
    assert [each.back for each in registry.history("churn")] == [False] * 3 + [True] * 2 + [False] * 3 + [True]


def test_what_was_live_at_a_time(workspace: Workspace, bundle: Bundle, clock: SimulatedClock) -> None:
    registry = filled(workspace, bundle, 0.9, 0.9)
    registry.promote("churn", 1)
    clock.advance(timedelta(days=10))
    registry.promote("churn", 2)
    assert registry.at("churn", START - timedelta(days=1)) is None
    live = [registry.at("churn", START + timedelta(days=days)) for days in (5, 15)]
    assert [version and version.version for version in live] == [1, 2]


def test_promoting_the_champion_again_is_refused(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9)
    registry.promote("churn", 1)
    with pytest.raises(Refused, match="is the champion already"):
        registry.promote("churn", 1)


def test_damage_in_the_store_is_found_when_the_model_is_loaded(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9)
    for path in (workspace.root / "store").rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.chmod(0o644)
            path.write_bytes(bytes(data))
    with pytest.raises(StoreError):
        registry.load("churn/1")


def test_every_promotion_is_in_the_audit_trail(workspace: Workspace, bundle: Bundle) -> None:
    registry = filled(workspace, bundle, 0.9, 0.9)
    registry.promote("churn", 1, reason="first")
    registry.promote("churn", 2)
    registry.rollback("churn")
    assert workspace.ledger.audit.verify() is None
    assert len([entry for entry in workspace.ledger.audit.entries() if "alias" in entry.action]) == 3
