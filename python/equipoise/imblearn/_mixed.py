"""Over-sample tables that contain categories: SMOTENC if there are numbers as well, else SMOTEN."""

from __future__ import annotations

import math
import warnings
from numbers import Integral
from typing import Any

import imblearn.over_sampling as theirs
import numpy as np
from imblearn.metrics.pairwise import ValueDifferenceMetric
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import get_config
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.utils import check_array, check_random_state
from sklearn.utils.sparsefuncs import mean_variance_axis

from equipoise import _validate
from equipoise.imblearn._containers import Containers, columns_of, is_polars, plain
from equipoise.imblearn._nearest import as_estimator, check_enough, is_kernel, name_of, threads
from equipoise.imblearn._smote import KernelNeighbors
from equipoise.imblearn._synthesis import Synthesis, draw, resampled
from equipoise.neighbors.search import mixed_neighbors, nearest_neighbors

__all__ = ["SMOTEN", "SMOTENC"]


class SMOTENC(Containers, KernelNeighbors, theirs.SMOTENC):
    """A drop-in `SMOTENC` whose memory does not grow with the number of categories.

    Parameters and attributes are those of :class:`imblearn.over_sampling.SMOTENC`. The notes of
    :class:`equipoise.imblearn.SMOTE` on equal distances, threads and defects apply here, too. Categories are
    compared and counted as codes. If `k_neighbors` is a number, no one-hot matrix is searched and `nn_k_` is
    not fitted; an estimator searches the one-hot matrix, as in imbalanced-learn.

    Raises
    ------
    ValueError
        As for :class:`equipoise.imblearn.SMOTE`, or if no column is numeric or none is categorical.

    Notes
    -----
    These defects of imbalanced-learn are kept. If all numbers are integers, what a differing category adds
    to a distance (the median deviation over the square root of 2) is truncated to an integer. If it is 0 or
    nearly 0, the categories of a new row are drawn from all categories. :class:`equipoise.SmoteSampler` has
    neither defect.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import SMOTENC
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.normal(size=100), rng.integers(3, size=100)])
    >>> y = np.repeat([0, 1], [90, 10])
    >>> X_new, y_new = SMOTENC(categorical_features=[1], random_state=0).fit_resample(X, y)
    >>> np.unique(X_new[:, 1])
    array([0., 1., 2.])
    """

    _frames_stay = True

    def _validate_column_types(self, X: Any) -> None:
        if not is_polars(X):
            super()._validate_column_types(X)
            return
        every = np.arange(X.shape[1])
        if isinstance(self.categorical_features, str):  # "auto"
            chosen = [dtype.base_type().__name__ in ("Categorical", "Enum") for dtype in X.dtypes]
        else:
            _validate.check_column_names(self.categorical_features, X.columns)
            at = dict(zip(X.columns, every, strict=True))
            chosen = [at[c] if isinstance(c, str) else c for c in self.categorical_features]
            _validate.check_column_numbers(chosen, X.shape[1])
        self.categorical_features_ = every[chosen]
        self.continuous_features_ = np.setdiff1d(every, self.categorical_features_)

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        X = plain(X)
        if getattr(X, "dtype", None) == np.float16:  # which SciPy's matrices cannot hold
            new, labels = self._fit_resample(X.astype(np.float32), y)
            return new.astype(np.float16), labels
        numbers = self._numbers(X)
        if numbers.dtype.kind not in "iu" and numbers.dtype not in (np.float32, np.float64):
            return super()._fit_resample(X, y)
        onehot, sizes = self._onehot(X, numbers.dtype)
        codes = _codes(onehot, sizes)
        if codes is None:
            # The user's own encoding leaves out a category or weights it.
            return super()._fit_resample(X, y)

        self.median_std_ = {}
        plan, votes = [], [codes]
        for label, size, rows in self._targets(y):
            check_enough(self.nn_k_, len(rows), "k_neighbors", name_of(label))
            of_class = numbers[rows]
            variances = mean_variance_axis(sparse.csr_matrix(of_class), axis=0)[1]
            median = self.median_std_[label] = np.median(np.sqrt(variances))
            # The squared distance of two different one-hot rows is twice the square of this. An integer dtype
            # truncates it.
            weight = numbers.dtype.type(median / np.sqrt(2))
            found = self._neighbors(of_class, codes[rows], onehot, rows, weight)
            parents, neighbors, gaps = draw(self.random_state, found, size)
            plan.append(Synthesis(label, rows[parents], rows[neighbors], gaps))
            random = check_random_state(self.random_state)
            # If the median is 0, so are all weights, and imbalanced-learn counts ones instead.
            counted = float(weight) if median else 1.0
            chosen = np.empty((size, len(sizes)), np.int32)
            for j, number in enumerate(sizes):
                chosen[:, j] = _vote(codes[rows[found], j][parents], number, counted, random)
            votes.append(chosen)

        new, labels = resampled(numbers, y, plan)
        decoded = self._decoded(np.concatenate(votes), sizes, onehot)
        order = np.argsort(np.hstack((self.continuous_features_, self.categorical_features_)))
        if sparse.issparse(new):
            return sparse.hstack((new, decoded), format="csr")[:, order], labels
        return np.hstack((new, decoded))[:, order], labels

    def _numbers(self, X: Any) -> Any:
        """Return the columns of numbers, after a check of the columns and of the estimator."""
        self.n_features_ = X.shape[1]
        self._validate_column_types(X)
        self._validate_estimator()
        numbers = check_array(columns_of(X, self.continuous_features_), accept_sparse=["csr", "csc"])
        if numbers.dtype == object:  # text in a frame
            numbers = numbers.astype(np.float64)
        if get_config()["assume_finite"]:
            _validate.check_finite(numbers, self.continuous_features_)
        return numbers

    def _onehot(self, X: Any, dtype: np.dtype[Any]) -> tuple[Any, list[int]]:
        """Return the columns of categories, encoded by the encoder, and the numbers of their categories."""
        categories = columns_of(X, self.categorical_features_)
        if self.categorical_encoder is None:
            self.categorical_encoder_ = OneHotEncoder(handle_unknown="ignore", dtype=dtype)
        else:
            self.categorical_encoder_ = clone(self.categorical_encoder)
        onehot = self.categorical_encoder_.fit_transform(
            categories.toarray() if sparse.issparse(categories) else categories
        )
        onehot = sparse.csr_matrix(onehot, dtype=dtype)
        sizes = [len(values) for values in self.categorical_encoder_.categories_]
        if onehot.shape[1] != sum(sizes):
            raise ValueError(
                "SMOTENC requires a one-hot encoding with one column per category for the categorical "
                f"features. The provided `categorical_encoder` produced {onehot.shape[1]} columns for "
                f"{sum(sizes)} categories. This happens when the encoder drops columns (e.g. "
                "`OneHotEncoder(drop=...)`) or merges infrequent categories, which is not "
                "supported. Pass an encoder that keeps all categories, such as "
                "`OneHotEncoder(handle_unknown='ignore')`."
            )
        return onehot, sizes

    def _neighbors(
        self, numbers: Any, codes: NDArray[np.int32], onehot: Any, rows: NDArray[np.int64], weight: Any
    ) -> NDArray[np.int64]:
        """Return the neighbors of each row of a class, numbered within it."""
        nn = self.nn_k_
        if is_kernel(nn, numbers):
            if numbers.dtype.kind in "iu":
                numbers = numbers.astype(np.float64)
            mismatch = float(weight) * math.sqrt(2)
            k = nn.n_neighbors - 1
            return mixed_neighbors(numbers, codes, mismatch, k, n_threads=threads(nn.n_jobs)).indices
        ones = onehot[rows]
        ones.data[:] = weight
        encoded = sparse.hstack((numbers, ones), format="csr", dtype=numbers.dtype)
        return np.asarray(nn.fit(encoded).kneighbors(encoded, return_distance=False)[:, 1:], dtype=np.int64)

    def _decoded(self, codes: NDArray[np.int32], sizes: list[int], onehot: Any) -> NDArray[Any]:
        """Return the categories of some codes, as the encoder's `inverse_transform` does."""
        encoder = self.categorical_encoder_
        if (
            type(encoder) is OneHotEncoder
            and encoder.min_frequency is None
            and encoder.max_categories is None
        ):
            # The encoder would search each row in a Python loop. One row is enough to learn the dtype.
            decoded = np.empty(codes.shape, encoder.inverse_transform(onehot[:1]).dtype)
            for j, values in enumerate(encoder.categories_):
                decoded[:, j] = values[codes[:, j]]
            return decoded
        columns = (codes + np.cumsum([0, *sizes[:-1]])).ravel()
        data = np.ones(len(columns), onehot.dtype)
        indptr = np.arange(0, len(columns) + 1, len(sizes))
        return np.asarray(
            encoder.inverse_transform(sparse.csr_matrix((data, columns, indptr), (len(codes), sum(sizes))))
        )


