"""Putting a version live step by step. Rule: what was decided, and the traffic it means, become true together."""

from mainspring.operate.rollout.document import KIND, last, running
from mainspring.operate.rollout.driver import Tick, abort, outlook, rollback, settle, start, tick
from mainspring.operate.rollout.plan import Decision, Evidence, Judged, Note, Rollout, advance

__all__ = [
    "KIND",
    "Decision",
    "Evidence",
    "Judged",
    "Note",
    "Rollout",
    "Tick",
    "abort",
    "advance",
    "last",
    "outlook",
    "rollback",
    "running",
    "settle",
    "start",
    "tick",
]
