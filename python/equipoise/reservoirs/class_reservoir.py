"""A weighted sample of each class of a stream, for balancing a log that does not fit in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.reservoirs import serialize
from equipoise.reservoirs.base import BaseReservoir
from equipoise.reservoirs.bottom_k import BottomK
from equipoise.reservoirs.labels import ClassNumbers
from equipoise.reservoirs.quotas import POLICIES, shares
from equipoise.reservoirs.sample import ReservoirSample, estimate

__all__ = ["ClassReservoir"]


Int64s = NDArray[np.int64]


class ClassReservoir(BaseReservoir):
    """A weighted sample of k rows of each class of a stream, in one pass, mergeable.

    The sample of each class has the distribution of a :class:`Reservoir`'s, and depends only on the rows of
    that class. With ids, equal rows (same id, class, weight and time) count once, so ids must tell rows
    apart. Rows that differ in any of the four are independent: an id may occur in several classes. Classes
    may be known in advance or learned as they appear. A smaller sample, with a different quota for each
    class, can be taken later and is still exact.

    Parameters
    ----------
    k : int or integer array of shape (num_classes,)
        Number of rows to keep of each class, >= 1.
    num_classes : int, optional
        If given, classes are 0, ..., num_classes - 1. Otherwise any int64 can be a class.
    half_life : float, optional
        As for :class:`Reservoir`.
    seed, stream : int
        As for :class:`Reservoir`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> clicks = (np.arange(100_000) % 200 == 0).astype(np.int64)
    >>> reservoir = equipoise.ClassReservoir(300, seed=1)
    >>> for chunk in np.array_split(clicks, 10):
    ...     reservoir.update(chunk)
    >>> reservoir.counts
    {0: 99500, 1: 500}
    >>> sample = reservoir.sample()
    >>> np.unique(sample.classes, return_counts=True)[1].tolist()
    [300, 300]
    """

    _name = "ClassReservoir"

    def __init__(
        self,
        k: Any,
        *,
        num_classes: int | None = None,
        half_life: float | None = None,
        seed: int = 0,
        stream: int = 0,
    ) -> None:
        self._k, self._num_classes = _validate.as_quotas(k, num_classes)
        if half_life is not None:
            half_life = _validate.as_positive(half_life, "half_life")
        seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        stream = _validate.as_count(stream, "stream", most=2**64 - 1)
        self._settings = {
            "k": self._k,
            "num_classes": self._num_classes,
            "half_life": None if half_life is None else half_life.hex(),
            "seed": seed,
        }
        self._start(half_life, seed, stream, 0)
        self._numbers = None if self._num_classes is not None else ClassNumbers(np.empty(0, np.int64))
        self._counts = np.zeros(self._num_classes or 0, np.int64)
        self._sketch = BottomK(self._columns("streams", "classes"), self._quotas(self._counts.size))

    def _quotas(self, classes: int) -> Int64s:
        """Return k + 1 for each class, since the rank of row k + 1 is the threshold."""
        return np.array(self._k) + 1 if isinstance(self._k, list) else np.full(classes, self._k + 1)

    def _capacity(self) -> int:
        """Return the number of candidates that a workspace holds.

        It does not depend on the quotas, which are not known before the classes are: until every class has
        filled its quota, all of its rows are candidates.
        """
        return 1 << 16

    def _extend(self, classes: int) -> None:
        """Extend the counts and quotas to at least `classes` classes."""
        more = classes - self._counts.size
        if more > 0:
            self._counts = np.concatenate((self._counts, np.zeros(more, np.int64)))
            self._sketch.set_quotas(self._quotas(classes))

    def _forget(self, classes: int) -> None:
        """Keep only the first `classes` classes, after a call that had learned more failed."""
        if self._numbers is not None:
            sketch = self._sketch.copy()
            sketch.set_quotas(self._quotas(classes))
            numbers = ClassNumbers(self._numbers.labels()[:classes])
            vars(self).update(_numbers=numbers, _counts=self._counts[:classes], _sketch=sketch)

    def update(
        self,
        classes: Any,
        weights: Any = None,
        ids: Any = None,
        *,
        times: Any = None,
        n_threads: int | None = None,
    ) -> None:
        """Read a chunk of rows. If an error is raised, none of them is read.

        Parameters
        ----------
        classes : integer array of shape (n,), or Arrow column
            Labels of the rows, in [0, num_classes) if ``num_classes`` was given.
        weights : array of shape (n,), or Arrow column, optional
            As for :meth:`Reservoir.update`. By default, 1.
        ids : integer array of shape (n,), or Arrow column, optional
            Either all rows of the stream have ids or none do. Rows of the same id, class, weight and time
            count once.
        times : array of numbers or datetimes of shape (n,), or Arrow column
            Required with ``half_life``, and not allowed without it.
        n_threads : int, optional
            Number of threads. By default, ``EQUIPOISE_NUM_THREADS``, or 1 if that is not set. The sample does
            not depend on it.

        Raises
        ------
        TypeError, ValueError, IndexError
            If an argument has the wrong type, value or shape, or a class is outside [0, num_classes).

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.ClassReservoir(2)
        >>> reservoir.update([7, 7, -1], ids=[10, 11, 12])
        >>> reservoir.sample().classes
        array([-1,  7,  7])
        """
        labels = _validate.as_labels(classes, self._num_classes)
        w = None if weights is None else _validate.as_row_weights(weights, length=labels.size)
        keys = None if ids is None else _validate.as_keys(ids, "ids", labels.size)
        _validate.check_half_life(self._half_life, times)
        at = None if times is None else _validate.as_times(times, labels.size)
        threads = _validate.as_threads(n_threads)
        with self._lock:
            seen, before = self._n_seen, self._counts.size
            try:
                while not self._read(w, keys, at, labels, threads):
                    self._learn(labels)
            except BaseException:
                if self._n_seen == seen:  # otherwise, the interrupt came after the commit
                    self._forget(before)
                raise

    def _learn(self, labels: Int64s) -> None:
        """Assign numbers to new classes, in row order. Called only if a kernel found a new class."""
        if self._numbers is not None:
            self._numbers.learn(labels)
            self._extend(self._numbers.size)

    @property
    def counts(self) -> dict[int, int]:
        """Number of rows seen of each class, in ascending order of labels."""
        with self._lock:
            labels, counts = self._labels(), self._counts
        order = np.argsort(labels)
        return {int(labels[c]): int(counts[c]) for c in order if counts[c]}

    def _labels(self) -> Int64s:
        return np.arange(self._counts.size) if self._numbers is None else self._numbers.labels()

    def merge(self, other: ClassReservoir) -> None:
        """Merge another reservoir into this one, which then holds a sample of both streams.

        Parameters
        ----------
        other : ClassReservoir
            A reservoir with the same k, num_classes, half_life and seed. It is left unchanged.

        Raises
        ------
        TypeError, ValueError
            As for :meth:`Reservoir.merge`.

        Examples
        --------
        >>> import equipoise
        >>> parts = [equipoise.ClassReservoir(2, stream=i) for i in range(2)]
        >>> parts[0].update([1, 1, 2])
        >>> parts[1].update([3])
        >>> parts[0].merge(parts[1])
        >>> parts[0].counts
        {1: 2, 2: 1, 3: 1}
        """
        first, second = self._locks(other)
        with first, second:
            self._merge(other)

    def _merge(self, other: ClassReservoir) -> None:
        self._check_mergeable(other)
        numbers = None
        theirs, before, counts = other._counts.copy(), self._counts.size, None
        try:
            if self._numbers is not None:
                their_labels = other._labels()
                self._learn(their_labels)
                numbers = self._numbers.of(their_labels)
            counts = self._counts.copy()
            counts[slice(None) if numbers is None else numbers] += theirs
            self._absorb(other, numbers, _counts=counts)
        except BaseException:
            if self._counts is not counts:  # otherwise, the interrupt came after the commit
                self._forget(before)
            raise

    def sample(self, *, total: int | None = None, policy: str = "equal") -> ReservoirSample:
        """Return the sample of the rows seen so far. More rows may follow.

        Parameters
        ----------
        total : int, optional
            Number of rows to divide among the classes. By default, k rows of each class.
        policy : {"equal", "sqrt", "proportional"}
            The classes' shares of ``total``: equal, in proportion to the square root of the number of rows
            seen, or in proportion to that number. If a share exceeds the rows kept of its class, the excess
            is divided among the others. A class whose share is less than one row may get none, and is then
            missing from estimates.

        Returns
        -------
        ReservoirSample
            Rows in ascending order of class, then of rank. ``inclusion`` is computed for the quota that
            was actually used, as if it had been the quota from the start.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type or is out of range.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.ClassReservoir(100)
        >>> reservoir.update([0] * 1000 + [1] * 10)
        >>> sample = reservoir.sample(total=40)
        >>> [int((sample.classes == c).sum()) for c in (0, 1)]
        [30, 10]
        """
        policy = _validate.as_choice(policy, "policy", POLICIES)
        if total is not None:
            total = _validate.as_count(total, "total", least=1)
        with self._lock:
            return self._sample(total, policy)

    def _sample(self, total: int | None, policy: str) -> ReservoirSample:
        rows = self._complete_sketch()
        labels = self._labels()
        by_label = np.argsort(labels, kind="stable")
        place = np.empty(labels.size, np.int64)
        place[by_label] = np.arange(labels.size)
        order = rows.order(place)
        classes = rows["classes"][order]
        have = np.bincount(classes, minlength=labels.size)
        quotas = np.minimum(have, rows.quotas - 1)
        if total is not None:
            quotas[by_label] = shares(total, policy, self._counts[by_label], quotas[by_label])
        begins = np.zeros(labels.size, np.int64)
        begins[by_label] = np.concatenate(([0], np.cumsum(have[by_label])[:-1])) if labels.size else 0
        number = np.arange(order.size) - begins[classes]
        thresholds = np.full(labels.size, math.inf)
        cut = quotas < have
        thresholds[cut] = rows["ranks"][order[(begins + quotas)[cut]]]
        taken = order[number < quotas[classes]]
        classes = rows["classes"][taken]
        streams = rows["streams"][taken] if self._keyed == "positions" else None
        return ReservoirSample(
            rows["ids"][taken],
            self._weights(rows, taken),
            self._inclusion(rows, taken, thresholds[classes]),
            labels[classes],
            streams,
        )

    def estimate(self, values: Any = None, where: Any = None) -> tuple[float, float]:
        """Estimate a sum over all rows seen, without bias, as :meth:`Reservoir.estimate` does.

        Parameters
        ----------
        values : array of shape (m,), optional
            A value for each row of :meth:`sample`. By default, 1.
        where : bool array of shape (m,), optional
            The rows to count. By default, all.

        Returns
        -------
        (float, float)
            The estimate and its standard error.

        Raises
        ------
        TypeError, ValueError
            If an array has the wrong type or shape.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.ClassReservoir(50)
        >>> reservoir.update([0] * 30 + [1] * 20)
        >>> reservoir.estimate(where=reservoir.sample().classes == 1)
        (20.0, 0.0)
        """
        return estimate(self.sample(), values, where, False)

    def to_bytes(self) -> bytes:
        """Return the whole reservoir as bytes, as :meth:`Reservoir.to_bytes` does.

        Returns
        -------
        bytes

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.ClassReservoir(2)
        >>> reservoir.update([5, 6, 5])
        >>> equipoise.ClassReservoir.from_bytes(reservoir.to_bytes()).counts
        {5: 2, 6: 1}
        """
        with self._lock:
            return self._to_bytes({"labels": self._labels(), "counts": self._counts})

    @staticmethod
    def from_bytes(data: bytes) -> ClassReservoir:
        """Return the reservoir that :meth:`to_bytes` wrote.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        ClassReservoir

        Raises
        ------
        TypeError, ValueError
            If the data are not bytes, or not the complete output of ``to_bytes`` of this version.

        Examples
        --------
        See :meth:`to_bytes`.
        """
        return serialize.read(data, "ClassReservoir", ClassReservoir._from)

    @staticmethod
    def _from(header: Any, columns: dict[str, NDArray[Any]]) -> ClassReservoir:
        settings = header["settings"]
        half_life, num_classes = settings["half_life"], settings["num_classes"]
        labels, counts = columns.pop("labels"), columns.pop("counts")
        distinct = (
            np.unique(labels).size == labels.size if num_classes is None else num_classes == labels.size
        )
        _validate.check_written(distinct and labels.dtype == np.int64, "classes")
        _validate.check_written(num_classes is None or (labels == np.arange(labels.size)).all(), "classes")
        good = counts.dtype == np.int64 and counts.size == labels.size and (counts >= 0).all()
        _validate.check_written(bool(good), "class counts")
        reservoir = ClassReservoir(
            settings["k"],
            num_classes=num_classes,
            half_life=None if half_life is None else float.fromhex(half_life),
            seed=settings["seed"],
            stream=header["stream"],
        )
        if reservoir._numbers is not None:
            reservoir._numbers = ClassNumbers(labels)
        reservoir._extend(labels.size)
        reservoir._counts = counts
        reservoir._restore(header, columns)
        kept = np.bincount(reservoir._sketch["classes"], minlength=counts.size)
        _validate.check_written(bool((kept <= counts).all()), "class counts")
        return reservoir

    def __reduce__(self) -> tuple[Any, ...]:
        return ClassReservoir.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        seen = int(np.count_nonzero(self._counts))
        return f"ClassReservoir({self._k}, seed={self._seed}, stream={self._stream}; {seen} classes seen)"
