"""Problems and comparisons for the tests of equipoise.imblearn."""

from __future__ import annotations

import warnings

import imblearn.combine
import imblearn.over_sampling
import imblearn.under_sampling
import numpy as np
from scipy import sparse

import equipoise.imblearn as ours

THEIRS = {
    name: getattr(space, name)
    for space in (imblearn.over_sampling, imblearn.under_sampling, imblearn.combine)
    for name in space.__all__
    if name in ours.__all__
}
OVER = ["SMOTE", "BorderlineSMOTE", "SVMSMOTE", "KMeansSMOTE", "ADASYN", "RandomOverSampler"]
COMBINED = ["SMOTEENN", "SMOTETomek"]
UNDER = ["RandomUnderSampler", "NearMiss"]
CLEAN = ["TomekLinks", "EditedNearestNeighbours"]
NUMERIC = [*OVER, *COMBINED, *UNDER, *CLEAN]
SEEDED = {*OVER, *COMBINED, "RandomUnderSampler", "SMOTENC", "SMOTEN"}


def blobs(seed, sizes=(90, 40, 25), d=5, dtype=np.float64, form="dense"):
    """Return overlapping classes whose distances do not tie, in random order."""
    rng = np.random.default_rng([seed, 1])
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(y), d)) + 0.8 * y[:, None]
    if form != "dense":
        X[rng.random(X.shape) < 0.3] = 0
        # One column has no zeros, so that no two rows are equal.
        X[:, 0] = rng.normal(size=len(y))
    if np.dtype(dtype).kind == "i":
        X *= 1e5
    X = X.astype(dtype)
    if form != "dense":
        X = getattr(sparse, form)(X)
    return X, y


def mixed(seed, sizes=(90, 40, 25), dtype=np.float64, levels=(3, 5)):
    """Return numbers in columns 1 and 2 and category codes in columns 0 and 3."""
    X, y = blobs(seed, sizes, 2)
    rng = np.random.default_rng([seed, 2])
    codes = [rng.integers(n, size=len(y)) for n in levels]
    return np.column_stack([codes[0], X[:, 0], X[:, 1], codes[1]]).astype(dtype), y


def fit(sampler, X, y):
    """Return (X, y, sample_indices_) of a sampler, or the error that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            X_new, y_new = sampler.fit_resample(X, y)
        except (ValueError, RuntimeError) as error:
            return error
    return X_new, y_new, getattr(sampler, "sample_indices_", None)


def assert_same(name, X, y, *, compare_state=True, **parameters):
    """Require that our class of this name gives the same as imbalanced-learn's for X and y."""
    cases = []
    for classes in (vars(ours), THEIRS):
        made = dict(parameters)
        if isinstance(made.get("random_state"), np.random.RandomState):
            state = np.random.RandomState()
            state.set_state(made["random_state"].get_state())
            made["random_state"] = state
        cases.append((classes[name](**made), made.get("random_state")))
    (sampler, state), (their_sampler, their_state) = cases
    mine, wanted = fit(sampler, X, y), fit(their_sampler, X, y)
    if isinstance(wanted, Exception):
        assert type(mine) is type(wanted), (mine, wanted)
        return None
    assert not isinstance(mine, Exception), mine
    assert_alike(mine[0], wanted[0], type(X))
    assert type(mine[1]) is type(wanted[1])
    assert np.asarray(mine[1]).dtype == np.asarray(wanted[1]).dtype
    np.testing.assert_array_equal(mine[1], wanted[1])
    assert (mine[2] is None) == (wanted[2] is None)
    if mine[2] is not None:
        np.testing.assert_array_equal(mine[2], wanted[2])
    if isinstance(state, np.random.RandomState) and compare_state:
        # Both must draw equally often, so that other users of the generator get the same numbers.
        np.testing.assert_equal(state.get_state(), their_state.get_state())
    return sampler, their_sampler


def assert_alike(mine, wanted, given):
    """Require the same type, format, dtype and shape, equal integers and nearly equal floats."""
    # With old versions of SciPy imbalanced-learn loses the type of sparse arrays.
    assert type(mine) is type(wanted) or (sparse.issparse(wanted) and type(mine) is given)
    if hasattr(wanted, "dtypes"):
        assert list(mine.dtypes) == list(wanted.dtypes)
        assert list(mine.columns) == list(wanted.columns)
        assert list(mine.index) == list(wanted.index)
        for column in wanted.columns:
            assert_numbers(np.asarray(mine[column]), np.asarray(wanted[column]))
        return
    if sparse.issparse(wanted):
        mine, wanted = mine.toarray(), wanted.toarray()
    assert_numbers(np.asarray(mine), np.asarray(wanted))


