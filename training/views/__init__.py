"""The same traffic as it might as well have been told or answered, so that no model learns who told it instead."""

from training.views.answers import ANSWERS, answered_by
from training.views.augmenting import VIEWS, viewed
from training.views.exporters import EXPORTERS, UNTOLD, as_exporter, completed, ignored
from training.views.shapes import sampled_packets, sized, stretched, swapped, thinned

__all__ = [
    "ANSWERS",
    "EXPORTERS",
    "UNTOLD",
    "VIEWS",
    "answered_by",
    "as_exporter",
    "completed",
    "ignored",
    "sampled_packets",
    "sized",
    "stretched",
    "swapped",
    "thinned",
    "viewed",
]
