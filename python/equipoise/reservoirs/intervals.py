"""Score intervals of sums over the rows of a domain, from a weighted sample.

A sample often has few rows of a domain (the rows that ``where`` selects). Then a sum of v / p is skewed, and
its standard error is too small in the samples in which the sum is too small. A score interval (E. B. Wilson)
consists of the sums from which the estimate would not be surprising. The variance of the sum is taken to be
proportional to the sum. Its ratio to the sum is estimated from the domain's rows and, for a small domain,
also from the rest of the sample. Terms of both signs have an interval for each sign, and these are put
together as by Zou and Donner.

- E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
- G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general approach",
  Statistics in Medicine 27, 2008.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise.reservoirs.sample import ReservoirSample

__all__ = ["DomainRows", "exact_sum"]


Bools = NDArray[np.bool_]
Reals = NDArray[np.float64]
_Z2 = 3.841458820694124  # the square of the 97.5 % point of the normal distribution
_BORROWED, _MOST_BORROWED = 2.0, 10.0  # rows that a domain borrows: 2, or 10 / n if it has n > 5 rows


class _Part(NamedTuple):
    """A sum of terms >= 0: its 95 % interval is [total - down, total + up]."""

    total: float
    variance: float
    down: float
    up: float


class DomainRows:
    """The rows of a domain that could have been missed, and the rows around them.

    The rows around a domain are those of the whole sample or, if the domain consists of whole classes, of
    these classes. Rows that were certain to be in the sample say nothing about rows that were missed.
    """

    def __init__(self, sample: ReservoirSample, inside: Bools, replacement: bool) -> None:
        around = np.ones(inside.size, np.bool_)
        if sample.classes is not None:
            touched = np.isin(sample.classes, sample.classes[inside])
            if inside.any() and touched.sum() == inside.sum():
                around = touched
        self._missed = np.ones(inside.size) if replacement else 1.0 - sample.inclusion
        self._inside, self._around = inside & (self._missed > 0.0), around & (self._missed > 0.0)
        self._n = int(self._inside.sum())
        self._borrowed = min(_BORROWED, _MOST_BORROWED / self._n) if self._n else _BORROWED

    def error(self, each: Reals, total: float, replacement: bool) -> float:
        """Return the standard error of `total`, the sum of `each`."""
        if not replacement:
            return math.sqrt(exact_sum(each * each * self._missed))
        k = each.size
        spread = each * k - total
        return math.sqrt(exact_sum(spread * spread) / (k * (k - 1))) if k > 1 else math.inf if k else 0.0

    def error_of_one(self, around: Reals) -> float:
        """Return the standard error of a ratio from one row, which is as far off as the rows around it.

        It is infinite if there are no others, and 0 if the row was certain to be in the sample.
        """
        if self._n and self._around.sum() == 1:
            return math.inf
        return math.sqrt(self._n * self._mean(around * around * self._missed))

    def _mean(self, x: Reals) -> float:
        return exact_sum(x[self._around]) / max(int(self._around.sum()), 1)

    def reaches(self, each: Reals, around: Reals, units: Reals, share: float) -> tuple[float, float]:
        """Return how far a 95 % interval reaches below and above the sum of `each`.

        `around` holds the terms of all rows, from which a small domain borrows. If all of these are 0, they
        are taken to be `units`. `share` is 1 / k for k draws with replacement, since these are a fixed
        number, and otherwise 0.
        """
        if not self._around.any():
            return 0.0, 0.0
        if share == 1.0:
            return math.inf, math.inf
        if not around[self._around].any() and not each[self._inside].any():
            reach = self._part(each, np.abs(units), share).up
            return reach, reach
        gains = self._part(np.maximum(each, 0.0), np.maximum(around, 0.0), share)
        losses = self._part(np.maximum(-each, 0.0), np.maximum(-around, 0.0), share)
        spread = math.sqrt(gains.variance * losses.variance)
        both = 2.0 * min(share * gains.total * losses.total / spread, 1.0) if spread else 0.0
        down = gains.down * gains.down + losses.up * losses.up + both * gains.down * losses.up
        up = gains.up * gains.up + losses.down * losses.down + both * gains.up * losses.down
        return math.sqrt(down), math.sqrt(up)

    def _part(self, each: Reals, around: Reals, share: float) -> _Part:
        """Return the score interval of a sum of terms >= 0.

        The variance of the sum is taken to be (slope * sum - share * sum^2) / (1 - share), as that of a
        number of rows is, and the interval consists of the sums that are less than 1.96 standard deviations
        from the total, each with its own standard deviation.
        """
        n, borrowed = self._n, self._borrowed
        total = exact_sum(each[self._inside])
        squares = exact_sum((each * each * self._missed)[self._inside])
        b = squares + borrowed * self._mean(around * around * self._missed)
        a = total + borrowed * self._mean(around)
        squares = max(squares, n * b / (n + borrowed))
        variance = max(squares - share * total * total, 0.0) / (1.0 - share)
        half_slope = 0.5 * _Z2 * ((b / a if a else 0.0) - 2.0 * share * total)
        narrowed = 1.0 + _Z2 * share
        reach = math.sqrt(_Z2 * variance * narrowed + half_slope * half_slope) / narrowed
        return _Part(total, variance, reach - half_slope / narrowed, reach + half_slope / narrowed)


def exact_sum(x: Reals) -> float:
    """Return the sum, correctly rounded if it is finite."""
    try:
        return math.fsum(x)
    except (OverflowError, ValueError):  # an infinite sum, or infinities of both signs
        return float(x.sum())
