"""Plans are made of what the registry says, and what does not serve leaves the rest of them as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring import package
from mainspring.registry import Registry, parse_reference
from mainspring.serve.follower import Change, Follower
from mainspring.serve.origin import FALLBACK, Registered
from mainspring.workspace import Workspace
from tests.serve.live import until

if TYPE_CHECKING:
    from mainspring.serve.wire import Plan


class Flighty(Registered):
    """An origin that fails once, as a ledger does that is being moved."""

    fails = False

    def digest(self, version: int) -> str:
        if self.fails:
            self.fails = False
            raise RuntimeError("the ledger is gone")
        return super().digest(version)


def versions(plan: Plan) -> list[int]:
    return [slot.version for slot in plan.slots]


def test_the_champion_before_stays_unpacked_for_a_rollback(workspace: Path, tmp_path: Path) -> None:
    def promoted(version: int) -> Plan:
        Registry(place).promote("shop", version, override="for the test")
        plan: Plan | None = until(lambda: follower.look().plan, 20)
        assert plan is not None
        follower.tidy(plan)
        assert versions(plan) == [version]
        package.read(Path(plan.champion.folder))  # all of it is there
        return plan

    def kept() -> list[str]:
        return sorted(folder.name.split("-")[0] for folder in (tmp_path / "shelf" / "bundles").iterdir())

    with Workspace.open(workspace) as place:
        follower = Follower(Registered(lambda: place, parse_reference("shop")), name="shop", shelf=tmp_path / "shelf")
        follower.begin()
        promoted(2)
        assert kept() == ["1", "2"]
        Registry(place).rollback("shop")
        back = follower.look().plan
        assert back is not None, "there is nothing to unpack, nor to try again"
        assert versions(back) == [1]
        promoted(3)
        assert kept() == ["1", "3"]
        # who tidies temporary folders takes a file of the champion before, or all of them: it is unpacked again
        Path(back.champion.folder, "contract.json").unlink()
        first = promoted(1)
        (other,) = (tmp_path / "shelf" / "bundles").glob("3-*")
        shutil.rmtree(other)
        promoted(3)
        Path(first.champion.folder, "manifest.json").unlink()
        promoted(1)
        assert follower.refused == {}, "nothing had to rest"
        follower.close()


def test_what_does_not_serve_leaves_the_rest_in_force(workspace: Path, tmp_path: Path) -> None:
    def planned() -> Plan:
        def look() -> Change | None:
            found = follower.look()
            return found if found.plan is not None else None

        plan: Plan = until(look, 20).plan
        return plan

    with Workspace.open(workspace) as place:
        origin = Flighty(lambda: place, parse_reference("shop"))
        follower = Follower(origin, name="shop", shelf=tmp_path / "shelf")
        assert versions(follower.begin()) == [1]
        place.ledger.states.put(FALLBACK, "shop", {"prediction": "no"})
        place.ledger.endpoints.set("shop", shadow=[2], reason="for the test")
        origin.fails = True
        with pytest.raises(RuntimeError, match="the ledger is gone"):
            follower.look()
        before = planned()
        assert (versions(before), before.fallback) == ([1, 2], "no")
        Registry(place).promote("shop", 3, override="for the test")
        wanted = planned()
        assert (versions(wanted), wanted.fallback) == ([3, 2], "no")

        undone = follower.undo(before, 3, "it does not load")
        assert undone.number > wanted.number
        assert (versions(undone), undone.fallback) == ([1, 2], "no")
        assert follower.look().plan is None, "that is all there can be now"
        assert follower.refused == {3: "it does not load"}
        place.ledger.endpoints.set("shop", canary=2, percent=5.0, reason="for the test")
        canary = planned()
        assert (versions(canary), canary.percent, canary.fallback) == ([1, 2], 5.0, "no")
        Registry(place).promote("shop", 1, override="for the test")
        follower.look()
        assert follower.refused == {}, "nobody asks for it"
        follower.close()
