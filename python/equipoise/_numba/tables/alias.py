"""The alias table (Walker 1974, Vose 1991), in whole units.

2^32 units a cell     +----+----+----+----+        a cell = threshold (high 32 bits), alias (low 32 bits)
                      | 3  | 0  |    | 0  |        coin <  threshold: the column itself
threshold ----------> +----+    | 2  +----+        coin >= threshold: its alias
                      | 0  | 1  |    | 3  |
                      +----+----+----+----+
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import i64, jit, reads, stack, u64, writes
from equipoise._numba.stream.rng import BLOCK, LOW, ONE, S32, ZERO, open_run, prefetch, word
from equipoise._numba.tables.units import CELL


@jit((reads(u64), writes(u64)))
def alias_build(units, cells):
    """Build the table in one sweep with two indices (Huebschle-Schneider and Sanders 2022).

    The heavy id at the second index fills up the cells of light ids. Return whether the units add up to n *
    2^32. If they do not, the sweep ends early and some cells are missing, but it never leaves the table.
    """
    if units.size != cells.size:
        raise ValueError("alias_build: shapes differ")
    n, light, heavy = np.uint64(units.size), ZERO, ZERO
    while light < n and units[light] >= CELL:
        light += ONE
    while heavy < n and units[heavy] < CELL:
        heavy += ONE
    if heavy == n:
        return False
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
            if after == n:
                return False
            cells[heavy] = (rest << S32) | after
            rest += units[after] - CELL
            heavy = after
    whole = rest == CELL
    cells[heavy] = heavy
    for id in range(heavy + ONE, n):
        if units[id] >= CELL:
            cells[id] = id
            whole &= units[id] == CELL
    return whole


@jit((reads(u64), reads(u64)))
def alias_check(units, cells):
    """Return whether draws stay inside the table.

    Each alias is below n, and the units add up to n * 2^32. This is one pass at the speed of memory, and does
    not compare the cells with the units.
    """
    if units.size != cells.size:
        raise ValueError("alias_check: shapes differ")
    n, high, low, outside = np.uint64(units.size), ZERO, ZERO, False
    for i in range(n):
        high += units[i] >> S32
        low += units[i] & LOW
        outside |= (cells[i] & LOW) >= n
    return not outside and low & LOW == ZERO and high + (low >> S32) == n


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


stack_proposals = stack(u64, 2 * int(BLOCK))


@jit((u64, reads(u64), i64, writes(i64)))
def alias_draw(key, cells, start, out):
    """Make draws start .. start + len(out) - 1 of a call; start is a multiple of BLOCK.

    The cells of a block are prefetched while the previous block is resolved. Its proposals wait in a buffer
    of the kernel, since other threads of the caller may write to `out`.
    """
    if cells.size == 0 or start < 0 or np.uint64(start) % BLOCK:
        raise ValueError("alias_draw: no cells, or start within a block")
    n, count, first = np.uint64(cells.size), np.uint64(out.size), np.uint64(start) // BLOCK
    proposals = stack_proposals()
    for block in range((count + BLOCK - ONE) // BLOCK + ONE):
        at, room = block * BLOCK, (block & ONE) * BLOCK
        if at < count:
            run = open_run(key, first + block, ZERO)
            for j in range(BLOCK):
                proposals[room + j] = column_and_coin(word(run, j), n)
            for j in range(BLOCK):
                prefetch(cells, proposals[room + j] >> S32)
        if block:
            before, room = at - BLOCK, BLOCK - room
            for j in range(min(count - before, BLOCK)):
                proposal = proposals[room + j]
                out[before + j] = np.int64(resolve(proposal, cells[proposal >> S32]))
