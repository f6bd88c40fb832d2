"""A threshold for rows that have not been read: it saves time, no more, since it is tested afterwards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["likely_threshold", "pays"]


_SAMPLE = 1 << 12
_ENOUGH = 1 << 16  # rows
_SAVED = 1 << 12  # candidates: fewer cost less than looking for a threshold
_SIGMAS = 6.0


def pays(quota: int, count: int, seen: int) -> bool:
    """Whether a threshold is worth looking for, before ``count`` rows, once ``seen`` have been read.

    With the old one quota * count / seen of them are likely to be candidates, with the new one
    quota * count / (seen + count).
    """
    if quota < 256 or count < max(_ENOUGH, 4 * quota):
        return False
    return not seen or quota * count * count >= _SAVED * seen * (seen + count)


def likely_threshold(
    weights: NDArray[Any], quota: int, *, replacement: bool, known: int = 0, threshold: float = math.inf
) -> float:
    """One that somewhat more than ``quota`` ranks are likely to be below, of these rows and of those before.

    Without one, the first rows are all candidates, and later ones are until the threshold has come down: some
    quota * log(rows / quota) in all. Of these there are a few more than the quota: six standard deviations
    of their number, and of what a sample of every so many rows says of it.

    known : ranks that are up to the present ``threshold``. The new one is lower, or infinity: nothing better
        is known.
    """
    with np.errstate(all="ignore"):  # what overflows, or is a bad weight, has no threshold
        lower = _lower(weights, quota, replacement, known, threshold)
    return lower if lower < threshold else math.inf


def _lower(weights: NDArray[Any], quota: int, replacement: bool, known: int, threshold: float) -> float:
    some = weights[:: max(weights.size // _SAMPLE, 1)].astype(np.float64)
    scale = weights.size / some.size
    total = float(weights.sum(dtype=np.float64)) if replacement else scale * float(some.sum())
    if not 0 < total < math.inf or not some.min() >= 0:
        return math.inf
    # Of known ranks at least such a part is up to a lower threshold: their number is concave.
    rate = known / threshold if threshold > 0 else math.inf
    least = quota + _SIGMAS * math.sqrt(quota) + 64.0  # of a block that is not whole
    lower = least / (total + rate)
    if replacement:
        return lower
    for _ in range(12):  # Newton's, from below: the number of ranks is concave
        below = -np.expm1(some * -lower)
        wanted = least + _SIGMAS * scale * math.sqrt(some.size) * float(below.std())
        missing = wanted - scale * float(below.sum()) - rate * lower
        if missing < 0.05 * (wanted - quota):
            return lower
        slope = scale * float((some * (1.0 - below)).sum()) + rate
        if not slope > 0:
            break
        lower += missing / slope
    return math.inf
