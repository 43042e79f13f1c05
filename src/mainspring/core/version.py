"""The version of this package, for the layers: none of them imports the root, which knows them all."""

from __future__ import annotations

VERSION = "0.1.0"
