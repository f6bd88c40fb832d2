"""The smallest ranks of each class, with their threshold: what a reservoir keeps of its candidates."""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import f64, i64, jit, reads, u64, writes
from equipoise._numba.stream.elementary import bits_of
from equipoise._numba.stream.rng import GOLDEN, ONE, S64, TWO, ZERO

LARGEST_ID = np.int64(2**63 - 1)
SIX, LAST = np.uint64(6), np.uint64(63)


@jit()
def nth_smallest(a, begin, end, nth):
    """a[nth] becomes what it would be if begin .. end were sorted, with nothing smaller behind it."""
    low, high = begin, end - 1
    while low < high:
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


@jit()
def nth_of(a, nth, room):
    """The value, while a stays as it is."""
    for i in range(a.size):
        room[i] = a[i]
    nth_smallest(room, 0, a.size, nth)
    return room[nth]


@jit()
def select_ranks(ranks, quota, thresholds, room, keep):
    """Of rows without classes the ranks up to the threshold, which becomes that of the quota's last.

    They are more than the quota where ranks are equal.
    """
    if ranks.size >= quota:
        thresholds[0] = min(thresholds[0], nth_of(ranks, quota - 1, room))
    last, kept = thresholds[0], 0
    for i in range(ranks.size):
        keep[kept] = i
        kept += ranks[i] <= last
    return kept


@jit(
    (
        reads(i64), reads(f64), reads(i64), reads(i64), writes(f64),
        writes(i64), writes(f64), writes(i64),
    )
)  # fmt: skip
def reservoir_select(classes, ranks, ids, quotas, thresholds, scratch, sorted, keep):
    """Keeps the quota[c] smallest (rank, id) of each class c, in their order here, and lowers thresholds[c].

    The threshold becomes the last of them; a class that has fewer stays as it is. Without classes all are of
    class 0.
    """
    count, num_classes = ids.size, quotas.size
    if (
        ranks.size != count
        or (classes.size and classes.size != count)
        or keep.size < count
        or sorted.size < count
        or scratch.size < count + 2 * num_classes
        or thresholds.size != num_classes
        or num_classes == 0
    ):
        raise ValueError("reservoir_select: shapes differ")
    for i in range(classes.size):
        if not 0 <= classes[i] < num_classes:
            raise ValueError("reservoir_select: a class without a quota")
    if not classes.size and quotas[0] > 0:
        some = select_ranks(ranks, quotas[0], thresholds, sorted, keep)
        if some <= quotas[0]:
            return np.int64(some)
    begins, last_ids = scratch[:num_classes], scratch[num_classes : 2 * num_classes]
    order = scratch[2 * num_classes :]
    begins[0] = 0
    if classes.size:
        for c in range(num_classes):
            begins[c] = 0
        for i in range(count):
            begins[classes[i]] += 1
        for c in range(1, num_classes):
            begins[c] += begins[c - 1]
        for i in range(count - 1, -1, -1):
            c = classes[i]
            begins[c] -= 1
            order[begins[c]] = i
            sorted[begins[c]] = ranks[i]
    else:
        for i in range(count):
            sorted[i] = ranks[i]
    for c in range(num_classes):
        begin, quota = begins[c], quotas[c]
        end = begins[c + 1] if c + 1 < num_classes else np.int64(count)
        last_ids[c] = LARGEST_ID
        if end - begin < quota or quota == 0:
            continue
        nth_smallest(sorted, begin, end, begin + quota - 1)
        last = sorted[begin + quota - 1]
        thresholds[c] = min(thresholds[c], last)
        same = more = 0
        for i in range(begin, begin + quota):
            same += sorted[i] == last
        for i in range(begin + quota, end):
            more += sorted[i] == last
        if more == 0:
            continue
        tied = begin  # of equal ranks the smaller ids stay
        for i in range(begin, end):
            at = order[i] if classes.size else i
            if ranks[at] == last:
                order[tied] = ids[at]
                tied += 1
        nth_smallest(order, begin, tied, begin + same - 1)
        if thresholds[c] == last:
            last_ids[c] = order[begin + same - 1]
    kept = 0
    for i in range(count):
        at = classes[i] if classes.size else np.int64(0)
        if quotas[at] > 0 and (
            ranks[i] < thresholds[at] or (ranks[i] == thresholds[at] and ids[i] <= last_ids[at])
        ):
            keep[kept] = i
            kept += 1
    return np.int64(kept)


@jit()
def hash(rank):
    return bits_of(rank + 0.0) * GOLDEN


@jit((reads(f64), reads(i64), writes(u64), writes(f64)))
def reservoir_equal(ranks, rows, seen, room):
    """Whether two of these ranks are equal, or so many may be that it is worth a closer look.

    seen: 2^k words, two at least and half as many as ranks; room: for as many as there are.
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
    # A bit for a hash: whose bit is set already may be equal to another.
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
    # With these go those that came first.
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
    for i in range(words):
        seen[i] = ZERO
    for i in range(found):
        same = ~bits_of(room[i] + 0.0)  # 0, a free place, would be no number
        at = hash(room[i]) >> shift
        while seen[at] != ZERO:
            if seen[at] == same:
                return True
            at = (at + ONE) & (words - ONE)
        seen[at] = same
    return False
