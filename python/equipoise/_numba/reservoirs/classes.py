"""Classes by number, 0, 1, .. in order of first sight, found by their labels in an open-addressing table."""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import i64, jit, reads, writes
from equipoise._numba.stream.rng import ONE, S32, ZERO, mix64


@jit()
def class_slot(label, slot_labels, slot_numbers, mask):
    """Where a label is, or would be (number -1 = free): first at itself, if that is a place."""
    mixed = mix64(np.uint64(label))
    step = (mixed >> S32) | ONE
    at = np.uint64(label) if np.uint64(label) <= mask else mixed & mask
    while slot_numbers[at] >= 0 and slot_labels[at] != label:
        at = (at + step) & mask
    return at


@jit((reads(i64), writes(i64), writes(i64), writes(i64), writes(i64)))
def class_lookup(labels, slot_labels, slot_numbers, known, numbers):
    """The caller keeps the table at most half full: this stops before a new label when there is no room.

    Returns how many labels are done.
    """
    mask = np.uint64(slot_labels.size) - ONE
    if (
        slot_numbers.size != slot_labels.size
        or slot_labels.size < 2
        or np.uint64(slot_labels.size) & mask
        or known.size != 1
        or numbers.size != labels.size
    ):
        raise ValueError("class_lookup: shapes differ")
    for i in range(np.uint64(labels.size)):
        at = class_slot(labels[i], slot_labels, slot_numbers, mask)
        if slot_numbers[at] < 0:
            if 2 * (known[ZERO] + 1) > slot_labels.size:
                return np.int64(i)
            slot_labels[at] = labels[i]
            slot_numbers[at] = known[ZERO]
            known[ZERO] += 1
        numbers[i] = slot_numbers[at]
    return np.int64(labels.size)


@jit()
def class_bounds(labels, first, count, slot_labels, slot_numbers, mask, thresholds, bounds, counts):
    """Thresholds of rows by their labels, and how many rows each class has.

    False if a label has no number, or one without a threshold: the counts are then of no use. Without a table
    labels are numbers.
    """
    limit = np.uint64(thresholds.size)
    for i in range(count):
        label = labels[first + i]
        number = np.uint64(label)
        if slot_labels.size:
            at = number & mask
            if slot_numbers[at] < 0 or slot_labels[at] != label:
                at = class_slot(label, slot_labels, slot_numbers, mask)
            number = np.uint64(slot_numbers[at])
        if number >= limit:
            return False
        bounds[i] = thresholds[number]
        counts[number] += 1
    return True
