"""Weighted reservoirs: ranks E / w whose exponentials E stand at fixed addresses, so that the smallest ranks
of a stream depend on nothing else (Efraimidis and Spirakis 2006; rng.py, "Weighted reservoirs").

by position, 64 rows a block     first rank of the block: E / W, W its weight, its row in proportion to it;
[....][....][....][..            the others' ranks are that + E / w each, since exponentials have no memory.
 E / W > threshold: next         A block that begins above the threshold costs a word and a comparison.

Kernels note candidates, ranks up to a threshold that may be out of date: too many never change an answer.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import f32, f64, i64, jit, reads, stack, u8, u64, writes
from equipoise._numba.reservoirs.blocks import ROWS, add_block, add_columns, block_pick, gap, is_weight, sum
from equipoise._numba.reservoirs.classes import class_bounds
from equipoise._numba.stream.elementary import exp, log, log_normal
from equipoise._numba.stream.rng import BLOCK, ONE, TWO, ZERO, mix64, open_run, unit_real, word

SEVEN = np.uint64(7)
SLACK = 1.0 + 2.0**-40  # covers the rounding of a logarithm, a quotient, a product


# Why a kernel came back; the first number is where to go on, or what is wrong.
ALL_SEEN, FULL, BAD_WEIGHT, BAD_SUM, NEW_CLASS = 0, 1, 2, 3, 4
stack_words, stack_reals, stack_flags = stack(u64, 128), stack(f64, 128), stack(u8, 128)
Stream = namedtuple("Stream", "key, start, ids, shifts")


@jit()
def exponential(word):
    return 0.0 - log_normal(unit_real(word), 0)


@jit()
def block_ranks(run, b, w, at, total, threshold, filled, rows, ranks, row_weights):
    """A block's ranks up to the threshold. Run: its group's, where it is number `b`."""
    start = exponential(word(run, b)) / total
    if not start <= threshold:
        return filled
    words = BLOCK + (ROWS + ONE) * b
    picked = block_pick(w, at, total, word(run, words + ROWS))
    rows[filled] = np.int64(at + picked)
    ranks[filled] = start
    row_weights[filled] = np.float64(w[at + picked])
    filled += ONE
    # A rank is rounded as a sum; ranks beyond float64 are all infinite, and none is left out.
    bound = (threshold - start) * SLACK + threshold * 2.0**-52 if threshold < np.inf else np.inf
    for i in range(ROWS):
        x = np.float64(w[at + i])
        bits = word(run, words + i)
        if gap(bits) <= bound * x and x > 0.0 and i != picked:
            rows[filled] = np.int64(at + i)
            ranks[filled] = start + exponential(bits) / x
            row_weights[filled] = x
            filled += np.uint64(ranks[filled] <= threshold)
    return filled


@jit()
def block_points(group, b, run, w, at, total, threshold, most, filled, rows, ranks, row_weights):
    """The same with replacement: points of a Poisson process, at most `most`. Run: the block's own."""
    point = exponential(word(group, b)) / total
    pick = word(group, BLOCK + (ROWS + ONE) * b + ROWS)
    j, stop = ZERO, filled + most
    while filled < stop and point <= threshold:
        row = at + block_pick(w, at, total, pick)
        rows[filled] = np.int64(row)
        ranks[filled] = point
        row_weights[filled] = np.float64(w[row])
        filled += ONE
        point += exponential(word(run, j)) / total
        pick = word(run, j + ONE)
        j += TWO
    return filled