def _codes(onehot: Any, sizes: list[int]) -> NDArray[np.int32] | None:
    """Return the code of each row and feature, or None if a row does not have exactly one 1 per feature."""
    onehot.eliminate_zeros()
    onehot.sort_indices()
    if onehot.nnz != onehot.shape[0] * len(sizes) or not (onehot.data == 1).all():
        return None
    starts = np.cumsum([0, *sizes[:-1]])
    if not (np.diff(onehot.indptr) == len(sizes)).all():
        return None
    codes = onehot.indices.reshape(onehot.shape[0], len(sizes)) - starts
    return codes.astype(np.int32) if ((codes >= 0) & (codes < sizes)).all() else None


def _vote(codes: NDArray[np.int32], number: int, weight: float, random: Any) -> NDArray[np.int32]:
    """Return the most frequent of `number` codes in each row, breaking ties as imbalanced-learn does.

    It lists all (row, code) pairs of the largest frequency, row by row, shuffles the list and takes the first
    pair of each row. Frequencies are sums of weights, which are equal if numpy.isclose says so.
    """
    codes = np.sort(codes, axis=1)
    counts = _counts(codes)
    most = counts.max(axis=1, keepdims=True)
    first = np.ones(codes.shape, bool)
    first[:, 1:] = codes[:, 1:] != codes[:, :-1]
    rows, columns = np.nonzero(first & np.isclose(counts * weight, most * weight))
    listed = codes[rows, columns]
    # If the weight is about 0, every code counts as equally frequent, even one that no neighbor has.
    every = np.isclose(0.0, most[:, 0] * weight)
    if every.any():
        at = np.flatnonzero(every)
        kept = ~every[rows]
        rows = np.concatenate([rows[kept], np.repeat(at, number)])
        listed = np.concatenate([listed[kept], np.tile(np.arange(number, dtype=np.int32), len(at))])
        order = np.argsort(rows, kind="stable")
        rows, listed = rows[order], listed[order]
    shuffled = random.permutation(len(rows))
    place = np.empty_like(shuffled)
    place[shuffled] = np.arange(len(rows))
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    return listed[shuffled[np.minimum.reduceat(place, begins)]] if len(rows) else listed


