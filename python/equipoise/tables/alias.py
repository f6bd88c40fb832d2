"""Alias tables: ids drawn in proportion to weights, in O(1) time per draw."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.versions import STREAM_VERSION
from equipoise.tables import file
from equipoise.tables.base import Table
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
    table holds these without rounding, and :meth:`prob` returns an id's share of them. Ids of weight zero are
    never drawn, and ids of positive weight have at least one unit.

    The share is within 2^-31 / n (two units) of the normalized weight unless many weights are so small that
    their share is below one unit. Each of those ids has one unit all the same, and the ids with at least 2^32
    units give them up: with the weights ``[1e30] + [1] * 1999``, the heavy id gives up 1,999 units.

    A draw uses one 64-bit word, so its probability can differ from the share by 2^-64 for each cell that
    holds units of the id. This is less than n / 2^32 of a unit, and shows only for ids of few units in tables
    of 1e8 items or more: at n = 1e9, an id of one unit is drawn with 0.93 to 1.17 times its share.

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

    def __init__(self, weights: Any, *, power: float = 1.0, smoothing: float = 0.0) -> None:
        power = _validate.as_real(power, "power")
        smoothing = _validate.as_real(smoothing, "smoothing", least=0.0)
        w = _validate.as_weights(weights, zeros=smoothing > 0)
        _validate.check_steady(self._set(whole_units(powered(w, power, smoothing))))

    def _set(self, units: Units) -> bool:
        """Build the table from units, and return whether they add up to n * 2^32."""
        self._n = units.size
        self._units = units
        self._cells = np.empty(units.size, np.uint64)
        return bool(kernels().alias_build(units, self._cells))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a file that :meth:`load` can map.

        The file is written under a temporary name and then renamed, so a file that is mapped is never written
        to. Replace the file of a mapped table only like this, never in place.

        Parameters
        ----------
        path : path-like
            An existing file is replaced.

        Raises
        ------
        OSError
            If the file cannot be written. An existing file is then unchanged.
        ValueError
            If this table is mapped and its file has changed.

        Examples
        --------
        >>> import equipoise, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "items.alias")
        ...     equipoise.AliasTable([3, 1]).save(path)
        ...     len(equipoise.AliasTable.load(path, mmap=False))
        2
        """
        path = _validate.as_file_path(path)
        self.check_file()
        words = (self._cells, self._units)
        file.write(path, file.ALIAS, self._n, self.fingerprint(), self.digest(), words)

    @staticmethod
    def load(path: str | os.PathLike[str], mmap: bool = True) -> AliasTable:
        """Read a table that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
        mmap : bool
            If True, map the file: all processes on a machine share one copy, and the table pickles as its
            path and fingerprint. One pass over the file checks that its units add up and that no cell points
            outside the table. If False, read the units into memory, verify their fingerprint and build the
            cells anew.

        Returns
        -------
        AliasTable

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file was not written by :meth:`save`, has another version, is truncated or is damaged.

        Notes
        -----
        Each call on a mapped table, or on a sampler that uses one, first compares the size, time and inode of
        the file with those when it was mapped, and raises ValueError if they differ. Load the table again
        then. If another process truncates the file or writes to it during a call, the operating system may
        end the process (SIGBUS), or the draws may be wrong. A deleted file does no harm.

        Examples
        --------
        See :meth:`save`.
        """
        path, mmap = _validate.as_file_path(path), _validate.as_flag(mmap, "mmap")
        stored = file.read(path, file.ALIAS, mmap)
        table = AliasTable.__new__(AliasTable)
        table._n, (table._cells, table._units) = stored.n, stored.words
        table._fingerprint, table._digest = stored.fingerprint, stored.digest
        if mmap:
            table._stamp = stored.stamp
            if not kernels().alias_check(table._units, table._cells):
                _validate.refuse_file(path, "an undamaged table", "units or cells that no table has")
            return table
        table._digest = None  # the file could have another one
        if (
            fingerprint_of(stored.n, table._units) != stored.fingerprint
            or table.digest() != stored.digest
            or not kernels().alias_build(table._units, table._cells)
        ):
            _validate.refuse_file(path, "an undamaged table", "units that differ from its fingerprint")
        return table

    def __getstate__(self) -> dict[str, Any]:
        # The file holds a mapped table. Any other table can be rebuilt from its units.
        if self._stamp is not None:
            return {"version": STREAM_VERSION, "path": self._stamp.path, "fingerprint": self.fingerprint()}
        return {"version": STREAM_VERSION, "units": self._units}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _validate.check_pickled_version(state, "AliasTable", STREAM_VERSION)
        if "units" in state:
            _validate.check_pickled_units(self._set(_validate.as_pickled_units(state["units"])))
            return
        loaded = AliasTable.load(state["path"])
        if loaded._fingerprint != state["fingerprint"]:
            _validate.refuse_file(state["path"], "the table that was pickled", "another one")
        self.__dict__.update(loaded.__dict__)
