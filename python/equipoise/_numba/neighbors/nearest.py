"""Keep the nearest rows found so far for each query.

They are candidates with bounds on their distances, which are ranked by exact distances in the end.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import jit
from equipoise._numba.neighbors.blocks import FAR, nth_smallest

ZERO = np.float32(0.0)
FEW = 10  # up to this k, the upper bounds are sorted; more of them form a heap


# The candidates of each query and its k smallest upper bounds on squared distances. `sizes` counts the
# candidates and `known` the bounds. A bar is the k-th bound: rows farther than this are not wanted. Rows from
# a tie on are not wanted either: the tie is the k-th row if the bar is 0, else n.
Nearest = namedtuple("Nearest", "lows, rows, bounds, sizes, known, bars, ties")


@jit()
def knn_distance(a, i, b, j, d, scale):
    """Return the squared distance by its definition: four partial sums, each in the order of its columns."""
    s0 = s1 = s2 = s3 = 0.0
    whole = d - d % 4
    for c in range(0, whole, 4):
        g0 = np.float64(a[i, c]) * scale - np.float64(b[j, c]) * scale
        g1 = np.float64(a[i, c + 1]) * scale - np.float64(b[j, c + 1]) * scale
        g2 = np.float64(a[i, c + 2]) * scale - np.float64(b[j, c + 2]) * scale
        g3 = np.float64(a[i, c + 3]) * scale - np.float64(b[j, c + 3]) * scale
        s0 += g0 * g0
        s1 += g1 * g1
        s2 += g2 * g2
        s3 += g3 * g3
    if whole < d:
        g0 = np.float64(a[i, whole]) * scale - np.float64(b[j, whole]) * scale
        s0 += g0 * g0
    if whole + 1 < d:
        g1 = np.float64(a[i, whole + 1]) * scale - np.float64(b[j, whole + 1]) * scale
        s1 += g1 * g1
    if whole + 2 < d:
        g2 = np.float64(a[i, whole + 2]) * scale - np.float64(b[j, whole + 2]) * scale
        s2 += g2 * g2
    return (s0 + s1) + (s2 + s3)


@jit()
def code_mismatches(a, i, b, j):
    """Return how many codes differ."""
    count = 0
    for c in range(a.shape[1]):
        count += a[i, c] != b[j, c]
    return count


@jit()
def float_above(value):
    """Round up to float32."""
    if 0.0 < value < 1e-37:  # never subnormal: some threads flush those to 0
        return np.float32(1e-37)
    rounded = np.float32(value)
    return np.nextafter(rounded, FAR) if np.float64(rounded) < value else rounded


@jit()
def float_below(value):
    """Round down to float32."""
    rounded = np.float32(value)
    return np.nextafter(rounded, -FAR) if np.float64(rounded) > value else rounded


@jit()
def sift_down(heap, i, at, size):
    """Sift the value at place `at` of the max-heap in row i of `heap` down to where it belongs."""
    value = heap[i, at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[i, child + 1] > heap[i, child]:
            child += 1
        if heap[i, child] <= value:
            break
        heap[i, at] = heap[i, child]
        at = child
    heap[i, at] = value


@jit()
def nearest_bound(nearest, i, k, high):
    """Add an upper bound to those of query i. A bound that is not below the bar changes nothing."""
    bounds, known = nearest.bounds, nearest.known[i]
    if not high < nearest.bars[i]:
        return
    if k <= FEW:
        at = k - 1
        while at > 0 and bounds[i, at - 1] > high:
            bounds[i, at] = bounds[i, at - 1]
            at -= 1
        bounds[i, at] = high
        nearest.bars[i] = bounds[i, k - 1]
        return
    if known < k:
        at = known
        while at > 0 and bounds[i, (at - 1) // 2] < high:
            bounds[i, at] = bounds[i, (at - 1) // 2]
            at = (at - 1) // 2
        bounds[i, at] = high
        nearest.known[i] = known + 1
        if known + 1 == k:
            nearest.bars[i] = bounds[i, 0]
        return
    bounds[i, 0] = high
    sift_down(bounds, i, 0, k)
    nearest.bars[i] = bounds[i, 0]


@jit()
def nearest_distance(s, i, row):
    """Return the exact squared distance between row `row` and query i.

    It is never NaN, even if another thread overwrites the numbers: sorting needs an order.
    """
    direct = knn_distance(s.queries.x, s.own[i], s.points.x, row, s.points.x.shape[1], s.points.scale)
    distance = direct if direct >= 0.0 else np.inf
    if s.points.codes.shape[1] == 0:
        return distance
    differ = code_mismatches(s.queries.codes, s.own[i], s.points.codes, row)
    return distance + s.points.mismatch * np.float64(differ)


@jit()
def nearest_rank(s, i):
    """Compute the exact distances of the remaining candidates of query i, and return how many there are."""
    nearest, count = s.nearest, 0
    for c in range(nearest.sizes[i]):
        s.ranked[count] = nearest.rows[i, c]
        count += nearest.lows[i, c] <= nearest.bars[i]
    for c in range(count):
        s.ranks[c] = nearest_distance(s, i, s.ranked[c])
    return count


@jit()
def candidate_distance(points, distance):
    """Convert a squared distance to the candidates' scale. It becomes 0 only if it is 0."""
    ratio = points.candidate_scale / points.scale
    return max(distance * ratio * ratio, 1e-300) if distance > 0.0 else 0.0


@jit()
def nearest_place(nearest, i, at, row):
    """Insert `row` among the first `at` candidates of query i, which are sorted by row."""
    while at > 0 and nearest.rows[i, at - 1] > row:
        nearest.rows[i, at] = nearest.rows[i, at - 1]
        at -= 1
    nearest.rows[i, at] = row


@jit()
def nearest_shrink(s, i, more):
    """Make room for `more` candidates of query i.

    Those beyond the bar are dropped, and if that frees too little, only the k nearest are kept.
    """
    nearest, kept = s.nearest, 0
    for c in range(nearest.sizes[i]):
        if nearest.lows[i, c] <= nearest.bars[i]:
            nearest.lows[i, kept], nearest.rows[i, kept] = nearest.lows[i, c], nearest.rows[i, c]
            kept += 1
    nearest.sizes[i] = kept
    room = nearest.lows.shape[1]
    if 4 * kept <= 3 * room and kept + more <= room:
        return
    nearest_rank(s, i)
    nth_smallest(s.ranks, s.ranked, 0, kept, s.k - 1)
    nearest.sizes[i], nearest.known[i], nearest.bars[i] = s.k, 0, FAR
    for c in range(s.k):
        nearest.bounds[i, c] = FAR
    for c in range(s.k):
        distance = candidate_distance(s.points, s.ranks[c])
        nearest.lows[i, c], nearest.rows[i, c] = float_below(distance), s.ranked[c]
        nearest_bound(nearest, i, s.k, float_above(distance))
    if nearest.bars[i] > ZERO:  # the bound of a positive distance is positive
        return
    for c in range(1, s.k):
        nearest_place(nearest, i, c, nearest.rows[i, c])
    nearest.ties[i] = nearest.rows[i, s.k - 1]


@jit()
def nearest_equal(s, i, row):
    """Offer a row to a full list of k rows at distance 0, which is sorted by row.

    It enters only at distance 0.
    """
    nearest = s.nearest
    if row < nearest.ties[i] and not nearest_distance(s, i, row) > 0.0:
        nearest_place(nearest, i, s.k - 1, row)
        nearest.ties[i] = nearest.rows[i, s.k - 1]
