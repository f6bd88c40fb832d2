"""Tables to draw from: alias tables over weights, and the two that need no weights.

Every table draws ids 0 .. n - 1 with replacement, in O(1) a draw, and says its exact probabilities.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.tables import file
from equipoise.tables.base import _CHUNK, _Table
from equipoise.tables.units import Units, _digest, _powered, _whole_units

__all__ = ["AliasTable"]


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
        file.write(_validate.as_file_path(path), file.ALIAS, self._n, self._fingerprint(), words)

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
        n, digest, words = file.read(path, file.ALIAS, mmap)
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
