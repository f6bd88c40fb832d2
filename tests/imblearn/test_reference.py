"""equipoise.imblearn against the installed imbalanced-learn, on data without equal distances."""

from __future__ import annotations

import doctest
import importlib
import pickle
import pkgutil
from collections import OrderedDict

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")

import imblearn.over_sampling
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import equipoise.imblearn as ours
from support.imblearn_cases import (
    CLEAN,
    COMBINED,
    NUMERIC,
    OVER,
    SEEDED,
    THEIRS,
    UNDER,
    assert_same,
    blobs,
    fit,
    mixed,
)

# What each class has beside its defaults.
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


# ---- the same rows ----------------------------------------------------------------------------------------


# imbalanced-learn's cannot do integers, nor sparse rows: it scales the differences in place.
IN_PLACE = [case for case in ALL if case[1].get("kind") == "borderline-2"]
SOUND = [case for case in ALL if case not in IN_PLACE]


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        *((case, dtype) for case in ALL for dtype in (np.float32, np.float64)),
        *((case, dtype) for case in SOUND for dtype in (np.int64, np.int32)),
    ],
    ids=lambda value: named(value) if isinstance(value, tuple) else value.__name__,
)
def test_the_same_rows(case, dtype):
    name, parameters = case
    done = []
    for seed in range(8):
        X, y = blobs(seed, dtype=dtype)
        done.append(assert_same(name, X, y, **seeded(name, seed, parameters)))
    # In the others both refuse: no cluster with enough rows, say.
    assert sum(one is not None for one in done) >= 4


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array", "csc_array"])
@pytest.mark.parametrize("case", SOUND, ids=named)
def test_the_same_rows_of_sparse_matrices(case, form):
    name, parameters = case
    for seed in range(3):
        for dtype in (np.float64, np.float32, np.int64):
            X, y = blobs(seed, dtype=dtype, form=form)
            assert_same(name, X, y, **seeded(name, seed, parameters))


