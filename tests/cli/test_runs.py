"""``mainspring runs``, ``store`` and ``incidents``: what they print, for people and for scripts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mainspring.ledger.ports import Output, Point, Provenance, Segment, StepRecord, Suspect
from mainspring.store import save
from mainspring.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace with two runs of the same pipeline, a trial, a model's incident, and bytes that nobody refers to."""
    root = tmp_path / "workspace"
    with Workspace.open(root, actor="ann") as workspace:
        ledger = workspace.ledger
        for number, (trials, auc) in enumerate(((30, 0.81), (60, 0.84))):
            run = ledger.runs.create(
                id=f"{number}{'a' * 31}",
                name="pipeline",
                kind="pipeline",
                experiment="churn",
                params={"trials": trials, "target": "churned"},
                provenance=Provenance(commit="c" * 40, dirty=bool(number), environment="e"),
                started=MARCH.replace(hour=number),
            )
            stored = save(workspace.store, {"model": number})
            ledger.steps.record(
                StepRecord(
                    key=f"{number}" * 64,
                    step="train",
                    run=run.id,
                    outputs=(Output(digest=stored.digest, type=stored.type, size=stored.size),),
                    parts={"source": "s", "trials": str(trials)},
                    seconds=1.25,
                )
            )
            ledger.runs.log(run.id, metrics=[Point(name="roc_auc", value=auc)])
            ledger.runs.finish(run.id, finished=MARCH.replace(hour=number, minute=1))
        ledger.runs.create(name="trial 1", kind="trial", parent="1" + "a" * 31)
        opened = ledger.incidents.open(
            model="churn", kind="drift", summary="income moved", suspects=[Suspect(name="income", score=0.4)], at=MARCH
        )
        ledger.incidents.append(opened.id, kind="signal", text="[PSI] 0.4 on income", at=MARCH)
        save(workspace.store, "nobody needs this")
    return root


def test_runs_are_listed_newest_first_without_trials(call_in: Call, place: Path) -> None:
    said = call_in("runs", "list", "--workspace", str(place), where=place)
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["1" + "a" * 11, "0" + "a" * 11]
    assert "roc_auc 0.84" in lines[1]
    every = json.loads(call_in("runs", "list", "--all", "--json", "--workspace", str(place), where=place).out)
    assert every["total"] == 3
    assert {run["kind"] for run in every["runs"]} == {"pipeline", "trial"}


def test_runs_are_sorted_by_a_metric(call_in: Call, place: Path) -> None:
    at = ("--json", "--workspace", str(place))
    best = json.loads(call_in("runs", "list", "--order", "roc_auc", "--limit", "1", *at, where=place).out)
    worst = json.loads(call_in("runs", "list", "--order=-roc_auc", "--limit", "1", *at, where=place).out)
    assert [each["runs"][0]["metrics"]["roc_auc"] for each in (best, worst)] == [0.84, 0.81]


def test_a_run_is_shown_by_the_beginning_of_its_id(call_in: Call, place: Path) -> None:
    said = call_in("runs", "show", "0aaa", "--workspace", str(place), where=place)
    assert "commit cccccccccccc" in said.out
    assert "train" in said.out
    assert "60 s" in said.out
    shown = json.loads(call_in("runs", "show", "--json", "--workspace", str(place), where=place).out)
    assert shown["id"] == "1" + "a" * 31, "the latest where none is named"
    assert shown["children"] == 1
    assert [step["name"] for step in shown["steps"]] == ["train"]
    assert [made["type"] for made in shown["artifacts"]] == ["json"]


def test_diff_names_code_parameters_steps_and_metrics(call_in: Call, place: Path) -> None:
    said = json.loads(call_in("runs", "diff", "0aaa", "1aaa", "--json", "--workspace", str(place), where=place).out)
    assert said["differences"] == [
        {"what": "code", "name": "uncommitted changes", "before": False, "after": True},
        {"what": "parameter", "name": "trials", "before": 30, "after": 60},
        {"what": "step train", "name": "trials", "before": "30", "after": "60"},
        {"what": "metric", "name": "roc_auc", "before": 0.81, "after": 0.84},
    ]
    same = call_in("runs", "diff", "1aaa", "--workspace", str(place), where=place)
    assert "Nothing differs." in same.out
    assert "0.81" in call_in("runs", "diff", "0aaa", "--workspace", str(place), where=place).out


def test_a_wrong_run_is_one_message(call_in: Call, place: Path) -> None:
    said = call_in("runs", "show", "ffff", "--workspace", str(place), where=place)
    assert said.code == 2
    assert said.err == "mainspring: No run 'ffff'. The latest runs are 1aaaaaaaaaaa, 0aaaaaaaaaaa.\n"
    assert said.out == ""


