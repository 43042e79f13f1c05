"""The outbound request, against a real server that behaves and misbehaves."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.operate.notify.failure import Undeliverable
from mainspring.operate.notify.webhook import post
from tests.operate.notify.receiver import away, dripping, endless, receiving, redirecting

if TYPE_CHECKING:
    from pathlib import Path

HERE = ["127.0.0.1"]


def test_it_arrives_once_with_its_headers() -> None:
    with receiving() as receiver:
        assert post(receiver.url + "?a=b c%20d".replace(" ", "+"), b"{}", {"webhook-id": "msg_1"}, allow=HERE) == 200
    (got,) = receiver.got
    assert (got.path, got.body) == ("/hook/sesame?a=b+c%20d", b"{}")
    assert (got.headers["webhook-id"], got.headers["content-type"]) == ("msg_1", "application/json")


def refused(receiver: Any, **more: Any) -> Undeliverable:
    with pytest.raises(Undeliverable) as caught:
        post(receiver.url, b"{}", {}, **({"allow": HERE} | more))
    assert "sesame" not in str(caught.value)
    return caught.value


def test_a_private_address_is_not_even_connected_to() -> None:
    with receiving() as receiver:
        assert "would be called without TLS" in str(refused(receiver, allow=[]))
        with pytest.raises(Undeliverable, match="which is not public"):
            post(receiver.url.replace("http:", "https:"), b"{}", {})
    assert receiver.got == []


def test_redirects_are_not_followed() -> None:
    with receiving() as other, receiving() as receiver:
        receiver.answers = [redirecting(other.url)]
        why = refused(receiver)
        assert (str(why), why.final) == (
            "127.0.0.1 answered 302: redirects are not followed; name the address itself", True,
        )  # fmt: skip
    assert (len(receiver.got), other.got) == (1, [])


def test_what_may_be_better_later_and_what_not() -> None:
    with receiving() as receiver:
        receiver.answers = [away(90), 410, 404]
        later, gone, missing = refused(receiver), refused(receiver), refused(receiver)
    assert (str(later), later.final, later.after) == ("127.0.0.1 answered 503: busy", False, 90)
    assert (gone.final, missing.final) == (True, False)


def test_a_dripping_answer_is_cut_off() -> None:
    with receiving() as receiver:
        receiver.answers = [dripping]
        begun = time.monotonic()
        why = refused(receiver, seconds=0.5)
        assert time.monotonic() - begun < 2
    assert "did not answer within 0.5 s" in str(why)


def test_an_endless_answer_is_read_no_further_than_needed() -> None:
    with receiving() as receiver:
        receiver.answers = [endless]
        begun = time.monotonic()
        assert post(receiver.url, b"{}", {}, allow=HERE) == 200
        assert time.monotonic() - begun < 2


def test_nobody_there_and_no_http() -> None:
    with receiving() as receiver:
        pass
    assert "Connection refused" in str(refused(receiver))

    def mumble(handler: Any) -> None:
        handler.wfile.write(b"220 smtp ready\r\n")

    with receiving() as receiver:
        receiver.answers = [mumble]
        assert "does not speak HTTP (BadStatusLine)" in str(refused(receiver))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://ann:sesame@example.org/", "has a user in it"),
        ("ftp://example.org/sesame", "is not of the form"),
        ("https:///sesame", "is not of the form"),
        ("https://example.org/sesame\r\nX: y", "is not of the form"),
        ("https://example.org:99999/sesame", "is not of the form"),
        ("https://exa\\mple.org/sesame", "is not of the form"),
    ],
)
def test_odd_addresses_are_refused_for_good_without_being_repeated(url: str, said: str) -> None:
    with pytest.raises(Undeliverable, match=said) as caught:
        post(url, b"", {})
    assert caught.value.final
    assert "sesame" not in str(caught.value)


def test_a_name_is_asked_for_once_and_the_address_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        asked.append(host)
        # asked a second time, the name would lead elsewhere
        elsewhere = asked.count("hooks.internal") > 1
        return real(
            ("127.0.0.2" if elsewhere else "127.0.0.1") if host == "hooks.internal" else host, port, *args, **more
        )

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with receiving() as receiver:
        url = f"http://hooks.internal:{receiver.port}/"
        assert post(url, b"{}", {}, allow=["hooks.internal"]) == 200
    assert asked.count("hooks.internal") == 1
    assert receiver.got[0].headers["host"] == f"hooks.internal:{receiver.port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One for localhost, with its key and alone."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    place = tmp_path_factory.mktemp("certificate")
    both, alone = place / "both.pem", place / "alone.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", both, "-out", alone],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_bytes(both.read_bytes() + alone.read_bytes())
    return both, alone


def test_a_certificate_must_be_of_the_host_and_be_trusted(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    both, alone = certificate
    with receiving(certificate=both) as receiver:
        url = f"https://localhost:{receiver.port}/"
        with pytest.raises(Undeliverable, match="certificate is not accepted"):
            post(url, b"{}", {}, allow=["localhost"])
        monkeypatch.setenv("SSL_CERT_FILE", str(alone))
        assert post(url, b"{}", {}, allow=["localhost"]) == 200
        with pytest.raises(Undeliverable, match="certificate is not accepted"):
            post(url.replace("localhost", "127.0.0.1"), b"{}", {}, allow=HERE)
    assert len(receiver.got) == 1


@pytest.mark.parametrize(("scheme", "connecting", "shaking"), [("http", 0.6, 0.0), ("https", 0.3, 0.4)])
def test_a_slow_way_there_is_of_the_time_that_there_is(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, scheme: str, connecting: float, shaking: float
) -> None:
    """The time is up while it still connects or shakes hands, when nothing could be cut; then the answer drips."""
    both, alone = certificate
    real = socket.create_connection

    def far_away(*args: Any, **more: Any) -> socket.socket:
        time.sleep(connecting)
        return real(*args, **more)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=_dripping_tls, args=(listening, shaking, both, scheme), daemon=True)
        server.start()
        monkeypatch.setenv("SSL_CERT_FILE", str(alone))
        monkeypatch.setattr(socket, "create_connection", far_away)
        url = f"{scheme}://localhost:{listening.getsockname()[1]}/"
        begun = time.monotonic()
        with pytest.raises(Undeliverable, match=r"did not answer within 0\.5 s"):
            post(url, b"{}", {}, allow=["localhost"], seconds=0.5)
        assert time.monotonic() - begun < 5
        server.join(10)
    assert not server.is_alive()


def _dripping_tls(listening: socket.socket, shaking: float, certificate: Path, scheme: str) -> None:
    connection, _ = listening.accept()
    time.sleep(shaking)
    with suppress(OSError), connection:
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            connection = context.wrap_socket(connection, server_side=True)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(200):
            connection.sendall(b"a")
            time.sleep(0.05)
