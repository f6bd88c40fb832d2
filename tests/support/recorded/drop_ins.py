"""Recorded answers of the drop-in classes.

They must not depend on the versions of scikit-learn and imbalanced-learn. The rows of most classes follow
from exact neighbors and from NumPy's legacy RandomState, whose streams are frozen. KMeansSMOTE and SVMSMOTE
use scikit-learn's clustering and support vectors, which change with its version, so they get the estimators
below.
The tests of equipoise.imblearn compare the defaults with the installed version.
"""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from support.recorded.digests import cases
from support.recorded.inputs import below, labeled


class Cells:
    """A clustering for KMeansSMOTE: whether a row is above the median of the first column."""

    n_clusters = 2

    def fit_predict(self, X, y=None):
        return (X[:, 0] > np.sort(X[:, 0])[len(X) // 2]).astype(np.int64)

    def fit(self, X, y=None):
        return self

    predict = fit_predict

    def get_params(self, deep=True):
        return {}

    def set_params(self, **_):
        return self


class EverySecond:
    """A classifier for SVMSMOTE: every second row is a support vector."""

    def fit(self, X, y):
        self.support_ = np.arange(0, len(X), 2)
        return self

    def predict(self, X):
        return np.zeros(len(X), np.int64)

    def get_params(self, deep=True):
        return {}

    def set_params(self, **_):
        return self


DROP_INS = {
    "SMOTE": {"random_state": 3},
    "BorderlineSMOTE": {"random_state": 3},
    "ADASYN": {"random_state": 3},
    "SMOTENC": {"random_state": 3, "categorical_features": [0, 5]},
    "SMOTEN": {"random_state": 3},
    "KMeansSMOTE": {"random_state": 3, "kmeans_estimator": Cells(), "cluster_balance_threshold": 0.0},
    "SVMSMOTE": {"random_state": 3, "svm_estimator": EverySecond()},
    "RandomOverSampler": {"random_state": 3},
    "RandomUnderSampler": {"random_state": 3},
    "TomekLinks": {},
    "EditedNearestNeighbours": {},
    "NearMiss": {},
    "SMOTEENN": {"random_state": 3},
    "SMOTETomek": {"random_state": 3},
}
VARIANTS = {
    "SMOTE": {"k_neighbors": 2, "sampling_strategy": {1: 200}},
    "BorderlineSMOTE": {"kind": "borderline-2"},
    "RandomOverSampler": {"sampling_strategy": 0.5},
    "RandomUnderSampler": {"replacement": True},
    "TomekLinks": {"sampling_strategy": "all"},
    "EditedNearestNeighbours": {"kind_sel": "mode", "n_neighbors": 5},
    "NearMiss": {"version": 2},
}


@cases(*DROP_INS)
def drop_in(name):
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    import equipoise.imblearn as ours

    answers = []
    for dtype in (np.float64, np.float32):
        x, y = labeled(dtype)
        if name == "SMOTENC":
            codes = below(800, 4, 38).reshape(400, 2)
            x = np.column_stack([codes[:, 0], x, codes[:, 1]]).astype(dtype)
        elif name == "SMOTEN":
            x = below(2400, 12, 39).reshape(400, 6).astype(dtype)
        for variant in ({}, VARIANTS.get(name)):
            if variant is not None:
                sampler = getattr(ours, name)(**{**DROP_INS[name], **variant})
                answers += [*sampler.fit_resample(x, y), getattr(sampler, "sample_indices_", None)]
    return answers


@cases("SMOTE", "RandomOverSampler", "EditedNearestNeighbours", "SMOTETomek")
def drop_in_on_sparse_rows(name):
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    from scipy import sparse

    import equipoise.imblearn as ours

    x, y = labeled()
    x[:, 1:][below(1200, 3, 41).reshape(400, 3) == 0] = 0
    new, labels = getattr(ours, name)(**DROP_INS[name]).fit_resample(sparse.csr_matrix(x), y)
    return [new.toarray(), labels]


@cases()
def neighbors_estimator():
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    import equipoise.imblearn as ours

    x, y = labeled()
    finder = ours.NearestNeighbors(n_neighbors=4).fit(x)
    return [
        finder.kneighbors(x[:50] / 2),
        finder.kneighbors(),
        ours.SMOTE(k_neighbors=finder, random_state=1).fit_resample(x, y),
        equipoise.safe_level_weights(x, y, 1, k_neighbors=finder),
        equipoise.SmoteSampler(x, k_neighbors=finder, seed=1).sample(100),
    ]
