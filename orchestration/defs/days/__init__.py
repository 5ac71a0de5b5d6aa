"""Flows and features by day and source, each measured in a run of its own."""
