"""Exact nearest neighbours. Candidates come from float32 dot products with an error bound, answers from
distances computed directly in float64, ties by smaller index: no blocking, order of visits or backend can be
seen in them.

rows, in the order of a kd-rule:   | block 0: 128 rows | block 1 | .. |    a centre, a radius and a box each
a block's rows, less its centre:   | panel 0: 32 rows, column by column | panel 1 | panel 2 | panel 3 |
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

LEAF, PANEL, QUERIES = 128, 32, 8
MARGIN = 1.0 - 1e-9  # more than float64 can be wrong by
FAR = np.float32(np.inf)
HALF, TWO, ZERO = np.float32(0.5), np.float32(2.0), np.float32(0.0)

# Values times `scale`, which is 1 unless squares would leave float64's range; for candidates times `coarse`,
# which brings the largest to 1; both are powers of two.
Points = namedtuple("Points", "x, codes, scale, coarse, mismatch")
Blocks = namedtuple("Blocks", "order, panels, halves, centres, low, high, radii, first")
# The candidates of each query, the heaps of its k smallest upper bounds, and where it stands: size of the
# list, bounds that are known, the bar (no row farther than this is wanted: the k-th bound), with bar 0 the
# k-th row.
Nearest = namedtuple("Nearest", "lows, rows, bounds, sizes, known, bars, ties")
Search = namedtuple(
    "Search",
    "points, queries, blocks, own, count, k, itself, radius, centre, low, high, local, shifted, groups, "
    "shift, box_low, box_high, lengths, nearest, ranks, ranked",
)


@jit()
def knn_distance(a, i, b, j, d, scale):
    """The definition: four sums, each in order of its columns."""
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
    count = 0
    for c in range(a.shape[1]):
        count += a[i, c] != b[j, c]
    return count


@jit()
def knn_unit(d):
    """e: units of the last place of dot products and norms of d values, of the roundings around, doubled."""
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
    centre = np.empty(d)
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
                low[b * d + j] = min(low[b * d + j], value) if i else value
                high[b * d + j] = max(high[b * d + j], value) if i else value
        for i in range(b * LEAF * d, (b + 1) * LEAF * d):
            panels[i] = 0.0
        for j in range(d):
            centre[j] /= size
            centres[j * count + b] = centre[j]
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
def float_above(value):
    if 0.0 < value < 1e-37:  # no denormal: a thread may take those for 0
        return np.float32(1e-37)
    rounded = np.float32(value)
    return np.nextafter(rounded, FAR) if np.float64(rounded) < value else rounded


@jit()
def float_below(value):
    rounded = np.float32(value)
    return np.nextafter(rounded, -FAR) if np.float64(rounded) > value else rounded


@jit()
def sift_down(heap, i, at, size):
    """Row i of `heap`: the largest is first."""
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
    """An upper bound more of query i."""
    bounds, known = nearest.bounds, nearest.known[i]
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
    if high >= bounds[i, 0]:
        return
    bounds[i, 0] = high
    sift_down(bounds, i, 0, k)
    nearest.bars[i] = bounds[i, 0]


@jit()
def nearest_rank(s, i):
    """Exact distances of what is left of query i's list; returns how many."""
    nearest, count = s.nearest, 0
    for c in range(nearest.sizes[i]):
        if nearest.lows[i, c] > nearest.bars[i]:
            continue
        row = nearest.rows[i, c]
        distance = knn_distance(s.queries.x, s.own[i], s.points.x, row, s.points.x.shape[1], s.points.scale)
        if s.points.codes.shape[1] > 0:
            differ = code_mismatches(s.queries.codes, s.own[i], s.points.codes, row)
            distance += s.points.mismatch * np.float64(differ)
        s.ranks[count], s.ranked[count] = distance, row
        count += 1
    return count


@jit()
def knn_coarse(points, distance):
    """A squared distance in the candidates' scale; 0 only if it is."""
    ratio = points.coarse / points.scale
    return max(distance * ratio * ratio, 1e-300) if distance > 0.0 else 0.0


