"""Where steps are done: in this process, or in processes of their own. Rule: spawn only, never fork."""
