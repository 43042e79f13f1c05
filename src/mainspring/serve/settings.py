"""What an endpoint is told at its start; it travels from the supervisor to its workers as JSON."""

from __future__ import annotations

import msgspec

MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint process takes at most. Sizes are bytes, times are seconds.

    ``body`` and ``rows`` are for one request, ``timeout`` for reading and for answering it, ``head`` for its request
    line and headers, which must be there after ``head_timeout``. All bodies that are being received may hold
    ``bodies`` together, and ``queue`` rows may wait for a slow model; what comes beyond is asked to come again.
    """

    body: int = 16 * MIB
    rows: int = 10_000
    timeout: float = 30.0
    head: int = 64 * 1024
    head_timeout: float = 10.0
    keep_alive: float = 75.0
    connections: int = 16_384
    bodies: int = 64 * MIB
    queue: int = 1_000
    jobs: int = 16


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint.

    ``hosts`` are the names under which it may be called; empty for any. ``spool`` is the root of the prediction log's
    spools, None for no log. ``workspace`` is where labels go, None for nowhere. ``shelf`` is the folder of this
    endpoint's own files while it runs. ``predict_route`` and ``health_route`` are routes that a platform asks for.
    """

    model: str
    reference: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    token: str | None = None
    hosts: tuple[str, ...] = ()
    limits: Limits = msgspec.field(default_factory=Limits)
    workspace: str | None = None
    spool: str | None = None
    durable: bool = False
    shelf: str = ""
    predict_route: str | None = None
    health_route: str | None = None
