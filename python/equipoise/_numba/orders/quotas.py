"""Rows of each class in each batch: the floor or the ceiling of the class's share.

A running total is always less than a row off. This is PD2 (Anderson and Srinivasan 2004), which schedules
tasks of given rates on several processors: a class is a task, a batch a time slot, and the rows that the
floors leave over are the processors.
"""

from __future__ import annotations

from collections import namedtuple

from equipoise._numba._jit import i64, jit, reads, record, writes

UNITS = 1 << 52  # units of a row: a class's share of a batch is a number of units

# What a batch owes to the classes: the whole rows of each one's share, and the units of the rest, below
# UNITS. The rests add up to `left` rows.
Shares = namedtuple("Shares", "whole, rest, left")

# The next leftover row of each class: the batch before which it must come, and what decides if these are
# equal.
Deadlines = namedtuple("Deadlines", "batch, tie")


@jit()
def ceil_of(x, y):
    """Return the ceiling of x / y for x > -y, y > 0."""
    return (x - 1) // y + 1 if x > 0 else 0


@jit()
def set_deadline(rest, lag, now, next, c):
    """Find the deadline of a class that is owed `lag` units before batch `now`."""
    after, spare = ceil_of(UNITS - lag, rest), UNITS - rest
    group = 0
    if 2 * rest >= UNITS:  # a heavy class: the batch by which a series of tight deadlines ends
        holes = ceil_of(after * spare - lag, UNITS)
        group = now + ceil_of(lag + holes * UNITS, spare)
    next.batch[c] = now + after
    next.tie[c] = -1 - group if (UNITS - lag) % rest != 0 else 0


@jit()
def sooner(next, c, d):
    """Return whether class c comes before class d."""
    if next.batch[c] != next.batch[d]:
        return next.batch[c] < next.batch[d]
    return next.tie[c] < next.tie[d] if next.tie[c] != next.tie[d] else c < d


@jit()
def sift(next, heap, size, at):
    """Move the class at a place of a heap down, until no class below it comes after it."""
    c = heap[at]
    child = 2 * at + 1
    while child < size:
        if child + 1 < size and sooner(next, heap[child], heap[child + 1]):
            child += 1
        if not sooner(next, c, heap[child]):
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = c


@jit()
def choose(lags, shares, next, chosen):
    """Choose the `left` classes with the first deadlines among those that are owed units.

    `chosen` is a heap with the last deadline on top once it is full. Return how many there are.
    """
    size = 0
    for c in range(lags.size):
        if lags[c] <= 0:
            continue
        if size < shares.left:
            chosen[size] = c
            size += 1
            if size == shares.left:
                for i in range(size // 2):
                    sift(next, chosen, size, size // 2 - 1 - i)
        elif size > 0 and sooner(next, c, chosen[0]):
            chosen[0] = c
            sift(next, chosen, size, 0)
    return size


@jit(
    (i64, record(Shares, reads(i64), reads(i64), i64), writes(i64), writes(i64), writes(i64), writes(i64, 2))
)
def class_quotas(batches, shares, lags, totals, scratch, out):
    """Go on by some batches: lags and totals are those before the first one, and then those after the last.

    If `out` is not empty, it gets the totals after each batch. `scratch` has room for three numbers per
    class.
    """
    count = shares.rest.size
    good = shares.whole.size == count and 0 <= shares.left <= count
    for c in range(count):
        good &= 0 <= shares.rest[c] < UNITS
    if not good:
        raise ValueError("shares: shapes differ, or a rest outside [0, 2^52)")
    fits = out.size == 0 or (out.shape[0] == batches and out.shape[1] == count)
    if batches < 0 or lags.size != count or totals.size != count or scratch.size < 3 * count or not fits:
        raise ValueError("class_quotas: shapes differ")
    for c in range(count):
        good &= -UNITS < lags[c] < UNITS and (shares.rest[c] > 0 or lags[c] == 0)
    if not good:
        raise ValueError("class_quotas: a lag of a row or more, or of a class without a rest")
    next, chosen = Deadlines(scratch[:count], scratch[count : 2 * count]), scratch[2 * count :]
    for c in range(count):
        if shares.rest[c] > 0:
            set_deadline(shares.rest[c], lags[c], 0, next, c)
    for batch in range(batches):
        for c in range(count):
            lags[c] += shares.rest[c]
            totals[c] += shares.whole[c]
        for i in range(choose(lags, shares, next, chosen)):
            c = chosen[i]
            lags[c] -= UNITS
            totals[c] += 1
            set_deadline(shares.rest[c], lags[c], batch + 1, next, c)
        for c in range(count if out.size else 0):
            out[batch, c] = totals[c]