def _counts(sorted_codes: NDArray[Any]) -> NDArray[np.int64]:
    """Count how often each entry occurs in its row."""
    counts = np.zeros(sorted_codes.shape, np.int64)
    for column in range(sorted_codes.shape[1]):
        counts += sorted_codes == sorted_codes[:, column : column + 1]
    return counts


class SMOTEN(Containers, KernelNeighbors, theirs.SMOTEN):
    """A drop-in `SMOTEN` that needs no matrix of distances between all rows of a class.

    Parameters and attributes are those of :class:`imblearn.over_sampling.SMOTEN`. Distances between
    categories are often equal; neighbors are then ordered by index here, and arbitrarily in
    imbalanced-learn. An estimator given as `k_neighbors` searches the matrix of distances, as in
    imbalanced-learn. With a number, `nn_k_` is not fitted. With two classes, the distance is a Euclidean one
    between the categories' shares of a class, so that the kernel can search for neighbors. With more classes,
    the time grows with the square of the number of rows of a class.

    Raises
    ------
    ValueError
        As for :class:`equipoise.imblearn.SMOTE`.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.imblearn import SMOTEN
    >>> X = np.array([["A"], ["B"], ["C"]], dtype=object)[np.repeat([0, 1, 2], [10, 20, 30])]
    >>> X_new, y_new = SMOTEN(random_state=0).fit_resample(X, np.repeat([0, 1], [20, 40]))
    >>> np.unique(X_new[60:].astype(str))
    array(['A', 'B'], dtype='<U1')
    """

    def _validate_estimator(self) -> None:
        super()._validate_estimator()
        if isinstance(self.k_neighbors, Integral):
            self.nn_k_ = as_estimator(self.k_neighbors, metric="precomputed")
        else:
            self.nn_k_.set_params(metric="precomputed")

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        if not isinstance(self.k_neighbors, Integral):
            return super()._fit_resample(X, y)
        wanted = X.format if sparse.issparse(X) else None
        if wanted is not None:
            X = X.toarray()
            warnings.warn(
                "Passing a sparse matrix to SMOTEN is not really efficient since it is converted to a dense "
                "array internally.",
                DataConversionWarning,
                stacklevel=4,
            )
        self._validate_estimator()
        if self.categorical_encoder is None:
            self.categorical_encoder_ = OrdinalEncoder(dtype=np.int32)
        else:
            self.categorical_encoder_ = clone(self.categorical_encoder)
        encoded = self.categorical_encoder_.fit_transform(X)
        sizes = [len(values) for values in self.categorical_encoder_.categories_]
        metric = ValueDifferenceMetric(n_categories=sizes).fit(encoded, y)
        shares = metric.proba_per_class_

        rows_out, labels = [X], [y]
        for label, size, rows in self._targets(y):
            check_enough(self.nn_k_, len(rows), "k_neighbors", name_of(label))
            of_class = encoded[rows]
            found = _value_difference_neighbors(of_class.astype(np.intp), shares, self.nn_k_.n_neighbors)
            parents = check_random_state(self.random_state).choice(len(rows), size=size, replace=True)
            drawn, inverse = np.unique(parents, return_inverse=True)
            new = _modes(of_class, found[drawn])[inverse]
            rows_out.append(self.categorical_encoder_.inverse_transform(new))
            labels.append(np.full(size, label, dtype=y.dtype))
        result = np.vstack(rows_out)
        if wanted is not None:
            result = sparse.csr_array(result) if wanted == "csr" else sparse.csc_array(result)
        return result, np.hstack(labels)


