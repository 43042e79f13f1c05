"""One outbound request: to a checked address, over TLS, once, with bounds on time and size, following nothing."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mainspring.operate.notify.address import is_trusted, pinned
from mainspring.operate.notify.failure import Undeliverable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SECONDS = 10.0
"""For connecting, sending and reading together, whatever the other side does."""
LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read at most."""
SHOWN = 120
"""Characters of an answer that are kept to explain a refusal."""
_GONE = 410


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow: Collection[str] = (), seconds: float = SECONDS
) -> int:
    """Send *body* (JSON) to *url* and return the status, which is 2xx.

    Raises Undeliverable for everything else; its text names the host but no path, query or header, which may be secret.
    """
    secure, host, port, target = _parts(url)
    if not secure and not is_trusted(host, allow):
        raise Undeliverable(f"{host} would be called without TLS; use https://", final=True)
    address = pinned(host, port, allow)
    connection = _Pinned(host, port, address, secure=secure, seconds=seconds)
    # a timeout of the socket is one of each read: this one is of them all
    watchdog = threading.Timer(seconds, connection.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        text = answer.read(LARGEST_ANSWER)
        status, after = answer.status, answer.getheader("Retry-After", "")
        if connection.was_cut:
            raise TimeoutError  # half an answer looks like a short one
    except (OSError, http.client.HTTPException) as error:
        late = connection.was_cut or isinstance(error, TimeoutError)
        why = f"it did not answer within {seconds:g} s" if late else _reason(error)
        raise Undeliverable(f"{host}: {why}") from None
    finally:
        watchdog.cancel()
        connection.close()
    if 200 <= status < 300:
        return status
    raise _refusal(host, status, text, after)


def _refusal(host: str, status: int, text: bytes, after: str) -> Undeliverable:
    if 300 <= status < 400:
        return Undeliverable(
            f"{host} answered {status}: redirects are not followed; name the address itself", final=True
        )
    said = re.sub(r"[^\x20-\x7e]+", " ", text[:SHOWN].decode("utf-8", "replace")).strip()
    seconds = float(after) if re.fullmatch(r"\d{1,6}", after) else 0.0
    return Undeliverable(f"{host} answered {status}{f': {said}' if said else ''}", final=status == _GONE, after=seconds)


def _parts(url: str) -> tuple[bool, str, int, str]:
    """Whether by TLS, the host, the port and what stands in the request line. Raises Undeliverable for good."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else parts.hostname
    except (ValueError, UnicodeError):
        parts, port, host = None, None, None
    if parts is None or parts.scheme not in ("http", "https") or not host or re.search(r"[\x00-\x20\x7f\\]", url):
        raise Undeliverable("the webhook's address is not of the form https://host/path", final=True)
    if parts.username is not None or parts.password is not None:
        raise Undeliverable(
            f"the webhook's address at {host} has a user in it; webhooks are signed instead", final=True
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = "".join(sign if sign.isascii() else "".join(f"%{byte:02X}" for byte in sign.encode()) for sign in target)
    secure = parts.scheme == "https"
    return secure, host, port or (443 if secure else 80), target


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"it does not speak HTTP ({type(error).__name__})"


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, for a host whose name the certificate must bear."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self.was_cut = False
        self._end = time.monotonic() + seconds
        self._address = address
        self._secure = secure
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address; never by a proxy, and never by asking for the name again."""
        self.sock = self._raw = socket.create_connection((self._address, self.port), self._left())
        if self._secure:
            self._raw.settimeout(self._left())
            context = ssl.create_default_context()
            # known before the handshake begins: what it waits for can be cut
            self.sock = self._raw = context.wrap_socket(
                self._raw, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()
        if self.was_cut:
            raise TimeoutError  # it may have been cut before there was anything to cut

    def _left(self) -> float:
        return max(self._end - time.monotonic(), 0.01)

    def cut(self) -> None:
        """End it, whatever it is waiting for."""
        self.was_cut = True
        if self._raw is not None:
            with suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)
