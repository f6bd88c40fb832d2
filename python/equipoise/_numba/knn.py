"""Exact nearest neighbours. Candidates come from float32 dot products with an error bound, answers from
distances computed directly in float64, ties by smaller index: no blocking, order of visits or backend can be
seen in them.

128 queries against a block:       groups of 8 queries x panels of 32 rows, 256 dot products

With x and y relative to the block's centre, |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: the error is relative to
how far both are from there, not from the origin. It is at most e (a + |y|)^2 <= 2 e a^2 + 2 e |y|^2, where a
is the sum of the lengths that are added on the query's side: so what the row adds is in its half norm
already, and one far row of a block costs no other row its precision.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, f32, f64, i32, i64, jit, reads, writes
from equipoise._numba._products import add_products
from equipoise._numba.knn_blocks import FAR, LEAF, PANEL, Blocks, Points, knn_unit, nth_smallest
from equipoise._numba.knn_nearest import (
    ZERO,
    Nearest,
    code_mismatches,
    float_below,
    knn_coarse,
    nearest_bound,
    nearest_rank,
    nearest_shrink,
)

QUERIES = 8  # of a group
MARGIN = 1.0 - 1e-9  # more than float64 can be wrong by
HALF, TWO = np.float32(0.5), np.float32(2.0)

Search = namedtuple(
    "Search",
    "points, queries, blocks, own, count, k, itself, radius, centre, low, high, gaps, local, shifted, "
    "groups, shift, box_low, box_high, lengths, nearest, ranks, ranked",
)


@jit()
def plain_tile(groups, group, panels, panel, halves, half, bars, d, dots, reach):
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
            found |= np.uint32(dots[q * np.uint64(PANEL) + r] >= bars[q])
        reach[q] = found
        any_reach |= found != 0
    return any_reach


@jit()
def knn_far(s, b, bar):
    """Can no query have a row of block b within `bar`?"""
    d = s.points.x.shape[1]
    between = s.gaps[b] * MARGIN - (s.radius + s.blocks.radii[b])
    # Lengths are roots of squares, which underflow long before they do.
    if between > 1e-140 and between * between * MARGIN > bar:
        return True
    box = 0.0
    for j in range(d):
        under, over = s.blocks.low[b * d + j] - s.high[j], s.low[j] - s.blocks.high[b * d + j]
        apart = max(under, over, 0.0)
        box += apart * apart
    return box * MARGIN > bar


@jit()
def knn_take(s, i, row, low, error):
    """Candidate `row` of query i, whose distance is low .. low + error without codes."""
    nearest, own = s.nearest, s.own[i]
    if s.itself and row == own:
        return
    if s.points.codes.shape[1] > 0:
        differ = code_mismatches(s.queries.codes, own, s.points.codes, row)
        more = knn_coarse(s.points, s.points.mismatch * np.float64(differ))
        low = float_below(np.float64(low) + more * MARGIN)
        error += np.float32(more) * np.float32(4.0e-7)
    if low > nearest.bars[i] or row > nearest.ties[i]:
        return
    if nearest.sizes[i] == nearest.lows.shape[1]:
        nearest_shrink(s, i)
    at = nearest.sizes[i]
    nearest.lows[i, at], nearest.rows[i, at] = low, row
    nearest.sizes[i] = at + 1
    nearest_bound(nearest, i, s.k, max(low + error, ZERO))


@jit()
def knn_visit(s, b, norms, boxes, errors, active, bars, dots, reach):
    """All queries that may have a neighbour in block b against its rows."""
    n, d = s.points.x.shape
    blocks, nearest = s.blocks, s.nearest
    count = blocks.first.size
    # The ground covers what float32 cannot hold at all, below 1e-38, of values of which the largest is 1.
    unit, ground = np.float32(knn_unit(d)), np.float32(d + 1) * np.float32(1e-36)
    radius, span = np.float32(blocks.radii[b]), np.float32(s.radius + blocks.radii[b] + s.gaps[b])
    for j in range(d):
        c = blocks.centres[j * count + b]
        s.shift[j] = s.centre[j] - c
        s.box_low[j] = blocks.low[b * d + j] - c
        s.box_high[j] = blocks.high[b * d + j] - c
    for i in range(np.uint64(LEAF)):
        norms[i] = boxes[i] = ZERO
    for j in range(np.uint64(d)):
        shift, lower, upper = s.shift[j], s.box_low[j], s.box_high[j]
        for i in range(np.uint64(LEAF)):
            value = s.local[j, i] + shift
            under, over = lower - value, value - upper
            apart = under if under > over else over
            outside = apart if apart > ZERO else ZERO
            s.shifted[j, i] = value
            norms[i] += value * value
            boxes[i] += outside * outside
    actives = 0
    for i in range(s.count):
        bar = nearest.bars[i]
        length = np.sqrt(norms[i])
        most, beyond = length + span, length - radius
        total, loss = s.lengths[i] + np.float32(s.gaps[b]) + length, unit * most * most + ground
        errors[i] = TWO * unit * total * total + ground
        far = boxes[i] - loss > bar or (beyond > ZERO and beyond * beyond - loss > bar)
        if not far and blocks.first[b] <= nearest.ties[i]:
            active[actives] = i
            actives += 1
    filled = (actives + QUERIES - 1) // QUERIES * QUERIES
    for a in range(actives, filled):
        active[a] = -1
    for g in range(0, filled, QUERIES):
        for a in range(QUERIES):
            i = max(active[g + a], 0)
            for j in range(d):
                s.groups[g * d + j * QUERIES + a] = s.shifted[j, i]
    for p in range(b * LEAF, min((b + 1) * LEAF, n), PANEL):
        for g in range(0, filled, QUERIES):
            for a in range(QUERIES):
                i = active[g + a]
                bars[a] = FAR
                if i >= 0:  # finite: where there is no row, dots are -infinite
                    bars[a] = max(HALF * (norms[i] - errors[i] - nearest.bars[i]), np.float32(-1e38))
            if not plain_tile(
                s.groups, np.uint64(g * d), blocks.panels, np.uint64(p * d), blocks.halves, np.uint64(p),
                bars, np.uint64(d), dots, reach,
            ):  # fmt: skip
                continue
            for a in range(QUERIES):
                if not reach[a]:
                    continue
                i = active[g + a]
                for r in range(PANEL):
                    if dots[a * PANEL + r] >= bars[a]:
                        low = norms[i] - TWO * dots[a * PANEL + r] - errors[i]
                        error = TWO * errors[i] + np.float32(8.5) * unit * blocks.halves[p + r]
                        knn_take(s, i, blocks.order[p + r], low, error)


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
        np.empty((count, k), np.float32), np.zeros(count, np.int64), np.zeros(count, np.int64),
        np.full(count, FAR), np.full(count, n),
    )  # fmt: skip
    own = query_order[begin:end]
    centre, mine_low, mine_high = np.empty(d), np.empty(d), np.empty(d)
    local, gaps, lengths = np.zeros((d, LEAF), np.float32), np.zeros(blocks_count), np.zeros(LEAF)
    # The queries, relative to their own centre, a column after the other.
    for j in range(d):
        total = 0.0
        mine_low[j], mine_high[j] = np.inf, -np.inf
        for i in range(count):
            value = np.float64(queries[own[i], j]) * coarse
            total += value
            mine_low[j] = min(mine_low[j], value)
            mine_high[j] = max(mine_high[j], value)
        centre[j] = total / count
        for i in range(count):
            value = np.float64(queries[own[i], j]) * coarse - centre[j]
            local[j, i] = value
            lengths[i] += value * value
        for b in range(blocks_count):
            apart = centre[j] - centres[j * blocks_count + b]
            gaps[b] += apart * apart
    gaps = np.sqrt(gaps)
    s = Search(
        Points(x, codes, scale, coarse, mismatch), Points(queries, query_codes, scale, coarse, mismatch),
        Blocks(order, panels, halves, centres, low, high, radii, first),
        own, count, k, itself, math.sqrt(lengths.max()), centre, mine_low, mine_high, gaps, local,
        np.empty((d, LEAF), np.float32), np.empty(d * LEAF, np.float32),
        np.empty(d, np.float32), np.empty(d, np.float32), np.empty(d, np.float32),
        np.sqrt(lengths).astype(np.float32), nearest, np.empty(room), np.empty(room, np.int64),
    )  # fmt: skip
    norms, boxes, errors = np.empty(LEAF, np.float32), np.empty(LEAF, np.float32), np.empty(LEAF, np.float32)
    active, bars = np.empty(LEAF, np.int64), np.empty(QUERIES, np.float32)
    dots, reach = np.empty(QUERIES * PANEL, np.float32), np.empty(QUERIES, np.uint32)

    # The block with the nearest centre first; then those that are not too far, nearest first.
    home = np.argmin(gaps)
    knn_visit(s, home, norms, boxes, errors, active, bars, dots, reach)
    bar = np.float64(nearest.bars.max())
    visits, waiting = np.empty(blocks_count, np.int64), 0
    for b in range(blocks_count):
        if b != home and not knn_far(s, b, bar):
            visits[waiting] = b
            waiting += 1
    by_first = visits[:waiting][np.argsort(first[visits[:waiting]])]
    for b in by_first[np.argsort(gaps[by_first], kind="mergesort")]:
        if not knn_far(s, b, bar):
            knn_visit(s, b, norms, boxes, errors, active, bars, dots, reach)
            bar = np.float64(nearest.bars.max())

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
