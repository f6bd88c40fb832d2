"""Which rows of a class ``SmoteSampler`` starts from: those at the border, or those that are safe."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.neighbors.search import nearest_neighbors
from equipoise.neighbors.table import estimated, without_self

__all__ = ["borderline_weights", "safe_level_weights"]


def borderline_weights(X: Any, y: Any, cls: Any, *, m_neighbors: Any = 10) -> NDArray[np.float64]:
    """1 for the rows of a class that are in danger, else 0 (Borderline-SMOTE).

    Of the m rows of X nearest to a row, the row itself not counted, let q be of other classes. The row is in
    danger if m / 2 <= q < m: with fewer it is safe, with q = m it is noise. The search for neighbours has as
    many threads as ``EQUIPOISE_NUM_THREADS`` says, else 1.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        Rows of all classes; finite, n > m_neighbors.
    y : array of shape (n,)
        Their labels.
    cls : label
        The class.
    m_neighbors : int, or estimator with ``fit``, ``kneighbors`` and ``n_neighbors``
        m >= 1. Or what finds them, as for :class:`SmoteSampler`: its ``n_neighbors`` counts the row itself.

    Returns
    -------
    float64 ndarray of shape (rows of the class,)
        In the order of ``X[y == cls]``: the ``parent_weights`` of ``SmoteSampler(X[y == cls])``.

    Raises
    ------
    TypeError, ValueError
        As :class:`SmoteSampler` for X; labels that do not fit it; a class that is not in ``y``, or that has
        no row in danger, so that there would be no parent.

    References
    ----------
    - H. Han, W.-Y. Wang and B.-H. Mao, "Borderline-SMOTE: a new over-sampling method in imbalanced data sets
      learning", ICIC 2005.

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> X = np.array([[0.0], [1.0], [2.0], [3.6], [5.0], [6.0], [7.0]])
    >>> y = np.array([1, 1, 1, 1, 0, 0, 0])
    >>> equipoise.borderline_weights(X, y, 1, m_neighbors=3)
    array([0., 0., 0., 1.])
    """
    others, m = _others(X, y, cls, m_neighbors, "m_neighbors")
    danger = (2 * others >= m) & (others < m)
    if not danger.any():
        _validate.refuse_no_danger(cls, int((2 * others < m).sum()), int((others == m).sum()), m)
    return danger.astype(np.float64)


def safe_level_weights(X: Any, y: Any, cls: Any, *, k_neighbors: Any = 5) -> NDArray[np.float64]:
    """The safe level of each row of a class: how many of its k nearest rows are of the class, too.

    The level is that of Safe-Level-SMOTE, which skips rows of level 0 and pulls synthetic rows to the safer
    end; as weights, levels make parents of safe rows in proportion. The search for neighbours has as many
    threads as ``EQUIPOISE_NUM_THREADS`` says, else 1.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        Rows of all classes; finite, n > k_neighbors.
    y : array of shape (n,)
        Their labels.
    cls : label
        The class.
    k_neighbors : int, or estimator with ``fit``, ``kneighbors`` and ``n_neighbors``
        k >= 1; the row itself is not counted. Or what finds them, as for :class:`SmoteSampler`: its
        ``n_neighbors`` does count it.

    Returns
    -------
    float64 ndarray of shape (rows of the class,)
        Whole numbers 0 .. k in the order of ``X[y == cls]``: the ``parent_weights`` of ``SmoteSampler(X[y ==
        cls])``.

    Raises
    ------
    TypeError, ValueError
        As :class:`SmoteSampler` for X; labels that do not fit it; a class that is not in ``y``, or all of
        whose levels are 0, so that there would be no parent.

    References
    ----------
    - C. Bunkhumpornpat, K. Sinapiromsaran and C. Lursinsap, "Safe-Level-SMOTE: safe-level-synthetic minority
      over-sampling technique for handling the class imbalanced problem", PAKDD 2009.

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> X = np.array([[0.0], [1.0], [2.0], [3.6], [5.0], [6.0], [7.0]])
    >>> y = np.array([1, 1, 1, 1, 0, 0, 0])
    >>> equipoise.safe_level_weights(X, y, 1, k_neighbors=3)
    array([3., 3., 3., 1.])
    """
    others, k = _others(X, y, cls, k_neighbors, "k_neighbors")
    if (others == k).all():
        _validate.refuse_no_safety(cls, others.size, k)
    return (k - others).astype(np.float64)


def _others(X: Any, y: Any, cls: Any, neighbors: Any, name: str) -> tuple[NDArray[np.intp], int]:
    """Of each row of the class: how many of its k nearest are of other classes; and k."""
    k, estimator = _validate.as_neighbour_count(neighbors, name)
    rows = _validate.as_rows(X)
    mine = _validate.as_class_rows(y, cls, len(rows))
    _validate.check_enough_rows(len(rows), k, name)
    its = np.flatnonzero(mine)
    if estimator is not None:
        found = estimated(estimator, rows, its, k, name)
    else:
        # One more, since a row that is asked about finds itself, unless copies of it crowd it out.
        found = without_self(nearest_neighbors(rows, k + 1, queries=rows[its]).indices, its)
    others: NDArray[np.intp] = np.count_nonzero(~mine[found], axis=1)
    return others, k
