"""Ranks, E / w, as kernels store them, in NumPy.

Those of the smallest and largest weights are out of float64's range, so the ranks beyond ``LEAST_PLAIN`` and
``MOST_PLAIN`` are stored as other numbers, in the same order (see ``rng.py``, "Weighted reservoirs").
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_PLAIN", "MOST_PLAIN", "is_rank", "times_rank"]


LEAST_PLAIN, MOST_PLAIN = 2.0**-900, 2.0**900
Reals = NDArray[np.float64]


def is_rank(x: Reals) -> NDArray[np.bool_]:
    """Return which numbers can be ranks."""
    return (x <= -1.0) | (x >= LEAST_PLAIN) & (x < math.inf)


def times_rank(weights: Reals, ranks: Reals) -> Reals:
    """Return the products of weights and the numbers that ranks stand for. A rank may be infinite."""
    with np.errstate(all="ignore"):
        x: Reals = weights * ranks
        large, small = ranks > MOST_PLAIN, ranks < LEAST_PLAIN
        if large.any():
            root = ranks * LEAST_PLAIN
            x = np.where(large, (weights * MOST_PLAIN) * (root * root), x)
        if small.any():
            x = np.where(small, (weights * LEAST_PLAIN) / -ranks, x)
    return x
