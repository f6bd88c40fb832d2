"""Rows grouped by class: a counting sort."""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import i64, jit, reads, u32, writes


@jit((reads(i64), i64, reads(i64), writes(i64), writes(u32)))
def class_group(codes, first, ends, places, rows):
    """Append rows first, first + 1, .. to the rows of their classes.

    The next row of class c goes to places[c], which grows up to ends[c]. Return how many were appended. These
    are all, unless a class has more rows than were counted, because another thread changes the classes.
    """
    good = places.size == ends.size and first >= 0
    for c in range(ends.size if good else 0):
        good &= places[c] >= 0 and ends[c] <= rows.size
    if not good:
        raise ValueError("class_group: shapes differ, or places outside rows")
    for i in range(codes.size):
        c = codes[i]
        if c < 0 or c >= ends.size or places[c] >= ends[c]:
            return i
        at = np.uint64(places[np.uint64(c)])
        rows[at] = np.uint32(first + i)
        places[np.uint64(c)] += 1
    return codes.size
