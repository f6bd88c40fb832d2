"""Orders of rows by weight, with and without replacement."""

from __future__ import annotations

from support.reference.reservoirs import exponential, rank_after
from support.reference.stream import ORDER, RACE, Run, bits_of, call_key
from support.reference.tables import Table, alias_table


def weighted_order(weights, seed, epoch, start, stop):
    """Return the rows at the positions of an epoch, drawn with replacement."""
    table = alias_table(weights)
    key = call_key(seed, epoch, ORDER, table.digest())
    return [table.draw(Run(key, p // 128, 0).word(p % 128)) for p in range(start, stop)]


def race_order(weights, seed, epoch):
    """Return all rows of positive weight, drawn without replacement."""
    w = [float(x) + 0.0 for x in weights]
    bits = Table([bits_of(x) for x in w], 0, [])
    key = call_key(seed, epoch, RACE, bits.digest())
    ranks = [
        (rank_after(0.0, exponential(Run(key, row // 128, 0).word(row % 128)), w[row]), row)
        for row in range(len(w))
        if w[row] > 0
    ]
    return [row for _, row in sorted(ranks)]
