"""Bundles: a fitted model made portable, fast and verifiable. Rule: loading never runs code from the file."""
