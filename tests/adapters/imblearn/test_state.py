"""Attributes, parameters, clones, pickles and docstrings are what users of imbalanced-learn expect."""

from __future__ import annotations

import doctest
import importlib
import pickle
import pkgutil

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
from sklearn.base import clone

import equipoise.imblearn as ours
from support.imblearn_cases import (
    COMBINED,
    NUMERIC,
    THEIRS,
    assert_same,
    blobs,
    seeded,
)


def test_fitted_attributes_equal_imbalanced_learns():
    X, y = blobs(16)
    done = assert_same("BorderlineSMOTE", X, y, random_state=0)
    assert done[0].in_danger_indices.keys() == done[1].in_danger_indices.keys()
    for label, rows in done[1].in_danger_indices.items():
        np.testing.assert_array_equal(done[0].in_danger_indices[label], rows)
    done = assert_same("KMeansSMOTE", X, y, random_state=0, kmeans_estimator=3)
    np.testing.assert_allclose(
        done[0].kmeans_estimator_.cluster_centers_, done[1].kmeans_estimator_.cluster_centers_
    )
    done = assert_same("RandomOverSampler", X, y, random_state=0, shrinkage={1: 0.1, 2: 0.0})
    assert done[0].shrinkage_ == done[1].shrinkage_
    for name in COMBINED:
        sampler = vars(ours)[name](n_jobs=2, random_state=0).fit(X, y)
        sampler.fit_resample(X, y)
        cleaner = sampler.enn_ if name == "SMOTEENN" else sampler.tomek_
        assert cleaner.n_jobs == 2
        assert type(cleaner).__module__.startswith("equipoise.")
        assert type(sampler.smote_) is ours.SMOTE


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_each_class_is_a_subclass_with_the_same_parameters(name):
    mine, theirs = vars(ours)[name], THEIRS[name]
    assert issubclass(mine, theirs)
    assert mine.__name__ == theirs.__name__
    arguments = {"categorical_features": [0]} if name == "SMOTENC" else {}
    assert mine(**arguments).get_params() == theirs(**arguments).get_params()
    assert mine._parameter_constraints == theirs._parameter_constraints
    assert mine._sampling_type == theirs._sampling_type
    assert repr(mine(**arguments).__sklearn_tags__()) == repr(theirs(**arguments).__sklearn_tags__())


@pytest.mark.parametrize("name", NUMERIC)
def test_every_class_can_be_cloned_and_pickled(name):
    X, y = blobs(17)
    sampler = vars(ours)[name](**seeded(name, 3, {}))
    wanted = sampler.fit_resample(X, y)
    for other in (clone(sampler), pickle.loads(pickle.dumps(sampler))):
        got = other.fit_resample(X, y)
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])


MODULES = ["equipoise.imblearn"] + [
    f"equipoise.imblearn.{module.name}" for module in pkgutil.iter_modules(ours.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted > 0 or name.endswith("_synthesis")


def test_every_class_has_an_example():
    for name in ours.__all__:
        assert ">>> " in vars(ours)[name].__doc__, name
