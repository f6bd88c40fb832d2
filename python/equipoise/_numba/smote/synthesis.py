"""Synthetic rows on the segment from a row to one of its neighbours (Chawla et al. 2002). Searches nothing.

base o------------x----------------------o neighbour        x = base + gap * (neighbour - base)
  gap = 0                             gap = 1
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f32, f64, i32, i64, jit, reads, stack, u64, writes
from equipoise._numba.stream.rng import S32, fraction, open_run, prefetch, word
from equipoise._numba.tables.alias import column_and_coin, resolve

SYNTHETIC_ROWS = 64  # synthetic rows that share one start
ROWS_AHEAD = 16  # rows between asking for one and reading it
LINE_BYTES, ASKED_BYTES = 64, 256  # that come from memory at once; after which hardware goes on alone
BITS32, BITS64 = np.uint64(24), np.uint64(53)


@jit()
def between(base, neighbour, gap):
    return base + gap * (neighbour - base)


@jit()
def blend(X, base, neighbour, gap, out, i):
    for j in range(out.shape[1]):
        out[i, j] = between(X[base, j], X[neighbour, j], gap)


@jit()
def ask(X, row):
    """Ask for a row, which need not be there."""
    d = X.shape[1]
    for at in range(0, min(d * X.itemsize, ASKED_BYTES), LINE_BYTES):
        prefetch(X, row * d + at // X.itemsize)


@jit()
def all_below(numbers, limit):
    good = True
    for i in range(numbers.size):
        good &= 0 <= numbers[i] < limit
    return good


@jit(
    (reads(f32, 2), reads(i64), reads(i64), reads(f32), writes(f32, 2)),
    (reads(f64, 2), reads(i64), reads(i64), reads(f64), writes(f64, 2)),
)
def interpolate(X, parents, neighbours, gaps, out):
    n, count = X.shape[0], parents.size
    if X.shape[1] != out.shape[1] or count != out.shape[0] or neighbours.size != count or gaps.size != count:
        raise ValueError("interpolate: shapes differ")
    if not (all_below(parents, n) and all_below(neighbours, n)):
        raise ValueError("interpolate: a row outside X")
    for i in range(count):
        if i + ROWS_AHEAD < count:
            ask(X, parents[i + ROWS_AHEAD])
            ask(X, neighbours[i + ROWS_AHEAD])
        blend(X, np.uint64(parents[i]), np.uint64(neighbours[i]), gaps[i], out, i)


@jit()
def require_csr(indices, indptr, parents, neighbours):
    """What both CSR kernels read: rows that are there, whose entries are there."""
    rows, count = indptr.size - 1, parents.size
    if rows < 0 or neighbours.size != count or not (all_below(parents, rows) and all_below(neighbours, rows)):
        raise ValueError("interpolate_csr: a row outside the matrix")
    good = True
    for i in range(count):
        a, b = parents[i], neighbours[i]
        good &= 0 <= indptr[a] <= indptr[a + 1] <= indices.size
        good &= 0 <= indptr[b] <= indptr[b + 1] <= indices.size
    if not good:
        raise ValueError("interpolate_csr: indptr does not fit the indices")


@jit((reads(i64), reads(i64), reads(i64), reads(i64), writes(i64)))
def interpolate_csr_count(indices, indptr, parents, neighbours, counts):
    """Entries of each result row: the columns that either row stores."""
    if counts.size != parents.size:
        raise ValueError("interpolate_csr_count: shapes differ")
    require_csr(indices, indptr, parents, neighbours)
    for i in range(counts.size):
        a, b = indptr[parents[i]], indptr[neighbours[i]]
        a_end, b_end = indptr[parents[i] + 1], indptr[neighbours[i] + 1]
        entries = 0
        while a < a_end and b < b_end:
            left, right = indices[a], indices[b]
            a += left <= right
            b += right <= left
            entries += 1
        counts[i] = entries + (a_end - a) + (b_end - b)


def _csr(f):
    return (
        reads(f), reads(i64), reads(i64), reads(i64), reads(i64), reads(f), reads(i64), writes(f), writes(i64)
    )  # fmt: skip


@jit(_csr(f32), _csr(f64))
def interpolate_csr(data, indices, indptr, parents, neighbours, gaps, out_indptr, out_data, out_indices):
    """Result row i goes to out_indptr[i] .. out_indptr[i + 1].

    What is not stored is 0; a result of 0 is stored.
    """
    count = parents.size
    if (
        data.size != indices.size
        or gaps.size != count
        or out_indptr.size != count + 1
        or out_data.size != out_indices.size
    ):
        raise ValueError("interpolate_csr: shapes differ")
    require_csr(indices, indptr, parents, neighbours)
    good = out_indptr[0] >= 0 and out_indptr[count] <= out_data.size
    for i in range(count):
        good &= out_indptr[i] <= out_indptr[i + 1]
    if not good:
        raise ValueError("interpolate_csr: out_indptr does not fit")
    zero = data.dtype.type(0)
    for i in range(count):
        a, b = indptr[parents[i]], indptr[neighbours[i]]
        a_end, b_end = indptr[parents[i] + 1], indptr[neighbours[i] + 1]
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
def column_moments(X, centre, sums, squares):
    """Adds to sums[j] what column j differs from centre[j], to squares[j] the squares of it.

    From the first row to the last.
    """
    n, d = X.shape
    if centre.size != d or sums.size != d or squares.size != d:
        raise ValueError("column_moments: shapes differ")
    for i in range(n):
        for j in range(d):
            off = np.float64(X[i, j]) - centre[j]
            sums[j] += off
            squares[j] += off * off


# What is drawn from: rows, the k neighbours of each, an alias table's cells over the rows (none: all rows
# alike), and the columns that hold codes.
Neighbourhood = namedtuple("Neighbourhood", "X, table, cells, categorical")


# Rows of one group on their way: parents are known, then neighbours, then the rows themselves. Three groups
# stand one after the other. places: in the table of neighbours, then rows; gaps: words of which a gap takes
# the top bits.
Drawn = namedtuple("Drawn", "parents, places, gaps")
stack_ring = stack(u64, 3 * SYNTHETIC_ROWS)


@jit()
def vote(source, parent, column, votes):
    """The code that most of the parent's neighbours have in a column, the smallest of those."""
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
        ask(X, np.int64(parents[j]))


