"""equipoise.imblearn.NearestNeighbors is a scikit-learn estimator with the exact search."""

from __future__ import annotations

import os
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")

import sklearn.neighbors
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import equipoise
from equipoise.imblearn import NearestNeighbors
from equipoise.imblearn._nearest import as_estimator, neighbors_of, threads


def points(n=200, d=4, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.int32, bool])
@pytest.mark.parametrize("d", [4, 20])
def test_it_finds_what_scikit_learn_finds(d, dtype):
    X, Q = points(d=d), points(50, d=d, seed=1)
    if np.dtype(dtype).kind in "ib":
        X, Q = (np.rint(a * 1e4) for a in (X, Q))
    # Many distances of bools and of float16 tie, so only the distances must agree.
    tied = dtype in (bool, np.float16)
    X, Q = X.astype(dtype), Q.astype(dtype)
    mine, theirs = NearestNeighbors(7).fit(X), sklearn.neighbors.NearestNeighbors(n_neighbors=7).fit(X)
    for queries in (None, Q):
        distances, indices = mine.kneighbors(queries)
        their_distances, their_indices = theirs.kneighbors(queries)
        assert indices.dtype == np.int64
        assert distances.dtype == np.float64
        # scikit-learn computes distances from dot products.
        np.testing.assert_allclose(distances, their_distances, rtol=1e-6, atol=1e-3 if tied else 0)
        if not tied:
            np.testing.assert_array_equal(indices, their_indices)
        np.testing.assert_array_equal(mine.kneighbors(queries, return_distance=False), indices)
        np.testing.assert_array_equal(mine.kneighbors(queries, 3)[1], indices[:, :3])


def test_it_returns_what_nearest_neighbors_returns():
    X = points()
    found = equipoise.nearest_neighbors(X, 5)
    distances, indices = NearestNeighbors().fit(X).kneighbors()
    np.testing.assert_array_equal(indices, found.indices)
    np.testing.assert_array_equal(distances, found.distances)


def test_float32_keeps_its_digits():
    """Distances of float32 rows are computed in float64, since NearMiss compares sums of them."""
    X = points(300, 5, np.float32)
    distances, indices = NearestNeighbors(3).fit(X).kneighbors()
    exact = np.sqrt(((X[indices].astype(float) - X[:, None].astype(float)) ** 2).sum(axis=2))
    np.testing.assert_allclose(distances, exact, rtol=1e-14)
    wide = points(300, 5)
    np.testing.assert_array_equal(
        NearestNeighbors(3).fit(X).kneighbors(wide)[1],
        NearestNeighbors(3).fit(X.astype(float)).kneighbors(wide)[1],
    )


