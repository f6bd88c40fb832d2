"""Bad input is refused as by imbalanced-learn, and too few rows are explained better."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import imblearn.over_sampling
import sklearn
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

import equipoise.imblearn as ours
from support.imblearn_cases import (
    NUMERIC,
    OVER,
    THEIRS,
    blobs,
    fit,
    kind_of,
    mixed,
)


def fewer(y):
    return {0: 50, 1: 30}


REFUSED = {
    "over": ["majority", [1], {1: 5}, {9: 100}, {1: -1}, 1.5, 0.0, 0.1, "some"],
    "under": ["minority", [0], {0: 500}, {9: 1}, 1.5, "some"],
    "clean": ["minority", {0: 5}, [9], "some", fewer],
}


@pytest.mark.parametrize("name", NUMERIC)
def test_bad_input_is_refused_as_by_imbalanced_learn(name):
    """The type and the text of the error are the same."""
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
def test_bad_parameters_are_refused_as_by_imbalanced_learn(name, parameters):
    X, y = blobs(10)
    mine, theirs = (fit(c(**parameters), X, y) for c in (vars(ours)[name], THEIRS[name]))
    assert isinstance(theirs, ValueError)
    assert type(mine) is type(theirs)
    assert str(mine) == str(theirs)


@pytest.mark.parametrize("name", ["RandomOverSampler", "RandomUnderSampler"])
def test_different_numbers_of_rows_and_labels_are_refused(name):
    """imbalanced-learn's random samplers would pair rows with wrong labels, or raise IndexError."""
    X, y = blobs(10)
    for rows in (X[:-1], X.tolist()[:-1]):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            vars(ours)[name]().fit_resample(rows, y)


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
def test_too_few_rows_are_explained(name, parameters, text):
    """The message first speaks of the class and its rows, and then has scikit-learn's text."""
    X, codes = blobs(12, sizes=(40, 3))
    y = np.array(["a", "b"])[codes]
    mine, theirs = (fit(c(**parameters), X, y) for c in (vars(ours)[name], THEIRS[name]))
    assert isinstance(theirs, ValueError)
    assert isinstance(mine, ValueError)
    assert str(mine).startswith(text)
    assert str(theirs).partition(", n_samples = ")[0] in str(mine)


def test_a_class_of_one_row_is_refused():
    X, y = blobs(12, sizes=(40, 1))
    with pytest.raises(ValueError, match=r"class 1 has 1 row; k_neighbors=5 needs at least 6\. Expected"):
        ours.SMOTE().fit_resample(X, y)


def test_a_smotenc_encoder_that_drops_a_category_is_refused():
    X, y = mixed(3)
    sampler = ours.SMOTENC([0, 3], categorical_encoder=OneHotEncoder(drop="first"))
    with pytest.raises(ValueError, match="requires a one-hot encoding with one column per category"):
        sampler.fit_resample(X, y)


def test_n_jobs_of_zero_is_refused():
    X, y = blobs(18)
    with pytest.raises(ValueError, match="n_jobs must be a positive number, a negative one or None, got 0"):
        ours.TomekLinks(n_jobs=0).fit_resample(X, y)


