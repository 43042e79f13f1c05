"""Who may ask: tokens, names, other pages; and no address that others can reach without a token."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mainspring.serve.guard import Guard, is_loopback
from mainspring.serve.problem import Problem
from tests.serve import shop
from tests.serve.live import client, serving

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "correct horse"  # noqa: S105


def test_a_token_is_needed_for_all_but_probes(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with serving("shop", "--token-file", str(file), workspace=workspace) as live, client(live) as http:
        for path in ("/ping", "/health", "/v2/health/live", "/v2/health/ready"):
            assert http.get(path).status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            reply = http.post("/predict", json=shop.GOOD, headers=headers)
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"].startswith("Bearer")
            assert http.get("/metrics", headers=headers).status_code == 401
        good = {"authorization": f"Bearer {TOKEN}"}
        for _ in range(2):
            assert http.post("/predict", json=shop.GOOD, headers=good).status_code == 200
            assert http.post("/predict", json=shop.GOOD).status_code == 401  # on the same connection
        assert http.post("/v2/models/other/infer", json={}).status_code == 401
        assert TOKEN not in "\n".join(live.lines)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_no_address_that_others_reach_without_a_token(workspace: Path, host: str) -> None:
    command = [sys.executable, "-m", "mainspring", "serve", "shop", "--workspace", str(workspace), "--host", host]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"An endpoint on {host} can be reached from other machines, so it needs a token" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "99999"], "Cannot listen on 127.0.0.1 port 99999"),
        (["--token-file", "nowhere"], "Cannot read the token in nowhere"),
        (["--workers", "0"], "must be above 0"),
        (["--workspace", "nowhere"], "There is no workspace in"),
    ],
)
def test_wrong_use_is_one_sentence(workspace: Path, options: list[str], said: str) -> None:
    where = [] if "--workspace" in options else ["--workspace", str(workspace)]
    command = [sys.executable, "-m", "mainspring", "serve", "shop", *where, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "10.0.0.1", "localhost.example.org", "", "::")))  # noqa: S104


def test_names_and_origins() -> None:
    with pytest.raises(Problem) as caught:  # a probe's route is open for looking alone
        Guard(token=TOKEN).check(b"POST", "/ping", [])
    assert caught.value.status == 401
    guard = Guard(token=None, hosts=("localhost", "127.0.0.1", "::1"))
    for host in (b"localhost", b"LOCALHOST:8000", b"127.0.0.1:80", b"[::1]:8000"):
        guard.check(b"POST", "/predict", [(b"host", host)])
    guard.check(b"POST", "/predict", [(b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000")])
    guard.check(b"GET", "/", [(b"host", b"localhost:8000"), (b"origin", b"https://evil.example")])
    for headers in (
        [(b"host", b"evil.example")],
        [(b"host", b"localhost.evil.example")],
        [(b"host", b"localhost:8000"), (b"origin", b"http://localhost:9000")],
        [(b"host", b"localhost"), (b"origin", b"file://")],
    ):
        with pytest.raises(Problem) as caught:
            guard.check(b"POST", "/predict", headers)
        assert caught.value.status == 403
    with pytest.raises(Problem) as caught:
        guard.check(b"POST", "/predict", [(b"host", b"localhost"), (b"host", b"localhost")])
    assert caught.value.status == 400
