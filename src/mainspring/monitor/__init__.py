"""Windows, profiles, drift, estimated and realised performance. Rule: everything is computed from mergeable profiles."""
