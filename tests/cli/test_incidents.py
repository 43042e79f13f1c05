"""``mainspring incidents``: everything that people do about them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.cli.incidents import _effect
from mainspring.ledger.ports.incidents import Suspect
from mainspring.operate import remedy
from mainspring.operate.live.acting import ASIDE
from mainspring.serve.log.compact import compact
from mainspring.workspace import Workspace
from tests.operate.notify.receiver import receiving
from tests.serve.log.workbench import MODEL, NOON, prediction, spool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call


def opened(where: Path, **more: Any) -> int:
    with Workspace.open(where, actor="loop") as place:
        suspects = [Suspect(name="visits", score=0.9, text="mean 1,000, was [1]")]
        values = {"model": "shop", "kind": "performance", "summary": "Accuracy fell.", "suspects": suspects}
        return place.ledger.incidents.open(**(values | more)).id


def shown(call_in: Call, where: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call_in("incidents", "show", str(number), "--json", where=where).out)
    return found


def test_from_its_beginning_to_its_end(call_in: Call, own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_ACTOR", "ann")
    number = str(opened(own_shop))
    for arguments, said in (
        (["ack", number, "--text", "on it"], "acknowledged"),
        (["assign", number, "bob [b]"], "assigned to bob [b]"),
        (["note", number, "looks like the unit"], "noted"),
        (["mute", number, "--for", "8h"], "muted until"),
        (["mute", number, "--off"], "no longer muted"),
        (["act", number, "pause", "--for", "2h", "--reason", "upstream"], "the loop only judges until"),
        (["act", number, "resume"], "lifted: pause"),
        (["resolve", number, "--text", "the feed is mended"], "closed"),
        (["note", number, "for the record"], "noted"),
    ):
        done = call_in("incidents", *arguments, where=own_shop)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"Incident {number}: {said}")
    found = shown(call_in, own_shop, int(number))
    assert (found["status"], found["owner"], found["action"]) == ("closed", "bob [b]", "resume")
    kinds = [event["kind"] for event in found["events"]]
    assert kinds == [
        "opened",
        "acknowledged",
        "assigned",
        "note",
        "muted",
        "unmuted",
        "action",
        "action",
        "closed",
        "note",
    ]
    assert {event["actor"] for event in found["events"][1:]} == {"ann"}
    assert found["events"][6]["text"].endswith("UTC: upstream")
    assert found["advice"]["action"] == "none"


def test_what_is_advised_is_shown_with_its_command(call_in: Call, own_shop: Path) -> None:
    number = opened(own_shop)
    said = call_in("incidents", "show", str(number), where=own_shop).out
    assert "Advised: retrain, because the model does worse, with visits moved" in said
    assert f"mainspring incidents act {number} retrain" in said
    assert "mean 1,000, was [1]" in said
    done = call_in("incidents", "act", str(number), "retrain", "--json", where=own_shop)
    found = json.loads(done.out)
    assert (found["action"], found["said"]) == ("retrain", "asked the loop for a retrain")
    with Workspace.open(own_shop) as place:
        asked = remedy.waiting(place.ledger.states, "shop")
    assert asked is not None
    assert asked.incident == number


def test_a_fallback_needs_a_declaration(call_in: Call, own_shop: Path) -> None:
    number = str(opened(own_shop, kind="service"))
    done = call_in("incidents", "act", number, "fallback", where=own_shop)
    assert (done.code, done.out) == (2, "")
    assert "declares nothing to fall back to" in done.err
    with (own_shop / "mainspring.toml").open("a") as file:
        file.write("\n[fallback]\nprediction = false\n")
    assert "act " + number + " fallback" in call_in("incidents", "show", number, where=own_shop).out
    done = call_in("incidents", "act", number, "fallback", where=own_shop)
    assert done.out == f"Incident {number}: the endpoint answers false to everything until it is resumed.\n"


def test_what_was_ordered_outlives_the_incident_and_is_named(call_in: Call, own_shop: Path) -> None:
    number = str(opened(own_shop, kind="service"))
    with (own_shop / "mainspring.toml").open("a") as file:
        file.write("\n[fallback]\nprediction = false\n")
    call_in("incidents", "act", number, "fallback", "--reason", "it lies", where=own_shop)
    call_in("pause", "shop", where=own_shop)
    with Workspace.open(own_shop) as place:
        place.ledger.states.put(ASIDE, "shop", {"age": "looks multiplied by 1000"})
    done = call_in("incidents", "resolve", number, where=own_shop)
    first, fallback, pause, aside = done.out.splitlines()
    assert first == f"Incident {number}: closed."
    assert fallback.startswith("Still in force: the endpoint of shop answers false to everything, ordered by ")
    assert fallback.endswith(f", incident {number} (it lies). To lift it: mainspring resume shop")
    assert pause.startswith("Still in force: the loop only judges shop, ordered by ")
    assert "shop answers without age, which looks multiplied by 1000. To lift it: mend age upstream" in aside
    listed = call_in("models", "list", where=own_shop).out
    shown = call_in("models", "show", "shop", where=own_shop).out
    assert all(line in listed and line in shown for line in (fallback, pause, aside))
    kinds = ["fallback", "pause", "aside"]
    for command in (["models", "list"], ["models", "show", "shop"]):
        found = json.loads(call_in(*command, "--json", where=own_shop).out)
        one = found[0] if isinstance(found, list) else found
        assert [order["kind"] for order in one["orders"]] == kinds
    call_in("resume", "shop", where=own_shop)
    other = str(opened(own_shop))
    (order,) = json.loads(call_in("incidents", "resolve", other, "--json", where=own_shop).out)["orders"]
    assert (order["kind"], order["model"]) == ("aside", "shop")


def test_the_post_mortem_is_markdown_in_a_file_or_on_the_way(call_in: Call, own_shop: Path) -> None:
    number = str(opened(own_shop))
    done = call_in("incidents", "postmortem", number, where=own_shop)
    assert done.code == 0, done.err
    assert done.out.startswith(f"# Post-mortem: incident {number}, shop\n")
    assert "version 1, live since" in done.out
    assert call_in("incidents", "postmortem", number, "-o", "pm.md", where=own_shop).out == ""
    assert (own_shop / "pm.md").read_text().startswith(f"# Post-mortem: incident {number}, shop\n")
    found = json.loads(call_in("incidents", "postmortem", number, "--json", where=own_shop).out)
    assert "## Timeline" in found["markdown"]


def test_who_was_told_and_who_could_not_be(call_in: Call, own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_in("incidents", "outbox", where=own_shop).out == "Nobody was to be told of anything lately.\n"
    opened(own_shop)
    with (own_shop / "mainspring.toml").open("a") as file:
        file.write('\n[notify]\nurls = ["env:HOOK"]\nsecret = "env:KEY"\nallow = ["127.0.0.1"]\n')
    monkeypatch.setenv("KEY", "sesame")
    with receiving() as receiver:
        monkeypatch.setenv("HOOK", receiver.url)
        found = json.loads(call_in("incidents", "outbox", "--send", "--json", where=own_shop).out)
    assert len(receiver.got) == 1
    (one,) = found
    assert (one["event"], one["url"], one["status"], one["attempts"]) == ("opened", "env:HOOK", "delivered", 1)
    done = call_in("incidents", "outbox", "--model", "shop", where=own_shop)
    assert "delivered" in done.out
    assert "sesame" not in done.out + done.err + json.dumps(found)


def test_muting_until_a_moment(call_in: Call, own_shop: Path) -> None:
    number = str(opened(own_shop))
    until = (datetime.now(UTC) + timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
    done = call_in("incidents", "mute", number, "--until", until.isoformat(), "--json", where=own_shop)
    assert datetime.fromisoformat(json.loads(done.out)["muted_until"]) == until
    there = until.astimezone(timezone(timedelta(hours=5)))
    done = call_in("incidents", "mute", number, "--until", there.isoformat(), where=own_shop)
    assert done.out == f"Incident {number}: muted until {until:%Y-%m-%d} 12:00 UTC.\n"


def test_what_somebody_wrote_cannot_speak_to_the_terminal(call_in: Call, own_shop: Path) -> None:
    evil, shown = "evil\x1b]0;PWNED\x07 [bold]x[/bold]\n2026-01-01 closed", r"\x1b]0;PWNED\x07 [bold]x[/bold]"
    suspects = [Suspect(name=evil, score=0.5, text=evil)]
    number = str(opened(own_shop, summary=evil, owner=evil, suspects=suspects))
    assert call_in("incidents", "note", number, evil, where=own_shop).code == 0
    for command in (["show", number], ["list"], ["postmortem", number], ["show", number, "--json"]):
        said = call_in("incidents", *command, where=own_shop).out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", said), command
        assert not re.search("^2026-01-01 closed", said, re.MULTILINE), command
        if "--json" not in command:
            assert shown in re.sub(r"\\(?=[\[\]])", "", said), command  # Markdown escapes brackets
    call_in("incidents", "postmortem", number, "-o", "pm.md", where=own_shop)
    written = (own_shop / "pm.md").read_text()
    assert r"\x1b" in written
    assert "\x1b" not in written


def test_a_kind_or_a_model_without_an_incident_is_no_mistake(call_in: Call, own_shop: Path) -> None:
    for only in (["--kind", "drift"], ["--model", "shop"], []):
        done = call_in("incidents", "list", *only, where=own_shop)
        assert (done.code, done.out) == (0, "No incident.\n")
    opened(own_shop, model="gone", kind="other")
    assert "gone" in call_in("incidents", "list", "--model", "gone", "--kind", "other", where=own_shop).out
    assert call_in("incidents", "list", "--model", "gone", "--kind", "drift", where=own_shop).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ack", "99"], "No incident 99"),
        (["mute", "1"], "Say for how long: --for 8h"),
        (["mute", "1", "--for", "8h", "--off"], "Say for how long"),
        (["mute", "1", "--for", "soon"], "--for is a span of time such as 90s"),
        (["mute", "1", "--for", "999999999d"], "--for is 36500d (100 years) at most; got '999999999d'"),
        (["act", "1", "pause", "--for", "999999999d"], "--for is 36500d (100 years) at most"),
        (["mute", "1", "--until", "0001-01-01T00:00+05:00"], "Expected a time from the year 1 to 9999 in UTC"),
        (
            ["ack", "99999999999999999999"],
            "No incident 99999999999999999999. See which there are: mainspring incidents",
        ),
        (["show", "99999999999999999999"], "No incident 99999999999999999999"),
        (["resolve", "0"], "No incident 0"),
        (["assign", "1", ""], "Expected who looks after it, such as ann, got ''"),
        (["note", "1", "  "], "Expected what is to be written down, got '  '"),
        (["list", "--limit", "-1"], "Must be >= 1"),
        (["list", "--kind", "dirft"], "No kind of incident named 'dirft'. Did you mean drift?"),
        (["list", "--model", "shpo"], "No model named 'shpo'. Did you mean shop?"),
        (["mute", "1", "--until", "2020-01-01"], "can be muted until a time to come"),
        (["act", "1", "retrian"], "retrain"),
        (["act", "1", "retrain", "--for", "2h"], "--for goes with pause, not with retrain"),
        (["act", "1", "rollback"], "nothing to roll back to"),
        (["postmortem", "1", "-o", "nowhere/pm.md"], "No such file"),
    ],
)
def test_wrong_use_is_one_message(call_in: Call, shop: Path, arguments: list[str], said: str) -> None:
    with Workspace.open(shop) as place:
        if not place.ledger.incidents.search():
            opened(shop)
    done = call_in("incidents", *arguments, where=shop)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_post_mortem_counts_those_who_were_turned_away_unread(tmp_path: Path) -> None:
    """One row of the log may stand for many of them."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    given = {"features": None, "prediction": None, "scores": None}
    with Workspace.open(tmp_path / ".mainspring") as place:
        number = place.ledger.incidents.open(model=MODEL, kind="service", summary="Slow.").id
        spool(
            place,
            [
                *(prediction(each, later) for each in range(5)),
                prediction(5, later, status=500, **given),
                prediction(6, later, status=503, **given),
                prediction(7, later, status=429, role="unread", flags="times:1200", **given),
                prediction(8, later, role="shadow"),
                prediction(9, NOON),
            ],
        )
        compact(place, MODEL)
    with Workspace.open(tmp_path / ".mainspring") as place:
        found = _effect(place, place.ledger.incidents.get(number), later + timedelta(minutes=1))
    assert (found.answered, found.failed, found.shed, found.by_version) == (5, 1, 1_201, ((1, 5),))
