"""The exponential race: rows in the order of their ranks E / w (see ``rng.py``, "Orders").

This is a weighted order without replacement. A pass over the weights finds the rows of one band of ranks.
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import f64, i64, jit, reads, stack, u64, writes
from equipoise._numba.reservoirs.ranks import is_plain, rank_after
from equipoise._numba.stream.elementary import log_normal
from equipoise._numba.stream.rng import BLOCK, ZERO, open_run, unit_real, word

stack_block = stack(f64, int(BLOCK))


@jit((u64, i64, reads(f64), f64, f64, writes(i64), writes(f64)))
def race_band(key, first, weights, low, high, rows, ranks):
    """Find the rows of positive weight whose ranks are in [low, high).

    Rows are counted from `first`, a multiple of the block of 128 words. Return how many ranks are below the
    band, and how many are in it.
    """
    count = np.uint64(weights.size)
    if first < 0 or np.uint64(first) % BLOCK != ZERO or rows.size < weights.size or ranks.size < weights.size:
        raise ValueError("race_band: first within a block, or too little room")
    start, below, found = np.uint64(first), ZERO, ZERO
    e, r = stack_block(), stack_block()
    for begin in range(ZERO, count, BLOCK):
        size = min(BLOCK, count - begin)
        run = open_run(key, (start + begin) // BLOCK, ZERO)
        for j in range(BLOCK):
            e[j] = 0.0 - log_normal(unit_real(word(run, j)), 0)
        plain = True
        for j in range(size):
            w = weights[begin + j]
            r[j] = e[j] / w
            plain &= is_plain(r[j]) or not w > 0.0
        if not plain:
            for j in range(size):
                w = weights[begin + j]
                r[j] = rank_after(0.0, e[j], w) if w > 0.0 else np.inf
        for j in range(size):  # the rank of a weight of 0 is infinite or NaN
            rows[found] = np.int64(start + begin + j)
            ranks[found] = r[j]
            below += np.uint64(r[j] < low)
            found += np.uint64((r[j] >= low) & (r[j] < high))
    return np.int64(below), np.int64(found)
