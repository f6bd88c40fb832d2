"""Conversion of weights to whole units (rng.py, "Whole units").

They are floor(w * n * 2^32 / sum w), computed in integers throughout.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import overload

from equipoise._numba._jit import f64, i64, intrinsic, jit, reads, u64, writes
from equipoise._numba.stream.elementary import FRACTION, S52, bits_of
from equipoise._numba.stream.rng import GOLDEN, ONE, TWO, ZERO, mix64, mulhi

S63, HIDDEN_BIT, EXPONENT = np.uint64(63), np.uint64(1 << 52), np.uint64(0x7FF)
CELL = np.uint64(1 << 32)


@jit()
def add(high, low, h, l):
    """Return the 128-bit sum of (high, low) and (h, l)."""
    low += l
    return high + h + (ONE if low < l else ZERO), low


def scaled(w):
    """Return (m, x) such that the weight is exactly m * 2^x."""
    raise NotImplementedError("kernels call the overloads below")


@overload(scaled)
def _scaled(w):
    def of_integer(w):
        return np.uint64(w), 0

    def of_float(w):
        bits = bits_of(w)
        fraction, e = bits & FRACTION, np.int64((bits >> S52) & EXPONENT)
        return (fraction | HIDDEN_BIT, e - 1075) if e else (fraction, -1074)

    return of_integer if isinstance(w, types.Integer) else of_float


@intrinsic
def leading_zeros(typingctx, m):
    """Return the number of leading zero bits of m."""

    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), codegen


@jit((reads(f64), i64), (reads(i64), i64))
def unit_sum(weights, grid):
    """Return the sum of floor(w / 2^grid).

    It has 128 bits, so the order of the terms does not matter.
    """
    high, low = ZERO, ZERO
    for i in range(np.uint64(weights.size)):
        m, x = scaled(weights[i])
        shift = x - grid
        if shift >= 64:
            # below 128, unless another thread changes the weights
            high, low = add(high, low, m << (np.uint64(shift - 64) & S63), ZERO)
        elif shift > 0:
            high, low = add(high, low, m >> np.uint64(64 - shift), m << np.uint64(shift))
        elif shift > -64:
            high, low = add(high, low, ZERO, m >> np.uint64(-shift))
    return high, low


@jit((reads(f64), u64, u64, i64, writes(u64)), (reads(i64), u64, u64, i64, writes(u64)))
def unit_floor(weights, high, low, point, units):
    """Set units_i = floor(w_i * r / 2^point), but at least 1 where w_i > 0, and return their sum.

    The top bit of r = (high, low) is set.
    """
    if weights.size != units.size:
        raise ValueError("unit_floor: shapes differ")
    sum_high, sum_low = ZERO, ZERO
    for i in range(np.uint64(weights.size)):
        m, x = scaled(weights[i])
        if m == ZERO:
            units[i] = ZERO
            continue
        zeros = leading_zeros(m)
        m <<= zeros
        shift = point - (x - np.int64(zeros))  # >= 127: m * r has 191 or 192 bits, a unit count at most 64
        carry = mulhi(m, low)
        p1 = m * high + carry
        p2 = mulhi(m, high) + (ONE if p1 < carry else ZERO)
        if shift >= 192:
            count = ZERO
        elif shift >= 128:
            count = p2 >> np.uint64(shift - 128)
        else:
            count = (p2 << ONE) | (p1 >> S63)
        units[i] = count if count else ONE
        sum_high, sum_low = add(sum_high, sum_low, ZERO, units[i])
    return sum_high, sum_low


@jit((writes(u64), i64))
def unit_settle(units, surplus):
    """Make the units add up to the total.

    A surplus is shared equally by all ids of positive weight; missing units (surplus < 0) come equally from
    all ids with at least 2^32 units. The remainder of the division goes to, or comes from, the first of these
    ids, one unit each. If there are no such ids, nothing changes.
    """
    least, sign = (ONE, ONE) if surplus >= 0 else (CELL, ~ZERO)
    n, ids = np.uint64(units.size), ZERO
    for i in range(n):
        ids += ONE if units[i] >= least else ZERO
    if ids == ZERO:
        return
    total = np.uint64(surplus) * sign
    share, rest = total // ids, total % ids
    for i in range(n):
        if units[i] < least:
            continue
        units[i] += (share + (ONE if rest else ZERO)) * sign
        rest -= ONE if rest else ZERO


@jit((u64, reads(u64)))
def unit_digest(n, units):
    """Return the digest of a table of n ids, which is uniform if it has no units.

    One 128-bit product mixes the units of two ids.
    """
    if units.size != 0 and np.uint64(units.size) != n:
        raise ValueError("unit_digest: n and units differ")
    total, a, b = n, GOLDEN, TWO * GOLDEN
    for i in range(ZERO, np.uint64(units.size), TWO):
        x, y = units[i] + a, (units[i + ONE] if i + ONE < n else ZERO) + b
        total += mulhi(x, y) ^ (x * y)
        a, b = a + TWO * GOLDEN, b + TWO * GOLDEN
    return mix64(total)
