"""A weighted sample of the rows of an array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.reservoirs.bottom_k import BottomK, ascending
from equipoise.reservoirs.labels import NO_SLOTS
from equipoise.reservoirs.reservoir import Reservoir
from equipoise.reservoirs.sample import ReservoirSample
from equipoise.reservoirs.scan import Stream, Workspace
from equipoise.rng import IDS, RNG, key_from_rng

__all__ = ["weighted_sample"]


def weighted_sample(
    weights: Any,
    k: int,
    *,
    replacement: bool = False,
    rng: RNG = None,
    n_threads: int | None = None,
    return_inclusion: bool = False,
) -> NDArray[np.int64] | ReservoirSample:
    """Draw a weighted sample of the rows of an array of any length, in one or two passes.

    Parameters
    ----------
    weights : array of shape (n,), or Arrow column
        Real, finite weights >= 0 with a finite sum, not all zero. They need not be normalized.
    k : int
        Number of rows to draw, >= 1. Without replacement, if at most k rows have positive weight, all of
        them are returned.
    replacement : bool
        Whether a row may be drawn more than once.
    rng : None, int, SeedSequence, BitGenerator or Generator
        As for ``numpy.random.default_rng``. One 64-bit key is drawn from it.
    n_threads : int, optional
        Number of threads. By default, ``EQUIPOISE_NUM_THREADS``, or 1 if that is not set. The rows do not
        depend on it. Neither does the inclusion without replacement. With replacement, the last digits of
        the inclusion may, since it depends on the sum of all weights.
    return_inclusion : bool
        Whether to return a :class:`ReservoirSample` instead of positions.

    Returns
    -------
    int64 ndarray of shape (m,), or ReservoirSample
        Positions of the rows, in a random order that does not depend on the weights. There are k of them or,
        without replacement, as many as have positive weight if these are fewer. With
        ``return_inclusion``, a sample such as :meth:`Reservoir.sample` returns, in the same random order.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, value or shape.

    Examples
    --------
    >>> import equipoise
    >>> sorted(equipoise.weighted_sample([5.0, 0.0, 1.0], 3, rng=1).tolist())
    [0, 2]
    """
    w = _validate.as_row_weights(weights)
    return_inclusion = _validate.as_flag(return_inclusion, "return_inclusion")
    k, threads = _validate.as_count(k, "k", least=1, most=2**40), _validate.as_threads(n_threads)
    replacement = _validate.as_flag(replacement, "replacement")
    seed = key_from_rng(rng)
    reservoir = Reservoir(k, replacement=replacement, seed=seed)
    reservoir.update(w, n_threads=threads)
    # Draws with replacement are already in an order independent of weight. Other rows must be shuffled.
    rows, order, rank = reservoir._sampled() if replacement else _unordered(reservoir._complete_sketch(), k)
    _validate.check_some(order.size, w.size)
    if not replacement:
        order = order[_shuffled(rows["ids"][order], seed)]
    if return_inclusion:
        return ReservoirSample(rows["ids"][order], *reservoir._weights_and_inclusion(rows, order, rank))
    return rows["ids"][order]


def _unordered(rows: BottomK, k: int) -> tuple[BottomK, NDArray[np.int64], float]:
    """Return the rows of a sample in any order, and its threshold, without sorting.

    At most one row must be left out, the one with the largest (rank, id).
    """
    order, threshold = np.arange(rows.size), math.inf
    if rows.size > k:
        threshold = float(rows["ranks"].max())
        last = np.flatnonzero(rows["ranks"] == threshold)
        order = np.delete(order, last[rows["ids"][last].argmax()])
    return rows, order, threshold


def _shuffled(ids: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return a random order: that of the ranks that rows with these ids and weight 1 would have."""
    none = np.empty(0, np.int64)
    key = np.uint64(kernels().call_key(np.uint64(seed), 0, IDS, np.uint64(0)))
    found = Workspace(ids.size + 128).candidates
    kernels().reservoir_rows(
        Stream(key, 0, ids, none.view(np.float64), 0.0), np.ones(ids.size), none, NO_SLOTS,
        np.array([math.inf]), none, 1, 0.0, found,
    )  # fmt: skip
    order = ascending(found.ranks[: ids.size])
    ranks = found.ranks[order]
    return np.lexsort((ids, ranks)) if (ranks[1:] == ranks[:-1]).any() else order
