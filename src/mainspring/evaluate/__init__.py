"""Metrics, slices, fairness, calibration, business value. Rule: pure; truth and predictions in, estimates out."""
