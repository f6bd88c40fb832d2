"""Ranks, E / w, as they are stored.

Those of the smallest and largest weights are out of float64's range, so the ranks beyond LEAST_PLAIN and
MOST_PLAIN are stored as other numbers, in the same order (see ``rng.py``, "Weighted reservoirs").
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import jit
from equipoise._numba.stream.rng import ZERO

LEAST_PLAIN, MOST_PLAIN = 2.0**-900, 2.0**900


@jit()
def is_plain(rank):
    """Return whether a rank is stored as it is."""
    return LEAST_PLAIN <= rank <= MOST_PLAIN


@jit()
def far_rank(start, e, w):
    """Return the rank ``start`` + e / w, where a part or the sum may be out of range.

    ``start`` is 0 or a rank.
    """
    since = LEAST_PLAIN / -start if start < 0.0 else start
    rank = since + e / w
    if rank > MOST_PLAIN:
        root = start * LEAST_PLAIN
        large = root * root if start > MOST_PLAIN else since * LEAST_PLAIN
        return MOST_PLAIN * np.sqrt(large + e / (w * MOST_PLAIN))
    if rank >= LEAST_PLAIN:
        return rank
    small = -1.0 / start if start < 0.0 else 0.0
    return -1.0 / (small + e / (w * LEAST_PLAIN))


@jit()
def rank_after(start, e, w):
    """Return the rank ``start`` + e / w, where ``start`` is 0 or a rank."""
    rank = start + e / w
    return rank if start >= 0.0 and is_plain(rank) else far_rank(start, e, w)


@jit()
def any_bounds_differ(thresholds, count):
    """Return whether the bounds of some thresholds are not the thresholds themselves."""
    differ = ZERO
    for i in range(count):
        differ |= np.uint64(not is_plain(thresholds[i]) and thresholds[i] < np.inf)
    return differ != ZERO


@jit()
def rank_bound(rank):
    """Return about the number that a rank or threshold stands for.

    It may be rounded up, to at least the smallest normal number and at most infinity.
    """
    if is_plain(rank):
        return rank
    if rank > MOST_PLAIN:
        return rank * (rank * LEAST_PLAIN)
    return max(LEAST_PLAIN / -rank, 2.0**-1022)
