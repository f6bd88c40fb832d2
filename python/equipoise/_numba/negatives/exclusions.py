"""What a row must not get: its ids, sorted and distinct, at ids[indptr[row]] .. ids[indptr[row + 1]]."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, i64, jit, reads, stack, u32, u64, writes
from equipoise._numba.stream.rng import ONE, ZERO

S63 = np.uint64(63)
SHORT = 16  # ids that are sorted by insertion
LOCKSTEP = np.uint64(8)  # searches that go on at once


@jit()
def if_less(a, b, x):
    """x where a < b, else 0, by the borrow of a - b: a comparison would become an unpredictable branch."""
    return x & (ZERO - (((~a & b) | ((~a | b) & (a - b))) >> S63))


@jit()
def rank_of(ids, start, n, x):
    """How many of the n sorted ids from start on are below x. No branch depends on the data."""
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
    rank = rank_of(ids, start, n, x)
    return rank < n and np.uint64(ids[start + rank]) == x


# Everything that a slot of one row cannot give: num_excluded ids of excluded, from start on, and num_more of
# room, from more on: its exclude_ids and earlier picks, sorted too. A uniform table keeps of the latter the
# position among the ids that are not excluded. left = units of all other ids.
Blocked = namedtuple("Blocked", "excluded, start, num_excluded, room, more, num_more, left")


@jit()
def has(blocked, id):
    return contains(blocked.excluded, blocked.start, blocked.num_excluded, id) or (
        blocked.num_more != ZERO and contains(blocked.room, blocked.more, blocked.num_more, id)
    )


@jit()
def add(blocked, id, units):
    excluded, start, num_excluded, room, more, num_more, left = blocked
    at = more + num_more
    while at > more and room[at - ONE] > id:
        room[at] = room[at - ONE]
        at -= ONE
    room[at] = id
    return Blocked(excluded, start, num_excluded, room, more, num_more + ONE, left - units)


@jit()
def scan_slots(excluded, start, n, ids, at, k, hits):
    """hits[j] = 1 where ids[j] is one of the excluded, else 0, for the k slots from at on.

    A slot is compared with sixteen ids at once: for the few dozen ids of most rows that beats a search.
    """
    for j in range(at, at + k):
        id, hit = ids[j], np.uint32(0)
        for i in range(start, start + n):
            hit |= np.uint32(excluded[i] == id)
        hits[j] = hit


@jit()
def sort(ids, start, end, room):
    """Short runs by insertion, then merged through room: n log n steps whatever the order."""
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
    """Sorts every row and drops its duplicates, in place; indptr is rewritten. Returns how many ids stay."""
    if indptr.size == 0:
        raise ValueError("exclusion_sort: empty indptr")
    if indptr[0] != 0 or indptr[indptr.size - 1] != ids.size:
        raise ValueError("exclusion_sort: indptr does not end at the ids")
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
    """Units of each row's ids."""
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
    """rank_of for up to LOCKSTEP of the wanted at once: a search alone waits for each of its loads."""
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


@jit((reads(i64), reads(u32), reads(i64), reads(i64), reads(i64), writes(b1, 2)))
def exclusion_hits(indptr, ids, rows, candidates, order, out):
    """out[b, order[c]] = candidate c is an id of rows[b].

    Candidates are sorted, order tells where they stood. The shorter list is looked up in the longer.
    """
    if candidates.size != order.size or rows.size * order.size != out.size:
        raise ValueError("exclusion_hits: shapes differ")
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