def test_no_workspace_is_one_message(call_in: Call, tmp_path: Path) -> None:
    said = call_in("runs", "list", "--workspace", str(tmp_path / "nothing"), where=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "There is no workspace in" in said.err
    assert not (tmp_path / "nothing").exists()


def test_incidents_are_listed_and_shown(call_in: Call, place: Path) -> None:
    at = ("--workspace", str(place))
    listed = call_in("incidents", "list", "--status", "open", *at, where=place)
    assert "income moved" in listed.out
    assert call_in("incidents", "list", "--status", "closed", *at, where=place).out == "No incident.\n"
    shown = call_in("incidents", "show", "1", *at, where=place)
    assert "[PSI] 0.4 on income" in shown.out, "text from outside is not markup"
    as_json = json.loads(call_in("incidents", "show", "1", "--json", *at, where=place).out)
    assert [event["kind"] for event in as_json["events"]] == ["opened", "signal"]
    assert as_json["suspects"] == [{"name": "income", "score": 0.4, "text": ""}]
    missing = call_in("incidents", "show", "9", *at, where=place)
    assert (missing.code, missing.err) == (2, "mainspring: No incident 9. They go from 1 to 1.\n")


def test_an_incident_says_how_grave_it_is_and_who_looks_after_it(call_in: Call, place: Path) -> None:
    at = ("--workspace", str(place))
    assert " info " in call_in("incidents", "list", *at, where=place).out
    with Workspace.open(place, actor="[bob]") as workspace:
        incidents = workspace.ledger.incidents
        incidents.update(1, severity="critical", owner="growth [team]")
        incidents.acknowledge(1, text="looking")
        incidents.mute(1, workspace.clock.now() + timedelta(hours=1))
    listed = call_in("incidents", "list", *at, where=place).out
    assert "critical  open, acknowledged, muted  growth [team]" in listed
    shown = call_in("incidents", "show", "1", *at, where=place).out
    assert "Incident 1  churn  drift  critical  open, acknowledged, muted" in shown
    assert "Owner: growth [team]" in shown
    assert " by [bob]\n" in shown
    assert "Muted until: " in shown
    as_json = json.loads(call_in("incidents", "list", "--json", *at, where=place).out)[0]
    assert (as_json["severity"], as_json["owner"]) == ("critical", "growth [team]")
    assert as_json["acknowledged"] < as_json["muted_until"]
    with Workspace.open(place) as workspace:
        workspace.ledger.incidents.mute(1, MARCH + timedelta(hours=1), at=MARCH)
    over = call_in("incidents", "list", *at, where=place).out
    assert "muted" not in over, "a time that is over mutes no more"


def test_gc_keeps_what_the_prediction_log_holds(call_in: Call, place: Path) -> None:
    """Until its segment is deleted."""
    with Workspace.open(place) as workspace:
        digest = workspace.store.put(b"rows of the log")
        (segment,) = workspace.ledger.segments.add(
            Segment(
                model="churn", kind="predictions", source="w", sequence=0, rows=1, start=MARCH, end=MARCH,
                digest=digest, bytes=15,
            )
        )  # fmt: skip
    sweep = ("store", "gc", "--grace", "0", "--json", "--workspace", str(place))
    gone = json.loads(call_in(*sweep, where=place).out)["removed"]
    assert len(gone) == 1, "what nobody needs"
    with Workspace.open(place) as workspace:
        assert workspace.store.get(digest) == b"rows of the log"
        assert workspace.ledger.segments.delete([segment.id]) == (digest,)
    assert json.loads(call_in(*sweep, where=place).out)["bytes"] > 0
    with Workspace.open(place) as workspace:
        assert not workspace.store.has(digest)


def test_verify_names_what_is_damaged(call_in: Call, place: Path) -> None:
    at = ("--workspace", str(place))
    assert call_in("store", "verify", *at, where=place).out == "3 objects read: all as they were written.\n"
    path = next(path for path in (place / "store" / "objects").rglob("*") if path.is_file())
    path.write_bytes(b"zdamaged")
    said = call_in("store", "verify", "--json", *at, where=place)
    assert said.code == 1
    answer = json.loads(said.out)
    assert [each["name"] for each in answer["damaged"]] == [f"objects/{path.parent.name}/{path.name}"]
    assert answer["objects"] == 3
    assert f"objects/{path.parent.name}/{path.name}" in call_in("store", "verify", *at, where=place).out


def test_gc_says_what_would_go_and_then_it_goes(call_in: Call, place: Path) -> None:
    at = ("--workspace", str(place), "--json")
    assert json.loads(call_in("store", "gc", "--dry-run", *at, where=place).out)["removed"] == [], "all is young"
    said = json.loads(call_in("store", "gc", "--dry-run", "--grace", "0", *at, where=place).out)
    assert len(said["removed"]) == 1
    assert said["kept"] == 2
    done = json.loads(call_in("store", "gc", "--grace", "0", *at, where=place).out)
    assert done["removed"] == said["removed"]
    assert json.loads(call_in("store", "verify", *at, where=place).out)["objects"] == 2
