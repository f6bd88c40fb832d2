"""A weighted sample of each class of a stream, for balancing a log that does not fit in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.reservoirs import serialize
from equipoise.reservoirs.base import BaseReservoir
from equipoise.reservoirs.bottom_k import BottomK
from equipoise.reservoirs.codes import LabelCodes, text_code
from equipoise.reservoirs.estimates import Estimating
from equipoise.reservoirs.labels import NO_SLOTS, CallClasses, ClassCounts, ClassNumbers
from equipoise.reservoirs.quotas import POLICIES, shares
from equipoise.reservoirs.sample import ReservoirSample

__all__ = ["ClassReservoir"]


Int64s = NDArray[np.int64]
_FEW = 8  # a call of this many times fewer rows than there are known classes has a table of its own


class ClassReservoir(Estimating, BaseReservoir):
    """A weighted sample of k rows of each class of a stream, in one pass, mergeable.

    The sample of each class has the distribution of a :class:`Reservoir`'s, and depends only on the rows of
    that class. With ids, equal rows (same id, class, weight and time) count once, so ids must tell rows
    apart. Rows that differ in any of the four are independent: an id may occur in several classes. Classes
    may be known in advance or learned as they appear. They are integers, booleans or strings, of which a
    reservoir takes one kind. A smaller sample, with a different quota for each class, can be taken later and
    is still exact.

    Parameters
    ----------
    k : int or integer array of shape (num_classes,)
        Number of rows to keep of each class, >= 1.
    num_classes : int, optional
        If given, classes are the integers 0, ..., num_classes - 1, or booleans. Otherwise, any int64, any
        boolean or any string can be a class.
    half_life : float, optional
        As for :class:`Reservoir`.
    seed, stream : int
        As for :class:`Reservoir`: two reservoirs with the same seed draw dependent samples from rows with the
        same keys, so give each a seed of its own unless they are to be merged.

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
        # Codes and numbers of labels are found once and kept, also those of a call that fails. They are not
        # part of the state: a class that has no rows is as good as none.
        self._codes = LabelCodes()
        self._numbers: ClassNumbers | None = None  # None if classes are already numbers
        if self._num_classes is None:
            self._numbers = ClassNumbers(np.empty(0, np.int64))
        self._kind: str | None = None  # the kind of labels, once there are rows
        # One row more than the sample, since its rank is the threshold.
        quotas = np.full(self._num_classes or 0, self._k) + 1
        self._sketch = BottomK(self._columns("streams", "classes"), quotas)

    def _capacity(self) -> int:
        """Return the number of candidates that a workspace holds.

        It does not depend on the quotas, which are not known before the classes are: until every class has
        filled its quota, all of its rows are candidates.
        """
        return 1 << 16

    def _wide_sketch(self) -> BottomK:
        sketch = self._sketch.copy()
        if self._numbers is not None:
            sketch.extend(self._numbers.size, self._k + 1)  # type: ignore[operator]
        return sketch

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
        classes : array of integers, booleans or strings of shape (n,), or Arrow column
            Labels of the rows, in [0, num_classes) if ``num_classes`` was given. All rows of the stream have
            labels of the same kind. Lists, pandas and polars Series and categorical columns are read, too. No
            label may be missing.
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
        RuntimeError
            As for :meth:`Reservoir.update`.

        Examples
        --------
        >>> import equipoise
        >>> reservoir = equipoise.ClassReservoir(2)
        >>> reservoir.update(["view", "view", "click"], ids=[10, 11, 12])
        >>> reservoir.counts
        {'click': 1, 'view': 2}
        """
        labels = _validate.as_labels(classes, num_classes=self._num_classes)
        w = None if weights is None else _validate.as_row_weights(weights, length=labels.size)
        keys = None if ids is None else _validate.as_keys(ids, "ids", labels.size)
        _validate.check_half_life(self._half_life, times)
        at = None if times is None else _validate.as_times(times, labels.size)
        threads = _validate.as_threads(n_threads)
        codes = self._codes.of(labels)
        self._check_free("update")
        with self._lock:
            kind = _validate.check_kind(self._kind, labels.kind)
            for some in self._tables(codes):
                if self._read(w, keys, at, some, threads, _kind=kind):
                    return
            _validate.refuse_changed_labels()

    def _tables(self, codes: Int64s) -> Iterator[CallClasses]:
        """Yield a call's classes, to be read with the table of those known, or else with the next table.

        The last table has all of them.
        """
        numbers, known = self._numbers, self._num_classes or 0
        if numbers is not None:
            known = numbers.size
        if _FEW * codes.size < known:
            own = ClassNumbers(codes)
            mine = own.labels()
            if numbers is not None:
                numbers.learn(mine)
                mine = numbers.of(mine)
            yield CallClasses(codes, own.slots, own.size, mine)
        elif numbers is None:
            yield CallClasses(codes, NO_SLOTS, known, None)
        else:
            yield CallClasses(codes, numbers.slots, known, None)
            numbers.learn(codes)
            yield CallClasses(codes, numbers.slots, numbers.size, None)

    @property
    def counts(self) -> dict[Any, int]:
        """Number of rows seen of each class, in ascending order of labels.

        Labels are Python integers, booleans or strings.
        """
        with self._lock:
            counts, numbers, codes = self._seen()
            labels = self._codes.decoded(self._kind, codes)
            return dict(zip(labels.tolist(), counts[numbers].tolist(), strict=True))

    def _seen(self) -> tuple[Int64s, Int64s, Int64s]:
        """Return the counts by class number, and the numbers and codes of the classes seen, by label."""
        counts = self._counts.first(self._sketch.num_classes)
        numbers = np.flatnonzero(counts)
        if self._numbers is None:
            return counts, numbers, numbers
        codes = self._numbers.labels()[numbers]
        if self._kind == _validate.STRINGS:
            texts = [self._codes.texts[code] for code in codes.tolist()]
            order = np.array(sorted(range(len(texts)), key=texts.__getitem__), np.int64)
        else:
            order = np.argsort(codes)
        return counts, numbers[order], codes[order]

    def merge(self, other: ClassReservoir) -> None:
        """Merge another reservoir into this one, which then holds a sample of both streams.

        Parameters
        ----------
        other : ClassReservoir
            A reservoir with the same k, num_classes, half_life and seed, and the same kind of labels. It is
            left unchanged.

        Raises
        ------
        TypeError, ValueError, RuntimeError
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
        self._check_free("merge")
        first, second = self._locks(other)
        with first, second:
            self._merge(other)

    def _merge(self, other: ClassReservoir) -> None:
        self._check_mergeable(other)
        kind = _validate.check_kind(self._kind, other._kind, "classes of other")
        size, numbers = other._sketch.num_classes, None
        theirs = other._counts.first(size).copy()
        if self._numbers is not None and other._numbers is not None:
            their_codes = other._numbers.labels()[:size]
            self._numbers.learn(their_codes)
            numbers = self._numbers.of(their_codes)
        if kind == _validate.STRINGS:
            self._codes.add(list(other._codes))
        self._absorb(other, numbers, _counts=self._counts.plus(theirs, numbers), _kind=kind)

    def sample(self, *, total: int | None = None, policy: str = "equal") -> ReservoirSample:
        """Return the sample of the rows seen so far. More rows may follow.

        To keep payloads while you follow a stream, keep those of :meth:`candidates`.

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
        counts, numbers, codes = self._seen()
        place = np.zeros(rows.num_classes, np.int64)
        place[numbers] = np.arange(numbers.size)
        order = rows.order(place)
        classes = place[rows["classes"][order]]  # numbered in order of labels
        have = np.bincount(classes, minlength=numbers.size)
        quotas = np.minimum(have, rows.quotas[numbers] - 1)
        if total is not None:
            quotas = shares(total, policy, counts[numbers], quotas)
        begins = np.cumsum(have) - have
        thresholds = np.full(numbers.size, math.inf)
        cut = quotas < have
        thresholds[cut] = rows["ranks"][order[(begins + quotas)[cut]]]
        among = np.arange(order.size) - begins[classes] < quotas[classes]
        taken, classes = order[among], classes[among]
        streams = rows["streams"][taken] if self._keyed == "positions" else None
        return ReservoirSample(
            rows["ids"][taken],
            self._weights(rows, taken),
            self._inclusion(rows, taken, thresholds[classes]),
            self._codes.decoded(self._kind, codes)[classes],
            streams,
        )

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
            counts, numbers, codes = self._seen()
            if self._numbers is None:
                numbers = codes = np.arange(counts.size)
            texts = None
            if self._kind == _validate.STRINGS:
                texts = [self._codes.texts[code] for code in codes.tolist()]
            header = {"kind": self._kind, "texts": texts}
            return self._to_bytes(header, {"labels": codes, "counts": counts[numbers]}, numbers)

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
        kind, texts = header["kind"], header["texts"]
        labels, counts = columns.pop("labels"), columns.pop("counts")
        _check_labels(kind, texts, labels, num_classes)
        good = counts.dtype == np.int64 and counts.size == labels.size
        good = good and bool((counts >= (num_classes is None)).all())
        good = good and (kind is not None or not counts.any())
        _validate.check_written(good, "class counts")
        reservoir = ClassReservoir(
            settings["k"],
            num_classes=num_classes,
            half_life=None if half_life is None else float.fromhex(half_life),
            seed=settings["seed"],
            stream=header["stream"],
        )
        # A k per class sets the number of classes.
        _validate.check_written(reservoir._num_classes == num_classes, "quotas")
        if reservoir._numbers is not None:
            reservoir._numbers = ClassNumbers(labels)
        reservoir._codes.add(texts or ())
        reservoir._kind, reservoir._counts = kind, ClassCounts(counts)
        reservoir._sketch = reservoir._wide_sketch()
        reservoir._restore(header, columns)
        kept = np.bincount(reservoir._sketch["classes"], minlength=counts.size)
        _validate.check_written(bool((kept <= counts).all()), "class counts")
        return reservoir

    def __reduce__(self) -> tuple[Any, ...]:
        return ClassReservoir.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        with self._lock:
            seen = np.count_nonzero(self._counts.first(self._sketch.num_classes))
        return f"ClassReservoir({self._k}, seed={self._seed}, stream={self._stream}; {seen} classes seen)"


def _check_labels(kind: Any, texts: Any, labels: NDArray[Any], num_classes: int | None) -> None:
    """Check the classes that were read from bytes: in ascending order, and strings with their codes."""
    kinds = (None, _validate.INTEGERS, _validate.BOOLEANS, _validate.STRINGS)
    good = kind in kinds and (kind == _validate.STRINGS) == (texts is not None)
    _validate.check_written(good and labels.dtype == np.int64, "classes")
    if num_classes is not None:
        good = texts is None and labels.size == num_classes
        good = good and bool((labels == np.arange(labels.size)).all())
    elif texts is None:
        good = bool((labels[1:] > labels[:-1]).all())
        good = good and (kind != _validate.BOOLEANS or set(labels.tolist()) <= {0, 1})
    else:
        good = texts == sorted(set(texts)) and labels.tolist() == [text_code(text) for text in texts]
    _validate.check_written(good, "classes")
