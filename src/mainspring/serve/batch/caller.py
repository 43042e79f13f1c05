"""Calling an endpoint until it answers: it is never asked faster than it says it can bear.

Scoring changes nothing, so a call that was lost is made again. An endpoint that says when to come back
(``Retry-After``) is asked by nobody before that; without it the wait doubles from call to call.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import InputError, MainspringError, Refused, quote

if TYPE_CHECKING:
    import httpx

AGAIN = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses after which the same call may succeed."""
FIRST_WAIT = 0.2
LONGEST_WAIT = 15.0
LARGEST_TOLD = 300


class Unreachable(MainspringError):
    """The endpoint did not answer, however long it was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an answer, and its JSON (an empty object where it has none)."""

    status: int
    body: dict[str, Any]

    @property
    def said(self) -> str:
        """What the endpoint says is wrong."""
        text = str(self.body.get("error") or self.body.get("message") or "")
        return text[:LARGEST_TOLD] or f"status {self.status}"


class Caller:
    """Calls the endpoint at *url*, on at most *connections* connections. Safe for several threads.

    *token* goes with each call. *patience* is how long one call is tried in all, in seconds. Redirects are not
    followed: the token and the rows are for the host that was named.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        connections: int = 8,
        patience: float = 300.0,
        timeout: float = 60.0,
    ) -> None:
        """Nothing is called yet. Raises InputError for what is no address of an endpoint."""
        import httpx

        self.url = _checked(url)
        self._patience = patience
        self._not_before = 0.0  # of the monotonic clock, for every thread
        self._guard = threading.Lock()
        self._ended = threading.Event()
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=5.0, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=not is_local(self.url),  # a proxy cannot reach this machine for us
        )

    def get(self, path: str, *, patience: float | None = None) -> Answer:
        """Ask for *path*."""
        return self._call("GET", path, patience=patience)

    def post(self, path: str, body: bytes, *, request: str) -> Answer:
        """Send JSON to *path* as the request that is called *request*.

        Answers other than 200 that another try cannot change are given back. Raises Unreachable where there is none in
        time, Refused where the token is not taken.
        """
        return self._call("POST", path, body, {"content-type": "application/json", "x-request-id": request})

    def close(self) -> None:
        """End the calls that wait, and the connections."""
        self._ended.set()
        self._client.close()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        patience: float | None = None,
    ) -> Answer:
        import httpx

        begun = time.monotonic()
        limit = begun + (self._patience if patience is None else patience)
        tries = 0
        while True:
            self._wait(limit)
            tries += 1
            try:
                response = self._client.request(method, path, content=body, headers=headers)
            except httpx.TransportError as error:
                why, wait = f"{_reason(error)}", None
            else:
                if response.status_code not in AGAIN:
                    return self._answer(response)
                why, wait = self._answer(response).said, retry_after(response.headers.get("retry-after"))
            if wait is not None:
                self._pause(wait)
            else:
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1)) * random.uniform(0.5, 1)  # noqa: S311
            if time.monotonic() + wait > limit or self._ended.wait(wait):
                raise self._given_up(why, tries, time.monotonic() - begun)

    def _pause(self, seconds: float) -> None:
        with self._guard:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait(self, limit: float) -> None:
        """Until nobody is to wait any more, at most until *limit*."""
        while (left := min(self._not_before, limit) - time.monotonic()) > 0:
            if self._ended.wait(left):
                break
        if self._ended.is_set():
            raise Unreachable("The call was ended.")

    def _given_up(self, why: str, tries: int, seconds: float) -> Unreachable:
        return Unreachable(
            f"{self.url} did not answer in {seconds:.0f} s ({tries} {'try' if tries == 1 else 'tries'}): {why}. Is it "
            "running (mainspring serve), and is this its address?"
        )

    def _answer(self, response: httpx.Response) -> Answer:
        status = response.status_code
        try:
            body = msgspec.json.decode(response.content) if response.content else {}
        except msgspec.DecodeError:
            body = {}
        answer = Answer(status, body if isinstance(body, dict) else {})
        if status in (401, 403):
            raise Refused(
                f"{self.url} refuses ({status}): {answer.said} Give its token as --token env:NAME or file:PATH."
            )
        if 300 <= status < 400:
            raise Refused(
                f"{self.url} sends elsewhere, to {quote(response.headers.get('location', 'nowhere'))}; name that "
                "address yourself if it is meant."
            )
        return answer


def retry_after(value: str | None) -> float | None:
    """The seconds of a ``Retry-After`` header, which says seconds or a date; None where it says neither.

    >>> retry_after("2"), retry_after("Mon, 01 Jan 1990 00:00:00 GMT"), retry_after("soon")
    (2.0, 0.0, None)
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def is_local(url: str) -> bool:
    """Whether *url* is on this machine, so that nobody on the way can read what is sent."""
    from ipaddress import ip_address

    import httpx

    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _checked(url: str) -> str:
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError(f"{quote(url)} is no address ({error}). Expected one such as http://127.0.0.1:8000") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"{quote(url)} is no address of an endpoint. Expected one such as http://127.0.0.1:8000")
    if parsed.userinfo:
        raise InputError("The address may hold no password: everybody on this machine can read it. Use --token.")
    return str(parsed.copy_with(query=None, fragment=None)).rstrip("/")


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
