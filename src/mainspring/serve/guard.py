"""Who may ask: the token, the Host and the Origin of a request."""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mainspring.serve.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCAL = ("localhost", "127.0.0.1", "::1")
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:(?P<port>\d{1,5}))?")
OPEN = frozenset(
    {"/health", "/ping", "/v2/health/live", "/v2/health/ready"}
)  # fmt: skip
"""Routes that tell nothing but that somebody is there; probes have no token."""
SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can call *host*."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_of(host: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The names under which an endpoint on *host* may be called.

    On the loopback only its own names, so that no page on the web can reach it by a name of its own. On another address
    a token is needed, and any name will do unless some are given.
    """
    if is_loopback(host):
        return (*LOCAL, host, *allowed)
    return (host, *LOCAL, *allowed) if allowed else ()


class Guard:
    """Decides by the headers. A browser that was lured to us names a foreign Host or Origin.

    It may have a token nevertheless: one that was typed as a password is sent with whatever any page asks of us. So a
    request that changes something is refused for its Origin before its token is looked at.
    """

    def __init__(self, *, token: str | None, hosts: Iterable[str] = (), open_routes: Iterable[str] = ()) -> None:
        """*hosts* are the names that may be asked for; none means any. *open_routes* need no token, as `OPEN`."""
        self._token = None if token is None else sha256(token.encode()).digest()
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._open = OPEN | frozenset(open_routes)

    def check(self, method: bytes, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        """Raise Problem 400 or 403 for a foreign Host or Origin, 401 for a token that is missing or wrong."""
        host: bytes | None = None
        origin: bytes | None = None
        authorization = accept = b""
        for name, value in headers:
            if name == b"host":
                if host is not None:
                    raise Problem(400, "The request has two Host headers.", close=True)
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                authorization = value
            elif name == b"accept":
                accept = value
        self._host(host)
        if origin is not None and method not in SAFE:
            self._origin(origin, host)
        if self._token is not None and not (path in self._open and method in SAFE):
            self._authorised(authorization, is_page=method in SAFE and b"text/html" in accept.lower())

    def _host(self, host: bytes | None) -> None:
        if host is None:
            return  # HTTP/1.0, and no browser
        found = HOST.fullmatch(host.decode("latin-1").lower())
        if found is None:
            raise Problem(400, "The Host header is not a host.")
        if self._hosts and found["name"].strip("[]") not in self._hosts:
            raise Problem(
                403, f"This endpoint is not {found['name']}. Call it by its own name, or start it with --allow-host."
            )

    def _origin(self, origin: bytes, host: bytes | None) -> None:
        scheme, _, rest = origin.decode("latin-1").lower().partition("://")
        if scheme not in ("http", "https") or host is None or rest != host.decode("latin-1").lower():
            raise Problem(403, "A page of another origin may not ask this endpoint.")

    def _authorised(self, authorization: bytes, *, is_page: bool) -> None:
        scheme, _, given = authorization.partition(b" ")
        scheme, given = scheme.lower(), given.strip()
        if scheme == b"basic":
            given = _password(given)
        digest = sha256(given).digest()  # of equal length, so that the comparison tells nothing
        if scheme not in (b"bearer", b"basic") or not hmac.compare_digest(digest, self._token or b""):
            offer = 'Basic realm="mainspring", charset="UTF-8"' if is_page else 'Bearer realm="mainspring"'
            raise Problem(
                401,
                "A token is needed: send it as Authorization: Bearer TOKEN, or in a browser as the password.",
                headers={"www-authenticate": offer},
            )


def _password(given: bytes) -> bytes:
    """The password in the credentials of RFC 7617, whoever the user is; empty where they are none."""
    try:
        return b64decode(given, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
