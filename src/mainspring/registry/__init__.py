"""Versions, aliases, promotion, history. Rule: nothing becomes champion unless its musts hold or a person says why."""

from mainspring.registry.reference import CHAMPION, Reference, parse_reference
from mainspring.registry.registry import Registry

__all__ = ["CHAMPION", "Reference", "Registry", "parse_reference"]
