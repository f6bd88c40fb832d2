"""SMOTE on the fly: synthetic rows between a class's rows and their neighbours, and the interpolation itself.

synthetic row = base + gap * (neighbour - base)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise._runtime.state import Sampler
from equipoise.neighbors.table import neighbour_table
from equipoise.rng import SMOTE, worker_lane
from equipoise.smote import memmap
from equipoise.tables.alias import AliasTable

__all__ = ["SmoteSampler", "SyntheticRows"]


Int64s = NDArray[np.int64]
_CHUNK = 1 << 20  # numbers written, or read for them, between two looks at Ctrl-C: some milliseconds
_HASHED = 1 << 24  # bytes between two looks
_NO_CELLS: NDArray[np.uint64] = np.empty(0, np.uint64)


@dataclass(frozen=True, eq=False)
class SyntheticRows:
    """What :meth:`SmoteSampler.sample` returns with ``return_parents=True``.

    ``rows[i] = base + gaps[i] * (neighbour - base)`` with ``base = X[parents[i]]`` and ``neighbour =
    X[neighbours[i]]``, bit for bit in X's dtype, but for categorical columns.

    Attributes
    ----------
    rows : float32 or float64 ndarray of shape (n, d)
    parents : int64 ndarray of shape (n,)
        Rows of X.
    neighbours : int64 ndarray of shape (n,)
        Rows of X.
    gaps : ndarray of shape (n,), of X's dtype
        In [0, 1).

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
    neighbours: Int64s
    gaps: NDArray[Any]