@jit(
    (u64, i64, reads(f32), f64, i64, f64, writes(i64), writes(f64), writes(f64)),
    (u64, i64, reads(f64), f64, i64, f64, writes(i64), writes(f64), writes(f64)),
)
def reservoir_blocks(key, start, weights, threshold, most, total, rows, ranks, row_weights):
    """Whole blocks of a stream, from block `start` on; with replacement up to `most` points of each."""
    if start < 0 or most < 0 or np.uint64(weights.size) % ROWS:
        raise ValueError("reservoir_blocks: whole blocks only")
    if rows.size != ranks.size or rows.size != row_weights.size or rows.size < max(most, 128):
        raise ValueError("reservoir: too little room for candidates")
    bound, filled = threshold * SLACK, ZERO
    blocks, room, limit = np.uint64(weights.size) // ROWS, np.uint64(rows.size), np.uint64(most)
    need = limit if most else ROWS
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
            for i in range(first, first + ROWS):
                if not is_weight(weights[i]):
                    return np.int64(i), np.int64(filled), BAD_WEIGHT, total
            if not block_sum < np.inf:
                return np.int64(first), np.int64(filled), BAD_SUM, total
        if gap(word(run, number)) <= bound * block_sum and block_sum > 0.0:
            if room - filled < need:
                return np.int64(first), np.int64(filled), FULL, total
            if most:
                own = open_run(key, block, ONE)
                filled = block_points(
                    run,
                    number,
                    own,
                    weights,
                    first,
                    block_sum,
                    threshold,
                    limit,
                    filled,
                    rows,
                    ranks,
                    row_weights,
                )
            else:
                filled = block_ranks(
                    run, number, weights, first, block_sum, threshold, filled, rows, ranks, row_weights
                )
        total += block_sum
    return np.int64(blocks * ROWS), np.int64(filled), ALL_SEEN, total


@jit()
def decay_bound(threshold, shift):
    """No less than the rank that a threshold of logarithms stands for, for all that rounding does."""
    most = (threshold + shift) + (abs(threshold) + abs(shift)) * 2.0**-50
    return exp(most if most > -708.0 else -708.0)


@jit()
def row_points(stream, i, w, bits, threshold, most, filled, rows, ranks, row_weights):
    """Up to the threshold, the points of row i of weight w, whose first exponential is of `bits`."""
    decays = stream.shifts.size > 0
    log_w = log(w) + stream.shifts[i] if decays else 0.0
    e, run, points = exponential(bits), open_run(stream.key, ZERO, ZERO), ZERO
    while True:
        rank = log(e) - log_w if decays else e / w
        if not rank <= threshold:
            return filled
        rows[filled] = np.int64(i)
        ranks[filled] = rank
        row_weights[filled] = w
        filled += ONE
        points += ONE
        if points >= most:
            return filled
        if points == ONE:
            row = np.uint64(stream.ids[i]) if stream.ids.size else np.uint64(stream.start) + i
            run = open_run(stream.key, row, ONE)
        e += exponential(word(run, points - ONE))


@jit()
def identify(stream, rows, row_ids, begin, end):
    """Ids of candidates, or their positions."""
    for f in range(begin, end):
        row = rows[f]
        row_ids[f] = stream.ids[np.uint64(row)] if stream.ids.size else stream.start + row


