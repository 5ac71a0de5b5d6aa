"""Data sets to fitted, calibrated and measured models."""
