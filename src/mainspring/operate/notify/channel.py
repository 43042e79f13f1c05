"""Where a message goes: a signed webhook, or any of the services that apprise knows.

Webhooks have an own client (see `webhook`). Apprise's plugins have theirs; before one of them is asked, the host it
connects to, where its address names one, is checked like a webhook's, and redirects are switched off. The plugin
resolves the name again, and goes by the proxies of the environment: those, and an address for apprise, are the
operator's, not something a stranger chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import InputError
from mainspring.operate.notify.address import pinned
from mainspring.operate.notify.failure import Undeliverable
from mainspring.operate.notify.secret import resolve
from mainspring.operate.notify.signature import sign
from mainspring.operate.notify.webhook import post

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mainspring.contract import Notify

_OWN = ("json", "jsons", "xml", "xmls", "form", "forms")
"""What apprise would post to any host: our signed webhooks do that."""

_SERVERS = ("smtp_host", "xmpp_host", "hostname")
"""Where a plugin of apprise keeps a host that it connects to instead of the one that its address begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be told: for people (``title``, ``text``) and for programs (``payload``, plain JSON values)."""

    title: str
    text: str
    payload: Mapping[str, Any]
    severity: str = "warning"


def send(reference: str, message: Message, notify: Notify, *, identity: str, timestamp: int) -> None:
    """Deliver *message* to what *reference* stands for. Raises Undeliverable, whose text holds no secret."""
    url = resolve(reference)
    if url.lower().startswith(("http://", "https://")):
        _webhook(url, message, notify, identity, timestamp)
    else:
        _apprise(url, message, notify.allow)


def _webhook(url: str, message: Message, notify: Notify, identity: str, timestamp: int) -> None:
    if notify.secret is None:
        raise Undeliverable('webhooks are signed: name what with, such as [notify] secret = "env:NAME"', final=True)
    body = msgspec.json.encode(message.payload)
    try:
        signature = sign(resolve(notify.secret), identity, timestamp, body)
    except InputError as error:
        raise Undeliverable(str(error), final=True) from None
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
        "Idempotency-Key": identity,
        "User-Agent": "mainspring",
    }
    post(url, body, headers, allow=notify.allow)


def _apprise(url: str, message: Message, allow: Collection[str]) -> None:
    import apprise

    scheme = url.partition("://")[0].lower()
    if scheme in _OWN:
        raise Undeliverable(f"{scheme}:// is apprise's webhook; use https://, which is signed", final=True)
    asset = apprise.AppriseAsset(http_redirects=False, async_mode=False)
    plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if plugin is None:
        known = f"an address for {scheme}://" if scheme.isalnum() and len(scheme) < 20 else "an address"
        raise Undeliverable(f"apprise does not understand it as {known}", final=True)
    plugin.redirects = False  # an address may ask for them
    for host in _hosts(plugin):
        pinned(host, plugin.port or 443, allow)
    kinds = {"info": apprise.NotifyType.INFO, "critical": apprise.NotifyType.FAILURE}
    kind = kinds.get(message.severity, apprise.NotifyType.WARNING)
    if not plugin.notify(title=message.title, body=message.text, notify_type=kind):
        raise Undeliverable(f"{plugin.service_name} did not take it")


def _hosts(plugin: Any) -> list[str]:
    """The hosts that a plugin of apprise connects to, as far as its address names them."""
    own = [getattr(plugin, name, None) for name in _SERVERS]
    named = any("{host}" in template for template in plugin.templates)
    return [host for host in (own if any(own) else [plugin.host if named else None]) if host]
