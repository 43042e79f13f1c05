"""Bundles: a fitted model made portable, fast and verifiable. Rule: loading never runs code from the file."""

from mainspring.package.bundle import Bundle, build, load, read
from mainspring.package.verify import Verification, verify

__all__ = ["Bundle", "Verification", "build", "load", "read", "verify"]
