"""Rows do not depend on memory layout, labels, threads or the source of neighbors."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import imblearn.over_sampling
import imblearn.under_sampling
import sklearn.neighbors

import equipoise.imblearn as ours
from support.imblearn_cases import (
    ALL,
    NUMERIC,
    THEIRS,
    assert_same,
    blobs,
    fit,
    imblearn_neighbors,
    named,
    seeded,
    shares,
)


@pytest.mark.parametrize("case", ALL, ids=named)
def test_dense_and_sparse_rows_give_the_same(case):
    name, parameters = case
    X, y = blobs(3, form="csr_matrix")
    sampler = vars(ours)[name]
    mine, dense = (fit(sampler(**seeded(name, 3, parameters)), x, y) for x in (X, X.toarray()))
    if isinstance(dense, Exception):
        assert type(mine) is type(dense)
        return
    np.testing.assert_allclose(mine[0].toarray(), dense[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(mine[1], dense[1])


@pytest.mark.parametrize("name", NUMERIC)
def test_labels_may_be_of_any_kind(name):
    X, codes = blobs(5)
    text = np.array(["one", "two", "three"])
    for labels in (text, text.astype(object), np.array([3, -1, 7]), np.array([2.0, 1.0, 5.0])):
        assert_same(name, X, labels[codes], **seeded(name, 5, {}))
    two = np.array([True, False])[np.minimum(codes, 1)]
    assert_same(name, X, two, **seeded(name, 5, {}))


@pytest.mark.parametrize("name", NUMERIC)
def test_layout_and_dimensions_do_not_matter(name):
    X, y = blobs(6, d=30)
    for variant in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.tolist()):
        assert_same(name, variant, y, **seeded(name, 6, {}))
    X.setflags(write=False)
    assert_same(name, X, y, **seeded(name, 6, {}))


@pytest.mark.parametrize("name", NUMERIC)
def test_one_hot_labels_are_accepted(name):
    X, y = blobs(7)
    assert_same(name, X, np.eye(3, dtype=int)[y], **seeded(name, 7, {}))
    assert_same(name, X, y[:, None], **seeded(name, 7, {}))


@pytest.mark.parametrize(
    ("name", "key", "attribute", "default", "more_than"),
    [
        ("SMOTE", "k_neighbors", "nn_k_", 5, 1),
        ("BorderlineSMOTE", "k_neighbors", "nn_k_", 5, 1),
        ("BorderlineSMOTE", "m_neighbors", "nn_m_", 10, 1),
        ("SVMSMOTE", "k_neighbors", "nn_k_", 5, 1),
        ("SVMSMOTE", "m_neighbors", "nn_m_", 10, 1),
        ("KMeansSMOTE", "k_neighbors", "nn_k_", 2, 1),
        ("ADASYN", "n_neighbors", "nn_", 5, 1),
        ("EditedNearestNeighbours", "n_neighbors", "nn_", 3, 1),
        ("NearMiss", "n_neighbors", "nn_", 3, 0),
    ],
)
def test_neighbors_may_come_from_any_estimator(name, key, attribute, default, more_than):
    X, y = blobs(15)
    mine = vars(ours)[name](**seeded(name, 1, {}))
    wanted = mine.fit_resample(X, y)
    made = getattr(mine, attribute)
    assert isinstance(made, ours.NearestNeighbors)
    assert made.n_neighbors == default + more_than
    for nn in (
        imblearn_neighbors(default + more_than),
        ours.NearestNeighbors(default + more_than, n_jobs=2),
    ):
        # imbalanced-learn's own classes accept our estimator, too.
        for classes in (vars(ours), THEIRS):
            sampler = classes[name](**seeded(name, 1, {key: nn}))
            got = sampler.fit_resample(X, y)
            assert type(getattr(sampler, attribute)) is type(nn)
            assert getattr(sampler, attribute) is not nn
            np.testing.assert_allclose(got[0], wanted[0], rtol=1e-9)
            np.testing.assert_array_equal(got[1], wanted[1])


@pytest.mark.parametrize(
    ("name", "key", "n"),
    [
        ("SMOTE", "k_neighbors", 6),
        ("ADASYN", "n_neighbors", 6),
        ("BorderlineSMOTE", "m_neighbors", 11),
        ("SVMSMOTE", "m_neighbors", 11),
        ("KMeansSMOTE", "k_neighbors", 3),
        ("AllKNN", "n_neighbors", 4),
        ("EditedNearestNeighbours", "n_neighbors", 4),
        ("RepeatedEditedNearestNeighbours", "n_neighbors", 4),
        ("NeighbourhoodCleaningRule", "n_neighbors", 4),
        ("NearMiss", "n_neighbors", 3),
        ("NearMiss", "n_neighbors_ver3", 30),
    ],
)
@pytest.mark.parametrize("metric", ["euclidean", "minkowski", "manhattan", "nan_euclidean"])
def test_every_sampler_of_imbalanced_learn_takes_our_neighbors(name, key, n, metric):
    """They give what scikit-learn's give, for the samplers that have no class here, too."""
    X, y = blobs(20)
    made = getattr(imblearn.over_sampling, name, None) or getattr(imblearn.under_sampling, name)
    settings = {"version": 3} if key == "n_neighbors_ver3" else {}
    if "random_state" in made().get_params():
        settings["random_state"] = 1
    mine, theirs = (
        made(**settings, **{key: nn}).fit_resample(X, y)
        for nn in (
            ours.NearestNeighbors(n, metric=metric),
            sklearn.neighbors.NearestNeighbors(n_neighbors=n, metric=metric),
        )
    )
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-9)
    np.testing.assert_array_equal(mine[1], theirs[1])


def test_our_neighbors_work_in_imbalanced_learns_smoten():
    X, y = shares(0, features=2)
    sampler = imblearn.over_sampling.SMOTEN(
        sampling_strategy={1: 60}, k_neighbors=ours.NearestNeighbors(4), random_state=0
    )
    assert_same("SMOTEN", X, y, sampling_strategy={1: 60}, k_neighbors=3, random_state=0)
    wanted = ours.SMOTEN(sampling_strategy={1: 60}, k_neighbors=3, random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(sampler.fit_resample(X, y)[0], wanted[0])


@pytest.mark.parametrize("name", NUMERIC)
def test_threads_do_not_change_the_rows(name, monkeypatch):
    X, y = blobs(18, sizes=(500, 200, 90))
    results = []
    for number in ("1", "3"):
        monkeypatch.setenv("EQUIPOISE_NUM_THREADS", number)
        results.append(vars(ours)[name](**seeded(name, 3, {})).fit_resample(X, y))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