def _value_difference_neighbors(
    codes: NDArray[np.intp], shares: list[NDArray[np.float64]], k: int
) -> NDArray[np.int64]:
    """Return each row and its k - 1 nearest others by the value difference metric (k = 1, r = 2), unordered.

    The distance is the sum over features of (sum over classes of |difference of shares|)^2.
    """
    n = len(codes)
    if shares[0].shape[1] == 2:
        # The shares of two classes add up to 1, or to 0 for an unused category, so the distance is a sum of
        # (2 difference)^2.
        points = np.column_stack([table[codes[:, j], 0] for j, table in enumerate(shares)])
        itself = np.arange(n)[:, np.newaxis]
        return np.hstack([itself, nearest_neighbors(points, k - 1).indices]) if k > 1 else itself
    found = np.empty((n, k), np.int64)
    different, inverse = np.unique(codes, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    step = max(1, 2**19 // n)
    nearest = np.empty((len(different), k), np.int64)
    for a in range(0, len(different), step):
        block = different[a : a + step]
        distances = np.zeros((len(block), n))
        for j, table in enumerate(shares):
            distances += (cdist(table[block[:, j]], table, "cityblock") ** 2)[:, codes[:, j]]
        last = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
        closer, equal = distances < last, distances == last
        room = k - np.count_nonzero(closer, axis=1, keepdims=True)
        chosen = closer | (equal & (np.cumsum(equal, axis=1) <= room))
        columns = np.nonzero(chosen)[1].reshape(len(block), k)
        # The last one by (distance, index) is put last, so that a row that equal rows pushed out can replace
        # it.
        sizes = np.take_along_axis(distances, columns, axis=1)
        nearest[a : a + step] = np.take_along_axis(columns, np.argsort(sizes, axis=1, kind="stable"), axis=1)
    found[:] = nearest[inverse]
    missing = ~(found == np.arange(n)[:, np.newaxis]).any(axis=1)
    found[missing, -1] = np.flatnonzero(missing)
    return found


def _modes(codes: NDArray[Any], tables: NDArray[np.int64]) -> NDArray[Any]:
    """Return each feature's most frequent code among the rows of each table, the smallest one if tied."""
    modes = np.empty((len(tables), codes.shape[1]), codes.dtype)
    step = max(1, 2**20 // tables.shape[1])
    for j in range(codes.shape[1]):
        for a in range(0, len(tables), step):
            around = np.sort(codes[tables[a : a + step], j], axis=1)
            best = np.argmax(_counts(around), axis=1)[:, np.newaxis]
            modes[a : a + step, j] = np.take_along_axis(around, best, axis=1)[:, 0]
    return modes
