"""Parent weights equal those of the papers, for any labels and for neighbors from any estimator."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from equipoise import SmoteSampler
from support.synthetic import DTYPES, points


def brute_others(X, y, cls, k):
    """Count the rows of other classes among the k nearest of each row of the class, by a full sort."""
    wide = X.astype(np.float64)
    others = []
    for i in np.flatnonzero(y == cls):
        squares = ((wide - wide[i]) ** 2).sum(axis=1)
        squares[i] = np.inf
        others.append(int((y[np.argsort(squares, kind="stable")[:k]] != cls).sum()))
    return np.array(others)


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_are_those_of_the_papers(dtype, copies):
    rng = np.random.default_rng(8)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(40, 2)) + 1.5]).astype(dtype)
    X = np.repeat(X, copies, axis=0)
    y = np.repeat(np.array(["a"] * 60 + ["b"] * 40), copies)
    shuffled = rng.permutation(len(y))
    X, y = X[shuffled], y[shuffled]
    for m in (1, 4, 5, 10):
        others = brute_others(X, y, "b", m)
        danger = [float(m / 2 <= q < m) for q in others]
        if not any(danger):
            with pytest.raises(ValueError, match="no row in danger"):
                equipoise.borderline_weights(X, y, "b", m_neighbors=m)
            continue
        got = equipoise.borderline_weights(X, y, "b", m_neighbors=m)
        assert got.dtype == np.float64
        assert got.tolist() == danger
    assert (
        equipoise.borderline_weights(X, y, "b").tolist()
        == equipoise.borderline_weights(X, y, "b", m_neighbors=10).tolist()
    )
    for k in (1, 5, 9):
        got = equipoise.safe_level_weights(X, y, "b", k_neighbors=k)
        assert got.tolist() == (k - brute_others(X, y, "b", k)).tolist()
    assert equipoise.safe_level_weights(X, y, "b").max() == 5
    sampler = SmoteSampler(X[y == "b"], parent_weights=equipoise.borderline_weights(X, y, "b"))
    parents = sampler.sample(3000, return_parents=True).parents
    assert (equipoise.borderline_weights(X, y, "b")[parents] == 1).all()


def test_labels_may_be_of_any_kind():
    X = points(30, 2)
    y = np.arange(30) % 2
    wanted = equipoise.safe_level_weights(X, y, 1).tolist()
    for labels, cls in (
        (y.tolist(), 1),
        (y.astype(bool), True),
        (y.astype(np.float32), np.float32(1)),
        (np.array(["x", "y"])[y], "y"),
        (np.array(["x", "y"], object)[y], "y"),
        (np.array(["x", "y"])[y], np.str_("y")),
    ):
        assert equipoise.safe_level_weights(X, labels, cls).tolist() == wanted


class Brute:
    """A neighbors estimator like scikit-learn's, whose ``n_neighbors`` counts the row itself."""

    def __init__(self, n_neighbors):
        self.n_neighbors = n_neighbors

    def fit(self, X):
        self.X = X

    def kneighbors(self, X, return_distance=True):
        assert return_distance is False
        squares = ((X[:, np.newaxis] - self.X) ** 2).sum(axis=2)
        return np.argsort(squares, axis=1, kind="stable")[:, : self.n_neighbors]


def test_neighbors_may_come_from_an_estimator():
    X, y = points(400, 3, dtype=np.float64), np.random.default_rng(8).integers(0, 3, 400)
    for cls in (0, 1, 2):
        for k in (1, 4, 10):
            assert (
                equipoise.safe_level_weights(X, y, cls, k_neighbors=Brute(k + 1)).tolist()
                == equipoise.safe_level_weights(X, y, cls, k_neighbors=k).tolist()
            )
        assert (
            equipoise.borderline_weights(X, y, cls, m_neighbors=Brute(11)).tolist()
            == equipoise.borderline_weights(X, y, cls).tolist()
        )


def test_estimators_with_wrong_answers_are_refused():
    X, y = points(40, 3), np.arange(40) % 2
    wrong = Brute(6)
    wrong.kneighbors = lambda X, return_distance: np.zeros((len(X), 5), int)
    with pytest.raises(
        ValueError, match=r"k_neighbors\.kneighbors\(X\) must have shape \(20, 6\), got \(20, 5\)"
    ):
        equipoise.safe_level_weights(X, y, 1, k_neighbors=wrong)
    wrong.kneighbors = lambda X, return_distance: np.full((len(X), 6), 40)
    with pytest.raises(IndexError, match=r"m_neighbors\.kneighbors\(X\)\[0, 0\]"):
        equipoise.borderline_weights(X, y, 1, m_neighbors=wrong)