@jit()
def find_neighbours(source, begin, end, drawn, at):
    X, table, _, categorical = source
    places, k, d = drawn.places, np.uint64(table.shape[1]), X.shape[1]
    for j in range(at + begin, at + end):
        parent = drawn.parents[j]
        places[j] = np.uint64(table[parent, places[j] - parent * k])
        ask(X, np.int64(places[j]))
        for c in range(categorical.size):
            for i in range(table.shape[1]):
                prefetch(X, table[parent, i] * d + categorical[c])


def _draw(f):
    return (
        u64, u64, u64, reads(f, 2), reads(i32, 2), reads(u64), reads(i64), writes(f), writes(f, 2),
        writes(i64), writes(i64), writes(f),
    )  # fmt: skip


@jit(_draw(f32), _draw(f64))
def smote_draw(key, lane, first, X, table, cells, categorical, votes, out, parents, neighbours, gaps):
    """Rows first .. first + len(out) - 1 of the stream.

    Where parents is empty, none but the rows are told. While the rows of one group are made, memory brings
    what the next two need.
    """
    (n, d), k, count = X.shape, table.shape[1], out.shape[0]
    if (
        table.shape[0] != n
        or out.shape[1] != d
        or cells.size not in (0, n)
        or parents.size != neighbours.size
        or parents.size != gaps.size
        or parents.size not in (0, count)
    ):
        raise ValueError("smote_draw: shapes differ")
    if n == 0 or n >> 31 or k == 0 or k >> 31 or votes.size < k or not all_below(categorical, d):
        raise ValueError("smote_draw: no rows, too many, no neighbours, no room, or a column outside X")
    source = Neighbourhood(X, table, cells, categorical)
    drawn = Drawn(stack_ring(), stack_ring(), stack_ring())
    bits = BITS32 if X.itemsize == 4 else BITS64
    lead = np.int64(first % np.uint64(SYNTHETIC_ROWS))  # rows of the first group that are not asked for
    groups = (lead + count + SYNTHETIC_ROWS - 1) // SYNTHETIC_ROWS
    for step in range(groups + 2):
        if step < groups:
            run = open_run(key, first // np.uint64(SYNTHETIC_ROWS) + np.uint64(step), lane)
            begin, end = lead if step == 0 else 0, min(SYNTHETIC_ROWS, lead + count - step * SYNTHETIC_ROWS)
            draw_group(source, run, begin, end, drawn, step % 3 * SYNTHETIC_ROWS)
        if 1 <= step <= groups:
            group = step - 1
            begin, end = lead if group == 0 else 0, min(SYNTHETIC_ROWS, lead + count - group * SYNTHETIC_ROWS)
            find_neighbours(source, begin, end, drawn, group % 3 * SYNTHETIC_ROWS)
        if step < 2:
            continue
        group = step - 2
        begin, end = lead if group == 0 else 0, min(SYNTHETIC_ROWS, lead + count - group * SYNTHETIC_ROWS)
        for j in range(begin, end):
            i, at = group * SYNTHETIC_ROWS + j - lead, group % 3 * SYNTHETIC_ROWS + j
            parent, neighbour = drawn.parents[at], drawn.places[at]
            gap = X.dtype.type(fraction(drawn.gaps[at], bits))
            blend(X, parent, neighbour, gap, out, i)
            for c in range(categorical.size):
                column = categorical[c]
                out[i, column] = vote(source, parent, column, votes)
            if parents.size:
                parents[i], neighbours[i], gaps[i] = np.int64(parent), np.int64(neighbour), gap
