"""Data frames are accepted, and returned in the form that imbalanced-learn returns."""

from __future__ import annotations

import subprocess
import sys

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


# ---- frames that imbalanced-learn does not take, and those that it returns with other dtypes -------------

# Dtypes of pandas for two columns of numbers, a column of whole numbers and one of booleans.
EXTENSIONS = {
    "nullable": ("Float64", "Float32", "Int64", "boolean"),
    "one kind": ("Int32", "Int64", "Int16", "UInt8"),
    "pyarrow": ("double[pyarrow]", "float[pyarrow]", "int64[pyarrow]", "bool[pyarrow]"),
    "mixed": ("float64", "Float64", "int64[pyarrow]", "bool"),
}


def numbers(seed=13):
    """Return four columns: two of numbers, one of whole numbers and one of booleans."""
    X, y = blobs(seed)
    return [np.rint(X[:, 0] * 100), np.rint(X[:, 1] * 100), np.rint(X[:, 2] * 10), X[:, 3] > 0.5], y


def pandas_frame(pandas, dtypes, columns):
    columns = [np.abs(c) if str(t).startswith("UI") else c for c, t in zip(columns, dtypes, strict=True)]
    series = [pandas.Series(c).astype(t) for c, t in zip(columns, dtypes, strict=True)]
    frame = pandas.DataFrame(dict(zip("abnf", series, strict=True)))
    return frame.set_axis(np.arange(len(frame)) + 7)


def plain_frame(frame):
    """Return the same values in the dtypes of NumPy."""
    return frame.astype({c: getattr(t, "numpy_dtype", t) for c, t in zip(frame, frame.dtypes, strict=True)})


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("kind", EXTENSIONS)
def test_pandas_columns_of_any_kind_are_resampled_as_plain_ones(kind, name):
    """The rows are those of imbalanced-learn for a frame of the same values, whatever the columns are."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    if kind in ("pyarrow", "mixed"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    columns, y = numbers()
    frame = pandas_frame(pandas, EXTENSIONS[kind], columns)
    before = frame.copy()
    settings = seeded(name, 13, {})
    mine = fit(vars(ours)[name](**settings), frame, y)
    theirs = fit(THEIRS[name](**settings), plain_frame(frame), y)
    assert list(mine[0].dtypes) == list(frame.dtypes)
    assert list(mine[0].columns) == list(frame.columns)
    assert list(mine[0].index) == list(theirs[0].index)
    for c in frame:
        wanted = theirs[0][c].to_numpy(float)
        np.testing.assert_allclose(mine[0][c].to_numpy(float), wanted, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(mine[1], theirs[1])
    pandas.testing.assert_frame_equal(frame, before)
    sampler = vars(ours)[name](**settings).fit(frame, y)
    assert list(sampler.feature_names_in_) == list(frame)


@pytest.mark.parametrize("name", NUMERIC)
def test_polars_frames_are_resampled_as_arrays(name):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    columns, y = numbers()
    frame = polars.DataFrame(
        [
            polars.Series("a", columns[0]),
            polars.Series("b", columns[1].astype(np.float32)),
            polars.Series("n", columns[2].astype(np.int16)),
            polars.Series("f", columns[3]),
        ]
    )
    before = frame.clone()
    settings = seeded(name, 13, {})
    sampler = vars(ours)[name](**settings)
    new, labels = sampler.fit_resample(frame, polars.Series("target", y))
    theirs = fit(THEIRS[name](**settings), np.column_stack(columns), y)
    assert isinstance(new, polars.DataFrame)
    assert new.schema == frame.schema
    np.testing.assert_allclose(new["a"].to_numpy(), theirs[0][:, 0], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(new["n"].to_numpy(), np.trunc(theirs[0][:, 2]))
    np.testing.assert_array_equal(new["f"].to_numpy(), theirs[0][:, 3] != 0)
    assert labels.dtype == polars.Int64
    assert labels.name == "target"
    np.testing.assert_array_equal(labels.to_numpy(), theirs[1])
    assert frame.equals(before)
    for fitted in (sampler, vars(ours)[name](**settings).fit(frame, y)):
        assert list(fitted.feature_names_in_) == frame.columns
        assert fitted.n_features_in_ == 4


def pandas_labels(codes):
    """Return labels in containers of pandas, each with the array that holds the same."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    text, index = np.array(["no", "yes", "maybe"])[codes], np.arange(len(codes)) + 5
    number, boolean, word = (pandas.Series(a, index, name="t") for a in (codes, codes == 0, text))
    onehot = pandas.DataFrame(np.eye(3, dtype=int)[codes], index, columns=list("pqr"))
    made = [(number.astype(dtype), codes) for dtype in ("Int64", "UInt8", "int64[pyarrow]")]
    made += [(boolean.astype(dtype), codes == 0) for dtype in ("boolean", "bool[pyarrow]")]
    made += [(word.astype(dtype), text) for dtype in ("string", object, "category", "string[pyarrow]")]
    made += [(word.astype(pandas.CategoricalDtype(["yes", "maybe", "no", "unused"])).to_frame(), text)]
    return [
        *made,
        (number.astype("Int64").to_frame(), codes),
        (onehot, codes),
        (onehot.astype("Int8"), codes),
    ]


