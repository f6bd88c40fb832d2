"""The rows of smallest rank of each class, and their threshold: what a bottom-k sketch keeps."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f64, i64, jit, reads, record, u64, writes
from equipoise._numba.stream.elementary import bits_of
from equipoise._numba.stream.rng import GOLDEN, ONE, S64, TWO, ZERO

LARGEST_ID = np.int64(2**63 - 1)
SIX, LAST = np.uint64(6), np.uint64(63)

# The rows to select from. Without classes, there is one class.
RankedRows = namedtuple("RankedRows", "classes, ranks, ids")
RANKED_ROWS = record(RankedRows, reads(i64), reads(f64), reads(i64))


@jit()
def sift_down(a, begin, end, i):
    """Restore the heap a[begin:end], whose largest value comes first, if only a[i] may be too small."""
    while 2 * i - begin + 1 < end:
        child = 2 * i - begin + 1
        if child + 1 < end and a[child] < a[child + 1]:
            child += 1
        if not a[i] < a[child]:
            return
        a[i], a[child] = a[child], a[i]
        i = child


@jit()
def heap_sort(a, begin, end):
    """Sort a[begin:end] with at most 2 n log n comparisons, whatever the values."""
    for i in range(begin + (end - begin) // 2 - 1, begin - 1, -1):
        sift_down(a, begin, end, i)
    for last in range(end - 1, begin, -1):
        a[begin], a[last] = a[last], a[begin]
        sift_down(a, begin, last, begin)


@jit()
def nth_smallest(a, begin, end, nth):
    """Put at a[nth] the value that it would have if a[begin:end] were sorted.

    No smaller value is left behind it.
    """
    low, high = begin, end - 1
    # After 16 rounds, few values are left, unless they were chosen to make the pivots bad (McIlroy 1999).
    for _ in range(16):
        if low >= high:
            return
        middle = low + (high - low) // 2
        pivot = max(min(a[low], a[middle]), min(max(a[low], a[middle]), a[high]))
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if nth <= j:
            high = j
        elif nth >= i:
            low = i
        else:
            return
    heap_sort(a, low, high + 1)


@jit()
def nth_of(a, nth, room):
    """Return the value that a[nth] would have if `a` were sorted, without changing `a`."""
    for i in range(a.size):
        room[i] = a[i]
    nth_smallest(room, 0, a.size, nth)
    return room[nth]


@jit()
def select_ranks(ranks, quota, thresholds, room, keep):
    """Lower the threshold of rows without classes to the quota's last rank, and keep the rows up to it.

    Return their number, which is above the quota if ranks are equal.
    """
    if ranks.size >= quota:
        thresholds[0] = min(thresholds[0], nth_of(ranks, quota - 1, room))
    last, kept = thresholds[0], 0
    for i in range(ranks.size):
        keep[kept] = i
        kept += ranks[i] <= last
    return kept


@jit()
def group_rows(rows, num_classes, begins, order):
    """Write the rows to ``order`` by class, and the first place of class c to ``begins[c]``."""
    for c in range(num_classes):
        begins[c] = 0
    for i in range(rows.classes.size):
        begins[rows.classes[i]] += 1
    for c in range(1, num_classes):
        begins[c] += begins[c - 1]
    for i in range(rows.ids.size - 1, -1, -1):
        at = np.int64(i)
        if rows.classes.size:
            begins[rows.classes[i]] -= 1
            at = begins[rows.classes[i]]
        order[at] = i


@jit()
def last_tied_id(rows, order, begin, end, last, wanted):
    """Return the largest id that is kept among the rows of one class whose rank is ``last``.

    There is room for ``wanted`` of them. ``order[begin:end]`` holds the class's rows, and is overwritten.
    """
    tied = begin
    for i in range(begin, end):
        at = order[i]
        if rows.ranks[at] == last:
            order[tied] = rows.ids[at]
            tied += 1
    nth_smallest(order, begin, tied, begin + wanted - 1)
    return order[begin + wanted - 1]


@jit()
def check_select(rows, quotas, thresholds, scratch, sorted, keep):
    """Reject arrays that do not fit together."""
    count, num_classes = rows.ids.size, quotas.size
    if (
        rows.ranks.size != count
        or (rows.classes.size and rows.classes.size != count)
        or keep.size < count
        or sorted.size < count
        or scratch.size < count + 2 * num_classes
        or thresholds.size != num_classes
        or num_classes == 0
    ):
        raise ValueError("reservoir_select: shapes differ")
    for i in range(rows.classes.size):
        if not 0 <= rows.classes[i] < num_classes:
            raise ValueError("reservoir_select: a class without a quota")


@jit((RANKED_ROWS, reads(i64), writes(f64), writes(i64), writes(f64), writes(i64)))
def reservoir_select(rows, quotas, thresholds, scratch, sorted, keep):
    """Keep the ``quotas[c]`` rows of smallest (rank, id) of each class c, in their given order.

    The class's threshold is lowered to the rank of the last of them. A class that has fewer rows is left as
    it is. Return how many rows are kept.
    """
    check_select(rows, quotas, thresholds, scratch, sorted, keep)
    count, num_classes = rows.ids.size, quotas.size
    if not rows.classes.size and quotas[0] > 0:
        some = select_ranks(rows.ranks, quotas[0], thresholds, sorted, keep)
        if some <= quotas[0]:
            return np.int64(some)
    begins, last_ids = scratch[:num_classes], scratch[num_classes : 2 * num_classes]
    order = scratch[2 * num_classes :]
    group_rows(rows, num_classes, begins, order)
    for i in range(count):
        sorted[i] = rows.ranks[order[i]]
    for c in range(num_classes):
        begin, quota = begins[c], quotas[c]
        end = begins[c + 1] if c + 1 < num_classes else np.int64(count)
        last_ids[c] = LARGEST_ID
        if end - begin < quota or quota == 0:
            continue
        nth_smallest(sorted, begin, end, begin + quota - 1)
        last = sorted[begin + quota - 1]
        thresholds[c] = min(thresholds[c], last)
        below = same = 0
        for i in range(begin, end):
            below += sorted[i] < last
            same += sorted[i] == last
        if below + same == quota:
            continue
        id = last_tied_id(rows, order, begin, end, last, quota - below)  # of equal ranks, the smaller ids
        if thresholds[c] == last:
            last_ids[c] = id
    kept = 0
    for i in range(count):
        at = rows.classes[i] if rows.classes.size else np.int64(0)
        rank, last = rows.ranks[i], thresholds[at]
        if quotas[at] > 0 and (rank < last or (rank == last and rows.ids[i] <= last_ids[at])):
            keep[kept] = i
            kept += 1
    return np.int64(kept)


@jit()
def hash(rank):
    """Return a hash of a rank. -0.0 and 0.0 are equal ranks, so they have the same hash."""
    return bits_of(rank + 0.0) * GOLDEN


@jit((reads(f64), reads(i64), writes(u64), writes(f64)))
def reservoir_equal(ranks, rows, seen, room):
    """Return whether two of the ranks are equal, or so many may be that a closer look is worthwhile.

    ``seen`` has room for a power of two of words, at least two and at least half the number of ranks, and
    ``room`` for all ranks.
    """
    count, words = np.uint64(rows.size), np.uint64(seen.size)
    if room.size < count or words < TWO or words & (words - ONE) or TWO * words < count:
        raise ValueError("reservoir_equal: shapes differ")
    for i in range(count):
        if not 0 <= rows[i] < ranks.size:
            raise ValueError("reservoir_equal: no such row")
    shift, size = S64, words
    while size > ONE:
        size //= TWO
        shift -= ONE
    # Each hash has a bit. A rank whose bit is already set may be equal to an earlier one.
    for i in range(words):
        seen[i] = ZERO
    found = ZERO
    for i in range(count):
        rank = ranks[np.uint64(rows[i])]
        hashed = hash(rank)
        at, bit = hashed >> shift, ONE << (hashed >> (shift - SIX) & LAST)
        room[found] = rank
        found += np.uint64((seen[at] & bit) != ZERO)
        seen[at] |= bit
    # Then the bits of these ranks alone are set, and the earlier ranks that share them are found as well.
    for i in range(words):
        seen[i] = ZERO
    for i in range(found):
        hashed = hash(room[i])
        seen[hashed >> shift] |= ONE << (hashed >> (shift - SIX) & LAST)
    found = ZERO
    for i in range(count):
        rank = ranks[np.uint64(rows[i])]
        hashed = hash(rank)
        room[found] = rank
        found += seen[hashed >> shift] >> (hashed >> (shift - SIX) & LAST) & ONE
    if found > words // TWO:
        return True
    # The ranks that are left, about one in a hundred, are compared in a hash table.
    for i in range(words):
        seen[i] = ZERO
    for i in range(found):
        same = ~bits_of(room[i] + 0.0)  # 0, which marks a free place, would be the bits of a NaN
        at = hash(room[i]) >> shift
        while seen[at] != ZERO:
            if seen[at] == same:
                return True
            at = (at + ONE) & (words - ONE)
        seen[at] = same
    return False
