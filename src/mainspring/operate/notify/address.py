"""Which addresses may be called: public ones, and those that the contract allows.

A name is resolved once, every address it gives is checked, and the connection goes to the one that was checked: a name
that answers differently the second time gains nothing.
"""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from mainspring.operate.notify.failure import Undeliverable

if TYPE_CHECKING:
    from collections.abc import Collection

Address: TypeAlias = IPv4Address | IPv6Address

PATIENCE = 5.0
"""Seconds to wait for a name server."""
_NAT64 = ip_network("64:ff9b::/96")
_CLOSED = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10")))
"""For protocols, for relays and for the sites of old, which Python takes for public (RFC 6890, RFC 7526, RFC 3879)."""


def pinned(host: str, port: int, allow: Collection[str] = ()) -> str:
    """The address to connect to for *host*. *allow* holds hosts, addresses and networks that need not be public.

    Raises Undeliverable: for good where any address of the host is not public, for now where it has none.
    """
    found = _resolved(host, port)
    trusted = host.lower().rstrip(".") in allow
    closed = [address for address in found if not trusted and not is_open(address, allow)]
    if closed:
        raise Undeliverable(
            f"{host} has the address {closed[0]}, which is not public. If it may be called, add it to the contract: "
            f'[notify] allow = ["{closed[0]}"]',
            final=True,
        )
    return str(found[0])


def is_trusted(host: str, allow: Collection[str]) -> bool:
    """Whether *allow* names this very host, or the network of this literal address."""
    if host.lower().rstrip(".") in allow:
        return True
    try:
        return _is_allowed(ip_address(host), allow)
    except ValueError:
        return False


def is_open(address: Address, allow: Collection[str] = ()) -> bool:
    """Whether *address* may be called.

    Private, loopback, link-local (with the metadata services of clouds), multicast, reserved and unspecified addresses
    are not, nor addresses of IPv6 with such a one of IPv4 inside.
    """
    if _is_allowed(address, allow):
        return True
    inner = _inside(address)
    if inner is not None:
        return is_open(inner, allow)
    if any(address.version == network.version and address in network for network in _CLOSED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_allowed(address: Address, allow: Collection[str]) -> bool:
    for each in allow:
        try:
            network = ip_network(each)
        except ValueError:
            continue  # a host's name
        if address.version == network.version and address in network:
            return True
    return False


def _inside(address: Address) -> IPv4Address | None:
    """The address of IPv4 that one of IPv6 stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _resolved(host: str, port: int) -> list[Address]:
    """Every address of *host*, in the order of the system's choice."""
    answer: list[list[Address]] = []

    def ask() -> None:
        try:
            known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        # an address of a link has the link's name behind it
        answer.append([ip_address(str(entry[4][0]).split("%")[0]) for entry in known])

    # the system's resolver knows no timeout of its own
    asking = threading.Thread(target=ask, name="resolve", daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if not answer or not answer[0]:
        raise Undeliverable(f"{host} cannot be resolved")
    return list(dict.fromkeys(answer[0]))
