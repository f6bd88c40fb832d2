"""Draw synthetic rows between the rows of a class and their neighbors, on the fly (SMOTE).

synthetic row = base + gap * (neighbor - base)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise._runtime.state import Sampler
from equipoise.neighbors.table import neighbor_table
from equipoise.rng import SMOTE, worker_lane
from equipoise.smote import memmap
from equipoise.smote.interpolation import Pairs
from equipoise.tables.alias import AliasTable

__all__ = ["SmoteSampler", "SyntheticRows"]


Int64s = NDArray[np.int64]
_CHUNK = 1 << 20  # numbers read or written between two checks for Ctrl-C, which takes a few milliseconds
_HASHED = 1 << 24  # bytes hashed between two checks for Ctrl-C
_NO_CELLS: NDArray[np.uint64] = np.empty(0, np.uint64)


class Neighborhood(NamedTuple):
    """The rows that synthetic rows are drawn from, and their neighbors, as the kernel takes them."""

    X: NDArray[Any]  # (n, d)
    table: NDArray[np.int32]  # (n, k) the neighbors of each row
    cells: NDArray[np.uint64]  # (n,) of an alias table over the rows; empty if all are equally likely
    categorical: Int64s  # the columns that hold category codes


@dataclass(frozen=True, eq=False)
class SyntheticRows:
    """The synthetic rows that :meth:`SmoteSampler.sample` returns with ``return_parents=True``.

    ``rows[i] = base + gaps[i] * (neighbor - base)`` with ``base = X[parents[i]]`` and ``neighbor =
    X[neighbors[i]]``, bit for bit in X's dtype, except in categorical columns.

    Attributes
    ----------
    rows : float32 or float64 ndarray of shape (n, d)
        The synthetic rows.
    parents : int64 ndarray of shape (n,)
        The row of X that each row starts from.
    neighbors : int64 ndarray of shape (n,)
        The row of X toward which each row lies.
    gaps : ndarray of shape (n,), of X's dtype
        The fraction of the way to the neighbor, in [0, 1).

    Examples
    --------
    >>> import equipoise
    >>> sampler = equipoise.SmoteSampler([[0.0], [1.0], [3.0]], k_neighbors=1)
    >>> drawn = sampler.sample(4, return_parents=True)
    >>> drawn.rows.shape, drawn.parents.shape
    ((4, 1), (4,))
    """

    rows: NDArray[Any]
    parents: Int64s
    neighbors: Int64s
    gaps: NDArray[Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load a pickled state."""
        # Pickles of early development versions have the British spelling.
        vars(self).update({"neighbors" if key == "neighbours" else key: a for key, a in state.items()})