def assert_numbers(mine, wanted):
    assert mine.dtype == wanted.dtype
    assert mine.shape == wanted.shape
    if wanted.dtype.kind != "f":
        if wanted.dtype == object and wanted.ndim == 2:
            for a, b in zip(mine.T, wanted.T, strict=True):
                if all(isinstance(value, float) for value in b):
                    assert_numbers(a.astype(float), b.astype(float))
                else:
                    np.testing.assert_array_equal(a, b)
            return
        np.testing.assert_array_equal(mine, wanted)
        return
    # Each number is a sum of two products, so it is off by a few units in the last place of the largest.
    size = np.abs(wanted).max(initial=1)
    np.testing.assert_allclose(mine, wanted, rtol=0, atol=8 * np.finfo(wanted.dtype).eps * size)


# Parameters other than the defaults.
VARIANTS = [
    ("SMOTE", {"k_neighbors": 3}),
    ("SMOTE", {"k_neighbors": 1}),
    ("BorderlineSMOTE", {"kind": "borderline-2"}),
    ("BorderlineSMOTE", {"k_neighbors": 2, "m_neighbors": 5}),
    ("SVMSMOTE", {"out_step": 0.2, "m_neighbors": 6}),
    ("KMeansSMOTE", {"kmeans_estimator": 3, "cluster_balance_threshold": 0.05}),
    ("KMeansSMOTE", {"kmeans_estimator": 1}),
    ("KMeansSMOTE", {"kmeans_estimator": 2, "density_exponent": 2.0, "cluster_balance_threshold": 0.01}),
    ("ADASYN", {"n_neighbors": 8}),
    ("RandomOverSampler", {"shrinkage": 0.5}),
    ("RandomUnderSampler", {"replacement": True}),
    ("EditedNearestNeighbours", {"kind_sel": "mode", "sampling_strategy": "all"}),
    ("EditedNearestNeighbours", {"n_neighbors": 6, "kind_sel": "mode"}),
    ("TomekLinks", {"sampling_strategy": "all"}),
    ("NearMiss", {"n_neighbors": 1}),
    ("NearMiss", {"version": 2}),
    ("NearMiss", {"version": 2, "n_neighbors": 20}),
    ("NearMiss", {"version": 3}),
    ("NearMiss", {"version": 3, "n_neighbors_ver3": 8, "n_neighbors": 2}),
]


ALL = [*((name, {}) for name in NUMERIC), *VARIANTS]


def seeded(name, seed, parameters):
    return {**parameters, "random_state": seed} if name in SEEDED else parameters


def named(case):
    return "-".join([case[0], *(f"{key}={value}" for key, value in case[1].items())])


# imbalanced-learn fails here for integers and sparse rows, because it scales differences in place.
IN_PLACE = [case for case in ALL if case[1].get("kind") == "borderline-2"]


SOUND = [case for case in ALL if case not in IN_PLACE]


def kind_of(name):
    return "under" if name in UNDER else "clean" if name in CLEAN else "over"


def imblearn_neighbors(n):
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=n)


def shares(seed, features, per_class=25):
    """Return categories that occur once each in the smaller classes, so that no two distances are equal."""
    rng = np.random.default_rng(seed)
    columns, sizes = [], (40, per_class, per_class - 5)
    for _ in range(features):
        minority = rng.permutation(sum(sizes[1:]))
        # Each category occurs a different number of times in the large class.
        counts = rng.choice(np.arange(1, 20000), size=len(minority), replace=False)
        columns.append((minority, counts))
    total = max(int(counts.sum()) for _, counts in columns)
    X = np.empty((total + sum(sizes[1:]), features), dtype=object)
    for j, (minority, counts) in enumerate(columns):
        large = np.repeat(np.arange(len(minority)), counts)
        large = np.concatenate([large, np.full(total - len(large), len(minority))])
        X[:, j] = [f"v{c:03}" for c in np.concatenate([large, minority])]
    y = np.repeat([0, 1, 2], [total, *sizes[1:]])
    return X, y