@pytest.mark.parametrize("case", ALL, ids=named)
def test_dense_and_sparse_are_the_same(case):
    name, parameters = case
    X, y = blobs(3, form="csr_matrix")
    sampler = vars(ours)[name]
    mine, dense = (fit(sampler(**seeded(name, 3, parameters)), x, y) for x in (X, X.toarray()))
    if isinstance(dense, Exception):
        assert type(mine) is type(dense)
        return
    np.testing.assert_allclose(mine[0].toarray(), dense[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(mine[1], dense[1])


@pytest.mark.parametrize("case", [case for case in ALL if case[0] in SEEDED], ids=named)
def test_a_generator_moves_on_as_far(case):
    """With a RandomState every class draws from where the last one left it, here and there."""
    name, parameters = case
    X, y = blobs(11)
    for seed in range(4):
        assert_same(name, X, y, **parameters, random_state=np.random.RandomState(seed))


@pytest.mark.parametrize("name", NUMERIC)
def test_labels_of_any_kind(name):
    X, codes = blobs(5)
    text = np.array(["one", "two", "three"])
    for labels in (text, text.astype(object), np.array([3, -1, 7]), np.array([2.0, 1.0, 5.0])):
        assert_same(name, X, labels[codes], **seeded(name, 5, {}))
    two = np.array([True, False])[np.minimum(codes, 1)]
    assert_same(name, X, two, **seeded(name, 5, {}))


@pytest.mark.parametrize("name", NUMERIC)
def test_layouts_and_high_dimensions(name):
    X, y = blobs(6, d=30)
    for variant in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.tolist()):
        assert_same(name, variant, y, **seeded(name, 6, {}))
    X.setflags(write=False)
    assert_same(name, X, y, **seeded(name, 6, {}))


@pytest.mark.parametrize("name", NUMERIC)
def test_one_hot_labels(name):
    X, y = blobs(7)
    assert_same(name, X, np.eye(3, dtype=int)[y], **seeded(name, 7, {}))
    assert_same(name, X, y[:, None], **seeded(name, 7, {}))


# ---- sampling_strategy ------------------------------------------------------------------------------------


def more(y):
    return {label: int(np.sum(y == label)) + 7 for label in (1, 2)}


def fewer(y):
    return {0: 50, 1: 30}


STRATEGIES = {
    "over": ["auto", "minority", "not minority", "not majority", "all", more, {1: 50}],
    "under": ["auto", "majority", "not minority", "not majority", "all", fewer, {0: 60, 1: 31}],
    "clean": ["auto", "majority", "not minority", "not majority", "all", [0], [0, 2]],
}
REFUSED = {
    "over": ["majority", [1], {1: 5}, {9: 100}, {1: -1}, 1.5, 0.0, 0.1, "some"],
    "under": ["minority", [0], {0: 500}, {9: 1}, 1.5, "some"],
    "clean": ["minority", {0: 5}, [9], "some", fewer],
}


def kind_of(name):
    return "under" if name in UNDER else "clean" if name in CLEAN else "over"


@pytest.mark.parametrize("name", NUMERIC)
def test_every_form_of_sampling_strategy(name):
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


@pytest.mark.parametrize("name", NUMERIC)
def test_what_imbalanced_learn_refuses(name):
    """The same type and text of error."""
    X, y = blobs(10)
    cases = [(X, y, {"sampling_strategy": strategy}) for strategy in REFUSED[kind_of(name)]]
    bad = X.copy()
    bad[4, 2] = np.nan
    infinite = X.copy()
    infinite[9, 0] = -np.inf
    if name not in ("RandomOverSampler", "RandomUnderSampler"):
        cases += [(bad, y, {}), (infinite, y, {}), (X[:, 0], y, {}), (X[None], y, {}), (X + 1j, y, {})]
        cases += [(np.array([["a"] * 5] * len(y)), y, {}), (X[:-1], y, {})]
    cases += [
        (X[:0], y[:0], {}),
        (X, np.zeros(len(y), int), {}),
        (X, np.linspace(0, 1, len(y)), {}),
        (X, np.ones((len(y), 2), int), {}),
    ]
    for X_bad, y_bad, parameters in cases:
        mine, theirs = (fit(c(**parameters), X_bad, y_bad) for c in (vars(ours)[name], THEIRS[name]))
        assert isinstance(theirs, Exception), parameters
        assert type(mine) is type(theirs)
        assert str(mine) == str(theirs)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *((name, {"k_neighbors": value}) for name in OVER[:4] for value in (0, -1, 1.5, "5", None)),
        *((name, {"m_neighbors": 0}) for name in ("BorderlineSMOTE", "SVMSMOTE")),
        ("ADASYN", {"n_neighbors": 0}),
        ("BorderlineSMOTE", {"kind": "borderline-3"}),
        ("EditedNearestNeighbours", {"kind_sel": "any"}),
        ("EditedNearestNeighbours", {"n_jobs": 1.5}),
        ("NearMiss", {"version": 4}),
        ("SMOTEENN", {"smote": imblearn.over_sampling.ADASYN()}),
    ],
)
def test_parameters_that_imbalanced_learn_refuses(name, parameters):
    X, y = blobs(10)
    mine, theirs = (fit(c(**parameters), X, y) for c in (vars(ours)[name], THEIRS[name]))
    assert isinstance(theirs, ValueError)
    assert type(mine) is type(theirs)
    assert str(mine) == str(theirs)


@pytest.mark.parametrize("name", ["RandomOverSampler", "RandomUnderSampler"])
def test_as_many_rows_as_labels(name):
    """imbalanced-learn's random samplers pair rows with other labels, where it comes to no IndexError."""
    X, y = blobs(10)
    for rows in (X[:-1], X.tolist()[:-1]):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            vars(ours)[name]().fit_resample(rows, y)


