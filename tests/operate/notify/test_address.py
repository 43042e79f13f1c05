"""Who may be called."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from mainspring.operate.notify.address import is_open, is_trusted, pinned
from mainspring.operate.notify.failure import Undeliverable


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1",
        "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:db8::1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "fec0::1", "feff::1", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.88.99.1", "::ffff:192.0.0.8",
    ],
)  # fmt: skip
def test_what_is_not_public_is_closed(address: str) -> None:
    assert not is_open(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_what_is_public_is_open(address: str) -> None:
    assert is_open(ip_address(address))


def test_the_contract_opens_hosts_addresses_and_networks() -> None:
    assert is_open(ip_address("10.1.2.3"), ["10.0.0.0/8"])
    assert not is_open(ip_address("10.1.2.3"), ["10.0.0.5", "hooks.internal", "::1"])
    assert pinned("127.0.0.1", 80, ["127.0.0.1"]) == "127.0.0.1"
    assert is_trusted("Hooks.Internal.", ["hooks.internal"])
    assert not is_trusted("10.0.0.9", ["10.0.0.5"])


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001"])
def test_every_spelling_of_this_machine_is_refused_for_good(host: str) -> None:
    with pytest.raises(Undeliverable, match=r"which is not public.*allow = \[") as caught:
        pinned(host, 80)
    assert caught.value.final


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    asked: list[str] = []

    def answer(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_one_private_address_among_public_ones_closes_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, "93.184.216.34", "192.168.0.1")
    with pytest.raises(Undeliverable, match=r"hooks.example has the address 192\.168\.0\.1"):
        pinned("hooks.example", 443)
    assert asked == ["hooks.example"]
    assert pinned("hooks.example", 443, ["hooks.example"]) == "93.184.216.34"


def test_a_name_without_an_address_may_have_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch)
    with pytest.raises(Undeliverable, match=r"hooks\.example cannot be resolved") as caught:
        pinned("hooks.example", 443)
    assert not caught.value.final
