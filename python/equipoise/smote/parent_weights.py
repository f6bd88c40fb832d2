"""Weigh the rows of a class as parents for ``SmoteSampler``: rows at the border, or safe rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.neighbors.search import nearest_neighbors
from equipoise.neighbors.table import estimated, without_self

__all__ = ["borderline_weights", "safe_level_weights"]


def borderline_weights(X: Any, y: Any, cls: Any, *, m_neighbors: Any = 10) -> NDArray[np.float64]:
    """Return 1 for each row of a class that is in danger, else 0 (Borderline-SMOTE).

    Let q be the number of rows of other classes among the m rows of X that are nearest to a row, not counting
    the row itself. The row is in danger if m / 2 <= q < m; with a smaller q it is safe, and with q = m it is
    noise. The search for neighbors uses as many threads as the environment variable ``EQUIPOISE_NUM_THREADS``
    says, or one.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        The rows of all classes; finite, n > m_neighbors.
    y : array of integers, booleans, strings or floats of shape (n,)
        The labels of the rows. Lists, Arrow columns, and pandas and polars Series, categorical or not, are
        read, too. No label may be missing.
    cls : int, bool, str or float
        The label of the class.
    m_neighbors : int, or estimator with ``fit``, ``kneighbors`` and ``n_neighbors``
        m >= 1, or an estimator that finds the neighbors, as for :class:`SmoteSampler`. The estimator's
        ``n_neighbors`` counts the row itself.

    Returns
    -------
    float64 ndarray of shape (rows of the class,)
        The weights in the order of ``X[y == cls]``, to be passed as ``parent_weights`` to
        ``SmoteSampler(X[y == cls])``.

    Raises
    ------
    TypeError, ValueError
        If :class:`SmoteSampler` would refuse X, a label is missing, the labels do not fit X, or the class is
        not in ``y`` or has no row in danger, so that there would be no parent.

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
    """Return the safe level of each row of a class: how many of its k nearest rows are of the class, too.

    This is the level of Safe-Level-SMOTE, which skips rows of level 0 and pulls synthetic rows toward the
    safer end. With the levels as weights, rows become parents in proportion to their level. The search for
    neighbors uses as many threads as the environment variable ``EQUIPOISE_NUM_THREADS`` says, or one.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        The rows of all classes; finite, n > k_neighbors.
    y : array of integers, booleans, strings or floats of shape (n,)
        The labels of the rows. Lists, Arrow columns, and pandas and polars Series, categorical or not, are
        read, too. No label may be missing.
    cls : int, bool, str or float
        The label of the class.
    k_neighbors : int, or estimator with ``fit``, ``kneighbors`` and ``n_neighbors``
        k >= 1, not counting the row itself, or an estimator that finds the neighbors, as for
        :class:`SmoteSampler`. The estimator's ``n_neighbors`` counts the row itself.

    Returns
    -------
    float64 ndarray of shape (rows of the class,)
        Whole numbers from 0 to k in the order of ``X[y == cls]``, to be passed as ``parent_weights`` to
        ``SmoteSampler(X[y == cls])``.

    Raises
    ------
    TypeError, ValueError
        If :class:`SmoteSampler` would refuse X, a label is missing, the labels do not fit X, the class is not
        in ``y``, or all its levels are 0, so that there would be no parent.

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
    """Count the rows of other classes among the k nearest of each row of the class.

    Return the counts and k.
    """
    k, estimator = _validate.as_neighbor_count(neighbors, name)
    rows = _validate.as_rows(X)
    mine = _validate.as_class_rows(y, cls, len(rows))
    _validate.check_enough_rows(len(rows), k, name)
    own = np.flatnonzero(mine)
    if estimator is not None:
        found = estimated(estimator, rows, own, k, name)
    else:
        # Search for one more, since each query finds its own row, unless copies crowd it out.
        found = without_self(nearest_neighbors(rows, k + 1, queries=rows[own]).indices, own)
    others: NDArray[np.intp] = np.count_nonzero(~mine[found], axis=1)
    return others, k