# ---- too few rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("SMOTE", {}, "class 'b' has 3 rows; k_neighbors=5 needs at least 6"),
        ("SMOTE", {"k_neighbors": 3}, "class 'b' has 3 rows; k_neighbors=3 needs at least 4"),
        ("SVMSMOTE", {}, "class 'b' has 3 rows; k_neighbors=5 needs at least 6"),
        ("BorderlineSMOTE", {"m_neighbors": 43}, "X has 43 rows; m_neighbors=43 needs at least 44"),
        (
            "BorderlineSMOTE",
            {"kind": "borderline-2", "k_neighbors": 43},
            "X has 43 rows; k_neighbors=43 needs at least 44",
        ),
        ("ADASYN", {}, "class 'b' has 3 rows; n_neighbors=5 needs at least 6"),
        ("ADASYN", {"n_neighbors": 50}, "X has 43 rows; n_neighbors=50 needs at least 51"),
        ("SMOTEENN", {}, "class 'b' has 3 rows; k_neighbors=5 needs at least 6"),
        ("EditedNearestNeighbours", {"n_neighbors": 43}, "X has 43 rows; n_neighbors=43 needs at least 44"),
        ("NearMiss", {"n_neighbors": 4}, "class 'b' has 3 rows; n_neighbors=4 needs at least 4"),
        (
            "NearMiss",
            {"version": 3, "n_neighbors_ver3": 41},
            "class 'a' has 40 rows; n_neighbors_ver3=41 needs at least 41",
        ),
    ],
)
def test_too_few_rows(name, parameters, text):
    """In the user's words, then in scikit-learn's, which imbalanced-learn shows."""
    X, codes = blobs(12, sizes=(40, 3))
    y = np.array(["a", "b"])[codes]
    mine, theirs = (fit(c(**parameters), X, y) for c in (vars(ours)[name], THEIRS[name]))
    assert isinstance(theirs, ValueError)
    assert isinstance(mine, ValueError)
    assert str(mine).startswith(text)
    assert str(theirs).partition(", n_samples = ")[0] in str(mine)


def test_a_class_of_one_row():
    X, y = blobs(12, sizes=(40, 1))
    with pytest.raises(ValueError, match=r"class 1 has 1 row; k_neighbors=5 needs at least 6\. Expected"):
        ours.SMOTE().fit_resample(X, y)


# ---- mixed and categorical --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, object])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_smotenc(dtype, k):
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
def test_smotenc_of_integers(scale):
    """What a category adds to a distance is truncated, perhaps to 0: then any category wins."""
    for seed in range(6):
        X, y = mixed(seed)
        X[:, 1:3] *= scale
        X = np.rint(X).astype(np.int64)
        # Small integers tie: an estimator of the user's own orders them as there.
        nn = imblearn_neighbours(4) if scale < 1e4 else 3
        assert_same("SMOTENC", X, y, categorical_features=[0, 3], random_state=seed, k_neighbors=nn)


def imblearn_neighbours(n):
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=n)


@pytest.mark.parametrize("constant", [True, False])
def test_smotenc_without_spread(constant):
    """A median deviation of 0, or of nearly 0, where all categories count as equally frequent."""
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
            k_neighbors=imblearn_neighbours(6),
        )
        assert_same("SMOTENC", X, y, categorical_features=[0, 3], random_state=seed)


def test_smotenc_of_encoders():
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
            # It has no categories_, which both need.
            for sampler in (ours.SMOTENC, imblearn.over_sampling.SMOTENC):
                with pytest.raises(AttributeError):
                    sampler(**parameters).fit_resample(X, y)
        else:
            assert_same("SMOTENC", X, y, **parameters)


def test_smotenc_that_drops_a_category():
    X, y = mixed(3)
    sampler = ours.SMOTENC([0, 3], categorical_encoder=OneHotEncoder(drop="first"))
    with pytest.raises(ValueError, match="requires a one-hot encoding with one column per category"):
        sampler.fit_resample(X, y)


