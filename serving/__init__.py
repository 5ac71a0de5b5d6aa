"""Kafka in, verdicts out, health and metrics: input and output only."""
