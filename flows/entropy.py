"""Shannon entropy of counts that change by ones, kept in whole numbers.

With n = sum of the counts c, entropy = (n log2 n - sum of c log2 c) / n. The sum is kept as it changes, in fixed point:
adding and taking away whole numbers leaves no rounding behind, so the entropy depends on the counts alone, not on
how they came about, and that of a single class is exactly zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

_SCALE: Final = 2.0**32
_COUNTS: Final = np.arange(4096)
_TABLE: Final = np.rint(_COUNTS * np.log2(np.maximum(_COUNTS, 1)) * _SCALE).astype(np.int64)


@njit(nogil=True)
def weight(count: int) -> int:
    """``count * log2(count)`` in fixed point."""
    if count < len(_TABLE):
        return int(_TABLE[count])
    return int(np.int64(np.rint(count * np.log2(np.float64(count)) * _SCALE)))


@njit(nogil=True)
def entropy(total: int, weights: int) -> float:
    """Entropy, in bits, of counts that add up to ``total`` and whose weights add up to ``weights``; of none, NaN."""
    return (weight(total) - weights) / (total * _SCALE) if total > 0 else np.nan
