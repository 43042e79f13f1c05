"""POST /predict on a real endpoint, by real clients: answers, refusals, bounds."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.serve import shop
from tests.serve.live import until

if TYPE_CHECKING:
    import httpx

    from tests.serve.live import Live

BUNDLE = shop.bundle("linear", 0)


def expected(rows: list[dict[str, Any]]) -> tuple[list[Any], list[list[float]]]:
    """What the model says to *rows* in this process."""
    predictor = BUNDLE.predictor()
    said = [predictor.predict_row(row) for row in rows]
    return [each.values[0] for each in said], [each.scores[0].tolist() for each in said if each.scores is not None]


def test_one_row(http: httpx.Client) -> None:
    reply = http.post("/predict", json=shop.GOOD)
    (value,), (scores,) = expected([shop.GOOD])
    said = reply.json()
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert len(said.pop("id")) == 26
    assert said == {
        "model": "shop",
        "version": 1,
        "prediction": value,
        "probabilities": dict(zip(["no", "yes"], scores, strict=True)),
    }


@pytest.mark.parametrize("wrapped", [False, True])
def test_many_rows(http: httpx.Client, *, wrapped: bool) -> None:
    rows = [{**shop.GOOD, "age": 18 + i % 80, "spent": float(i)} for i in range(300)]
    reply = http.post("/predict", json={"rows": rows} if wrapped else rows).json()
    values, scores = expected(rows)
    assert reply["rows"] == 300
    assert reply["predictions"] == values
    # scored together, which rounds in another order than one by one
    assert reply["probabilities"]["yes"] == pytest.approx([row[1] for row in scores], abs=1e-6)


def test_an_unusual_form_of_a_value_gives_the_same_answer(http: httpx.Client) -> None:
    usual = http.post("/predict", json=shop.GOOD).json()
    odd = http.post("/predict", json={**shop.GOOD, "age": "40", "member": 1, "extra": [1, {"a": 2}]}).json()
    assert odd["probabilities"] == usual["probabilities"]


def test_a_violation_names_field_rule_value_and_row(http: httpx.Client) -> None:
    reply = http.post("/predict", json=[shop.GOOD, {**shop.GOOD, "age": 17, "town": "berlin"}])
    assert reply.status_code == 422
    assert reply.json() == {
        "error": "Row 1: age is below the minimum 18, and 1 more violation.",
        "violations": [
            {"row": 1, "field": "age", "rule": "minimum", "value": 17, "message": "age is below the minimum 18"},
            {
                "row": 1,
                "field": "town",
                "rule": "categories",
                "value": "berlin",
                "message": "town is none of bo, ulm, köln",
            },
        ],
    }


def test_flags_are_told(http: httpx.Client) -> None:
    one = http.post("/predict", json={**shop.GOOD, "height": 900, "mood": "odd"}).json()
    assert one["flags"] == ["categories:mood", "imputed:height"]
    many = http.post("/predict", json=[shop.GOOD, {**shop.GOOD, "mood": "odd"}]).json()
    assert many["flags"] == {"1": ["categories:mood"]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "it is empty|truncated"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'"a text"', 400, "Expected a row"),
        (b"null", 400, "Expected a row"),
        (b"[]", 400, "There are no rows"),
        (b'{"rows": 3}', 400, '"rows" must be a list'),
        (b'{"rows": []}', 400, "There are no rows"),
        (b"[1]", 400, "Row 0 is a number"),
        (b'{"age": 1e999}', 400, "not JSON"),
        (b'{"age": NaN}', 400, "not JSON"),
        (b"[" * 50_000, 400, "nested too deeply|not JSON"),
        (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, 400, "nested too deeply"),
        (b"{}", 422, "age is not there"),
        (json.dumps([shop.GOOD] * 501).encode(), 413, "501 rows; at most 500"),
        (b"[" + b" " * (1 << 20) + b"]", 413, "too large: at most 1,048,576"),
    ],
)
def test_wrong_bodies_get_a_clear_4xx(http: httpx.Client, body: bytes, status: int, said: str) -> None:
    reply = http.post("/predict", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == status
    assert re.search(said, reply.json()["error"]), reply.json()["error"]
    assert http.post("/predict", json=shop.GOOD).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/predict", {}, 405),
        ("DELETE", "/metrics", {}, 405),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/../../etc/passwd", {}, 404),
        ("POST", "/predict", {"content-type": "text/csv"}, 415),
        ("POST", "/predict", {"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ("POST", "/predict", {"content-type": "application/json", "host": "evil.example"}, 403),
        ("POST", "/predict", {"content-type": "application/json", "host": "a b"}, 400),
        ("POST", "/predict", {"content-type": "application/json", "origin": "https://evil.example"}, 403),
        ("POST", "/predict", {"content-type": "application/json", "origin": "null"}, 403),
    ],
)
def test_wrong_requests(http: httpx.Client, method: str, path: str, headers: dict[str, str], status: int) -> None:
    reply = http.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert reply.status_code == status
    assert reply.json()["error"]
    if status == 405:
        assert reply.headers["allow"] in ("POST", "GET, HEAD")


def test_the_request_id_comes_back(http: httpx.Client) -> None:
    reply = http.post("/predict", json=shop.GOOD, headers={"x-request-id": "abc-1"})
    assert reply.headers["x-request-id"] == "abc-1"
    assert "x-request-id" not in http.post("/predict", json=shop.GOOD).headers


def raw(live: Live) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", live.port), timeout=15)
    made.settimeout(15)
    return made


def everything(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def post(body: bytes, *more: str, path: str = "/predict") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, *more, "", ""]).encode() + body


def test_pipelined_requests_are_answered_in_order(endpoint: Live) -> None:
    good = json.dumps(shop.GOOD).encode()
    with raw(endpoint) as connection:
        burst = [post(good), post(b"{}"), b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n", post(good)]
        burst += [post(b"[]"), post(good, "connection: close")]
        connection.sendall(b"".join(burst))
        answers = everything(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"422", b"200", b"200", b"400", b"200"]


def test_chunked_and_expectant_bodies(endpoint: Live) -> None:
    body = json.dumps(shop.GOOD).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
    with raw(endpoint) as connection:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200")
    with raw(endpoint) as connection:
        connection.sendall(head + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert b"HTTP/1.1 200" in everything(connection)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", b"400"),
        (
            b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            b"400",
        ),
        (b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"a: " + b"b" * 70_000, b"431"),
    ],
)
def test_what_is_no_good_http_is_refused_and_cut_off(endpoint: Live, sent: bytes, status: bytes) -> None:
    with raw(endpoint) as connection:
        connection.sendall(sent)
        answer = connection.recv(65536)
        assert answer.split(b" ")[1] == status, answer


def test_a_chunked_body_without_end_is_cut_off(endpoint: Live) -> None:
    head = post(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    with raw(endpoint) as connection:
        connection.sendall(head)
        part = b"10000\r\n" + b" " * 65536 + b"\r\n"
        try:
            for _ in range(40):
                connection.sendall(part)
        except OSError:
            pass
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def answered(connection: socket.socket) -> bytes:
    """One answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        assert part, data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found is not None
    while len(body) < int(found[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.mark.parametrize("framed", [True, False])
def test_what_comes_after_an_early_answer_is_held_by_nobody(
    endpoint: Live, http: httpx.Client, *, framed: bool
) -> None:
    part = b" " * 300_000
    head = post(b"", path="/nowhere").replace(b"content-length: 0", b"content-length: 900000")
    if framed:
        head = post(b"", path="/nowhere").replace(b"content-length: 0", b"transfer-encoding: chunked")
        part = b"%x\r\n%b\r\n" % (len(part), part)
    with raw(endpoint) as connection:
        connection.sendall(head)
        assert answered(connection).startswith(b"HTTP/1.1 404")
        connection.sendall(part * 2)
        until(lambda: 'mainspring_receiving_bytes{model="shop"} 0.0' in http.get("/metrics").text)
        connection.sendall(part + (b"0\r\n\r\n" if framed else b""))
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert answered(connection).startswith(b"HTTP/1.1 200"), "the rest of the body was not read away"
        assert 'mainspring_receiving_bytes{model="shop"} 0.0' in http.get("/metrics").text
    with raw(endpoint) as connection:  # and where it does not end, the connection is closed without a second answer
        connection.sendall(head)
        assert answered(connection).startswith(b"HTTP/1.1 404")
        if framed:
            with contextlib.suppress(OSError):
                for _ in range(10):
                    connection.sendall(part)
            with contextlib.suppress(ConnectionResetError):
                assert everything(connection) == b""


def test_lines_behind_a_chunked_body_are_no_headers_and_have_an_end(endpoint: Live) -> None:
    body = json.dumps(shop.GOOD).encode()
    head = post(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    with raw(endpoint) as connection:
        connection.sendall(head + chunks + b"x-request-id: smuggled\r\nexpect: 100-continue\r\n\r\n")
        answer = answered(connection)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"smuggled" not in answer
    for line in (b"a: " + b"b" * 1000 + b"\r\n", b"b" * 1000):
        with raw(endpoint) as connection:
            connection.sendall(head + chunks)
            with contextlib.suppress(OSError):
                for _ in range(2000):
                    connection.sendall(line)
            assert connection.recv(65536).startswith(b"HTTP/1.1 431")


def test_another_requests_id_is_not_told(endpoint: Live) -> None:
    good = post(json.dumps(shop.GOOD).encode())
    other = good.replace(b"content-type: application/json", b"x-request-id: other\r\ncontent-type: text/csv")
    with raw(endpoint) as connection:
        for sent, status in ((good, b"200"), (other, b"415"), (good, b"200")):
            connection.sendall(sent)
            answer = answered(connection)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert (b"x-request-id: other" in answer) == (status == b"415")


def test_a_connection_on_which_hosts_disagree_is_closed(endpoint: Live) -> None:
    with raw(endpoint) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
        answer = everything(connection)
    assert b"connection: close" in answer
    assert b"two Host headers" in answer


def test_slow_and_dripping_clients_are_sent_away_and_disturb_nobody(endpoint: Live, http: httpx.Client) -> None:
    silent, headless, dripping = raw(endpoint), raw(endpoint), raw(endpoint)
    headless.sendall(b"POST /predict HTT")
    dripping.sendall(post(b"x" * 1000)[:-990])
    start = time.monotonic()
    longest = 0.0
    answer = b""
    dripping.settimeout(0.2)
    while not answer and time.monotonic() < start + 10:
        before = time.perf_counter()
        assert http.post("/predict", json=shop.GOOD).status_code == 200
        longest = max(longest, time.perf_counter() - before)
        try:
            dripping.sendall(b"x")
            answer = dripping.recv(1000)
        except TimeoutError:
            continue
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - start > 2.5
    assert longest < 1.0
    for connection in (silent, headless, dripping):
        connection.close()


def test_a_million_rows_are_refused_at_once(endpoint: Live, http: httpx.Client) -> None:
    row = msgspec.json.encode(shop.GOOD)
    head = post(b"", path="/predict").replace(b"content-length: 0", b"content-length: %d" % (len(row) * 1_000_000))
    with raw(endpoint) as connection:
        start = time.monotonic()
        connection.sendall(head)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - start < 1
    assert http.post("/predict", json=shop.GOOD).status_code == 200