def test_ties_go_to_the_smaller_index():
    X = np.zeros((6, 2))
    nn = NearestNeighbors(3).fit(X)
    np.testing.assert_array_equal(
        nn.kneighbors()[1], [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    )
    np.testing.assert_array_equal(nn.kneighbors(X[:2])[1], [[0, 1, 2], [0, 1, 2]])


@pytest.mark.parametrize("copies", [1, 3, 8])
def test_rows_with_copies_may_not_be_their_own_neighbors(copies):
    """This holds even if more copies of a row have smaller indices than neighbors are asked for."""
    X = np.repeat(points(20), copies, axis=0)
    nn = as_estimator(4).fit(X)
    table = nn.kneighbors(n_neighbors=4, return_distance=False)
    rows = np.random.default_rng(0).permutation(len(X))[: len(X) // 2]
    np.testing.assert_array_equal(neighbors_of(nn, X, rows), table[rows])
    np.testing.assert_array_equal(neighbors_of(nn, X, np.arange(len(X))), table)


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_graphs_are_those_of_scikit_learn(mode):
    X, Q = points(), points(30, seed=1)
    mine, theirs = NearestNeighbors(4).fit(X), sklearn.neighbors.NearestNeighbors(n_neighbors=4).fit(X)
    for queries in (None, Q):
        graph, wanted = (nn.kneighbors_graph(queries, 6, mode=mode) for nn in (mine, theirs))
        assert graph.format == "csr"
        assert graph.shape == wanted.shape
        np.testing.assert_allclose(graph.toarray(), wanted.toarray(), rtol=1e-9)
    with pytest.raises(ValueError, match="Unsupported mode"):
        mine.kneighbors_graph(mode="both")


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array"])
def test_sparse_rows_are_searched_by_scikit_learn(form):
    X = points()
    X[np.abs(X) < 0.5] = 0
    S = getattr(sparse, form)(X)
    mine, theirs = NearestNeighbors().fit(S), sklearn.neighbors.NearestNeighbors().fit(S)
    for queries in (None, S[:20]):
        for a, b in zip(mine.kneighbors(queries), theirs.kneighbors(queries), strict=True):
            np.testing.assert_array_equal(a, b)
    # Sparse queries among dense rows become dense.
    np.testing.assert_array_equal(
        NearestNeighbors().fit(X).kneighbors(S[:20])[1], NearestNeighbors().fit(X).kneighbors(X[:20])[1]
    )


# Settings that the kernel knows nothing of.
OTHERS = [
    {"metric": "manhattan"},
    {"metric": "cosine"},
    {"metric": "minkowski", "p": 1},
    {"metric": "minkowski", "p": 3},
    {"metric": "minkowski", "metric_params": {"w": np.array([1.0, 2.0, 0.5, 4.0])}},
    {"metric": "seuclidean", "metric_params": {"V": np.array([1.0, 2.0, 0.5, 4.0])}},
    {"metric": "sqeuclidean"},
    {"metric": "nan_euclidean"},
    {"metric": lambda a, b: np.abs(a - b).max()},
    {"algorithm": "kd_tree"},
    {"algorithm": "ball_tree", "leaf_size": 3},
    {"algorithm": "auto"},
]


@pytest.mark.parametrize("settings", OTHERS, ids=lambda s: "-".join(f"{k}={v}"[:30] for k, v in s.items()))
def test_other_settings_are_left_to_scikit_learn(settings):
    X, Q = points(60), points(10, seed=1)
    mine = NearestNeighbors(3, **settings).fit(X)
    theirs = sklearn.neighbors.NearestNeighbors(**mine.get_params()).fit(X)
    assert mine.effective_metric_ == theirs.effective_metric_
    for queries in (None, Q):
        for a, b in zip(mine.kneighbors(queries), theirs.kneighbors(queries), strict=True):
            np.testing.assert_array_equal(a, b)


def test_missing_values_are_searched_by_nan_euclidean():
    X = points(60)
    X[::7, 1] = np.nan
    mine = NearestNeighbors(3, metric="nan_euclidean").fit(X)
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=3, metric="nan_euclidean").fit(X)
    for queries in (None, X[:9]):
        for a, b in zip(mine.kneighbors(queries), theirs.kneighbors(queries), strict=True):
            np.testing.assert_array_equal(a, b)
    assert mine.__sklearn_tags__().input_tags.allow_nan
    assert not NearestNeighbors().__sklearn_tags__().input_tags.allow_nan


def test_distances_may_be_given():
    X = points()
    D = sklearn.metrics.pairwise_distances(X)
    mine = NearestNeighbors(metric="precomputed").fit(D)
    np.testing.assert_array_equal(mine.kneighbors()[1], NearestNeighbors().fit(X).kneighbors()[1])
    assert NearestNeighbors(metric="precomputed").__sklearn_tags__().input_tags.pairwise


@pytest.mark.parametrize("settings", [{}, {"metric": "minkowski"}, {"metric_params": {}}], ids=str)
def test_euclidean_distances_are_searched_by_the_kernel(settings):
    """The kernel breaks ties by the index and sums squares, where scikit-learn uses dot products."""
    X = np.repeat(points(40), 3, axis=0)
    found = equipoise.nearest_neighbors(X, 4)
    mine = NearestNeighbors(4, **settings).fit(X)
    assert mine.effective_metric_ == "euclidean"
    np.testing.assert_array_equal(mine.kneighbors()[1], found.indices)
    np.testing.assert_array_equal(mine.kneighbors()[0], found.distances)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_radius_neighbors_are_those_of_scikit_learn(form):
    X, Q = form(points(80)), form(points(9, seed=1))
    mine = NearestNeighbors(radius=1.5).fit(X)
    theirs = sklearn.neighbors.NearestNeighbors(radius=1.5, algorithm="brute").fit(X)
    for queries, radius in ((None, None), (Q, None), (Q, 0.7)):
        got = mine.radius_neighbors(queries, radius, sort_results=True)
        wanted = theirs.radius_neighbors(queries, radius, sort_results=True)
        for a, b in zip(got[1], wanted[1], strict=True):
            np.testing.assert_array_equal(a, b)
        graph, their_graph = (nn.radius_neighbors_graph(queries, radius) for nn in (mine, theirs))
        assert (graph != their_graph).nnz == 0


def test_it_has_the_attributes_of_scikit_learns():
    X = points()
    mine = NearestNeighbors().fit(X)
    theirs = sklearn.neighbors.NearestNeighbors(algorithm="brute").fit(X)
    fitted = {name: value for name, value in vars(theirs).items() if name.endswith("_")}
    assert fitted == {"n_features_in_": 4, "n_samples_fit_": 200} | {
        "effective_metric_": "euclidean",
        "effective_metric_params_": {},
    }
    assert {name: getattr(mine, name) for name in fitted} == fitted
    assert isinstance(mine, sklearn.neighbors.NearestNeighbors)
    missing = [name for name in dir(theirs) if not name.startswith("__") and not hasattr(mine, name)]
    assert not missing


def test_a_fitted_tree_is_taken_as_by_scikit_learn():
    X = points()
    tree = sklearn.neighbors.KDTree(X, metric="manhattan")
    mine = NearestNeighbors(3).fit(tree).kneighbors()
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=3).fit(tree).kneighbors()
    np.testing.assert_array_equal(mine[1], theirs[1])


