"""Data frames are accepted, and returned in the form that imbalanced-learn returns."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import equipoise.imblearn as ours
from support.imblearn_cases import (
    NUMERIC,
    THEIRS,
    assert_same,
    blobs,
    fit,
    mixed,
    seeded,
)


def test_smotenc_accepts_frames():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for seed in range(3):
        X, y = mixed(seed)
        frame = pandas.DataFrame(
            {
                "color": pandas.Categorical(np.array(["red", "green", "blue"])[X[:, 0].astype(int)]),
                "size": X[:, 1],
                "yes": X[:, 3] > 2,
                "weight": X[:, 2].astype(np.float32),
                "town": X[:, 3].astype(int),
            }
        )
        for columns in (["color", "yes", "town"], [0, 2, 4], [True, False, True, False, True]):
            assert_same("SMOTENC", frame, y, categorical_features=columns, random_state=seed)
        assert_same("SMOTENC", frame[["color", "size"]], y, categorical_features="auto", random_state=seed)


@pytest.mark.parametrize("name", NUMERIC)
def test_frames_are_returned_as_by_imbalanced_learn(name):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = blobs(13)
    frame = pandas.DataFrame(X, columns=list("abcde"), index=np.arange(len(y)) + 100)
    frame["e"] = frame["e"].astype(np.float32)
    series = pandas.Series(np.array(["x", "y", "z"])[y], name="target", index=frame.index)
    for labels in (series, series.astype("category"), series.to_frame(), pandas.Series(y, index=frame.index)):
        X_new, y_new = fit(vars(ours)[name](**seeded(name, 13, {})), frame, labels)[:2]
        their_X, their_y = fit(THEIRS[name](**seeded(name, 13, {})), frame, labels)[:2]
        pandas.testing.assert_frame_equal(X_new, their_X, rtol=1e-6)
        same = pandas.testing.assert_frame_equal if labels.ndim == 2 else pandas.testing.assert_series_equal
        same(y_new, their_y)


@pytest.mark.parametrize("name", NUMERIC)
def test_sparse_frames_are_returned_as_by_imbalanced_learn(name):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = blobs(14, form="csr_matrix")
    frame = pandas.DataFrame.sparse.from_spmatrix(X, columns=list("abcde"))
    X_new, y_new = fit(vars(ours)[name](**seeded(name, 14, {})), frame, pandas.Series(y))[:2]
    their_X, their_y = fit(THEIRS[name](**seeded(name, 14, {})), frame, pandas.Series(y))[:2]
    assert list(X_new.dtypes) == list(their_X.dtypes)
    np.testing.assert_allclose(X_new.to_numpy(), their_X.to_numpy(), rtol=1e-9)
    pandas.testing.assert_series_equal(y_new, their_y)


@pytest.mark.parametrize("name", ["RandomOverSampler", "RandomUnderSampler"])
def test_frames_may_hold_anything(name):
    """Text, dates, categories and missing values are allowed, since rows are only chosen."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    y = np.repeat([0, 1], [30, 10])
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "text": rng.choice(["a", "b"], 40),
            "number": np.where(rng.random(40) < 0.3, np.nan, 1.5),
            "date": pandas.to_datetime("2024-01-01") + pandas.to_timedelta(np.arange(40), "D"),
            "nothing": pandas.to_timedelta(["NaT"] * 40),
            "kind": pandas.Categorical(rng.choice(["u", "v"], 40)),
        }
    )
    mine = vars(ours)[name](random_state=0)
    theirs = THEIRS[name](random_state=0)
    pandas.testing.assert_frame_equal(mine.fit_resample(frame, y)[0], theirs.fit_resample(frame, y)[0])
    np.testing.assert_array_equal(mine.sample_indices_, theirs.sample_indices_)


def test_large_integers_of_a_frame_are_not_rounded():
    """imbalanced-learn rounds them, because it stacks them with floats."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"id": np.arange(40) + 2**53 + 1, "x": np.linspace(0, 1, 40)})
    new, _ = ours.RandomOverSampler(random_state=0).fit_resample(frame, np.repeat([0, 1], [30, 10]))
    assert set(new["id"]) == set(frame["id"])
