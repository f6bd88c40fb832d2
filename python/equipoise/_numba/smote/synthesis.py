"""Make synthetic rows on the segment from a row to one of its neighbors (Chawla et al. 2002).

The neighbors are given.

base o------------x----------------------o neighbor        x = base + gap * (neighbor - base)
  gap = 0                             gap = 1
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, f32, f64, i32, i64, jit, reads, record, stack, u64, writes
from equipoise._numba.stream.rng import S32, fraction, open_run, prefetch, word
from equipoise._numba.tables.alias import column_and_coin, resolve

SYNTHETIC_ROWS = 64  # synthetic rows of a group, which share one start of the stream
ROWS_AHEAD = 16  # how many rows ahead a row is prefetched
LINE_BYTES = 64  # bytes of a cache line
PREFETCH_BYTES = 256  # the hardware prefetches the rest of a longer row
BITS32, BITS64 = np.uint64(24), np.uint64(53)

# The rows that synthetic rows lie between: row i is base + gap * (neighbor - base) with base = X[parents[i]],
# neighbor = X[neighbors[i]] and gap = gaps[i].
Pairs = namedtuple("Pairs", "parents, neighbors, gaps")

# The data that synthetic rows are drawn from: rows, a table of the k neighbors of each, an alias table's
# cells over the rows (empty if all rows are equally likely), and the columns that hold category codes.
Neighborhood = namedtuple("Neighborhood", "X, table, cells, categorical")

# The draws of one group: first its parents are known, then their neighbors. The arrays hold three groups, one
# after the other. `places` are places in the table of neighbors, then the neighbors themselves; `gaps` are
# words whose top bits give the gaps.
Drawn = namedtuple("Drawn", "parents, places, gaps")
stack_ring = stack(u64, 3 * SYNTHETIC_ROWS)


def pairs_record(access, real):
    """Return the type of a `Pairs` argument."""
    return record(Pairs, access(i64), access(i64), access(real))


def neighborhood_record(real):
    """Return the type of a `Neighborhood` argument."""
    return record(Neighborhood, reads(real, 2), reads(i32, 2), reads(u64), reads(i64))


@jit()
def between(base, neighbor, gap):
    """Return the point at `gap` of the way from a base to its neighbor."""
    return base + gap * (neighbor - base)


@jit()
def blend(X, base, neighbor, gap, out, i):
    """Write the row at `gap` of the way from a base to its neighbor."""
    for j in range(out.shape[1]):
        out[i, j] = between(X[base, j], X[neighbor, j], gap)


@jit()
def prefetch_row(X, row):
    """Prefetch a row. The index may be invalid."""
    d = X.shape[1]
    for at in range(0, min(d * X.itemsize, PREFETCH_BYTES), LINE_BYTES):
        prefetch(X, row * d + at // X.itemsize)


@jit()
def all_below(numbers, limit):
    """Tell whether all numbers are in [0, limit)."""
    good = True
    for i in range(numbers.size):
        good &= 0 <= numbers[i] < limit
    return good


@jit()
def check_pairs(pairs):
    """Require arrays of one length."""
    count = pairs.parents.size
    if pairs.neighbors.size != count or pairs.gaps.size != count:
        raise ValueError("pairs: shapes differ")


@jit(
    (reads(f32, 2), pairs_record(reads, f32), writes(f32, 2)),
    (reads(f64, 2), pairs_record(reads, f64), writes(f64, 2)),
)
def interpolate(X, pairs, out):
    """Write the row between each pair to `out`."""
    parents, neighbors, gaps = pairs
    n, count = X.shape[0], parents.size
    check_pairs(pairs)
    if X.shape[1] != out.shape[1] or count != out.shape[0]:
        raise ValueError("interpolate: shapes differ")
    if not (all_below(parents, n) and all_below(neighbors, n)):
        raise ValueError("interpolate: a row outside X")
    for i in range(count):
        if i + ROWS_AHEAD < count:
            prefetch_row(X, parents[i + ROWS_AHEAD])
            prefetch_row(X, neighbors[i + ROWS_AHEAD])
        blend(X, np.uint64(parents[i]), np.uint64(neighbors[i]), gaps[i], out, i)


@jit()
def require_csr(indices, indptr, parents, neighbors):
    """Require what both CSR kernels read: rows inside the matrix, with entries inside its arrays."""
    rows, count = indptr.size - 1, parents.size
    if rows < 0 or neighbors.size != count or not (all_below(parents, rows) and all_below(neighbors, rows)):
        raise ValueError("interpolate_csr: a row outside the matrix")
    good = True
    for i in range(count):
        a, b = parents[i], neighbors[i]
        good &= 0 <= indptr[a] <= indptr[a + 1] <= indices.size
        good &= 0 <= indptr[b] <= indptr[b + 1] <= indices.size
    if not good:
        raise ValueError("interpolate_csr: indptr does not fit the indices")


@jit((reads(i64), reads(i64), reads(i64), reads(i64), writes(i64)))
def interpolate_csr_count(indices, indptr, parents, neighbors, counts):
    """Count the entries of each result row: the columns that either row stores."""
    if counts.size != parents.size:
        raise ValueError("interpolate_csr_count: shapes differ")
    require_csr(indices, indptr, parents, neighbors)
    for i in range(counts.size):
        a, b = indptr[parents[i]], indptr[neighbors[i]]
        a_end, b_end = indptr[parents[i] + 1], indptr[neighbors[i] + 1]
        entries = 0
        while a < a_end and b < b_end:
            left, right = indices[a], indices[b]
            a += left <= right
            b += right <= left
            entries += 1
        counts[i] = entries + (a_end - a) + (b_end - b)


def _csr(real):
    return (
        reads(real), reads(i64), reads(i64), pairs_record(reads, real), reads(i64), writes(real), writes(i64)
    )  # fmt: skip


@jit(_csr(f32), _csr(f64))
def interpolate_csr(data, indices, indptr, pairs, out_indptr, out_data, out_indices):
    """Write result row i to places out_indptr[i] .. out_indptr[i + 1] - 1.

    Entries that are not stored are 0, but a result of 0 is stored.
    """
    parents, neighbors, gaps = pairs
    count = parents.size
    check_pairs(pairs)
    if data.size != indices.size or out_indptr.size != count + 1 or out_data.size != out_indices.size:
        raise ValueError("interpolate_csr: shapes differ")
    require_csr(indices, indptr, parents, neighbors)
    good = out_indptr[0] >= 0 and out_indptr[count] <= out_data.size
    for i in range(count):
        good &= out_indptr[i] <= out_indptr[i + 1]
    if not good:
        raise ValueError("interpolate_csr: out_indptr does not fit")
    zero = data.dtype.type(0)
    for i in range(count):
        a, b = indptr[parents[i]], indptr[neighbors[i]]
        a_end, b_end = indptr[parents[i] + 1], indptr[neighbors[i] + 1]
        to = out_indptr[i]
        while to < out_indptr[i + 1] and (a < a_end or b < b_end):
            has_a = a < a_end and (b == b_end or indices[a] <= indices[b])
            has_b = b < b_end and (a == a_end or indices[b] <= indices[a])
            out_indices[to] = indices[a] if has_a else indices[b]
            out_data[to] = between(data[a] if has_a else zero, data[b] if has_b else zero, gaps[i])
            a += has_a
            b += has_b
            to += 1


@jit(
    (reads(f32, 2), reads(f64), writes(f64), writes(f64)),
    (reads(f64, 2), reads(f64), writes(f64), writes(f64)),
)
def column_moments(X, center, sums, squares):
    """Add the differences between column j and center[j] to sums[j], and their squares to squares[j].

    Rows are added from the first to the last.
    """
    n, d = X.shape
    if center.size != d or sums.size != d or squares.size != d:
        raise ValueError("column_moments: shapes differ")
    for i in range(n):
        for j in range(d):
            off = np.float64(X[i, j]) - center[j]
            sums[j] += off
            squares[j] += off * off


@jit()
def vote(source, parent, column, votes):
    """Return the code that most of the parent's neighbors have in a column, or the smallest one if tied."""
    X, table, _, _ = source
    k = table.shape[1]
    for i in range(k):
        votes[i] = X[np.uint64(table[parent, i]), column]
    best, most = votes[0], 0
    for i in range(k):
        count = 0
        for j in range(k):
            count += votes[j] == votes[i]
        if count > most or (count == most and votes[i] < best):
            best, most = votes[i], count
    return best


