"""The prediction log: what an endpoint was asked and said. Rule: it never fails a prediction, and never delays one."""
