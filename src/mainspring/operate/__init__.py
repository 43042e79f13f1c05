"""Release, incidents, policy, backtest. Rule: time comes from a clock, so history replays through the same code."""
