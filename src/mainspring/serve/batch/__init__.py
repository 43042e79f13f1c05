"""Scoring a whole table, however large. Rule: every row comes out exactly once, whatever happens on the way."""
