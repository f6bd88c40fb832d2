"""Tables to draw from: alias tables over weights, and the two that need no weights.

Every table draws ids 0 .. n - 1 with replacement, in O(1) a draw, and says its exact probabilities.
"""

from __future__ import annotations

import hashlib
import math
import os
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from equipoise import _tablefile, _validate
from equipoise._backend import kernels
from equipoise._parallel import for_chunks
from equipoise._validate import Weights
from equipoise.rng import RNG, TABLE, key_from_rng

__all__ = ["AliasTable", "LogUniformTable", "UniformTable"]

Units = NDArray[np.uint64]

# Draws between two looks at Ctrl-C, some milliseconds; a multiple of the stream's block of 128.
_CHUNK = 1 << 18
_NO_UNITS: Units = np.empty(0, np.uint64)


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


class UniformTable(_Table):
    """All ids 0 .. n - 1 alike. No memory.

    Parameters
    ----------
    n : int
        1 <= n < 2^32.

    Raises
    ------
    TypeError, ValueError
        ``n`` that is no integer, or out of range.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.UniformTable(10).prob([3])
    array([0.1])
    """

    def __init__(self, n: int) -> None:
        self._n = _validate.as_count(n, "n", least=1, most=2**32 - 1)

    def __reduce__(self) -> tuple[type[UniformTable], tuple[int]]:
        return UniformTable, (self._n,)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a file, as :meth:`AliasTable.save` does: a page that holds n.

        Parameters
        ----------
        path : path-like
            Replaced if it exists.

        Raises
        ------
        OSError
            If it cannot be written; an older file is then as it was.

        Examples
        --------
        >>> import equipoise, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "items.uniform")
        ...     equipoise.UniformTable(7).save(path)
        ...     equipoise.UniformTable.load(path)
        UniformTable(n=7)
        """
        _tablefile.write(_validate.as_file_path(path), _tablefile.UNIFORM, self._n, self._fingerprint(), ())

    @staticmethod
    def load(path: str | os.PathLike[str], mmap: bool = True) -> UniformTable:
        """Read a table that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
        mmap : bool
            As for :meth:`AliasTable.load`; there is nothing to map here.

        Returns
        -------
        UniformTable

        Raises
        ------
        OSError
            No such file.
        ValueError
            A file that :meth:`save` did not write, or of another version.

        Examples
        --------
        See :meth:`save`.
        """
        path, mmap = _validate.as_file_path(path), _validate.as_flag(mmap, "mmap")
        return UniformTable(_tablefile.read(path, _tablefile.UNIFORM, mmap)[0])

    def _draw(self, key: np.uint64, start: int, out: NDArray[np.int64]) -> None:
        kernels().uniform_draw(key, np.uint64(self._n), start, out)


class AliasTable(_Table):
    """Draws ids in proportion to weights, in O(1) a draw (Walker 1974; Vose 1991).

    Weights become whole units once, n * 2^32 in all (``equipoise.rng``, "Whole units"): the table holds them
    without any rounding, so that the probability of every id is within 2^-31 / n of its normalised weight,
    for the heaviest and for the lightest, and :meth:`prob` says it exactly. Ids of weight zero are never
    drawn; ids of positive weight have at least one unit.

    Parameters
    ----------
    weights : array of shape (n,)
        float32, float64, int32, int64 or uint32 (other real dtypes of up to 64 bits are converted, exactly);
        finite, >= 0, with a finite sum, not all zero, not normalised; 1 <= n < 2^32.
    power : float
        p_i is proportional to ``(weights_i + smoothing) ** power``; word2vec's negatives take 0.75.
    smoothing : float
        >= 0, added to every weight before the power, so that items without a count can be drawn. Where
        ``weights_i + smoothing`` is 0 the probability is 0 for every power.

    Raises
    ------
    TypeError
        Weights that are no real numbers; a power that is no number.
    ValueError
        Weights that are negative, infinite, NaN, empty, not 1-D or all zero.

    References
    ----------
    - A. J. Walker, "New fast method for generating discrete random numbers with arbitrary frequency
      distributions", Electronics Letters 10, 1974.
    - M. D. Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE
      Transactions on Software Engineering 17, 1991.
    - L. Huebschle-Schneider and P. Sanders, "Parallel weighted random sampling", ACM TOMS 48, 2022 (the sweep
      that builds it).

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> clicks = np.array([900, 90, 9, 0, 1])
    >>> table = equipoise.AliasTable(clicks, power=0.75)
    >>> table.sample(5, rng=1)
    array([1, 1, 0, 1, 0])
    >>> table.prob([0, 3]).round(4)
    array([0.8227, 0.    ])
    """

    _path: str | None = None

    def __init__(self, weights: Any, *, power: float = 1.0, smoothing: float = 0.0) -> None:
        power = _validate.as_real(power, "power")
        smoothing = _validate.as_real(smoothing, "smoothing", least=0.0)
        w = _validate.as_weights(weights, zeros=smoothing > 0)
        self._set(_whole_units(_powered(w, power, smoothing)))

    def _set(self, units: Units) -> None:
        self._n = units.size
        self._units = units
        self._cells = np.empty(units.size, np.uint64)
        kernels().alias_build(units, self._cells)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a file that :meth:`load` can map.

        It is written under a temporary name and renamed.

        Parameters
        ----------
        path : path-like
            Replaced if it exists.

        Raises
        ------
        OSError
            If it cannot be written; an older file is then as it was.

        Examples
        --------
        >>> import equipoise, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "items.alias")
        ...     equipoise.AliasTable([3, 1]).save(path)
        ...     len(equipoise.AliasTable.load(path, mmap=False))
        2
        """
        words = (self._cells, self._units)
        _tablefile.write(_validate.as_file_path(path), _tablefile.ALIAS, self._n, self._fingerprint(), words)

    @staticmethod
    def load(path: str | os.PathLike[str], mmap: bool = True) -> AliasTable:
        """Read a table that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
        mmap : bool
            Map the file: all processes of a machine share one copy, and the table pickles as path and
            fingerprint. Its cells are looked through once, so that a damaged one cannot lead out of the
            table. Otherwise the units are read into memory and their checksum is verified.

        Returns
        -------
        AliasTable

        Raises
        ------
        OSError
            No such file.
        ValueError
            A file that :meth:`save` did not write, of another version, cut short or (not mapped) damaged.

        Examples
        --------
        See :meth:`save`.
        """
        path, mmap = _validate.as_file_path(path), _validate.as_flag(mmap, "mmap")
        n, digest, words = _tablefile.read(path, _tablefile.ALIAS, mmap)
        table = AliasTable.__new__(AliasTable)
        table._n, table._cells, table._units, table._digest = n, words[0], words[1], digest
        if not mmap:
            if _digest(n, table._units) != digest:
                _validate.refuse_file(path, "an undamaged table", "another checksum")
            kernels().alias_build(table._units, table._cells)
            return table
        for begin in range(0, n, _CHUNK):  # an alias beyond the table would be read beyond the table
            if int((table._cells[begin : begin + _CHUNK] & np.uint64(0xFFFFFFFF)).max()) >= n:
                _validate.refuse_file(path, "an undamaged table", "a cell that no table has")
        table._path = path
        return table

    def __getstate__(self) -> tuple[str, bytes] | Units:
        # A mapped table is its file; another is its units, from which the cells follow.
        return (self._path, self._fingerprint()) if self._path is not None else self._units

    def __setstate__(self, state: tuple[str, bytes] | Units) -> None:
        if isinstance(state, np.ndarray):
            self._set(np.asarray(state, np.uint64))  # a dtype object as all other tables have
            return
        path, fingerprint = state
        loaded = AliasTable.load(path)
        if loaded._digest != fingerprint:
            _validate.refuse_file(path, "the table that was pickled", "another one")
        self.__dict__.update(loaded.__dict__)


