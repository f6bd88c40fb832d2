"""The alias table (Walker 1974, Vose 1991), in whole units.

2^32 units a cell     +----+----+----+----+        a cell = threshold (high 32 bits), alias (low 32 bits)
                      | 3  | 0  |    | 0  |        coin <  threshold: the column itself
threshold ----------> +----+    | 2  +----+        coin >= threshold: its alias
                      | 0  | 1  |    | 3  |
                      +----+----+----+----+
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import i64, jit, reads, u64, writes
from equipoise._numba.stream.rng import BLOCK, LOW, ONE, S32, ZERO, open_run, prefetch, word
from equipoise._numba.tables.units import CELL


@jit((reads(u64), writes(u64)))
def alias_build(units, cells):
    """Build the table in one sweep with two indices (Huebschle-Schneider and Sanders 2022).

    The heavy id at the second index fills up the cells of light ids.
    """
    if units.size != cells.size:
        raise ValueError("alias_build: shapes differ")
    n, light, heavy = np.uint64(units.size), ZERO, ZERO
    while light < n and units[light] >= CELL:
        light += ONE
    while heavy < n and units[heavy] < CELL:
        heavy += ONE
    if heavy == n:
        return  # all units are zero, which the caller does not allow
    rest = units[heavy]
    while True:
        if rest >= CELL:
            if light == n:
                break
            cells[light] = (units[light] << S32) | heavy
            rest -= CELL - units[light]
            light += ONE
            while light < n and units[light] >= CELL:
                light += ONE
        else:
            after = heavy + ONE
            while after < n and units[after] < CELL:
                after += ONE
            cells[heavy] = (rest << S32) | after
            rest += units[after] - CELL
            heavy = after
    while heavy < n:
        if units[heavy] >= CELL:
            cells[heavy] = heavy
        heavy += ONE


@jit()
def column_and_coin(word, n):
    """Return the middle 64 bits of word * n, for n < 2^32.

    The high half is the column, the low half the coin.
    """
    return (word >> S32) * n + (((word & LOW) * n) >> S32)


@jit()
def resolve(proposal, cell):
    """Return the id of a proposal: its column, or the column's alias if the coin says so."""
    return proposal >> S32 if (proposal & LOW) < (cell >> S32) else cell & LOW


@jit()
def alias_pick(cells, n, word):
    """Return the id that a word draws."""
    proposal = column_and_coin(word, n)
    return resolve(proposal, cells[proposal >> S32])


@jit((u64, reads(u64), i64, writes(i64)))
def alias_draw(key, cells, start, out):
    """Make draws start .. start + len(out) - 1 of a call; start is a multiple of BLOCK.

    The cells of a block are prefetched while the previous block is resolved. Its proposals are kept in `out`.
    """
    if cells.size == 0 or start < 0 or np.uint64(start) % BLOCK:
        raise ValueError("alias_draw: no cells, or start within a block")
    n, count, first = np.uint64(cells.size), np.uint64(out.size), np.uint64(start) // BLOCK
    for block in range((count + BLOCK - ONE) // BLOCK + ONE):
        at = block * BLOCK
        if at < count:
            run, size = open_run(key, first + block, ZERO), min(count - at, BLOCK)
            for j in range(size):
                out[at + j] = np.int64(column_and_coin(word(run, j), n))
            for j in range(size):
                prefetch(cells, np.uint64(out[at + j]) >> S32)
        if block:
            for j in range(at - BLOCK, min(at, count)):
                proposal = np.uint64(out[j])
                out[j] = np.int64(resolve(proposal, cells[proposal >> S32]))
