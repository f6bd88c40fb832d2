"""Rows by weight, for the ``sampler=`` of a DataLoader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch.distributed
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler
from torch.utils.data.distributed import DistributedSampler

from equipoise import _validate
from equipoise.orders import RaceOrder, WeightedOrder
from equipoise.torch.passes import Passes

__all__ = ["DistributedWeightedSampler", "WeightedSampler"]


_POSITIONS = 1 << 16  # the most positions of all ranks that are drawn at a time


class _WeightedPasses(Passes):
    """Passes over rows that are drawn by weight."""

    _kind = "WeightedSampler"  # the ranks of either class resume from the state of the other
    _made_from = "weights, num_samples, replacement and seed"

    def _set_up(self, weights: Any, num_samples: int | None, replacement: bool, seed: int) -> None:
        if isinstance(weights, Dataset):  # reading it as an array would load all of it
            _validate.refuse_data(weights)
        self._seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        self._replacement = _validate.as_flag(replacement, "replacement")
        kind = WeightedOrder if self._replacement else RaceOrder
        self._order: WeightedOrder | RaceOrder = kind(weights, self._seed)
        rows = self._order.num_rows
        if num_samples is None:
            self._total = rows
        else:
            self._total = _validate.as_count(num_samples, "num_samples", least=1, most=2**62)
            if not self._replacement:
                _validate.check_num_samples(self._total, rows)
        self._most_read = max(1, _POSITIONS // self._replicas)
        self._go_to({"epoch": 0, "position": 0})

    @property
    def replacement(self) -> bool:
        """Whether a row may be drawn more than once in an epoch."""
        return self._replacement

    def order(self, start: int, stop: int, epoch: int | None = None) -> NDArray[np.int64]:
        """Return a part of an epoch's order.

        Parameters
        ----------
        start, stop : int
            The part begins at the position `start` and ends before `stop`. 0 <= start <= stop <= the number
            of draws in an epoch.
        epoch : int, optional
            In [0, 2^32). By default, the sampler's epoch.

        Returns
        -------
        int64 ndarray of shape (stop - start,)
            What the sampler yields at these positions, whatever has been read so far.

        Raises
        ------
        TypeError, ValueError
            If an argument is not an integer, or is out of range.

        Examples
        --------
        >>> from equipoise.torch import WeightedSampler
        >>> sampler = WeightedSampler([1.0, 0.0, 3.0], 6, seed=2)
        >>> sampler.order(2, 5).tolist() == list(sampler)[2:5]
        True
        """
        start = _validate.as_count(start, "start", most=self._total)
        stop = _validate.as_count(stop, "stop", least=start, most=self._total)
        _validate.check_addressable(stop - start, "stop")
        number = self._epoch if epoch is None else _validate.as_count(epoch, "epoch", most=2**32 - 1)
        return self._order.rows(number, start, stop)

    def _read(self, epoch: int, start: int, step: int, count: int) -> list[int]:
        rows: list[int] = self._order.rows(epoch, start, start + (count - 1) * step + 1)[::step].tolist()
        return rows

    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        yield (
            bytes([self._replacement]) + self._seed.to_bytes(8, "little") + self._total.to_bytes(8, "little")
        )
        yield from self._order.fingerprint()


class WeightedSampler(_WeightedPasses, Sampler[int]):
    """Row numbers by weight: a replacement for ``torch.utils.data.WeightedRandomSampler``.

    Each pass over the sampler is an epoch with an order of its own, whether or not anybody calls
    :meth:`set_epoch`. Position p of the order is a function of (seed, epoch, p), so an epoch can be resumed
    anywhere, and fewer draws are the first of more.

    All ranks of a distributed job get the same order. Accelerate and transformers' Trainer divide it among
    the ranks; with plain PyTorch or Lightning, use :class:`DistributedWeightedSampler`.

    Parameters
    ----------
    weights : array of shape (n,)
        Finite weights >= 0 with a finite sum, not all zero, 1 <= n < 2^32. They need not be normalized. A
        row of weight 0 is never drawn.
    num_samples : int, optional
        The number of draws in an epoch, at most 2^62. By default n with replacement; and without it all rows
        of positive weight, which is then also the most that can be drawn.
    replacement : bool
        If True, each draw is independent of the others, and takes O(1) time from an alias table of 16 bytes a
        row. If False, each draw is from the rows that are left. The order is then that of the ranks E / w
        with an exponential E for each row, and is found in bands of one to two million rows, with one pass
        over the weights (8 bytes a row) for each.
    seed : int
        In [0, 2^64). Samplers with the same seed and other weights are independent.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, dtype, value or shape, or if more rows are to be drawn without
        replacement than have positive weight.

    Notes
    -----
    It yields Python integers. A pass that was left in the middle is over, and ``iter(sampler)``
    alone changes nothing: a pass begins when its first row is taken. Unlike PyTorch's sampler, it has no
    `generator`, and it takes more than 2^24 weights.

    References
    ----------
    - A. J. Walker, "New fast method for generating discrete random numbers with arbitrary frequency
      distributions", Electronics Letters 10, 1974.
    - P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling with a reservoir", Information Processing
      Letters 97, 2006.

    Examples
    --------
    >>> import torch
    >>> from equipoise.torch import WeightedSampler
    >>> labels = torch.tensor([0] * 90 + [1] * 10)
    >>> weights = 1.0 / torch.bincount(labels)[labels]
    >>> sampler = WeightedSampler(weights, seed=1)
    >>> loader = torch.utils.data.DataLoader(labels, batch_size=50, sampler=sampler)
    >>> [len(batch) for batch in loader]
    [50, 50]
    """

    def __init__(
        self, weights: Any, num_samples: int | None = None, replacement: bool = True, *, seed: int = 0
    ) -> None:
        self._set_up(weights, num_samples, replacement, seed)

    @property
    def num_samples(self) -> int:
        """The number of draws in an epoch."""
        return self._total

    def __len__(self) -> int:
        return self._total

    def __repr__(self) -> str:
        return (
            f"WeightedSampler({self._total} of {self._order.num_rows} rows, "
            f"replacement={self._replacement}, seed={self._seed})"
        )


class DistributedWeightedSampler(_WeightedPasses, DistributedSampler[int]):  # type: ignore[override]
    """Row numbers by weight, divided among the ranks of a distributed job.

    The ranks share the order of a :class:`WeightedSampler` with the same arguments. Of a pass that starts at
    the position s (0, or that of a loaded state), rank r of R gets the positions s + r, s + r + R, .. It is a
    ``torch.utils.data.DistributedSampler``, the only class that Lightning and Ray Train leave in place.
    Accelerate and transformers' Trainer would divide it again: give them a :class:`WeightedSampler`.

    Parameters
    ----------
    weights : array of shape (n,)
        As for :class:`WeightedSampler`.
    num_samples : int, optional
        The number of draws of all ranks together in an epoch, by default as for :class:`WeightedSampler`. The
        *attribute* ``num_samples`` is, as in PyTorch, the number of draws of one rank.
    replacement : bool
        As for :class:`WeightedSampler`.
    num_replicas, rank : int, optional
        The number of ranks, and the number of this one. By default, those of the process group.
    seed : int
        In [0, 2^64), the same on all ranks.
    drop_last : bool
        All ranks get equally many rows. If the draws cannot be divided evenly, the last ranks go on in the
        order: with rows that no other rank has in this epoch, or from the order's beginning if there are no
        more rows. With `drop_last`, the last draws are left out instead.

    Raises
    ------
    TypeError, ValueError
        As for :class:`WeightedSampler`, or if `rank` is not below `num_replicas`.
    RuntimeError
        If `num_replicas` or `rank` is missing, and there is no process group.

    Examples
    --------
    >>> from equipoise.torch import DistributedWeightedSampler, WeightedSampler
    >>> order = list(WeightedSampler([1.0, 2.0, 3.0], 8))
    >>> ranks = [DistributedWeightedSampler([1.0, 2.0, 3.0], 8, num_replicas=2, rank=r) for r in (0, 1)]
    >>> [list(rank) for rank in ranks] == [order[0::2], order[1::2]]
    True
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int | None = None,
        replacement: bool = True,
        *,
        num_replicas: int | None = None,
        rank: int | None = None,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        # DistributedSampler.__init__ would want a data set.
        if num_replicas is None or rank is None:
            if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
                _validate.refuse_no_group("num_replicas" if num_replicas is None else "rank")
            num_replicas = torch.distributed.get_world_size() if num_replicas is None else num_replicas
            rank = torch.distributed.get_rank() if rank is None else rank
        self._replicas = _validate.as_count(num_replicas, "num_replicas", least=1, most=2**31 - 1)
        self._rank = _validate.as_count(rank, "rank", most=self._replicas - 1)
        self._drop_uneven = _validate.as_flag(drop_last, "drop_last")
        self._set_up(weights, num_samples, replacement, seed)

    @property
    def num_replicas(self) -> int:  # type: ignore[override]
        """The number of ranks."""
        return self._replicas

    @property
    def rank(self) -> int:  # type: ignore[override]
        """The number of this rank."""
        return self._rank

    @property
    def seed(self) -> int:  # type: ignore[override]
        """The seed, the same on all ranks."""
        return self._seed

    @property
    def drop_last(self) -> bool:  # type: ignore[override]
        """Whether draws that cannot be divided evenly are left out."""
        return self._drop_uneven

    @property
    def num_samples(self) -> int:  # type: ignore[override]
        """The number of draws of one rank in an epoch."""
        return self._share(0)

    @property
    def total_size(self) -> int:  # type: ignore[override]
        """The number of draws of all ranks together, as far as they can be divided evenly."""
        return self._share(0) * self._replicas

    def __len__(self) -> int:
        return self._share(0)

    def __repr__(self) -> str:
        return (
            f"DistributedWeightedSampler({self._total} of {self._order.num_rows} rows, "
            f"replacement={self._replacement}, num_replicas={self._replicas}, rank={self._rank}, "
            f"seed={self._seed}, drop_last={self._drop_uneven})"
        )