def test_pickles_of_version_0_1_must_be_fitted_again():
    """They have three parameters, and what was fitted is of another kind."""
    state = {"n_neighbors": 4, "metric": "manhattan", "n_jobs": None}
    fitted = {"_theirs": None, "_rows": points(), "_of": None, "n_samples_fit_": 200, "n_features_in_": 4}
    for old in (state, state | fitted):
        nn = NearestNeighbors.__new__(NearestNeighbors)
        nn.__setstate__(dict(old))
        assert nn.get_params() == NearestNeighbors(4, metric="manhattan").get_params()
        with pytest.raises(NotFittedError):
            nn.kneighbors()
        assert nn.fit(points()).kneighbors()[1].shape == (200, 4)


def test_it_can_be_cloned_and_pickled():
    nn = NearestNeighbors(3, n_jobs=2)
    defaults = sklearn.neighbors.NearestNeighbors().get_params()
    different = {"n_neighbors": 3, "algorithm": "brute", "metric": "euclidean", "n_jobs": 2}
    assert nn.get_params() == {**defaults, **different}
    assert clone(nn).get_params() == nn.get_params()
    assert nn.set_params(n_neighbors=4).n_neighbors == 4
    X = points()
    wanted = nn.fit(X).kneighbors()[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(nn)).kneighbors()[1], wanted)
    assert nn.n_features_in_ == 4
    assert nn.n_samples_fit_ == 200
    with pytest.raises(NotFittedError):
        clone(nn).kneighbors()


def test_the_rows_are_not_copied():
    X = points()
    assert np.shares_memory(NearestNeighbors().fit(X)._rows, X)


def test_frames_are_accepted():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X = points()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    nn = NearestNeighbors().fit(frame)
    np.testing.assert_array_equal(nn.feature_names_in_, list("abcd"))
    np.testing.assert_array_equal(nn.kneighbors(frame[:9])[1], NearestNeighbors().fit(X).kneighbors(X[:9])[1])
    with pytest.raises(ValueError, match="feature names should match"):
        nn.kneighbors(frame[list("dcba")])


