"""The order of random numbers, in less than half the time of a sort that knows nothing of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ascending"]

_FEW = 1 << 12


def ascending(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """As np.argsort; of equal ones the first comes first.

    Numbers of 16 bits NumPy sorts by digits, which brings spread-out values almost into order, and what is
    almost in order it sorts in almost no time. Other values only take longer.
    """
    if values.size >= _FEW:
        low = values.min()
        with np.errstate(all="ignore"):
            steps = (values - low) * (65535.0 / (values.max() - low))
        if steps.max() < 65536.0:  # neither infinite nor all alike
            order: NDArray[Any] = np.argsort(steps.astype(np.uint16), kind="stable")
            return order[np.argsort(values[order], kind="stable")]
    return np.argsort(values, kind="stable")
