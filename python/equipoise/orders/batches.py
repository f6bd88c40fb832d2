"""Batches of rows with given shares of their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.orders.classes import UNITS, find_classes, share_units
from equipoise.rng import CLASSES

__all__ = ["ClassBatches", "Shares"]


Int64s = NDArray[np.int64]
_CHUNK = 1 << 16  # rows drawn between two checks for Ctrl-C, which takes a few milliseconds
_STEPS = 1 << 18  # quotas found between two checks for Ctrl-C
_NO_TOTALS: Int64s = np.empty((0, 0), np.int64)
_NO_BATCH = np.uint64(2**64 - 1)  # its words order the classes


class Shares(NamedTuple):
    """The rows that a batch owes to each class, in the order of an epoch, as the kernel takes it.

    ``whole`` rows and, in units of a row, the ``rest``. The rests add up to ``left`` rows.
    """

    whole: Int64s
    rest: Int64s
    left: int


class _Position(NamedTuple):
    """The state of the quotas of an epoch before one of its batches. The classes are in the epoch's order."""

    epoch: int
    batch: int
    lags: Int64s
    totals: Int64s  # the rows of each class in all batches before


class ClassBatches:
    """Batches of rows in which every class has its share.

    A class has the floor or the ceiling of its share of `batch_size` in every batch, and its running total
    over an epoch is never a whole row more or less than its share. Of classes that are owed the same, the one
    that comes first in a random order of the epoch has the next row. A class's rows come in a random order;
    when all of them were drawn, they come again in another order. So within an epoch, the numbers of times
    that two rows of a class are drawn differ by at most one. The rows of a batch are in random order. Batch b
    of epoch e is a function of (seed, e, b) and of the classes.

    Parameters
    ----------
    y : array of shape (n,)
        The label of each row: integers, booleans, strings or finite floats, in any container.
    batch_size : int
        The rows of a batch, in [1, 2^31).
    class_probs : str, mapping or array of shape (K,)
        See :func:`equipoise.orders.classes.share_units`.
    schedule : callable, optional
        A function of the epoch that returns what `class_probs` takes, and is used in its place.
    seed : int
        In [0, 2^64).

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument has the wrong type or value. Errors in what `schedule` returns come when an epoch is
        first used, and name ``schedule(epoch)``.

    References
    ----------
    - S. K. Baruah, N. K. Cohen, C. G. Plaxton and D. A. Varvel, "Proportionate progress: a notion of fairness
      in resource allocation", Algorithmica 15, 1996.
    - J. H. Anderson and A. Srinivasan, "Mixed Pfair/ERfair scheduling of asynchronous periodic tasks",
      Journal of Computer and System Sciences 68, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.orders import ClassBatches
    >>> y = np.array([0] * 95 + [1] * 5)
    >>> batches = ClassBatches(y, 8, seed=3)
    >>> rows = batches.rows(range(4), epoch=0)
    >>> rows.shape, y[rows].sum(axis=1).tolist()
    ((4, 8), [4, 4, 4, 4])
    """

    def __init__(
        self,
        y: Any,
        batch_size: int,
        *,
        class_probs: Any = "balanced",
        schedule: Callable[[int], Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.batch_size = _validate.as_count(batch_size, "batch_size", least=1, most=2**31 - 1)
        self.seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        _validate.check_callable(schedule, "schedule")
        self.classes = find_classes(y)
        self.schedule = schedule
        self._units = share_units(class_probs, self.classes)
        self._scheduled: tuple[int, Int64s] | None = None  # the units of the epoch that was used last
        self._position: _Position | None = None

    def units(self, epoch: int) -> Int64s:
        """Return the share of each class in an epoch, in units of 2^-52."""
        if self.schedule is None:
            return self._units
        scheduled = self._scheduled
        if scheduled is None or scheduled[0] != epoch:
            units = share_units(self.schedule(epoch), self.classes, f"schedule({epoch})")
            self._scheduled = scheduled = epoch, units
        return scheduled[1]

    def probs(self, epoch: int) -> NDArray[np.float64]:
        """Return the share of each class in an epoch, which add up to 1."""
        return self.units(epoch) / UNITS

    def rows(self, batches: range, epoch: int) -> Int64s:
        """Return the rows of some batches of an epoch.

        Parameters
        ----------
        batches : range
            The numbers of the batches, in ascending order. An epoch goes on for ever.
        epoch : int
            In [0, 2^32).

        Returns
        -------
        int64 ndarray of shape (len(batches), batch_size)
            Row numbers.

        Examples
        --------
        >>> from equipoise.orders import ClassBatches
        >>> batches = ClassBatches([0, 1, 1, 1, 0, 1], 2, seed=1)
        >>> bool((batches.rows(range(1, 9, 2), epoch=4) == batches.rows(range(9), epoch=4)[1::2]).all())
        True
        """
        out = np.empty((len(batches), self.batch_size), np.int64)
        key, step = self.key(epoch), batches.step
        draw, shuffle = kernels().class_rows, kernels().batch_shuffle

        def fill(begin: int, end: int) -> None:
            begins, ends = self.totals(batches[begin:end], epoch)
            part = out[begin:end]
            draw(key, self.classes.grouped, begins, ends, part.reshape(-1))
            shuffle(key, np.uint64(batches[begin]), np.uint64(step), part)

        for_chunks(len(batches), self._chunk(step), 1, fill)
        return out

    def key(self, epoch: int) -> np.uint64:
        """Return the call key of an epoch."""
        digest = np.uint64(self.classes.digest)
        return np.uint64(kernels().call_key(np.uint64(self.seed), epoch, CLASSES, digest))

    def places(self, batch: int, epoch: int) -> Int64s:
        """Return which entry of the list of a batch's rows, class by class, stands at each place."""
        out: Int64s = np.arange(self.batch_size)
        kernels().batch_shuffle(self.key(epoch), np.uint64(batch), np.uint64(1), out.reshape(1, -1))
        return out

    def totals(self, batches: range, epoch: int) -> tuple[Int64s, Int64s]:
        """Return how many rows of each class come before each batch and before the one after it.

        Both are int64 arrays of shape (len(batches), K).
        """
        before, after = batches[0], batches[-1] + 1
        start, place = self._seek(before, epoch), np.argsort(self._order(epoch))
        out = np.empty((after - before + 1, start.totals.size), np.int64)
        out[0] = start.totals
        self._position = self._go_on(start, after - before, out[1:])
        return out[: -1 : batches.step].take(place, axis=1), out[1 :: batches.step].take(place, axis=1)

    def fingerprint(self) -> Iterable[bytes | NDArray[Any]]:
        """Yield what decides the batches, apart from the seed and from what a schedule returns."""
        classes, scheduled = self.classes, self.schedule is not None
        yield b"".join(n.to_bytes(8, "little") for n in (classes.digest, classes.num_rows, self.batch_size))
        yield repr(classes.labels.tolist()).encode("utf-8", "surrogatepass")
        yield b"schedule" if scheduled else self._units

    def __getstate__(self) -> dict[str, Any]:
        # Equal objects have equal pickles, whatever they drew.
        return {**vars(self), "_scheduled": None, "_position": None}

    def _chunk(self, step: int) -> int:
        """Return how many batches are drawn at a time."""
        return max(1, min(_CHUNK // self.batch_size, _STEPS // (step * self.classes.counts.size)))

    def _seek(self, batch: int, epoch: int) -> _Position:
        """Return the position before a batch, from the last one or else from the start of the epoch."""
        position = self._position
        if position is None or position.epoch != epoch or position.batch > batch:
            zeros = np.zeros(self.classes.counts.size, np.int64)
            position = _Position(epoch, 0, zeros, zeros)
        return self._go_on(position, batch - position.batch, _NO_TOTALS)

    def _go_on(self, position: _Position, batches: int, out: Int64s) -> _Position:
        """Return the position after some batches. `out` gets the totals after each, unless it is empty."""
        shares = self._shares(position.epoch)
        lags, totals = position.lags.copy(), position.totals.copy()
        scratch = np.empty(3 * lags.size, np.int64)

        def go_on(begin: int, end: int) -> None:
            kernels().class_quotas(end - begin, shares, lags, totals, scratch, out[begin:end])

        for_chunks(batches, max(1, _STEPS // lags.size), 1, go_on)
        return _Position(position.epoch, position.batch + batches, lags, totals)

    def _order(self, epoch: int) -> Int64s:
        """Return the order of the classes in an epoch, which decides between those that are owed the same.

        If it were always that of their numbers, the last rows of every epoch would go to the same classes.
        """
        order: Int64s = np.arange(self.classes.counts.size)
        kernels().batch_shuffle(self.key(epoch), _NO_BATCH, np.uint64(1), order.reshape(1, -1))
        return order

    def _shares(self, epoch: int) -> Shares:
        """Return what a batch of an epoch owes to each class."""
        units = self.units(epoch)[self._order(epoch)].tolist()
        parts = [divmod(self.batch_size * owed, UNITS) for owed in units]
        whole, rest = np.array(parts, np.int64).reshape(-1, 2).T.copy()
        return Shares(whole, rest, self.batch_size - int(whole.sum()))
