"""Checks of weights, both of tables and of streams of rows."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arrays import as_array, is_kind, refuse_dtype
from equipoise._validate.wording import first_bad, kind_of, place

_WANTED = "float16, float32, float64 or integers"
Weights = NDArray[np.float64] | NDArray[np.int64]


def refuse_sum(name: str = "weights") -> NoReturn:
    """Refuse weights whose sum overflows float64."""
    raise ValueError(f"{name} must have a finite sum, got more than {np.finfo(np.float64).max:.3g}")


def check_sum(w: NDArray[np.float64], name: str) -> None:
    """Check that the float64 sum is finite."""
    with np.errstate(over="ignore"):
        if not np.isfinite(w.sum()):
            refuse_sum(name)


def as_weights(weights: Any, name: str = "weights", *, zeros: bool = False) -> Weights:
    """Return the weights of a table as a 1-D array of float64 or int64.

    They must be finite, >= 0, and have a finite sum. There must be at least one and, unless `zeros` is true,
    they must not all be zero.
    """
    w = as_array(weights, name, _WANTED)
    if not is_kind(w, "fiu"):
        refuse_dtype(w, weights, name, _WANTED)
    if w.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {w.ndim}-D (shape {w.shape})")
    if not 1 <= w.size < 2**32:
        raise ValueError(f"{name} must have between 1 and 2^32 - 1 entries, got {w.size}")
    least, most = w.min(), w.max()
    if not (least >= 0 and most < math.inf):  # NaN also fails here
        at = first_bad(~(w >= 0) | (w == math.inf))
        raise ValueError(f"{place(name, at)} must be finite and >= 0, got {w[at]}")
    if w.dtype.kind == "f":
        real: NDArray[np.float64] = np.ascontiguousarray(w, dtype=np.float64)
        check_sum(real, name)
        w = real
    else:
        if most > np.iinfo(np.int64).max:
            at = first_bad(w > np.iinfo(np.int64).max)
            raise ValueError(f"{place(name, at)} must be below 2^63, got {w[at]}")
        w = np.ascontiguousarray(w, dtype=np.int64)
    if most == 0 and not zeros:
        raise ValueError(f"{name} must not all be zero, got {w.size} zeros")
    return w


def check_powers(logs: NDArray[np.float64], weights: Weights, power: float) -> None:
    """Check that ``power * log(weights + smoothing)`` has not overflowed."""
    if not np.isfinite(logs).all():
        at = int(np.isfinite(logs).argmin())
        raise ValueError(
            f"power must leave power * log(weights + smoothing) finite, got {power} "
            f"and weights[{at}] = {weights[at]}"
        )


def check_steady(steady: bool) -> None:
    """Check that no other thread changed the weights after they were checked."""
    if not steady:
        raise ValueError("weights must not change while a table is built from them")


def as_pickled_units(units: Any) -> NDArray[np.uint64]:
    """Return the whole units of a pickled table."""
    if not isinstance(units, np.ndarray) or units.dtype.kind != "u" or units.ndim != 1 or not units.size:
        raise ValueError(f"a pickled table must hold a 1-D array of uint64 units, got {kind_of(units)}")
    return np.ascontiguousarray(units, np.uint64)  # an unpickled array has its own dtype object


def check_pickled_units(whole: bool) -> None:
    """Check that the units of a pickled table add up."""
    if not whole:
        raise ValueError("a pickled table must hold units that add up to n * 2^32, got others")


def as_row_weights(x: Any, name: str = "weights", *, length: int | None = None) -> NDArray[Any]:
    """Return the weights of rows as contiguous float32 or float64. Kernels check the values."""
    a = as_array(x, name, _WANTED)
    if not is_kind(a, "fiu"):
        refuse_dtype(a, x, name, _WANTED)
    if a.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {a.ndim}-D (shape {a.shape})")
    if length is not None and a.size != length:
        raise ValueError(f"{name} must have {length} entries, one for each row, got {a.size}")
    dtype = np.float32 if a.dtype == np.float32 else np.float64
    return np.ascontiguousarray(a, dtype)


def check_weights(weights: NDArray[Any], first: int, name: str = "weights") -> None:
    """Check the values of weights. The position of ``weights[0]`` in error messages is `first`."""
    good = (weights >= 0) & (weights < np.inf)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"{name}[{first + at}] must be finite and >= 0, got {weights[at]}")


def check_total(total: float) -> None:
    """Check that the sum of all weights so far is finite."""
    if not math.isfinite(total):
        refuse_sum()


def check_some(positive: int, rows: int) -> None:
    """Check that at least one weight is positive."""
    if not positive:
        raise ValueError(
            f"weights must not all be zero, got {rows} zeros"
            if rows
            else "weights must not be empty, got no rows"
        )
