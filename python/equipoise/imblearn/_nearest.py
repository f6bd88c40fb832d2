"""Find exact neighbors with a scikit-learn estimator, and query any such estimator for a sampler."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import sklearn.neighbors
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from equipoise import _validate
from equipoise.neighbors.search import nearest_neighbors

__all__ = ["NearestNeighbors"]


class NearestNeighbors(sklearn.neighbors.NearestNeighbors):
    """A scikit-learn `NearestNeighbors` with the exact search of this package in the place of brute force.

    Any sampler of imbalanced-learn accepts it as ``k_neighbors`` or ``n_neighbors``. Unlike scikit-learn's,
    its neighbors are the same on every machine and for any number of threads: equal distances are ordered by
    index. It is a subclass, so that parameters, attributes, methods and messages are those of
    :class:`sklearn.neighbors.NearestNeighbors`, except that `n_neighbors` may be given by position and that
    two defaults differ.

    The kernel searches for `kneighbors` and `kneighbors_graph` if `X` is dense, `algorithm` is "brute" and
    the distance is Euclidean: `metric` is "euclidean", or "minkowski" with ``p=2``, without `metric_params`.
    Everything else is left to scikit-learn.

    Parameters
    ----------
    n_neighbors : int, default 5
        The number of neighbors of each row, unless a call says otherwise.
    radius : float, default 1.0
        The radius of `radius_neighbors`.
    algorithm : {"brute", "auto", "ball_tree", "kd_tree"}, default "brute"
        With any other value than "brute", scikit-learn searches.
    leaf_size : int, default 30
        For scikit-learn's trees.
    metric : str or callable, default "euclidean"
        The distance, by any name that scikit-learn knows.
    p : float, default 2
        The exponent of the metric "minkowski".
    metric_params : dict, default None
        More arguments of the metric.
    n_jobs : int, default None
        The number of threads: -1 means one for each processor, -2 means one fewer, and None means the value
        of the environment variable EQUIPOISE_NUM_THREADS, or one if it is not set. The kernel's result never
        depends on it.

    Attributes
    ----------
    n_features_in_ : int
        The number of columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if all are strings.
    n_samples_fit_ : int
        The number of rows seen by `fit`.
    effective_metric_, effective_metric_params_
        The metric in use, as in scikit-learn.

    See Also
    --------
    equipoise.nearest_neighbors : the same search as a function.

    Examples
    --------
    >>> from equipoise.imblearn import NearestNeighbors
    >>> nn = NearestNeighbors(n_neighbors=1).fit([[0.0], [2.0], [3.0]])
    >>> nn.kneighbors()[1].ravel()
    array([1, 2, 1])
    >>> nn.kneighbors([[1.9]])
    (array([[0.1]]), array([[1]]))
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        radius: float = 1.0,
        algorithm: str = "brute",
        leaf_size: int = 30,
        metric: Any = "euclidean",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            n_neighbors=n_neighbors,
            radius=radius,
            algorithm=algorithm,
            leaf_size=leaf_size,
            metric=metric,
            p=p,
            metric_params=metric_params,
            n_jobs=n_jobs,
        )

    def __setstate__(self, state: Any) -> None:
        if "_theirs" in state:  # an old pickle: what was fitted is of another kind and must be fitted again
            state = {name: state[name] for name in ("n_neighbors", "metric", "n_jobs")}
        super().__setstate__({**type(self)().get_params(), **state})

    def fit(self, X: Any, y: Any = None) -> NearestNeighbors:
        """Store the rows to search.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, d)
            Finite numbers, or NaN as well if `metric` is "nan_euclidean". float32 and float64 are searched
            as they are, and such arrays are not copied if they are in C order; the kernel converts other
            types to float64. If `metric` is "precomputed", `X` holds distances.
        y : None
            Ignored, as in scikit-learn's neighbor searches.

        Returns
        -------
        self : NearestNeighbors
            Ready for `kneighbors`.

        Raises
        ------
        ValueError
            If a parameter is out of range, or `X` is not a finite matrix.

        Examples
        --------
        >>> from equipoise.imblearn import NearestNeighbors
        >>> NearestNeighbors(n_neighbors=2).fit([[0.0], [2.0], [3.0]]).n_samples_fit_
        3
        """
        threads(self.n_jobs)
        super().fit(X, y)
        exact = self._tree is None and is_kernel(self, self._fit_X)
        self._rows: NDArray[Any] | None = _as_floats(self._fit_X) if exact else None
        return self

    def kneighbors(self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        """Find the neighbors of each row, nearest first.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, d), default None
            The rows to find neighbors of. None means the fitted rows, none of which is its own neighbor.
        n_neighbors : int, default None
            None means the estimator's own number.
        return_distance : bool, default True
            Whether to return the distances, too.

        Returns
        -------
        distances : float64 ndarray of shape (m, n_neighbors)
            Only returned if `return_distance` is True.
        indices : int64 ndarray of shape (m, n_neighbors)
            Rows of the fitted `X`.

        Raises
        ------
        ValueError
            If there are too few rows, or `X` does not match the fitted rows.

        Examples
        --------
        >>> from equipoise.imblearn import NearestNeighbors
        >>> nn = NearestNeighbors().fit([[0.0], [2.0], [3.0]])
        >>> nn.kneighbors([[2.0]], n_neighbors=2, return_distance=False)
        array([[1, 2]])
        """
        check_is_fitted(self)
        rows = self._rows
        if rows is None:
            return super().kneighbors(X, n_neighbors, return_distance)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, Integral):
            raise TypeError(f"n_neighbors does not take {type(k)} value, enter integer value")
        if int(k) < 1:
            raise ValueError(f"Expected n_neighbors > 0. Got {k}")
        queries = None
        if X is not None:
            # scikit-learn accepts sparse queries among dense rows.
            X = X.toarray() if sparse.issparse(X) else X
            queries = _as_floats(validate_data(self, X, reset=False))
        n, m = len(rows), len(rows if queries is None else queries)
        if int(k) > n - (queries is None):
            raise ValueError(
                f"Expected n_neighbors {'<' if queries is None else '<='} n_samples_fit, but "
                f"n_neighbors = {k}, n_samples_fit = {n}, n_samples = {m}"
            )
        if queries is not None and queries.dtype != rows.dtype:
            rows, queries = rows.astype(np.float64, copy=False), queries.astype(np.float64, copy=False)
        found = nearest_neighbors(rows, int(k), queries=queries, n_threads=threads(self.n_jobs))
        if not return_distance:
            return found.indices
        if rows.dtype == np.float64:
            return found.distances, found.indices
        # As in scikit-learn, distances are float64 for float32 rows, too: NearMiss adds them up.
        return _distances(rows, rows if queries is None else queries, found.indices), found.indices


