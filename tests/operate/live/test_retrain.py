"""What goes wrong with a retrain does not stop the loop: it is given up, tried again later, and said."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.flow.lock import RunLock
from mainspring.operate import remedy
from mainspring.operate.live.loop import LiveLoop
from mainspring.registry import Registry
from tests.operate.live.test_loop import Looped
from tests.operate.notify.receiver import receiving
from tests.operate.notify.test_driver import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.operate.live.loop import Round

BUDGET = 'cooldown = "30d"\nat_most = "1 per 30d"'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Looped]:
    """The relation has turned, and the loop has not looked since."""
    made = turned(Looped(tmp_path, rest=BUDGET))
    yield made
    made.close()


def turned(made: Looped) -> Looped:
    made.hours(2)
    made.once()
    made.points.clear()
    for seed in (200, 201):
        made.hour(seed, turned=True)
    return made


class Gone(BaseException):
    """As if the process had ended."""


def gone_at(bench: Looped, point: str) -> None:
    """A round that ends there."""

    def reached(name: str) -> None:
        bench.points.append(name)
        if name == point:
            raise Gone

    bench.clock.set(bench.at + timedelta(minutes=1))
    with pytest.raises(Gone):
        LiveLoop(bench.project, bench.workspace, reached=reached).once()


def test_while_the_project_is_locked_all_else_goes_on_and_the_retrain_is_tried_again(bench: Looped) -> None:
    with RunLock(bench.project.state / "run.lock"):
        done = bench.once()
    assert done.watched is not None
    assert len(done.watched.opened) == 1
    (failed,) = bench.acting.retrains
    assert failed.version == 0
    assert failed.outcome.startswith("no challenger was built: Another mainspring run (")
    assert "no challenger was built" in bench.actions()[-1]
    assert bench.acting.learned == 0, "nothing was learned"
    assert bench.once().done == ()
    bench.clock.set(bench.clock.now() + timedelta(minutes=11))
    again = bench.once()
    assert again.decision is not None
    assert again.decision.reason == "it was asked for before, and nothing could be built then"
    assert [one.version for one in bench.acting.retrains] == [0, 2]
    assert bench.champion == 2, "what came to nothing counts for neither cooldown nor budget"


def test_an_error_that_nobody_foresaw_is_told_and_waits(bench: Looped) -> None:
    bench.table.with_columns(kind=pl.concat_list("kind")).write_parquet(bench.root / "world.parquet")
    bench.once()
    (failed,) = bench.acting.retrains
    assert failed.version == 0
    assert re.match(r"no challenger was built: \w+Error: ", failed.outcome)
    assert bench.once().done == ()
    bench.clock.set(bench.clock.now() + timedelta(minutes=11))
    bench.once()
    assert len(bench.acting.retrains) == 2
    bench.clock.set(bench.clock.now() + timedelta(minutes=11))
    assert bench.once().done == (), "after each failure it waits twice as long"


def test_a_retrain_that_ends_its_process_is_given_up_and_every_round_judges_first(bench: Looped) -> None:
    for tries in (1, 2, 3):
        gone_at(bench, "intended")
        assert bench.points[-2:] == ["judged", "intended"]
        intended = bench.acting.intended
        assert intended is not None
        assert intended.attempts == tries
    done = bench.once()
    assert done.watched is not None
    (made,) = bench.acting.retrains
    assert made.outcome.startswith("no challenger was built: 3 tries ended before it was done")
    assert "3 tries ended before it was done" in bench.actions()[-1]
    assert bench.acting.intended is None
    assert bench.points[-2:] == ["judged", "done"]


def test_whatever_a_round_raises_the_next_one_tries_again(bench: Looped) -> None:
    said: list[str] = []
    rounds = iter([False, True])

    def reached(point: str) -> None:
        if point == "intended" and not any("this round failed" in line for line in said):
            raise ZeroDivisionError("of all things")

    bench.clock.set(bench.at + timedelta(minutes=1))
    LiveLoop(bench.project, bench.workspace, told=said.append, reached=reached).forever(lambda _: next(rounds), 1.0)
    assert "this round failed, the next one tries again: ZeroDivisionError: of all things" in said
    assert bench.champion == 2


def test_a_pause_lets_a_retrain_wait_and_is_said_once(bench: Looped) -> None:
    gone_at(bench, "intended")
    remedy.pause(bench.workspace, "world", reason="audit")
    loop = LiveLoop(bench.project, bench.workspace)
    paused = loop.once()
    assert paused.decision is not None
    assert paused.decision.reason == "paused by test: audit"
    (line,) = paused.done
    assert line.startswith("paused by test at 2026-03-02 16:01 UTC (audit): the loop judges, and does nothing else. ")
    assert line.endswith("To lift it: mainspring resume world")
    assert loop.once().done == ()
    assert bench.acting.intended is not None
    remedy.resume(bench.workspace, "world")
    after = loop.once()
    assert after.done[:2] == (
        "the loop is not paused any more", "going on with the retrain that was begun at 2026-03-02 16:01",
    )  # fmt: skip
    assert bench.champion == 2


def test_who_pauses_while_a_challenger_is_built_is_asked_before_it_goes_live(bench: Looped) -> None:
    def reached(point: str) -> None:
        if point == "registered":
            remedy.pause(bench.workspace, "world")

    bench.clock.set(bench.at + timedelta(minutes=1))
    LiveLoop(bench.project, bench.workspace, reached=reached).once()
    assert bench.champion == 1
    (made,) = bench.acting.retrains
    assert made.outcome.startswith(
        "version 2 waits for approval: the loop is paused (mainspring promote world 2): its accuracy is better by"
    )
    assert Registry(bench.workspace).promote("world", 2).after == 2


def test_while_a_challenger_is_built_people_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("HOOK", receiver.url)
        monkeypatch.setenv("KEY", SECRET)
        notify = '[notify]\nurls = ["env:HOOK"]\nsecret = "env:KEY"\nallow = ["127.0.0.1"]'
        bench = turned(Looped(tmp_path, rest=notify))
        before: list[int] = []

        def reached(point: str) -> None:
            if point == "intended":
                before.append(len(receiver.got))
                bench.workspace.ledger.incidents.open(
                    model="world", kind="service", summary="slow", severity="critical"
                )
            end = time.monotonic() + 30
            while point == "built" and len(receiver.got) == before[0] and time.monotonic() < end:
                time.sleep(0.01)
            if point == "built":
                before.append(len(receiver.got))

        bench.clock.set(bench.at + timedelta(minutes=1))
        LiveLoop(bench.project, bench.workspace, reached=reached, rest=0.05).once()
        assert before == [1, 2], "the one that the watch opened, before anything was built; then the other"
        assert bench.champion == 2
        bench.close()


def test_a_person_whose_retrain_is_refused_is_answered_where_it_was_asked_for(tmp_path: Path) -> None:
    bench = Looped(tmp_path, on="[]")
    bench.hours(2, labelled=False)
    bench.once()
    incident = bench.workspace.ledger.incidents.open(model="world", kind="performance", summary="It does worse.")
    remedy.ask_retrain(bench.workspace, "world", reason="new season", incident=incident.id)
    done: Round = bench.once()
    why = "no labels have come that the champion has not learned from"
    assert done.done == (f"the retrain that test asked for is not made: {why}",)
    assert bench.actions(incident.id) == [f"the retrain that test asked for was not made: {why}"]
    bench.close()


def test_a_contract_that_changes_holds_from_the_next_round_on(tmp_path: Path) -> None:
    bench = turned(Looped(tmp_path, on="[]"))
    loop: Any = LiveLoop(bench.project, bench.workspace)
    bench.clock.set(bench.at + timedelta(minutes=1))
    assert loop.once().decision.action == "hold"
    path = bench.root / "mainspring.toml"
    text = path.read_text()
    path.write_text(text + "nonsense")
    assert loop.once().done[0].startswith("mainspring.toml has changed and cannot be used, what it said before holds: ")
    path.write_text(text.replace('name = "world"', 'name = "moon"'))
    assert loop.once().done[0].startswith("mainspring.toml names another model or workspace: start the loop anew")
    path.write_text(text.replace("on = []", 'on = ["labels"]'))
    done = loop.once()
    assert done.done[0] == "mainspring.toml has changed: it holds as it is now from this round on"
    assert done.decision.action == "retrain"
    bench.close()
