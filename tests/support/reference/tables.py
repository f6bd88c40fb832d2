"""Whole units, and the tables that draw by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from support.reference.stream import GOLDEN, M64, TABLE, Run, below, call_key, exp, log, log1p, mix64

CELL = 2**32  # the units of one cell of an alias table


def raised(weights, power=1.0, smoothing=0.0):
    """Return the weights of step 1. Integers stay integers unless power or smoothing needs arithmetic."""
    w = np.asarray(weights)
    w = [int(x) for x in w] if w.dtype.kind in "iu" else [float(x) for x in w]
    if power == 1 and smoothing == 0:
        return w
    v = [float(x) + smoothing for x in w]
    sqrt = math.sqrt
    if power == 1:
        return v
    if power == 0:
        return [1.0 if x > 0 else 0.0 for x in v]
    if power == 0.25:
        return [sqrt(sqrt(x)) for x in v]
    if power == 0.5:
        return [sqrt(x) for x in v]
    if power == 0.75:
        return [sqrt(x) * sqrt(sqrt(x)) for x in v]
    logs = [power * log(x) if x > 0 else None for x in v]
    top = max(l for l in logs if l is not None)
    return [0.0 if l is None else exp(max(l - top, -700.0)) for l in logs]


def significand(w):
    """Return integers (m, x) with w = m * 2^x."""
    if isinstance(w, int):
        return w, 0
    m, e = math.frexp(w)
    return int(m * 2**53), e - 53


def scaled(m, x):
    """Return floor(m * 2^x)."""
    return m << x if x >= 0 else m >> -x


def units_of(weights):
    """Return whole units, by steps 1 to 4."""
    parts = [significand(w) for w in weights]
    n, total = len(parts), len(parts) * CELL
    e = max(m.bit_length() + x for m, x in parts if m > 0)
    g = e + (n - 1).bit_length() - 126
    s = sum(scaled(m, x - g) for m, x in parts)
    h = 127 - (total.bit_length() - s.bit_length())
    while not 2**127 <= (r := -((-total << h) // s)) < 2**128:
        h += 1 if r < 2**127 else -1
    units = [max(scaled(m * r, x - g - h), 1) if m > 0 else 0 for m, x in parts]
    spare = total - sum(units)
    positive = [i for i in range(n) if units[i] > 0]
    for k in range(max(spare, 0)):
        units[positive[k % len(positive)]] += 1
    if spare < 0:
        heaviest = [i for i in range(n) if units[i] >= CELL]
        each, more = divmod(-spare, len(heaviest))
        for k, i in enumerate(heaviest):
            units[i] -= each + (k < more)
    return units


def alias_cells(units):
    """Return the cells (threshold, alias). Heavy ids fill up light ones, both in ascending order."""
    light = [i for i, u in enumerate(units) if u < CELL]
    heavy = iter([i for i, u in enumerate(units) if u >= CELL])
    cells = [(0, i) for i in range(len(units))]
    j = next(heavy)
    r = units[j]
    for i in light:
        cells[i] = (units[i], j)
        r -= CELL - units[i]
        while r < CELL:
            following = next(heavy)
            cells[j] = (r, following)
            r = units[following] - (CELL - r)
            j = following
    return cells


@dataclass(frozen=True)
class Table:
    """Whole units that add up to `total`. A uniform table has one unit per id and no cells."""

    units: list
    total: int
    cells: list | None

    def draw(self, word):
        n = len(self.units)
        column = below(word, n)
        if self.cells is None:
            return column
        coin = (word * n & M64) >> 32
        threshold, alias = self.cells[column]
        return column if coin < threshold else alias

    def prob(self, i):
        return float(self.units[i]) / float(self.total)

    def digest(self):
        """Return the digest, which a sampler of negatives adds to its stream."""
        n, total = len(self.units), 0
        padded = [*self.units, 0]
        for i in range(0, n, 2) if self.cells is not None else ():
            product = ((padded[i] + (i + 1) * GOLDEN) & M64) * ((padded[i + 1] + (i + 2) * GOLDEN) & M64)
            total += (product >> 64) ^ (product & M64)
        return mix64((n + total) & M64)


def alias_table(weights, power=1.0, smoothing=0.0):
    units = units_of(raised(weights, power, smoothing))
    return Table(units, len(units) * CELL, alias_cells(units))


def uniform_table(n):
    return Table([1] * n, n, None)


def log_uniform_table(n):
    return alias_table(np.array([log1p(1 / (i + 1)) for i in range(n)]))


def table_sample(table, key, size):
    """Return `size` draws: blocks of 128 words, one word per draw."""
    key = call_key(key, 0, TABLE, 0)
    runs = [Run(key, block) for block in range(-(-size // 128))]
    return np.array([table.draw(runs[i // 128].word(i % 128)) for i in range(size)], dtype=np.int64)
