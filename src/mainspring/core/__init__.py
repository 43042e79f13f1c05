"""Values that every layer shares. Rule: one atomic write is the only I/O, no heavy import, no layer is known here."""
