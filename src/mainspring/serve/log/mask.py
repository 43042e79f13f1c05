"""Personal values never reach the log: a text becomes a keyed hash, anything else is left out.

The same text has the same hash within a workspace, so that people can still be told apart and labels find their
predictions, but who does not have the key cannot try names until one fits. Masking is the work of compaction: until
then, for some seconds, the values stand in a spool that its owner alone can read.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from mainspring.core.errors import StoreError
from mainspring.core.files import sync_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEY_FILE = "log.key"
"""In the workspace's folder, readable by its owner alone. Without it no further value can be matched to its hash."""
KEY_BYTES = 32
HASH_BYTES = 16


class Mask:
    """Replaces texts by hashes under the key of one workspace. The key is made when it is first needed."""

    def __init__(self, workspace: Path) -> None:
        """Use the key of the workspace in this folder."""
        self._path = workspace / KEY_FILE
        self._key: bytes | None = None
        self._known: dict[str, str] = {}

    def texts(self, values: Sequence[str | None]) -> list[str | None]:
        """The hashes of *values*: 32 hexadecimal digits each; None stays None."""
        return [None if value is None else self.text(value) for value in values]

    def text(self, value: Any) -> str:
        """The hash of *value*, which is taken as text."""
        text = str(value)
        found = self._known.get(text)
        if found is None:
            if len(self._known) > 100_000:
                self._known.clear()
            found = blake3(text.encode("utf-8", "replace"), key=self._secret()).hexdigest(length=HASH_BYTES)
            self._known[text] = found
        return found

    def _secret(self) -> bytes:
        if self._key is None:
            self._key = self._read() or self._make()
        return self._key

    def _read(self) -> bytes | None:
        try:
            text = self._path.read_text("ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"Cannot read the key {self._path} that masks personal columns: {error}.") from None
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise StoreError(
                f"{self._path} should hold the key that masks personal columns, {2 * KEY_BYTES} hexadecimal digits, "
                "and does not. Restore it; or delete it, and what is masked from now on will match nothing before."
            )
        return key

    def _make(self) -> bytes:
        key = secrets.token_bytes(KEY_BYTES)
        temporary = self._path.with_name(f".{KEY_FILE}.{os.getpid()}-{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, key.hex().encode() + b"\n")
            sync_file(handle)
        finally:
            os.close(handle)
        try:
            os.link(temporary, self._path)  # unlike a rename it never replaces the key that somebody just made
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return self._read() or key
