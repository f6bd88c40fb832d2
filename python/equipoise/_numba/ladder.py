"""A threshold that falls while rows are read: ranks are counted by their leading bits, 64 steps to a power of
two, and no row above the step on which the quota is reached can be among the smallest.

counts   | 7 | 0 | 3 | 41 | 87 | ..    the threshold is the end of the step where these sums reach the quota;
ranks    all small ..       large      a rank that is not counted makes it fall later, not too far
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import f64, i64, jit, reads, writes
from equipoise._numba.elementary import bits_of, from_bits

STEPS = 1024
S46, ONE = np.uint64(46), np.uint64(1)
INFINITE = np.uint64(0x7FF0000000000000)


@jit()
def place(counts, rank):
    """Ranks above the last step, of somebody who knew no better, may count there."""
    return min(max(np.int64(bits_of(rank) >> S46) - counts[STEPS], np.int64(0)), np.int64(STEPS - 1))


@jit()
def end(step):
    """The largest number of a step."""
    bits = (np.uint64(step + 1) << S46) - ONE
    return from_bits(bits) if bits < INFINITE else np.inf


@jit()
def climb(counts, threshold):
    """The threshold's place, and how many are up to there."""
    top = reached = np.int64(0)
    if counts.size:
        top = place(counts, threshold)
        for i in range(top + 1):
            reached += counts[i]
    return top, reached


@jit()
def add(counts, top, reached, rank):
    at = place(counts, rank)
    counts[at] += 1
    return reached + np.int64(at <= top)


@jit()
def lowered(counts, quota, top, reached, threshold):
    """Of all that was counted: the threshold's place, how many are up to there, and the threshold."""
    if reached >= quota:
        while reached - counts[top] >= quota:
            reached -= counts[top]
            top -= 1
        threshold = min(threshold, end(counts[STEPS] + top))
    return top, reached, threshold


@jit((reads(f64), writes(i64), i64, f64))
def ladder_count(ranks, steps, quota, threshold):
    """Counts ranks, and lowers the threshold."""
    if steps.size != STEPS + 1 or quota <= 0 or not threshold >= 0.0:
        raise ValueError("ladder_count: shapes differ")
    for i in range(ranks.size):
        if not ranks[i] >= 0.0:
            raise ValueError("ladder_count: a rank below 0")
    top, reached = climb(steps, threshold)
    for i in range(ranks.size):
        reached = add(steps, top, reached, ranks[i])
    return lowered(steps, quota, top, reached, threshold)[2]
