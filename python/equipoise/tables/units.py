"""Conversion of weights to whole units: integers that add up to n * 2^32."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._validate.weights import Weights

__all__ = ["Units", "fingerprint_of", "powered", "whole_units"]

Units = NDArray[np.uint64]


def powered(w: Weights, power: float, smoothing: float) -> Weights:
    """Return (w + smoothing)^power up to a factor, and 0 where w + smoothing is 0 (the contract's step 1)."""
    if power == 1.0 and smoothing == 0.0:
        return w
    with np.errstate(over="ignore"):
        v: NDArray[np.float64] = w.astype(np.float64) + smoothing
    _validate.check_sum(v, "weights + smoothing")
    zero = v == 0.0
    if power == 1.0:
        return v
    if power == 0.0:
        v = np.ones_like(v)
    elif power in (0.25, 0.5, 0.75):  # square roots are correctly rounded on every platform
        root = np.sqrt(v)
        v = root if power == 0.5 else np.sqrt(root) if power == 0.25 else root * np.sqrt(root)
    else:
        v[zero] = 1.0
        kernels().log(v, v)
        with np.errstate(over="ignore"):
            v *= power
        _validate.check_powers(v, w, power)
        v[zero] = -math.inf
        v -= v.max()
        np.maximum(v, -700.0, out=v)
        kernels().exp(v, v)
    v[zero] = 0.0
    return v


def whole_units(w: Weights) -> Units:
    """Return floor(w * T / sum w) with T = n * 2^32 (the contract's steps 1 to 4)."""
    n, total = w.size, w.size << 32
    top = w.max()
    exponent = int(top).bit_length() if w.dtype == np.int64 else math.frexp(float(top))[1]
    grid = exponent + (n - 1).bit_length() - 126
    high, low = kernels().unit_sum(w, grid)
    s = int(high) << 64 | int(low)
    _validate.check_steady(s > 0)
    h = s.bit_length() - total.bit_length() + 127
    if -(-(total << h) // s) < 1 << 127:
        h += 1
    r = -(-(total << h) // s)
    units = np.empty(n, np.uint64)
    high, low = kernels().unit_floor(w, np.uint64(r >> 64), np.uint64(r % 2**64), grid + h, units)
    surplus = total - (int(high) << 64 | int(low))
    _validate.check_steady(abs(surplus) <= n)  # rounding leaves less than one unit per id
    kernels().unit_settle(units, surplus)
    return units


def fingerprint_of(n: int, units: Units) -> bytes:
    """Return the fingerprint of a table. Saved tables and pickles hold it."""
    digest = hashlib.blake2b(n.to_bytes(8, "little"), digest_size=32)
    digest.update(units.astype("<u8", copy=False).data)
    return digest.digest()
