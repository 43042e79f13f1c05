"""A request and its answer, as handlers see them."""

from __future__ import annotations

from dataclasses import dataclass, field


class Gone(Exception):
    """The client has left."""


@dataclass(slots=True)
class Request:
    """One request: ``path`` is decoded, header names are in small letters; ``route`` is the template it matched."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""
    route: str = "(none)"
    started: float = 0.0
    identity: str = ""
    is_scoring: bool = False

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters, in small letters."""
        return self.headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")


@dataclass(slots=True)
class Reply:
    """One answer."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def unkept(kept: bool) -> dict[str, str]:  # noqa: FBT001  # the one thing that is known of it
    """The header that says, in durable mode, that the log could not take the answer."""
    return {} if kept else {"x-mainspring-log": "lost"}
