"""Weighted samples of streams: the rows of smallest rank E / w, however they come and wherever."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.reservoirs import serialize
from equipoise.reservoirs.base import WeightedRows
from equipoise.reservoirs.bottom_k import Smallest, ascending
from equipoise.reservoirs.sample import ReservoirSample, estimate
from equipoise.rng import IDS, RNG, key_from_rng

__all__ = ["Reservoir", "weighted_sample"]


class Reservoir(WeightedRows):
    """A weighted sample of k rows of a stream, in one pass, mergeable.

    Each row has a rank, an exponential random number over its weight, and the k rows of smallest rank are the
    sample: successive draws without replacement in proportion to weight (Plackett and Luce's law; Efraimidis
    and Spirakis). The rank is a pure function of (seed, row's key, weight), so the sample is one of the set
    of rows: chunks, order, threads, partitions, merges and retries cannot change it. What a row's key is, is
    for the caller to say:

    - **With ids** the key is the id, and seed alone decides: the same rows give the same sample in any order
      and on any number of machines. An id names one row; the same row seen twice is kept once.
    - **Without ids** the key is (stream, position in the stream): the sample depends on the order of the rows
      but not on how they are cut into chunks. Parts that are read apart take different ``stream`` numbers.
      Several times faster: 64 rows cost one random word and one comparison unless one of them is small
      enough.

    Parameters
    ----------
    k : int
        Rows to keep, >= 1. If there are fewer, of positive weight, all are kept, with inclusion 1.
    replacement : bool
        Draw k times with replacement: the first k points of Poisson processes whose rates are the weights.
    half_life : float, optional
        A row's weight halves in that time, in the unit of ``times``: seconds for datetimes. Time is in the
        logarithm of the rank (forward decay, Cormode et al.), so nothing is ever rescaled and rows may come
        late. Times are float64: of seconds since 1970 with a half-life of a second, weights are exact to
        2e-7. With replacement, draws of a row become one where times are some 1e14 / k half-lives from 0 or
        more: count them from a nearer origin.
    seed : int
        In [0, 2^64).
    stream : int
        In [0, 2^64); of rows without ids.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong type, or out of range.

    References
    ----------
    - P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling with a reservoir", Information Processing
      Letters 97, 2006.
    - E. Cohen and H. Kaplan, "Summarizing data using bottom-k sketches", PODC 2007 (inclusion, merging).
    - G. Cormode, V. Shkapenyuk, D. Srivastava and B. Xu, "Forward decay", ICDE 2009.

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> weights = np.random.default_rng(0).pareto(1.5, 100_000)
    >>> reservoir = equipoise.Reservoir(1000, seed=3)
    >>> for chunk in np.array_split(weights, 7):
    ...     reservoir.update(chunk)
    >>> whole = equipoise.Reservoir(1000, seed=3)
    >>> whole.update(weights)
    >>> bool((reservoir.sample().ids == whole.sample().ids).all())
    True
    """

    _what = "Reservoir"

    def __init__(
        self,
        k: int,
        *,
        replacement: bool = False,
        half_life: float | None = None,
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        self._k = _validate.as_count(k, "k", least=1, most=2**40)
        replacement = _validate.as_flag(replacement, "replacement")
        if half_life is not None:
            half_life = _validate.as_positive(half_life, "half_life")
        seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        stream = _validate.as_count(stream, "stream", most=2**64 - 1)
        self._settings = {
            "k": self._k,
            "replacement": replacement,
            "half_life": None if half_life is None else half_life.hex(),
            "seed": seed,
        }
        self._start(half_life, seed, stream, self._k + 1 if replacement else 0)
        self._kept = Smallest(self._columns("streams"), np.array([self._k + 1]))

    def update(
        self, weights: Any, ids: Any = None, *, times: Any = None, n_threads: int | None = None
    ) -> None:
        """Read a chunk of rows, all or, after an error, none.

        Parameters
        ----------
        weights : array of shape (n,), or Arrow column
            Real, finite, >= 0, with a finite sum; rows of weight 0 are never kept. float32 is read as it is,
            others as float64. Arrow columns (anything with ``__arrow_c_array__`` or ``__arrow_c_stream__``)
            need the extra ``arrow``; nulls are refused.
        ids : integer array of shape (n,), or Arrow column, optional
            For all rows of the stream, or none.
        times : array of numbers or datetimes of shape (n,), or Arrow column
            With ``half_life``, and only then.
        n_threads : int, optional
            Default ``EQUIPOISE_NUM_THREADS``, else 1. The answer does not depend on it.

        Raises
        ------
        TypeError, ValueError, IndexError
            Arguments of the wrong type, value or shape; ids beyond int64. The reservoir is then as it was.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.Reservoir(1, half_life=3600.0)
        >>> reservoir.update([1.0, 1.0], ids=[4, 5], times=[0.0, 1e6])
        >>> reservoir.sample().ids
        array([5])
        """
        w = _validate.as_row_weights(weights)
        keys = None if ids is None else _validate.as_keys(ids, "ids", w.size)
        _validate.check_half_life(self._half_life, times)
        at = None if times is None else _validate.as_times(times, w.size)
        threads = _validate.as_threads(n_threads)
        with self._lock:
            self._read(w, keys, at, None, threads)

    def merge(self, other: Reservoir) -> None:
        """Take in the rows of another reservoir: the sample is then that of both streams.

        Merging is exact, associative and free of order. With ids, merging the same rows twice changes nothing
        but ``n_seen`` and ``total_weight`` (and so, with replacement, the inclusion, which is by the latter).

        Parameters
        ----------
        other : Reservoir
            With the same k, replacement, half_life and seed. It stays as it is.

        Raises
        ------
        TypeError, ValueError
            Another type; other settings; rows without ids of a stream that was read here, too.

        Examples
        --------
        >>> import equipoise
        >>> parts = [equipoise.Reservoir(2, stream=i) for i in range(2)]
        >>> for part in parts:
        ...     part.update([1.0, 2.0, 3.0])
        >>> parts[0].merge(parts[1])
        >>> parts[0].n_seen, parts[0].total_weight
        (6, 12.0)
        """
        first, second = self._locks(other)
        with first, second:
            self._check_mergeable(other)
            self._take(other)

    def sample(self) -> ReservoirSample:
        """The sample of what has been seen so far; the stream can go on.

        Returns
        -------
        ReservoirSample
            At most k rows by rank, which is the order of successive draws. ``inclusion`` is ``1 - exp(-w
            tau)``, tau the (k+1)-th smallest rank, and 1 if no more than k rows have positive weight; with
            replacement ``k w / total_weight``, and ids may repeat.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.Reservoir(3)
        >>> reservoir.update([5.0, 0.0, 1.0])
        >>> reservoir.sample().inclusion
        array([1., 1.])
        """
        with self._lock:
            rows, order, threshold = self._sampled()
            weights, inclusion = self._shares(rows, order, threshold)
            streams = rows["streams"][order] if self._keyed == "positions" else None
            return ReservoirSample(rows["ids"][order], weights, inclusion, streams=streams)

    def _sampled(self) -> tuple[Smallest, NDArray[np.int64], float]:
        """Rows, of which `order` are the sample by rank, and the threshold."""
        rows = self._everything()
        order = rows.order()
        threshold = float(rows["ranks"][order[self._k]]) if order.size > self._k else math.inf
        return rows, order[: self._k], threshold

    def _shares(
        self, rows: Smallest, order: NDArray[np.int64], threshold: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights and inclusion."""
        weights = self._weights(rows, order)
        if not self._most:
            return weights, self._inclusion(rows, order, np.full(order.size, threshold))
        with np.errstate(over="ignore"):  # which NumPy 1.26 says of subnormal totals
            return weights, weights / self.total_weight * self._k if order.size else weights

    def estimate(self, values: Any = None, where: Any = None) -> tuple[float, float]:
        """An unbiased estimate of a sum over all rows seen, from the sample (Horvitz and Thompson).

        It is good for values about in proportion to the weights, and for counts if no weight is tiny. Rows
        that are hardly ever kept make it skewed: mostly too low, with an error that is too small. So with a
        half-life it is for sums of decayed weights, not for counts of rows that have long been forgotten.

        Parameters
        ----------
        values : array of shape (m,), optional
            One for each row of :meth:`sample`; 1 without: the number of rows of positive weight.
        where : bool array of shape (m,), optional
            Rows to count; all without.

        Returns
        -------
        (float, float)
            The estimate, sum(v / p) over the rows with inclusion p, and its standard error, sqrt(sum(v^2 (1 -
            p) / p^2)); with replacement Hansen and Hurwitz's estimate and error.

        Raises
        ------
        TypeError, ValueError
            Arrays of another type or shape.

        Examples
        --------
        >>> import numpy as np, equipoise
        >>> reservoir = equipoise.Reservoir(400)
        >>> reservoir.update(np.ones(10_000))
        >>> estimate, error = reservoir.estimate(where=reservoir.sample().ids < 5_000)
        >>> abs(estimate - 5_000) < 4 * error
        True
        """
        return estimate(self.sample(), values, where, self._most > 0)

    def to_bytes(self) -> bytes:
        """All of the reservoir, for another process or machine.

        Returns
        -------
        bytes
            Versioned, little-endian, with a checksum; equal for reservoirs that have seen the same in the
            same calls, with as many threads (which the last digits of ``total_weight`` may show).

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.Reservoir(2)
        >>> reservoir.update([1.0, 2.0, 3.0])
        >>> equipoise.Reservoir.from_bytes(reservoir.to_bytes()).n_seen
        3
        """
        with self._lock:
            return self._to_bytes({}, {})

    @staticmethod
    def from_bytes(data: bytes) -> Reservoir:
        """The reservoir that :meth:`to_bytes` wrote.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        Reservoir

        Raises
        ------
        TypeError, ValueError
            No bytes; others than ``to_bytes`` wrote, or not all of them; another version.

        Examples
        --------
        See :meth:`to_bytes`.
        """
        return serialize.read(data, "Reservoir", Reservoir._from)

    @staticmethod
    def _from(header: Any, columns: dict[str, NDArray[Any]]) -> Reservoir:
        settings = header["settings"]
        half_life = settings["half_life"]
        reservoir = Reservoir(
            settings["k"],
            replacement=settings["replacement"],
            half_life=None if half_life is None else float.fromhex(half_life),
            seed=settings["seed"],
            stream=header["stream"],
        )
        reservoir._restore(header, columns)
        return reservoir

    def __reduce__(self) -> tuple[Any, ...]:
        return Reservoir.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        return f"Reservoir({self._k}, seed={self._seed}, stream={self._stream}; {self._n_seen} rows seen)"


def weighted_sample(
    weights: Any,
    k: int,
    *,
    replacement: bool = False,
    rng: RNG = None,
    n_threads: int | None = None,
    return_inclusion: bool = False,
) -> NDArray[np.int64] | ReservoirSample:
    """A weighted sample of the rows of an array, of any length, in one or two passes.

    Parameters
    ----------
    weights : array of shape (n,), or Arrow column
        Real, finite, >= 0, with a finite sum, not all zero, not normalised.
    k : int
        Rows to draw, >= 1. Without replacement, and with no more than k rows of positive weight, all of
        these come.
    replacement : bool
        Whether rows may come more than once.
    rng : None, int, SeedSequence, BitGenerator or Generator
        As ``numpy.random.default_rng`` takes it; one 64-bit key is drawn from it.
    n_threads : int, optional
        Default ``EQUIPOISE_NUM_THREADS``, else 1. The rows do not depend on it, nor does inclusion; with
        replacement it is by a sum of all weights, which has some 15 digits.
    return_inclusion : bool
        Return a :class:`ReservoirSample`.

    Returns
    -------
    int64 ndarray of shape (k,), or ReservoirSample
        Positions in a random order that is free of weight. With ``return_inclusion`` as
        :meth:`Reservoir.sample` returns it, in that order.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong type, or of the wrong value or shape.

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
    # Draws with replacement come in an order that is free of weight; others are put into one.
    rows, order, rank = reservoir._sampled() if replacement else _unordered(reservoir._everything(), k)
    _validate.check_some(order.size, w.size)
    if not replacement:
        order = order[_shuffle(rows["ids"][order], seed)]
    if return_inclusion:
        return ReservoirSample(rows["ids"][order], *reservoir._shares(rows, order, rank))
    return rows["ids"][order]


def _unordered(rows: Smallest, k: int) -> tuple[Smallest, NDArray[np.int64], float]:
    """Of rows of one stream the sample and the threshold, without a sort: one row is too many, the last."""
    order, threshold = np.arange(rows.size), math.inf
    if rows.size > k:
        threshold = float(rows["ranks"].max())
        last = np.flatnonzero(rows["ranks"] == threshold)
        order = np.delete(order, last[rows["ids"][last].argmax()])
    return rows, order, threshold


def _shuffle(ids: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """By rank as rows of weight 1, keyed by id."""
    key = np.uint64(kernels().call_key(np.uint64(seed), 0, IDS, np.uint64(0)))
    room = ids.size + 128
    (rows, row_ids), (ranks, weights) = np.empty((2, room), np.int64), np.empty((2, room))
    none, no_shifts = np.empty(0, np.int64), np.empty(0)
    kernels().reservoir_rows(
        key, 0, ids, none, none, none, np.ones(ids.size), no_shifts, np.array([math.inf]), none, 1, 0.0, rows,
        ranks, weights, row_ids,
    )  # fmt: skip
    order = ascending(ranks[: ids.size])
    ranks = ranks[order]
    return np.lexsort((ids, ranks)) if (ranks[1:] == ranks[:-1]).any() else order
