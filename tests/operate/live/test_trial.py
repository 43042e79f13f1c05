"""A champion that the loop made is on trial: looked at a few times, and for as long as labels may come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.operate.live import acting, document, trial
from mainspring.operate.live.acting import Acting, Retrain, Trial
from mainspring.operate.live.document import Memory
from mainspring.operate.live.turn import Turn
from mainspring.operate.policy import Decision
from mainspring.project import Project
from mainspring.registry import Registry
from tests.operate.live.bench import HOUR, NOON, world
from tests.operate.live.test_loop import Looped

if TYPE_CHECKING:
    from pathlib import Path


def turn(bench: Looped) -> Turn:
    lease = bench.workspace.ledger.leases.acquire("loop/world", "test", 600)
    assert lease is not None
    return Turn(
        project=bench.project, workspace=bench.workspace, fence=(lease.name, lease.token), told=lambda _: None,
        reached=lambda _: None, rest=10.0,
    )  # fmt: skip


def test_a_trial_is_looked_at_when_labels_have_grown_and_a_damaged_version_does_not_end_the_loop(
    tmp_path: Path,
) -> None:
    bench = Looped(tmp_path, rest='at_most = "1 per 30d"')
    bench.hours(2)
    bench.once()
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    bench.once()
    assert bench.champion == 2
    rows = world(400, seed=300, turned=True)
    ids = bench.serve(rows)
    seen = []
    for begin, end in ((0, 20), (20, 100), (100, 140), (140, 170)):
        bench.label(ids[begin:end], rows[begin:end])
        bench.once()
        on_trial = bench.acting.trial
        assert on_trial is not None
        seen.append(on_trial.rows)
    first = seen[1]  # some were answered by the version before
    assert 80 < first <= 100
    assert seen == [0, first, first, first + 70], "first on thirty rows, then on half as many again"
    digest = Registry(bench.workspace).resolve("world/1").digest
    for path in (bench.root / ".mainspring" / "store").rglob(f"*{digest[4:]}*"):
        path.unlink()
    bench.label(ids[170:], rows[170:])
    done = bench.once()
    assert done.decision is not None
    assert done.decision.action == "hold"
    assert done.done[0].startswith("version 1 cannot be compared with version 2: ")
    assert bench.once().done == ()
    bench.close()


def test_only_the_version_on_trial_is_taken_back(tmp_path: Path) -> None:
    bench = Looped(tmp_path)
    bench.release(rounds=41)
    bench.release(rounds=42)
    registry = Registry(bench.workspace)
    for version in (2, 3):
        if registry.champion("world") != registry.resolve(f"world/{version}"):
            registry.promote("world", version)
    now = turn(bench)
    known = now.write(Acting(began=0, moment=NOON, champion=2, trial=Trial(version=2, before=1, since=0, moment=NOON)))
    trial.roll_back(now, known, Decision("roll back", "the champion before was better"))
    assert bench.champion == 3
    assert now.lines == ["version 2 was not rolled back: it is the champion no more"]
    after = acting.known(bench.workspace.ledger.states, "world")
    assert after is not None
    assert after.trial is None
    bench.close()


@pytest.mark.parametrize(
    ("delay", "windows", "over"),
    [
        ("", 29, False), ("", 30, True),
        ('label_delay = "48h"', 30, False), ('label_delay = "48h"', 77, False), ('label_delay = "48h"', 78, True),
        ("label_delay = 4000", 39, False), ("label_delay = 4000", 40, True),
    ],
)  # fmt: skip
def test_a_trial_lasts_until_labels_could_have_come(tmp_path: Path, delay: str, windows: int, over: bool) -> None:
    bench = Looped(tmp_path)
    path = tmp_path / "mainspring.toml"
    path.write_text(path.read_text().replace('window = "1h"', f'window = "1h"\n{delay}'))
    bench.project = Project(tmp_path)
    place = document.Place(index=5 + windows, start=NOON, end=NOON + HOUR, rows=400, version=2)
    memory = Memory(index=5 + windows, next=NOON + windows * HOUR, recent=(place,))
    known = Acting(began=0, moment=NOON, champion=2, trial=Trial(version=2, before=1, since=5, moment=NOON))
    after, regret = trial.look(turn(bench), known, memory)
    assert (after.trial is None, regret) == (over, None)
    bench.close()


def test_moments_of_a_clock_that_was_ahead_are_taken_as_now() -> None:
    late = NOON + timedelta(days=900)
    made = Retrain(window=3, moment=late, trigger="drift", version=2, live=True, outcome="")
    known = Acting(
        began=0, moment=NOON, champion=2, retrains=(replace(made, moment=NOON), made), compared=late,
        trial=Trial(version=2, before=1, since=0, moment=late),
    )  # fmt: skip
    now = NOON + HOUR
    after = acting.in_time(known, now)
    assert [one.moment for one in after.retrains] == [NOON, now]
    assert (after.moment, after.compared) == (NOON, now)
    assert after.trial is not None
    assert after.trial.moment == now
    assert acting.in_time(after, now) == after
