"""Choose among the given rows: at random, by their neighbors, or by their distances."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import imblearn.over_sampling as their_over
import imblearn.under_sampling as their_under
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils import check_consistent_length, check_random_state

from equipoise.imblearn._containers import Containers, taken
from equipoise.imblearn._nearest import (
    NearestNeighbors,
    as_estimator,
    check_enough,
    is_kernel,
    name_of,
    neighbors_of_groups,
    neighbors_within,
)

__all__ = [
    "EditedNearestNeighbours",
    "NearMiss",
    "RandomOverSampler",
    "RandomUnderSampler",
    "TomekLinks",
]


def _by_class(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp], list[NDArray[np.int64]]]:
    """Return the labels, the place of each row's label among them, and the rows of each label."""
    labels, codes = np.unique(y, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return labels, codes, np.split(order, np.cumsum(np.bincount(codes))[:-1])


class RandomOverSampler(Containers, their_over.RandomOverSampler):
    """A drop-in `RandomOverSampler`, with the same rows for the same `random_state`.

    Parameters and attributes are those of :class:`imblearn.over_sampling.RandomOverSampler`. A data frame's
    columns keep their types, so that integers above 2^53 stay exact next to floats. With `shrinkage`,
    imbalanced-learn does the work.

    Raises
    ------
    ValueError
        As in imbalanced-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import RandomOverSampler
    >>> sampler = RandomOverSampler(random_state=0)
    >>> sampler.fit_resample(np.arange(5).reshape(5, 1), ["a", "a", "a", "b", "b"])[1]
    ['a', 'a', 'a', 'b', 'b', 'b']
    """

    _frames_stay = True

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        if self.shrinkage is not None:
            return super()._fit_resample(X, y)
        # imbalanced-learn does not check this, and would pair rows with the labels of other rows.
        check_consistent_length(X, y)
        self.shrinkage_ = None
        random = check_random_state(self.random_state)
        chosen = [np.arange(X.shape[0])]
        for label, size in self.sampling_strategy_.items():
            rows = np.flatnonzero(y == label)
            chosen.append(rows[random.choice(len(rows), size=size, replace=True)])
        self.sample_indices_ = np.concatenate(chosen)
        new = taken(X, self.sample_indices_)
        if hasattr(new, "reset_index"):
            new = new.reset_index(drop=True)
        return new, y[self.sample_indices_]


class RandomUnderSampler(Containers, their_under.RandomUnderSampler):
    """A drop-in `RandomUnderSampler`, with the same rows for the same `random_state`.

    Parameters and attributes are those of :class:`imblearn.under_sampling.RandomUnderSampler`.

    Raises
    ------
    ValueError
        As in imbalanced-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import RandomUnderSampler
    >>> sampler = RandomUnderSampler(random_state=0)
    >>> sampler.fit_resample(np.arange(5).reshape(5, 1), ["a", "a", "a", "b", "b"])[1]
    ['a', 'a', 'b', 'b']
    """

    _frames_stay = True

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        check_consistent_length(X, y)
        random = check_random_state(self.random_state)
        labels, _, groups = _by_class(y)
        chosen = []
        for label, rows in zip(labels, groups, strict=True):
            if label in self.sampling_strategy_:
                size = self.sampling_strategy_[label]
                chosen.append(rows[random.choice(len(rows), size=size, replace=self.replacement)])
            else:
                chosen.append(rows)
        self.sample_indices_ = np.concatenate(chosen)
        return taken(X, self.sample_indices_), y[self.sample_indices_]


class TomekLinks(Containers, their_under.TomekLinks):
    """A drop-in `TomekLinks` that runs one kernel search and no loop over rows.

    Parameters and attributes are those of :class:`imblearn.under_sampling.TomekLinks`; `n_jobs` is the
    number of threads. If several rows are nearest, the one with the smallest index counts, and a row is never
    its own neighbor. scikit-learn searches sparse `X`.

    Raises
    ------
    ValueError
        As in imbalanced-learn.

    Notes
    -----
    imbalanced-learn's documentation allows a callable as `sampling_strategy`, which never works there or
    here: pass a list of the classes to clean.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import TomekLinks
    >>> X = np.array([[0.0], [1.0], [1.1], [5.0], [6.5]])
    >>> sampler = TomekLinks()
    >>> sampler.fit_resample(X, [0, 0, 1, 0, 1])[1]
    [0, 1, 1]
    >>> sampler.sample_indices_
    array([0, 2, 4])
    """

    @staticmethod
    def is_tomek(y: NDArray[Any], nn_index: NDArray[np.int64], class_type: Any) -> NDArray[np.bool_]:
        """Tell which rows of the given classes form a Tomek link with a row of another class.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Labels.
        nn_index : ndarray of shape (n,)
            The nearest neighbor of each row.
        class_type : container of labels
            The classes whose rows are tested.

        Returns
        -------
        is_tomek : bool ndarray of shape (n,)
            True where the row and a row of another class are each other's nearest neighbors.

        Examples
        --------
        >>> import numpy as np
        >>> from equipoise.imblearn import TomekLinks
        >>> TomekLinks.is_tomek(np.array([0, 1, 0]), np.array([1, 0, 1]), [0, 1])
        array([ True,  True, False])
        """
        labels, codes = np.unique(y, return_inverse=True)
        targeted = np.array([label in class_type for label in labels])[codes]
        mutual = nn_index[nn_index] == np.arange(len(codes))
        return np.asarray(targeted & mutual & (codes[nn_index] != codes))

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        nearest = neighbors_within(NearestNeighbors(n_neighbors=2, n_jobs=self.n_jobs), X)[:, 0]
        self.sample_indices_ = np.flatnonzero(~self.is_tomek(y, nearest, self.sampling_strategy_))
        return X[self.sample_indices_], y[self.sample_indices_]


class EditedNearestNeighbours(Containers, their_under.EditedNearestNeighbours):
    """A drop-in `EditedNearestNeighbours` that runs one kernel search and counts votes in arrays.

    Parameters and attributes are those of :class:`imblearn.under_sampling.EditedNearestNeighbours`; `n_jobs`
    is the number of threads. Equal distances are ordered by index, and a row is never its own neighbor; pass
    ``n_neighbors=sklearn.neighbors.NearestNeighbors(n_neighbors=4)`` for imbalanced-learn's order.
    scikit-learn searches sparse `X`. ``kind_sel="mode"`` accepts text labels, too.

    Raises
    ------
    ValueError
        As in imbalanced-learn, or if there are fewer rows than `n_neighbors` requires.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import EditedNearestNeighbours
    >>> X = np.array([[0.0], [0.1], [0.3], [5.0], [5.1], [5.3]])
    >>> EditedNearestNeighbours(n_neighbors=1).fit_resample(X, [0, 0, 0, 0, 1, 1])[1]
    [0, 0, 0, 1, 1]
    """

    def _validate_estimator(self) -> None:
        super()._validate_estimator()
        if isinstance(self.n_neighbors, Integral):
            self.nn_ = as_estimator(self.n_neighbors, n_jobs=self.n_jobs)

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        check_enough(self.nn_, len(y), "n_neighbors", "X")
        self.nn_.fit(X)
        labels, codes, groups = _by_class(y)
        targeted = [
            rows for label, rows in zip(labels, groups, strict=True) if label in self.sampling_strategy_
        ]
        keep = np.ones(len(y), bool)
        for rows, found in zip(targeted, neighbors_of_groups(self.nn_, X, targeted), strict=True):
            agree = codes[found] == codes[rows[:1]]
            if self.kind_sel == "all":
                keep[rows] = agree.all(axis=1)
            else:
                keep[rows] = _wins(codes[found], agree, codes[rows[0]])
        self.sample_indices_ = np.concatenate([rows[keep[rows]] for rows in groups])
        return X[self.sample_indices_], y[self.sample_indices_]


def _wins(around: NDArray[np.intp], agree: NDArray[np.bool_], code: np.intp) -> NDArray[np.bool_]:
    """Tell whether `code` is the most frequent one in each row, and the smallest one if tied."""
    own = np.count_nonzero(agree, axis=1)
    wins = own > 0
    for column in range(around.shape[1]):
        other = around[:, column]
        count = np.count_nonzero(around == other[:, np.newaxis], axis=1)
        wins &= (count < own) | ((count == own) & (other >= code))
    return wins


class NearMiss(Containers, their_under.NearMiss):
    """A drop-in `NearMiss` that runs kernel searches, and version 2 in blocks of rows.

    Parameters and attributes are those of :class:`imblearn.under_sampling.NearMiss`; `n_jobs` is the number
    of threads. scikit-learn searches sparse `X`. Rows of equal mean distance are chosen in the order of their
    indices.

    Raises
    ------
    ValueError
        As in imbalanced-learn, or if a class has fewer rows than the number of neighbors requires.

    Warns
    -----
    UserWarning
        If version 3 preselects fewer rows than asked for; all of them are returned.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import NearMiss
    >>> X = np.array([[0.0], [3.0], [1.0], [2.5], [4.0]])
    >>> sampler = NearMiss(n_neighbors=1)
    >>> sampler.fit_resample(X, [1, 1, 0, 0, 0])[1]
    [0, 0, 1, 1]
    >>> sampler.sample_indices_
    array([3, 2, 0, 1])
    """

    def _validate_estimator(self) -> None:
        super()._validate_estimator()
        if isinstance(self.n_neighbors, Integral):
            self.nn_ = as_estimator(self.n_neighbors, 0, n_jobs=self.n_jobs)
        if self.version == 3 and isinstance(self.n_neighbors_ver3, Integral):
            self.nn_ver3_ = as_estimator(self.n_neighbors_ver3, 0, n_jobs=self.n_jobs)

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        labels, _, groups = _by_class(y)
        # If several classes are equally small, imbalanced-learn takes the one that occurs first.
        minority = min(range(len(labels)), key=lambda i: (len(groups[i]), groups[i][0]))
        own = groups[minority]
        check_enough(self.nn_, len(own), "n_neighbors", name_of(labels[minority]), 0)
        self.nn_.fit(X[own])
        chosen = []
        for label, rows in zip(labels, groups, strict=True):
            if label not in self.sampling_strategy_:
                chosen.append(rows)
                continue
            size, candidates = self.sampling_strategy_[label], rows
            if self.version == 3:
                check_enough(self.nn_ver3_, len(rows), "n_neighbors_ver3", name_of(label), 0)
                near = self.nn_ver3_.fit(X[rows]).kneighbors(X[own], return_distance=False)
                candidates = rows[np.unique(near)]
            if self.version == 2:
                distances = self._farthest(X, rows, own)
            else:
                distances = self.nn_.kneighbors(X[candidates])[0]
            sums = distances.sum(axis=1)
            if len(sums) < size:
                warnings.warn(
                    "The number of the samples to be selected is larger than the number of samples "
                    "available. The balancing ratio cannot be ensure and all samples will be returned.",
                    stacklevel=3,
                )
            order = np.argsort(-sums if self.version == 3 else sums, kind="stable")
            chosen.append(candidates[order[:size]])
        self.sample_indices_ = np.concatenate(chosen)
        return X[self.sample_indices_], y[self.sample_indices_]

    def _farthest(self, X: Any, rows: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distances to the n_neighbors farthest rows of the minority, computed in blocks."""
        k = self.nn_.n_neighbors
        if is_kernel(self.nn_, X):
            # Rows are centered, since distances come from dot products, and in float64, since sums are
            # compared.
            center = X[own].mean(axis=0, dtype=np.float64)
            blocks = pairwise_distances_chunked(
                X[rows] - center,
                X[own] - center,
                reduce_func=lambda distances, _: _largest(distances, k),
                working_memory=64,
            )
            return np.concatenate(list(blocks))
        step = max(1, 2**22 // len(own))
        pieces = [rows[a : a + step] for a in range(0, len(rows), step)]
        found = [self.nn_.kneighbors(X[piece], n_neighbors=len(own))[0][:, -k:] for piece in pieces]
        return np.concatenate(found)


def _largest(distances: NDArray[Any], k: int) -> NDArray[Any]:
    """Return the k largest distances of each row, in increasing order."""
    least = distances.shape[1] - k
    return np.sort(np.partition(distances, least, axis=1)[:, least:], axis=1)
