"""A collate function that draws each row's negatives, in the main process or in a DataLoader's worker."""

from __future__ import annotations

import copy
import itertools
import math
import threading
from typing import Any, ClassVar, Self

import torch
from torch.utils.data import get_worker_info

from equipoise import _validate
from equipoise._runtime.locks import add_lock
from equipoise.negatives import Negatives, NegativeSampler
from equipoise.negatives.keys import keys_by_batch, keys_by_index

__all__ = ["NegativeCollate"]

_OWN_EPOCH = -1  # in the cell: that of the sampler as it was given
_ALIGNMENT = 8  # bytes


class NegativeCollate:
    """A collate function that gives each row (index, user, item) negatives of its user.

    A row's own item is never drawn, and ``log_q`` accounts for this. Unless the key is "counter", a batch is
    the same for any number of workers, however they were started, and in a new process.

    Parameters
    ----------
    sampler : NegativeSampler
        Its rows are the users. The object keeps a copy of it, whose epoch is set here.
    num_negatives : int
        Number of negatives per row, k >= 0.
    key : {"index", "batch", "counter"}
        What decides a row's negatives within an epoch. "index" is the row's index: an index has the same
        negatives in any batch. If it occurs again in a batch, it has others there. This is for orders without
        replacement. "batch" is all indices of the batch and the row's place: equal rows of different batches
        have different negatives. This is for orders with replacement. Batches with the same indices in the
        same order are equal, which happens if batches have few rows. With "counter" nothing repeats, but the
        negatives depend on the workers, and a run that is resumed draws others.
    epoch_of : order sampler, optional
        A sampler of this package, such as a WeightedSampler. The epoch is then always that of its latest
        pass, whoever sets it. Trainers set the epochs of samplers, but never those of collate functions.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.

    Notes
    -----
    The draws are those of the sampler's ``sample`` with ``rows`` = user, ``exclude_ids`` = item and
    ``on_exhausted="mask"``. The row keys are defined in :mod:`equipoise.rng`.

    The epoch is kept in memory that worker processes share, so it reaches persistent workers. A copy has an
    epoch of its own or, with ``epoch_of``, follows the same order sampler. A pickle follows it only if both
    are pickled together; otherwise its epoch stays as it is. Several threads may call one object.

    Examples
    --------
    >>> import equipoise
    >>> from equipoise.torch import NegativeCollate
    >>> sampler = equipoise.NegativeSampler(1000, exclude=([0, 2, 3], [4, 5, 6]), seed=7)
    >>> collate = NegativeCollate(sampler, 4)
    >>> batch = collate([(0, 0, 4), (1, 0, 5), (2, 1, 6)])  # (index, user, item)
    >>> batch["negatives"].shape
    torch.Size([3, 4])
    >>> again = collate([(2, 1, 6)])["negatives"][0]  # with key="index", in any batch
    >>> bool((again == batch["negatives"][2]).all())
    True
    """

    _lock: ClassVar[threading.Lock]  # one lock for all objects
    _cell: torch.Tensor  # the epoch, in shared memory
    _drawn: tuple[int, NegativeSampler]  # what the cell held at the last call, and the sampler of that epoch

    def __init__(
        self, sampler: NegativeSampler, num_negatives: int, *, key: str = "index", epoch_of: Any = None
    ) -> None:
        _validate.check_sampler(sampler, NegativeSampler)
        self._num_negatives = _validate.as_count(num_negatives, "num_negatives")
        _validate.check_addressable(self._num_negatives, "num_negatives")
        self._key = _validate.as_choice(key, "key", ("index", "batch", "counter"))
        self._order = ""  # the class of the order sampler
        if epoch_of is None:
            self._cell = _shared(torch.tensor([_OWN_EPOCH], device="cpu"))
        else:
            _validate.check_order(epoch_of)
            self._order, self._cell = type(epoch_of).__name__, _shared(epoch_of.epoch_cell())
        self._drawn = _OWN_EPOCH, copy.copy(sampler)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, in this process and in all workers.

        Call it between two passes of a loader, as workers read ahead. Until the first call, the epoch is the
        sampler's. With the key "counter", draws go on if the epoch does not change.

        Parameters
        ----------
        epoch : int
            In [0, 2^32).

        Raises
        ------
        TypeError, ValueError
            If `epoch` is not an integer or is out of range.
        RuntimeError
            If the object was made with ``epoch_of``, whose order sampler sets the epoch.

        Examples
        --------
        >>> import equipoise
        >>> from equipoise.torch import NegativeCollate
        >>> collate = NegativeCollate(equipoise.NegativeSampler(1000), 4)
        >>> first = collate([(0, 0, 1)])["negatives"]
        >>> collate.set_epoch(1)
        >>> bool((collate([(0, 0, 1)])["negatives"] == first).all())
        False
        """
        if self._order:
            _validate.refuse_set_epoch(self._order)
        self._cell.fill_(_validate.as_count(epoch, "epoch", most=2**32 - 1))

    def __call__(self, batch: Any) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch.

        Parameters
        ----------
        batch : list of rows, or tuple or mapping of three columns
            A row is a tuple or list (index, user, item), or a mapping with these keys. Its values are
            integers of Python or NumPy, or tensors of one integer. Columns, which a data set's
            ``__getitems__`` returns, are 1-D integer arrays in a tuple (index, user, item), or in a mapping
            with these keys. A list is always rows. Other keys of mappings are ignored. An item of -1 is none.

        Returns
        -------
        dict
            For B rows: ``index``, ``user`` and ``item``, int64 of shape (B,); ``negatives``, int64 of shape
            (B, k); ``log_q``, float32, and ``mask``, bool, of the same shape. If a user has no item left, the
            row has ids -1, ``log_q`` 0 and ``mask`` False. In a worker, the six tensors are views of one
            piece of shared memory.

        Raises
        ------
        TypeError, ValueError
            If the batch is empty, or has the wrong type or shape.
        IndexError
            If the sampler does not have a user or an item.

        Examples
        --------
        See :class:`NegativeCollate`.
        """
        index, user, item = _validate.as_collated(batch)
        keys = None
        if self._key == "index":
            keys = keys_by_index(index)
        elif self._key == "batch":
            keys = keys_by_batch(index)
        made = _tensors(index.size, self._num_negatives)
        for name, column in (("index", index), ("user", user), ("item", item)):
            made[name].numpy()[:] = column
        out = Negatives(made["negatives"].numpy(), made["log_q"].numpy(), made["mask"].numpy())
        try:
            self._sampler().sample(
                *(user, self._num_negatives),
                exclude_ids=item,
                on_exhausted="mask",
                row_keys=keys,
                out=out,
            )
        except IndexError as error:
            _validate.refuse_collated(error)
        return made

    def _sampler(self) -> NegativeSampler:
        """Return the sampler of the current epoch. All threads get the same one, which has one counter."""
        epoch = int(self._cell)
        then, sampler = self._drawn
        if then != epoch:
            with self._lock:
                then, sampler = self._drawn
                if then != epoch:
                    sampler = copy.copy(sampler)
                    sampler.set_epoch(epoch)
                    self._drawn = epoch, sampler
        return sampler

    def __copy__(self) -> Self:
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other._drawn = self._drawn[0], copy.copy(self._drawn[1])
        if not self._order:
            other._cell = _shared(self._cell.clone())
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _shared(self._cell)

    def __repr__(self) -> str:
        order = f", epoch_of={self._order}" if self._order else ""
        return f"NegativeCollate({self._drawn[1]!r}, {self._num_negatives}, key={self._key!r}{order})"


