"""Frames to numbers: encoding, selection. Rule: pure; learns from the rows it is fitted on and from no other."""
