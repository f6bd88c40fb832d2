"""Sparse matrices and arrays of any layout are read as SciPy reads them, and given back in the same class."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import sklearn
from imblearn.pipeline import make_pipeline
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

import equipoise.imblearn as ours
from support.imblearn_cases import COMBINED, NUMERIC, THEIRS, blobs, fit, mixed, seeded

EVERY = sorted(THEIRS)
SIZES = (45, 22, 15)


def problem(name, dtype=np.float64):
    """Return a dense problem that suits the class: numbers with zeros, categories or both."""
    if name == "SMOTENC":
        X, y = mixed(3, SIZES)
        return X.astype(dtype), y, {"categorical_features": [0, 3]}
    if name == "SMOTEN":
        _, y = blobs(3, SIZES)
        return np.random.default_rng(0).integers(4, size=(len(y), 3)).astype(dtype), y, {}
    X, y = blobs(3, SIZES, form="csr_matrix")
    return (X.toarray() * (1 if np.dtype(dtype).kind == "f" else 1e5)).astype(dtype), y, {}


def resampled(name, X, y, parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SMOTEN warns of sparse rows
        return vars(ours)[name](**seeded(name, 3, parameters)).fit_resample(X, y)


@functools.cache
def wanted(name, dtype=np.float64):
    X, y, parameters = problem(name, dtype)
    return resampled(name, sparse.csr_matrix(X), y, parameters)


def padded(S):
    """Put entries behind the last row, which are no part of the matrix."""
    S.data = np.append(S.data, np.full(7, np.nan if S.dtype.kind == "f" else 9, S.dtype))
    S.indices = np.append(S.indices, np.full(7, 10**6, S.indices.dtype))
    return S


def unsorted(S):
    """Store each row's entries in reverse order."""
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(S.indptr, S.indptr[1:], strict=False)])
    return type(S)((S.data[order], S.indices[order], S.indptr), shape=S.shape)


def doubled(S):
    """Store each entry in two parts, whose sum is exact."""
    data = np.stack([S.data * 2, -S.data], axis=1).ravel()
    return type(S)((data, np.repeat(S.indices, 2), S.indptr * 2), shape=S.shape)


def wide(S):
    """Store 64-bit indices."""
    S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    return S


