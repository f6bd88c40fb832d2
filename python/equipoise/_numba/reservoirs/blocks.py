"""Blocks of 64 rows: their sums, a row in proportion to weight, and the rows whose ranks may be small."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f64, jit, stack
from equipoise._numba.stream.rng import ONE, S11, TWO, ZERO

ROWS = np.uint64(64)  # rows of a block
FOUR, SEVEN, EIGHT = np.uint64(4), np.uint64(7), np.uint64(8)
LARGEST = np.int64(0x1FFFFFFFFFFFFF)
stack_block = stack(f64, 64)


# Sums of columns: row i of a block belongs to column i mod 8, which is added from the top down.
Columns = namedtuple("Columns", "c0, c1, c2, c3, c4, c5, c6, c7")


@jit()
def gap(word):
    """Return 1 - u for the word's real u in (0, 1], exactly.

    It is at most -log(u), so it can reject a row before any logarithm is taken.
    """
    return np.float64(LARGEST - np.int64(word >> S11)) * 2.0**-53


@jit()
def is_weight(w):
    """Return whether w is finite and not negative; false for NaN."""
    return 0.0 <= w < np.inf


@jit()
def add_columns(w, at, count):
    """Add the weights in eight running sums, column by column."""
    c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = 0.0
    for i in range(at, at + count, EIGHT):
        c0 += np.float64(w[i])
        c1 += np.float64(w[i + np.uint64(1)])
        c2 += np.float64(w[i + np.uint64(2)])
        c3 += np.float64(w[i + np.uint64(3)])
        c4 += np.float64(w[i + np.uint64(4)])
        c5 += np.float64(w[i + np.uint64(5)])
        c6 += np.float64(w[i + np.uint64(6)])
        c7 += np.float64(w[i + SEVEN])
    return Columns(c0, c1, c2, c3, c4, c5, c6, c7)


@jit()
def add_block(w, at):
    """Return the sum of a block's weights in its stated order."""
    return add_columns(w, at, ROWS)


@jit()
def sum(c):
    """Return the sum of all columns, in the order that the stream contract states."""
    return ((c.c0 + c.c4) + (c.c2 + c.c6)) + ((c.c1 + c.c5) + (c.c3 + c.c7))


@jit()
def beyond(target, first, second):
    """Return whether the target lies in the second of two parts, and the target relative to that part.

    Rounding may put the target beyond the first part although the second is empty.
    """
    return (True, target - first) if second > 0.0 and target >= first else (False, target)


@jit()
def scaled_pick(w, at, total, word):
    """Draw a row in proportion to weight: halve the columns down to one, then walk down that column."""
    c = add_block(w, at)
    target = np.float64(np.int64(word >> S11)) * 2.0**-53 * total
    odd, target = beyond(target, (c.c0 + c.c4) + (c.c2 + c.c6), (c.c1 + c.c5) + (c.c3 + c.c7))
    if odd:
        j, a, b, d, e = ONE, c.c1, c.c5, c.c3, c.c7
    else:
        j, a, b, d, e = ZERO, c.c0, c.c4, c.c2, c.c6
    second, target = beyond(target, a + b, d + e)
    if second:
        j, a, b = j + TWO, d, e
    lower, target = beyond(target, a, b)
    if lower:
        j = j + FOUR
    row = j
    for i in range(j, ROWS, EIGHT):
        x = np.float64(w[at + i])
        if x > 0.0:
            row = np.uint64(i)
            if target < x:
                break
            target -= x
    return row


@jit()
def block_pick(w, at, total, word):
    """Draw a row as scaled_pick does, from weights of any size.

    Tiny weights are multiplied by a power of two, since the products of their sum with words would be rounded
    to a few subnormal numbers.
    """
    if not total < 2.0**-900:
        return scaled_pick(w, at, total, word)
    scaled = stack_block()
    for i in range(ROWS):
        scaled[i] = np.float64(w[at + i]) * 2.0**200
    return scaled_pick(scaled, ZERO, total * 2.0**200, word)
