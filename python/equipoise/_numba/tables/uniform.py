"""Uniform draws from 0 .. n - 1, which need no table."""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import i64, jit, u64, writes
from equipoise._numba.stream.rng import BLOCK, S32, ZERO, open_run, word
from equipoise._numba.tables.alias import column_and_coin


@jit((u64, u64, i64, writes(i64)))
def uniform_draw(key, n, start, out):
    """Make draws start .. start + len(out) - 1 of a call; start is a multiple of BLOCK."""
    if n == ZERO or n >> S32 or start < 0 or np.uint64(start) % BLOCK:
        raise ValueError("uniform_draw: n outside [1, 2^32), or start within a block")
    count, first = np.uint64(out.size), np.uint64(start) // BLOCK
    for at in range(ZERO, count, BLOCK):
        run = open_run(key, first + at // BLOCK, ZERO)
        for j in range(min(count - at, BLOCK)):
            out[at + j] = np.int64(column_and_coin(word(run, j), n) >> S32)
