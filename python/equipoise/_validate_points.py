"""Stand-in: rows of real numbers, until the founder's validators are here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate


def points(value: Any, name: str) -> NDArray[Any]:
    """Finite, 2-D, float32 or float64, C-contiguous."""
    x = _validate.as_array(value, name)
    if x.ndim != 2:
        raise ValueError(f"{name} must be 2-D, not {x.ndim}-D (shape {x.shape})")
    if x.dtype.kind != "f" or x.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} must be float32 or float64, got {x.dtype} array")
    x = np.ascontiguousarray(x, x.dtype.newbyteorder("="))
    good = np.isfinite(x)
    if not good.all():
        row, column = np.unravel_index(int(good.argmin()), x.shape)
        raise ValueError(f"{name}[{row}, {column}] must be finite, got {x[row, column]}")
    return x
