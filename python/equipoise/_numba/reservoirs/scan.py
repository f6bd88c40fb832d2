"""Kernels of weighted reservoirs: the rows whose ranks E / w are at most the threshold.

The exponential E of a row is a function of the row's address alone, so the rows of smallest rank depend on
nothing else (Efraimidis and Spirakis 2006; see ``rng.py``, "Weighted reservoirs").

::

    [....][....][....][..   Rows keyed by position come in blocks of 64. The first rank of a block is E / W,
     E / W > threshold:     where W is the block's weight; its row is drawn in proportion to weight. The
     next block             ranks of the others are E / W + E_i / w_i, since exponentials have no memory. A
                            block that begins above the threshold costs one word and one comparison.

Kernels report candidates: rows whose ranks are at most the threshold. If the threshold is out of date, there
are more of them than necessary, which never changes an answer.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f32, f64, i64, jit, reads, record, stack, u8, u64, writes
from equipoise._numba.reservoirs.blocks import ROWS, add_block, add_columns, block_pick, gap, is_weight, sum
from equipoise._numba.reservoirs.classes import Slots, check_slots, class_bounds
from equipoise._numba.reservoirs.ranks import any_bounds_differ, is_plain, rank_after, rank_bound
from equipoise._numba.stream.elementary import bits_of, exp, log, log_normal
from equipoise._numba.stream.rng import BLOCK, ONE, TWO, ZERO, mix64, open_run, unit_real, word

SEVEN = np.uint64(7)
SLACK = 1.0 + 2.0**-40  # covers the rounding of a logarithm, a quotient and a product

# The multipliers are those of Steele and Vigna, "Computationally easy, spectrally good multipliers for
# congruential pseudorandom number generators" (2022).
ONE_BITS = np.uint64(0x3FF0000000000000)  # the float 1.0
CLASS_STEP, TIME_STEP = np.uint64(0xD1342543DE82EF95), np.uint64(0xAF251AF3B0F025B5)

# Why a kernel returned. Its first result is the row to continue with, or the one at fault.
ALL_SEEN, FULL, BAD_WEIGHT, BAD_SUM, NEW_CLASS = 0, 1, 2, 3, 4
stack_words, stack_reals, stack_flags = stack(u64, 128), stack(f64, 128), stack(u8, 128)
stack_classes = stack(i64, 128)

# Room for candidates. The kernel for blocks does not write ids and class numbers.
Candidates = namedtuple("Candidates", "rows, ids, ranks, weights, classes")
CANDIDATES = record(Candidates, writes(i64), writes(i64), writes(f64), writes(f64), writes(i64))

# Rows that are scanned one by one, from position `start` on: those keyed by id, and those keyed by position
# whose classes have thresholds of their own or whose weights decay. Without ids, rows are keyed by position.
# Times the rate are added to the logarithms of the weights; without times nothing decays.
Stream = namedtuple("Stream", "key, start, ids, times, rate")
STREAM = record(Stream, u64, i64, reads(i64), reads(f64), f64)


@jit()
def check_candidates(out, max_points):
    """Reject a record that is too small for one more block of candidates."""
    size = out.rows.size
    if (
        out.ranks.size != size
        or out.weights.size != size
        or out.ids.size != size
        or out.classes.size != size
        or size < max(max_points, 128)
    ):
        raise ValueError("candidates: too little room")


@jit()
def exponential(word):
    """Return an exponential random number, -log(u), from a word."""
    return 0.0 - log_normal(unit_real(word), 0)


@jit()
def put(out, at, row, rank, weight):
    """Write a candidate."""
    out.rows[at] = np.int64(row)
    out.ranks[at] = rank
    out.weights[at] = weight


@jit()
def block_ranks(run, b, w, at, total, threshold, filled, out):
    """Report the rows of a block whose ranks are at most the threshold.

    ``run`` is the run of the block's group, in which the block has the number ``b``.
    """
    start = rank_after(0.0, exponential(word(run, b)), total)
    if not start <= threshold:
        return filled
    words = BLOCK + (ROWS + ONE) * b
    picked = block_pick(w, at, total, word(run, words + ROWS))
    put(out, filled, at + picked, start, np.float64(w[at + picked]))
    filled += ONE
    if is_plain(start) and is_plain(threshold):  # a rank is rounded as a sum
        bound = (threshold - start) * SLACK + threshold * 2.0**-52
    else:
        bound = rank_bound(threshold) * SLACK
    for i in range(ROWS):
        x = np.float64(w[at + i])
        bits = word(run, words + i)
        if gap(bits) <= bound * x and x > 0.0 and i != picked:
            rank = rank_after(start, exponential(bits), x)
            put(out, filled, at + i, rank, x)
            filled += np.uint64(rank <= threshold)
    return filled


@jit()
def block_points(group, b, run, w, at, total, threshold, max_points, filled, out):
    """Report the points of the block's Poisson process up to the threshold, with replacement.

    ``group`` is the run of the block's group, and ``run`` is the block's own.
    """
    point = rank_after(0.0, exponential(word(group, b)), total)
    pick = word(group, BLOCK + (ROWS + ONE) * b + ROWS)
    j, stop = ZERO, filled + max_points
    while filled < stop and point <= threshold:
        row = at + block_pick(w, at, total, pick)
        put(out, filled, row, point, np.float64(w[row]))
        filled += ONE
        point = rank_after(point, exponential(word(run, j)), total)
        pick = word(run, j + ONE)
        j += TWO
    return filled


@jit()
def any_bad(w, at, count, finite):
    """Return the first bad weight and why the scan stops. ``finite`` tells whether all sums are."""
    for i in range(at, at + count):
        if not is_weight(w[i]):
            return i, BAD_WEIGHT
    return at, ALL_SEEN if finite else BAD_SUM


@jit(
    (u64, i64, reads(f32), f64, i64, f64, CANDIDATES),
    (u64, i64, reads(f64), f64, i64, f64, CANDIDATES),
)
def reservoir_blocks(key, start, weights, threshold, max_points, total, candidates):
    """Scan whole blocks of a stream, from block ``start`` on.

    ``max_points`` is 0 without replacement, else the largest number of points of a block.
    """
    if start < 0 or max_points < 0 or np.uint64(weights.size) % ROWS:
        raise ValueError("reservoir_blocks: whole blocks only")
    check_candidates(candidates, max_points)
    bound, filled = rank_bound(threshold) * SLACK, ZERO
    blocks, room, limit = (
        np.uint64(weights.size) // ROWS,
        np.uint64(candidates.rows.size),
        np.uint64(max_points),
    )
    need = limit if max_points else ROWS
    run = open_run(key, np.uint64(start) // BLOCK, ZERO)
    for at in range(blocks):
        block = np.uint64(start) + at
        number = block % BLOCK
        if number == ZERO:
            run = open_run(key, block // BLOCK, ZERO)
        first = at * ROWS
        block_sum = sum(add_block(weights, first))
        negative = ZERO
        for i in range(first, first + ROWS):
            negative |= np.uint64(weights[i] < 0.0)
        if negative or not block_sum < np.inf:
            bad, why = any_bad(weights, first, ROWS, block_sum < np.inf)
            if why:
                return np.int64(bad), np.int64(filled), why, total
        if gap(word(run, number)) <= bound * block_sum and block_sum > 0.0:
            if room - filled < need:
                return np.int64(first), np.int64(filled), FULL, total
            if max_points:
                filled = block_points(
                    run, number, open_run(key, block, ONE), weights, first, block_sum, threshold, limit,
                    filled, candidates,
                )  # fmt: skip
            else:
                filled = block_ranks(run, number, weights, first, block_sum, threshold, filled, candidates)
        total += block_sum
    return np.int64(blocks * ROWS), np.int64(filled), ALL_SEEN, total


@jit()
def decay_bound(threshold, shift):
    """Return an upper bound of the ranks whose logarithms, plus ``shift``, are at most ``threshold``."""
    most = (threshold + shift) + (abs(threshold) + abs(shift)) * 2.0**-50
    return exp(most if most > -708.0 else -708.0)


@jit()
def row_points(stream, i, w, bits, threshold, max_points, filled, out):
    """Report the points of row i up to the threshold, at most ``max_points``, which is 1 without replacement.

    The row's word is ``bits``.
    """
    decays = stream.times.size > 0
    log_w = log(w) + stream.times[i] * stream.rate if decays else 0.0
    id = stream.ids[i] if stream.ids.size else stream.start + np.int64(i)
    e, run, points = exponential(bits), open_run(stream.key, ZERO, ZERO), ZERO
    while True:
        rank = log(e) - log_w if decays else rank_after(0.0, e, w)
        if not rank <= threshold:
            return filled
        put(out, filled, i, rank, w)
        out.ids[filled] = id
        filled += ONE
        points += ONE
        if points >= max_points:
            return filled
        if points == ONE:
            run = open_run(stream.key, bits if stream.ids.size else np.uint64(id), ONE)
        e += exponential(word(run, points - ONE))


@jit()
def piece_size(stream, at, count):
    """Return the number of the next rows, at most 128, that are processed side by side."""
    return min(BLOCK if stream.ids.size else BLOCK - (np.uint64(stream.start) + at) % BLOCK, count - at)


@jit()
def position_words(stream, at, size, words):
    """Compute the words of rows keyed by position."""
    position = np.uint64(stream.start) + at
    offset = position % BLOCK
    run = open_run(stream.key, position // BLOCK, ZERO)
    for j in range(size):
        words[j] = word(run, offset + j)


@jit()
def id_words(stream, at, size, reals, classes, words):
    """Compute the words of rows keyed by id, whose addresses hold weight, class and time as well."""
    run = open_run(stream.key, ZERO, ZERO)
    for j in range(size):
        rest = bits_of(reals[j]) - ONE_BITS
        if classes.size:
            rest += np.uint64(classes[at + j]) * CLASS_STEP
        if stream.times.size:
            rest += bits_of(stream.times[at + j] + 0.0) * TIME_STEP
        words[j] = mix64(word(run, np.uint64(stream.ids[at + j])) + rest)


@jit()
def piece_weights(weights, at, size, reals):
    """Copy the weights, or set all to 1 if there are none. Return their sum, and whether one is negative."""
    padded, negative = (size + SEVEN) & ~SEVEN, ZERO
    if weights.size:
        for j in range(size):
            reals[j] = np.float64(weights[at + j])
    else:
        for j in range(size):
            reals[j] = 1.0
    for j in range(size, padded):
        reals[j] = 0.0
    for j in range(size):
        negative |= np.uint64(reals[j] < 0.0)
    return sum(add_columns(reals, ZERO, padded)), negative


@jit()
def begin_pieces(stream, classes, thresholds, count, limits, bounds):
    """Set what is the same for all pieces of a call.

    ``limits`` are those of ranks or, with decay, of their logarithms; ``bounds`` are those of E / w. Return
    whether they differ, and whether there are more classes than rows.
    """
    many_classes = np.uint64(thresholds.size) > count
    if not classes.size:
        for j in range(BLOCK):
            limits[j] = thresholds[ZERO]
            bounds[j] = rank_bound(thresholds[ZERO])
    bounded = not classes.size or stream.times.size > 0
    if not bounded and not many_classes:
        bounded = any_bounds_differ(thresholds, np.uint64(thresholds.size))
    return bounded, many_classes


@jit()
def piece_limits(
    stream, classes, slots, thresholds, counts, at, size, limits, bounds, numbers, bounded, many_classes
):
    """Look up the rows' class numbers and thresholds, and count the rows by class.

    Return whether all classes are known, and whether the bounds differ from the limits.
    """
    decays = stream.times.size > 0
    if classes.size:
        if not class_bounds(classes, at, size, slots, thresholds, limits, numbers, counts):
            return False, bounded
        if many_classes:
            bounded = decays or any_bounds_differ(limits, size)
        if bounded and not decays:
            for j in range(size):
                bounds[j] = rank_bound(limits[j])
    if decays:
        for j in range(size):
            bounds[j] = decay_bound(limits[j], stream.times[at + j] * stream.rate)
    return True, bounded


@jit()
def piece_points(stream, at, size, words, reals, limits, bounds, numbers, may, max_points, filled, out):
    """Report the candidates of a piece.

    Return the first row for which there was no room, or the piece's size, and the number of candidates.
    """
    some, room = np.uint8(0), np.uint64(out.rows.size)
    for j in range(size):
        may[j] = np.uint8(gap(words[j]) <= bounds[j] * SLACK * reals[j])
        some |= may[j]
    for j in range(size if some else ZERO):
        if may[j] and reals[j] > 0.0:
            if room - filled < max_points:
                return j, filled
            out.classes[filled] = numbers[j]
            filled = row_points(stream, at + j, reals[j], words[j], limits[j], max_points, filled, out)
    return size, filled


@jit()
def check_rows(count, stream, weights, classes, slots, thresholds, counts, max_points):
    """Reject arrays that do not fit together."""
    check_slots(slots)
    if (
        stream.start < 0
        or max_points < 1
        or (thresholds.size == 0 and (not slots.labels.size or classes.size != count))
        or (weights.size and weights.size != count)
        or (stream.ids.size and stream.ids.size != count)
        or (classes.size and classes.size != count)
        or (stream.times.size and stream.times.size != count)
        or (classes.size and (counts.size != thresholds.size or max_points > 1))
    ):
        raise ValueError("reservoir_rows: shapes differ")
    for i in range(np.uint64(0 if slots.labels.size else classes.size)):
        if np.uint64(classes[i]) >= np.uint64(thresholds.size):
            raise ValueError("reservoir_rows: a class without a threshold")


SLOTS = record(Slots, reads(i64), reads(i64), u64)


@jit(
    (STREAM, reads(f32), reads(i64), SLOTS, reads(f64), writes(i64), i64, f64, CANDIDATES),
    (STREAM, reads(f64), reads(i64), SLOTS, reads(f64), writes(i64), i64, f64, CANDIDATES),
)
def reservoir_rows(stream, weights, classes, slots, thresholds, counts, max_points, total, candidates):
    """Scan rows one by one. If rows have no ids, the candidates' ids are their positions."""
    longer = max(weights.size, classes.size)
    check_rows(longer, stream, weights, classes, slots, thresholds, counts, max_points)
    check_candidates(candidates, max_points)
    words, reals, limits, bounds = stack_words(), stack_reals(), stack_reals(), stack_reals()
    may, numbers = stack_flags(), stack_classes()
    count, room, limit = np.uint64(longer), np.uint64(candidates.rows.size), np.uint64(max_points)
    filled, at = ZERO, ZERO
    bounded, many_classes = begin_pieces(stream, classes, thresholds, count, limits, bounds)
    while at < count:
        # Without replacement, a piece is processed whole or not at all, so that its sum has one order of
        # additions.
        if max_points == 1 and room - filled < BLOCK:
            return np.int64(at), np.int64(filled), FULL, total
        size = piece_size(stream, at, count)
        if not stream.ids.size:
            position_words(stream, at, size, words)
        piece, negative = piece_weights(weights, at, size, reals)
        if negative or not piece < np.inf:
            bad, why = any_bad(reals, ZERO, size, piece < np.inf)
            if why:
                return np.int64(at + bad), np.int64(filled), why, total
        known, bounded = piece_limits(
            stream,
            classes,
            slots,
            thresholds,
            counts,
            at,
            size,
            limits,
            bounds,
            numbers,
            bounded,
            many_classes,
        )
        if not known:
            return np.int64(at), np.int64(filled), NEW_CLASS, total
        if stream.ids.size:
            id_words(stream, at, size, reals, classes, words)
        upper = bounds if bounded else limits
        done, filled = piece_points(
            stream, at, size, words, reals, limits, upper, numbers, may, limit, filled, candidates
        )
        if max_points == 1:
            total += piece
        else:  # the scan may stop within a piece, so its weights are added row by row
            for j in range(done):
                total += reals[j]
        if done < size:
            return np.int64(at + done), np.int64(filled), FULL, total
        at += size
    if not total < np.inf:
        return np.int64(0), np.int64(filled), BAD_SUM, total
    return np.int64(count), np.int64(filled), ALL_SEEN, total