def polars_labels(codes):
    """Return labels in containers of polars, each with the array that holds the same."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    text = np.array(["no", "yes", "maybe"])[codes]
    number, word = polars.Series("t", codes.astype(np.uint8)), polars.Series("t", text)
    made = [(number, codes), (polars.Series("t", codes == 0), codes == 0), (word, text)]
    made += [(word.cast(polars.Categorical), text)]
    made += [(word.cast(polars.Enum(["yes", "no", "maybe", "unused"])), text)]
    onehot = polars.DataFrame(np.eye(3, dtype=int)[codes], schema=list("pqr"))
    return [*made, (word.to_frame(), text), (number.to_frame(), codes), (onehot, codes)]


@pytest.mark.parametrize(
    "name", ["SMOTE", "RandomOverSampler", "RandomUnderSampler", "TomekLinks", "SMOTEENN"]
)
@pytest.mark.parametrize("made", [pandas_labels, polars_labels])
def test_labels_of_any_container_come_back_in_it(made, name):
    X, y = blobs(5)
    for labels, plain in made(y):
        sampler = vars(ours)[name](**seeded(name, 5, {}))
        new, new_labels = sampler.fit_resample(X, labels)
        wanted, wanted_labels = vars(ours)[name](**seeded(name, 5, {})).fit_resample(X, plain)
        assert type(new_labels) is type(labels)
        for attribute in ("dtype", "dtypes", "columns", "name"):
            one, other = (str(getattr(x, attribute, None)) for x in (new_labels, labels))
            assert one == other
        got = np.asarray(new_labels, dtype=object)
        got = got.astype(int).argmax(axis=1) if got.shape[1:] == (3,) else got.reshape(-1)
        assert got.tolist() == wanted_labels.tolist()
        np.testing.assert_array_equal(new, wanted)
        vars(ours)[name](**seeded(name, 5, {})).fit(X, labels)


@pytest.mark.parametrize("name", NUMERIC)
def test_rows_and_labels_of_pandas_share_an_index(name):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    columns, y = numbers()
    frame = pandas_frame(pandas, EXTENSIONS["nullable"], columns)
    labels = pandas.Series(y, index=np.arange(len(y)) * 2)
    for given in (labels, labels.to_frame()):
        new, new_labels = fit(vars(ours)[name](**seeded(name, 1, {})), frame, given)[:2]
        assert list(new.index) == list(new_labels.index)


def categories(seed=3):
    """Return two columns of numbers and two of text, and the labels."""
    X, y = mixed(seed)
    words = np.array(["red", "green", "blue", "grey", "black"])
    return X[:, 1], np.rint(X[:, 2] * 100), words[X[:, 0].astype(int)], words[X[:, 3].astype(int)], y


PANDAS_CATEGORIES = {
    "object": (object, object),
    "string": ("string", "str"),
    "category": ("category", "category"),
    "pyarrow": ("string[pyarrow]", "string[pyarrow]"),
}


@pytest.mark.parametrize("kind", PANDAS_CATEGORIES)
@pytest.mark.parametrize(
    "numeric", [("float64", "int64"), ("Float64", "Int64"), ("double[pyarrow]", "int64[pyarrow]")]
)
def test_categories_of_pandas_columns_of_any_kind(kind, numeric):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    a, b, k, m, y = categories()
    frame = pandas.DataFrame({"a": a, "k": k.astype(object), "b": b, "m": m.astype(object)})
    first, second = PANDAS_CATEGORIES[kind]
    typed = frame.astype({"a": numeric[0], "b": numeric[1], "k": first, "m": second})
    if kind == "category":  # unused ones and their order stay
        typed["k"] = typed["k"].cat.set_categories(["green", "violet", "red", "blue"], ordered=True)
    plain = frame.astype({"b": "int64"})
    for features in (
        ["k", "m"],
        [1, 3],
        [False, True, False, True],
        *(["auto"] if kind == "category" else []),
    ):
        new, labels = ours.SMOTENC(features, random_state=3).fit_resample(typed, y)
        wanted, their_labels = THEIRS["SMOTENC"](["k", "m"], random_state=3).fit_resample(plain, y)
        assert list(new.dtypes) == list(typed.dtypes)
        for c in frame:
            if c in "km":
                assert new[c].tolist() == wanted[c].tolist()
            else:
                np.testing.assert_allclose(new[c].to_numpy(float), wanted[c].to_numpy(float), rtol=1e-9)
        np.testing.assert_array_equal(labels, their_labels)
    for name in ("SMOTEN", "RandomOverSampler", "RandomUnderSampler"):
        some = typed[["k", "m"]] if name == "SMOTEN" else typed
        new, labels = vars(ours)[name](random_state=3).fit_resample(some, y)
        wanted = vars(ours)[name](random_state=3).fit_resample(plain[list(some)], y)
        assert list(new.dtypes) == list(some.dtypes)
        assert new.astype(object).to_numpy().tolist() == wanted[0].astype(object).to_numpy().tolist()
        np.testing.assert_array_equal(labels, wanted[1])


def test_categories_of_polars_columns_of_any_kind():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    a, b, k, m, y = categories()
    text = polars.DataFrame({"a": a, "k": k, "b": b.astype(np.int32), "m": m})
    enum = polars.Enum(["black", "grey", "violet", "blue", "green", "red"])
    typed = text.with_columns(polars.col("k").cast(polars.Categorical), polars.col("m").cast(enum))
    array = np.column_stack([a.astype(object), k, b.astype(int), m])
    wanted, their_labels = THEIRS["SMOTENC"]([1, 3], random_state=3).fit_resample(array, y)
    for frame in (text, typed):
        masks = ([False, True, False, True], np.array([1, -1]), ("k", "m"))
        for features in (["k", "m"], [1, 3], *masks, *(["auto"] if frame is typed else [])):
            new, labels = ours.SMOTENC(features, random_state=3).fit_resample(frame, polars.Series(y))
            assert new.schema == frame.schema
            np.testing.assert_allclose(new["a"].to_numpy(), wanted[:, 0].astype(float), rtol=1e-9)
            np.testing.assert_array_equal(new["b"].to_numpy(), np.trunc(wanted[:, 2].astype(float)))
            assert new["k"].to_list() == wanted[:, 1].tolist()
            assert new["m"].to_list() == wanted[:, 3].tolist()
            np.testing.assert_array_equal(labels.to_numpy(), their_labels)
        for name in ("SMOTEN", "RandomOverSampler", "RandomUnderSampler"):
            some = frame[["k", "m"]] if name == "SMOTEN" else frame
            new, labels = vars(ours)[name](random_state=3).fit_resample(some, y)
            kept = array[:, [1, 3]] if name == "SMOTEN" else array
            same, same_labels = vars(ours)[name](random_state=3).fit_resample(kept, y)
            assert new.schema == some.schema
            assert [list(row) for row in new.rows()] == same.tolist()
            np.testing.assert_array_equal(labels, same_labels)


@pytest.mark.parametrize("kind", ["string", "string[pyarrow]", "Int64", "polars text", "polars numbers"])
def test_a_missing_category_is_a_category(kind):
    """imbalanced-learn cannot sort text with the missing value of pandas, but takes None."""
    X, y = mixed(3)
    numeric = kind in ("Int64", "polars numbers")
    k = [None if c == 0 else int(c) if numeric else f"c{c:.0f}" for c in X[:, 0]]
    array = np.column_stack([X[:, 1].astype(object), np.array(k, dtype=object)])
    wanted = THEIRS["SMOTENC"]([1], random_state=3).fit_resample(array, y)[0][:, 1]
    if kind.startswith("polars"):
        polars = pytest.importorskip("polars", reason="polars is not installed")
        frame = polars.DataFrame({"x": X[:, 1], "k": polars.Series(k)})
        new = ours.SMOTENC(["k"], random_state=3).fit_resample(frame, y)[0]
        assert new.schema == frame.schema
        assert new["k"].to_list() == wanted.tolist()
        return
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame = pandas.DataFrame({"x": X[:, 1], "k": pandas.Series(k, dtype=kind)})
    new = ours.SMOTENC(["k"], random_state=3).fit_resample(frame, y)[0]
    assert list(new.dtypes) == list(frame.dtypes)
    assert new["k"].to_numpy(object, na_value=None).tolist() == wanted.tolist()


def test_decimals_are_rounded_to_their_digits():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    X, y = blobs(4)
    X = np.rint(X * 100) / 100
    wanted = ours.SMOTE(random_state=1).fit_resample(X, y)[0][:, 0]
    decimals = polars.DataFrame(X, schema=list("abcde")).cast(polars.Decimal(10, 2))
    dtype = pandas.ArrowDtype(pyarrow.decimal128(10, 2))
    for frame in (decimals, pandas.DataFrame(X, columns=list("abcde")).astype(dtype)):
        new = ours.SMOTE(random_state=1).fit_resample(frame, y)[0]
        assert list(new.dtypes) == list(frame.dtypes)
        np.testing.assert_allclose(np.asarray(new["a"], dtype=float), wanted, atol=0.00501)


def test_an_encoder_that_is_no_one_hot_encoder_takes_polars_frames():
    """imbalanced-learn's own code runs then."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    from sklearn.preprocessing import OneHotEncoder

    a, b, k, m, y = categories()
    frame = polars.DataFrame({"a": a, "k": k, "b": b, "m": m})
    known = [["blue", "green"], ["black", "blue", "green", "grey", "red"]]  # red is encoded as nothing
    encoder = OneHotEncoder(categories=known, handle_unknown="ignore")
    settings = {"random_state": 3, "categorical_encoder": encoder}
    array = np.column_stack([a.astype(object), k, b, m])
    wanted = THEIRS["SMOTENC"]([1, 3], **settings).fit_resample(array, y)[0]
    new = ours.SMOTENC(["k", "m"], **settings).fit_resample(frame, y)[0]
    assert new.schema == frame.schema
    assert new["k"].to_list() == wanted[:, 1].tolist()
    np.testing.assert_allclose(new["a"].to_numpy(), wanted[:, 0].astype(float), rtol=1e-9)


