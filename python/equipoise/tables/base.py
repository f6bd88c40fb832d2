"""The interface that all tables share."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.rng import RNG, TABLE, key_from_rng
from equipoise.tables.units import Units, _digest

# Draws between two looks at Ctrl-C, some milliseconds; a multiple of the stream's block of 128.
_CHUNK = 1 << 18
_NO_UNITS: Units = np.empty(0, np.uint64)


class Proposer(NamedTuple):
    """A table as kernels take it.

    Without units the table is uniform: one unit an id. `total` is the sum of the units, and ``prefix[i]`` the
    sum of those of the ids below i; it is empty until :meth:`_Table.proposer` is asked for it.
    """

    n: np.uint64
    total: np.uint64
    cells: Units
    units: Units
    prefix: Units


class _Table:
    """What all tables share. Without units a table is uniform: one unit an id."""

    _n: int
    _units: Units = _NO_UNITS  # whole units of each id; they add up to _total
    _cells: Units = _NO_UNITS  # threshold * 2^32 + alias
    _prefix: Units = _NO_UNITS  # units of the ids below each; made once a row of negatives needs it
    _positive: int | None = None
    _digest: bytes | None = None

    def __len__(self) -> int:
        return self._n

    @property
    def nbytes(self) -> int:
        """Bytes held: 16 an item for weights, and 8 more once a row of negatives has needed an exact draw."""
        return self._units.nbytes + self._cells.nbytes + self._prefix.nbytes

    @property
    def _total(self) -> int:
        return self._n << 32 if self._units.size else self._n

    def sample(
        self,
        size: int | tuple[int, ...],
        *,
        rng: RNG = None,
        out: NDArray[np.int64] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[np.int64]:
        """Draw ids with replacement.

        Parameters
        ----------
        size : int or tuple of int
            Shape of the result.
        rng : None, int, SeedSequence, BitGenerator or Generator
            As ``numpy.random.default_rng`` takes it (Scientific Python's SPEC 7); one 64-bit key is drawn
            from it. The same int gives the same answer each call.
        out : int64 ndarray of shape ``size``, optional
            C-contiguous and writable; filled in place and returned.
        n_threads : int, optional
            Default ``EQUIPOISE_NUM_THREADS``, else 1. The answer does not depend on it.

        Returns
        -------
        int64 ndarray of shape ``size``
            Ids in [0, n).

        Raises
        ------
        TypeError, ValueError
            For arguments of the wrong type, or of the wrong value or shape.

        Examples
        --------
        >>> import equipoise
        >>> table = equipoise.AliasTable([0.0, 3.0, 1.0])
        >>> table.sample((2, 4), rng=7).shape
        (2, 4)
        """
        shape = _validate.as_shape(size)
        threads = _validate.as_threads(n_threads)
        if out is None:
            out = np.empty(shape, np.int64)
        else:
            _validate.check_out(out, "out", np.int64, shape)
        key = np.uint64(kernels().call_key(key_from_rng(rng), 0, TABLE, 0))
        flat = out.reshape(-1)
        for_chunks(flat.size, _CHUNK, threads, lambda begin, end: self._draw(key, begin, flat[begin:end]))
        return out

    def _draw(self, key: np.uint64, start: int, out: NDArray[np.int64]) -> None:
        kernels().alias_draw(key, self._cells, start, out)

    def prob(self, ids: Any) -> NDArray[np.float64]:
        """Probability of each id: its whole units over the table's, exactly what ``sample`` draws with.

        Parameters
        ----------
        ids : integer array of any shape
            In [0, n).

        Returns
        -------
        float64 ndarray of the shape of ``ids``
            Within 2^-31 / n of the normalised weight. 0 for a weight of zero.

        Raises
        ------
        TypeError
            Ids that are no integers.
        IndexError
            An id outside [0, n).

        Examples
        --------
        >>> import equipoise
        >>> equipoise.AliasTable([0.0, 3.0, 1.0]).prob([0, 1, 2])
        array([0.  , 0.75, 0.25])
        """
        ids = _validate.as_ids(ids, "ids", upper=self._n, ndim=None)
        return np.asarray(self._units_of(ids).astype(np.float64) / float(self._total))

    def log_prob(self, ids: Any) -> NDArray[np.float64]:
        """Natural logarithm of :meth:`prob`; ``-inf`` for a weight of zero.

        Parameters
        ----------
        ids : integer array of any shape
            In [0, n).

        Returns
        -------
        float64 ndarray of the shape of ``ids``

        Raises
        ------
        TypeError
            Ids that are no integers.
        IndexError
            An id outside [0, n).

        Examples
        --------
        >>> import equipoise
        >>> equipoise.UniformTable(4).log_prob([2]).round(4)
        array([-1.3863])
        """
        p = self.prob(ids)
        out = np.empty(p.shape)
        kernels().log(p.reshape(-1), out.reshape(-1))
        return out

    def proposer(self, *, prefix: bool = False) -> Proposer:
        """Return the table as kernels take it, with its prefix sums if asked.

        Internal: what other subjects may know of a table.
        """
        if prefix:
            self._prefix_sums()
        return Proposer(np.uint64(self._n), np.uint64(self._total), self._cells, self._units, self._prefix)

    def _units_of(self, ids: NDArray[np.int64]) -> Units:
        return self._units[ids] if self._units.size else np.ones(ids.shape, np.uint64)

    def _prefix_sums(self) -> Units:
        if not self._prefix.size and self._units.size:
            prefix = np.zeros(self._n + 1, np.uint64)
            np.cumsum(self._units, out=prefix[1:])
            self._prefix = prefix
        return self._prefix

    def _num_positive(self) -> int:
        if self._positive is None:
            self._positive = int(np.count_nonzero(self._units)) if self._units.size else self._n
        return self._positive

    def _fingerprint(self) -> bytes:
        if self._digest is None:
            self._digest = _digest(self._n, self._units)
        return self._digest

    # Tables do not change.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self._n})"
