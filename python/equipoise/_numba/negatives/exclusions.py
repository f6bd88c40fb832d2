"""Exclusions: the ids that a row must not get."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, i64, jit, reads, record, stack, u32, u64, writes
from equipoise._numba.stream.rng import ONE, ZERO

S63 = np.uint64(63)
SHORT = 16  # ids in a run that is sorted by insertion
LOCKSTEP = np.uint64(8)  # searches done at once

# The exclusions of all rows. Row r has ids[indptr[r]] .. ids[indptr[r + 1] - 1], sorted and distinct. `units`
# holds the sum of the units of each row's ids; it is empty for a uniform table, where it is their count. If
# indptr is empty, nothing is excluded.
Exclusions = namedtuple("Exclusions", "indptr, ids, units")
EXCLUSIONS = record(Exclusions, reads(i64), reads(u32), reads(u64))


@jit()
def check_exclusions(exclusions):
    """Reject a record whose arrays do not fit together."""
    if exclusions.units.size != 0 and exclusions.units.size + 1 != exclusions.indptr.size:
        raise ValueError("exclusions: indptr and units differ")


@jit()
def if_less(a, b, x):
    """Return x if a < b, else 0, computed from the borrow of a - b.

    A comparison would become a branch that cannot be predicted.
    """
    return x & (ZERO - (((~a & b) | ((~a | b) & (a - b))) >> S63))


@jit()
def rank_of(ids, start, n, x):
    """Return how many of the n sorted ids from `start` on are below x, without a branch on the data."""
    base = start
    while n > ONE:
        half = n >> ONE
        base += if_less(np.uint64(ids[base + half - ONE]), x, half)
        n -= half
    if n:
        base += if_less(np.uint64(ids[base]), x, ONE)
    return base - start


@jit()
def contains(ids, start, n, x):
    """Return whether the sorted ids from `start` on, `n` of them, contain x."""
    rank = rank_of(ids, start, n, x)
    return rank < n and np.uint64(ids[start + rank]) == x


# The ids that a slot of a row cannot get: `num_excluded` ids of `excluded` from `start` on, and `num_more` of
# `room` from `more` on, which are its exclude_ids and earlier picks. Both are sorted. With a uniform table,
# the latter are not ids but positions among the ids that are not excluded. `left` is the sum of the units of
# all other ids.
Blocked = namedtuple("Blocked", "excluded, start, num_excluded, room, more, num_more, left")


@jit()
def has(blocked, id):
    """Return whether a row must not get an id."""
    return contains(blocked.excluded, blocked.start, blocked.num_excluded, id) or (
        blocked.num_more != ZERO and contains(blocked.room, blocked.more, blocked.num_more, id)
    )


@jit()
def add(blocked, id, units):
    """Block one more id, which has the given units, and return the new `Blocked`."""
    excluded, start, num_excluded, room, more, num_more, left = blocked
    at = more + num_more
    while at > more and room[at - ONE] > id:
        room[at] = room[at - ONE]
        at -= ONE
    room[at] = id
    return Blocked(excluded, start, num_excluded, room, more, num_more + ONE, left - units)


@jit()
def scan_slots(excluded, start, n, ids, at, k, hits):
    """Set hits[j] to 1 if ids[j] is excluded, else to 0, for the k slots from `at` on.

    A slot is compared with sixteen ids at once. Most rows exclude a few dozen ids, and for those this is
    faster than a search.
    """
    for j in range(at, at + k):
        id, hit = ids[j], np.uint32(0)
        for i in range(start, start + n):
            hit |= np.uint32(excluded[i] == id)
        hits[j] = hit


@jit()
def sort(ids, start, end, room):
    """Sort short runs by insertion, then merge them through `room`: n log n steps in every case."""
    for at in range(start, end, SHORT):
        for i in range(at + 1, min(at + SHORT, end)):
            x, j = ids[i], i
            while j > at and ids[j - 1] > x:
                ids[j] = ids[j - 1]
                j -= 1
            ids[j] = x
    width = SHORT
    while width < end - start:
        for at in range(start, end - width, 2 * width):
            left, right, to, stop = 0, at + width, at, min(at + 2 * width, end)
            for i in range(width):
                room[i] = ids[at + i]
            while left < width and right < stop:
                first = room[left] <= ids[right]
                ids[to] = room[left] if first else ids[right]
                left += first
                right += not first
                to += 1
            for i in range(left, width):
                ids[to + i - left] = room[i]
        width *= 2


@jit((writes(i64), writes(u32)), allocates=True)
def exclusion_sort(indptr, ids):
    """Sort each row and drop its duplicates, in place, and update indptr. Return the number of ids kept."""
    if indptr.size == 0:
        raise ValueError("exclusion_sort: empty indptr")
    if indptr[0] != 0 or indptr[indptr.size - 1] != ids.size:
        raise ValueError("exclusion_sort: indptr does not end at the number of ids")
    rows, longest = np.uint64(indptr.size - 1), 0
    for row in range(rows):
        longest = max(longest, indptr[row + ONE] - indptr[row])
    room = np.empty(longest, np.uint32)
    kept, start = ZERO, ZERO
    for row in range(rows):
        end = np.uint64(indptr[row + ONE])
        for i in range(start + ONE, end):
            if ids[i] < ids[i - ONE]:
                sort(ids, np.int64(start), np.int64(end), room)
                break
        for i in range(start, end):
            if i == start or ids[i] != ids[kept - ONE]:
                ids[kept] = ids[i]
                kept += ONE
        indptr[row + ONE] = np.int64(kept)
        start = end
    return np.int64(kept)


@jit((reads(i64), reads(u32), reads(u64), writes(u64)))
def exclusion_units(indptr, ids, units, sums):
    """Sum the units of each row's ids."""
    if indptr.size != sums.size + 1:
        raise ValueError("exclusion_units: shapes differ")
    for row in range(np.uint64(sums.size)):
        total = ZERO
        for i in range(np.uint64(indptr[row]), np.uint64(indptr[row + ONE])):
            total += units[np.uint64(ids[i])]
        sums[row] = total


