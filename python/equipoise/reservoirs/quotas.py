"""Dividing the rows of a sample among classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["POLICIES", "shares"]


POLICIES = ("equal", "sqrt", "proportional")
Int64s = NDArray[np.int64]


def shares(total: int, policy: str, counts: Int64s, most: Int64s) -> Int64s:
    """Divide `total` rows among classes that have seen `counts` rows and can give `most` rows.

    What a class cannot give is divided among the others.
    """
    weight = np.where(most > 0, counts, 0).astype(np.float64)
    if policy == "equal":
        weight = (most > 0).astype(np.float64)
    elif policy == "sqrt":
        weight = np.sqrt(weight)
    total = min(total, int(most.sum()))
    exact = np.zeros(most.size)
    open_ = most > 0
    left = float(total)
    while open_.any():
        part = left * weight / weight[open_].sum()
        full = open_ & (part >= most)
        if not full.any():
            exact[open_] = part[open_]
            break
        exact[full] = most[full]
        left -= float(most[full].sum())
        open_ &= ~full
    whole = np.floor(exact).astype(np.int64)
    # The rest goes to the largest remainders. Those that differ by rounding alone are equal, and the smaller
    # class comes first.
    rest = total - int(whole.sum())
    remainder = np.where(whole < most, np.round(exact - whole, 8), -1.0)
    whole[np.argsort(-remainder, kind="stable")[:rest]] += 1
    return whole