add_lock(NegativeCollate, threading.Lock)


def _shared(tensor: torch.Tensor) -> torch.Tensor:
    """Move a tensor into shared memory, if it is not there yet, and return it."""
    tensor.share_memory_()  # type: ignore[no-untyped-call]
    return tensor


def _tensors(rows: int, num_negatives: int) -> dict[str, torch.Tensor]:
    """Return new tensors for a batch, which in a worker share one piece of shared memory.

    A loader hands shared memory on as it is, and each other tensor by a copy and a file of its own.
    """
    one, each = (rows,), (rows, num_negatives)
    kinds = {
        "index": (one, torch.int64),
        "user": (one, torch.int64),
        "item": (one, torch.int64),
        "negatives": (each, torch.int64),
        "log_q": (each, torch.float32),
        "mask": (each, torch.bool),
    }
    if get_worker_info() is None:
        return {name: torch.empty(shape, dtype=dtype, device="cpu") for name, (shape, dtype) in kinds.items()}
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in kinds.values()]
    ends = list(itertools.accumulate(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes))
    memory = _shared(torch.empty(ends[-1], dtype=torch.uint8, device="cpu"))
    return {
        name: memory[begin : begin + size].view(dtype).view(shape)
        for (name, (shape, dtype)), begin, size in zip(kinds.items(), [0, *ends[:-1]], sizes, strict=True)
    }
