"""The loop on a real workspace: it retrains, rolls back, holds and sets aside as the rehearsal does, and only once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.operate import remedy
from mainspring.operate.live import acting, document
from mainspring.operate.live.loop import LiveLoop, Round
from mainspring.registry import Registry
from tests.operate.live.bench import ROWS, Bench, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE = """
[monitor]
window = "1h"
[retrain]
on = {on}
{rest}
[rollout]
steps = [100]
"""


class Looped(Bench):
    """A bench with a loop."""

    def __init__(self, root: Path, *, on: str = '["requirement", "drift"]', rest: str = "", **more: Any) -> None:
        super().__init__(root, more=MORE.format(on=on, rest=rest), **more)
        self.points: list[str] = []

    def once(self, **settings: Any) -> Round:
        now = self.at + timedelta(minutes=1)
        if now > self.clock.now():
            self.clock.set(now)
        return LiveLoop(self.project, self.workspace, reached=self.points.append, **settings).once()

    def hour(self, seed: int, *, turned: bool = False, labelled: bool = True, change: Any = None) -> None:
        rows = world(ROWS, seed=seed, turned=turned)
        rows = rows if change is None else change(rows)
        ids = self.serve(rows)
        if labelled:
            self.label(ids, rows)

    @property
    def acting(self) -> acting.Acting:
        found = acting.known(self.workspace.ledger.states, "world")
        assert found is not None
        return found

    @property
    def champion(self) -> int:
        found = Registry(self.workspace).champion("world")
        assert found is not None
        return found.version

    def actions(self, number: int = 1) -> list[str]:
        return [one.text for one in self.workspace.ledger.incidents.get(number).events if one.kind == "action"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Looped]:
    made = Looped(tmp_path)
    yield made
    made.close()


def test_quiet_windows_are_held_and_nothing_is_written_twice(bench: Looped) -> None:
    bench.hours(3)
    done = bench.once()
    assert done.decision is not None
    assert (done.decision.action, done.done) == ("hold", ())
    before = bench.acting
    assert bench.once().decision == done.decision
    assert bench.acting == before
    assert Registry(bench.workspace).versions("world")[0].version == 1


def test_a_turned_relation_is_retrained_on_compared_promoted_and_the_incident_closes(bench: Looped) -> None:
    bench.hours(3)
    bench.once()
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    done = bench.once()
    assert done.decision is not None
    assert (done.decision.action, done.decision.trigger) == ("retrain", "requirement")
    assert bench.points[-4:] == ["intended", "built", "registered", "done"]
    assert bench.champion == 2
    (made,) = bench.acting.retrains
    assert (made.version, made.live) == (2, True)
    assert made.outcome.startswith("version 2 went live: its accuracy is better by 0.")
    assert bench.actions() == [f"retrain (requirement: {done.decision.reason}): {made.outcome}"]
    history = Registry(bench.workspace).history("world")
    assert history[-1].reason.startswith("loop, requirement: its accuracy is better by 0.")
    version = Registry(bench.workspace).resolve("world/2")
    assert set(version.tags) == {"loop"}
    assert version.metrics["accuracy"].value > 0.75, "judged by its like that had not seen these rows"
    for seed in (300, 301, 302):
        bench.hour(seed, turned=True)
        quiet = bench.once()
    assert quiet.decision is not None
    assert quiet.decision.action == "hold"
    assert [one.status for one in bench.workspace.ledger.incidents.search()] == ["closed"]
    assert [one.version for one in bench.acting.retrains] == [2]
    last = document.remembered(bench.workspace.ledger.states, "world").recent[-1]
    found = document.judged(bench.workspace.ledger.states, "world", last.window)
    assert found is not None
    assert found.version == 2
    assert (found.values["accuracy"] or 0) > 0.85


def test_what_was_broken_upstream_is_set_aside_and_not_learned(bench: Looped) -> None:
    bench.hours(3)
    bench.once()
    revisions = [bench.workspace.ledger.endpoints.live("world").revision]
    scaled = lambda rows: rows.with_columns(pl.col("a") * 1_000)  # noqa: E731
    bench.hour(200, change=scaled)
    first = bench.once()
    assert first.decision is not None
    assert first.decision.action == "hold"
    assert "mend it upstream, a retrain would learn the fault" in first.decision.reason
    state = bench.workspace.ledger.states.get(acting.ASIDE, "world")
    assert state is not None
    assert list(state.value) == ["a"]
    assert bench.actions()[0].startswith("a looks multiplied by 1000")
    revisions.append(bench.workspace.ledger.endpoints.live("world").revision)
    bench.once()
    assert bench.workspace.ledger.endpoints.live("world").revision == revisions[-1], "it is looked at once"
    bench.hour(201)
    again = bench.once()
    assert "a looks as before again" in again.done
    assert bench.workspace.ledger.incidents.get(1).events[-1].text == "a looks as before again"
    assert bench.acting.aside == {}
    revisions.append(bench.workspace.ledger.endpoints.live("world").revision)
    assert revisions == sorted(set(revisions)), "endpoints look again whenever the columns set aside are others"
    for seed in (300, 301, 302):
        bench.hour(seed, turned=True)
    done = bench.once()
    assert done.decision is not None
    assert done.decision.action == "retrain"
    assert bench.champion == 2
    bundle = Registry(bench.workspace).load("world/2")
    reference = bundle.json("profile.json")["reference"]["columns"]["a"]
    assert reference["profile"]["high"] < 10, "what was a thousand times too large is not what is usual"


def test_a_promoted_version_that_is_surely_worse_is_rolled_back(bench: Looped) -> None:
    bench.hours(2)
    bench.once()
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    bench.once()
    assert bench.champion == 2
    assert bench.acting.retrains[-1].live
    bench.hour(300)  # and the world turns back
    bench.once()
    assert bench.acting.trial is None or bench.acting.trial.version == 2
    assert bench.champion == 1
    assert any(
        text.startswith("roll back from version 2 to version 1: the champion before was") for text in bench.actions()
    )


def test_approval_is_waited_for_and_the_approved_version_is_on_trial(tmp_path: Path) -> None:
    bench = Looped(tmp_path, rest='promotion = "approval"')
    bench.hours(2)
    bench.once()
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    bench.once()
    assert bench.champion == 1
    (made,) = bench.acting.retrains
    assert not made.live
    assert made.outcome.startswith("version 2 waits for approval (mainspring promote world 2): its accuracy is better")
    Registry(bench.workspace).promote("world", 2, reason="looks good")
    bench.hour(300, turned=True)
    bench.once()
    trial = bench.acting.trial
    assert trial is not None
    assert (trial.version, trial.before) == (2, 1)
    bench.close()


def test_a_person_asks_for_a_retrain_and_gets_an_answer(tmp_path: Path) -> None:
    bench = Looped(tmp_path, on="[]")
    bench.hours(3)
    bench.once()
    asked = remedy.ask_retrain(bench.workspace, "world", reason="new season")
    done = bench.once()
    assert done.decision is not None
    assert done.decision.reason == "test asked for it: new season"
    answered = remedy.last_request(bench.workspace.ledger.states, "world")
    assert answered is not None
    assert (answered.status, answered.at) == ("done", asked.at)
    assert answered.outcome.startswith("version 2 ")
    remedy.ask_retrain(bench.workspace, "world", reason="again")
    bench.once()
    refused = remedy.last_request(bench.workspace.ledger.states, "world")
    assert refused is not None
    assert (refused.status, refused.outcome) == (
        "refused", "no labels have come that the champion has not learned from",
    )  # fmt: skip
    bench.close()


def test_a_paused_loop_judges_and_does_not_act(bench: Looped) -> None:
    bench.hours(2)
    remedy.pause(bench.workspace, "world", reason="audit")
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    done = bench.once()
    assert done.decision is not None
    assert done.decision.reason == "paused by test: audit"
    assert done.watched is not None
    assert len(done.watched.opened) == 1
    assert bench.champion == 1
    remedy.resume(bench.workspace, "world")
    after = bench.once()
    assert after.decision is not None
    assert (after.decision.action, bench.champion) == ("retrain", 2)


def test_a_schedule_is_due_by_the_clock_and_the_budget_keeps(tmp_path: Path) -> None:
    bench = Looped(tmp_path, on='["schedule"]', rest='every = "3h"\nat_most = "1 per 7d"')
    bench.hours(2)
    begun = bench.once()
    assert begun.decision is not None
    assert begun.decision.reason == "nothing asks for a retrain"
    bench.hours(2, seed=150)
    due = bench.once()
    assert due.decision is not None
    assert (due.decision.action, due.decision.trigger) == ("hold", None) or due.decision.trigger == "schedule"
    bench.hours(2, seed=170)
    bench.once()
    assert [one.trigger for one in bench.acting.retrains] == ["schedule"]
    bench.hours(4, seed=190)
    spent = bench.once()
    assert spent.decision is not None
    assert spent.decision.reason == "the budget of 1 in 1w is spent"
    bench.close()


def test_a_pipeline_that_fails_is_told_and_tried_again_only_with_new_labels(bench: Looped) -> None:
    bench.hours(2)
    bench.once()
    (bench.root / "world.parquet").rename(bench.root / "gone.parquet")
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    done = bench.once()
    assert done.decision is not None
    assert done.decision.action == "retrain"
    (made,) = bench.acting.retrains
    assert (made.version, made.live) == (0, False)
    assert "no challenger was built: " in made.outcome
    assert "world.parquet" in made.outcome
    assert bench.once().done == ()
    (bench.root / "gone.parquet").rename(bench.root / "world.parquet")
    bench.hour(202, turned=True)
    bench.once()
    assert [one.version for one in bench.acting.retrains] == [0, 2]


def test_of_two_loops_one_acts_and_a_stale_one_writes_nothing(bench: Looped) -> None:
    bench.hours(2)
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    inside, go_on = threading.Event(), threading.Event()

    def reached(point: str) -> None:
        if point == "built":
            inside.set()
            go_on.wait(60)

    results: list[Any] = []

    def first() -> None:
        try:
            results.append(LiveLoop(bench.project, bench.workspace, reached=reached).once())
        except Exception as error:
            results.append(error)

    now = bench.at + timedelta(minutes=1)
    bench.clock.set(now)
    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(120)
    other = Bench(bench.root, clock=bench.clock)
    busy = LiveLoop(other.project, other.workspace).once()
    assert busy.busy.endswith(" runs the loop")
    # the first one hangs for so long that its lease is taken from it: what it writes then is refused
    bench.clock.set(now + timedelta(hours=1))
    stolen = other.workspace.ledger.leases.acquire("loop/world", "thief", 600)
    assert stolen is not None
    go_on.set()
    thread.join(120)
    assert "went to thief" in str(results[0])
    assert [one.version for one in Registry(bench.workspace).versions("world")] == [1]
    other.workspace.ledger.leases.release(stolen)
    done = LiveLoop(other.project, other.workspace).once()
    assert done.done[0].startswith("going on with the retrain that was begun at ")
    assert [one.version for one in Registry(bench.workspace).versions("world")] == [2, 1]
    other.close()


def test_a_loop_keeps_its_lease_while_it_rests_and_says_when_it_has_lost_it(bench: Looped) -> None:
    bench.hours(2)
    bench.clock.set(bench.at + timedelta(minutes=1))
    other = Bench(bench.root, clock=bench.clock)
    leases = other.workspace.ledger.leases
    said: list[str] = []
    busy: list[str] = []

    def rest(_: float) -> bool:
        busy.append(LiveLoop(other.project, other.workspace).once().busy)
        if len(busy) == 2:  # the machine sleeps for an hour
            bench.clock.advance(timedelta(hours=1))
            assert leases.acquire("loop/world", "another", 10_000) is not None
        return len(busy) == 4

    LiveLoop(bench.project, bench.workspace, told=said.append, lease_seconds=300).forever(rest, 1.0)
    mine = leases.current("loop/world")
    assert mine is not None
    assert busy[0].endswith(" runs the loop")
    assert busy[0] == busy[1]
    assert busy[2:] == ["another runs the loop"] * 2
    told = [line for line in said if "the loop" in line]
    assert told == ["this process has the loop", "waiting: another runs the loop"]
    other.close()


def test_a_loop_whose_round_fails_leaves_the_next_one_to_another(
    bench: Looped, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Bench(bench.root, clock=bench.clock)
    said: list[str] = []
    busy: list[str] = []

    def rest(_: float) -> bool:
        busy.append(LiveLoop(other.project, other.workspace).once().busy)
        monkeypatch.undo()
        return len(busy) == 2

    def broken(*_: object) -> None:
        raise OSError("no space left")

    live = LiveLoop(bench.project, bench.workspace, told=said.append)
    monkeypatch.setattr(live, "_watch", broken)
    live.forever(rest, 1.0)
    assert said[0] == "this round failed, the next one tries again: OSError: no space left"
    assert busy[0] == ""
    assert busy[1].endswith(" runs the loop")
    other.close()


def test_served_features_are_compared_as_often_as_is_wished(bench: Looped) -> None:
    bench.hours(1)  # rows of other customers under the same names
    first = bench.once(skew=timedelta(hours=3))
    assert first.done[-1].startswith("Skew: a was served otherwise than the pipeline makes it in ")
    assert [one.kind for one in bench.workspace.ledger.incidents.search()] == ["data quality"]
    bench.hours(1, seed=150)
    assert bench.once(skew=timedelta(hours=3)).done == ()
    bench.hours(2, seed=160)
    assert bench.once(skew=timedelta(hours=3)).done[-1].startswith("Skew: ")


def test_a_column_that_taught_the_champion_nothing_is_not_logged_and_does_not_stop_a_retrain(bench: Looped) -> None:
    text = (bench.root / "mainspring.toml").read_text()
    (bench.root / "mainspring.toml").write_text(
        text.replace("[columns.b]", '[columns.still]\ntype = "number"\n[columns.b]')
    )
    bench.table.with_columns(still=pl.lit(1.0)).write_parquet(bench.root / "world.parquet")
    bench.project = type(bench.project)(bench.root)
    assert "still" in bench.project.contract.features
    bench.hours(2)
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    bench.once()
    assert [one.live for one in bench.acting.retrains] == [True]
    assert Registry(bench.workspace).load("world/2").model().features == ("a", "b", "kind")
    assert "does without" not in bench.acting.retrains[0].outcome


def test_a_feature_that_was_never_asked_for_is_said_to_be_missing_from_the_challenger(bench: Looped) -> None:
    text = (bench.root / "mainspring.toml").read_text()
    (bench.root / "mainspring.toml").write_text(
        text.replace("[columns.b]", '[columns.later]\ntype = "number"\n[columns.b]')
    )
    bench.table.with_columns(later=pl.int_range(pl.len()) % 7).write_parquet(bench.root / "world.parquet")
    bench.project = type(bench.project)(bench.root)
    bench.hours(2)
    for seed in (200, 201):
        bench.hour(seed, turned=True)
    bench.once()
    assert "it does without later: the log has no such column" in bench.acting.retrains[0].outcome