def is_kernel(nn: Any, X: Any) -> bool:
    """Tell whether `nn` searches `X` with the kernel, which tells a row from its copies by the index."""
    return (
        isinstance(nn, NearestNeighbors)
        and nn.algorithm == "brute"
        and (nn.metric == "euclidean" or (nn.metric == "minkowski" and nn.p == 2))
        and not nn.metric_params
        and not sparse.issparse(X)
    )


def _as_floats(X: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix as native float32, if it is that, else as float64."""
    if get_config()["assume_finite"]:
        _validate.check_finite(X)
    native = X.dtype.newbyteorder("=")
    return X.astype(native if native in (np.float32, np.float64) else np.float64, copy=False)


def threads(n_jobs: int | None) -> int | None:
    """Convert scikit-learn's `n_jobs` to a number of threads; None stays None."""
    if n_jobs is None:
        return None
    if not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs must be an integer or None, got {type(n_jobs).__name__}")
    if n_jobs > 0:
        return int(n_jobs)
    if n_jobs == 0:
        raise ValueError("n_jobs must be a positive number, a negative one or None, got 0")
    return max(1, (os.cpu_count() or 1) + 1 + n_jobs)


def _distances(rows: NDArray[Any], queries: NDArray[Any], indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distances between each query and the rows of its indices, in float64."""
    distances = np.empty(indices.shape)
    step = max(1, 2**20 // (max(1, rows.shape[1]) * indices.shape[1]))
    for a in range(0, len(indices), step):
        b = a + step
        differences = rows[indices[a:b]].astype(np.float64) - queries[a:b, None, :]
        distances[a:b] = np.sqrt(np.einsum("ijk,ijk->ij", differences, differences))
    return distances


# ---- used by the samplers ---------------------------------------------------------------------------------


def as_estimator(n_neighbors: Any, more: int = 1, **parameters: Any) -> Any:
    """Return a sampler's estimator: `NearestNeighbors` for a number, else a clone of the estimator given."""
    if isinstance(n_neighbors, Integral):
        return NearestNeighbors(n_neighbors=int(n_neighbors) + more, **parameters)
    return clone(n_neighbors)


def name_of(label: Any) -> str:
    """Return what a message calls a class, with its label as the user wrote it: 'b', not np.str_('b')."""
    return f"class {label.item() if isinstance(label, np.generic) else label!r}"


def check_enough(nn: Any, rows: int, name: str, owner: str, more: int = 1) -> None:
    """Raise ValueError if `owner` has too few rows, with scikit-learn's message after the sampler's.

    Other estimators raise their own errors.
    """
    if isinstance(nn, NearestNeighbors) and rows < nn.n_neighbors:
        raise ValueError(
            f"{owner} has {rows} row{'s' * (rows != 1)}; {name}={nn.n_neighbors - more} needs at least "
            f"{nn.n_neighbors}. Expected n_neighbors <= n_samples_fit, but n_neighbors = {nn.n_neighbors}, "
            f"n_samples_fit = {rows}, n_samples = {rows}"
        )


def neighbors_within(nn: Any, X: Any) -> NDArray[np.int64]:
    """Fit `nn` to `X` and return the neighbors of its rows: one column less than nn.n_neighbors.

    A row is not its own neighbor.
    """
    nn.fit(X)
    if is_kernel(nn, X):
        return _indices(nn.kneighbors(n_neighbors=nn.n_neighbors - 1, return_distance=False))
    return _indices(nn.kneighbors(X, return_distance=False)[:, 1:])


def neighbors_of(nn: Any, X: Any, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the neighbors of some rows of the fitted `X`: one column less than nn.n_neighbors.

    A row is not its own neighbor.
    """
    if not is_kernel(nn, X):
        return _indices(nn.kneighbors(X[rows], return_distance=False)[:, 1:])
    if len(rows) == X.shape[0] and np.array_equal(rows, np.arange(len(rows))):
        return _indices(nn.kneighbors(n_neighbors=nn.n_neighbors - 1, return_distance=False))
    found = _indices(nn.kneighbors(X[rows], return_distance=False))
    # If there are many duplicates, the row itself may be missing. Then the last neighbor is dropped instead.
    itself = found == rows[:, None]
    itself[:, -1] |= ~itself.any(axis=1)
    return found[~itself].reshape(len(rows), -1)


def neighbors_of_groups(nn: Any, X: Any, groups: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Return the neighbors of each of several groups of rows, as `neighbors_of` does.

    The kernel searches for all groups at once. Other estimators search for one group at a time, since
    scikit-learn may order equal distances differently when it searches for other rows at the same time.
    """
    if not groups:
        return []
    if not is_kernel(nn, X):
        return [neighbors_of(nn, X, rows) for rows in groups]
    together = np.concatenate(groups)
    order = np.argsort(together, kind="stable")
    found = np.empty((len(together), nn.n_neighbors - 1), np.int64)
    found[order] = neighbors_of(nn, X, together[order])
    return np.split(found, np.cumsum([len(rows) for rows in groups])[:-1])


def _indices(found: Any) -> NDArray[np.int64]:
    return np.asarray(found, dtype=np.int64)
