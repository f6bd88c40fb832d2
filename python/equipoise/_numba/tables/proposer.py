"""A table that proposes ids, as kernels take it."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import jit, reads, record, u64
from equipoise._numba.stream.rng import ONE, S32, ZERO

# A table without units is uniform: each id has one unit. `total` is the sum of the units, and prefix[i] the
# sum of the units of the ids below i. `prefix` is empty until a row needs an exact draw.
Proposer = namedtuple("Proposer", "n, total, cells, units, prefix")
PROPOSER = record(Proposer, u64, u64, reads(u64), reads(u64), reads(u64))


@jit()
def check_proposer(table):
    """Reject a record whose arrays do not fit together."""
    n, units = table.n, table.units
    if n == ZERO or table.cells.size != units.size or (units.size != 0 and np.uint64(units.size) != n):
        raise ValueError("table: cells, units and n differ")
    if table.total != (n << S32 if units.size else n):
        raise ValueError("table: total is not the sum of the units")
    if table.prefix.size != 0 and np.uint64(table.prefix.size) != n + ONE:
        raise ValueError("table: prefix must have n + 1 entries")


@jit()
def units_of(table, id):
    """Return the units of an id."""
    return table.units[id] if table.units.size else ONE
