"""A guess at the threshold after rows that have not been read yet.

The guess only saves time. It is checked once the rows are read, and they are read again if it was too low.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.reservoirs.ranks import LEAST_PLAIN, MOST_PLAIN

__all__ = ["is_worthwhile", "likely_threshold"]


_SAMPLE = 1 << 12  # rows that the guess is based on
_MIN_ROWS = 1 << 16
_MIN_SAVED = 1 << 12  # candidates; handling fewer costs less than the guess
_SIGMAS = 6.0


def is_worthwhile(quota: int, count: int, seen: int) -> bool:
    """Return whether a guess saves time for ``count`` more rows, after ``seen`` rows have been read.

    About quota * count / seen of the rows are candidates under the old threshold, and about
    quota * count / (seen + count) under the new one.
    """
    if quota < 256 or count < max(_MIN_ROWS, 4 * quota):
        return False
    return not seen or quota * count * count >= _MIN_SAVED * seen * (seen + count)


def likely_threshold(
    weights: NDArray[Any], quota: int, *, replacement: bool, known: int = 0, threshold: float = math.inf
) -> float:
    """Return a threshold that is likely to have a few more than ``quota`` ranks of all rows below it.

    Without a guess, all of the first rows are candidates, and so are many later rows until the threshold has
    fallen: about quota * log(rows / quota) in all. With a guess, the number of candidates exceeds the quota
    by six standard deviations of that number, and six of its estimate from a systematic sample of the rows.

    ``known`` is the number of ranks up to the present ``threshold``. The result is below ``threshold``, or
    infinity if no lower threshold is likely. Thresholds that are out of float64's range are not guessed.
    """
    if threshold < LEAST_PLAIN or MOST_PLAIN < threshold < math.inf:
        return math.inf
    with np.errstate(all="ignore"):  # after an overflow or a bad weight, the guess is infinite
        lower = _solve(weights, quota, replacement, known, threshold)
    return lower if LEAST_PLAIN <= lower < min(threshold, MOST_PLAIN) else math.inf


def _solve(weights: NDArray[Any], quota: int, replacement: bool, known: int, threshold: float) -> float:
    some = weights[:: max(weights.size // _SAMPLE, 1)].astype(np.float64)
    scale = weights.size / some.size
    total = float(weights.sum(dtype=np.float64)) if replacement else scale * float(some.sum())
    if not 0 < total < math.inf or not some.min() >= 0:
        return math.inf
    # The number of ranks up to a threshold is a concave function of it, so a lower threshold keeps at least a
    # proportional share.
    rate = known / threshold if threshold > 0 else math.inf
    least = quota + _SIGMAS * math.sqrt(quota) + 64.0  # 64 rows may be in an incomplete block
    lower = least / (total + rate)
    if replacement:
        return lower
    for _ in range(12):  # Newton's method; it converges from below because of the concavity
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
