"""Data sets: measured flows with their truth, in arrival order."""

from training.datasets.base import Dataset
from training.datasets.simulated import simulated

__all__ = ["Dataset", "simulated"]
