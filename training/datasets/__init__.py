"""Data sets: flows with their truth, as they come and as they are measured, in arrival order."""

from training.datasets.base import NO_TRUTH, Dataset, LabelledFlows, Origin, as_measured, measured
from training.datasets.captures import load_captures
from training.datasets.parts import Part
from training.datasets.sampling import kept_as, read_thinned, thinned
from training.datasets.simulated import simulated
from training.datasets.site import load_site

__all__ = [
    "NO_TRUTH",
    "Dataset",
    "LabelledFlows",
    "Origin",
    "Part",
    "as_measured",
    "kept_as",
    "load_captures",
    "load_site",
    "measured",
    "read_thinned",
    "simulated",
    "thinned",
]
