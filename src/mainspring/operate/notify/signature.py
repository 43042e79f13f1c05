"""The signature of a webhook, as Standard Webhooks has it (https://www.standardwebhooks.com): HMAC-SHA256.

The signed text is ``<id>.<timestamp>.<body>``; the header ``webhook-signature`` holds ``v1,`` and the digest in base64,
or several of these with a space between them while a secret is being changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

from mainspring.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = 300
"""Seconds by which a receiver's clock and ours may differ."""
_PREFIX = "whsec_"


def sign(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """The signature of *body* sent under *identity* at *timestamp* (seconds since 1970).

    A *secret* that begins with ``whsec_`` is base64 behind it, any other is taken as it is. Raises InputError for one
    that begins so and is no base64, and for one that is empty: with that anybody could sign.
    """
    text = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), text, hashlib.sha256)).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float = TOLERANCE) -> bool:
    """Whether *body* came with these *headers* from who knows the *secret*, not more than *tolerance* seconds ago.

    For receivers, who also remember the header ``webhook-id``: a delivery that comes twice has the same one.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identity, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > tolerance:
        return False
    expected = sign(secret, identity, int(stamp), body).encode()
    signatures = given.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, one) for one in signatures)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise InputError(
                f"What webhooks are signed with begins with {_PREFIX}, but what follows is not base64 "
                "(letters, digits, + and /, not - and _). Take it as it was given, or make one that begins otherwise."
            ) from None
    if not key:
        raise InputError("What webhooks are signed with is empty, so that anybody could sign. Give it a secret.")
    return key