@jit()
def draw_group(source, run, begin, end, drawn, at):
    """Draw the parents of a group and the places of their neighbors in the table."""
    X, table, cells, _ = source
    parents, places, gaps = drawn
    n, k = np.uint64(X.shape[0]), np.uint64(table.shape[1])
    weighted = cells.size != 0
    for j in range(begin, end):
        proposal = column_and_coin(word(run, np.uint64(j)), n)
        w = word(run, np.uint64(SYNTHETIC_ROWS + j))
        parents[at + j] = proposal if weighted else proposal >> S32
        places[at + j] = column_and_coin(w, k) >> S32
        gaps[at + j] = w * k
    if weighted:
        for j in range(at + begin, at + end):
            parents[j] = resolve(parents[j], cells[parents[j] >> S32])
    for j in range(at + begin, at + end):
        places[j] += parents[j] * k
        prefetch(table, places[j])
        prefetch_row(X, np.int64(parents[j]))


@jit()
def find_neighbors(source, begin, end, drawn, at):
    """Look the neighbors of a group up in the table."""
    X, table, _, categorical = source
    places, k, d = drawn.places, np.uint64(table.shape[1]), X.shape[1]
    for j in range(at + begin, at + end):
        parent = drawn.parents[j]
        places[j] = np.uint64(table[parent, places[j] - parent * k])
        prefetch_row(X, np.int64(places[j]))
        for c in range(categorical.size):
            for i in range(table.shape[1]):
                prefetch(X, table[parent, i] * d + categorical[c])