class SmoteSampler(Sampler):
    """Draws synthetic rows of a class on the fly (SMOTE).

    A synthetic row lies between a random row of X, its parent, and a random one of the parent's k nearest:

        base + gap * (neighbour - base)

    with the gap uniform on [0, 1), in X's dtype. Row i is a function of (seed, epoch, i) and of what the
    sampler was made from, not of threads, cuts or backend. X is held as it is, beside one int32 table of the
    neighbours (4 k bytes a row) and, for ``parent_weights``, an alias table (16 bytes a row).

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        The rows of one class; finite, n > k_neighbors. Not copied where it is C-contiguous: it must not
        change while the sampler lives. A read-only ``np.memmap`` stays on disk.
    k_neighbors : int, or estimator with ``fit``, ``kneighbors`` and ``n_neighbors``
        How many neighbours a row has, exact ones, found here. Copies of a row count as one point, so that no
        row is its own neighbour; n must exceed k_neighbors without copies, too. Or a neighbours estimator of
        scikit-learn's kind, whose ``n_neighbors`` counts the row itself: it is fitted to X here, and what
        it finds is taken as it comes, less the row itself, else less the last.
    categorical : sequence of int, optional
        Columns that hold codes, whole numbers in [-2^31, 2^31). Two rows with different codes are further
        apart by the median of the continuous columns' standard deviations, squared and added to the squared
        distance for each such column (SMOTE-NC; without continuous columns by 1). A synthetic row has the
        code that most of its parent's neighbours have, the smallest if several.
    parent_weights : array of shape (n,), optional
        Parents are drawn in proportion to these, as :class:`AliasTable` does; see
        :func:`borderline_weights` and :func:`safe_level_weights`. Default: all alike.
    seed : int
        In [0, 2^64). Two classes may have the same seed: their rows keep their draws apart.

    Raises
    ------
    TypeError, ValueError, IndexError
        X that is no such array, or has NaN or infinity (row and column are named), or too few rows; columns
        outside X; weights as for :class:`AliasTable`.

    Notes
    ----- Threads, of the search for neighbours and of `sample`, are as many as ``EQUIPOISE_NUM_THREADS``
    says, else 1. A counter of rows since the epoch began keys the draws: consecutive calls go on in the
    stream, and ``state_dict`` carries it. In a torch DataLoader worker ``get_worker_info().seed`` is part of
    the address as well. A pickle holds the table, and X by value (out of band under protocol 5), or, over a
    read-only ``np.memmap``, X as file, offset, dtype, shape and checksum, so that workers share one copy.

    Unlike imbalanced-learn's SMOTE, two classes of equal size do not get the same draws, and rows that are
    there several times do not get themselves for neighbours, which would make all synthetic rows copies.

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
        k, estimator = _validate.as_neighbour_count(k_neighbors)
        self._categorical = _validate.as_categorical(categorical, rows.shape[1])
        self._seed = _validate.as_count(seed, "seed", most=2**64 - 1)
        _validate.check_enough_rows(len(rows), k, "k_neighbors")
        _validate.check_span(rows)
        self._weights: AliasTable | None = None
        if parent_weights is not None:
            self._weights = AliasTable(_validate.as_parent_weights(parent_weights, len(rows)))
        self._X = rows
        self._file = memmap.locate(X, rows)
        self._table = neighbour_table(rows, k, estimator, self._categorical)
        self._rows_digest = _rows_digest(rows)
        self.set_epoch(0)

    def _derive_keys(self) -> None:
        stream = np.uint64(int.from_bytes(self._rows_digest[:8], "little"))
        self._key = np.uint64(kernels().call_key(np.uint64(self._seed), self._epoch, SMOTE, stream))

    def sample(self, n: int, *, out: NDArray[Any] | None = None, return_parents: bool = False) -> Any:
        """The next n synthetic rows of the stream.

        Parameters
        ----------
        n : int
            >= 0.
        out : ndarray of shape (n, d), optional
            Of X's dtype, C-contiguous, writable, apart from X; filled in place and returned.
        return_parents : bool
            Also tell each row's parent, neighbour and gap.

        Returns
        -------
        ndarray of shape (n, d), of X's dtype
            Or :class:`SyntheticRows`, whose ``rows`` are these.

        Raises
        ------
        TypeError, ValueError
            Arguments of the wrong type, or of the wrong value or shape. The stream is then where it was.

        Examples
        --------
        >>> import numpy as np, equipoise
        >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [5.0, 5.0]])
        >>> drawn = equipoise.SmoteSampler(X, k_neighbors=2).sample(1000, return_parents=True)
        >>> base, neighbour = X[drawn.parents], X[drawn.neighbours]
        >>> gap = drawn.gaps[:, np.newaxis]
        >>> bool((drawn.rows == base + gap * (neighbour - base)).all())
        True
        """
        d, dtype = self._X.shape[1], self._X.dtype
        count = _validate.as_count(n, "n")
        _validate.check_addressable(max(count, 1) * d, "n")
        tell = _validate.as_flag(return_parents, "return_parents")
        threads = _validate.as_threads(None)
        if out is None:
            out = np.empty((count, d), dtype)
        else:
            _validate.check_out(out, "out", dtype.type, (count, d))
            _validate.check_apart(out, self._X, "X")
        told = count if tell else 0
        drawn = SyntheticRows(out, np.empty(told, np.int64), np.empty(told, np.int64), np.empty(told, dtype))
        first = self._take("_rows_drawn", count)
        try:
            self._fill(first, drawn, threads)
        except BaseException:
            self._give_back("_rows_drawn", first, count)
            raise
        return drawn if tell else out

    def _fill(self, first: int, drawn: SyntheticRows, threads: int) -> None:
        draw, lane = kernels().smote_draw, np.uint64(worker_lane())
        cells = self._weights.proposer().cells if self._weights is not None else _NO_CELLS
        count, d = drawn.rows.shape
        k = self._table.shape[1]

        def fill(begin: int, end: int) -> None:
            draw(
                self._key, lane, np.uint64((first + begin) % 2**64), self._X, self._table, cells,
                self._categorical, np.empty(k, self._X.dtype), drawn.rows[begin:end],
                drawn.parents[begin:end], drawn.neighbours[begin:end], drawn.gaps[begin:end],
            )  # fmt: skip

        for_chunks(count, max(1, _CHUNK // (8 + d + self._categorical.size * k * k)), threads, fill)

    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        yield self._rows_digest
        yield self._X.dtype.str[1:].encode() + self._seed.to_bytes(8, "little")
        yield from (np.asarray(self._table.shape), self._categorical, self._table)
        if self._weights is not None:
            yield self._weights.fingerprint()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if self._file is not None:
            del state["_X"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        file = state["_file"]
        if file is not None:
            self._X = memmap.remap(file)
            if _rows_digest(self._X) != state["_rows_digest"]:
                _validate.refuse_changed_file(file.path)
        super().__setstate__(state)

    def __repr__(self) -> str:
        (n, d), k = self._X.shape, self._table.shape[1]
        return f"SmoteSampler({n} rows of {d} {self._X.dtype}, k_neighbors={k}, seed={self._seed})"


def _rows_digest(X: NDArray[Any]) -> bytes:
    """Of the shape and the rows, as the stream contract says: two classes under one seed differ by it."""
    digest = hashlib.blake2b(b"".join(size.to_bytes(8, "little") for size in X.shape), digest_size=16)
    little = X.dtype.newbyteorder("<")
    step = max(1, _HASHED // (X.itemsize * X.shape[1]))
    for_chunks(
        len(X), step, 1, lambda at, end: digest.update(X[at:end].astype(little, copy=False).reshape(-1).data)
    )
    return digest.digest()
