"""Over-sample with SMOTE and with its variants that choose other parents."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import imblearn.over_sampling as theirs
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils import check_random_state

from equipoise.imblearn._containers import Containers
from equipoise.imblearn._nearest import (
    as_estimator,
    check_enough,
    name_of,
    neighbors_of,
    neighbors_of_groups,
    neighbors_within,
)
from equipoise.imblearn._synthesis import Synthesis, draw, resampled

__all__ = ["ADASYN", "SMOTE", "SVMSMOTE", "BorderlineSMOTE", "KMeansSMOTE"]


class KernelNeighbors:
    """A mixin that replaces numbers of neighbors by kernel estimators and keeps estimators as they are."""

    def _validate_estimator(self) -> None:
        super()._validate_estimator()  # type: ignore[misc]
        for attribute, name in (("nn_k_", "k_neighbors"), ("nn_m_", "m_neighbors"), ("nn_", "n_neighbors")):
            if isinstance(getattr(self, name, None), Integral):
                setattr(
                    self, attribute, as_estimator(getattr(self, name), n_jobs=getattr(self, "n_jobs", None))
                )

    def _targets(self, y: NDArray[Any]) -> list[tuple[Any, int, NDArray[np.int64]]]:
        """Return (label, number of rows to add, rows of the class) for each class that gets new rows."""
        wanted = self.sampling_strategy_.items()  # type: ignore[attr-defined]
        return [(label, size, np.flatnonzero(y == label)) for label, size in wanted if size != 0]


class SMOTE(Containers, KernelNeighbors, theirs.SMOTE):
    """A drop-in `SMOTE` that is faster and needs less memory, with the same rows for a `random_state`.

    Parameters and attributes are those of :class:`imblearn.over_sampling.SMOTE`. Equal distances are ordered
    by index, and a row is never its own neighbor; pass
    ``k_neighbors=sklearn.neighbors.NearestNeighbors(n_neighbors=6)`` for imbalanced-learn's order. The
    number of threads comes from the environment variable EQUIPOISE_NUM_THREADS, or from
    ``k_neighbors=equipoise.imblearn.NearestNeighbors(n_neighbors=6, n_jobs=2)``. scikit-learn searches
    sparse `X`.

    Raises
    ------
    ValueError
        If a class has too few rows for `k_neighbors`, or as in imbalanced-learn.

    See Also
    --------
    equipoise.SmoteSampler : synthetic rows on the fly, from a stream of its own.

    Notes
    -----
    A `random_state` has the same effect as in imbalanced-learn, including these defects: an integer restarts
    the draws for each class, so that two classes of equal size get the same parents, neighbors and gaps; new
    rows of duplicated rows are copies; integer `X` is truncated toward zero, and unsigned integers wrap
    around. :class:`equipoise.SmoteSampler` has none of these defects.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import SMOTE
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [90, 10])
    >>> X_new, y_new = SMOTE(random_state=0).fit_resample(X, y)
    >>> np.bincount(y_new)
    array([90, 90])
    """

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        plan = []
        for label, size, rows in self._targets(y):
            check_enough(self.nn_k_, len(rows), "k_neighbors", name_of(label))
            found = neighbors_within(self.nn_k_, X[rows])
            parents, neighbors, gaps = draw(self.random_state, found, size)
            plan.append(Synthesis(label, rows[parents], rows[neighbors], gaps))
        return resampled(X, y, plan)


class BorderlineSMOTE(Containers, KernelNeighbors, theirs.BorderlineSMOTE):
    """A drop-in `BorderlineSMOTE`, with the same rows for the same `random_state`.

    Parameters and attributes are those of :class:`imblearn.over_sampling.BorderlineSMOTE`. The notes of
    :class:`SMOTE` on equal distances, threads, sparse `X` and defects apply here, too. A class without rows
    in danger gets no new rows, as in imbalanced-learn.

    Raises
    ------
    ValueError
        As for :class:`SMOTE`, or if there are fewer rows than `m_neighbors` requires.

    See Also
    --------
    equipoise.borderline_weights : the same choice of parents for a `SmoteSampler`.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import BorderlineSMOTE
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [60, 40])
    >>> sampler = BorderlineSMOTE(random_state=0)
    >>> np.bincount(sampler.fit_resample(X, y)[1])
    array([60, 60])
    >>> len(sampler.in_danger_indices[1])
    36
    """

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        plan = []
        self.in_danger_indices = {}
        targets = self._targets(y)
        if targets:
            check_enough(self.nn_m_, len(y), "m_neighbors", "X")
            self.nn_m_.fit(X)
        around = neighbors_of_groups(self.nn_m_, X, [rows for _, _, rows in targets])
        if self.kind == "borderline-2" and targets:
            check_enough(self.nn_k_, len(y), "k_neighbors", "X")
            self.nn_k_.fit(X)
        for (label, size, rows), table in zip(targets, around, strict=True):
            danger = _in_danger(_others(table, y, label), table.shape[1])
            if not danger.any():
                continue
            self.in_danger_indices[label] = rows[danger]
            if self.kind == "borderline-1":
                check_enough(self.nn_k_, len(rows), "k_neighbors", name_of(label))
                of_class = X[rows]
                self.nn_k_.fit(of_class)
                found = rows[neighbors_of(self.nn_k_, of_class, np.flatnonzero(danger))]
            else:
                found = neighbors_of(self.nn_k_, X, rows[danger])
            parents, neighbors, gaps = draw(self.random_state, found, size)
            if self.kind == "borderline-2":
                # Toward a row of another class, the gap is at most one half.
                foreign = y[neighbors] != label
                random = check_random_state(self.random_state)
                gaps[foreign] *= random.uniform(low=0.0, high=0.5, size=np.count_nonzero(foreign))
            plan.append(Synthesis(label, rows[danger][parents], neighbors, gaps))
        return resampled(X, y, plan)


def _others(table: NDArray[np.int64], y: NDArray[Any], label: Any) -> NDArray[np.int64]:
    """Count the neighbors of each row that are of another class."""
    return np.count_nonzero(y[table] != label, axis=1)


def _in_danger(others: NDArray[np.int64], m: int) -> NDArray[np.bool_]:
    """Tell which rows are in danger: half or more, but not all, of their m neighbors are of other classes."""
    return (others >= m / 2) & (others < m)


class SVMSMOTE(Containers, KernelNeighbors, theirs.SVMSMOTE):
    """A drop-in `SVMSMOTE`, with the same rows for the same `random_state`.

    Parameters and attributes are those of :class:`imblearn.over_sampling.SVMSMOTE`. The notes of
    :class:`SMOTE` on equal distances, threads, sparse `X` and defects apply here, too. Nearly all of the time
    is spent in scikit-learn's support vector machine.

    Raises
    ------
    ValueError
        As for :class:`SMOTE`, or if all support vectors are noise.
    RuntimeError
        If `svm_estimator` has no support vectors.

    Notes
    -----
    This defect of imbalanced-learn is kept: if no support vector of a class is in danger, or none is safe,
    that share of the new rows is missing, so that there are fewer than asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import SVMSMOTE
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [60, 40])
    >>> np.bincount(SVMSMOTE(random_state=0).fit_resample(X, y)[1])
    array([60, 60])
    """

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        random = check_random_state(self.random_state)
        plan = []
        for label, size, rows in self._targets(y):
            self.svm_estimator_.fit(X, y)
            if not hasattr(self.svm_estimator_, "support_"):
                raise RuntimeError(
                    "`svm_estimator` is required to exposed a `support_` fitted attribute. Such estimator "
                    "belongs to the familly of Support Vector Machine."
                )
            support = np.asarray(self.svm_estimator_.support_, dtype=np.int64)
            support = support[y[support] == label]
            check_enough(self.nn_m_, len(y), "m_neighbors", "X")
            self.nn_m_.fit(X)
            m = self.nn_m_.n_neighbors - 1
            if len(support):
                support = support[_others(neighbors_of(self.nn_m_, X, support), y, label) < m]
            if not len(support):
                raise ValueError(
                    "All support vectors are considered as noise. SVM-SMOTE is not adapted to your dataset. "
                    "Try another SMOTE variant."
                )
            danger = _in_danger(_others(neighbors_of(self.nn_m_, X, support), y, label), m)

            check_enough(self.nn_k_, len(rows), "k_neighbors", name_of(label))
            of_class = X[rows]
            self.nn_k_.fit(of_class)
            inner = int(random.beta(10, 10) * (size + 1))
            for parents_of, count, step in ((danger, inner, 1.0), (~danger, size - inner, -self.out_step)):
                if parents_of.any():
                    chosen = support[parents_of]
                    found = rows[neighbors_of(self.nn_k_, of_class, np.searchsorted(rows, chosen))]
                    parents, neighbors, gaps = draw(self.random_state, found, count)
                    plan.append(Synthesis(label, chosen[parents], neighbors, step * gaps))
        return resampled(X, y, plan)


class KMeansSMOTE(Containers, KernelNeighbors, theirs.KMeansSMOTE):
    """A drop-in `KMeansSMOTE`, with the same rows for the same `random_state`.

    Parameters and attributes are those of :class:`imblearn.over_sampling.KMeansSMOTE`. The notes of
    :class:`SMOTE` on equal distances, sparse `X` and defects apply here, too. `n_jobs` is also the number of
    threads of the search. scikit-learn does the clustering. Distances within a cluster are summed in blocks,
    so that memory does not grow with the square of its size.

    Raises
    ------
    RuntimeError
        If no cluster has enough rows of some class.
    ValueError
        As in imbalanced-learn, or if all rows of a cluster are equal, so that its density is undefined.

    Notes
    -----
    This defect of imbalanced-learn is kept: each cluster's share of the new rows is rounded up, so that
    there may be more than asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import KMeansSMOTE
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [60, 40])
    >>> np.bincount(KMeansSMOTE(kmeans_estimator=1, random_state=0).fit_resample(X, y)[1])
    array([60, 60])
    """

    def _find_cluster_sparsity(self, X: Any) -> float:
        n = X.shape[0]
        total, begin = 0.0, 0
        for block in pairwise_distances_chunked(X, metric="euclidean", n_jobs=self.n_jobs, working_memory=64):
            # A row's distance to itself, computed from dot products, is not always 0.
            block[np.arange(len(block)), np.arange(begin, begin + len(block))] = 0
            total += block.sum()
            begin += len(block)
        automatic = self.density_exponent == "auto"
        exponent = math.log(n, 1.6) ** 1.8 * 0.16 if automatic else self.density_exponent
        return float((total / (n * n - n)) ** exponent / n)

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        plan = []
        wanted = sum(self.sampling_strategy_.values())
        for label, size, _ in self._targets(y):
            threshold = self.cluster_balance_threshold_
            if threshold == "auto":
                threshold = size / wanted / 2
            clusters = self.kmeans_estimator_.fit_predict(X)
            chosen = []
            for cluster in range(self.kmeans_estimator_.n_clusters):
                members = np.flatnonzero(clusters == cluster)
                rows = members[y[members] == label]
                if not len(members):
                    continue
                share = len(rows) / len(members)
                # The product may round to less than len(rows), as in imbalanced-learn.
                if share >= threshold and share * len(members) >= self.nn_k_.n_neighbors:
                    chosen.append(rows)
            if not chosen:
                raise RuntimeError(
                    f"No clusters found with sufficient samples of class {label}. Try lowering the "
                    "cluster_balance_threshold or increasing the number of clusters."
                )
            sparsities = np.array([self._find_cluster_sparsity(X[rows]) for rows in chosen])
            if not 0 < sparsities.sum() < math.inf:
                raise ValueError(
                    f"the density of a cluster is undefined for {name_of(label)}: the rows in its clusters "
                    "are equal, or their distances too large for a float"
                )
            weights = sparsities / sparsities.sum()
            for rows, weight in zip(chosen, weights, strict=True):
                found = neighbors_within(self.nn_k_, X[rows])
                parents, neighbors, gaps = draw(self.random_state, found, math.ceil(size * weight))
                plan.append(Synthesis(label, rows[parents], rows[neighbors], gaps))
        return resampled(X, y, plan)


class ADASYN(Containers, KernelNeighbors, theirs.ADASYN):
    """A drop-in `ADASYN`, with the same rows for the same `random_state`.

    Parameters and attributes are those of :class:`imblearn.over_sampling.ADASYN`. The notes of :class:`SMOTE`
    on equal distances, threads and sparse `X` apply here, too. As in imbalanced-learn, the number of new rows
    is rounded for each parent, so that their sum may differ from the number asked for.

    Raises
    ------
    ValueError
        As for :class:`SMOTE`, or if all numbers of new rows are rounded to 0.
    RuntimeError
        If no row of a class has a neighbor of another class.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import ADASYN
    >>> X, y = np.random.default_rng(0).normal(size=(100, 4)), np.repeat([0, 1], [70, 30])
    >>> np.bincount(ADASYN(random_state=0).fit_resample(X, y)[1])
    array([70, 78])
    """

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        self._validate_estimator()
        random = check_random_state(self.random_state)
        plan = []
        targets = self._targets(y)
        if targets:
            check_enough(self.nn_, len(y), "n_neighbors", "X")
            self.nn_.fit(X)
        around = neighbors_of_groups(self.nn_, X, [rows for _, _, rows in targets])
        for (label, size, rows), table in zip(targets, around, strict=True):
            k = table.shape[1]
            ratios = _others(table, y, label) / k
            if not ratios.any():
                raise RuntimeError(
                    "Not any neigbours belong to the majority class. This case will induce a NaN case with a "
                    "division by zero. ADASYN is not suited for this specific dataset. Use SMOTE instead."
                )
            counts = np.rint(ratios / ratios.sum() * size).astype(int)
            total = int(counts.sum())
            if not total:
                raise ValueError("No samples will be generated with the provided ratio settings.")
            check_enough(self.nn_, len(rows), "n_neighbors", name_of(label))
            found = neighbors_within(self.nn_, X[rows])
            parents = np.repeat(np.arange(len(rows)), counts)
            columns = random.choice(k, size=total)
            gaps = random.uniform(size=(total, 1))[:, 0]
            plan.append(Synthesis(label, rows[parents], rows[found[parents, columns]], gaps))
        return resampled(X, y, plan)