def test_smotenc_of_frames():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for seed in range(3):
        X, y = mixed(seed)
        frame = pandas.DataFrame(
            {
                "colour": pandas.Categorical(np.array(["red", "green", "blue"])[X[:, 0].astype(int)]),
                "size": X[:, 1],
                "yes": X[:, 3] > 2,
                "weight": X[:, 2].astype(np.float32),
                "town": X[:, 3].astype(int),
            }
        )
        for columns in (["colour", "yes", "town"], [0, 2, 4], [True, False, True, False, True]):
            assert_same("SMOTENC", frame, y, categorical_features=columns, random_state=seed)
        assert_same("SMOTENC", frame[["colour", "size"]], y, categorical_features="auto", random_state=seed)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix"])
def test_smotenc_of_sparse_matrices(form):
    from scipy import sparse

    X, y = mixed(2)
    assert_same("SMOTENC", getattr(sparse, form)(X), y, categorical_features=[0, 3], random_state=0)


def shares(seed, features, per_class=25):
    """Categories that stand once each in the smaller classes, so that no two distances are equal."""
    rng = np.random.default_rng(seed)
    columns, sizes = [], (40, per_class, per_class - 5)
    for _ in range(features):
        minority = rng.permutation(sum(sizes[1:]))
        # Category c stands in the large class c^2 + .. times: as many shares as categories.
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


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_smoten(classes, k):
    for seed in range(2):
        X, y = shares(seed, features=2)
        y = np.minimum(y, classes - 1)
        # The rows of the class that gets none carry the shares.
        strategy = dict.fromkeys(range(1, classes), 80)
        assert_same("SMOTEN", X, y, sampling_strategy=strategy, k_neighbors=k, random_state=seed)


# ---- frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUMERIC)
def test_frames(name):
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
def test_sparse_frames(name):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = blobs(14, form="csr_matrix")
    frame = pandas.DataFrame.sparse.from_spmatrix(X, columns=list("abcde"))
    X_new, y_new = fit(vars(ours)[name](**seeded(name, 14, {})), frame, pandas.Series(y))[:2]
    their_X, their_y = fit(THEIRS[name](**seeded(name, 14, {})), frame, pandas.Series(y))[:2]
    assert list(X_new.dtypes) == list(their_X.dtypes)
    np.testing.assert_allclose(X_new.to_numpy(), their_X.to_numpy(), rtol=1e-9)
    pandas.testing.assert_series_equal(y_new, their_y)


@pytest.mark.parametrize("name", ["RandomOverSampler", "RandomUnderSampler"])
def test_frames_of_anything(name):
    """Text, dates, categories, nothing at all: rows are chosen, not looked at."""
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


