"""Bad input is refused: the class of the error, and a text that names the argument and the place."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from support.anything import arrays, numbers

NAN, INF = float("nan"), float("inf")
KINDS = "integers, booleans, strings or floats"

# What is called, the class of the error, and the beginning of its text.
LABELS = [
    ([1.5, NAN], ValueError, "y[1] must not be null"),
    (np.array([0.5, NAN], np.float16), ValueError, "y[1] must not be null"),
    (["a", None], ValueError, "y[1] must not be null"),
    (["a", NAN], ValueError, "y[1] must not be null"),
    ([1, None, 2], ValueError, "y[1] must not be null"),
    ([0.5, INF], ValueError, "y[1] must be finite, got inf"),
    (np.zeros((2, 3)), ValueError, "y must be 1-D, not 2-D (shape (2, 3))"),
    (3, ValueError, "y must be 1-D, not 0-D (shape ())"),
    (["a", 1], TypeError, "y[1] must be a string, like y[0], got an integer"),
    ([True, 1], TypeError, "y[1] must be a boolean, like y[0], got an integer"),
    ([1, 0.5], TypeError, f"y must be {KINDS}, got float and int"),
    (np.array(["2026-01-01"], "M8[D]"), TypeError, f"y must be {KINDS}, got datetime64[D] array"),
    (np.zeros(2, complex), TypeError, f"y must be {KINDS}, got complex128 array"),
    ([b"a"], TypeError, f"y must be {KINDS}, got |S1 array"),
    ([1, 2**63], IndexError, "y[1] must be in [-9223372036854775808, 9223372036854775808)"),
    ({"a": 0.5}, TypeError, "y['a'] must be an integer, the number of rows of a class, got float"),
    ({"a": -1}, ValueError, "y['a'] must be in [0, 2^63), got -1"),
    ({"a": 1, 2: 1}, TypeError, "y[1] must be a string, like y[0], got an integer"),
]
COUNTS = [
    (
        lambda: equipoise.class_counts([1, 2, 7], classes=[1, 2]),
        ValueError,
        "y[2] must be one of classes, got 7",
    ),
    (
        lambda: equipoise.class_counts(["b", "x", "a"], classes=["a", "b"]),
        ValueError,
        "y[1] must be one of classes, got 'x'",
    ),
    (
        lambda: equipoise.class_counts({"x": 0}, classes=["a"]),
        ValueError,
        "y must be one of classes, got 'x'",
    ),
    (
        lambda: equipoise.class_counts([1], classes=[1, 2, 1]),
        ValueError,
        "classes[2] must differ from classes[0], got 1 twice",
    ),
    (
        lambda: equipoise.class_counts([1], classes=["a"]),
        TypeError,
        "classes must be integers, like y, got strings",
    ),
    (
        lambda: equipoise.class_counts([True], classes=[0, 1]),
        TypeError,
        "classes must be booleans, like y, got integers",
    ),
    (lambda: equipoise.class_counts([1], classes=[[1, 2]]), ValueError, "classes must be 1-D, not 2-D"),
    (lambda: equipoise.class_counts([1], classes=[None]), ValueError, "classes[0] must not be null"),
]
WEIGHTS = [
    (lambda: equipoise.class_weights([]), ValueError, "y must have at least one row, got none"),
    (lambda: equipoise.class_weights({"a": 0}), ValueError, "y must have at least one row, got none"),
    (lambda: equipoise.class_weights([], classes=[1]), ValueError, "y must have at least one row"),
    (lambda: equipoise.sample_weights([]), ValueError, "y must have at least one row, got none"),
    (
        lambda: equipoise.class_weights([1], "best"),
        ValueError,
        "scheme must be 'balanced', 'inverse', 'sqrt' or 'effective', got 'best'",
    ),
    (lambda: equipoise.sample_weights([1], "best"), ValueError, "scheme must be 'balanced', 'inverse',"),
    (lambda: equipoise.class_weights([1], None), TypeError, "scheme must be a string, got NoneType"),
    (lambda: equipoise.class_weights([1], beta=1), ValueError, "beta must be in [0, 1), got 1.0"),
    (lambda: equipoise.class_weights([1], beta=-0.1), ValueError, "beta must be in [0, 1), got -0.1"),
    (lambda: equipoise.class_weights([1], beta=NAN), ValueError, "beta must be finite, got nan"),
    (lambda: equipoise.class_weights([1], beta="0.9"), TypeError, "beta must be a real number, got str"),
    (lambda: equipoise.class_weights([1], as_dict=1), TypeError, "as_dict must be True or False, got int"),
    (lambda: equipoise.sample_weights([1], normalize=0), TypeError, "normalize must be True or False"),
    (lambda: equipoise.sample_weights({"a": 1}), ValueError, "y must be 1-D, not 0-D"),
    (
        lambda: equipoise.deferred_weights([1, -2], 0, start=1),
        ValueError,
        "counts[1] must be finite and >= 0, got -2",
    ),
    (
        lambda: equipoise.deferred_weights([0, 0], 0, start=1),
        ValueError,
        "counts must not all be zero, got 2 zeros",
    ),
    (lambda: equipoise.deferred_weights([1], -1, start=1), ValueError, "epoch must be >= 0, got -1"),
    (lambda: equipoise.deferred_weights([1], 1, start=0.5), TypeError, "start must be an integer, got float"),
    (lambda: equipoise.deferred_weights([1], 1, start=0, beta=1), ValueError, "beta must be in [0, 1)"),
    (lambda: equipoise.progressive_probs([[1]], 0, 1), ValueError, "counts must be 1-D, not 2-D"),
    (lambda: equipoise.progressive_probs(["a"], 0, 1), TypeError, "counts must be floats or integers"),
    (lambda: equipoise.progressive_probs([1, INF], 0, 1), ValueError, "counts[1] must be finite and >= 0"),
    (lambda: equipoise.progressive_probs([1], 0, 0), ValueError, "num_epochs must be >= 1, got 0"),
    (lambda: equipoise.progressive_probs([1], 0.5, 1), TypeError, "epoch must be an integer, got float"),
]
REPEATS = [
    (lambda: equipoise.repeat_factors([1], 0), ValueError, "threshold must be in (0, 1], got 0.0"),
    (lambda: equipoise.repeat_factors([1], 1.01), ValueError, "threshold must be in (0, 1], got 1.01"),
    (lambda: equipoise.repeat_factors([[1], [2, None]], 1), ValueError, "labels[1][1] must not be null"),
    (lambda: equipoise.repeat_factors([["a"], ["b", 1]], 1), TypeError, "labels[1][1] must be a string"),
    (lambda: equipoise.repeat_factors([["a"], [1]], 1), TypeError, "labels[1] must be a string, like"),
    (
        lambda: equipoise.repeat_factors(np.array([[0, 1], [2, 0]]), 1),
        ValueError,
        "labels[1, 0] must be 0 or 1, got 2",
    ),
    (lambda: equipoise.repeat_factors(np.array([[0, NAN]]), 1), ValueError, "labels[0, 1] must be 0 or 1"),
    (lambda: equipoise.repeat_factors(np.zeros((2, 2, 2)), 1), ValueError, "labels must be 1-D, not 3-D"),
    (lambda: equipoise.repeat_factors(([1, 2], [0]), 1), ValueError, "labels indptr[0] must be 0, got 1"),
    (
        lambda: equipoise.repeat_factors(([0, 2], [0]), 1),
        ValueError,
        "labels indices must have at least indptr[1] = 2 entries, got 1",
    ),
    (lambda: equipoise.repeat_factors(([0, 1], [-1]), 1), IndexError, "labels indices[0] must be in [0,"),
    (lambda: equipoise.repeat_factors(([0, 1], [0.5]), 1), TypeError, "labels indices must be integers"),
    (lambda: equipoise.repeat_factors({"a": 1}, 1), ValueError, "labels must be 1-D, not 0-D"),
    (lambda: equipoise.repeat_rows([1, -1.5]), ValueError, "factors[1] must be finite and >= 0, got -1.5"),
    (lambda: equipoise.repeat_rows([NAN]), ValueError, "factors[0] must be finite and >= 0, got nan"),
    (lambda: equipoise.repeat_rows([1e300]), ValueError, "factors must ask for fewer than 2^60 entries"),
    (lambda: equipoise.repeat_rows([[1]]), ValueError, "factors must be 1-D, not 2-D (shape (1, 1))"),
    (lambda: equipoise.repeat_rows(["a"]), TypeError, "factors must be floats or integers"),
    (lambda: equipoise.repeat_rows([1], rng="a"), TypeError, "rng must be None, an int >= 0"),
]
MEASURES = [
    (lambda: equipoise.imbalance([]), ValueError, "y must have at least one row, got none"),
    (lambda: equipoise.imbalance({}), ValueError, "y must have at least one row, got none"),
    (lambda: equipoise.imbalance(np.zeros((0, 3))), ValueError, "y must have at least one row, got none"),
    (lambda: equipoise.imbalance(np.array([[1, 3]])), ValueError, "y[0, 1] must be 0 or 1, got 3"),
    (lambda: equipoise.imbalance([["a", "b"]]), TypeError, "y must be floats, integers or booleans"),
    (
        lambda: equipoise.imbalance(np.eye(2), classes=["a"]),
        ValueError,
        "classes must have 2 entries, one for each column of y, got 1",
    ),
    (lambda: equipoise.imbalance(np.zeros((2, 2, 2))), ValueError, "y must be 1-D, not 3-D"),
    (lambda: equipoise.imbalance([1]).top_share(1.5), ValueError, "fraction must be in [0, 1], got 1.5"),
    (lambda: equipoise.imbalance([1]).top_share("a"), TypeError, "fraction must be a real number, got str"),
]
PRIORS = [
    (lambda: equipoise.prior_correct([0.5, 1.5], 0.5, 0.5), ValueError, "p[1] must be in [0, 1], got 1.5"),
    (lambda: equipoise.prior_correct([NAN], 0.5, 0.5), ValueError, "p[0] must be in [0, 1], got nan"),
    (
        lambda: equipoise.prior_correct([[0.5, 0.4]], [1, 1], [1, 1]),
        ValueError,
        "p[0] must sum to 1 within 1e-6, got a sum of 0.9",
    ),
    (
        lambda: equipoise.prior_correct([[1.0]], [1], [1]),
        ValueError,
        "p must be 1-D, or have a column for each class, got shape (1, 1)",
    ),
    (lambda: equipoise.prior_correct(["a"], 0.5, 0.5), TypeError, "p must be floats or integers"),
    (
        lambda: equipoise.prior_correct([0.5], [1, 2, 3], 0.5),
        ValueError,
        "train_prior must be a probability of class 1, or a pair, one number for each class of p",
    ),
    (
        lambda: equipoise.prior_correct([[0.5, 0.5]], [1, 1], [1, 2, 3]),
        ValueError,
        "true_prior must be an array of shape (2,), one number for each class of p, got shape (3,)",
    ),
    (lambda: equipoise.prior_correct([[0.5, 0.5]], 0.5, [1, 1]), ValueError, "train_prior must be an array"),
    (
        lambda: equipoise.prior_correct([0.5], 0.5, 2),
        ValueError,
        "true_prior must be in [0, 1], the probability of class 1, got 2.0",
    ),
    (
        lambda: equipoise.prior_correct([0.5], 0.5, [1, -1]),
        ValueError,
        "true_prior[1] must be finite and >= 0, got -1",
    ),
    (lambda: equipoise.prior_correct([0.5], 0.5, [0, 0]), ValueError, "true_prior must not all be zero"),
    (
        lambda: equipoise.prior_correct([0.5], 1, 0.5),
        ValueError,
        "train_prior must be > 0 for every class, got 0.0 for class 0",
    ),
    (
        lambda: equipoise.prior_correct([0.5], [1, 0], 0.5),
        ValueError,
        "train_prior must be > 0 for every class, got 0.0 for class 1",
    ),
    (
        lambda: equipoise.prior_correct([0.5], [1, 5e-324], 0.5),
        ValueError,
        "true_prior / train_prior must be finite for every class",
    ),
    (
        lambda: equipoise.prior_correct([0.5, 0.0], 0.5, 1),
        ValueError,
        "p[1] must be > 0 for a class whose true_prior is > 0, got 0 for all",
    ),
]
CALIBRATION = [
    (lambda: equipoise.calibration([], []), ValueError, "p must have at least one row, got none"),
    (lambda: equipoise.calibration([1, 2], [0.5, 0.5]), ValueError, "y[1] must be 0 or 1, got 2"),
    (lambda: equipoise.calibration([1, NAN], [0.5, 0.5]), ValueError, "y[1] must be 0 or 1, got nan"),
    (lambda: equipoise.calibration(["a"], [0.5]), TypeError, "y must be floats, integers or booleans"),
    (lambda: equipoise.calibration([1, 0], [0.5]), ValueError,
     "y must have 1 entries, one for each row of p, got 2"),
    (lambda: equipoise.calibration([[1]], [0.5]), ValueError, "y must be 1-D, not 2-D"),
    (lambda: equipoise.calibration([1], [-0.5]), ValueError, "p[0] must be in [0, 1], got -0.5"),
    (lambda: equipoise.calibration([1], [[0.5, 0.5]]), ValueError, "p must be 1-D, not 2-D (shape (1, 2))"),
    (lambda: equipoise.calibration([1], [0.5], groups=["a", "b"]), ValueError,
     "groups must have 1 entries, one for each row of p, got 2"),
    (lambda: equipoise.calibration([1], [0.5], groups=[None]), ValueError, "groups[0] must not be null"),
    (lambda: equipoise.calibration([1], [0.5], sample_weights=[-1]), ValueError,
     "sample_weights[0] must be finite and >= 0, got -1"),
    (lambda: equipoise.calibration([1], [0.5], sample_weights=[0.0]), ValueError,
     "sample_weights must not all be zero"),
    (lambda: equipoise.calibration([1, 0], [0.5, 0.5], sample_weights=[1]), ValueError,
     "sample_weights must have 2 entries, one for each row of p, got 1"),
    (lambda: equipoise.calibration([1, 0], [0.5, 0.5], sample_weights=[1.7e308, 1.7e308]), ValueError,
     "sample_weights must have a finite sum"),
    (lambda: equipoise.calibration([1], [0.5], bins=0), ValueError, "bins must be in [1, 2147483647], got 0"),
    (lambda: equipoise.calibration([1], [0.5], bins=2.0), TypeError, "bins must be an integer, got float"),
]  # fmt: skip


@pytest.mark.parametrize(("y", "error", "text"), LABELS)
def test_labels(y, error, text):
    for call in (equipoise.class_counts, equipoise.class_weights, equipoise.imbalance):
        if call is not equipoise.imbalance or np.ndim(y) != 2:
            with pytest.raises(error, match=f"^{re.escape(text)}"):
                call(y)


@pytest.mark.parametrize(
    ("call", "error", "text"), [*COUNTS, *WEIGHTS, *REPEATS, *MEASURES, *PRIORS, *CALIBRATION]
)
def test_arguments(call, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}") as caught:
        call()
    assert type(caught.value) is error


def test_missing_labels_of_columns():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    for y in (
        pd.Categorical(["a", None]), pd.Series(["a", None]), pd.Series(["a", None], dtype="string"),
        pd.array([1, None], dtype="Int64"), pd.Series([0.5, None]), pd.Series(["a", pd.NA], dtype=object),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^y\[1\] must not be null"):
            equipoise.class_counts(y)


def test_missing_labels_of_enums_and_arrow():
    pl = pytest.importorskip("polars", reason="polars is not installed")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for y in (
        pl.Series(["a", None], dtype=pl.Enum(["a"])), pl.Series(["a", None]), pl.Series([0.5, None]),
        pa.array(["a", None]), pa.array(["a", None]).dictionary_encode(), pa.chunked_array([["a"], [None]]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^y\[1\] must not be null"):
            equipoise.class_counts(y)


def test_frames_are_no_labels():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame({"a": ["x", "y"]})
    with pytest.raises(ValueError, match=r"^y must be 1-D, not 2-D \(shape \(2, 1\)\)"):
        equipoise.class_counts(frame)
    with pytest.raises(ValueError, match=r"^groups must be 1-D, not 2-D"):
        equipoise.calibration([1, 0], [0.5, 0.5], groups=frame)


def test_categories_that_are_no_labels():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(TypeError, match=rf"^y's categories must be {KINDS}, got pandas interval"):
        equipoise.class_counts(pd.cut(pd.Series([1, 2, 3]), 2))


def test_sparse_matrices_of_other_numbers():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    with pytest.raises(ValueError, match=r"^y data\[1\] must be 0 or 1, got 2\.0"):
        equipoise.imbalance(sparse.csr_array([[1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"^y must be 1-D, not 2-D"):
        equipoise.class_counts(sparse.csr_array([[1.0, 1.0]]))


# ---- any mixture of arguments -----------------------------------------------------------------------------

tables = st.one_of(arrays, st.dictionaries(st.one_of(numbers, st.text(max_size=1)), numbers, max_size=4))
CALLS = {
    "y": [
        lambda x, other: equipoise.class_counts(x, classes=other),
        lambda x, other: equipoise.class_weights(x, "effective", beta=other),
        lambda x, other: equipoise.sample_weights(x),
        lambda x, other: equipoise.imbalance(x, classes=other),
        equipoise.calibration,
    ],
    "counts": [
        lambda x, other: equipoise.deferred_weights(x, 1, start=other),
        lambda x, other: equipoise.progressive_probs(x, 1, other),
    ],
    "labels": [
        lambda x, other: equipoise.repeat_factors(x, 0.5),
        lambda x, other: equipoise.repeat_factors((x, other), 0.5),
    ],
    "factors": [lambda x, other: equipoise.repeat_rows(np.minimum(x, 9) if is_real(x) else x, rng=1)],
    "p": [
        lambda x, other: equipoise.prior_correct(x, other, other),
        lambda x, other: equipoise.calibration([1, 0, 1], x, groups=other, sample_weights=[1, 2, 3]),
    ],
}
OTHERS = ("classes", "beta", "start", "num_epochs", "train_prior", "groups", "labels ind", "p", "y")


def is_real(x):
    return isinstance(x, list) and all(isinstance(entry, int | float) for entry in x)


@given(st.sampled_from([(name, call) for name, calls in CALLS.items() for call in calls]), tables, tables)
@settings(max_examples=3000)
def test_any_arguments(named, x, other):
    """They give an answer, or a documented error that names its argument. No warning comes from NumPy."""
    name, call = named
    said = ""
    try:
        call(x, other)
    except (TypeError, ValueError, IndexError) as error:
        said = str(error)
    assert not said or said.startswith((name, *OTHERS)), said
