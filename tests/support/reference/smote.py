"""Synthetic rows, and the table of neighbors that they are made from."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np

from support.reference.stream import M64, SMOTE, Run, below, call_key
from support.reference.tables import uniform_table


def deviation(column):
    """Return the standard deviation of a column, added up from the first row to the last."""
    b, n = column[0], len(column)
    total = 0.0
    for x in column:
        total += x - b
    a = b + total / n
    squares = 0.0
    for x in column:
        squares += (x - a) * (x - a)
    return math.sqrt(squares / n)


def median(values):
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def smote_table(X, k, categorical=()):
    """Return the k nearest points of each row. The first of several copies stands for their point."""
    rows = [[float(x) + 0.0 for x in row] for row in X]
    numbers = [j for j in range(len(rows[0])) if j not in categorical]
    m = 1.0
    if categorical and numbers:
        m = median([deviation([row[j] for row in rows]) for j in numbers])
    points = [i for i, row in enumerate(rows) if row not in rows[:i]]

    def squared(a, b):  # column c is added to sum c mod 4
        s = [0.0] * 4
        for c, j in enumerate(numbers):
            s[c % 4] += (a[j] - b[j]) * (a[j] - b[j])
        return (s[0] + s[1]) + (s[2] + s[3]) + m * m * sum(a[j] != b[j] for j in categorical)

    return [
        sorted((i for i in points if rows[i] != row), key=lambda i: (squared(row, rows[i]), i))[:k]
        for row in rows
    ]


def smote_stream(X):
    """Return the stream number of the rows of a class, 64 bits of their digest."""
    digest = hashlib.blake2b(struct.pack("<QQ", *X.shape), digest_size=16)
    for row in X:
        digest.update(b"".join(struct.pack("<f" if X.dtype == np.float32 else "<d", x) for x in row))
    return int.from_bytes(digest.digest()[:8], "little")


def fraction(word, dtype):
    """Return a real number in [0, 1) that `dtype` can hold."""
    return np.float32((word >> 40) * 2.0**-24) if dtype == np.float32 else np.float64((word >> 11) * 2.0**-53)


def synthetic_rows(X, table, count, *, parents=None, categorical=(), seed=0, epoch=0, first=0, lane=0):
    """Return (rows, parents, neighbors, gaps) of SmoteSampler.sample(return_parents=True).

    `parents` is the Table that the parents are drawn from.
    """
    key, k = call_key(seed, epoch, SMOTE, smote_stream(X)), len(table[0])
    parents = parents or uniform_table(len(X))
    drawn = []
    for i in range(first, first + count):
        run = Run(key, i // 64, lane)
        parent = parents.draw(run.word(i % 64))
        word = run.word(64 + i % 64)
        neighbor, gap = table[parent][below(word, k)], fraction(word * k & M64, X.dtype)
        row = [base + gap * (other - base) for base, other in zip(X[parent], X[neighbor], strict=True)]
        for j in categorical:
            codes = [X[other][j] for other in table[parent]]
            row[j] = min(codes, key=lambda code: (-codes.count(code), code))
        drawn.append((row, parent, neighbor, gap))
    rows = np.array([row for row, *_ in drawn], X.dtype).reshape(count, X.shape[1])
    return rows, *(np.array([one[at] for one in drawn], t) for at, t in ((1, "i8"), (2, "i8"), (3, X.dtype)))
