"""The sample that a reservoir returns, and the rows from which later samples come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CandidateRows", "ReservoirSample"]


@dataclass(frozen=True, eq=False)
class ReservoirSample:
    """A sample of rows, in order of class and then of rank.

    Attributes
    ----------
    ids : int64 ndarray of shape (m,)
        Ids of the rows, or their positions in the stream if no ids were given.
    weights : float64 ndarray of shape (m,)
        Weights of the rows. With a half-life, decayed to the time of the newest row of positive weight.
    inclusion : float64 ndarray of shape (m,)
        Without replacement, the probability of being in the sample given the ranks of the other rows, so that
        1 / inclusion is an unbiased weight. With replacement, the expected number of times the row is drawn.
    classes : int64, bool or str ndarray of shape (m,), or None
        Labels of the rows, if the sample comes from a :class:`ClassReservoir`. Strings that end in a null
        character, which NumPy's strings would drop, make it an array of objects.
    streams : uint64 ndarray of shape (m,), or None
        The streams in which ``ids`` are positions, if no ids were given.

    Notes
    -----
    ``vars(sample)`` is a dict of the arrays, without those that are None.

    Examples
    --------
    >>> import equipoise
    >>> reservoir = equipoise.Reservoir(2)
    >>> reservoir.update([5.0, 1.0], ids=[70, 80])
    >>> sorted(reservoir.sample().ids.tolist())
    [70, 80]
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.float64]
    inclusion: NDArray[np.float64]
    classes: NDArray[Any] | None = None
    streams: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        """Keep fields that are None out of ``vars(self)``, since loaders cannot collate them."""
        for name in [name for name, value in vars(self).items() if value is None]:
            del vars(self)[name]  # the class has the default


@dataclass(frozen=True, eq=False)
class CandidateRows:
    """The rows seen so far that can be in a later sample, each of them once, in order of stream and id.

    Attributes
    ----------
    ids : int64 ndarray of shape (m,)
        Ids of the rows, or their positions in the stream if no ids were given.
    streams : uint64 ndarray of shape (m,), or None
        The streams in which ``ids`` are positions, if no ids were given.

    Examples
    --------
    >>> import equipoise
    >>> reservoir = equipoise.Reservoir(2)
    >>> reservoir.update([5.0, 0.0, 1.0])
    >>> reservoir.candidates()
    CandidateRows(ids=array([0, 2]), streams=array([0, 0], dtype=uint64))
    """

    ids: NDArray[np.int64]
    streams: NDArray[np.uint64] | None = None