def test_large_integers_of_a_frame_survive():
    """Stacked with floats they would be rounded, as imbalanced-learn does."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"id": np.arange(40) + 2**53 + 1, "x": np.linspace(0, 1, 40)})
    new, _ = ours.RandomOverSampler(random_state=0).fit_resample(frame, np.repeat([0, 1], [30, 10]))
    assert set(new["id"]) == set(frame["id"])


# ---- estimators as neighbours, attributes, the rest of the contract ---------------------------------------


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
def test_estimators_of_neighbours(name, key, attribute, default, more_than):
    X, y = blobs(15)
    mine = vars(ours)[name](**seeded(name, 1, {}))
    wanted = mine.fit_resample(X, y)
    made = getattr(mine, attribute)
    assert isinstance(made, ours.NearestNeighbors)
    assert made.n_neighbors == default + more_than
    for nn in (
        imblearn_neighbours(default + more_than),
        ours.NearestNeighbors(default + more_than, n_jobs=2),
    ):
        # Ours in imbalanced-learn's own class, too.
        for classes in (vars(ours), THEIRS):
            sampler = classes[name](**seeded(name, 1, {key: nn}))
            got = sampler.fit_resample(X, y)
            assert type(getattr(sampler, attribute)) is type(nn)
            assert getattr(sampler, attribute) is not nn
            np.testing.assert_allclose(got[0], wanted[0], rtol=1e-9)
            np.testing.assert_array_equal(got[1], wanted[1])


def test_our_neighbours_in_their_smoten():
    X, y = shares(0, features=2)
    sampler = imblearn.over_sampling.SMOTEN(
        sampling_strategy={1: 60}, k_neighbors=ours.NearestNeighbors(4), random_state=0
    )
    assert_same("SMOTEN", X, y, sampling_strategy={1: 60}, k_neighbors=3, random_state=0)
    wanted = ours.SMOTEN(sampling_strategy={1: 60}, k_neighbors=3, random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(sampler.fit_resample(X, y)[0], wanted[0])


def test_attributes():
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
def test_the_class_is_a_subclass_with_the_same_face(name):
    mine, theirs = vars(ours)[name], THEIRS[name]
    assert issubclass(mine, theirs)
    assert mine.__name__ == theirs.__name__
    arguments = {"categorical_features": [0]} if name == "SMOTENC" else {}
    assert mine(**arguments).get_params() == theirs(**arguments).get_params()
    assert mine._parameter_constraints == theirs._parameter_constraints
    assert mine._sampling_type == theirs._sampling_type
    assert repr(mine(**arguments).__sklearn_tags__()) == repr(theirs(**arguments).__sklearn_tags__())


@pytest.mark.parametrize("name", NUMERIC)
def test_cloned_and_pickled(name):
    X, y = blobs(17)
    sampler = vars(ours)[name](**seeded(name, 3, {}))
    wanted = sampler.fit_resample(X, y)
    for other in (clone(sampler), pickle.loads(pickle.dumps(sampler))):
        got = other.fit_resample(X, y)
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])


@pytest.mark.parametrize("name", NUMERIC)
def test_threads_do_not_matter(name, monkeypatch):
    X, y = blobs(18, sizes=(500, 200, 90))
    results = []
    for number in ("1", "3"):
        monkeypatch.setenv("EQUIPOISE_NUM_THREADS", number)
        results.append(vars(ours)[name](**seeded(name, 3, {})).fit_resample(X, y))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_no_jobs():
    X, y = blobs(18)
    with pytest.raises(ValueError, match="n_jobs must be a positive number, a negative one or None, got 0"):
        ours.TomekLinks(n_jobs=0).fit_resample(X, y)


def test_borderline_2_where_imbalanced_learn_fails():
    """Integers and sparse matrices: what floats of the same value give."""
    X, y = blobs(19, dtype=np.int64)
    wanted = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X.astype(float), y)
    got = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(got[0], np.trunc(wanted[0]).astype(np.int64))
    X, y = blobs(19, form="csr_matrix")
    wanted = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X.toarray(), y)
    got = ours.BorderlineSMOTE(kind="borderline-2", random_state=0).fit_resample(X, y)
    np.testing.assert_allclose(got[0].toarray(), wanted[0], rtol=1e-9, atol=1e-12)


def test_cleaning_by_votes_of_text():
    """imbalanced-learn's mode is of numbers alone: the answer is that of the labels' ranks."""
    X, y = blobs(20)
    text = np.array(["a", "b", "c"])[y]
    kept = [
        ours.EditedNearestNeighbours(kind_sel="mode", sampling_strategy="all").fit(X, labels)
        for labels in (text, y)
    ]
    for sampler, labels in zip(kept, (text, y), strict=True):
        sampler.fit_resample(X, labels)
    np.testing.assert_array_equal(kept[0].sample_indices_, kept[1].sample_indices_)


MODULES = ["equipoise.imblearn"] + [
    f"equipoise.imblearn.{module.name}" for module in pkgutil.iter_modules(ours.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    assert result.attempted > 0 or name.endswith("_synthesis")


def test_every_class_has_an_example():
    for name in ours.__all__:
        assert ">>> " in vars(ours)[name].__doc__, name


def test_a_sparse_matrix_with_duplicates_stays_as_it_is():
    """Entries of one place are summed in a copy; the arrays may be read-only, as joblib's are."""
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    X, y = blobs(2, form="csr_matrix")
    indptr = 2 * X.indptr
    halves = sparse.csr_matrix((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), indptr), shape=X.shape)
    for part in (halves.data, halves.indices, halves.indptr):
        part.flags.writeable = False
    before = halves.nnz
    assert_same("SMOTE", halves, y, random_state=0)
    assert halves.nnz == before
