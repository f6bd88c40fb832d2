"""Class labels and their numbers 0, 1, 2, ..., in order of first appearance."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import i64, jit, reads, record, u64, writes
from equipoise._numba.stream.rng import ONE, S32, ZERO, mix64

# A hash table with open addressing, at most half full. Number -1 marks a free slot. Without slots, each label
# is its own number. The word is random, so that nobody can choose labels that share their slots.
Slots = namedtuple("Slots", "labels, numbers, word")


@jit()
def check_slots(slots):
    """Reject a table of labels whose size is not a power of two."""
    size = np.uint64(slots.labels.size)
    if slots.numbers.size != slots.labels.size or size == ONE or size & (size - ONE):
        raise ValueError("slots: labels and numbers must have the same size, a power of two")


@jit()
def class_slot(label, slots):
    """Return the slot of a label, or the free slot where it would go.

    A label that is itself a slot number goes there.
    """
    mask = np.uint64(slots.labels.size) - ONE
    mixed = mix64(np.uint64(label) ^ slots.word)
    step = (mixed >> S32) | ONE
    at = np.uint64(label) if np.uint64(label) <= mask else mixed & mask
    while slots.numbers[at] >= 0 and slots.labels[at] != label:
        at = (at + step) & mask
    return at


@jit((reads(i64), record(Slots, writes(i64), writes(i64), u64), writes(i64), writes(i64)))
def class_lookup(labels, slots, known, numbers):
    """Look up the numbers of labels, and give new labels the next numbers, of which ``known`` are taken.

    Stop before a new label that would fill the table more than half. Return how many labels are done.
    """
    check_slots(slots)
    if slots.labels.size == 0 or known.size != 1 or numbers.size != labels.size:
        raise ValueError("class_lookup: shapes differ")
    for i in range(np.uint64(labels.size)):
        at = class_slot(labels[i], slots)
        if slots.numbers[at] < 0:
            if 2 * (known[ZERO] + 1) > slots.labels.size:
                return np.int64(i)
            slots.labels[at] = labels[i]
            slots.numbers[at] = known[ZERO]
            known[ZERO] += 1
        numbers[i] = slots.numbers[at]
    return np.int64(labels.size)


@jit()
def class_bounds(labels, first, count, slots, thresholds, bounds, numbers, counts):
    """Look up the numbers and thresholds of rows by their labels, and count the rows of each class.

    Return False if a label has no number, or a number without a threshold; the counts are then meaningless.
    """
    limit, mask = np.uint64(thresholds.size), np.uint64(slots.labels.size) - ONE
    for i in range(count):
        label = labels[first + i]
        number = np.uint64(label)
        if slots.labels.size:
            at = number & mask
            if slots.numbers[at] < 0 or slots.labels[at] != label:
                at = class_slot(label, slots)
            number = np.uint64(slots.numbers[at])
        if number >= limit:
            return False
        bounds[i] = thresholds[number]
        numbers[i] = np.int64(number)
        counts[number] += 1
    return True
