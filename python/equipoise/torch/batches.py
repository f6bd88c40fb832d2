"""Batches with given shares of their classes, for the ``batch_sampler=`` of a DataLoader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, Sampler

from equipoise import _validate
from equipoise.orders import ClassBatches
from equipoise.torch.passes import Passes

__all__ = ["ClassBalancedBatchSampler"]

_ROWS = 1 << 16  # the most rows that are drawn at a time


class _RowsOf(Sampler[int]):
    """The rows of a batch sampler one by one, and the way to its epoch."""

    def __init__(self, batches: ClassBalancedBatchSampler) -> None:
        self._batches = batches

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass of the batch sampler one of this epoch."""
        self._batches.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        for batch in self._batches:
            yield from batch

    def __len__(self) -> int:
        return len(self._batches) * self._batches.batch_size

    def __repr__(self) -> str:
        return f"{self._batches!r}.sampler"


class ClassBalancedBatchSampler(Passes, BatchSampler):
    """Batches of row numbers in which every class has its share.

    A class has the floor or the ceiling of its share of `batch_size` in every batch, and its running total
    over an epoch is never a whole row more or less than its share. Its rows come in a random order; when all
    of them were drawn, they come again in another order. So within an epoch, the numbers of times that two
    rows of a class are drawn differ by at most one: a rare class repeats its rows, and a frequent one leaves
    rows for the next epochs. The rows of a batch are in random order, so it may be cut into parts.

    Each pass is an epoch of its own, whether or not anybody calls :meth:`set_epoch`. Batch b of an epoch is a
    function of (seed, epoch, b) and of the labels, so an epoch can be resumed anywhere.

    Parameters
    ----------
    y : array of shape (n,)
        The label of each row: integers, booleans, strings or finite floats, in any container. 1 <= n < 2^32.
        Its classes are numbered in ascending order, see :attr:`classes`.
    batch_size : int
        The rows of a batch, in [1, 2^31). All batches are full.
    class_probs : {"balanced", "proportional", "sqrt"}, mapping, or array of shape (K,)
        The share of each class: the same for all, or in proportion to their numbers of rows, or to the square
        roots of these. A mapping, or a pandas Series by its index, has the probability of each label; an
        array has the probabilities in the order of the classes. They are finite, >= 0, and sum to 1 within
        1e-6.
    schedule : callable, optional
        A function of the epoch that returns what `class_probs` takes, and is used in its place. It must
        always return the same for the same epoch, and on all ranks.
    drop_last : bool
        An epoch has ceil(n / batch_size) batches, or floor(n / batch_size) with `drop_last`. If they cannot
        be divided evenly, the last ranks get further batches or, with `drop_last`, the last batches are left
        out.
    seed : int
        In [0, 2^64), the same on all ranks. Samplers with the same seed and other labels are independent.
    num_replicas, rank : int
        The number of ranks of a distributed job, and the number of this one. Of a pass that starts at batch s
        (0, or that of a loaded state), rank r of R gets the batches s + r, s + r + R, ..

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument has the wrong type or value. Errors in what `schedule` returns come when an epoch
        begins, and name ``schedule(epoch)``.

    Notes
    -----
    :attr:`epoch` and :attr:`position` say where the sampler stands; the position counts the batches of all
    ranks. Lightning replaces batch samplers unless its Trainer has ``use_distributed_sampler=False``, and
    calls the method ``set_epoch`` of :attr:`sampler`. Accelerate divides batches among the ranks itself, so
    it needs the default rank 0 of 1.

    The memory is 4 bytes a row. Leftover rows go to the classes by the rule PD2, which is why no total is
    ever a whole row off. Classes that are owed the same have their turns in a random order of the epoch.

    References
    ----------
    - B. Kang et al., "Decoupling representation and classifier for long-tailed recognition", ICLR 2020
      (progressive balancing).
    - K. Cao et al., "Learning imbalanced datasets with label-distribution-aware margin loss", NeurIPS 2019
      (deferred re-balancing).
    - J. H. Anderson and A. Srinivasan, "Mixed Pfair/ERfair scheduling of asynchronous periodic tasks",
      Journal of Computer and System Sciences 68, 2004 (PD2).

    Examples
    --------
    >>> import torch
    >>> from equipoise.torch import ClassBalancedBatchSampler
    >>> y = torch.tensor([0] * 90 + [1] * 10)
    >>> batches = ClassBalancedBatchSampler(y, 20, seed=1)
    >>> loader = torch.utils.data.DataLoader(y, batch_sampler=batches)
    >>> [int(labels.sum()) for labels in loader]
    [10, 10, 10, 10, 10]

    Progressive balancing goes from the shares of the data to equal ones (Kang et al. 2020):

    >>> import numpy as np
    >>> num_epochs, shares = 10, np.array([0.9, 0.1])
    >>> def progressive(epoch):
    ...     t = epoch / (num_epochs - 1)
    ...     return (1 - t) * shares + t / len(shares)
    >>> batches = ClassBalancedBatchSampler(y, 20, schedule=progressive)
    >>> [int(y[batches.order(0, 5, epoch)].sum()) for epoch in (0, 3, 6, 9)]
    [10, 24, 37, 50]

    Deferred re-balancing trains on the data as it is before it balances the classes (Cao et al. 2019):

    >>> batches = ClassBalancedBatchSampler(
    ...     y, 20, schedule=lambda epoch: "proportional" if epoch < 8 else "balanced"
    ... )
    >>> [int(y[batches.order(0, 5, epoch)].sum()) for epoch in (7, 8)]
    [10, 50]
    """

    _kind = "ClassBalancedBatchSampler"
    _made_from = "y, batch_size, class_probs, schedule, drop_last and seed"

    def __init__(
        self,
        y: Any,
        batch_size: int,
        *,
        class_probs: Any = "balanced",
        schedule: Callable[[int], Any] | None = None,
        drop_last: bool = False,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        # BatchSampler.__init__ would want a sampler.
        if isinstance(y, Sampler):
            _validate.refuse_sampler(y)
        self._replicas = _validate.as_count(num_replicas, "num_replicas", least=1, most=2**31 - 1)
        self._rank = _validate.as_count(rank, "rank", most=self._replicas - 1)
        self._drop_uneven = _validate.as_flag(drop_last, "drop_last")
        self._batches = ClassBatches(y, batch_size, class_probs=class_probs, schedule=schedule, seed=seed)
        self._seed = self._batches.seed
        rows, size = self._batches.classes.num_rows, self._batches.batch_size
        self._total = rows // size if self._drop_uneven else -(-rows // size)
        self._most_read = max(1, _ROWS // size)
        self._go_to({"epoch": 0, "position": 0})

    @property
    def sampler(self) -> Sampler[int]:  # type: ignore[override]
        """The same rows one by one. Its ``set_epoch`` is that of the batch sampler."""
        return _RowsOf(self)

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """The rows of a batch."""
        return self._batches.batch_size

    @property
    def drop_last(self) -> bool:  # type: ignore[override]
        """Whether the rows and batches that cannot be divided evenly are left out."""
        return self._drop_uneven

    @property
    def classes(self) -> NDArray[Any]:
        """The labels of the classes, in ascending order."""
        return self._batches.classes.labels

    def order(self, start: int, stop: int, epoch: int | None = None) -> NDArray[np.int64]:
        """Return some batches of all ranks.

        Parameters
        ----------
        start, stop : int
            The numbers of the first batch and of the one after the last. 0 <= start <= stop <= the number of
            batches in an epoch.
        epoch : int, optional
            In [0, 2^32). By default, the sampler's epoch.

        Returns
        -------
        int64 ndarray of shape (stop - start, batch_size)
            What the sampler of a single rank yields at these positions, whatever has been read so far.

        Raises
        ------
        TypeError, ValueError
            If an argument is not an integer, or is out of range.

        Examples
        --------
        >>> from equipoise.torch import ClassBalancedBatchSampler
        >>> batches = ClassBalancedBatchSampler(["yes", "no", "no", "no"], 2, seed=2)
        >>> batches.order(0, 2).tolist() == list(batches)
        True
        """
        start = _validate.as_count(start, "start", most=self._total)
        stop = _validate.as_count(stop, "stop", least=start, most=self._total)
        number = self._epoch if epoch is None else _validate.as_count(epoch, "epoch", most=2**32 - 1)
        return self._batches.rows(range(start, stop), number)

    def _read(self, epoch: int, start: int, step: int, count: int) -> list[list[int]]:
        rows: list[list[int]] = self._batches.rows(range(start, start + count * step, step), epoch).tolist()
        return rows

    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        yield self._seed.to_bytes(8, "little") + self._total.to_bytes(8, "little")
        yield from self._batches.fingerprint()

    def __len__(self) -> int:
        return self._share(0)

    def __repr__(self) -> str:
        rows = f"{self._batches.classes.num_rows} rows of {self.classes.size} classes"
        return (
            f"ClassBalancedBatchSampler({self._total} batches of {self.batch_size} from {rows}, "
            f"num_replicas={self._replicas}, rank={self._rank}, seed={self._seed}, "
            f"drop_last={self._drop_uneven})"
        )
