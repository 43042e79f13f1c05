"""Resampling, search spaces, search, frameworks (one file each). Rule: pure but for the fit; facts go to the recorder in force."""
