"""The same traffic as it might as well have been told or answered, so that no model learns who told it instead."""

from training.views.answers import ANSWERS, answered_by
from training.views.exporters import EXPORTERS, UNTOLD, as_exporter
from training.views.shapes import sampled_packets, sized, stretched, swapped, thinned

__all__ = [
    "ANSWERS",
    "EXPORTERS",
    "UNTOLD",
    "answered_by",
    "as_exporter",
    "sampled_packets",
    "sized",
    "stretched",
    "swapped",
    "thinned",
]