stack_ranks = stack(u64, int(LOCKSTEP))


@jit()
def ranks_of(ids, n, wanted, start, count, ranks):
    """Compute rank_of for up to LOCKSTEP ids of `wanted` at once.

    A single search would wait for each of its loads.
    """
    for s in range(LOCKSTEP):
        ranks[s] = ZERO
    while n > ONE:
        half = n >> ONE
        for s in range(LOCKSTEP):
            x = np.uint64(wanted[start + (s if s < count else ZERO)])
            ranks[s] += if_less(np.uint64(ids[ranks[s] + half - ONE]), x, half)
        n -= half
    if n:
        for s in range(count):
            ranks[s] += if_less(np.uint64(ids[ranks[s]]), np.uint64(wanted[start + s]), ONE)


@jit((EXCLUSIONS, reads(i64), reads(i64), reads(i64), writes(b1, 2)))
def exclusion_hits(exclusions, rows, candidates, order, out):
    """Set out[b, order[c]] to whether candidates[c] is excluded for rows[b].

    The candidates are sorted, and order[c] is where candidate c stood before. The shorter list is looked up
    in the longer one.
    """
    if candidates.size != order.size or rows.size * order.size != out.size:
        raise ValueError("exclusion_hits: shapes differ")
    check_exclusions(exclusions)
    indptr, ids = exclusions.indptr, exclusions.ids
    if indptr.size == 0 and rows.size != 0:
        raise ValueError("exclusion_hits: empty indptr")
    count, ranks = np.uint64(candidates.size), stack_ranks()
    out[:] = False
    for b in range(np.uint64(rows.size)):
        row = np.uint64(rows[b])
        start = np.uint64(indptr[row])
        size = np.uint64(indptr[row + ONE]) - start
        if size < count:
            for i in range(start, start + size, LOCKSTEP):
                some = min(LOCKSTEP, start + size - i)
                ranks_of(candidates, count, ids, i, some, ranks)
                for s in range(some):
                    id, c = np.uint64(ids[i + s]), ranks[s]
                    while c < count and np.uint64(candidates[c]) == id:
                        out[b, np.uint64(order[c])] = True
                        c += ONE
        else:
            for k in range(count):
                out[b, np.uint64(order[k])] = contains(ids, start, size, np.uint64(candidates[k]))
