"""The table of contents of a bundle: what it is, which form scores, and the digest of every part."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.digest import digest_bytes
from mainspring.core.errors import StoreError, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""Raised when a bundle can no longer be read by the code of before."""
NAME = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a reader needs before it opens anything else.

    ``form`` is the form that scores (``onnx`` or ``native``) and ``forms`` the verdict on each: agrees,
    largest_difference, tolerance, rows, and for a missing form the reason. ``parts`` maps each part to its digest.
    """

    name: str
    task: str
    target: str
    features: tuple[str, ...]
    kind: str
    form: str
    forms: Mapping[str, Mapping[str, Any]]
    created: str
    python: str
    mainspring: str
    parts: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def encode(self) -> bytes:
        """The manifest as JSON with sorted keys: equal manifests give equal bytes."""
        return msgspec.json.format(msgspec.json.encode(asdict(self), order="sorted"), indent=1)


def read(parts: Mapping[str, bytes]) -> Manifest:
    """The manifest among *parts*, after every part was held against its digest.

    Raises StoreError naming each part that is damaged, missing or unknown, or saying that the format is newer.
    """
    if NAME not in parts:
        raise StoreError(f"This is not a bundle: it has no {NAME}. Make one with: mainspring run")
    try:
        raw = msgspec.json.decode(parts[NAME])
        newer = int(raw["format"]) > FORMAT
        manifest = None if newer else Manifest(**{**raw, "features": tuple(raw["features"])})
    except (msgspec.DecodeError, TypeError, KeyError, ValueError):
        raise StoreError(f"The bundle's {NAME} is damaged. Restore the bundle, or register the model again.") from None
    if manifest is None:
        raise StoreError(
            f"The bundle has format {raw['format']}, this version reads up to {FORMAT}. Update mainspring."
        )
    here = {name: digest_bytes(part) for name, part in parts.items() if name != NAME}
    damaged = sorted(name for name in here.keys() | manifest.parts.keys() if here.get(name) != manifest.parts.get(name))
    if damaged:
        raise StoreError(f"The bundle is not as it was made: {listed(damaged)} changed. Restore it, or register again.")
    return manifest
