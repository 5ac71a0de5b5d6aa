"""What each flow may be used for: to learn from, to set the operating point by, or to be judged by.

Whoever loads flows decides, once, and it is stored beside them. Parts are cut by capture or forward in time, never by
shuffled rows, which put flows of one attack on both sides.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError


class Part(IntEnum):
    """A part of the data."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


def parts_by_capture(
    capture: npt.NDArray[np.int16], validation: float = 1 / 6, test: float = 1 / 3
) -> npt.NDArray[np.int8]:
    """Give whole captures, whose numbers ascend in time, to parts: int8[n]. The last are for the test.

    Each part gets at least one capture. Raises TrainingError when there are fewer than three.
    """
    captures = np.unique(capture)
    if len(captures) < 3:
        raise TrainingError(
            f"a split forward in time needs three captures, the data set has {len(captures)}: add captures"
        )
    tests = max(1, round(test * len(captures)))
    validations = max(1, round(validation * len(captures)))
    first_test = len(captures) - tests
    first_validation = first_test - validations
    if first_validation < 1:
        raise TrainingError(f"shares of {validation:g} and {test:g} leave no capture to train on")
    part = np.searchsorted([captures[first_validation], captures[first_test]], capture, side="right")
    return part.astype(np.int8)


def parts_in_time(n: int, validation: float = 0.2, test: float = 0.2) -> npt.NDArray[np.int8]:
    """Cut one capture of ``n`` flows in arrival order: int8[n]. The latest flows are for the test.

    Both sides of a cut see the same hosts and may see the same attack, so figures of the test part say that a model
    learned, not that it would know another network.
    """
    place = np.arange(n)
    part = (place >= round(n * (1 - validation - test))).astype(np.int8) + (place >= round(n * (1 - test)))
    return part.astype(np.int8)
