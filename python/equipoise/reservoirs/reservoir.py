"""A weighted sample of a stream, consisting of the rows of smallest rank E / w."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.reservoirs import serialize
from equipoise.reservoirs.base import BaseReservoir
from equipoise.reservoirs.bottom_k import BottomK
from equipoise.reservoirs.estimates import Estimating
from equipoise.reservoirs.sample import ReservoirSample

__all__ = ["Reservoir"]


class Reservoir(Estimating, BaseReservoir):
    """A weighted sample of k rows of a stream, in one pass, mergeable.

    Each row has a rank, an exponential random number divided by its weight, and the k rows of smallest rank
    are the sample. It has the distribution of successive draws without replacement in proportion to weight
    (the Plackett-Luce distribution; Efraimidis and Spirakis). The rank is a pure function of the seed, the
    row's key and its weight, so the sample depends only on the set of rows: chunks, threads, partitions,
    merges and retries cannot change it. The caller chooses the key:

    - **With ids**, the key is the id together with the row's weight and time. The same rows then give the
      same sample in any order and on any number of machines. Equal rows (same id, class, weight and time)
      count once, so ids must tell rows apart. Rows that differ in any of the four are independent.
    - **Without ids**, the key is (stream, position in the stream). The sample then depends on the order of
      the rows, but not on how they are cut into chunks. Parts that are read separately need different
      ``stream`` numbers. This is several times faster: a block of 64 rows costs one random word and one
      comparison unless one of its rows has a small rank.

    Parameters
    ----------
    k : int
        Number of rows to keep, >= 1. If at most k rows have positive weight, all of them are kept, with
        inclusion 1.
    replacement : bool
        Whether to draw k times with replacement. The draws are the first k points of Poisson processes whose
        rates are the weights.
    half_life : float, optional
        Time in which the weight of a row halves, in the unit of ``times``, or in seconds for datetimes. Time
        enters the logarithm of the rank (forward decay, Cormode et al.), so nothing is ever rescaled and rows
        may arrive late. Times are float64: for seconds since 1970 and a half-life of one second, weights are
        exact to 2e-7. With replacement, separate draws of a row merge into one if times are about 1e14 / k
        half-lives or more from 0; measure them from a nearer origin.
    seed : int
        In [0, 2^64). Two reservoirs with the same seed draw dependent samples from rows with the same keys,
        which are their ids or, without ids, the stream and their positions. Give each a seed of its own
        unless they are to be merged.
    stream : int
        In [0, 2^64). It is used for rows without ids. Reservoirs that are to be merged have the same seed
        and, if their rows have no ids, different streams.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

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

    _name = "Reservoir"

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
        # One row more than the sample, since its rank is the threshold.
        self._sketch = BottomK(self._columns("streams"), np.array([self._k + 1]))

    def update(
        self, weights: Any, ids: Any = None, *, times: Any = None, n_threads: int | None = None
    ) -> None:
        """Read a chunk of rows. If an error is raised, none of them is read.

        Parameters
        ----------
        weights : array of shape (n,), or Arrow column
            Real, finite weights >= 0 with a finite sum. Rows of weight 0 are never kept. float32 weights are
            read without conversion, all others as float64. Columns of pandas, polars and Arrow (anything with
            ``__arrow_c_array__`` or ``__arrow_c_stream__``) must not contain nulls. Arrow needs the extra
            ``arrow``.
        ids : integer array of shape (n,), or Arrow column, optional
            Either all rows of the stream have ids or none do. Rows of the same id, weight and time count
            once.
        times : array of numbers or datetimes of shape (n,), or Arrow column
            Required with ``half_life``, and not allowed without it.
        n_threads : int, optional
            Number of threads. By default, ``EQUIPOISE_NUM_THREADS``, or 1 if that is not set. The sample does
            not depend on it.

        Raises
        ------
        TypeError, ValueError, IndexError
            If an argument has the wrong type, value or shape, or an id does not fit in int64.
        RuntimeError
            If a method of the same reservoir is running in this thread, as when a signal handler calls this.

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
        self._check_free("update")
        with self._lock:
            self._read(w, keys, at, None, threads)

    def merge(self, other: Reservoir) -> None:
        """Merge another reservoir into this one, which then holds a sample of both streams.

        Merging is exact, associative and commutative. With ids, merging the same rows twice
        changes nothing but ``n_seen`` and ``total_weight`` (and, with replacement, the inclusion, which
        depends on the total weight).

        Parameters
        ----------
        other : Reservoir
            A reservoir with the same k, replacement, half_life and seed. It is left unchanged.

        Raises
        ------
        TypeError, ValueError
            If the other reservoir has a different type or different settings, or if both hold rows without
            ids of the same stream.
        RuntimeError
            As for :meth:`update`.

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
        self._check_free("merge")
        first, second = self._locks(other)
        with first, second:
            self._check_mergeable(other)
            self._absorb(other)

    def sample(self) -> ReservoirSample:
        """Return the sample of the rows seen so far. More rows may follow.

        Without ids and without a half-life, a row that has left the sample can come back as long as the last
        block of 64 rows is not complete. To keep payloads while you follow a stream, keep those of
        :meth:`candidates`.

        Returns
        -------
        ReservoirSample
            At most k rows in order of rank, which is the order of successive draws. ``inclusion`` is ``1 -
            exp(-w tau)``, where tau is the (k + 1)-th smallest rank, and 1 if at most k rows have positive
            weight. With replacement it is ``k w / total_weight``, and ids may repeat.

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
            weights, inclusion = self._weights_and_inclusion(rows, order, threshold)
            streams = rows["streams"][order] if self._keyed == "positions" else None
            return ReservoirSample(rows["ids"][order], weights, inclusion, streams=streams)

    def _sampled(self) -> tuple[BottomK, NDArray[np.int64], float]:
        """Return a sketch, the positions of the sample's rows in it by rank, and the threshold."""
        rows = self._complete_sketch()
        order = rows.order()
        threshold = float(rows["ranks"][order[self._k]]) if order.size > self._k else math.inf
        return rows, order[: self._k], threshold

    def _weights_and_inclusion(
        self, rows: BottomK, order: NDArray[np.int64], threshold: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = self._weights(rows, order)
        if not self._max_points:
            return weights, self._inclusion(rows, order, np.full(order.size, threshold))
        with np.errstate(all="ignore"):  # NumPy 1.26 warns about subnormal totals
            return weights, weights / self.total_weight * self._k if order.size else weights

    def to_bytes(self) -> bytes:
        """Return the whole reservoir as bytes, for another process or machine.

        Returns
        -------
        bytes
            A versioned, little-endian format with a checksum. Reservoirs that have read the same rows in the
            same calls, with the same number of threads, give equal bytes. Otherwise, the last digits of
            ``total_weight`` may differ.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.Reservoir(2)
        >>> reservoir.update([1.0, 2.0, 3.0])
        >>> equipoise.Reservoir.from_bytes(reservoir.to_bytes()).n_seen
        3
        """
        with self._lock:
            return self._to_bytes({}, {}, np.zeros(1, np.int64))

    @staticmethod
    def from_bytes(data: bytes) -> Reservoir:
        """Return the reservoir that :meth:`to_bytes` wrote.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        Reservoir

        Raises
        ------
        TypeError, ValueError
            If the data are not bytes, or not the complete output of ``to_bytes`` of this version.

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