@jit()
def make_row(source, drawn, at, votes, out, i):
    """Write the synthetic row of one draw to row i of `out`, and return its gap."""
    X, _, _, categorical = source
    parent = drawn.parents[at]
    gap = X.dtype.type(fraction(drawn.gaps[at], BITS32 if X.itemsize == 4 else BITS64))
    blend(X, parent, drawn.places[at], gap, out, i)
    for c in range(categorical.size):
        column = categorical[c]
        out[i, column] = vote(source, parent, column, votes)
    return gap


@jit()
def check_draw(source, votes, with_parents, out, pairs):
    """Require arrays of shapes that fit, and columns inside X."""
    (n, d), k = source.X.shape, source.table.shape[1]
    check_pairs(pairs)
    if source.table.shape[0] != n or source.cells.size not in (0, n):
        raise ValueError("source: shapes differ")
    if n == 0 or n >> 31 or k == 0 or k >> 31 or not all_below(source.categorical, d):
        raise ValueError("source: no rows, too many, no neighbors, or a column outside X")
    if out.shape[1] != d or votes.size < k or (with_parents and pairs.parents.size != out.shape[0]):
        raise ValueError("smote_draw: shapes differ")


def _draw(real):
    return (
        u64, u64, u64, neighborhood_record(real), writes(real), b1, writes(real, 2),
        pairs_record(writes, real),
    )  # fmt: skip


@jit(_draw(f32), _draw(f64))
def smote_draw(key, lane, first, source, votes, with_parents, out, pairs):
    """Draw rows first .. first + len(out) - 1 of the stream into `out`.

    If `with_parents` is true, what they are made from is written to `pairs`. Three groups are in progress at
    a time: while the rows of one are made, the data of the next two are being prefetched.
    """
    check_draw(source, votes, with_parents, out, pairs)
    count = out.shape[0]
    drawn = Drawn(stack_ring(), stack_ring(), stack_ring())
    lead = np.int64(first % np.uint64(SYNTHETIC_ROWS))  # rows of the first group that come before
    groups = (lead + count + SYNTHETIC_ROWS - 1) // SYNTHETIC_ROWS
    for step in range(groups + 2):
        if step < groups:
            run = open_run(key, first // np.uint64(SYNTHETIC_ROWS) + np.uint64(step), lane)
            begin, end = lead if step == 0 else 0, min(SYNTHETIC_ROWS, lead + count - step * SYNTHETIC_ROWS)
            draw_group(source, run, begin, end, drawn, step % 3 * SYNTHETIC_ROWS)
        if 1 <= step <= groups:
            group = step - 1
            begin, end = lead if group == 0 else 0, min(SYNTHETIC_ROWS, lead + count - group * SYNTHETIC_ROWS)
            find_neighbors(source, begin, end, drawn, group % 3 * SYNTHETIC_ROWS)
        if step < 2:
            continue
        group = step - 2
        begin, end = lead if group == 0 else 0, min(SYNTHETIC_ROWS, lead + count - group * SYNTHETIC_ROWS)
        for j in range(begin, end):
            i, at = group * SYNTHETIC_ROWS + j - lead, group % 3 * SYNTHETIC_ROWS + j
            gap = make_row(source, drawn, at, votes, out, i)
            if with_parents:
                pairs.parents[i], pairs.gaps[i] = np.int64(drawn.parents[at]), gap
                pairs.neighbors[i] = np.int64(drawn.places[at])