@pytest.mark.parametrize("name", ["RandomOverSampler", "RandomUnderSampler"])
def test_chosen_rows_of_frames_are_not_converted(name):
    """Text, dates, lists, missing values and large integers come back as they are."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    y = np.repeat([0, 1], [30, 10])
    frame = polars.DataFrame(
        {
            "text": [None if i % 7 == 0 else f"t{i}" for i in range(40)],
            "id": np.arange(40) + 2**53 + 1,
            "x": [None if i % 5 == 0 else i / 7 for i in range(40)],
            "list": [[i, i + 1] for i in range(40)],
        }
    ).with_columns(
        date=polars.datetime_range(polars.datetime(2024, 1, 1), polars.datetime(2024, 2, 9), "1d", eager=True)
    )
    sampler = vars(ours)[name](random_state=0)
    new, labels = sampler.fit_resample(frame, polars.Series("y", y))
    assert new.equals(frame[sampler.sample_indices_])
    np.testing.assert_array_equal(labels.to_numpy(), y[sampler.sample_indices_])


def test_smoothed_rows_of_frames_are_those_of_arrays():
    """imbalanced-learn makes them, from numbers."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = blobs(3)
    wanted = ours.RandomOverSampler(shrinkage=0.5, random_state=0).fit_resample(X, y)[0]
    for frame in (polars.DataFrame(X, schema=list("abcde")), pandas.DataFrame(X).astype("Float64")):
        new = ours.RandomOverSampler(shrinkage=0.5, random_state=0).fit_resample(frame, y)[0]
        assert type(new) is type(frame)
        assert list(new.dtypes) == list(frame.dtypes)
        np.testing.assert_array_equal(new.to_numpy(), wanted)


