"""The interface that all tables share."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise._runtime.mapped import FileStamp
from equipoise.rng import RNG, TABLE, key_from_rng
from equipoise.tables.units import Units, fingerprint_of

__all__ = ["CHUNK", "Proposer", "Table"]

# Draws per chunk, which takes a few milliseconds. A multiple of the stream's block of 128 draws.
CHUNK = 1 << 18
_EMPTY: Units = np.empty(0, np.uint64)


class Proposer(NamedTuple):
    """The arrays of a table, as kernels take them.

    A table without units is uniform: each id has one unit. `total` is the sum of the units, and ``prefix[i]``
    the sum of the units of the ids below i. `prefix` is empty until it is needed.
    """

    n: np.uint64
    total: np.uint64
    cells: Units
    units: Units
    prefix: Units


class Table:
    """The base class of all tables.

    A table without units is uniform: each id has one unit. Tables are immutable. The methods ``proposer``,
    ``units_of``, ``num_positive``, ``fingerprint``, ``digest`` and ``check_file`` are internal: they are for
    other parts of this package and may change at any time.
    """

    _n: int
    _units: Units = _EMPTY  # whole units of each id
    _cells: Units = _EMPTY  # threshold * 2^32 + alias
    _prefix: Units = _EMPTY  # units of the ids below each; made when a row of negatives first needs it
    _proposer: Proposer | None = None
    _positive: int | None = None
    _fingerprint: bytes | None = None
    _digest: int | None = None
    _stamp: FileStamp | None = None  # of the file that is mapped

    def __len__(self) -> int:
        return self._n

    @property
    def nbytes(self) -> int:
        """The number of bytes of memory in use.

        A table with weights uses 16 bytes per item, and 8 more once a row of negatives has needed an exact
        draw.
        """
        return self._units.nbytes + self._cells.nbytes + self._prefix.nbytes

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
            Anything that ``numpy.random.default_rng`` accepts (Scientific Python's SPEC 7). One 64-bit key is
            drawn from it. The same int gives the same ids in each call.
        out : int64 ndarray of shape ``size``, optional
            An array to fill and return. It must be C-contiguous and writable.
        n_threads : int, optional
            Number of threads. By default, the value of the environment variable ``EQUIPOISE_NUM_THREADS``, or
            1 if it is not set. The result does not depend on it.

        Returns
        -------
        int64 ndarray of shape ``size``
            Ids in [0, n).

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, value or shape, or the file of a mapped table has changed.

        Examples
        --------
        >>> import equipoise
        >>> table = equipoise.AliasTable([0.0, 3.0, 1.0])
        >>> table.sample((2, 4), rng=7).shape
        (2, 4)
        """
        self.check_file()
        shape = _validate.as_shape(size)
        threads = _validate.as_threads(n_threads)
        if out is None:
            out = np.empty(shape, np.int64)
        else:
            _validate.check_out(out, "out", np.int64, shape)
        key = np.uint64(kernels().call_key(key_from_rng(rng), 0, TABLE, 0))
        flat = out.reshape(-1)
        for_chunks(flat.size, CHUNK, threads, lambda begin, end: self._draw(key, begin, flat[begin:end]))
        return out

    def _draw(self, key: np.uint64, start: int, out: NDArray[np.int64]) -> None:
        kernels().alias_draw(key, self._cells, start, out)

    def prob(self, ids: Any, *, mask: Any = None) -> NDArray[np.float64]:
        """Return the probability of each id.

        This is the number of whole units of the id, divided by the number of units of the table (see the
        notes of :class:`AliasTable`).

        Parameters
        ----------
        ids : integer array of any shape
            In [0, n).
        mask : bool array of the shape of ``ids``, optional
            Ids where the mask is False are not checked, and their probability is 0. Pass the mask of
            :class:`Negatives` with its ids, some of which can be -1.

        Returns
        -------
        float64 ndarray of the shape of ``ids``
            0 for a weight of zero.

        Raises
        ------
        TypeError
            If the ids are not integers, or the mask is not an array of bools.
        ValueError
            If the mask has another shape than the ids, or the file of a mapped table has changed.
        IndexError
            If an id is outside [0, n).

        Examples
        --------
        >>> import equipoise
        >>> table = equipoise.AliasTable([0.0, 3.0, 1.0])
        >>> table.prob([0, 1, 2])
        array([0.  , 0.75, 0.25])
        >>> table.prob([1, -1], mask=[True, False])
        array([0.75, 0.  ])
        """
        return self._masked_prob(ids, mask, 0.0)

    def log_prob(self, ids: Any, *, mask: Any = None) -> NDArray[np.float64]:
        """Return the natural logarithm of :meth:`prob`, which is ``-inf`` for a weight of zero.

        Parameters
        ----------
        ids : integer array of any shape
            In [0, n).
        mask : bool array of the shape of ``ids``, optional
            Ids where the mask is False are not checked, and their result is 0, like ``log_q`` in
            :class:`Negatives`.

        Returns
        -------
        float64 ndarray of the shape of ``ids``

        Raises
        ------
        TypeError, ValueError, IndexError
            As :meth:`prob`.

        Examples
        --------
        >>> import equipoise
        >>> equipoise.UniformTable(4).log_prob([2]).round(4)
        array([-1.3863])
        """
        p = self._masked_prob(ids, mask, 1.0)
        out = np.empty(p.shape)
        kernels().log(p.reshape(-1), out.reshape(-1))
        return out

    def _masked_prob(self, ids: Any, mask: Any, otherwise: float) -> NDArray[np.float64]:
        """Return the probability of each id, and `otherwise` where the mask is False."""
        self.check_file()
        ids, mask = _validate.as_masked_ids(ids, mask, "ids", self._n)
        p = np.asarray(self.units_of(ids).astype(np.float64) / float(self.proposer().total))
        if mask is not None:
            p[~mask] = otherwise
        return p

    def proposer(self, *, prefix: bool = False) -> Proposer:
        """Return the record of the table that kernels take (internal).

        Parameters
        ----------
        prefix : bool
            Compute the prefix sums of the units if they are missing. A uniform table needs none.

        Returns
        -------
        Proposer

        Examples
        --------
        >>> import equipoise
        >>> int(equipoise.UniformTable(4).proposer().total)
        4
        """
        made, prefix = self._proposer, prefix and self._units.size > 0
        # The prefix sums of the record itself: an interrupt or a thread may have come between the two stores.
        if made is None or (prefix and not made.prefix.size):
            if prefix and not self._prefix.size:
                sums = np.zeros(self._n + 1, np.uint64)
                np.cumsum(self._units, out=sums[1:])
                self._prefix = sums
            total = self._n << 32 if self._units.size else self._n
            made = Proposer(np.uint64(self._n), np.uint64(total), self._cells, self._units, self._prefix)
            self._proposer = made
        return made

    def units_of(self, ids: NDArray[np.int64]) -> Units:
        """Return the whole units of each id (internal).

        Parameters
        ----------
        ids : int64 ndarray of any shape
            In [0, n), which is not checked.

        Returns
        -------
        uint64 ndarray of the shape of ``ids``

        Examples
        --------
        >>> import equipoise
        >>> int(equipoise.AliasTable([1.0, 3.0]).units_of(1)) == 6 * 2**32 // 4
        True
        """
        return self._units[ids] if self._units.size else np.ones(np.shape(ids), np.uint64)

    def num_positive(self) -> int:
        """Return the number of ids of positive weight. Internal.

        Examples
        --------
        >>> import equipoise
        >>> equipoise.AliasTable([0.0, 3.0, 1.0]).num_positive()
        2
        """
        if self._positive is None:
            self._positive = int(np.count_nonzero(self._units)) if self._units.size else self._n
        return self._positive

    def fingerprint(self) -> bytes:
        """Return a hash of the number of ids and their units, which is computed once (internal).

        It tells tables apart in states, files and pickles.

        Examples
        --------
        >>> import equipoise
        >>> equipoise.UniformTable(3).fingerprint() == equipoise.UniformTable(4).fingerprint()
        False
        """
        if self._fingerprint is None:
            self._fingerprint = fingerprint_of(self._n, self._units)
        return self._fingerprint

    def digest(self) -> int:
        """Return the 64-bit digest of the stream contract, which is computed once (internal).

        It is a part of the address of the samplers that use the table.

        Examples
        --------
        >>> import equipoise
        >>> equipoise.UniformTable(3).digest() == equipoise.UniformTable(4).digest()
        False
        """
        if self._digest is None:
            self._digest = int(kernels().unit_digest(np.uint64(self._n), self._units))
        return self._digest

    def check_file(self) -> None:
        """Check that the file of a mapped table has not changed; other tables have none (internal).

        Every public call that reads the table begins with this.

        Examples
        --------
        >>> import equipoise
        >>> equipoise.UniformTable(3).check_file()
        """
        if self._stamp is not None:
            self._stamp.check()

    # Tables are immutable, so a copy would be the same.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self._n})"
