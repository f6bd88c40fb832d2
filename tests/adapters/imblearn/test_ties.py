"""Where distances are equal, the drop-in classes order neighbors by (distance, index).

The rows are duplicates, counts, one-hot rows and categories. imbalanced-learn's order of neighbors is then an
accident of its search, so the tests rebuild the rows from the draws and from sorted neighbors. With
scikit-learn's estimator, the rows equal imbalanced-learn's.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import sklearn.neighbors

import equipoise.imblearn as ours
from support.imblearn_cases import SEEDED, THEIRS, assert_same, fit, mixed

SIZES = (70, 30, 20)


def duplicates(rng, y):
    """Return points that occur ten times each, with any labels."""
    return rng.normal(size=(-(-len(y) // 10), 3))[np.arange(len(y)) // 10]


def counts(rng, y):
    return rng.integers(0, 4, size=(len(y), 3))


def one_hot(rng, y):
    return np.hstack([np.eye(4)[rng.integers(4, size=len(y))], np.eye(3)[rng.integers(3, size=len(y))]])


def equal(rng, y):
    return np.full((len(y), 2), 1.5)


def float32(rng, y):
    return counts(rng, y).astype(np.float32)


PROBLEMS = [duplicates, counts, one_hot, equal, float32]


def problem(make, seed):
    rng = np.random.default_rng([seed, 7])
    y = rng.permutation(np.repeat(np.arange(len(SIZES)), SIZES))
    return make(rng, y), y


def nearest(X, k, rows=None, among=None):
    """Return the neighbors of `rows` in `among` by (distance, index), in the obvious, slow way."""
    X = X.astype(float)
    rows = np.arange(len(X)) if rows is None else rows
    among = np.arange(len(X)) if among is None else among
    found = []
    for i in rows:
        others = [j for j in among if j != i]
        found.append(sorted(others, key=lambda j: (((X[i] - X[j]) ** 2).sum(), j))[:k])
    return np.array(found)


def segment(X, parents, neighbors, gaps):
    base = X[parents].astype(float)
    return (base + gaps[:, None] * (X[neighbors] - base)).astype(X.dtype)


def assert_rows(mine, wanted):
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(mine, wanted, rtol=4 * np.finfo(wanted.dtype).eps, atol=1e-7)
    else:
        np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize("make", PROBLEMS)
@pytest.mark.parametrize("k", [1, 5])
def test_smote_is_on_the_segments_of_true_neighbors(make, k):
    for seed in range(5):
        X, y = problem(make, seed)
        X_new, y_new = ours.SMOTE(random_state=seed, k_neighbors=k).fit_resample(X, y)
        np.testing.assert_array_equal(np.bincount(y_new), [70, 70, 70])
        assert X_new.dtype == X.dtype
        np.testing.assert_array_equal(X_new[:120], X)
        begin = 120
        for label, size in ((1, 40), (2, 50)):
            rows = np.flatnonzero(y == label)
            table = nearest(X, k, rows, rows)
            random = np.random.RandomState(seed)
            picks, gaps = random.randint(0, table.size, size), random.uniform(size=size)
            wanted = segment(X, rows[picks // k], table.ravel()[picks], gaps)
            assert_rows(X_new[begin : begin + size], wanted)
            begin += size


@pytest.mark.parametrize("make", PROBLEMS)
def test_adasyn_is_on_the_segments_of_true_neighbors(make):
    for seed in range(5):
        X, y = problem(make, seed)
        X_new, y_new = ours.ADASYN(random_state=seed).fit_resample(X, y)
        random, begin = np.random.RandomState(seed), 120
        for label, size in ((1, 40), (2, 50)):
            rows = np.flatnonzero(y == label)
            ratios = (y[nearest(X, 5, rows)] != label).sum(axis=1) / 5
            numbers = np.rint(ratios / ratios.sum() * size).astype(int)
            parents = np.repeat(np.arange(len(rows)), numbers)
            columns = random.choice(5, size=numbers.sum())
            gaps = random.uniform(size=numbers.sum())
            wanted = segment(X, rows[parents], nearest(X, 5, rows, rows)[parents, columns], gaps)
            assert_rows(X_new[begin : begin + len(wanted)], wanted)
            assert (y_new[begin : begin + len(wanted)] == label).all()
            begin += len(wanted)
        assert begin == len(X_new)


@pytest.mark.parametrize("make", PROBLEMS)
def test_borderline_is_on_the_segments_of_true_neighbors(make):
    for seed in range(5):
        X, y = problem(make, seed)
        sampler = ours.BorderlineSMOTE(random_state=seed)
        X_new, _ = sampler.fit_resample(X, y)
        begin = 120
        for label, size in ((1, 40), (2, 50)):
            rows = np.flatnonzero(y == label)
            others = (y[nearest(X, 10, rows)] != label).sum(axis=1)
            danger = rows[(others >= 5) & (others < 10)]
            if not len(danger):
                assert label not in sampler.in_danger_indices
                continue
            np.testing.assert_array_equal(sampler.in_danger_indices[label], danger)
            table = nearest(X, 5, danger, rows)
            random = np.random.RandomState(seed)
            picks, gaps = random.randint(0, table.size, size), random.uniform(size=size)
            wanted = segment(X, danger[picks // 5], table.ravel()[picks], gaps)
            assert_rows(X_new[begin : begin + size], wanted)
            begin += size
        assert begin == len(X_new)


@pytest.mark.parametrize("make", PROBLEMS)
def test_tomek_links_follow_the_definition(make):
    for seed in range(5):
        X, y = problem(make, seed)
        near = nearest(X, 1)[:, 0]
        for strategy, targets in (("all", (0, 1, 2)), ("auto", (0, 1)), ([2], (2,))):
            sampler = ours.TomekLinks(sampling_strategy=strategy)
            sampler.fit_resample(X, y)
            kept = [
                i
                for i in range(len(y))
                if not (y[i] in targets and y[near[i]] != y[i] and near[near[i]] == i)
            ]
            np.testing.assert_array_equal(sampler.sample_indices_, kept)


@pytest.mark.parametrize("kind", ["all", "mode"])
@pytest.mark.parametrize("make", PROBLEMS)
def test_edited_nearest_neighbors_follows_the_definition(make, kind):
    for seed in range(5):
        X, y = problem(make, seed)
        for k in (1, 3, 6):
            labels = y[nearest(X, k)]
            for strategy, targets in (("all", (0, 1, 2)), ("auto", (0, 1))):
                kept = []
                for label in (0, 1, 2):
                    for i in np.flatnonzero(y == label):
                        votes = np.bincount(labels[i], minlength=3)
                        agrees = votes[label] == k if kind == "all" else votes.argmax() == label
                        if label not in targets or agrees:
                            kept.append(i)
                sampler = ours.EditedNearestNeighbours(
                    n_neighbors=k, kind_sel=kind, sampling_strategy=strategy
                )
                sampler.fit_resample(X, y)
                np.testing.assert_array_equal(sampler.sample_indices_, kept)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_near_miss_takes_the_smaller_index(version):
    X, y = problem(equal, 0)
    sampler = ours.NearMiss(version=version, sampling_strategy={0: 4, 1: 3, 2: 20})
    if version == 3:
        with pytest.warns(UserWarning, match="The number of the samples to be selected is larger"):
            sampler.fit_resample(X, y)
        wanted = [np.flatnonzero(y == 0)[:3], np.flatnonzero(y == 1)[:3], np.flatnonzero(y == 2)[:3]]
    else:
        sampler.fit_resample(X, y)
        wanted = [np.flatnonzero(y == 0)[:4], np.flatnonzero(y == 1)[:3], np.flatnonzero(y == 2)]
    np.testing.assert_array_equal(sampler.sample_indices_, np.concatenate(wanted))


ESTIMATORS = [
    ("SMOTE", {"k_neighbors": 6}),
    ("BorderlineSMOTE", {"k_neighbors": 6, "m_neighbors": 11}),
    ("SVMSMOTE", {"k_neighbors": 6, "m_neighbors": 11}),
    ("KMeansSMOTE", {"k_neighbors": 3, "kmeans_estimator": 2, "cluster_balance_threshold": 0.05}),
    ("ADASYN", {"n_neighbors": 6}),
    ("EditedNearestNeighbours", {"n_neighbors": 4}),
    ("EditedNearestNeighbours", {"n_neighbors": 4, "kind_sel": "mode"}),
    *(("NearMiss", {"n_neighbors": 3, "n_neighbors_ver3": 4, "version": version}) for version in (1, 2, 3)),
]


@pytest.mark.parametrize("make", [duplicates, counts, one_hot, float32])
@pytest.mark.parametrize(("name", "parameters"), ESTIMATORS)
def test_an_estimator_gives_imbalanced_learns_rows(name, parameters, make):
    done = []
    for seed in range(5):
        X, y = problem(make, seed)
        given = {
            key: sklearn.neighbors.NearestNeighbors(n_neighbors=value) if "neighbors" in key else value
            for key, value in parameters.items()
        }
        seeded = {"random_state": seed} if name in SEEDED else {}
        done.append(assert_same(name, X, y, **given, **seeded))
    assert sum(one is not None for one in done) >= (0 if name == "SVMSMOTE" else 3)


@pytest.mark.parametrize("make", PROBLEMS)
@pytest.mark.parametrize("name", sorted(set(THEIRS) - {"SMOTENC", "SMOTEN"}))
def test_given_rows_are_kept_and_counts_are_reached(name, make):
    """New rows are within the range of the given ones."""
    for seed in range(3):
        X, y = problem(make, seed)
        if name == "KMeansSMOTE":
            sampler = ours.KMeansSMOTE(random_state=seed, kmeans_estimator=1)
        else:
            sampler = vars(ours)[name](**({"random_state": seed} if name in SEEDED else {}))
        got = fit(sampler, X, y)
        if isinstance(got, Exception):
            # If all rows are equal, a cluster has no density, and all support vectors are noise.
            assert name in ("KMeansSMOTE", "SVMSMOTE"), got
            continue
        X_new, y_new, indices = got
        assert X_new.dtype == X.dtype
        assert set(np.unique(y_new)) <= {0, 1, 2}
        if indices is not None:
            np.testing.assert_array_equal(X_new, X[indices])
            np.testing.assert_array_equal(y_new, y[indices])
        if name in ("SMOTE", "RandomOverSampler"):
            np.testing.assert_array_equal(np.bincount(y_new), [70, 70, 70])
        if name == "RandomUnderSampler":
            np.testing.assert_array_equal(np.bincount(y_new), [20, 20, 20])
        if name != "SVMSMOTE":
            assert (X_new >= X.min(axis=0)).all()
            assert (X_new <= X.max(axis=0)).all()


@pytest.mark.parametrize("levels", [(2, 2), (3, 5), (40, 2)])
def test_smotenc_votes_by_the_definition(levels):
    """Many distances are equal. The neighbors in the order of (distance, index) vote."""
    for seed in range(5):
        X, y = mixed(seed, levels=levels)
        X[:, 1:3] = np.rint(X[:, 1:3])
        sampler = ours.SMOTENC(categorical_features=[0, 3], random_state=seed)
        X_new, _ = sampler.fit_resample(X, y)
        begin = len(X)
        for label, size in ((1, 50), (2, 65)):
            rows = np.flatnonzero(y == label)
            numbers, codes = X[rows][:, [1, 2]], X[rows][:, [0, 3]]
            median = np.median(numbers.std(axis=0))
            assert sampler.median_std_[label] == pytest.approx(median, rel=1e-12)
            table = []
            for i in range(len(rows)):
                distances = ((numbers - numbers[i]) ** 2).sum(axis=1)
                distances += sampler.median_std_[label] ** 2 * (codes != codes[i]).sum(axis=1)
                others = [j for j in range(len(rows)) if j != i]
                table.append(sorted(others, key=lambda j: (round(distances[j], 9), j))[:5])
            table = np.array(table)
            random = np.random.RandomState(seed)
            picks, gaps = random.randint(0, table.size, size), random.uniform(size=size)
            wanted = segment(numbers, picks // 5, table.ravel()[picks], gaps)
            new = X_new[begin : begin + size]
            np.testing.assert_allclose(new[:, [1, 2]], wanted, rtol=1e-9, atol=1e-12)
            for column, place in ((0, 0), (3, 1)):
                for row, pick in zip(new, picks, strict=True):
                    votes = np.bincount(codes[table[pick // 5], place].astype(int), minlength=40)
                    assert votes[int(row[column])] == votes.max()
            begin += size


@pytest.mark.parametrize("levels", [(3, 4), (2, 9)])
def test_smotenc_with_an_estimator_breaks_ties_like_imbalanced_learn(levels):
    for seed in range(5):
        X, y = mixed(seed, levels=levels)
        X[:, 1:3] = np.rint(X[:, 1:3])
        assert_same(
            "SMOTENC",
            X,
            y,
            categorical_features=[0, 3],
            k_neighbors=sklearn.neighbors.NearestNeighbors(n_neighbors=6),
            random_state=seed,
        )


@pytest.mark.parametrize("classes", [2, 3])
def test_smoten_follows_the_definition(classes):
    from imblearn.metrics.pairwise import ValueDifferenceMetric

    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = np.minimum(rng.permutation(np.repeat([0, 1, 2], SIZES)), classes - 1)
        X = rng.integers(0, 4, size=(len(y), 3))
        X_new, y_new = ours.SMOTEN(random_state=seed, k_neighbors=4).fit_resample(X, y)
        np.testing.assert_array_equal(np.bincount(y_new), [70] * classes)
        metric = ValueDifferenceMetric(n_categories=[4, 4, 4]).fit(X, y)
        begin = len(X)
        for label in range(1, classes):
            rows = np.flatnonzero(y == label)
            distances = np.round(metric.pairwise(X[rows]), 9)
            parents = np.random.RandomState(seed).choice(len(rows), 70 - len(rows))
            for parent, new in zip(parents, X_new[begin : begin + len(parents)], strict=True):
                others = [j for j in range(len(rows)) if j != parent]
                table = [parent, *sorted(others, key=lambda j: (distances[parent, j], j))[:4]]
                wanted = [np.bincount(X[rows[table], j]).argmax() for j in range(3)]
                np.testing.assert_array_equal(new, wanted)
            begin += len(parents)


def test_smoten_with_an_estimator_breaks_ties_like_imbalanced_learn():
    for seed in range(5):
        X, y = problem(counts, seed)
        nn = sklearn.neighbors.NearestNeighbors(n_neighbors=6)
        assert_same("SMOTEN", X, y, k_neighbors=nn, random_state=seed)
