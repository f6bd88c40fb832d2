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
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from equipoise.neighbors.search import nearest_neighbors

__all__ = ["NearestNeighbors"]


class NearestNeighbors(BaseEstimator):
    """An estimator of exact neighbors, with scikit-learn's `kneighbors` and `kneighbors_graph`.

    Any sampler of imbalanced-learn accepts it as ``k_neighbors`` or ``n_neighbors``. Unlike scikit-learn's,
    its result is the same on every machine and for any number of threads: equal distances are ordered by
    index.

    Parameters
    ----------
    n_neighbors : int, default 5
        The number of neighbors of each row, unless a call says otherwise.
    metric : str or callable, default "euclidean"
        Any other metric is left to scikit-learn, as is sparse `X`.
    n_jobs : int, default None
        The number of threads: -1 means one for each processor, -2 means one fewer, and None means the value
        of the environment variable EQUIPOISE_NUM_THREADS, or one if it is not set. The result never depends
        on it.

    Attributes
    ----------
    n_features_in_ : int
        The number of columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if all are strings.
    n_samples_fit_ : int
        The number of rows seen by `fit`.

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

    def __init__(self, n_neighbors: int = 5, *, metric: Any = "euclidean", n_jobs: int | None = None) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> NearestNeighbors:
        """Store the rows to search.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, d)
            Finite numbers. float32 and float64 are searched as they are, and such arrays are not copied;
            other types are converted to float64.
        y : None
            Ignored, as in scikit-learn's neighbor searches.

        Returns
        -------
        self : NearestNeighbors
            Ready for `kneighbors`.

        Raises
        ------
        ValueError
            If `X` is not a finite matrix, or `n_neighbors` is not positive.
        TypeError
            If `n_neighbors` is not an integer.

        Examples
        --------
        >>> from equipoise.imblearn import NearestNeighbors
        >>> NearestNeighbors(n_neighbors=2).fit([[0.0], [2.0], [3.0]]).n_samples_fit_
        3
        """
        _as_count(self.n_neighbors)
        threads(self.n_jobs)
        self._theirs = None
        if sparse.issparse(X) or self.metric != "euclidean":
            X = validate_data(self, X, accept_sparse="csr")
            theirs = sklearn.neighbors.NearestNeighbors(
                n_neighbors=self.n_neighbors, metric=self.metric, n_jobs=self.n_jobs
            )
            self._theirs = theirs.fit(X)
        else:
            X = validate_data(self, X, dtype=(np.float64, np.float32))
        self._rows = X
        self._of: NDArray[np.int64] | None = None
        self.n_samples_fit_: int = X.shape[0]
        return self

    def _fit_some(self, X: NDArray[Any], rows: NDArray[np.int64]) -> NearestNeighbors:
        """Fit some rows of an array that has been checked, without keeping a copy of them."""
        _as_count(self.n_neighbors)
        threads(self.n_jobs)
        self._theirs, self._rows, self._of = None, X, rows
        self.n_features_in_, self.n_samples_fit_ = X.shape[1], len(rows)
        return self

    def _fitted(self) -> NDArray[Any]:
        """Return the fitted rows."""
        rows: NDArray[Any] = self._rows if self._of is None else self._rows[self._of]
        return rows

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        if state.get("_of") is not None:  # keep the fitted rows only, not all of X
            state.update(_rows=self._fitted(), _of=None)
        return state

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
            Euclidean distances. Only returned if `return_distance` is True.
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
        check_is_fitted(self, "n_samples_fit_")
        k = _as_count(self.n_neighbors if n_neighbors is None else n_neighbors)
        if self._theirs is not None:
            return self._theirs.kneighbors(X, k, return_distance)
        queries = None
        if X is not None:
            # scikit-learn accepts sparse queries among dense rows.
            X = X.toarray() if sparse.issparse(X) else X
            queries = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        n, m = self.n_samples_fit_, self.n_samples_fit_ if queries is None else queries.shape[0]
        if k > n - (queries is None):
            raise ValueError(
                f"Expected n_neighbors {'<' if queries is None else '<='} n_samples_fit, but "
                f"n_neighbors = {k}, n_samples_fit = {n}, n_samples = {m}"
            )
        rows = self._fitted()
        if queries is not None and queries.dtype != rows.dtype:
            rows, queries = rows.astype(np.float64, copy=False), queries.astype(np.float64, copy=False)
        found = nearest_neighbors(rows, k, queries=queries, n_threads=threads(self.n_jobs))
        if not return_distance:
            return found.indices
        if rows.dtype == np.float64:
            return found.distances, found.indices
        # As in scikit-learn, distances are float64 for float32 rows, too: NearMiss adds them up.
        return _distances(rows, rows if queries is None else queries, found.indices), found.indices

    def kneighbors_graph(
        self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> sparse.csr_matrix:
        """Return the neighbors of each row as a matrix.

        Parameters
        ----------
        X, n_neighbors
            As for `kneighbors`.
        mode : {"connectivity", "distance"}
            Whether the matrix holds ones or distances.

        Returns
        -------
        graph : csr_matrix of shape (m, n)
            `n_neighbors` entries in each row, nearest first.

        Raises
        ------
        ValueError
            As for `kneighbors`, or if `mode` has another value.

        Examples
        --------
        >>> from equipoise.imblearn import NearestNeighbors
        >>> NearestNeighbors(n_neighbors=1).fit([[0.0], [2.0], [3.0]]).kneighbors_graph().toarray()
        array([[0., 1., 0.],
               [0., 0., 1.],
               [0., 1., 0.]])
        """
        if mode not in ("connectivity", "distance"):
            raise ValueError(f"mode must be 'connectivity' or 'distance', got {mode!r}")
        distances, indices = self.kneighbors(X, n_neighbors)
        m, k = indices.shape
        data = np.ones(m * k) if mode == "connectivity" else distances.ravel()
        indptr = np.arange(0, m * k + 1, k)
        return sparse.csr_matrix((data, indices.ravel(), indptr), shape=(m, self.n_samples_fit_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags


def _as_count(n_neighbors: Any) -> int:
    """Return a positive number of neighbors."""
    if not isinstance(n_neighbors, Integral):
        raise TypeError(f"n_neighbors must be an integer, got {type(n_neighbors).__name__}")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}")
    return int(n_neighbors)


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


def is_kernel(nn: Any, X: Any) -> bool:
    """Tell whether `nn` searches `X` with the kernel, which tells a row from its copies by the index."""
    return isinstance(nn, NearestNeighbors) and nn.metric == "euclidean" and not sparse.issparse(X)


def plain(label: Any) -> Any:
    """Return a label as the user wrote it: 'b', not np.str_('b')."""
    return label.item() if isinstance(label, np.generic) else label


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


def neighbors_within(nn: Any, X: Any, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Fit `nn` to `X`, or to some rows of it, and return their neighbors, numbered among them.

    A row is not its own neighbor, so there is one column less than nn.n_neighbors.
    """
    if rows is not None and is_kernel(nn, X) and X.dtype in (np.float32, np.float64):
        nn._fit_some(X, rows)
        return _indices(nn.kneighbors(n_neighbors=nn.n_neighbors - 1, return_distance=False))
    X = X if rows is None else X[rows]
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
