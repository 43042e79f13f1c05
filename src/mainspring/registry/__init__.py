"""Versions, aliases, promotion, history. Rule: nothing becomes champion unless its musts hold or a person says why."""
