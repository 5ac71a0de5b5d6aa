"""What was decided about a handful of flows, for tests of what is made of it."""

from __future__ import annotations

import numpy as np

from training.evaluation import Outcomes


def outcomes(**changes: object) -> Outcomes:
    """Seven flows of every truth and verdict, with the columns given in the place of theirs."""
    columns: dict[str, object] = {
        "truth": np.array([0, 0, 0, 1, 1, 2, 3], np.int8),
        "label": np.array([0, 1, 1, 2, 2, 3, 3]),
        "kind": np.array([0, 1, 4, 1, 2, 4, 0], np.int8),
        "score": np.array([0.1, 0.9, 0.4, 0.9, 0.8, 0.5, 0.2]),
        "probabilities": {"flood": np.array([0.1, 0.9, 0.4, 0.9, 0.3, 0.5, 0.2])},
        "labels": ("", "crowd", "flood", "other", "never seen"),
    }
    return Outcomes(**(columns | changes))  # type: ignore[arg-type]  # columns by name