@pytest.mark.parametrize("name", [*NUMERIC, "SMOTENC"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_the_row_of_a_bad_value_is_that_of_x(form, name):
    """scikit-learn's own check comes first, unless its users say that all values are finite."""
    X, y = mixed(10) if name == "SMOTENC" else blobs(10)
    row = int(np.flatnonzero(y == 2)[-1])
    X[row, 1] = np.nan
    sampler = vars(ours)[name](**({"categorical_features": [0, 3]} if name == "SMOTENC" else {}))
    with sklearn.config_context(assume_finite=True):
        if name in ("RandomOverSampler", "RandomUnderSampler"):  # these take any value
            sampler.fit_resample(form(X), y)
            return
        with pytest.raises(ValueError, match=rf"X\[{row}, 1\] must be finite, got nan"):
            sampler.fit_resample(form(X), y)


@pytest.mark.parametrize("kind", ["NaN", "Float64", "Int64", "double[pyarrow]", "polars", "polars NaN"])
@pytest.mark.parametrize("name", [*NUMERIC, "SMOTENC"])
def test_the_column_of_a_missing_value_is_named(name, kind):
    if kind.startswith("polars"):
        polars = pytest.importorskip("polars", reason="polars is not installed")
    else:
        pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    X, y = mixed(10)
    column = [None if i == 7 else float(round(x)) for i, x in enumerate(X[:, 2])]
    if kind.startswith("polars"):
        frame = polars.DataFrame({name: X[:, i] for i, name in enumerate("abc")})
        column = [np.nan if x is None else x for x in column] if "NaN" in kind else column
        frame = frame.with_columns(polars.Series("c", column), polars.Series("d", X[:, 3]))
    else:
        frame = pandas.DataFrame(X, columns=list("abcd"))
        frame["c"] = pandas.Series(column, dtype="float64" if kind == "NaN" else kind)
    sampler = vars(ours)[name](**({"categorical_features": ["a", "d"]} if name == "SMOTENC" else {}))
    if name in ("RandomOverSampler", "RandomUnderSampler"):
        sampler.fit_resample(frame, y)
        return
    text = r"X has a missing value in row 7 of column 'c'\. Input (X )?contains NaN"
    with pytest.raises(ValueError, match=text):
        sampler.fit_resample(frame, y)


def test_missing_labels_are_refused_with_their_place():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, _ = blobs(10)
    texts, numbers = ["a", None, "b"] * 50, [1, None, 0] * 50
    for labels, dtypes in (
        (texts, ("string", "category", object)),
        (numbers, ("Int64", "float64", "category")),
    ):
        for dtype in dtypes:
            with pytest.raises(ValueError, match=r"y\[1\] must not be null"):
                ours.SMOTE().fit_resample(X[:150], pandas.Series(labels, dtype=dtype))
    polars = pytest.importorskip("polars", reason="polars is not installed")
    for labels in (texts, numbers):
        with pytest.raises(ValueError, match=r"y\[1\] must not be null"):
            ours.RandomUnderSampler().fit_resample(X[:150], polars.Series("y", labels))


def test_a_series_is_no_table():
    X, y = blobs(10)
    for name in ("pandas", "polars"):
        library = pytest.importorskip(name, reason=f"{name} is not installed")
        for sampler in (ours.SMOTE(), ours.TomekLinks()):
            with pytest.raises(ValueError, match=r"Expected (a 2-dimensional container|2D array)"):
                sampler.fit_resample(library.Series(X[:, 0]), y)


def test_a_query_that_has_not_run_is_no_frame():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    X, y = blobs(10)
    frame, labels = polars.DataFrame(X), polars.DataFrame({"y": y})
    for sampler in (ours.SMOTE(), ours.RandomUnderSampler()):
        with pytest.raises(TypeError, match=r"X must be a frame or an array, got a LazyFrame: call"):
            sampler.fit_resample(frame.lazy(), y)
        with pytest.raises(TypeError, match=r"y must be a frame or an array, got a LazyFrame: call"):
            sampler.fit_resample(frame, labels.lazy())


def test_unknown_columns_of_a_polars_frame_are_named():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    X, y = mixed(3)
    frame = polars.DataFrame({name: X[:, i] for i, name in enumerate("abcd")})
    with pytest.raises(ValueError, match="categorical_features must name columns of X, got 'e'"):
        ours.SMOTENC(["a", "e"]).fit_resample(frame, y)
    with pytest.raises(ValueError, match=r"categorical_features must name columns in \[0, 4\), got 7"):
        ours.SMOTENC([0, 7]).fit_resample(frame, y)
    for features, text in (("auto", "only with numerical features"), (list("abcd"), "only with categorical")):
        with pytest.raises(ValueError, match=text):
            ours.SMOTENC(features).fit_resample(frame, y)
