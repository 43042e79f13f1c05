"""The endpoint, its traffic and its prediction log. Rule: the hot path knows no framework, and nothing blocks it."""
