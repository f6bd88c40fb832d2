"""The exponential race: rows in the order of their ranks E / w (see ``rng.py``, "Orders").

This is a weighted order without replacement. A pass over the weights finds the rows of one band of ranks.
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import f64, i64, jit, reads, stack, u64, writes
from equipoise._numba.reservoirs.ranks import LEAST_PLAIN, MOST_PLAIN, is_plain, rank_after, rank_bound
from equipoise._numba.stream.elementary import log_normal
from equipoise._numba.stream.rng import BLOCK, ZERO, open_run, unit_real, word

NEAR = 1.0 + 2.0**-40  # covers the rounding of a logarithm, a quotient and a product
stack_rows, stack_block = stack(i64, int(BLOCK)), stack(f64, int(BLOCK))


@jit((u64, i64, reads(f64), f64, f64, writes(i64), writes(f64)))
def race_band(key, first, weights, low, high, rows, ranks):
    """Find the rows of positive weight whose ranks are in [low, high).

    Rows are counted from `first`, a multiple of the block of 128 words. Return how many ranks are below the
    band, and how many are in it. Since 1 - u <= -log(u) <= (1 - u) / u, most rows need no logarithm.
    """
    count = np.uint64(weights.size)
    if first < 0 or np.uint64(first) % BLOCK != ZERO or rows.size < weights.size or ranks.size < weights.size:
        raise ValueError("race_band: first within a block, or too little room")
    most = rank_bound(high) * NEAR
    least = MOST_PLAIN / NEAR if low > MOST_PLAIN else low / NEAR if low >= LEAST_PLAIN else 0.0
    start, below, found = np.uint64(first), ZERO, ZERO
    at, u, w, r = stack_rows(), stack_block(), stack_block(), stack_block()
    for begin in range(ZERO, count, BLOCK):
        run = open_run(key, (start + begin) // BLOCK, ZERO)
        maybe = ZERO
        for j in range(min(BLOCK, count - begin)):
            unit, weight = unit_real(word(run, j)), weights[begin + j]
            under = 1.0 - unit < least * weight * unit
            at[maybe] = np.int64(start + begin + j)
            u[maybe] = unit
            w[maybe] = weight
            below += np.uint64(under)
            maybe += np.uint64((not under) & (1.0 - unit <= most * weight) & (weight > 0.0))
        plain = True
        for j in range(maybe):
            r[j] = (0.0 - log_normal(u[j], 0)) / w[j]
            plain &= is_plain(r[j])
        if not plain:
            for j in range(maybe):
                r[j] = rank_after(0.0, 0.0 - log_normal(u[j], 0), w[j])
        for j in range(maybe):
            rows[found] = at[j]
            ranks[found] = r[j]
            below += np.uint64(r[j] < low)
            found += np.uint64((r[j] >= low) & (r[j] < high))
    return np.int64(below), np.int64(found)
