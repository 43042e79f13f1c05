"""From an incident's timeline to a receiver, through crashes, refusals and silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.contract import Contract
from mainspring.core.clock import SimulatedClock
from mainspring.operate.notify import Sent, deliveries, outbox, tick, verify
from mainspring.operate.notify.events import collect
from mainspring.operate.notify.outbox import ATTEMPTS, LONGEST_WAIT, WITHIN, Delivery, failed, tried
from mainspring.operate.notify.webhook import post
from mainspring.workspace import Workspace
from tests.operate.notify.receiver import away, dripping, receiving, redirecting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.operate.notify.receiver import Receiver

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # the example of the standard
TEXT = """
[project]
name = "shop"
task = "binary"
target = "y"
[notify]
urls = ["env:TEST_HOOK"]
secret = "env:TEST_HOOK_KEY"
allow = ["127.0.0.1"]
"""
CONTRACT = Contract.parse(TEXT)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def workspace(tmp_path: Path, clock: SimulatedClock) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "ws", actor="ann", clock=clock) as opened:
        yield opened


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as made:
        monkeypatch.setenv("TEST_HOOK", made.url)
        monkeypatch.setenv("TEST_HOOK_KEY", SECRET)
        yield made


def told(receiver: Receiver) -> list[str]:
    return [msgspec.json.decode(got.body)["type"] for got in receiver.got]


def opened(workspace: Workspace, kind: str = "performance") -> int:
    return workspace.ledger.incidents.open(model="shop", kind=kind, summary="Accuracy fell to 0.7.").id


def test_a_signed_message_arrives_once(workspace: Workspace, receiver: Receiver, clock: SimulatedClock) -> None:
    number = opened(workspace)
    assert tick(workspace, CONTRACT, "shop") == Sent(noticed=1, delivered=1)
    assert tick(workspace, CONTRACT, "shop") == Sent()
    (got,) = receiver.got
    assert verify(SECRET, got.headers, got.body, now=clock.now().timestamp())
    assert got.headers["idempotency-key"] == got.headers["webhook-id"]
    payload = msgspec.json.decode(got.body)
    assert payload["type"] == "incident.opened"
    assert payload["data"]["incident"]["id"] == number
    assert payload["data"]["text"] == "Accuracy fell to 0.7."


def test_what_is_told_of_an_incident_from_its_beginning_to_its_end(workspace: Workspace, receiver: Receiver) -> None:
    incidents = workspace.ledger.incidents
    number = opened(workspace)
    tick(workspace, CONTRACT, "shop")
    incidents.append(number, kind="signal", text="hour 2: worse still")
    incidents.append(number, kind="action", text="hold: too early", data={"action": "hold"})
    incidents.append(number, kind="note", text="I am on it")
    incidents.acknowledge(number)
    assert tick(workspace, CONTRACT, "shop").noticed == 0
    incidents.append(number, kind="action", text="retrain: version 2 went live", data={"action": "retrain"})
    incidents.update(number, severity="critical")
    incidents.append(number, kind="changed", text="It is critical now, and that is told with it.")
    tick(workspace, CONTRACT, "shop")
    incidents.append(number, kind="changed", text="40% of income is missing, too.")
    tick(workspace, CONTRACT, "shop")
    incidents.close(number, text="quiet again")
    brief = opened(workspace)
    incidents.close(brief, text="at once")
    tick(workspace, CONTRACT, "shop")
    tick(workspace, CONTRACT, "shop")
    assert sorted(told(receiver)) == sorted(
        [
            "incident.opened",
            "incident.acted",
            "incident.raised",
            "incident.changed",
            "incident.closed",
            "incident.opened",
            "incident.closed",
        ]
    )
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 7


def test_what_is_light_or_muted_is_not_told_and_what_becomes_grave_is(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock
) -> None:
    incidents = workspace.ledger.incidents
    light, muted = opened(workspace, "drift"), opened(workspace)
    incidents.mute(muted, clock.now() + timedelta(hours=1))
    assert tick(workspace, CONTRACT, "shop").noticed == 0
    incidents.update(light, kind="performance", summary="It has begun to hurt.")
    clock.advance(timedelta(hours=2))
    incidents.close(muted)
    tick(workspace, CONTRACT, "shop")
    assert sorted(told(receiver)) == ["incident.closed", "incident.raised"]


def test_what_begins_or_becomes_graver_while_muted_is_told_once_when_the_mute_is_over(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock
) -> None:
    incidents = workspace.ledger.incidents
    known, other = opened(workspace), opened(workspace)
    tick(workspace, CONTRACT, "shop")
    begun, over = opened(workspace), opened(workspace)
    for number in (known, other, begun, over):
        incidents.mute(number, clock.now() + timedelta(hours=1))
    assert tick(workspace, CONTRACT, "shop").noticed == 0
    incidents.update(known, severity="critical")
    incidents.append(known, kind="changed", text="It has become critical.")
    incidents.update(begun, severity="critical")
    incidents.append(other, kind="changed", text="40% of income is missing, too.")
    assert tick(workspace, CONTRACT, "shop").noticed == 0
    incidents.close(over)
    clock.advance(timedelta(hours=2))
    assert tick(workspace, CONTRACT, "shop").noticed == 4
    assert tick(workspace, CONTRACT, "shop").noticed == 0
    news = [msgspec.json.decode(got.body) for got in receiver.got[2:]]
    assert {(each["type"], each["data"]["incident"]["id"]) for each in news} == {
        ("incident.raised", known), ("incident.changed", other), ("incident.opened", begun), ("incident.closed", over)
    }  # fmt: skip
    assert [each["data"]["incident"]["severity"] for each in news if each["type"] != "incident.closed"] == [
        "critical", "warning", "critical"
    ]  # fmt: skip
    assert "It was muted, and is still open. Accuracy fell to 0.7." in {each["data"]["text"] for each in news}


def test_a_timeline_is_read_on_from_where_it_was(
    workspace: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, incidents = opened(workspace), workspace.ledger.incidents
    for hour in range(40):
        incidents.append(number, kind="signal", text=f"hour {hour}")
    tick(workspace, CONTRACT, "shop")
    incidents.append(number, kind="action", text="retrained", data={"action": "retrain"})
    read: list[int] = []
    real = type(incidents).get

    def counted(self: Any, *given: Any, **more: Any) -> Any:
        found = real(self, *given, **more)
        read.append(len(found.events))
        return found

    monkeypatch.setattr(type(incidents), "get", counted)
    assert tick(workspace, CONTRACT, "shop").noticed == 1
    assert tick(workspace, CONTRACT, "shop").noticed == 0
    assert read == [1, 0]


def test_what_was_over_before_somebody_asked_to_be_told_is_not_told(workspace: Workspace, receiver: Receiver) -> None:
    over, still = opened(workspace), opened(workspace)
    workspace.ledger.incidents.close(over)
    tick(workspace, CONTRACT, "shop")
    assert [msgspec.json.decode(got.body)["data"]["incident"]["id"] for got in receiver.got] == [still]


def test_it_is_tried_again_under_the_same_id_and_later_each_time(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock
) -> None:
    receiver.answers = [500, 500, away(1_000), 200]
    opened(workspace)
    waits = []
    while deliveries(workspace.ledger.states)[-1:] == () or deliveries(workspace.ledger.states)[0].status == "waiting":
        tick(workspace, CONTRACT, "shop")
        (one,) = deliveries(workspace.ledger.states)
        waits.append((one.next - clock.now()).total_seconds())
        clock.set(max(one.next, clock.now()))
    assert one.status == "delivered"
    assert len(receiver.got) == 4
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 4
    assert 2.5 <= waits[0] <= 7.5
    assert 5 <= waits[1] <= 15
    assert waits[2] == 1_000


def test_it_is_given_up_in_the_end_and_the_incident_says_so(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock
) -> None:
    receiver.answers = [500]
    number = opened(workspace)
    for _ in range(100):
        tick(workspace, CONTRACT, "shop")
        clock.advance(timedelta(hours=1))
    assert len(receiver.got) == ATTEMPTS
    note = workspace.ledger.incidents.get(number).events[-1]
    assert note.kind == "note"
    assert note.text == "could not be announced at env:TEST_HOOK after 10 tries: 127.0.0.1 answered 500"
    assert deliveries(workspace.ledger.states)[0].status == "given up"
    clock.advance(timedelta(days=8))
    opened(workspace)
    tick(workspace, CONTRACT, "shop")
    assert [each.status for each in deliveries(workspace.ledger.states)] == ["waiting"]


def test_what_cannot_be_mended_by_waiting_is_given_up_at_once(workspace: Workspace, receiver: Receiver) -> None:
    receiver.answers = [redirecting("http://127.0.0.1:9/")]
    opened(workspace)
    tick(workspace, CONTRACT, "shop")
    strict = Contract.parse(TEXT.replace('allow = ["127.0.0.1"]', ""))
    opened(workspace)
    tick(workspace, strict, "shop")
    said = [each.error for each in deliveries(workspace.ledger.states) if each.status == "given up"]
    assert len(said) == 2
    assert len(receiver.got) == 1


def test_a_secret_that_is_missing_may_be_set_later(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_HOOK")
    opened(workspace)
    tick(workspace, CONTRACT, "shop")
    assert deliveries(workspace.ledger.states)[0].error == "the environment variable TEST_HOOK is not set"
    monkeypatch.setenv("TEST_HOOK", receiver.url)
    clock.advance(timedelta(minutes=1))
    assert tick(workspace, CONTRACT, "shop").delivered == 1


@pytest.mark.parametrize("secret", ["whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_"])
def test_a_secret_that_signs_nothing_is_refused_for_good(
    workspace: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TEST_HOOK_KEY", secret)
    opened(workspace)
    tick(workspace, CONTRACT, "shop")
    (one,) = deliveries(workspace.ledger.states)
    assert (one.status, one.error.startswith("What webhooks are signed with")) == ("given up", True)
    assert receiver.got == []


# apprise's plugin for mail imports a module that Python will drop
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_an_apprise_address_that_asks_for_redirects_gets_none(
    workspace: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as other:
        monkeypatch.setenv("TEST_HOOK", f"ntfy://127.0.0.1:{receiver.port}/sesame?redirect=yes")
        receiver.answers = [redirecting(other.url, 307)]
        opened(workspace)
        assert tick(workspace, CONTRACT, "shop").failed == 1
        assert (len(receiver.got), other.got) == (1, [])


def test_secrets_are_kept_nowhere(workspace: Workspace, receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [500]
    secret = tmp_path / "key"
    secret.write_text(f"{SECRET}\n")
    contract = Contract.parse(TEXT.replace("env:TEST_HOOK_KEY", f"file:{secret}"))
    opened(workspace)
    tick(workspace, contract, "shop")
    assert len(receiver.got) == 1
    assert verify(SECRET, receiver.got[0].headers, receiver.got[0].body, now=START.timestamp())
    kept = b"".join(path.read_bytes() for path in (tmp_path / "ws").rglob("*") if path.is_file())
    assert b"env:TEST_HOOK" in kept
    assert b"sesame" not in kept
    assert SECRET.encode() not in kept
    assert SECRET.removeprefix("whsec_").encode() not in kept


def test_two_senders_send_once(workspace: Workspace, receiver: Receiver, tmp_path: Path, clock: SimulatedClock) -> None:
    opened(workspace)
    lease = workspace.ledger.leases.acquire("notify/shop", "another", 60)
    assert lease is not None
    assert tick(workspace, CONTRACT, "shop") == Sent(noticed=1, waiting=1, busy=True)
    workspace.ledger.leases.release(lease)
    with Workspace.open(tmp_path / "ws", actor="bob", clock=clock) as other:
        assert tick(other, CONTRACT, "shop") == Sent(delivered=1)
    assert tick(workspace, CONTRACT, "shop") == Sent()
    assert len(receiver.got) == 1


def test_an_address_that_does_not_answer_delays_no_other(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(post.__kwdefaults__, "seconds", 0.3)  # type: ignore[arg-type]
    monkeypatch.setattr("mainspring.operate.notify.driver.SLOW", 0.2)
    contract = Contract.parse(TEXT.replace('["env:TEST_HOOK"]', '["env:TEST_DEAD", "env:TEST_HOOK"]'))
    with receiving() as dead:
        dead.answers = [dripping]
        monkeypatch.setenv("TEST_DEAD", dead.url)
        for _ in range(3):
            opened(workspace)
        assert tick(workspace, contract, "shop") == Sent(noticed=6, delivered=3, failed=1, waiting=3)
        assert (len(dead.got), len(receiver.got)) == (1, 3)
        clock.advance(timedelta(minutes=1))
        # what was not tried in the first round comes before what was
        assert tick(workspace, contract, "shop").failed == 1
        assert sorted(each.attempts for each in deliveries(workspace.ledger.states)) == [0, 1, 1, 1, 1, 1]


def test_a_clock_that_was_ahead_holds_nothing_back(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock, tmp_path: Path
) -> None:
    receiver.answers = [500, 500, 200]
    ahead = SimulatedClock(START + timedelta(days=30))
    with Workspace.open(tmp_path / "ws", actor="ann", clock=ahead) as early:
        opened(early)
        tick(early, CONTRACT, "shop")
        opened(early)
        collect(early, "shop", CONTRACT.notify)
    assert tick(workspace, CONTRACT, "shop") == Sent(delivered=1, failed=1, waiting=1)
    # from then on the waits are of the right clock
    assert tick(workspace, CONTRACT, "shop") == Sent(waiting=1)
    clock.advance(timedelta(minutes=1))
    assert tick(workspace, CONTRACT, "shop") == Sent(delivered=1)


def test_two_that_tidy_do_not_disturb_each_other(
    workspace: Workspace, receiver: Receiver, clock: SimulatedClock
) -> None:
    opened(workspace)
    tick(workspace, CONTRACT, "shop")
    clock.advance(timedelta(days=8))
    states = workspace.ledger.states
    found = deliveries(states)
    outbox.tidy(states, found, clock.now())
    outbox.tidy(states, found, clock.now())
    assert deliveries(states) == ()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_between_the_answer_and_the_note_of_it_delivers_again_under_the_same_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    (tmp_path / "mainspring.toml").write_text(TEXT)
    with Workspace.open(tmp_path / "ws", actor="ann") as workspace:
        opened(workspace)
    process: list[subprocess.Popen[bytes]] = []

    def kill(_handler: Any) -> None:
        process[0].send_signal(signal.SIGKILL)
        process[0].wait()

    receiver.answers = [kill, 200]
    root = Path(__file__).parents[3]
    process.append(
        subprocess.Popen(
            [sys.executable, "-m", "tests.operate.notify.sending", tmp_path / "ws", tmp_path / "mainspring.toml"],
            cwd=root,
        )
    )
    assert process[0].wait(30) == -signal.SIGKILL
    later = SimulatedClock(datetime.now(UTC) + timedelta(minutes=5))
    with Workspace.open(tmp_path / "ws", actor="next", clock=later) as workspace:
        (left,) = deliveries(workspace.ledger.states)
        assert (left.status, left.attempts) == ("waiting", 1)
        assert tick(workspace, CONTRACT, "shop") == Sent(delivered=1)
        assert tick(workspace, CONTRACT, "shop") == Sent()
    assert len(receiver.got) == 2
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1


def test_noticing_twice_is_noticing_once(workspace: Workspace) -> None:
    """A kill before the commit leaves neither the mark nor the delivery; after it, both: here the mark is lost."""
    opened(workspace)
    assert collect(workspace, "shop", CONTRACT.notify) == 1
    workspace.ledger.states.delete("notify", "shop")
    assert collect(workspace, "shop", CONTRACT.notify) == 0


# apprise's plugin for mail imports a module that Python will drop
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise_services_are_asked_too_and_checked_before(
    workspace: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOOK", f"ntfy://127.0.0.1:{receiver.port}/sesame")
    receiver.answers = [lambda handler: (handler.send_response(200), handler.end_headers(), None)[-1]]
    opened(workspace)
    assert tick(workspace, CONTRACT, "shop") == Sent(noticed=1, delivered=1)
    assert b"Accuracy fell to 0.7." in receiver.got[0].body
    strict = Contract.parse(TEXT.replace('allow = ["127.0.0.1"]', ""))
    for url, said in (
        (f"ntfy://127.0.0.1:{receiver.port}/sesame", "127.0.0.1, which is not public"),
        (f"json://127.0.0.1:{receiver.port}/sesame", "json:// is apprise's webhook; use https://"),
        ("mailto://ann:sesame@example.org?smtp=10.0.0.5", "10.0.0.5, which is not public"),
        ("mailto://ann:sesame@localhost?from=ann@example.org", "localhost has the address"),
        ("sesame://", "apprise does not understand it as an address for sesame://"),
    ):
        monkeypatch.setenv("TEST_HOOK", url)
        opened(workspace)
        assert tick(workspace, strict, "shop").failed == 1
        assert said in deliveries(workspace.ledger.states)[-1].error
    assert len(receiver.got) == 1


@given(
    attempts=st.integers(0, ATTEMPTS + 5), jitter=st.floats(0, 1), age=st.integers(0, 200_000), after=st.floats(0, 1e9)
)
def test_tries_are_bounded_in_number_and_time(attempts: int, jitter: float, age: int, after: float) -> None:
    one = Delivery(
        id="msg_1", model="shop", incident=1, event="opened", url="env:X", title="", text="", severity="info",
        created=START, next=START, attempts=attempts,
    )  # fmt: skip
    now = START + timedelta(seconds=age)
    trying = tried(one, now, jitter=jitter)
    wait = (trying.next - now).total_seconds()
    assert 2.5 <= wait <= 1.5 * LONGEST_WAIT
    assert wait >= min(5.0 * 2**attempts, LONGEST_WAIT) / 2
    left = failed(trying, now, "away", after=after)
    assert (left.status == "given up") == (attempts + 1 >= ATTEMPTS or timedelta(seconds=age) >= WITHIN)
    if left.status == "waiting":
        assert trying.next <= left.next <= max(trying.next, now + timedelta(seconds=LONGEST_WAIT))
    assert failed(trying, now, "never", final=True).status == "given up"


def test_without_addresses_nothing_is_asked(workspace: Workspace) -> None:
    opened(workspace)
    assert tick(workspace, Contract.parse(TEXT[: TEXT.index("[notify]")]), "shop") == Sent()
    assert workspace.ledger.states.search(outbox.KIND) == ()
    assert workspace.ledger.states.search("notify") == ()
