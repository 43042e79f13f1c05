"""Who may ask: tokens, names, other pages; and no address that others can reach without a token."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from mainspring.serve.guard import Guard, is_loopback
from mainspring.serve.problem import Problem
from tests.serve import shop
from tests.serve.live import client, serving

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "correct horse"  # noqa: S105
OFFER = 'Basic realm="mainspring", charset="UTF-8"'


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


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def test_a_browser_gets_in_by_the_token_as_a_password(workspace: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    with serving("shop", "--token-file", str(file), workspace=workspace) as live, client(live) as http:
        page = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        for path in ("/", "/docs"):
            reply = http.get(path, headers=page)
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, OFFER)
            reply = http.get(path, headers={**page, "authorization": basic(TOKEN, "")})
            assert (reply.status_code, "<h1>shop</h1>" in reply.text) == (200, True)
        assert http.get("/", headers={**page, "authorization": basic("wrong")}).status_code == 401
        for kept in (True, False):  # what the page asks then has the same credentials, or its field's
            ask = {"authorization": basic(TOKEN) if kept else f"Bearer {TOKEN}", "origin": live.url}
            assert http.post("/predict", json=shop.GOOD, headers=ask).status_code == 200
        lured = {"authorization": basic(TOKEN), "origin": "https://evil.example"}
        assert http.post("/predict", json=shop.GOOD, headers=lured).status_code == 403
        told = http.get("/openapi.json", headers={"authorization": basic(TOKEN)}).json()
        schemes = told["components"]["securitySchemes"]
        assert [schemes[name]["scheme"] for each in told["security"] for name in each] == ["bearer", "basic"]


@pytest.mark.parametrize(
    ("authorization", "is_right"),
    [
        (basic("s:é"), True),
        (basic("s:é").replace("Basic", "bAsIc "), True),
        ("Bearer s:é", True),
        (basic("s"), False),
        (basic("é", "s"), False),
        (basic(""), False),
        ("Basic s:é", False),
        ("Basic !", False),
        ("Basic", False),
        ("Basic " + b64encode("s:é".encode()).decode(), False),
        (basic("s:é").replace("Basic", "Bearer"), False),
        (basic("s:é").replace("Basic", "Digest"), False),
    ],
)
def test_credentials(authorization: str, is_right: bool) -> None:
    headers = [(b"authorization", authorization.encode()), (b"accept", b"*/*, TEXT/html")]
    guard = Guard(token="s:é")  # noqa: S106
    if is_right:
        guard.check(b"GET", "/", headers)
        return
    for method, offer in ((b"GET", OFFER), (b"POST", 'Bearer realm="mainspring"')):
        with pytest.raises(Problem) as caught:
            guard.check(method, "/predict", headers)
        assert (caught.value.status, caught.value.headers["www-authenticate"]) == (401, offer)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:9000", "null", "file://", ""])
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE"])
def test_a_password_that_a_browser_remembers_is_of_no_use_to_another_page(method: bytes, origin: str) -> None:
    # A browser that was let in sends the password with whatever any page lets it ask. It always says which page that
    # is where something may change; what it asks without saying so changes nothing, and no other page can read it.
    guard = Guard(token=TOKEN, hosts=("localhost",))
    headers = [(b"host", b"localhost:8000"), (b"authorization", basic(TOKEN).encode())]
    guard.check(method, "/labels", [*headers, (b"origin", b"http://localhost:8000")])
    with pytest.raises(Problem) as caught:
        guard.check(method, "/labels", [*headers, (b"origin", origin.encode())])
    assert caught.value.status == 403


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
