"""The rows of class-balanced batches."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import i64, jit, reads, record, u32, u64, writes
from equipoise._numba.orders.permutation import (
    AT_ONCE,
    numbers_at,
    permutation,
    shuffle,
    stack_numbers,
    stack_order,
)
from equipoise._numba.stream.rng import ZERO, open_run

# The rows of a data set, grouped by class: those of class c are rows[offsets[c]] .. rows[offsets[c + 1] - 1].
ClassRows = namedtuple("ClassRows", "rows, offsets")


@jit()
def check_source(source):
    """Check that the offsets fit the rows."""
    count = source.offsets.size - 1
    good = count >= 0 and source.offsets[0] == 0 and source.offsets[count] == source.rows.size
    for c in range(count if good else 0):
        good &= source.offsets[c] <= source.offsets[c + 1]
    if not good or source.rows.size >> 32 != 0:
        raise ValueError("source: offsets do not fit")


@jit()
def check_draws(source, begins, ends, out):
    """Check that the draws fill `out`."""
    count = source.offsets.size - 1
    if begins.shape[0] != ends.shape[0] or begins.shape[1] != count or ends.shape[1] != count:
        raise ValueError("class_rows: shapes differ")
    room = out.size
    for batch in range(begins.shape[0]):
        for c in range(count):
            begin, end = begins[batch, c], ends[batch, c]
            drawn = end - begin if 0 <= begin <= end else -1
            if drawn < 0 or drawn > room or (drawn > 0 and source.offsets[c] == source.offsets[c + 1]):
                raise ValueError("class_rows: begins and ends do not fit")
            room -= drawn
    if room != 0:
        raise ValueError("class_rows: begins and ends do not fit")


@jit((u64, record(ClassRows, reads(u32), reads(i64)), reads(i64, 2), reads(i64, 2), writes(i64)))
def class_rows(key, source, begins, ends, out):
    """Write the rows that some batches draw, batch by batch and class by class.

    The first row that a batch draws of class c is number begins[c] of the class's rows of this epoch, and the
    last one is number ends[c] - 1. Begins and ends of a batch follow those of the one before. An epoch goes
    through a class's rows again and again, each time in another order.
    """
    check_source(source)
    check_draws(source, begins, ends, out)
    room, numbers, to = stack_order(), stack_numbers(), ZERO
    for batch in range(begins.shape[0]):
        for c in range(begins.shape[1]):
            at, stop = np.uint64(begins[batch, c]), np.uint64(ends[batch, c])
            offset = np.uint64(source.offsets[c])
            size = np.uint64(source.offsets[c + 1]) - offset
            while at < stop:
                cycle = at // size
                start = cycle * size
                end = min(stop, start + size)
                order = permutation(open_run(key, cycle, np.uint64(c + 1)), size, room)
                while at < end:
                    count = min(end - at, AT_ONCE)
                    numbers_at(order, at - start, count, numbers)
                    for i in range(count):
                        out[to + i] = source.rows[offset + numbers[i]]
                    at += count
                    to += count


@jit((u64, u64, u64, writes(i64, 2)))
def batch_shuffle(key, first, step, out):
    """Shuffle the places of each batch. The batches are number first, first + step, .. of their epoch."""
    width = np.uint64(out.shape[1])
    flat = out.reshape(-1)
    for batch in range(np.uint64(out.shape[0])):
        shuffle(open_run(key, first + batch * step, ZERO), width, flat, batch * width)
