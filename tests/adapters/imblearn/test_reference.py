"""Where no distances are equal, the drop-in classes return the rows of the installed imbalanced-learn."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import imblearn.over_sampling
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import equipoise.imblearn as ours
from support.imblearn_cases import (
    ALL,
    COMBINED,
    NUMERIC,
    SEEDED,
    SOUND,
    THEIRS,
    assert_same,
    blobs,
    imblearn_neighbors,
    kind_of,
    mixed,
    named,
    seeded,
    shares,
)


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        *((case, dtype) for case in ALL for dtype in (np.float32, np.float64)),
        *((case, dtype) for case in SOUND for dtype in (np.int64, np.int32)),
    ],
    ids=lambda value: named(value) if isinstance(value, tuple) else value.__name__,
)
def test_rows_equal_imbalanced_learns(case, dtype):
    name, parameters = case
    done = []
    for seed in range(8):
        X, y = blobs(seed, dtype=dtype)
        done.append(assert_same(name, X, y, **seeded(name, seed, parameters)))
    # With the other seeds, both raise an error, for example if no cluster has enough rows.
    assert sum(one is not None for one in done) >= 4


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array", "csc_array"])
@pytest.mark.parametrize("case", SOUND, ids=named)
def test_sparse_rows_equal_imbalanced_learns(case, form):
    name, parameters = case
    for seed in range(3):
        for dtype in (np.float64, np.float32, np.int64):
            X, y = blobs(seed, dtype=dtype, form=form)
            assert_same(name, X, y, **seeded(name, seed, parameters))


@pytest.mark.parametrize("case", [case for case in ALL if case[0] in SEEDED], ids=named)
def test_a_random_state_is_left_in_the_same_state(case):
    """A RandomState is left where imbalanced-learn leaves it."""
    name, parameters = case
    X, y = blobs(11)
    for seed in range(4):
        assert_same(name, X, y, **parameters, random_state=np.random.RandomState(seed))


def more(y):
    return {label: int(np.sum(y == label)) + 7 for label in (1, 2)}


def fewer(y):
    return {0: 50, 1: 30}


STRATEGIES = {
    "over": ["auto", "minority", "not minority", "not majority", "all", more, {1: 50}],
    "under": ["auto", "majority", "not minority", "not majority", "all", fewer, {0: 60, 1: 31}],
    "clean": ["auto", "majority", "not minority", "not majority", "all", [0], [0, 2]],
}


@pytest.mark.parametrize("name", NUMERIC)
def test_every_form_of_sampling_strategy_works(name):
    X, y = blobs(8)
    for strategy in STRATEGIES[kind_of(name)]:
        done = assert_same(name, X, y, sampling_strategy=strategy, **seeded(name, 8, {}))
        if done is not None and name not in COMBINED:
            assert done[0].sampling_strategy_ == done[1].sampling_strategy_
            assert isinstance(done[0].sampling_strategy_, OrderedDict)
    if kind_of(name) != "clean":
        ordered = OrderedDict(more(y) if kind_of(name) == "over" else fewer(y))
        assert_same(name, X, y, sampling_strategy=ordered, **seeded(name, 8, {}))
        X, y = blobs(9, sizes=(100, 40))
        for ratio in (0.5, 0.7, 1.0):
            assert_same(name, X, y, sampling_strategy=ratio, **seeded(name, 9, {}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, object])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_smotenc_equals_imbalanced_learns(dtype, k):
    for seed in range(6):
        X, y = mixed(seed, dtype=dtype)
        done = assert_same("SMOTENC", X, y, categorical_features=[0, 3], k_neighbors=k, random_state=seed)
        assert done[0].median_std_ == pytest.approx(done[1].median_std_, rel=1e-12)
        assert_same(
            "SMOTENC",
            X,
            y,
            categorical_features=[0, 3],
            k_neighbors=k,
            random_state=np.random.RandomState(seed),
        )


@pytest.mark.parametrize("scale", [1e5, 3.0, 0.7])
def test_smotenc_of_integers_equals_imbalanced_learns(scale):
    """What a category adds to a distance is truncated. If it becomes 0, any category may win the vote."""
    for seed in range(6):
        X, y = mixed(seed)
        X[:, 1:3] *= scale
        X = np.rint(X).astype(np.int64)
        # Small integers have equal distances, which scikit-learn's estimator orders as imbalanced-learn does.
        nn = imblearn_neighbors(4) if scale < 1e4 else 3
        assert_same("SMOTENC", X, y, categorical_features=[0, 3], random_state=seed, k_neighbors=nn)


@pytest.mark.parametrize("constant", [True, False])
def test_smotenc_of_constant_columns_equals_imbalanced_learns(constant):
    """If the median deviation is about 0, all categories count as equally frequent."""
    for seed in range(4):
        X, y = mixed(seed, dtype=np.float64)
        X = np.column_stack([X, X[:, 1] * 1e-9, X[:, 2] * 1e-9, X[:, 2] * 1e-9])
        if constant:
            X[:, [4, 5, 6]] = 1.0
        assert_same(
            "SMOTENC",
            X,
            y,
            categorical_features=[0, 3],
            random_state=seed,
            k_neighbors=imblearn_neighbors(6),
        )
        assert_same("SMOTENC", X, y, categorical_features=[0, 3], random_state=seed)


def test_smotenc_accepts_other_encoders():
    X, y = mixed(3)
    for encoder in (
        OneHotEncoder(sparse_output=False),
        OneHotEncoder(categories=[np.arange(3.0), np.arange(9.0)]),
        OneHotEncoder(categories=[np.arange(2.0), np.arange(5.0)], handle_unknown="ignore"),
        OneHotEncoder(min_frequency=2),
        make_pipeline(OneHotEncoder()),
    ):
        parameters = {"categorical_features": [0, 3], "categorical_encoder": encoder, "random_state": 1}
        if hasattr(encoder, "steps"):
            # A pipeline does not have the attribute categories_, which both libraries need.
            for sampler in (ours.SMOTENC, imblearn.over_sampling.SMOTENC):
                with pytest.raises(AttributeError):
                    sampler(**parameters).fit_resample(X, y)
        else:
            assert_same("SMOTENC", X, y, **parameters)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix"])
def test_smotenc_accepts_sparse_matrices(form):
    from scipy import sparse

    X, y = mixed(2)
    assert_same("SMOTENC", getattr(sparse, form)(X), y, categorical_features=[0, 3], random_state=0)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_smoten_equals_imbalanced_learns(classes, k):
    for seed in range(2):
        X, y = shares(seed, features=2)
        y = np.minimum(y, classes - 1)
        # Shares are computed from the class that gets no new rows.
        strategy = dict.fromkeys(range(1, classes), 80)
        assert_same("SMOTEN", X, y, sampling_strategy=strategy, k_neighbors=k, random_state=seed)


def test_borderline_2_works_where_imbalanced_learn_fails():
    """Integers and sparse matrices give what dense floats of the same values give."""
    X, y = blobs(19, dtype=np.int64)
    wanted = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X.astype(float), y)
    got = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(got[0], np.trunc(wanted[0]).astype(np.int64))
    X, y = blobs(19, form="csr_matrix")
    wanted = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X.toarray(), y)
    got = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X, y)
    np.testing.assert_allclose(got[0].toarray(), wanted[0], rtol=1e-9, atol=1e-12)


def test_cleaning_by_vote_accepts_text_labels():
    """imbalanced-learn accepts only numbers. Here, the result is that of the ranks of the labels."""
    X, y = blobs(20)
    text = np.array(["a", "b", "c"])[y]
    kept = [
        ours.EditedNearestNeighbours(kind_sel="mode", sampling_strategy="all").fit(X, labels)
        for labels in (text, y)
    ]
    for sampler, labels in zip(kept, (text, y), strict=True):
        sampler.fit_resample(X, labels)
    np.testing.assert_array_equal(kept[0].sample_indices_, kept[1].sample_indices_)


def test_a_sparse_matrix_with_duplicate_entries_is_not_changed():
    """Duplicate entries are summed in a copy, since the arrays may be read-only, as joblib's are."""
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    X, y = blobs(2, form="csr_matrix")
    indptr = 2 * X.indptr
    halves = sparse.csr_matrix((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), indptr), shape=X.shape)
    for part in (halves.data, halves.indices, halves.indptr):
        part.flags.writeable = False
    before = halves.nnz
    new, labels = ours.SMOTE(random_state=0).fit_resample(halves, y)
    # scikit-learn would square each half by itself, so that imbalanced-learn has wrong distances here.
    wanted, their_labels = THEIRS["SMOTE"](random_state=0).fit_resample(X, y)
    np.testing.assert_allclose(new.toarray(), wanted.toarray(), rtol=1e-12)
    np.testing.assert_array_equal(labels, their_labels)
    assert halves.nnz == before
