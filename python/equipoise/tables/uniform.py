"""Tables that need no weights: uniform and log-uniform."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.tables import file
from equipoise.tables.alias import AliasTable
from equipoise.tables.base import Table
from equipoise.tables.units import whole_units

__all__ = ["LogUniformTable", "UniformTable"]


class UniformTable(Table):
    """A table that draws the ids 0 .. n - 1 with equal probability. It uses no memory.

    Parameters
    ----------
    n : int
        1 <= n < 2^32.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer, or is out of range.

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
        """Write the table to a file, as :meth:`AliasTable.save` does. It takes one page.

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
        ...     path = os.path.join(folder, "items.uniform")
        ...     equipoise.UniformTable(7).save(path)
        ...     equipoise.UniformTable.load(path)
        UniformTable(n=7)
        """
        path = _validate.as_file_path(path)
        file.write(path, file.UNIFORM, self._n, self.fingerprint(), self.digest(), ())

    @staticmethod
    def load(path: str | os.PathLike[str], mmap: bool = True) -> UniformTable:
        """Read a table that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
        mmap : bool
            Accepted as in :meth:`AliasTable.load`, but there is nothing to map.

        Returns
        -------
        UniformTable

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If :meth:`save` did not write the file, or it has another version.

        Examples
        --------
        See :meth:`save`.
        """
        path, mmap = _validate.as_file_path(path), _validate.as_flag(mmap, "mmap")
        return UniformTable(file.read(path, file.UNIFORM, mmap).n)

    def _draw(self, key: np.uint64, start: int, out: NDArray[np.int64]) -> None:
        kernels().uniform_draw(key, np.uint64(self._n), start, out)


class LogUniformTable(AliasTable):
    """A table of log-uniform (Zipf-like) ids: P(k) = (log(k + 2) - log(k + 1)) / log(n + 1).

    This is the distribution of TensorFlow's ``log_uniform_candidate_sampler``, for ids sorted by decreasing
    frequency, as in vocabularies. It is an alias table and takes 16 bytes per item.

    Parameters
    ----------
    n : int
        1 <= n < 2^32.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer, or is out of range.

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
        _validate.check_steady(self._set(whole_units(w)))
