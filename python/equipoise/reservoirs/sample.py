"""The sample that a reservoir returns, and estimates from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate

__all__ = ["ReservoirSample", "estimate"]


@dataclass(frozen=True, eq=False)
class ReservoirSample:
    """A sample of rows, in order of class and then of rank.

    Attributes
    ----------
    ids : int64 ndarray of shape (m,)
        Ids of the rows, or their positions in the stream if no ids were given.
    weights : float64 ndarray of shape (m,)
        Weights of the rows. With a half-life, decayed to the time of the newest row of positive weight.
    inclusion : float64 ndarray of shape (m,)
        Without replacement, the probability of being in the sample given the ranks of the other rows, so that
        1 / inclusion is an unbiased weight. With replacement, the expected number of times the row is drawn.
    classes : int64, bool or str ndarray of shape (m,), or None
        Labels of the rows, if the sample comes from a :class:`ClassReservoir`. Strings that end in a null
        character, which NumPy's strings would drop, make it an array of objects.
    streams : uint64 ndarray of shape (m,), or None
        The streams in which ``ids`` are positions, if no ids were given.

    Examples
    --------
    >>> import equipoise
    >>> reservoir = equipoise.Reservoir(2)
    >>> reservoir.update([5.0, 1.0], ids=[70, 80])
    >>> sorted(reservoir.sample().ids.tolist())
    [70, 80]
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.float64]
    inclusion: NDArray[np.float64]
    classes: NDArray[Any] | None = None
    streams: NDArray[np.uint64] | None = None


def estimate(sample: ReservoirSample, values: Any, where: Any, replacement: bool) -> tuple[float, float]:
    """Return an estimate of a sum over all rows seen, and its standard error."""
    p = sample.inclusion
    v = np.ones(p.size) if values is None else _validate.as_values(values, "values", p.size)
    if where is not None:
        v = np.where(_validate.as_mask(where, "where", p.size), v, 0.0)
    with np.errstate(all="ignore"):  # values of any size, and weights that have decayed to 0
        each = v / p
        total = _sum(each)
        if not replacement:
            return total, math.sqrt(_sum(each * each * (1.0 - p)))
        k = p.size
        spread = each * k - total
        return total, math.sqrt(_sum(spread * spread) / (k * (k - 1))) if k > 1 else math.nan


def _sum(x: NDArray[np.float64]) -> float:
    """Return the sum, correctly rounded if it is finite."""
    try:
        return math.fsum(x)
    except (OverflowError, ValueError):  # an infinite sum, or infinities of both signs
        return float(x.sum())
