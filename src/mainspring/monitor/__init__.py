"""Windows, drift, estimated and realised performance. Rule: all is computed from profiles that can be merged."""
