"""Exact nearest neighbours. Candidates come from float32 dot products with an error bound, answers from
distances computed directly in float64, ties by smaller index: no blocking, order of visits or backend can be
seen in them.

128 queries against a block:       groups of 8 queries x panels of 32 rows, 256 dot products

With x and y relative to the block's centre, |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: the error is relative to
how far both are from there, not from the origin. No query is moved for that: x = u + v, from the queries'
centre and from there to the block's, so that x.y = u.y + v.y and |x|^2 = |u|^2 + 2 u.v + |v|^2, with one
product more a row and a query. The error is at most e (a + |y|)^2 <= 2 e a^2 + 2 e |y|^2, a = |u| + |v|: so
what the row adds is in its half norm already, and one far row of a block costs no other row its precision.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, f32, f64, i32, i64, jit, reads, writes
from equipoise._numba.neighbors._products import add_products
from equipoise._numba.neighbors.blocks import (
    FAR,
    LEAF,
    PANEL,
    Blocks,
    Points,
    knn_middle,
    knn_unit,
    nth_smallest,
)
from equipoise._numba.neighbors.nearest import (
    ZERO,
    Nearest,
    code_mismatches,
    float_below,
    knn_coarse,
    nearest_bound,
    nearest_equal,
    nearest_rank,
    nearest_shrink,
)

QUERIES = 8  # of a group
MARGIN = 1.0 - 1e-9  # more than float64 can be wrong by
HALF, TWO = np.float32(0.5), np.float32(2.0)


Search = namedtuple(
    "Search",
    "points, queries, blocks, own, count, k, itself, radius, squares, lengths, centre, low, high, gaps, "
    "boxes, local, whole, groups, shift, nearest, ranks, ranked",
)


@jit()
def plain_tile(groups, group, panels, panel, halves, half, bars, bar, d, dots, reach):
    """dots[q][r] = x_q . y_r - halves[r] of a group and a panel; which queries have one up to their bar."""
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
    """Can no query have a row of block b within `bar`?"""
    between = s.gaps[b] * MARGIN - (s.radius + s.blocks.radii[b])
    # Lengths are roots of squares, which underflow long before they do.
    return (between > 1e-140 and between * between * MARGIN > bar) or s.boxes[b] * MARGIN > bar


@jit()
def knn_take(s, i, bar, position, dots, a, norm, error):
    """Candidates of query i: rows from `position` on whose dots reach its bar, |x|^2 - 2 dots - errors away
    or farther, by at most 2 errors and what the row adds, without codes."""
    nearest, own = s.nearest, s.own[i]
    if nearest.sizes[i] + PANEL > nearest.lows.shape[1]:
        nearest_shrink(s, i, PANEL)
    of_row = np.float32(8.5) * np.float32(knn_unit(s.points.x.shape[1]))
    for r in range(PANEL):
        dot = dots[a * PANEL + r]
        if not dot >= bar:
            continue
        row = s.blocks.order[position + r]
        if s.itself and row == own:
            continue
        if nearest.ties[i] < s.points.x.shape[0]:  # copies alone are wanted, of which there may be many
            nearest_equal(s, i, row)
            continue
        low, wide = norm - TWO * dot - error, TWO * error + of_row * s.blocks.halves[position + r]
        if s.points.codes.shape[1] > 0:
            differ = code_mismatches(s.queries.codes, own, s.points.codes, row)
            more = knn_coarse(s.points, s.points.mismatch * np.float64(differ))
            low = float_below(np.float64(low) + more * MARGIN)
            wide += np.float32(more) * np.float32(4.0e-7)
        if low > nearest.bars[i]:
            continue
        at = nearest.sizes[i]
        nearest.lows[i, at], nearest.rows[i, at] = low, row
        nearest.sizes[i] = at + 1
        nearest_bound(nearest, i, s.k, max(low + wide, ZERO))


@jit()
def knn_boxes(s, b, boxes):
    """Squared distances of the queries from the box of block b."""
    count = s.blocks.first.size
    for j in range(np.uint64(s.points.x.shape[1])):
        lower = np.float32(s.blocks.low[j * np.uint64(count) + np.uint64(b)] - s.centre[j])
        upper = np.float32(s.blocks.high[j * np.uint64(count) + np.uint64(b)] - s.centre[j])
        for i in range(np.uint64(LEAF)):
            under, over = lower - s.local[j, i], s.local[j, i] - upper
            apart = under if under > over else over
            outside = apart if apart > ZERO else ZERO
            boxes[i] += outside * outside


@jit()
def knn_bars(s):
    """The least and the most of the bars of all queries."""
    least = most = s.nearest.bars[0]
    for i in range(1, s.count):
        bar = s.nearest.bars[i]
        least, most = min(least, bar), max(most, bar)
    return least, most


@jit()
def knn_top(norm, error, bar):
    """The dot product from which on a row is within `bar`; finite: where there is no row, it is -infinite."""
    return max(HALF * (norm - error - bar), np.float32(-1e38))


@jit()
def knn_visit(s, b, norms, boxes, errors, halves, tops, active, dots, reach):
    """All queries that may have a neighbour in block b against its rows."""
    n, d = s.points.x.shape
    blocks, nearest = s.blocks, s.nearest
    count = blocks.first.size
    # The ground covers what float32 cannot hold at all, below 1e-38, of values of which the largest is 1.
    unit, ground = np.float32(knn_unit(d)), np.float32(d + 1) * np.float32(1e-36)
    radius, gap = np.float32(blocks.radii[b]), np.float32(s.gaps[b])
    span = np.float32(s.radius + blocks.radii[b] + s.gaps[b])
    farthest = 0.0  # corner of the queries' box
    for j in range(d):
        at = j * count + b
        s.shift[j] = s.centre[j] - blocks.centres[at]
        apart = max(blocks.low[at] - s.low[j], s.high[j] - blocks.high[at], 0.0)
        farthest += apart * apart
    for i in range(np.uint64(LEAF)):
        norms[i] = boxes[i] = halves[i] = ZERO
    if farthest > knn_bars(s)[0]:
        knn_boxes(s, b, boxes)
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
        halves[r] = blocks.halves[b * LEAF + r] - halves[r]
    actives = 0
    for i in range(s.count):
        norms[i] = max(s.squares[i] + gap * gap + TWO * norms[i], ZERO)
        length = np.sqrt(norms[i])
        most, beyond, total = length + span, max(length - radius, ZERO), s.lengths[i] + gap
        errors[i] = TWO * unit * total * total + ground
        tops[i] = knn_top(norms[i], errors[i], nearest.bars[i])
        far = max(boxes[i], beyond * beyond) - (unit * most * most + ground) > nearest.bars[i]
        active[actives] = i
        actives += not far and blocks.first[b] <= nearest.ties[i]
    groups, filled = s.whole, (actives + QUERIES - 1) // QUERIES * QUERIES
    if actives < LEAF:
        groups = s.groups
        for a in range(filled):
            i = active[a] if a < actives else 0
            to = a // QUERIES * QUERIES * d + a % QUERIES
            for j in range(d):
                groups[to + j * QUERIES] = s.local[j, i]
            tops[a] = tops[i] if a < actives else FAR
    for p in range(0, min(LEAF, n - b * LEAF), PANEL):
        position = b * LEAF + p
        for g in range(0, filled, QUERIES):
            if not plain_tile(
                groups, np.uint64(g * d), blocks.panels, np.uint64(position * d), halves, np.uint64(p),
                tops, np.uint64(g), np.uint64(d), dots, reach,
            ):  # fmt: skip
                continue
            for a in range(QUERIES):
                if reach[a]:
                    i = active[g + a]
                    knn_take(s, i, tops[g + a], position, dots, a, norms[i], errors[i])
                    tops[g + a] = knn_top(norms[i], errors[i], nearest.bars[i])


def _search_arguments(real):
    points = (reads(real, 2), reads(i32, 2))
    blocks = (reads(i64), reads(f32), reads(f32), reads(f64), reads(f64), reads(f64), reads(f64), reads(i64))
    return (
        *points,
        f64,
        f64,
        f64,
        *blocks,
        *points,
        reads(i64),
        i64,
        i64,
        b1,
        writes(i64, 2),
        writes(real, 2),
    )


@jit(_search_arguments(f32), _search_arguments(f64), allocates=True)
def knn_search(
    x, codes, scale, coarse, mismatch, order, panels, halves, centres, low, high, radii, first, queries,
    query_codes, query_order, begin, end, itself, indices, distances,
):  # fmt: skip
    """The k nearest rows of the queries at positions begin .. end - 1 of their order, at most 128."""
    n, d = x.shape
    m, k, blocks_count = queries.shape[0], indices.shape[1], first.size
    if (
        codes.shape[0] != n
        or order.size != n
        or blocks_count != (n + LEAF - 1) // LEAF
        or panels.size != blocks_count * LEAF * d
        or halves.size != blocks_count * LEAF
        or centres.size != blocks_count * d
        or low.size != blocks_count * d
        or high.size != blocks_count * d
        or radii.size != blocks_count
        or queries.shape[1] != d
        or query_codes.shape[0] != m
        or query_codes.shape[1] != codes.shape[1]
        or query_order.size != m
        or begin < 0
        or begin > end
        or end > m
        or end - begin > LEAF
        or indices.shape[0] != m
        or distances.shape[0] != m
        or distances.shape[1] != k
        or k < 1
        or k > n - itself
        or (itself and m != n)
    ):
        raise ValueError("knn_search: shapes differ")
    count, room = end - begin, 2 * k + 64
    if count == 0:
        return
    nearest = Nearest(
        np.empty((count, room), np.float32), np.empty((count, room), np.int64),
        np.full((count, k), FAR), np.zeros(count, np.int64), np.zeros(count, np.int64),
        np.full(count, FAR), np.full(count, n),
    )  # fmt: skip
    own = query_order[begin:end]
    centre, mine_low, mine_high = np.empty(d), np.empty(d), np.empty(d)
    local, whole = np.zeros((d, LEAF), np.float32), np.zeros(d * LEAF, np.float32)
    values, places = np.empty(LEAF), np.empty(LEAF, np.int64)
    gaps, boxes, squares = np.zeros(blocks_count), np.zeros(blocks_count), np.zeros(LEAF)
    # The queries, relative to their own centre, a column after the other.
    for j in range(d):
        total = 0.0
        mine_low[j], mine_high[j] = np.inf, -np.inf
        for i in range(count):
            value = np.float64(queries[own[i], j]) * coarse
            total += value
            mine_low[j] = min(mine_low[j], value)
            mine_high[j] = max(mine_high[j], value)
        centre[j] = knn_middle(
            queries, j, own, 0, count, coarse, total, mine_low[j], mine_high[j], values, places
        )
        for i in range(count):
            value = np.float64(queries[own[i], j]) * coarse - centre[j]
            local[j, i] = whole[(i // QUERIES * d + j) * QUERIES + i % QUERIES] = value
            squares[i] += value * value
        for b in range(blocks_count):
            at = j * blocks_count + b
            between = centre[j] - centres[at]
            apart = max(mine_low[j] - high[at], low[at] - mine_high[j], 0.0)
            gaps[b] += between * between
            boxes[b] += apart * apart
    gaps = np.sqrt(gaps)
    s = Search(
        Points(x, codes, scale, coarse, mismatch), Points(queries, query_codes, scale, coarse, mismatch),
        Blocks(order, panels, halves, centres, low, high, radii, first),
        own, count, k, itself, math.sqrt(squares.max()), squares.astype(np.float32),
        np.sqrt(squares).astype(np.float32), centre, mine_low, mine_high, gaps, boxes, local, whole,
        np.empty(d * LEAF, np.float32), np.empty(d, np.float32), nearest, np.empty(room),
        np.empty(room, np.int64),
    )  # fmt: skip
    norms, far_boxes, errors = np.empty((3, LEAF), np.float32)
    halves, tops = np.empty((2, LEAF), np.float32)
    active = np.empty(LEAF, np.int64)
    dots, reach = np.empty(QUERIES * PANEL, np.float32), np.empty(QUERIES, np.uint32)
    work = (norms, far_boxes, errors, halves, tops, active, dots, reach)

    # The block with the nearest centre first; then those that are not too far, nearest first.
    home = np.argmin(gaps)
    knn_visit(s, home, *work)
    bar = np.float64(knn_bars(s)[1])
    visits, waiting = np.empty(blocks_count, np.int64), 0
    for b in range(blocks_count):
        if b != home and not knn_far(s, b, bar):
            visits[waiting] = b
            waiting += 1
    by_first = visits[:waiting][np.argsort(first[visits[:waiting]])]
    for b in by_first[np.argsort(gaps[by_first], kind="mergesort")]:
        if not knn_far(s, b, bar):
            knn_visit(s, b, *work)
            bar = np.float64(knn_bars(s)[1])

    for i in range(count):
        found = nearest_rank(s, i)
        nth_smallest(s.ranks, s.ranked, 0, found, k - 1)
        # By distance, equal ones by row: two sorts, the second one stable.
        by_row = np.argsort(s.ranked[:k])
        sorted_rows = by_row[np.argsort(s.ranks[:k][by_row], kind="mergesort")]
        for j in range(k):
            at = sorted_rows[j]
            indices[own[i], j] = s.ranked[at]
            distances[own[i], j] = math.sqrt(s.ranks[at]) / scale