class LogUniformTable(AliasTable):
    """Log-uniform (Zipf-like) ids: P(k) = (log(k + 2) - log(k + 1)) / log(n + 1).

    The law of TensorFlow's ``log_uniform_candidate_sampler``, for ids sorted by falling frequency, as
    vocabularies are. Held as an alias table, 16 bytes an item.

    Parameters
    ----------
    n : int
        1 <= n < 2^32.

    Raises
    ------
    TypeError, ValueError
        ``n`` that is no integer, or out of range.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.LogUniformTable(3).prob([0, 1, 2]).round(4)
    array([0.5   , 0.2925, 0.2075])
    """

    def __init__(self, n: int) -> None:
        n = _validate.as_count(n, "n", least=1, most=2**32 - 1)
        w = np.arange(1, n + 1, dtype=np.float64)
        np.divide(1.0, w, out=w)
        kernels().log1p(w, w)
        self._set(_whole_units(w))


def _powered(w: Weights, power: float, smoothing: float) -> Weights:
    """(w + smoothing)^power up to a factor, 0 where w + smoothing is 0; the contract's step 1."""
    if power == 1.0 and smoothing == 0.0:
        return w
    with np.errstate(over="ignore"):
        v: NDArray[np.float64] = w.astype(np.float64) + smoothing
    _validate.check_sum(v, "weights + smoothing")
    zero = v == 0.0
    if power == 1.0:
        return v
    if power == 0.0:
        v = np.ones_like(v)
    elif power in (0.25, 0.5, 0.75):  # square roots are correctly rounded everywhere
        root = np.sqrt(v)
        v = root if power == 0.5 else np.sqrt(root) if power == 0.25 else root * np.sqrt(root)
    else:
        v[zero] = 1.0
        kernels().log(v, v)
        with np.errstate(over="ignore"):
            v *= power
        _validate.check_powers(v, w, power)
        v[zero] = -math.inf
        v -= v.max()
        np.maximum(v, -700.0, out=v)
        kernels().exp(v, v)
    v[zero] = 0.0
    return v


def _whole_units(w: Weights) -> Units:
    """floor(w * T / sum w), T = n * 2^32; the contract's steps 1 to 4."""
    n, total = w.size, w.size << 32
    top = w.max()
    exponent = int(top).bit_length() if w.dtype == np.int64 else math.frexp(float(top))[1]
    grid = exponent + (n - 1).bit_length() - 126
    high, low = kernels().unit_sum(w, grid)
    s = int(high) << 64 | int(low)
    _validate.check_steady(s > 0)
    h = s.bit_length() - total.bit_length() + 127
    if -(-(total << h) // s) < 1 << 127:
        h += 1
    r = -(-(total << h) // s)
    units = np.empty(n, np.uint64)
    high, low = kernels().unit_floor(w, np.uint64(r >> 64), np.uint64(r % 2**64), grid + h, units)
    surplus = total - (int(high) << 64 | int(low))
    _validate.check_steady(abs(surplus) <= n)  # rounding leaves less than a unit an id
    kernels().unit_settle(units, surplus)
    return units


def _digest(n: int, units: Units) -> bytes:
    digest = hashlib.blake2b(n.to_bytes(8, "little"), digest_size=32)
    digest.update(units.astype("<u8", copy=False).data)
    return digest.digest()
