"""The rows among which neighbours are searched, made ready: in blocks, each relative to its own centre.

rows, in the order of a kd-rule:   | block 0: 128 rows | block 1 | block 2 | ..
of a block:                        a centre, a radius and a box
its rows, less its centre:         | panel 0: 32 rows, column by column | panel 1 | panel 2 | panel 3 |
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f32, f64, i64, jit, reads, writes

LEAF, PANEL = 128, 32
FAR = np.float32(np.inf)


# Values times `scale`, which is 1 unless squares would leave float64's range; for candidates times `coarse`,
# which brings the largest to 1; both are powers of two.
Points = namedtuple("Points", "x, codes, scale, coarse, mismatch")
Blocks = namedtuple("Blocks", "order, panels, halves, centres, low, high, radii, first")


@jit()
def knn_unit(d):
    """e: what float32 loses of a squared distance, as a part of the square of all lengths that are added.

    Of u.v, of v.y and of u.y, added to the rest, d units of the last place each are lost, so of the whole
    less than d (|y|^2 + 2 |u| |y| + 4 |v| |y| + 2 |u| |v|); by boxes 2 sqrt(d), and by what is rounded before
    and after some ten.
    """
    return np.float64(2 * d + 32) * 2.0**-24


@jit()
def before(x, i, y, j):
    return x < y or (x == y and i < j)


@jit()
def nth_smallest(values, rows, begin, end, nth):
    """Position nth gets the (value, row) that sorting would give it; nothing smaller is behind it."""
    low, high = begin, end - 1
    while low < high:
        middle = low + (high - low) // 2
        # The median of three as the pivot.
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


@jit(
    (reads(f32, 2), i64, i64, i64, writes(i64)),
    (reads(f64, 2), i64, i64, i64, writes(i64)),
    allocates=True,
)
def knn_split(x, begin, end, depth, order):
    """Halves of whole blocks, along the column of the largest variance (of up to 64 rows), `depth` times;
    equal values by row, so that equal rows come in the order of their indices."""
    if order.size != x.shape[0] or begin < 0 or begin > end or end > x.shape[0]:
        raise ValueError("knn_split: shapes differ")
    d = x.shape[1]
    values, rows = np.empty(end - begin, x.dtype), np.empty(end - begin, np.int64)
    begins, ends, depths = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(64, np.int64)
    begins[0], ends[0], depths[0] = begin, end, depth
    waiting = 1
    while waiting > 0:
        waiting -= 1
        first, last, left = begins[waiting], ends[waiting], depths[waiting]
        size = last - first
        if size <= LEAF or left == 0:
            continue
        step = (size + 63) // 64
        column, largest = 0, -1.0
        for j in range(d):
            origin = np.float64(x[order[first], j])
            total = squares = seen = 0.0
            for i in range(first, last, step):
                value = np.float64(x[order[i], j]) - origin
                total += value
                squares += value * value
                seen += 1.0
            variance = squares - total * total / seen
            if variance > largest:
                largest, column = variance, j
        for i in range(size):
            rows[i] = order[first + i]
            values[i] = x[rows[i], column] if d else 0.0
        half = ((size + LEAF - 1) // LEAF + 1) // 2 * LEAF
        nth_smallest(values, rows, 0, size, half)
        for i in range(size):
            order[first + i] = rows[i]
        begins[waiting], ends[waiting], depths[waiting] = first + half, last, left - 1
        begins[waiting + 1], ends[waiting + 1], depths[waiting + 1] = first, first + half, left - 1
        waiting += 2


@jit()
def knn_middle(x, column, rows, first, size, coarse, total, low, high, values, places):
    """Where most of a column of rows[first : first + size] is: its mean, of the total, or the median if
    values are so far off (by what every 16th row tells) that they have moved the mean. Errors grow with the
    distance from there."""
    least = most = np.float64(x[rows[first], column]) * coarse
    for i in range(16, size, 16):
        value = np.float64(x[rows[first + i], column]) * coarse
        least, most = min(least, value), max(most, value)
    if high - low <= 4.0 * (most - least):
        return total / size
    for i in range(size):
        values[i], places[i] = np.float64(x[rows[first + i], column]) * coarse, i
    nth_smallest(values, places, 0, size, size // 2)
    return values[size // 2]


def _pack_arguments(real):
    return (
        reads(real, 2), f64, i64, i64, reads(i64), writes(f32), writes(f32), writes(f64), writes(f64),
        writes(f64), writes(f64), writes(i64),
    )  # fmt: skip


@jit(_pack_arguments(f32), _pack_arguments(f64), allocates=True)
def knn_pack(x, coarse, begin, end, order, panels, halves, centres, low, high, radii, first):
    """What the search reads of blocks begin .. end - 1."""
    n, d = x.shape
    count = first.size
    if (
        order.size != n
        or count != (n + LEAF - 1) // LEAF
        or begin < 0
        or begin > end
        or end > count
        or panels.size != count * LEAF * d
        or halves.size != count * LEAF
        or centres.size != count * d
        or low.size != count * d
        or high.size != count * d
        or radii.size != count
    ):
        raise ValueError("knn_pack: shapes differ")
    centre, under, over = np.empty(d), np.empty(d), np.empty(d)
    values, places = np.empty(LEAF), np.empty(LEAF, np.int64)
    for b in range(begin, end):
        size = min(LEAF, n - b * LEAF)
        smallest = order[b * LEAF]
        for j in range(d):
            centre[j] = 0.0
        for i in range(size):
            row = order[b * LEAF + i]
            smallest = min(smallest, row)
            for j in range(d):
                value = np.float64(x[row, j]) * coarse
                centre[j] += value
                under[j] = min(under[j], value) if i else value
                over[j] = max(over[j], value) if i else value
        for i in range(b * LEAF * d, (b + 1) * LEAF * d):
            panels[i] = 0.0
        for j in range(d):
            centre[j] = knn_middle(
                x, j, order, b * LEAF, size, coarse, centre[j], under[j], over[j], values, places
            )
            centres[j * count + b] = centre[j]
            low[j * count + b], high[j * count + b] = under[j], over[j]
        first[b] = smallest
        radius = 0.0
        for i in range(LEAF):
            norm = 0.0
            if i < size:
                row = order[b * LEAF + i]
                for j in range(d):
                    value = np.float64(x[row, j]) * coarse - centre[j]
                    norm += value * value
                    panels[b * LEAF * d + (i // PANEL * d + j) * PANEL + i % PANEL] = value
            radius = max(radius, norm)
            halves[b * LEAF + i] = norm * (0.5 - knn_unit(d)) if i < size else np.inf
        radii[b] = math.sqrt(radius)