class SmoteSampler(Sampler):
    """A stream of synthetic rows of one class, drawn on the fly (SMOTE).

    A synthetic row lies between a random row of X, its parent, and one of the parent's k nearest rows,
    chosen at random:

        base + gap * (neighbor - base)

    with the gap uniform on [0, 1), in X's dtype. Row i is a function of (seed, epoch, i) and of what the
    sampler was made from. It does not depend on threads, on how rows are split into calls or on the backend.
    The sampler keeps X as it is, an int32 table of the neighbors (4 k bytes per row) and, for
    ``parent_weights``, an alias table (16 bytes per row).

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d), or data frame
        The rows of one class; finite, n > k_neighbors. A C-contiguous array is not copied, so it must not
        change while the sampler is in use. A read-only ``np.memmap`` stays on disk. A data frame is read as
        the matrix of its columns: float32 if all of them are, else float64.
    k_neighbors : int, or estimator with ``fit``, ``kneighbors`` and ``n_neighbors``
        The number of neighbors of each row. If it is an int, exact neighbors are found, and copies of a row
        count as one point, so that no row is its own neighbor; n must exceed k_neighbors even without the
        copies. An estimator like scikit-learn's, whose ``n_neighbors`` counts the row itself, is fitted to X.
        Its neighbors are taken as they come, without the row itself or, if that is missing, without the last
        one.
    categorical : sequence of int, optional
        Columns that hold codes, which are whole numbers in [-2^31, 2^31). For each such column in which two
        rows differ, the squared median of the continuous columns' standard deviations (1 without continuous
        columns) is added to their squared distance (SMOTE-NC). A synthetic row has the most frequent code of
        its parent's neighbors, or the smallest one if several are equally frequent.
    parent_weights : array of shape (n,), optional
        Parents are drawn in proportion to these weights, as :class:`AliasTable` does; see
        :func:`borderline_weights` and :func:`safe_level_weights`. By default all rows are equally likely.
    seed : int
        In [0, 2^64). Two classes may share a seed: since their rows differ, so do their draws.

    Raises
    ------
    TypeError, ValueError, IndexError
        If X is not such an array, contains NaN or infinity (the message names the row and column) or has too
        few rows, if a categorical column is outside X, or if :class:`AliasTable` refuses the weights.

    Notes
    -----
    The search for neighbors uses as many threads as the environment variable ``EQUIPOISE_NUM_THREADS`` says,
    or one. The draws are keyed by the number of rows drawn since the epoch began, so consecutive calls
    continue the stream; ``state_dict`` holds this counter. In a torch DataLoader worker,
    ``get_worker_info().seed`` is part of the address as well. A pickle holds the table, and X by value (out
    of band under protocol 5). If X is a read-only ``np.memmap``, the pickle holds its file, offset, dtype,
    shape and checksum instead, so that workers share one copy.

    Unlike in imbalanced-learn's SMOTE, two classes of equal size do not get the same draws, and rows that
    occur several times do not get themselves as neighbors, which would make all synthetic rows copies.

    References
    ----------
    - N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: synthetic minority over-sampling
      technique", Journal of Artificial Intelligence Research 16, 2002 (SMOTE-NC in section 6.1).

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> minority = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    >>> sampler = equipoise.SmoteSampler(minority, seed=3)
    >>> batch = sampler.sample(256)
    >>> batch.shape, batch.dtype
    ((256, 4), dtype('float32'))
    """

    _kind = "SmoteSampler"
    _counters = ("rows_drawn",)
    _derived = ("_key",)
    _made_from = "X, k_neighbors, categorical, parent_weights and seed"
    if TYPE_CHECKING:  # made by `_derive_keys`
        _key: np.uint64

    def __init__(
        self,
        X: Any,
        *,
        k_neighbors: Any = 5,
        categorical: Any = None,
        parent_weights: Any = None,
        seed: int = 0,
    ) -> None:
        rows = _validate.as_rows(X)
        k, estimator = _validate.as_neighbor_count(k_neighbors)
        self._categorical = _validate.as_categorical(categorical, rows.shape[1])
        self._seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        _validate.check_enough_rows(len(rows), k, "k_neighbors")
        _validate.check_span(rows)
        self._weights: AliasTable | None = None
        if parent_weights is not None:
            self._weights = AliasTable(_validate.as_parent_weights(parent_weights, len(rows)))
        self._X = rows
        self._file = memmap.locate(X, rows)
        self._stamp = memmap.stamp_of(self._file)
        self._table = neighbor_table(rows, k, estimator, self._categorical)
        # The kernels read the rows that the table names without looking.
        _validate.check_range(self._table, "neighbors", 0, len(rows))
        self._rows_digest = _rows_digest(rows)
        self.set_epoch(0)

    def _derive_keys(self, epoch: int) -> dict[str, Any]:
        stream = np.uint64(int.from_bytes(self._rows_digest[:8], "little"))
        return {"_key": np.uint64(kernels().call_key(np.uint64(self._seed), epoch, SMOTE, stream))}

    def sample(
        self,
        n: int,
        *,
        out: NDArray[Any] | None = None,
        return_parents: bool = False,
        n_threads: int | None = None,
    ) -> Any:
        """Draw the next n synthetic rows of the stream.

        Parameters
        ----------
        n : int
            The number of rows, >= 0.
        out : ndarray of shape (n, d), optional
            An array to fill and return, of X's dtype. It must be C-contiguous and writable, and must not
            share memory with X.
        return_parents : bool
            Whether to return the parent, the neighbor and the gap of each row as well.
        n_threads : int, optional
            Number of threads. By default, the value of the environment variable ``EQUIPOISE_NUM_THREADS``, or
            1 if it is not set. The result does not depend on it.

        Returns
        -------
        ndarray of shape (n, d), of X's dtype
            The rows or, with ``return_parents``, a :class:`SyntheticRows` that contains them.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, value or shape, or the file of a memory-mapped X has changed.
            The counter is then unchanged.

        Examples
        --------
        >>> import numpy as np, equipoise
        >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [5.0, 5.0]])
        >>> drawn = equipoise.SmoteSampler(X, k_neighbors=2).sample(1000, return_parents=True)
        >>> base, neighbor = X[drawn.parents], X[drawn.neighbors]
        >>> gap = drawn.gaps[:, np.newaxis]
        >>> bool((drawn.rows == base + gap * (neighbor - base)).all())
        True
        """
        if self._stamp is not None:
            self._stamp.check()
        d, dtype = self._X.shape[1], self._X.dtype
        count = _validate.as_count(n, "n")
        _validate.check_addressable(max(count, 1) * d, "n")
        with_parents = _validate.as_flag(return_parents, "return_parents")
        threads = _validate.as_threads(n_threads)
        if out is None:
            out = np.empty((count, d), dtype)
        else:
            _validate.check_out(out, "out", dtype.type, (count, d))
            _validate.check_apart(out, self._X, "X")
        size = count if with_parents else 0
        pairs = Pairs(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, dtype))
        taken: list[int] = []
        try:
            first = self._take("_rows_drawn", count, taken)
            self._fill(self._key, worker_lane(), first, out, pairs, with_parents, threads)
            return SyntheticRows(out, *pairs) if with_parents else out
        except BaseException:
            self._give_back("_rows_drawn", taken, count)
            raise

    def rows_at(self, epoch: int, first: int, count: int) -> SyntheticRows:
        """Return `count` rows of an epoch, from row `first` on, without moving the stream (internal).

        They do not depend on the worker of a DataLoader that draws them.

        Parameters
        ----------
        epoch, first, count : int
            They are not checked.

        Examples
        --------
        >>> import equipoise
        >>> sampler = equipoise.SmoteSampler([[0.0], [1.0], [3.0]], k_neighbors=1)
        >>> later = sampler.rows_at(0, 2, 3).rows
        >>> bool((sampler.sample(5)[2:] == later).all())
        True
        """
        if self._stamp is not None:
            self._stamp.check()
        out = np.empty((count, self._X.shape[1]), self._X.dtype)
        pairs = Pairs(np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, self._X.dtype))
        self._fill(self._derive_keys(epoch)["_key"], 0, first, out, pairs, True, 1)
        return SyntheticRows(out, *pairs)

    def _fill(
        self,
        key: np.uint64,
        lane: int,
        first: int,
        out: NDArray[Any],
        pairs: Pairs,
        with_parents: bool,
        threads: int,
    ) -> None:
        """Fill `out` with rows of the stream, from row `first` on."""
        draw, at = kernels().smote_draw, np.uint64(lane)
        cells = self._weights.proposer().cells if self._weights is not None else _NO_CELLS
        source = Neighborhood(self._X, self._table, cells, self._categorical)
        (count, d), k = out.shape, self._table.shape[1]

        def fill(begin: int, end: int) -> None:
            start, votes = np.uint64((first + begin) % 2**64), np.empty(k, self._X.dtype)
            part = pairs.part(begin, end)
            draw(key, at, start, source, votes, with_parents, out[begin:end], part)

        for_chunks(count, max(1, _CHUNK // (8 + d + self._categorical.size * k * k)), threads, fill)

    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        yield self._rows_digest
        yield self._X.dtype.str[1:].encode() + self._seed.to_bytes(8, "little")
        yield from (np.asarray(self._table.shape), self._categorical, self._table)
        if self._weights is not None:
            yield self._weights.fingerprint()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_stamp"]
        if self._file is not None:
            del state["_X"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._stamp = memmap.stamp_of(self._file)
        if self._file is not None:
            self._X = memmap.remap(self._file)
            if _rows_digest(self._X) != self._rows_digest:
                _validate.refuse_changed_file(self._file.path)
        _validate.check_range(self._table, "neighbors", 0, len(self._X))

    def __repr__(self) -> str:
        (n, d), k = self._X.shape, self._table.shape[1]
        return f"SmoteSampler({n} rows of {d} {self._X.dtype}, k_neighbors={k}, seed={self._seed})"


def _rows_digest(X: NDArray[Any]) -> bytes:
    """Return a digest of the shape and the rows, which gives classes with the same seed different draws."""
    digest = hashlib.blake2b(b"".join(size.to_bytes(8, "little") for size in X.shape), digest_size=16)
    little = X.dtype.newbyteorder("<")
    step = max(1, _HASHED // (X.itemsize * X.shape[1]))
    for_chunks(
        len(X), step, 1, lambda at, end: digest.update(X[at:end].astype(little, copy=False).reshape(-1).data)
    )
    return digest.digest()
