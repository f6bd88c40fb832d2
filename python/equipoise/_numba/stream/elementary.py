"""The logarithm and exponential behind all promised bytes.

They evaluate series in one fixed order, so no libm and no CPU path can change a bit. The error is below 1.5
units in the last place. The operations and their order are those of cpp/stream/elementary.hpp, and LLVM fuses
none of them.
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import jit

LN2_HIGH = float.fromhex("0x1.62e42fefa2p-1")  # ln 2 to 40 bits, so that k * LN2_HIGH is exact
LN2_LOW = float.fromhex("0x1.9ef35793c7673p-41")
INV_LN2 = float.fromhex("0x1.71547652b82fep+0")
ROOT = np.uint64(0x3FE6A09E667F3BCD)  # sqrt(1/2)
ROOT_TO_ONE = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
FRACTION, S52 = np.uint64(0xFFFFFFFFFFFFF), np.uint64(52)


@jit()
def bits_of(x):
    """Return the bits of a float."""
    return np.float64(x).view(np.uint64)


@jit()
def from_bits(bits):
    """Return the float with these bits."""
    return np.uint64(bits).view(np.float64)


@jit()
def log_normal(x, scale):
    """Return log(x / 2^scale) for a positive normal number x.

    It has no branch, so loops over it are vectorized.
    """
    bits = bits_of(x) + ROOT_TO_ONE
    k = np.float64(np.int64(bits >> S52) - 1023 - scale)
    m = from_bits((bits & FRACTION) + ROOT)  # sqrt(1/2) <= m < sqrt(2)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = 1.0 / 21
    p = p * z + 1.0 / 19
    p = p * z + 1.0 / 17
    p = p * z + 1.0 / 15
    p = p * z + 1.0 / 13
    p = p * z + 1.0 / 11
    p = p * z + 1.0 / 9
    p = p * z + 1.0 / 7
    p = p * z + 1.0 / 5
    p = p * z + 1.0 / 3
    twice = s + s
    return k * LN2_HIGH + (twice + (twice * (z * p) + k * LN2_LOW))


@jit()
def log(x):
    """Return the natural logarithm."""
    if not x > 0.0:
        return -np.inf if x == 0.0 else np.nan
    if x == np.inf:
        return x
    return log_normal(x, 0) if x >= 2.0**-1022 else log_normal(x * 2.0**54, 54)  # subnormals are scaled first


@jit()
def exp(x):
    """Return e to the power x."""
    if not x >= -708.0:
        return 0.0 if x < -708.0 else x
    if x > 709.0:
        return np.inf
    k = np.floor(x * INV_LN2 + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * from_bits(np.uint64(np.int64(k) + 1023) << S52)


# Kahan's forms of log1p and expm1, in which the rounding error of u cancels.
@jit()
def log1p(x):
    """Return log(1 + x), accurate near zero."""
    u = 1.0 + x
    if u == 1.0:
        return x
    if u == 0.0:
        return -np.inf
    return log(u) * x / (u - 1.0)


@jit()
def expm1(x):
    """Return exp(x) - 1, accurate near zero."""
    u = exp(x)
    if u == 1.0:
        return x
    if u - 1.0 == -1.0:
        return -1.0
    return (u - 1.0) * x / log(u)
