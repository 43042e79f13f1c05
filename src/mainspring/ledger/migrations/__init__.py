"""The steps from one version of the tables to the next. Rule: a released step never changes."""
