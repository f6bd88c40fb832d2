"""A weighted sample of each class of a stream: balancing a log that does not fit into memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.reservoirs import serialize
from equipoise.reservoirs.base import WeightedRows
from equipoise.reservoirs.bottom_k import Smallest
from equipoise.reservoirs.labels import Numbers
from equipoise.reservoirs.sample import ReservoirSample, estimate

__all__ = ["ClassReservoir"]


Int64s = NDArray[np.int64]
_POLICIES = ("equal", "sqrt", "proportional")


class ClassReservoir(WeightedRows):
    """A weighted sample of k rows of each class of a stream, in one pass, mergeable.

    Within a class it is a :class:`Reservoir`: with ids the very same rows, without ids others of the same law
    (each row has a word of its own here). Classes are known beforehand or seen as they come, and a smaller
    sample can be taken later, exactly, by another quota for each class.

    Parameters
    ----------
    k : int or integer array of shape (num_classes,)
        Rows to keep of each class, >= 1.
    num_classes : int, optional
        Classes are 0 .. num_classes - 1; without it any int64, as they come.
    half_life : float, optional
        As for :class:`Reservoir`.
    seed, stream : int
        As for :class:`Reservoir`.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong type, or out of range.

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

    _what = "ClassReservoir"

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
        self._numbers = None if self._num_classes is not None else Numbers(np.empty(0, np.int64))
        self._counts = np.zeros(self._num_classes or 0, np.int64)
        self._kept = Smallest(self._columns("streams", "classes"), self._quotas(self._counts.size))

    def _quotas(self, classes: int) -> Int64s:
        """k + 1 rows of each class: the last is the threshold."""
        return np.array(self._k) + 1 if isinstance(self._k, list) else np.full(classes, self._k + 1)

    def _room(self) -> int:
        return 1 << 16

    def _known(self, classes: int) -> None:
        more = classes - self._counts.size
        if more > 0:
            self._counts = np.concatenate((self._counts, np.zeros(more, np.int64)))
            self._kept.set_quotas(self._quotas(classes))

    def _forget(self, classes: int) -> None:
        """All classes but the first so many: the others' rows were not taken in."""
        if self._numbers is not None:
            kept = self._kept.copy()
            kept.set_quotas(self._quotas(classes))
            numbers = Numbers(self._numbers.labels()[:classes])
            vars(self).update(_numbers=numbers, _counts=self._counts[:classes], _kept=kept)

    def update(
        self,
        classes: Any,
        weights: Any = None,
        ids: Any = None,
        *,
        times: Any = None,
        n_threads: int | None = None,
    ) -> None:
        """Read a chunk of rows, all or, after an error, none.

        Parameters
        ----------
        classes : integer array of shape (n,), or Arrow column
            Labels, in [0, num_classes) if that was given.
        weights : array of shape (n,), or Arrow column, optional
            As for :meth:`Reservoir.update`; 1 without.
        ids : integer array of shape (n,), or Arrow column, optional
            As for :meth:`Reservoir.update`.
        times : array of numbers or datetimes of shape (n,), or Arrow column
            With ``half_life``, and only then.
        n_threads : int, optional
            Default ``EQUIPOISE_NUM_THREADS``, else 1. The answer does not depend on it.

        Raises
        ------
        TypeError, ValueError, IndexError
            Arguments of the wrong type, value or shape; a class outside [0, num_classes). The reservoir is
            then as it was.

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
                if self._n_seen == seen:  # else it is done already
                    self._forget(before)
                raise

    def _learn(self, labels: Int64s) -> None:
        """New classes in order of first sight; where there are none, as mostly, the rows tell in one pass."""
        if self._numbers is not None:
            self._numbers.learn(labels)
            self._known(self._numbers.size)

    @property
    def counts(self) -> dict[int, int]:
        """Rows seen of each class that was seen, by ascending label."""
        with self._lock:
            labels, counts = self._labels(), self._counts
        order = np.argsort(labels)
        return {int(labels[c]): int(counts[c]) for c in order if counts[c]}

    def _labels(self) -> Int64s:
        return np.arange(self._counts.size) if self._numbers is None else self._numbers.labels()

    def merge(self, other: ClassReservoir) -> None:
        """Take in the rows of another reservoir: the sample is then that of both streams.

        Parameters
        ----------
        other : ClassReservoir
            With the same k, num_classes, half_life and seed. It stays as it is.

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
                theirs_labels = other._labels()
                self._learn(theirs_labels)
                numbers = self._numbers.of(theirs_labels)
            counts = self._counts.copy()
            counts[slice(None) if numbers is None else numbers] += theirs
            self._take(other, numbers, _counts=counts)
        except BaseException:
            if self._counts is not counts:  # else it is done already
                self._forget(before)
            raise

    def sample(self, *, total: int | None = None, policy: str = "equal") -> ReservoirSample:
        """The sample of what has been seen so far; the stream can go on.

        Parameters
        ----------
        total : int, optional
            Rows in all, divided among the classes; without it all that is kept, k of each class.
        policy : {"equal", "sqrt", "proportional"}
            Shares of ``total``: alike, by the square root of the rows seen of the class, or by these.
            No class gets more than it has kept; what it cannot take goes to the others. A class
            whose share is less than a row may get none, and no estimate then knows of it.

        Returns
        -------
        ReservoirSample
            By ascending class, then by rank. A smaller quota's ``inclusion`` is by its own threshold, as if
            it had been the quota from the start.

        Raises
        ------
        TypeError, ValueError
            Arguments of the wrong type, or out of range.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.ClassReservoir(100)
        >>> reservoir.update([0] * 1000 + [1] * 10)
        >>> sample = reservoir.sample(total=40)
        >>> [int((sample.classes == c).sum()) for c in (0, 1)]
        [30, 10]
        """
        policy = _validate.as_choice(policy, "policy", _POLICIES)
        if total is not None:
            total = _validate.as_count(total, "total", least=1)
        with self._lock:
            return self._sample(total, policy)

    def _sample(self, total: int | None, policy: str) -> ReservoirSample:
        rows = self._everything()
        labels = self._labels()
        by_label = np.argsort(labels, kind="stable")
        place = np.empty(labels.size, np.int64)
        place[by_label] = np.arange(labels.size)
        order = rows.order(place)
        classes = rows["classes"][order]
        have = np.bincount(classes, minlength=labels.size)
        quotas = np.minimum(have, rows.quotas - 1)
        if total is not None:
            quotas[by_label] = _shares(total, policy, self._counts[by_label], quotas[by_label])
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
        """An unbiased estimate of a sum over all rows seen, as :meth:`Reservoir.estimate`.

        Parameters
        ----------
        values : array of shape (m,), optional
            One for each row of the sample; 1 without.
        where : bool array of shape (m,), optional
            Rows to count; all without.

        Returns
        -------
        (float, float)
            The estimate and its standard error.

        Raises
        ------
        TypeError, ValueError
            Arrays of another type or shape.

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
        """All of the reservoir, for another process or machine, as :meth:`Reservoir.to_bytes`.

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
            return self._to_bytes({}, {"labels": self._labels(), "counts": self._counts})

    @staticmethod
    def from_bytes(data: bytes) -> ClassReservoir:
        """The reservoir that :meth:`to_bytes` wrote.

        Parameters
        ----------
        data : bytes

        Returns
        -------
        ClassReservoir

        Raises
        ------
        TypeError, ValueError
            No bytes; others than ``to_bytes`` wrote, or not all of them; another version.

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
        _validate.check_written(bool(good), "counts of classes")
        reservoir = ClassReservoir(
            settings["k"],
            num_classes=num_classes,
            half_life=None if half_life is None else float.fromhex(half_life),
            seed=settings["seed"],
            stream=header["stream"],
        )
        if reservoir._numbers is not None:
            reservoir._numbers = Numbers(labels)
        reservoir._known(labels.size)
        reservoir._counts = counts
        reservoir._restore(header, columns)
        kept = np.bincount(reservoir._kept["classes"], minlength=counts.size)
        _validate.check_written(bool((kept <= counts).all()), "counts of classes")
        return reservoir

    def __reduce__(self) -> tuple[Any, ...]:
        return ClassReservoir.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        seen = int(np.count_nonzero(self._counts))
        return f"ClassReservoir({self._k}, seed={self._seed}, stream={self._stream}; {seen} classes seen)"


def _shares(total: int, policy: str, counts: Int64s, most: Int64s) -> Int64s:
    """Whole shares of `total`, none above `most`: what a class cannot take goes to the others."""
    weight = np.where(most > 0, counts, 0).astype(np.float64)
    if policy == "equal":
        weight = (most > 0).astype(np.float64)
    elif policy == "sqrt":
        weight = np.sqrt(weight)
    total = min(total, int(most.sum()))
    shares = np.zeros(most.size)
    open_ = most > 0
    left = float(total)
    while open_.any():
        part = left * weight / weight[open_].sum()
        full = open_ & (part >= most)
        if not full.any():
            shares[open_] = part[open_]
            break
        shares[full] = most[full]
        left -= float(most[full].sum())
        open_ &= ~full
    whole = np.floor(shares).astype(np.int64)
    # The largest remainders get the rest; of equal ones, whatever rounding made of them, the smaller class.
    rest = total - int(whole.sum())
    remainder = np.where(whole < most, np.round(shares - whole, 8), -1.0)
    whole[np.argsort(-remainder, kind="stable")[:rest]] += 1
    return whole
