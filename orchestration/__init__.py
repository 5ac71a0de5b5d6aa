"""Dagster definitions of the model lifecycle."""