def test_threads_come_from_n_jobs_or_the_environment(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert [threads(n) for n in (None, 1, 4, -1, -2, -6, -99)] == [None, 1, 4, 6, 5, 1, 1]
    X = points(3000)
    wanted = NearestNeighbors().fit(X).kneighbors()[1]
    for n_jobs in (1, 3, -1):
        np.testing.assert_array_equal(NearestNeighbors(n_jobs=n_jobs).fit(X).kneighbors()[1], wanted)


@pytest.mark.parametrize(
    ("parameters", "X", "error", "text"),
    [
        ({"n_neighbors": 0}, points(), ValueError, "The 'n_neighbors' parameter of NearestNeighbors must"),
        ({"n_neighbors": 2.0}, points(), ValueError, "The 'n_neighbors' parameter of NearestNeighbors must"),
        ({"radius": -1.0}, points(), ValueError, "The 'radius' parameter of NearestNeighbors must"),
        ({"algorithm": "tree"}, points(), ValueError, "The 'algorithm' parameter of NearestNeighbors must"),
        (
            {"n_jobs": 0},
            points(),
            ValueError,
            "n_jobs must be a positive number, a negative one or None, got 0",
        ),
        ({}, [[0.0], [np.nan]], ValueError, "Input X contains NaN"),
        ({}, [[0.0], [np.inf]], ValueError, "Input X contains infinity"),
        ({}, [0.0, 1.0], ValueError, "Expected 2D array, got 1D array"),
        ({}, points() + 1j, ValueError, "Complex data not supported"),
        ({}, [["a"], ["b"]], ValueError, "dtype='numeric' is not compatible with arrays of bytes/strings"),
        ({}, np.zeros((0, 3)), ValueError, "Found array with 0 sample"),
        ({"metric": "nearness"}, points(), ValueError, "metric"),
    ],
)
def test_bad_rows_are_refused(parameters, X, error, text):
    with pytest.raises(error, match=text):
        NearestNeighbors(**parameters).fit(X)


@pytest.mark.parametrize(
    ("queries", "k", "error", "text"),
    [
        (
            None,
            200,
            ValueError,
            "Expected n_neighbors < n_samples_fit, but n_neighbors = 200, n_samples_fit = 200",
        ),
        (points(3), 201, ValueError, "Expected n_neighbors <= n_samples_fit, but n_neighbors = 201"),
        (points(3), 0, ValueError, "Expected n_neighbors > 0. Got 0"),
        (points(3), 2.5, TypeError, "n_neighbors does not take <class 'float'> value"),
        (points(3, 5), 2, ValueError, "X has 5 features, but NearestNeighbors is expecting 4 features"),
        (points(3) * np.nan, 2, ValueError, "Input X contains NaN"),
    ],
)
def test_bad_queries_are_refused(queries, k, error, text):
    with pytest.raises(error, match=text):
        NearestNeighbors().fit(points()).kneighbors(queries, k)


def test_bad_values_are_refused_where_scikit_learn_does_not_look():
    X = points()
    X[7, 2] = np.inf
    with sklearn.config_context(assume_finite=True):
        with pytest.raises(ValueError, match=r"X\[7, 2\] must be finite, got inf"):
            NearestNeighbors().fit(X)
        with pytest.raises(ValueError, match=r"X\[2, 2\] must be finite, got inf"):
            NearestNeighbors().fit(points()).kneighbors(X[5:9])


def test_scikit_learns_own_checks_pass():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(NearestNeighbors())


def test_bad_n_jobs_is_refused():
    with pytest.raises(TypeError, match="n_jobs must be an integer or None, got str"):
        NearestNeighbors(n_jobs="2").fit([[0.0], [1.0]])
    with pytest.raises(ValueError, match="n_jobs must be a positive number, a negative one or None, got 0"):
        NearestNeighbors(n_jobs=0).fit([[0.0], [1.0]])
