"""Release, incidents, policy, backtest. Rule: time comes from a clock, so history replays through the very same code."""
