"""A simulated business with known events, to see the loop at work. Rule: never used outside the demo and tests."""
