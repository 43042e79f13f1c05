"""Signatures that receivers can check with what the standard's own libraries do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.core.errors import InputError
from mainspring.operate.notify.signature import TOLERANCE, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # the example of the standard


def headers(secret: str, body: bytes, stamp: int = 1_614_265_330) -> dict[str, str]:
    identity = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    return {
        "Webhook-Id": identity, "Webhook-Timestamp": str(stamp),
        "Webhook-Signature": f"v1,aaaa {sign(secret, identity, stamp, body)}",
    }  # fmt: skip


def test_it_is_the_signature_of_the_standards_own_example() -> None:
    given_ = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert given_ == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(secret=st.text(min_size=1).filter(lambda secret: not secret.startswith("whsec_")), body=st.binary())
def test_what_was_signed_is_accepted(secret: str, body: bytes) -> None:
    assert verify(secret, headers(secret, body), body, now=1_614_265_330 + TOLERANCE)


@given(body=st.binary(), other=st.binary(), drift=st.integers(-10_000, 10_000))
def test_what_was_changed_or_is_old_is_not(body: bytes, other: bytes, drift: int) -> None:
    sent = headers(SECRET, body)
    now = 1_614_265_330
    assert verify(SECRET, sent, other, now=now) == (body == other)
    assert verify(SECRET, sent, body, now=now + drift) == (abs(drift) <= TOLERANCE)
    assert not verify("another", sent, body, now=now)
    assert not verify(SECRET, sent | {"Webhook-Id": "msg_x"}, body, now=now)


@pytest.mark.parametrize(("secret", "said"), [("", "is empty"), ("whsec_", "is empty"), ("whsec_a-_b", "not base64")])
def test_what_signs_nothing_is_refused(secret: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        sign(secret, "msg_x", 0, b"")
    assert "a-_b" not in str(caught.value)
    with pytest.raises(InputError, match=said):
        verify(secret, headers(SECRET, b""), b"", now=1_614_265_330)


@pytest.mark.parametrize("stamp", ["", "now", "١٢٣", "-5"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    assert not verify(SECRET, headers(SECRET, b"") | {"Webhook-Timestamp": stamp}, b"", now=0)
