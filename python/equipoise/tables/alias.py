"""Alias tables: ids drawn in proportion to weights, in O(1) time per draw."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.tables import file
from equipoise.tables.base import CHUNK, Table
from equipoise.tables.units import Units, fingerprint_of, powered, whole_units

__all__ = ["AliasTable"]


class AliasTable(Table):
    """A table that draws ids in proportion to weights (Walker 1974; Vose 1991).

    A draw takes O(1) time, whatever the weights. Ids are drawn with replacement.

    Parameters
    ----------
    weights : array of shape (n,)
        float32, float64, int32, int64 or uint32. Other real dtypes of up to 64 bits are converted exactly.
        Weights must be finite and >= 0, have a finite sum and not all be zero. They need not be normalized.
        1 <= n < 2^32.
    power : float
        p_i is proportional to ``(weights_i + smoothing) ** power``. word2vec draws negatives with a power of
        0.75.
    smoothing : float
        A number >= 0 that is added to each weight before the power is taken, so that items without a count
        can be drawn. If ``weights_i + smoothing`` is 0, the probability is 0 for every power.

    Raises
    ------
    TypeError
        If the weights are not real numbers, or ``power`` is not a number.
    ValueError
        If a weight is negative, infinite or NaN, or if the weights are empty, not 1-D or all zero.

    Notes
    -----
    Weights are converted to integers once, n * 2^32 units in total (``equipoise.rng``, "Whole units"). The
    table holds these without rounding, so each id's probability is within 2^-31 / n of its normalized weight,
    and :meth:`prob` returns it exactly. Ids of weight zero are never drawn, and ids of positive weight have
    at least one unit.

    References
    ----------
    - A. J. Walker, "New fast method for generating discrete random numbers with arbitrary frequency
      distributions", Electronics Letters 10, 1974.
    - M. D. Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE
      Transactions on Software Engineering 17, 1991.
    - L. Huebschle-Schneider and P. Sanders, "Parallel weighted random sampling", ACM TOMS 48, 2022 (the sweep
      that builds the table).

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
        self._set(whole_units(powered(w, power, smoothing)))

    def _set(self, units: Units) -> None:
        self._n = units.size
        self._units = units
        self._cells = np.empty(units.size, np.uint64)
        kernels().alias_build(units, self._cells)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a file that :meth:`load` can map.

        The file is written under a temporary name and then renamed.

        Parameters
        ----------
        path : path-like
            An existing file is replaced.

        Raises
        ------
        OSError
            If the file cannot be written. An existing file is then unchanged.

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
        file.write(_validate.as_file_path(path), file.ALIAS, self._n, self.fingerprint(), words)

    @staticmethod
    def load(path: str | os.PathLike[str], mmap: bool = True) -> AliasTable:
        """Read a table that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
        mmap : bool
            If True, map the file: all processes on a machine share one copy, and the table pickles as its
            path and fingerprint. All cells are checked once, so a damaged cell cannot point outside the
            table. If False, read the units into memory and verify their checksum.

        Returns
        -------
        AliasTable

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file was not written by :meth:`save`, has another version, is truncated or, when not
            mapped, is damaged.

        Examples
        --------
        See :meth:`save`.
        """
        path, mmap = _validate.as_file_path(path), _validate.as_flag(mmap, "mmap")
        n, digest, words = file.read(path, file.ALIAS, mmap)
        table = AliasTable.__new__(AliasTable)
        table._n, table._cells, table._units, table._digest = n, words[0], words[1], digest
        if not mmap:
            if fingerprint_of(n, table._units) != digest:
                _validate.refuse_file(path, "an undamaged table", "another checksum")
            kernels().alias_build(table._units, table._cells)
            return table
        for begin in range(0, n, CHUNK):  # an alias >= n would make draws read outside the table
            if int((table._cells[begin : begin + CHUNK] & np.uint64(0xFFFFFFFF)).max()) >= n:
                _validate.refuse_file(path, "an undamaged table", "a cell that no table has")
        table._path = path
        return table

    def __getstate__(self) -> tuple[str, bytes] | Units:
        # The file holds a mapped table. Any other table can be rebuilt from its units.
        return (self._path, self.fingerprint()) if self._path is not None else self._units

    def __setstate__(self, state: tuple[str, bytes] | Units) -> None:
        if isinstance(state, np.ndarray):
            self._set(np.asarray(state, np.uint64))  # an unpickled array has its own dtype object
            return
        path, fingerprint = state
        loaded = AliasTable.load(path)
        if loaded._digest != fingerprint:
            _validate.refuse_file(path, "the table that was pickled", "another one")
        self.__dict__.update(loaded.__dict__)