@pytest.mark.parametrize("name", ["TomekLinks", "EditedNearestNeighbours", "NearMiss"])
def test_cleaned_frames_keep_large_integers(name):
    """imbalanced-learn rounds them, because it returns what it has converted to floats."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = blobs(2)
    frame = pandas.DataFrame({"id": np.arange(len(y)) + 2**60 + 1, "x": X[:, 0], "y": X[:, 1]})
    sampler = vars(ours)[name]()
    new, _ = sampler.fit_resample(frame, y)
    np.testing.assert_array_equal(new["id"], frame["id"].to_numpy()[sampler.sample_indices_])
    assert list(new.index) == list(range(len(new)))


def test_columns_of_a_pandas_frame_may_have_levels():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    columns, y = numbers()
    frame = pandas_frame(pandas, EXTENSIONS["nullable"], columns)
    frame.columns = pandas.MultiIndex.from_tuples([("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")])
    new, _ = ours.SMOTE(random_state=1).fit_resample(frame, y)
    assert new.columns.equals(frame.columns)
    assert list(new.dtypes) == list(frame.dtypes)


NO_PANDAS = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hidden())
import numpy as np, polars
import equipoise.imblearn as ours
rng = np.random.default_rng(0)
y = np.repeat([0, 1], [60, 20])
frame = polars.DataFrame({"a": rng.normal(size=80), "k": rng.choice(["u", "v"], 80)})
for sampler in (ours.SMOTENC(["k"]), ours.RandomUnderSampler()):
    new, labels = sampler.fit_resample(frame, polars.Series("y", y))
    assert new.schema == frame.schema and labels.dtype == polars.Int64
new, labels = ours.SMOTE().fit_resample(frame[["a"]], y)
assert new.schema == frame[["a"]].schema and type(labels) is np.ndarray
"""
NO_FRAMES = """
import sys
import numpy as np
import equipoise.imblearn as ours
before = set(sys.modules)
X, y = np.random.default_rng(0).normal(size=(80, 3)), np.repeat([0, 1], [60, 20])
ours.SMOTE().fit_resample(X, y), ours.TomekLinks().fit_resample(X, y.tolist())
print({name.partition(".")[0] for name in set(sys.modules) - before} & {"pandas", "polars", "pyarrow"})
"""


def test_polars_frames_need_no_pandas():
    pytest.importorskip("polars", reason="polars is not installed")
    subprocess.run([sys.executable, "-W", "ignore", "-c", NO_PANDAS], check=True)


def test_arrays_import_no_library_of_frames():
    done = subprocess.run([sys.executable, "-c", NO_FRAMES], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
