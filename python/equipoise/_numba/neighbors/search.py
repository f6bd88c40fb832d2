"""Exact nearest neighbors.

Candidates come from float32 dot products with an error bound. Answers come from distances computed directly
in float64, with ties ordered by the smaller index, so that the blocking, the order of visits and the backend
cannot change them.

128 queries against a block:       groups of 8 queries x panels of 32 rows, 256 dot products

With x and y relative to the block's center, |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: the error is relative to how
far both are from that center, not from the origin. The queries are not moved for each block. Instead
x = u + v, where u is relative to the queries' own center and v leads from there to the block's, so that
x.y = u.y + v.y and |x|^2 = |u|^2 + 2 u.v + |v|^2: one more product per row and per query. The error is at
most e (a + |y|)^2 <= 2 e a^2 + 2 e |y|^2 with a = |u| + |v|. The row's share is already part of its half
norm, so one far row of a block does not make the bounds of the others wider.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, f32, f64, i64, jit, reads, writes
from equipoise._numba.neighbors._products import add_products
from equipoise._numba.neighbors.blocks import (
    FAR,
    LEAF,
    PANEL,
    blocks_record,
    check_blocks,
    check_points,
    knn_middle,
    knn_unit,
    nth_smallest,
    points_record,
)
from equipoise._numba.neighbors.nearest import (
    ZERO,
    Nearest,
    candidate_distance,
    code_mismatches,
    float_below,
    nearest_bound,
    nearest_equal,
    nearest_rank,
    nearest_shrink,
)

QUERIES = 8  # queries of a group
ROUNDING_MARGIN = 1.0 - 1e-9  # covers the rounding errors of float64
HALF, TWO = np.float32(0.5), np.float32(2.0)


# One call of the search: up to 128 queries relative to their own center, and the memory that visiting blocks
# needs. The fields are those of the C++ struct of this name.
Search = namedtuple(
    "Search",
    "points, queries, blocks, own, count, k, self_join, radius, squares, lengths, center, low, high, gaps, "
    "boxes, local, whole, groups, shift, nearest, ranks, ranked",
)

# The data of a visit: the queries, as seen from one block.
Visit = namedtuple("Visit", "boxes, norms, errors, tops, half_sq_norms, active, dots, reach")


@jit()
def plain_tile(groups, group, panels, panel, halves, half, bars, bar, d, dots, reach):
    """Compute dots[q][r] = x_q . y_r - halves[r] for a group of queries and a panel of rows.

    Set reach[q] to whether a dot product reaches the query's bar, and tell whether any does.
    """
    for q in range(np.uint64(QUERIES)):
        for r in range(np.uint64(PANEL)):
            dots[q * np.uint64(PANEL) + r] = -halves[half + r]
    for q in range(np.uint64(0), np.uint64(QUERIES), np.uint64(4)):
        for r in range(np.uint64(0), np.uint64(PANEL), np.uint64(16)):
            add_products(groups, group + q, panels, panel + r, d, dots, q * np.uint64(PANEL) + r)
    any_reach = False
    for q in range(np.uint64(QUERIES)):
        found = np.uint32(0)
        for r in range(np.uint64(PANEL)):
            found |= np.uint32(dots[q * np.uint64(PANEL) + r] >= bars[bar + q])
        reach[q] = found
        any_reach |= found != 0
    return any_reach


@jit()
def knn_far(s, b, bar):
    """Tell whether no query can have a row of block b within `bar`."""
    between = s.gaps[b] * ROUNDING_MARGIN - (s.radius + s.blocks.radii[b])
    # A length is the root of a square, and squares underflow long before lengths do.
    return (between > 1e-140 and between * between * ROUNDING_MARGIN > bar) or s.boxes[
        b
    ] * ROUNDING_MARGIN > bar


@jit()
def knn_take(s, i, bar, position, dots, a, norm, error):
    """Take the rows from `position` on whose dot products reach `bar` as candidates of query i.

    Without codes, the squared distance of such a row is at least |x|^2 - 2 dots - errors, and exceeds that by
    at most 2 errors and the row's share.
    """
    nearest, own = s.nearest, s.own[i]
    if nearest.sizes[i] + PANEL > nearest.lows.shape[1]:
        nearest_shrink(s, i, PANEL)
    row_share = np.float32(8.5) * np.float32(knn_unit(s.points.x.shape[1]))
    for r in range(PANEL):
        dot = dots[a * PANEL + r]
        if not dot >= bar:
            continue
        row = s.blocks.order[position + r]
        if s.self_join and row == own:
            continue
        if nearest.ties[i] < s.points.x.shape[0]:  # only copies of the query are wanted
            nearest_equal(s, i, row)
            continue
        low = norm - TWO * dot - error
        wide = TWO * error + row_share * s.blocks.half_sq_norms[position + r]
        if s.points.codes.shape[1] > 0:
            differ = code_mismatches(s.queries.codes, own, s.points.codes, row)
            more = candidate_distance(s.points, s.points.mismatch * np.float64(differ))
            low = float_below(np.float64(low) + more * ROUNDING_MARGIN)
            wide += np.float32(more) * np.float32(4.0e-7)
        if low > nearest.bars[i]:
            continue
        at = nearest.sizes[i]
        nearest.lows[i, at], nearest.rows[i, at] = low, row
        nearest.sizes[i] = at + 1
        nearest_bound(nearest, i, s.k, max(low + wide, ZERO))


@jit()
def knn_boxes(s, b, boxes):
    """Add the squared distances of the queries from the bounding box of block b to `boxes`."""
    count = s.blocks.first_rows.size
    for j in range(np.uint64(s.points.x.shape[1])):
        lower = np.float32(s.blocks.box_lows[j * np.uint64(count) + np.uint64(b)] - s.center[j])
        upper = np.float32(s.blocks.box_highs[j * np.uint64(count) + np.uint64(b)] - s.center[j])
        for i in range(np.uint64(LEAF)):
            under, over = lower - s.local[j, i], s.local[j, i] - upper
            apart = under if under > over else over
            outside = apart if apart > ZERO else ZERO
            boxes[i] += outside * outside


@jit()
def knn_bars(s):
    """Return the least and the largest bar of all queries."""
    least = most = s.nearest.bars[0]
    for i in range(1, s.count):
        bar = s.nearest.bars[i]
        least, most = min(least, bar), max(most, bar)
    return least, most


@jit()
def knn_top(norm, error, bar):
    """Return the least dot product of a row within `bar`.

    It is finite, since missing rows have -infinity.
    """
    return max(HALF * (norm - error - bar), np.float32(-1e38))


@jit()
def knn_approach(s, b, v):
    """Set the boxes of a visit, and the shift from the block's center to the queries'."""
    blocks, count = s.blocks, s.blocks.first_rows.size
    farthest = 0.0  # squared distance of the farthest corner of the queries' box from the block's
    for j in range(s.points.x.shape[1]):
        at = j * count + b
        s.shift[j] = s.center[j] - blocks.centers[at]
        apart = max(blocks.box_lows[at] - s.low[j], s.high[j] - blocks.box_highs[at], 0.0)
        farthest += apart * apart
    for i in range(np.uint64(LEAF)):
        v.boxes[i] = ZERO
    if farthest > knn_bars(s)[0]:
        knn_boxes(s, b, v.boxes)


@jit()
def knn_shift(s, b, v):
    """Add the shift's share to the half norms of the block's rows, and u.v of each query to `norms`."""
    d, blocks, norms, halves = s.points.x.shape[1], s.blocks, v.norms, v.half_sq_norms
    for i in range(np.uint64(LEAF)):
        norms[i] = halves[i] = ZERO
    for j in range(np.uint64(d)):
        shift = s.shift[j]
        for i in range(np.uint64(LEAF)):
            norms[i] += shift * s.local[j, i]
    for p in range(np.uint64(0), np.uint64(LEAF), np.uint64(PANEL)):
        for j in range(np.uint64(d)):
            shift = s.shift[j]
            at = (np.uint64(b) * np.uint64(LEAF) + p) * np.uint64(d) + j * np.uint64(PANEL)
            for r in range(np.uint64(PANEL)):
                halves[p + r] += shift * blocks.panels[at + r]
    for r in range(LEAF):
        halves[r] = blocks.half_sq_norms[b * LEAF + r] - halves[r]


@jit()
def knn_activate(s, b, v):
    """Find the queries that may have a neighbor in block b, and the least dot product that each looks for.

    Return how many they are.
    """
    d, nearest = s.points.x.shape[1], s.nearest
    # The ground covers values below 1e-38, which float32 cannot hold, if the largest value is about 1.
    unit, ground = np.float32(knn_unit(d)), np.float32(d + 1) * np.float32(1e-36)
    radius, gap = np.float32(s.blocks.radii[b]), np.float32(s.gaps[b])
    span = np.float32(s.radius + s.blocks.radii[b] + s.gaps[b])
    actives = 0
    for i in range(s.count):
        v.norms[i] = max(s.squares[i] + gap * gap + TWO * v.norms[i], ZERO)
        length = np.sqrt(v.norms[i])
        most, beyond, total = length + span, max(length - radius, ZERO), s.lengths[i] + gap
        v.errors[i] = TWO * unit * total * total + ground
        v.tops[i] = knn_top(v.norms[i], v.errors[i], nearest.bars[i])
        far = max(v.boxes[i], beyond * beyond) - (unit * most * most + ground) > nearest.bars[i]
        v.active[actives] = i
        actives += not far and s.blocks.first_rows[b] <= nearest.ties[i]
    return actives


@jit()
def knn_gather(s, actives, filled, v):
    """Put the active queries in groups of 8, with `tops` in the same order.

    An incomplete group is padded with queries that no dot product reaches.
    """
    d = s.points.x.shape[1]
    for a in range(filled):
        i = v.active[a] if a < actives else 0
        to = a // QUERIES * QUERIES * d + a % QUERIES
        for j in range(d):
            s.groups[to + j * QUERIES] = s.local[j, i]
        v.tops[a] = v.tops[i] if a < actives else FAR


@jit()
def knn_visit(s, b, v):
    """Compare all queries that may have a neighbor in block b with its rows."""
    n, d = s.points.x.shape
    knn_approach(s, b, v)
    knn_shift(s, b, v)
    actives = knn_activate(s, b, v)
    filled = (actives + QUERIES - 1) // QUERIES * QUERIES
    groups = s.whole
    if actives < LEAF:
        groups = s.groups
        knn_gather(s, actives, filled, v)
    for p in range(0, min(LEAF, n - b * LEAF), PANEL):
        position = b * LEAF + p
        for g in range(0, filled, QUERIES):
            if not plain_tile(
                groups, np.uint64(g * d), s.blocks.panels, np.uint64(position * d), v.half_sq_norms,
                np.uint64(p), v.tops, np.uint64(g), np.uint64(d), v.dots, v.reach,
            ):  # fmt: skip
                continue
            for a in range(QUERIES):
                if v.reach[a]:
                    i = v.active[g + a]
                    knn_take(s, i, v.tops[g + a], position, v.dots, a, v.norms[i], v.errors[i])
                    v.tops[g + a] = knn_top(v.norms[i], v.errors[i], s.nearest.bars[i])


@jit(allocates=True)
def knn_visit_all(s):
    """Visit the block with the nearest center, then all blocks that are not too far, nearest first."""
    boxes, norms, errors = np.empty((3, LEAF), np.float32)
    tops, half_sq_norms = np.empty((2, LEAF), np.float32)
    dots, reach = np.empty(QUERIES * PANEL, np.float32), np.empty(QUERIES, np.uint32)
    v = Visit(boxes, norms, errors, tops, half_sq_norms, np.empty(LEAF, np.int64), dots, reach)
    first_rows = s.blocks.first_rows
    home = np.argmin(s.gaps)
    knn_visit(s, home, v)
    bar = np.float64(knn_bars(s)[1])
    visits, waiting = np.empty(first_rows.size, np.int64), 0
    for b in range(first_rows.size):
        if b != home and not knn_far(s, b, bar):
            visits[waiting] = b
            waiting += 1
    by_first = visits[:waiting][np.argsort(first_rows[visits[:waiting]])]
    for b in by_first[np.argsort(s.gaps[by_first], kind="mergesort")]:
        if not knn_far(s, b, bar):
            knn_visit(s, b, v)
            bar = np.float64(knn_bars(s)[1])


@jit(allocates=True)
def open_search(points, blocks, queries, own, k, self_join):
    """Make the `Search` of some queries: find their center, and measure the blocks from there."""
    (n, d), count, room = points.x.shape, own.size, 2 * k + 64
    scale, blocks_count = points.candidate_scale, blocks.first_rows.size
    nearest = Nearest(
        np.empty((count, room), np.float32), np.empty((count, room), np.int64),
        np.full((count, k), FAR), np.zeros(count, np.int64), np.zeros(count, np.int64),
        np.full(count, FAR), np.full(count, n),
    )  # fmt: skip
    center, low, high = np.empty(d), np.empty(d), np.empty(d)
    local, whole = np.zeros((d, LEAF), np.float32), np.zeros(d * LEAF, np.float32)
    values, places = np.empty(LEAF), np.empty(LEAF, np.int64)
    gaps, boxes, squares = np.zeros(blocks_count), np.zeros(blocks_count), np.zeros(LEAF)
    for j in range(d):
        total = 0.0
        low[j], high[j] = np.inf, -np.inf
        for i in range(count):
            value = np.float64(queries.x[own[i], j]) * scale
            total += value
            low[j], high[j] = min(low[j], value), max(high[j], value)
        center[j] = knn_middle(queries.x, j, own, 0, count, scale, total, low[j], high[j], values, places)
        for i in range(count):
            value = np.float64(queries.x[own[i], j]) * scale - center[j]
            local[j, i] = whole[(i // QUERIES * d + j) * QUERIES + i % QUERIES] = value
            squares[i] += value * value
        for b in range(blocks_count):
            at = j * blocks_count + b
            between = center[j] - blocks.centers[at]
            apart = max(low[j] - blocks.box_highs[at], blocks.box_lows[at] - high[j], 0.0)
            gaps[b] += between * between
            boxes[b] += apart * apart
    return Search(
        points, queries, blocks, own, count, k, self_join, math.sqrt(squares.max()),
        squares.astype(np.float32), np.sqrt(squares).astype(np.float32), center, low, high, np.sqrt(gaps),
        boxes, local, whole, np.empty(d * LEAF, np.float32), np.empty(d, np.float32), nearest,
        np.empty(room), np.empty(room, np.int64),
    )  # fmt: skip


@jit()
def check_search(points, queries, query_order, begin, end, self_join, indices, distances):
    """Require arrays of shapes that fit."""
    (n, d), (m, k), codes = points.x.shape, indices.shape, points.codes.shape[1]
    if (
        queries.x.shape != (m, d)
        or queries.codes.shape[1] != codes
        or query_order.size != m
        or begin < 0
        or begin > end
        or end > m
        or end - begin > LEAF
        or distances.shape != (m, k)
        or k < 1
        or k > n - self_join
        or (self_join and m != n)
    ):
        raise ValueError("knn_search: shapes differ")


def _search_arguments(real):
    return (
        points_record(real),
        blocks_record(reads),
        points_record(real),
        reads(i64),
        i64,
        i64,
        b1,
        writes(i64, 2),
        writes(real, 2),
    )


@jit(_search_arguments(f32), _search_arguments(f64), allocates=True)
def knn_search(points, blocks, queries, query_order, begin, end, self_join, indices, distances):
    """Find the k nearest rows of the queries at positions begin .. end - 1 of their order, at most 128.

    Return whether every query has k: it may have fewer if another thread overwrites the points with NaN.
    """
    check_points(points)
    check_points(queries)
    check_blocks(blocks, *points.x.shape)
    check_search(points, queries, query_order, begin, end, self_join, indices, distances)
    k, own = indices.shape[1], query_order[begin:end]
    if own.size == 0:
        return True
    s = open_search(points, blocks, queries, own, k, self_join)
    knn_visit_all(s)
    for i in range(own.size):
        found = nearest_rank(s, i)
        if found < k:
            return False
        nth_smallest(s.ranks, s.ranked, 0, found, k - 1)
        # Sort by distance and then by row: two sorts, the second one stable.
        by_row = np.argsort(s.ranked[:k])
        sorted_rows = by_row[np.argsort(s.ranks[:k][by_row], kind="mergesort")]
        for j in range(k):
            at = sorted_rows[j]
            indices[own[i], j] = s.ranked[at]
            distances[own[i], j] = math.sqrt(s.ranks[at]) / points.scale
    return True
