"""Prepare the points of a neighbor search: rows in blocks, stored relative to their block's center.

rows in kd-tree order:        | block 0: 128 rows | block 1 | block 2 | ...
each block has:               a center, a radius and a bounding box
its rows, minus the center:   | panel 0: 32 rows, column by column | panel 1 | panel 2 | panel 3 |
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f32, f64, i32, i64, jit, reads, record, writes

LEAF, PANEL = 128, 32
FAR = np.float32(np.inf)


# Rows of numbers and of category codes. Each code that differs adds `mismatch` to a squared distance. Numbers
# are multiplied by `scale`, which is 1 unless squares would leave the range of float64, and for candidates by
# `candidate_scale`, which brings the largest number to about 1. Both are powers of two.
Points = namedtuple("Points", "x, codes, scale, candidate_scale, mismatch")
Blocks = namedtuple("Blocks", "order, panels, half_sq_norms, centers, box_lows, box_highs, radii, first_rows")


def points_record(real):
    """Return the type of a `Points` argument."""
    return record(Points, reads(real, 2), reads(i32, 2), f64, f64, f64)


def blocks_record(access):
    """Return the type of a `Blocks` argument, where `access` is `reads` or `writes`; `order` is only read."""
    doubles = (access(f64),) * 4
    return record(Blocks, reads(i64), access(f32), access(f32), *doubles, access(i64))


@jit()
def check_points(points):
    """Require codes for each row."""
    if points.codes.shape[0] != points.x.shape[0]:
        raise ValueError("points: shapes differ")


@jit()
def check_blocks(blocks, n, d):
    """Require blocks of n points in d columns."""
    count = blocks.first_rows.size
    if (
        blocks.order.size != n
        or count != (n + LEAF - 1) // LEAF
        or blocks.panels.size != count * LEAF * d
        or blocks.half_sq_norms.size != count * LEAF
        or blocks.centers.size != count * d
        or blocks.box_lows.size != count * d
        or blocks.box_highs.size != count * d
        or blocks.radii.size != count
    ):
        raise ValueError("blocks: shapes differ")


@jit()
def knn_unit(d):
    """Return e, the relative rounding error of a float32 squared distance.

    It is relative to the square of the sum of all the lengths involved. Computing each of the products u.v,
    v.y and u.y and adding it to the rest loses d units in the last place, together less than
    d (|y|^2 + 2 |u| |y| + 4 |v| |y| + 2 |u| |v|). Bounding boxes lose 2 sqrt(d), and the roundings before
    and after about ten more.
    """
    return np.float64(2 * d + 32) * 2.0**-24


@jit()
def before(x, i, y, j):
    """Tell whether (x, i) comes before (y, j)."""
    return x < y or (x == y and i < j)


@jit()
def nth_smallest(values, rows, begin, end, nth):
    """Put the (value, row) at position `nth` that sorting would put there, and no smaller one behind it."""
    low, high = begin, end - 1
    while low < high:
        middle = low + (high - low) // 2
        # The pivot is the median of three.
        a, b, c = low, middle, high
        if before(values[b], rows[b], values[a], rows[a]):
            a, b = b, a
        if before(values[c], rows[c], values[b], rows[b]):
            b = a if before(values[c], rows[c], values[a], rows[a]) else c
        pivot, of_row = values[b], rows[b]
        i, j = low, high
        while i <= j:
            while before(values[i], rows[i], pivot, of_row):
                i += 1
            while before(pivot, of_row, values[j], rows[j]):
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                rows[i], rows[j] = rows[j], rows[i]
                i += 1
                j -= 1
        if nth <= j:
            high = j
        elif nth >= i:
            low = i
        else:
            return


@jit()
def knn_ordered(value):
    """Return a value, or 0 in the place of NaN.

    X was checked, but another thread may have overwritten it since, and partial sorts need an order.
    """
    return np.float64(0.0) if np.isnan(value) else value


@jit()
def widest_column(x, order, begin, end):
    """Return the column of the largest variance among order[begin : end], estimated from up to 64 rows."""
    step = (end - begin + 63) // 64
    column, largest = 0, -1.0
    for j in range(x.shape[1]):
        origin = np.float64(x[order[begin], j])
        total = squares = seen = 0.0
        for i in range(begin, end, step):
            value = np.float64(x[order[i], j]) - origin
            total += value
            squares += value * value
            seen += 1.0
        variance = squares - total * total / seen
        if variance > largest:
            largest, column = variance, j
    return column


@jit(
    (reads(f32, 2), i64, i64, i64, writes(i64)),
    (reads(f64, 2), i64, i64, i64, writes(i64)),
    allocates=True,
)
def knn_split(x, begin, end, max_points, order):
    """Reorder rows order[begin : end] as a kd-tree does.

    They are halved along the column of the largest variance until no piece has more than `max_points` rows.
    Pieces are cut at whole blocks. Equal values are ordered by row, so that equal rows keep the order of
    their indices.
    """
    if order.size != x.shape[0] or begin < 0 or begin > end or end > x.shape[0]:
        raise ValueError("knn_split: shapes differ")
    d = x.shape[1]
    values, rows = np.empty(end - begin, x.dtype), np.empty(end - begin, np.int64)
    begins, ends = np.empty(64, np.int64), np.empty(64, np.int64)
    begins[0], ends[0] = begin, end
    waiting = 1
    while waiting > 0:
        waiting -= 1
        first, last = begins[waiting], ends[waiting]
        size = last - first
        if size <= max(LEAF, max_points):
            continue
        column = widest_column(x, order, first, last)
        for i in range(size):
            rows[i] = order[first + i]
            values[i] = knn_ordered(x[rows[i], column]) if d else 0.0
        half = ((size + LEAF - 1) // LEAF + 1) // 2 * LEAF
        nth_smallest(values, rows, 0, size, half)
        for i in range(size):
            order[first + i] = rows[i]
        begins[waiting], ends[waiting] = first + half, last
        begins[waiting + 1], ends[waiting + 1] = first, first + half
        waiting += 2


@jit()
def knn_middle(x, column, rows, first, size, candidate_scale, total, low, high, values, places):
    """Return a center for one column of rows[first : first + size].

    It is the mean, computed from `total`, or the median if outliers have moved the mean. Every 16th row is
    checked to see whether they have. Rounding errors grow with the distance from the center.
    """
    least = most = np.float64(x[rows[first], column]) * candidate_scale
    for i in range(16, size, 16):
        value = np.float64(x[rows[first + i], column]) * candidate_scale
        least, most = min(least, value), max(most, value)
    if high - low <= 4.0 * (most - least):
        return total / size
    for i in range(size):
        values[i], places[i] = knn_ordered(np.float64(x[rows[first + i], column]) * candidate_scale), i
    nth_smallest(values, places, 0, size, size // 2)
    return values[size // 2]


@jit(
    (reads(f32, 2), f64, i64, i64, blocks_record(writes)),
    (reads(f64, 2), f64, i64, i64, blocks_record(writes)),
    allocates=True,
)
def knn_pack(x, candidate_scale, begin, end, blocks):
    """Fill blocks begin .. end - 1 with what the search reads of them."""
    (n, d), count, order = x.shape, blocks.first_rows.size, blocks.order
    check_blocks(blocks, n, d)
    if begin < 0 or begin > end or end > count:
        raise ValueError("knn_pack: no such blocks")
    center, low, high = np.empty(d), np.empty(d), np.empty(d)
    values, places = np.empty(LEAF), np.empty(LEAF, np.int64)
    for b in range(begin, end):
        size = min(LEAF, n - b * LEAF)
        smallest = order[b * LEAF]
        for j in range(d):
            center[j] = 0.0
        for i in range(size):
            row = order[b * LEAF + i]
            smallest = min(smallest, row)
            for j in range(d):
                value = np.float64(x[row, j]) * candidate_scale
                center[j] += value
                low[j] = min(low[j], value) if i else value
                high[j] = max(high[j], value) if i else value
        for i in range(b * LEAF * d, (b + 1) * LEAF * d):
            blocks.panels[i] = 0.0
        for j in range(d):
            center[j] = knn_middle(
                x, j, order, b * LEAF, size, candidate_scale, center[j], low[j], high[j], values, places
            )
            blocks.centers[j * count + b] = center[j]
            blocks.box_lows[j * count + b], blocks.box_highs[j * count + b] = low[j], high[j]
        blocks.first_rows[b] = smallest
        radius = 0.0
        for i in range(LEAF):
            norm = 0.0
            if i < size:
                row = order[b * LEAF + i]
                for j in range(d):
                    value = np.float64(x[row, j]) * candidate_scale - center[j]
                    norm += value * value
                    blocks.panels[b * LEAF * d + (i // PANEL * d + j) * PANEL + i % PANEL] = value
            radius = max(radius, norm)
            blocks.half_sq_norms[b * LEAF + i] = norm * (0.5 - knn_unit(d)) if i < size else np.inf
        blocks.radii[b] = math.sqrt(radius)
