"""``mainspring watch`` and ``mainspring loop`` on a real project with a log."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.operate.live.document import counts
from mainspring.project import Project
from tests.operate.live.test_loop import Looped
from tests.operate.notify.receiver import receiving

if TYPE_CHECKING:
    from tests.cli.conftest import Call


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three quiet hours and one in which a column's unit changed, long ago."""
    bench = Looped(tmp_path_factory.mktemp("served"))
    bench.hours(3)
    bench.hour(200, change=lambda rows: rows.with_columns(pl.col("a") * 1_000))
    bench.close()
    return bench.root


@pytest.fixture
def served(_served: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_served, tmp_path / "served"))


def test_watch_judges_what_is_new_and_says_so(call_in: Call, served: Path) -> None:
    first = call_in("watch", where=served)
    assert first.code == 0
    assert "2026-03-02 12:00  400 rows, 400 labelled: nothing unusual" in first.out
    assert "2026-03-02 15:00  400 rows, 400 labelled: a is distributed otherwise than in the reference" in first.out
    # the hours since then are silent, which is told as well, three of them
    assert "Windows: 4 new, 0 again, 4 in all; 3 without a row. Opened: #1, #2." in first.out
    assert "Open: #1, #2. See: mainspring incidents show 2" in first.out
    again = call_in("watch", "--json", where=served)
    told = json.loads(again.out)
    assert (told["judged"], told["again"], told["opened"], told["open"]) == ([], [], [], [1, 2])
    assert (told["model"], told["new"], told["silent"], told["windows"]) == ("world", 0, 0, 4)


def test_new_windows_are_counted_as_all_of_them_are(call_in: Call, served: Path) -> None:
    told = json.loads(call_in("watch", "--json", where=served).out)
    assert (told["new"], told["silent"], told["unread"], told["windows"]) == (4, 3, 0, 4)
    assert len(told["judged"]) == 7


def test_watch_compares_served_features_if_asked(call_in: Call, served: Path) -> None:
    told = json.loads(call_in("watch", "--skew", "--json", where=served).out)
    assert told["skew"]["by"] == "who"
    assert told["skew"]["rows"] > 400
    assert {one["column"] for one in told["skew"]["columns"] if one["skewed"]} >= {"a", "b"}


def test_an_incident_of_the_comparison_is_told_as_opened(call_in: Call, served: Path) -> None:
    call_in("watch", where=served)
    shutil.copytree(served, again := served.with_name("again"))
    done = call_in("watch", "--skew", where=again)
    assert "Windows: 0 new, 0 again, 4 in all. Opened: #3." in done.out
    assert "Open: #1, #2, #3. See: mainspring incidents show 3" in done.out
    assert done.out.index("Skew: ") < done.out.index("Windows: ")
    told = json.loads(call_in("watch", "--skew", "--json", where=served).out)
    assert (told["opened"], told["open"], told["skew"]["opened"]) == ([3], [1, 2, 3], [3])


def test_an_incident_that_a_person_closed_is_not_said_to_be_open(call_in: Call, served: Path) -> None:
    call_in("watch", where=served)
    call_in("incidents", "resolve", "1", where=served)
    assert "Open: #2. See:" in call_in("watch", where=served).out


def test_watch_names_the_orders_that_stand(call_in: Call, served: Path) -> None:
    call_in("watch", where=served)
    call_in("pause", "world", "--reason", "audit", where=served)
    done = call_in("watch", where=served)
    assert "Still in force: the loop only judges world, ordered by " in done.out
    assert "(audit). To lift it: mainspring resume world" in done.out
    (order,) = json.loads(call_in("watch", "--json", where=served).out)["orders"]
    assert (order["kind"], order["lift"]) == ("pause", "mainspring resume world")
    call_in("resume", "world", where=served)
    assert json.loads(call_in("watch", "--json", where=served).out)["orders"] == []


def test_a_watch_that_cron_calls_tells_people(call_in: Call, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (served / "mainspring.toml").open("a") as file:
        file.write('\n[notify]\nurls = ["env:HOOK"]\nsecret = "env:KEY"\nallow = ["127.0.0.1"]\n')
    monkeypatch.setenv("KEY", "sesame")
    with receiving() as receiver:
        monkeypatch.setenv("HOOK", receiver.url)
        done = call_in("watch", where=served)
        assert "Messages: 2 delivered." in done.out
        assert len(receiver.got) == 2
        told = json.loads(call_in("watch", "--json", where=served).out)
        assert told["notified"] == {"delivered": 0, "failed": 0, "waiting": 0}
        assert len(receiver.got) == 2


def test_watch_before_anything_was_served_says_what_to_do(call_in: Call, tmp_path: Path) -> None:
    bench = Looped(tmp_path)
    bench.close()
    called = call_in("watch", where=tmp_path)
    assert (called.code, called.out) == (
        0, "No window of world has ended yet. `mainspring serve world` fills its log.\n",
    )  # fmt: skip


def test_a_wrong_span_is_one_sentence(call_in: Call, served: Path) -> None:
    called = call_in("loop", "--once", "--interval", "soon", where=served)
    assert called.code == 2
    assert called.err == "mainspring: --interval is a span of time such as 90s, 10m, 12h, 7d or 2w; got 'soon'.\n"


def test_one_round_of_the_loop_decides(call_in: Call, served: Path) -> None:
    called = call_in("loop", "--once", where=served)
    assert called.code == 0
    assert "Decision: hold, a looks multiplied by 1000, as if the unit had changed: mend it upstream" in called.out
    assert "a looks multiplied by 1000, as if the unit had changed: set aside until it looks as before" in called.err
    told = json.loads(call_in("loop", "--once", "--json", where=served).out)
    assert (told["action"], told["done"], told["busy"]) == ("hold", [], None)


def test_the_loop_goes_on_until_it_is_told_to_end_and_gives_its_lease_back(served: Path) -> None:
    loop = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "loop", "--interval", "1s"],
        cwd=served, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    assert loop.stderr is not None
    for line in loop.stderr:
        said.append(line)
        if "this process has the loop" in line:
            break
    place = Project(served).workspace()
    second = subprocess.run(
        [sys.executable, "-m", "mainspring", "loop", "--once", "--json"],
        cwd=served, capture_output=True, text=True, check=True,
    )  # fmt: skip
    begun = time.monotonic()
    loop.send_signal(signal.SIGTERM)
    rest = loop.communicate(timeout=60)[1]
    assert time.monotonic() - begun < 10
    assert loop.returncode == 0, said
    assert "The loop has ended; the next one goes on from here." in rest
    assert "set aside until it looks as before" in "".join(said)
    assert json.loads(second.stdout)["busy"] is None or json.loads(second.stdout)["busy"].endswith("runs the loop")
    assert place.ledger.leases.current("loop/world") is None
    place.close()


def test_sweeping_the_store_leaves_the_counts_of_windows(call_in: Call, served: Path) -> None:
    call_in("watch", where=served)
    removed = json.loads(call_in("store", "gc", "--grace", "0", "--json", where=served).out)["removed"]
    with Project(served).workspace() as place:
        kept = counts(place.ledger.states)
        assert len(kept) == 4
        assert all(place.store.has(digest) for digest in kept)
    assert not {one["name"] for one in removed} & kept


def test_a_watch_with_nothing_new_loads_no_table_library(call_in: Call, served: Path) -> None:
    call_in("watch", where=served)
    code = (
        "import sys; from mainspring.project import Project; from mainspring.operate.live.watch import watch\n"
        "assert watch(Project.find()).judged == ()\n"
        "print([name for name in ('polars', 'numpy', 'sklearn', 'lightgbm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=served, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
