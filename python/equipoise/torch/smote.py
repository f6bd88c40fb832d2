"""Class-balanced batches with synthetic rows, made in the workers of a DataLoader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.versions import STREAM_VERSION
from equipoise.orders import ClassBatches, Classes
from equipoise.orders.classes import UNITS
from equipoise.smote import SmoteSampler, memmap
from equipoise.torch.epochs import SharedEpochs

__all__ = ["SmoteBatches"]

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Int64s = NDArray[np.int64]


class _Made(NamedTuple):
    """A batch in the order of its classes: real rows first, then synthetic ones."""

    X: NDArray[Any]
    classes: Int64s
    parents: Int64s


class SmoteBatches(IterableDataset[Batch]):
    """Class-balanced batches in which growing classes are filled up with synthetic rows (SMOTE).

    The batches have the shares of a :class:`ClassBalancedBatchSampler`. If a class has a larger share of them
    than of the data, then `synthetic_share` of its rows are synthetic: they lie between a row of the class
    and one of its nearest neighbors, as :class:`equipoise.SmoteSampler` draws them. After T rows of such a
    class in an epoch, floor(T * synthetic_share) were synthetic. The rows are made in the worker that asks
    for the batch, and a batch is a function of (seed, epoch, its number) and of the data. So the batches and
    their order are the same for any number of workers, and the ranks of a distributed job share them.

    Give it to a DataLoader with ``batch_size=None``; with a batch size, the loader would stack whole batches.
    It yields tuples of tensors ``(X, y, parents)`` for b = `batch_size` rows:

    - X, of the data's dtype and shape (b, d).
    - y, of shape (b,): the labels if they are numbers or booleans. Strings are numbered, int64, in ascending
      order: ``classes[y]`` are the labels.
    - parents, int64 of shape (b, 2): the numbers in the data of the row that a synthetic row starts from, and
      of the neighbor toward which it lies. A real row has -1, -1.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d), or data frame
        The rows; finite. A C-contiguous array is not copied, so it must not change, except for the rows of
        growing classes. A read-only ``np.memmap`` stays on disk.
    y : array of shape (n,)
        The label of each row: integers, booleans, strings or finite floats.
    batch_size : int
        The rows of a batch, in [1, 2^31). All batches are full.
    class_probs : str, mapping or array of shape (K,)
        The share of each class, as for :class:`ClassBalancedBatchSampler`.
    synthetic_share : float
        In [0, 1]. It is taken as the nearest fraction with a denominator of at most 10^6.
    k_neighbors : int, or estimator
        As for :class:`equipoise.SmoteSampler`. A class that gets synthetic rows needs more rows than this.
    seed : int
        In [0, 2^64), the same on all ranks.
    num_replicas, rank : int
        The number of ranks, and the number of this one. Rank r of R gets the batches r, r + R, .. of
        ceil(n / batch_size). If they cannot be divided evenly, the last ranks get further batches.

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument has the wrong type, shape or value, or if a class that needs synthetic rows has too few
        different rows. The message names the class.

    Notes
    -----
    Each pass is an epoch of its own, unless :meth:`set_epoch` came before it. The epoch is in shared memory,
    so that it reaches persistent workers, and workers that are made anew go on with the next epoch. Two
    loaders that read at the same time need a data set each.

    An iterator has ``state_dict`` and ``load_state_dict``, which torchdata's StatefulDataLoader calls in each
    worker. PyTorch, Lightning and Ray divide no such data set among ranks: pass `num_replicas` and `rank`.
    With Accelerate, which reads it on rank 0 and hands batches out, leave them as they are.

    A pickle, which each spawned worker gets, holds X by value, or the name of its file if X is a read-only
    ``np.memmap``. Forked workers share X.

    References
    ----------
    - N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: synthetic minority over-sampling
      technique", Journal of Artificial Intelligence Research 16, 2002.

    Examples
    --------
    >>> import torch
    >>> from equipoise.torch import SmoteBatches
    >>> X = torch.randn((100, 4), generator=torch.Generator().manual_seed(0))
    >>> y = torch.tensor([0] * 90 + [1] * 10)
    >>> loader = torch.utils.data.DataLoader(SmoteBatches(X, y, 20, seed=1), batch_size=None)
    >>> for rows, labels, parents in loader:
    ...     synthetic = parents[:, 0] >= 0
    >>> rows.shape, int(labels.sum()), int(synthetic.sum())
    (torch.Size([20, 4]), 10, 5)
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        batch_size: int,
        *,
        class_probs: Any = "balanced",
        synthetic_share: float = 0.5,
        k_neighbors: Any = 5,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        self._replicas = _validate.as_count(num_replicas, "num_replicas", least=1, most=2**31 - 1)
        self._rank = _validate.as_count(rank, "rank", most=self._replicas - 1)
        # Integers, so that no rounding gives a batch more synthetic rows than rows.
        share = Fraction(_validate.as_part(synthetic_share, "synthetic_share")).limit_denominator(10**6)
        self._X = _validate.as_rows(X)
        self._file = memmap.locate(X, self._X)
        self._batches = ClassBatches(y, batch_size, class_probs=class_probs, seed=seed)
        _validate.check_as_many(self._batches.classes.num_rows, len(self._X), "y")
        self._synthetic, self._of = np.where(self._growing(), share.numerator, 0), share.denominator
        self._samplers = _samplers(self._X, self._batches.classes, self._synthetic > 0, k_neighbors, seed)
        self._fingerprint = self._digest()
        self._epochs = SharedEpochs()

    @property
    def classes(self) -> NDArray[Any]:
        """The labels of the classes, in ascending order. Labels that are strings are numbered by it."""
        return self._batches.classes.labels

    @property
    def epoch(self) -> int:
        """The epoch of the last pass that has begun or, after `set_epoch`, of the next."""
        return self._epochs.epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass one of this epoch, also in the workers of a DataLoader.

        Call it before ``iter(loader)``. Without this call, each pass is the next epoch's.

        Parameters
        ----------
        epoch : int
            In [0, 2^32).

        Raises
        ------
        TypeError, ValueError
            If `epoch` is not an integer or is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> from equipoise.torch import SmoteBatches
        >>> batches = SmoteBatches(np.eye(20), [0] * 12 + [1] * 8, 4, k_neighbors=2)
        >>> first = next(iter(batches))
        >>> batches.set_epoch(0)
        >>> bool((next(iter(batches))[0] == first[0]).all())
        True
        """
        self._epochs.set(_validate.as_count(epoch, "epoch", most=2**32 - 1))

    def __len__(self) -> int:
        batches = -(-len(self._X) // self._batches.batch_size)
        return (batches + self._replicas - 1) // self._replicas

    def __iter__(self) -> Iterator[Batch]:
        return _BatchIterator(self)

    def __repr__(self) -> str:
        (n, d), size = self._X.shape, self._batches.batch_size
        classes = f"{self.classes.size} classes, {len(self._samplers)} of which get synthetic rows"
        return (
            f"SmoteBatches({len(self)} batches of {size} from {n} rows of {d} {self._X.dtype} in {classes}, "
            f"num_replicas={self._replicas}, rank={self._rank}, seed={self._batches.seed})"
        )

    def batch(self, number: int, epoch: int) -> Batch:
        """Return a batch of this rank by its number in the epoch (internal)."""
        at = self._rank + number * self._replicas
        begins, ends = self._batches.totals(range(at, at + 1), epoch)
        made = self._make(begins, ends, epoch)
        order = self._batches.places(at, epoch)
        X, classes, parents = (part[order] for part in made)
        labels = self.classes
        y = labels[classes] if labels.dtype.kind in "bif" else classes
        return torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(parents)

    def _digest(self) -> str:
        """Return a digest of what decides the batches."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (*self._batches.fingerprint(), self._synthetic, np.array([self._of, *self._X.shape])):
            digest.update(part if isinstance(part, bytes) else part.astype(np.int64).tobytes())
        made_from = [sampler.state_dict()["fingerprint"] for sampler in self._samplers.values()]
        digest.update(repr((made_from, self._batches.seed, self._replicas, self._rank)).encode())
        return digest.hexdigest()

    def _growing(self) -> NDArray[np.bool_]:
        """Return which classes have a larger share of the batches than of the rows.

        It must be larger by more than a millionth, since probabilities may be rounded.
        """
        classes = self._batches.classes
        pairs = zip(self._batches.units(0).tolist(), classes.counts.tolist(), strict=True)
        return np.array(
            [units * classes.num_rows * 10**6 > rows * UNITS * (10**6 + 1) for units, rows in pairs]
        )

    def _make(self, begins: Int64s, ends: Int64s, epoch: int) -> _Made:
        """Make the rows of a batch, given the rows of each class before it and after it."""
        firsts, lasts = (totals * self._synthetic // self._of for totals in (begins, ends))
        synthetic = (lasts - firsts)[0]
        real = (ends - begins)[0] - synthetic
        rows = np.empty(int(real.sum()), np.int64)
        grouped = self._batches.classes.grouped
        kernels().class_rows(self._batches.key(epoch), grouped, begins - firsts, ends - lasts, rows)
        X = np.empty((self._batches.batch_size, self._X.shape[1]), self._X.dtype)
        parents = np.full((len(X), 2), -1, np.int64)
        at = rows.size
        X[:at] = self._X[rows]
        for c in np.flatnonzero(synthetic).tolist():
            drawn = self._samplers[c].rows_at(epoch, int(firsts[0, c]), int(synthetic[c]))
            of_class, part = self._batches.classes.rows_of(c), slice(at, at + len(drawn.rows))
            X[part], parents[part, 0] = drawn.rows, of_class[drawn.parents]
            parents[part, 1], at = of_class[drawn.neighbors], part.stop
        classes = np.arange(real.size)
        return _Made(X, np.concatenate((classes.repeat(real), classes.repeat(synthetic))), parents)

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).copy()
        if self._file is not None:
            del state["_X"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._file is not None:
            self._X = memmap.remap(self._file)


class _BatchIterator(Iterator[Batch]):
    """One pass over the batches of one worker. It begins with the first item."""

    def __init__(self, batches: SmoteBatches) -> None:
        info = get_worker_info()
        self._batches = batches
        self._worker, self._workers = (0, 1) if info is None else (info.id, info.num_workers)
        self._read = 0  # batches of this worker
        self._epoch: int | None = None  # None before the pass begins

    def __next__(self) -> Batch:
        if self._epoch is None:
            self._epoch = self._batches._epochs.begin()
        number = self._worker + self._read * self._workers
        if number >= len(self._batches):
            raise StopIteration
        batch = self._batches.batch(number, self._epoch)
        self._read += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the place in this worker's pass, for a checkpoint. JSON can hold it."""
        begun = self._epoch is not None
        epoch = self._epoch if begun else self._batches._epochs.next()
        return {**self._fixed(), "begun": int(begun), "epoch": epoch, "batches_read": self._read}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was called, in the same one of as many workers.

        If the pass had not begun by then, it is that of the epoch that was next, unless `set_epoch` came
        before this call.
        """
        limits = {"begun": 2, "epoch": 2**32, "batches_read": len(self._batches) + 1}
        values = _validate.as_state(state, self._fixed(), limits, "data and settings")
        epochs, self._read = self._batches._epochs, values["batches_read"]
        self._epoch = None
        if values["begun"] or not epochs.is_decided():
            self._epoch = values["epoch"]
            epochs.resume(values["epoch"])

    def _fixed(self) -> dict[str, str | int]:
        return {
            "sampler": "SmoteBatches",
            "version": STREAM_VERSION,
            "fingerprint": self._batches._fingerprint,
            "worker": self._worker,
            "workers": self._workers,
        }


def _samplers(
    X: NDArray[Any], classes: Classes, growing: NDArray[np.bool_], k_neighbors: Any, seed: int
) -> dict[int, SmoteSampler]:
    """Return a sampler of synthetic rows for each class that gets some."""
    k, _ = _validate.as_neighbor_count(k_neighbors)
    labels, made = classes.labels.tolist(), {}
    for c in np.flatnonzero(growing).tolist():
        _validate.check_growing(labels[c], int(classes.counts[c]), k)
        rows = X[classes.rows_of(c)]
        try:
            made[c] = SmoteSampler(rows, k_neighbors=k_neighbors, seed=seed)
        except ValueError as failure:
            _validate.refuse_class(labels[c], failure)
    return made
