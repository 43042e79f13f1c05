"""Models of every kind, shared with the tests of bundles."""

from __future__ import annotations

from tests.package.conftest import model

__all__ = ["model"]
