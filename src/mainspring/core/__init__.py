"""Values that every layer shares. Rule: no I/O beyond one atomic write, no heavy import, no knowledge of any layer."""
