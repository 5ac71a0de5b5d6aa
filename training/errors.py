"""What can go wrong on the way from data to a model."""

from flows.errors import TidegateError


class TrainingError(TidegateError):
    """The data cannot be learned from: too few rows, or one class of them."""
