"""Telling people about incidents. Rule: a secret is never kept, printed or sent anywhere but to its own address."""

from mainspring.operate.notify.driver import Sent, tick
from mainspring.operate.notify.outbox import KIND, Delivery, deliveries
from mainspring.operate.notify.signature import sign, verify

__all__ = ["KIND", "Delivery", "Sent", "deliveries", "sign", "tick", "verify"]
