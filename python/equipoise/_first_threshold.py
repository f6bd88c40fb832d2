"""A threshold for rows that have not been read: it saves time, no more, since it is tested afterwards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_threshold"]

_SAMPLE = 1 << 12
_ENOUGH = 1 << 16  # rows
_SIGMAS = 6.0


def first_threshold(weights: NDArray[Any], quota: int, *, replacement: bool) -> float:
    """One that somewhat more than ``quota`` ranks of these rows are likely to be below, or infinity.

    Without one the first rows are all candidates, and later ones are until the threshold has come down: some
    quota * log(rows / quota) in all. Of these there are a few more than the quota: six standard deviations
    of their number, and of what a sample of every so many rows says of it.
    """
    if quota < 256 or weights.size < max(_ENOUGH, 4 * quota):
        return math.inf
    some = weights[:: weights.size // _SAMPLE].astype(np.float64)
    scale = weights.size / some.size
    total = float(weights.sum(dtype=np.float64)) if replacement else scale * float(some.sum())
    if not 0 < total < math.inf or not some.min() >= 0:
        return math.inf
    least = quota + _SIGMAS * math.sqrt(quota) + 64.0  # of a block that is not whole
    threshold = least / total
    if replacement:
        return threshold
    for _ in range(12):  # Newton's, from below: the number of ranks is concave
        with np.errstate(over="ignore", under="ignore"):
            below = -np.expm1(some * -threshold)
        wanted = least + _SIGMAS * scale * math.sqrt(some.size) * float(below.std())
        missing = wanted - scale * float(below.sum())
        if missing < 0.01 * wanted:
            return threshold
        slope = scale * float((some * (1.0 - below)).sum())
        if not slope > 0:
            break
        threshold += missing / slope
    return math.inf
