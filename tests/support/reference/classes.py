"""Class-balanced batches."""

from __future__ import annotations

import math
from fractions import Fraction

from support.reference.stream import CLASSES, GOLDEN, M64, Run, below, call_key, mix64

UNITS = 2**52


def classes_of(labels):
    """Return the labels in ascending order, and the rows of each."""
    labels = list(labels)
    known = sorted(set(labels))
    return known, [[i for i, label in enumerate(labels) if label == one] for one in known]


def classes_digest(labels):
    """Return the digest of a table in which row i has as many units as its class's number."""
    known = sorted(set(labels))
    units = [known.index(label) for label in labels]
    total = len(units)
    for i in range(0, len(units), 2):
        a = units[i] + (i + 1) * GOLDEN & M64
        b = (units[i + 1] if i + 1 < len(units) else 0) + (i + 2) * GOLDEN & M64
        total += (a * b >> 64) ^ (a * b & M64)
    return mix64(total & M64)


def share_units(class_probs, sizes):
    """Return the share of each class in units. `class_probs` is a policy or a list of probabilities."""
    if not isinstance(class_probs, str):
        weights = [math.floor(Fraction(float(p)) * 2**62) for p in class_probs]
    elif class_probs == "balanced":
        weights = [1 for _ in sizes]
    elif class_probs == "proportional":
        weights = sizes
    else:
        weights = [math.isqrt(n * 2**64) for n in sizes]
    units = [w * UNITS // sum(weights) for w in weights]
    for c in sorted(range(len(sizes)), key=lambda c: (-(weights[c] * UNITS % sum(weights)), c)):
        units[c] += sum(units) < UNITS
    return units


def ceil(fraction):
    return math.ceil(Fraction(fraction))


def class_order(key, classes):
    """Return the order of the classes in an epoch."""
    return shuffled(Run(key, 2**64 - 1, 0), classes)


def class_quotas(units, batch_size, batches, order):
    """Return the rows of each class in each batch, given the order of the classes in the epoch."""
    U = UNITS
    rest = [batch_size * s % U for s in units]
    lag, quotas = [0] * len(units), []

    def urgency(c):
        g, h = rest[c], U - rest[c]
        t = ceil(Fraction(U - lag[c], g))
        overlaps = (U - lag[c]) % g > 0
        D = 0
        if 2 * g >= U:
            H = ceil(Fraction(t * h - lag[c], U))
            D = ceil(Fraction(lag[c] + H * U, h))
        return t, not overlaps, -D if overlaps else 0, order.index(c)

    for _ in range(batches):
        owed = [c for c in range(len(units)) if lag[c] + rest[c] > 0]
        chosen = sorted(owed, key=urgency)[: sum(rest) // U]
        assert len(chosen) == sum(rest) // U
        lag = [a + g - U * (c in chosen) for c, (a, g) in enumerate(zip(lag, rest, strict=True))]
        quotas.append([batch_size * s // U + (c in chosen) for c, s in enumerate(units)])
    return quotas


def shuffled(run, n):
    """Return a permutation of n numbers."""
    pi = list(range(n))
    for p in range(n - 1, 0, -1):
        other = below(run.word(p), p + 1)
        pi[p], pi[other] = pi[other], pi[p]
    return pi


def permutation(run, n):
    """Return the order of a class's rows in one cycle."""
    if n <= 128:
        return shuffled(run, n)
    a = math.isqrt(n - 1) + 1
    b = -(-n // a)

    def network(x):
        u, v = divmod(x, b)
        for r in range(8):
            if r % 2 == 0:
                u = (u + below(run.word(2**32 * r + v), a)) % a
            else:
                v = (v + below(run.word(2**32 * r + u), b)) % b
        return u * b + v

    def walked(i):
        x = network(i)
        while x >= n:
            x = network(x)
        return x

    return [walked(i) for i in range(n)]


def class_batches(labels, batch_size, batches, *, class_probs="balanced", seed=0, epoch=0, share=None):
    """Return the rows of the first batches of an epoch, and the quotas of their classes.

    With the share of synthetic rows (a fraction for each class), synthetic row j of class c stands as (c, j).
    """
    _, rows_of = classes_of(labels)
    key = call_key(seed, epoch, CLASSES, classes_digest(labels))
    units = share_units(class_probs, [len(rows) for rows in rows_of])
    quotas = class_quotas(units, batch_size, batches, class_order(key, len(units)))
    drawn, cycles, found = [0] * len(rows_of), {}, []
    for b, quota in enumerate(quotas):
        rows, synthetic = [], []
        for c, n in enumerate(map(len, rows_of)):
            made = lambda rows, c=c: rows * Fraction(share[c] if share else 0) // 1  # noqa: E731
            before, after = drawn[c], drawn[c] + quota[c]
            synthetic += [(c, j) for j in range(made(before), made(after))]
            for j in range(before - made(before), after - made(after)):
                cycle = j // n
                if (c, cycle) not in cycles:
                    cycles[c, cycle] = permutation(Run(key, cycle, c + 1), n)
                rows.append(rows_of[c][cycles[c, cycle][j % n]])
            drawn[c] += quota[c]
        rows += synthetic
        places = shuffled(Run(key, b, 0), batch_size)
        found.append([rows[place] for place in places])
    return found, quotas