def usual(S):
    return S


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("form", "layout"),
    [
        *((form, f) for form in ("csr_array", "csc_array") for f in (usual, padded, unsorted, doubled, wide)),
        *((form, usual) for form in ("csr_matrix", "csc_matrix")),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_layout_of_sparse_rows_gives_the_same(form, layout, name):
    """scikit-learn counts duplicates as columns, and refuses 64-bit indices in places."""
    X, y, parameters = problem(name)
    given = layout(getattr(sparse, form)(X))
    before = [a.copy() for a in (given.data, given.indices, given.indptr)]
    new, labels = resampled(name, given, y, parameters)
    assert type(new) is type(given)
    assert new.indices.dtype == new.indptr.dtype == np.int32
    np.testing.assert_allclose(new.toarray(), wanted(name)[0].toarray(), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(labels, wanted(name)[1])
    for a, b in zip((given.data, given.indices, given.indptr), before, strict=True):
        np.testing.assert_array_equal(a, b)  # the user's matrix is as it was


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("form", ["coo", "bsr", "dia", "dok", "lil"])
def test_other_formats_become_csr(form, name):
    for kind in ("array", "matrix"):
        X, y, parameters = problem(name)
        new, labels = resampled(name, getattr(sparse, f"{form}_{kind}")(X), y, parameters)
        assert type(new) is getattr(sparse, f"csr_{kind}")
        assert new.indices.dtype == new.indptr.dtype == np.int32
        np.testing.assert_allclose(new.toarray(), wanted(name)[0].toarray(), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(labels, wanted(name)[1])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int16])
def test_sparse_rows_keep_their_dtype(dtype, name):
    X, y, parameters = problem(name, dtype)
    for form in ("csr_array", "csc_array"):
        new, labels = resampled(name, getattr(sparse, form)(X), y, parameters)
        assert new.dtype == dtype
        assert new.indices.dtype == np.int32
        np.testing.assert_array_equal(new.toarray(), wanted(name, dtype)[0].toarray())
        np.testing.assert_array_equal(labels, wanted(name, dtype)[1])


@pytest.mark.parametrize("name", [name for name in NUMERIC if name != "KMeansSMOTE"])
def test_text_is_vectorized_resampled_and_classified_in_sparse_arrays(name):
    """The solver of LinearSVC takes 32-bit indices only."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(30)])
    texts = [" ".join(rng.choice(words[: 20 + 10 * (i < 40)], size=12)) for i in range(150)]
    y = np.repeat([1, 0], [40, 110])
    old = "sparse_interface" not in sklearn.get_config()  # scikit-learn before 1.9 makes matrices only
    with sklearn.config_context(**({} if old else {"sparse_interface": "sparray"})):
        to_arrays = FunctionTransformer(sparse.csr_array if old else None, accept_sparse=True)
        sampler = vars(ours)[name](**seeded(name, 0, {}))
        vectors = to_arrays.fit_transform(TfidfVectorizer().fit_transform(texts))
        new, labels = sampler.fit_resample(vectors, y)
        assert isinstance(new, sparse.csr_array)
        assert new.indices.dtype == np.int32
        LinearSVC().fit(new, labels)
        model = make_pipeline(TfidfVectorizer(), to_arrays, sampler, LinearSVC()).fit(texts, y)
        assert model.predict(texts).shape == y.shape


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_the_byte_order_does_not_matter(dtype, name):
    X, y, parameters = problem(name, np.float64)
    X = np.abs(X * 1e4).astype(dtype) if dtype[0] in "iu" and name in NUMERIC else X.astype(dtype)
    native, labels = resampled(name, X, y, parameters)
    for swapped in (X.astype(f">{dtype}"), np.asfortranarray(X.astype(f">{dtype}"))):
        new, new_labels = resampled(name, swapped, y.astype(">i8"), parameters)
        assert new.dtype == native.dtype == np.dtype(dtype)
        assert new.dtype.isnative
        assert new_labels.dtype.isnative
        np.testing.assert_array_equal(new, native)
        np.testing.assert_array_equal(new_labels, labels)


@pytest.mark.parametrize("name", EVERY)
def test_mapped_rows_of_the_other_byte_order_are_read(name, tmp_path):
    X, y, parameters = problem(name)
    X.astype(">f8").tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", ">f8", "r", shape=X.shape)
    new = resampled(name, mapped, y, parameters)[0]
    assert new.dtype == np.float64
    np.testing.assert_array_equal(new, resampled(name, X, y, parameters)[0])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_floats_give_what_imbalanced_learn_gives(dtype, name):
    X, y, parameters = problem(name)
    mine = fit(vars(ours)[name](**seeded(name, 3, parameters)), X.astype(dtype), y)
    theirs = fit(THEIRS[name](**seeded(name, 3, parameters)), X.astype(dtype), y)
    assert mine[0].dtype == dtype
    if isinstance(theirs, Exception):  # SciPy has no matrices of float16, which SMOTENC needs there
        assert (name, dtype) == ("SMOTENC", np.float16)
        theirs = resampled(name, X.astype(dtype).astype(np.float32), y, parameters)
    if name == "SMOTEN":  # distances of categories are often equal, and ordered otherwise
        return
    np.testing.assert_allclose(mine[0].astype(float), theirs[0].astype(float), rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(mine[1], theirs[1])


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_rows_of_booleans_stay_booleans(form, name):
    """imbalanced-learn cannot subtract them. A new value is true unless it is 0, as in a mixed frame."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1, 2], SIZES)
    X = rng.random((len(y), 12)) < 0.2 + 0.2 * y[:, np.newaxis]
    got = fit(vars(ours)[name](**seeded(name, 3, {})), form(X), y)
    number = fit(vars(ours)[name](**seeded(name, 3, {})), X.astype(float), y)
    new = got[0].toarray() if sparse.issparse(got[0]) else got[0]
    assert new.dtype == bool
    # scikit-learn orders equal distances of sparse rows otherwise, and cleaners look at the new rows.
    if form is np.asarray and name not in COMBINED:
        np.testing.assert_array_equal(new, number[0] != 0)
        np.testing.assert_array_equal(got[1], number[1])