@jit(
    (
        u64, i64, reads(i64), reads(i64), reads(i64), reads(i64), reads(f32), reads(f64), reads(f64),
        writes(i64), i64, f64, writes(i64), writes(f64), writes(f64), writes(i64),
    ),
    (
        u64, i64, reads(i64), reads(i64), reads(i64), reads(i64), reads(f64), reads(f64), reads(f64),
        writes(i64), i64, f64, writes(i64), writes(f64), writes(f64), writes(i64),
    ),
)  # fmt: skip
def reservoir_rows(
    key, start, ids, classes, slot_labels, slot_numbers, weights, shifts, thresholds, counts, most, total,
    rows, ranks, row_weights, row_ids,
):  # fmt: skip
    """Up to `most` points of each row; most = 1 is without replacement.

    row_ids: of candidates, or their positions.
    """
    size_of = max(weights.size, classes.size)
    count, slots = np.uint64(size_of), np.uint64(slot_labels.size)
    mask = slots - ONE
    if (
        start < 0
        or most < 1
        or (thresholds.size == 0 and (not slots or classes.size != size_of))
        or (weights.size and weights.size != size_of)
        or (ids.size and ids.size != size_of)
        or (classes.size and classes.size != size_of)
        or (shifts.size and shifts.size != size_of)
        or (classes.size and (counts.size != thresholds.size or most > 1))
        or slot_numbers.size != slot_labels.size
        or slots & mask
        or row_ids.size != rows.size
    ):
        raise ValueError("reservoir_rows: shapes differ")
    if rows.size != ranks.size or rows.size != row_weights.size or rows.size < max(most, 128):
        raise ValueError("reservoir: too little room for candidates")
    for i in range(np.uint64(0 if slots else classes.size)):
        if np.uint64(classes[i]) >= np.uint64(thresholds.size):
            raise ValueError("reservoir_rows: a class without a threshold")
    stream = Stream(key, start, ids, shifts)
    by_id, has_classes, decays, weighted = ids.size > 0, classes.size > 0, shifts.size > 0, weights.size > 0
    words, reals, limits, decayed = stack_words(), stack_reals(), stack_reals(), stack_reals()
    may, bounds = stack_flags(), decayed if decays else limits
    filled, room, limit, at = ZERO, np.uint64(rows.size), np.uint64(most), ZERO
    run, at_once = open_run(key, ZERO, ZERO), most == 1 and not decays
    while at < count:
        size = min(BLOCK, count - at)
        if most == 1 and room - filled < BLOCK:
            return np.int64(at), np.int64(filled), FULL, total
        if by_id:
            for j in range(size):
                words[j] = mix64(word(run, np.uint64(ids[at + j])))
        else:
            position = np.uint64(start) + at
            offset = position % BLOCK
            size = min(size, BLOCK - offset)
            run = open_run(key, position // BLOCK, ZERO)
            for j in range(size):
                words[j] = word(run, offset + j)
        if weighted:
            for j in range(size):
                reals[j] = np.float64(weights[at + j])
        else:
            for j in range(size):
                reals[j] = 1.0
        for j in range(size, (size + SEVEN) & ~SEVEN):
            reals[j] = 0.0
        negative = ZERO
        for j in range(size):
            negative |= np.uint64(reals[j] < 0.0)
        piece = sum(add_columns(reals, ZERO, (size + SEVEN) & ~SEVEN))
        if negative or not piece < np.inf:
            for j in range(size):
                if not is_weight(reals[j]):
                    return np.int64(at + j), np.int64(filled), BAD_WEIGHT, total
            if not piece < np.inf:
                return np.int64(at), np.int64(filled), BAD_SUM, total
        if has_classes:
            if not class_bounds(
                classes, at, size, slot_labels, slot_numbers, mask, thresholds, limits, counts
            ):
                return np.int64(at), np.int64(filled), NEW_CLASS, total
        else:
            for j in range(size):
                limits[j] = thresholds[ZERO]
        if decays:
            for j in range(size):
                decayed[j] = decay_bound(limits[j], shifts[at + j])
        some, before = np.uint8(0), filled
        for j in range(size):
            may[j] = np.uint8(gap(words[j]) <= bounds[j] * SLACK * reals[j])
            some |= may[j]
        for j in range(size if some else ZERO):
            if may[j] and at_once:  # a rank is late, so no branch waits for it
                rows[filled] = np.int64(at + j)
                ranks[filled] = exponential(words[j]) / reals[j]
                row_weights[filled] = reals[j]
                filled += np.uint64((ranks[filled] <= limits[j]) & (reals[j] > 0.0))
            elif may[j] and reals[j] > 0.0:
                if room - filled < limit:
                    for i in range(j):
                        total += reals[i]
                    identify(stream, rows, row_ids, before, filled)
                    return np.int64(at + j), np.int64(filled), FULL, total
                filled = row_points(
                    stream, at + j, reals[j], words[j], limits[j], limit, filled, rows, ranks,
                    row_weights,
                )  # fmt: skip
        identify(stream, rows, row_ids, before, filled)
        if most == 1:
            total += piece
        else:  # a piece may be left in the middle: row by row
            for j in range(size):
                total += reals[j]
        at += size
    if not total < np.inf:
        return np.int64(0), np.int64(filled), BAD_SUM, total
    return np.int64(count), np.int64(filled), ALL_SEEN, total