@jit()
def nearest_shrink(s, i):
    """Room in a full list: what is too far goes; if that is little, the k nearest stay alone."""
    nearest, kept = s.nearest, 0
    for c in range(nearest.sizes[i]):
        if nearest.lows[i, c] <= nearest.bars[i]:
            nearest.lows[i, kept], nearest.rows[i, kept] = nearest.lows[i, c], nearest.rows[i, c]
            kept += 1
    nearest.sizes[i] = kept
    if 4 * kept <= 3 * nearest.lows.shape[1]:
        return
    nearest_rank(s, i)
    nth_smallest(s.ranks, s.ranked, 0, kept, s.k - 1)
    nearest.sizes[i] = nearest.known[i] = s.k
    for c in range(s.k):
        distance = knn_coarse(s.points, s.ranks[c])
        nearest.bounds[i, c] = float_above(distance)
        nearest.lows[i, c], nearest.rows[i, c] = float_below(distance), s.ranked[c]
    for at in range(s.k // 2 - 1, -1, -1):
        sift_down(nearest.bounds, i, at, s.k)
    nearest.bars[i] = nearest.bounds[i, 0]
    if nearest.bars[i] == ZERO:
        nearest.ties[i] = s.ranked[s.k - 1]


@jit()
def knn_far(s, b, gap, bar):
    """Can no query have a row of block b within `bar`? `gap` is the distance of the centres."""
    d = s.points.x.shape[1]
    between = gap * MARGIN - (s.radius + s.blocks.radii[b])
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
    if low > nearest.bars[i] or (nearest.bars[i] == ZERO and row > nearest.ties[i]):
        return
    if nearest.sizes[i] == nearest.lows.shape[1]:
        nearest_shrink(s, i)
    at = nearest.sizes[i]
    nearest.lows[i, at], nearest.rows[i, at] = low, row
    nearest.sizes[i] = at + 1
    nearest_bound(nearest, i, s.k, max(low + error, ZERO))


@jit()
def knn_visit(s, b, gap, norms, boxes, errors, active, bars, dots, reach):
    """All queries that may have a neighbour in block b against its rows."""
    n, d = s.points.x.shape
    blocks, nearest = s.blocks, s.nearest
    count = blocks.first.size
    unit, ground = np.float32(knn_unit(d)), np.float32(d + 1) * np.float32(1e-36)
    radius, span = np.float32(blocks.radii[b]), np.float32(s.radius + blocks.radii[b] + gap)
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
        total, loss = s.lengths[i] + np.float32(gap) + length, unit * most * most + ground
        errors[i] = TWO * unit * total * total + ground
        far = boxes[i] - loss > bar or (beyond > ZERO and beyond * beyond - loss > bar)
        if not far and (bar > ZERO or blocks.first[b] <= nearest.ties[i]):
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
    s = Search(
        Points(x, codes, scale, coarse, mismatch), Points(queries, query_codes, scale, coarse, mismatch),
        Blocks(order, panels, halves, centres, low, high, radii, first),
        own, count, k, itself, math.sqrt(lengths.max()), centre, mine_low, mine_high, local,
        np.empty((d, LEAF), np.float32), np.empty(d * LEAF, np.float32),
        np.empty(d, np.float32), np.empty(d, np.float32), np.empty(d, np.float32),
        np.sqrt(lengths).astype(np.float32), nearest, np.empty(room), np.empty(room, np.int64),
    )  # fmt: skip
    norms, boxes, errors = np.empty(LEAF, np.float32), np.empty(LEAF, np.float32), np.empty(LEAF, np.float32)
    active, bars = np.empty(LEAF, np.int64), np.empty(QUERIES, np.float32)
    dots, reach = np.empty(QUERIES * PANEL, np.float32), np.empty(QUERIES, np.uint32)

    # The block with the nearest centre first; then those that are not too far, nearest first.
    home = np.argmin(gaps)
    knn_visit(s, home, math.sqrt(gaps[home]), norms, boxes, errors, active, bars, dots, reach)
    bar = np.float64(nearest.bars.max())
    visits, waiting, order_of = np.empty(blocks_count, np.int64), 0, np.empty(blocks_count)
    for b in range(blocks_count):
        if b != home and not knn_far(s, b, math.sqrt(gaps[b]), bar):
            visits[waiting], order_of[waiting] = b, gaps[b]
            waiting += 1
    by_first = np.argsort(first[visits[:waiting]])
    nearest_first = by_first[np.argsort(order_of[:waiting][by_first], kind="mergesort")]
    for v in nearest_first:
        b = visits[v]
        gap = math.sqrt(gaps[b])
        if not knn_far(s, b, gap, bar):
            knn_visit(s, b, gap, norms, boxes, errors, active, bars, dots, reach)
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
