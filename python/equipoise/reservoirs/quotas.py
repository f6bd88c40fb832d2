"""The division of a sample's rows among classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["POLICIES", "shares"]


POLICIES = ("equal", "sqrt", "proportional")
Int64s = NDArray[np.int64]


def shares(total: int, policy: str, counts: Int64s, most: Int64s) -> Int64s:
    """Divide `total` rows among classes that have seen `counts` rows and can give `most` rows.

    Any part of a share that a class cannot give is divided among the others.
    """
    weight = np.where(most > 0, counts, 0).astype(np.float64)
    if policy == "equal":
        weight = (most > 0).astype(np.float64)
    elif policy == "sqrt":
        weight = np.sqrt(weight)
    total = min(total, int(most.sum()))
    exact = np.zeros(most.size)
    unfilled = most > 0
    remaining = float(total)
    while unfilled.any():
        part = remaining * weight / weight[unfilled].sum()
        full = unfilled & (part >= most)
        if not full.any():
            exact[unfilled] = part[unfilled]
            break
        exact[full] = most[full]
        remaining -= float(most[full].sum())
        unfilled &= ~full
    rows = np.floor(exact).astype(np.int64)
    # The rest goes to the largest remainders. Remainders that differ only by rounding errors count as equal,
    # and ties go to the smaller class.
    rest = total - int(rows.sum())
    remainder = np.where(rows < most, np.round(exact - rows, 8), -1.0)
    rows[np.argsort(-remainder, kind="stable")[:rest]] += 1
    return rows
