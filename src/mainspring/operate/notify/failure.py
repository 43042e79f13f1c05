"""Why something was not delivered, and whether trying again can help."""

from __future__ import annotations


class Undeliverable(Exception):  # not a user's error: a reason on its way to the outbox
    """It was not delivered. ``final``: trying again would not help. ``after``: seconds that the receiver asked for."""

    def __init__(self, text: str, *, final: bool = False, after: float = 0.0) -> None:
        """Say why in *text*, which must hold no secret."""
        super().__init__(text)
        self.final = final
        self.after = after
