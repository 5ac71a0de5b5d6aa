"""Data sets: flows with their truth, as they come and as they are measured, in arrival order."""

from training.datasets.base import NO_TRUTH, Dataset, LabelledFlows, measured
from training.datasets.simulated import simulated

__all__ = ["NO_TRUTH", "Dataset", "LabelledFlows", "measured", "simulated"]
