"""Flows, features and models to verdicts. Pure: no input, no output."""
