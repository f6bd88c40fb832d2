"""Numba twins of the kernels in cpp/.

Files, names, arguments and results are the same, byte for byte. `equipoise._runtime.backend` chooses between
this package and `equipoise._core`.

    _jit          the JIT policy and the disk cache: every twin is decorated with `jit`
    stream        words, and conversions of words to numbers    <- everything below
    tables        whole units, alias and uniform tables         <- negatives, smote
    negatives     rows, shared sets and exclusions
    reservoirs    blocks of rows, selection, classes
    neighbors     packing and search
    smote         synthetic rows
    orders        bands of an exponential race, class-balanced batches

This file lists the kernels, and adds loops around functions of a single number, as the C++ bindings do.
"""

from __future__ import annotations

import numpy as np

# Numba would import this in the first call of a kernel, where a fork does not wait for the import.
import numpy.ma

from equipoise._numba._jit import compiling as compiling
from equipoise._numba._jit import f64, jit, reads, u32, writes
from equipoise._numba.negatives.exclusions import exclusion_hits, exclusion_sort, exclusion_units
from equipoise._numba.negatives.rows import negatives_draw
from equipoise._numba.negatives.shared import shared_draw, shared_exact, shared_unique
from equipoise._numba.neighbors.blocks import knn_pack, knn_split
from equipoise._numba.neighbors.search import knn_search
from equipoise._numba.orders.batches import batch_shuffle, class_rows
from equipoise._numba.orders.classes import class_group
from equipoise._numba.orders.quotas import class_quotas
from equipoise._numba.orders.race import race_band
from equipoise._numba.reservoirs.classes import class_lookup
from equipoise._numba.reservoirs.scan import reservoir_blocks, reservoir_rows
from equipoise._numba.reservoirs.select import reservoir_equal, reservoir_select
from equipoise._numba.smote.synthesis import (
    column_moments,
    interpolate,
    interpolate_csr,
    interpolate_csr_count,
    smote_draw,
)
from equipoise._numba.stream import elementary, rng
from equipoise._numba.stream.rng import call_key
from equipoise._numba.tables.alias import alias_build, alias_check, alias_draw
from equipoise._numba.tables.uniform import uniform_draw
from equipoise._numba.tables.units import unit_digest, unit_floor, unit_settle, unit_sum

__all__ = [
    "alias_build",
    "alias_check",
    "alias_draw",
    "batch_shuffle",
    "call_key",
    "class_group",
    "class_lookup",
    "class_quotas",
    "class_rows",
    "column_moments",
    "cpu_path",
    "exclusion_hits",
    "exclusion_sort",
    "exclusion_units",
    "exp",
    "expm1",
    "interpolate",
    "interpolate_csr",
    "interpolate_csr_count",
    "knn_pack",
    "knn_search",
    "knn_split",
    "log",
    "log1p",
    "negatives_draw",
    "philox",
    "race_band",
    "reservoir_blocks",
    "reservoir_equal",
    "reservoir_rows",
    "reservoir_select",
    "shared_draw",
    "shared_exact",
    "shared_unique",
    "smote_draw",
    "uniform_draw",
    "unit_digest",
    "unit_floor",
    "unit_settle",
    "unit_sum",
]


def cpu_path():
    """Return the name of the CPU path, and no disabled features: Numba compiles for the CPU it runs on."""
    return "numba", ""


@jit((reads(u32), reads(u32), writes(u32)))
def _philox(counters, keys, out):
    if counters.size != out.size or keys.size * 2 != out.size:
        raise ValueError("philox: shapes differ")
    c, k = counters, keys
    for i in range(0, out.size - 3, 4):
        c0, c1, c2, c3 = np.uint64(c[i]), np.uint64(c[i + 1]), np.uint64(c[i + 2]), np.uint64(c[i + 3])
        k0, k1 = np.uint64(k[i // 2]), np.uint64(k[i // 2 + 1])
        out[i], out[i + 1], out[i + 2], out[i + 3] = rng.philox(c0, c1, c2, c3, k0, k1)


def philox(counters, keys, out):
    """Apply Philox4x32-10 to rows of four counters and two keys."""
    _philox(_flat(counters), _flat(keys), _flat(out))


def _flat(array):
    """Return a one-dimensional view of an array. A copy would lose the results written to it."""
    if not array.flags.c_contiguous:
        raise TypeError(f"arrays must be C-contiguous, got strides {array.strides}")
    return array.reshape(-1)


def _elementwise(function):
    def each(x, out):
        if x.size != out.size:
            raise ValueError("elementwise: shapes differ")
        for i in range(x.size):
            out[i] = function(x[i])

    each.__name__ = function.__name__  # the disk cache tells them apart by name
    each = jit((reads(f64), writes(f64)))(each)
    return lambda x, out: each(_flat(x), _flat(out))


log, exp = _elementwise(elementary.log), _elementwise(elementary.exp)
log1p, expm1 = _elementwise(elementary.log1p), _elementwise(elementary.expm1)
