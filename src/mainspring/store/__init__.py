"""Bytes: content-addressed objects on any object store; formats by type. Rule: only here is the object-store client imported."""
