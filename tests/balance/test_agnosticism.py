"""The container of labels, their order and their memory do not matter; categories keep their own order."""

from __future__ import annotations

import enum
import subprocess
import sys

import numpy as np
import pytest

import equipoise

Y = ["lo", "hi", "lo", "mid", "hi", "lo"]


def counts_of(y, **how):
    found = equipoise.class_counts(y, **how)
    return dict(zip(found.classes.tolist(), found.counts.tolist(), strict=True))


def check_order(y, wanted):
    """Check the counts and their order, and all that is made of them."""
    assert list(counts_of(y).items()) == list(wanted.items())
    assert list(equipoise.class_weights(y, as_dict=True)) == list(wanted)
    assert equipoise.imbalance(y).classes.tolist() == list(wanted)
    expected = [label for label, n in wanted.items() if n]
    halves = np.full(sum(wanted.values()), 0.5)
    groups = equipoise.calibration(halves > 0, halves, groups=y).groups
    assert groups.labels.tolist() == expected
    assert groups.rows.tolist() == [wanted[label] for label in expected]


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int64, np.uint64, np.float16, np.float32, np.float64]
)
def test_a_column_of_any_dtype(dtype):
    y = np.array([3, 0, 3, 7, 9, 3]).astype(dtype)
    found = equipoise.class_counts(y)
    assert found.classes.dtype == (np.float64 if y.dtype.kind == "f" else np.int64)
    assert (found.classes.tolist(), found.counts.tolist()) == ([0, 3, 7, 9], [1, 3, 1, 1])
    assert counts_of(y[::-2]) == {0: 1, 7: 1, 3: 1}
    assert counts_of(y.astype(y.dtype.newbyteorder())) == counts_of(y)


def test_booleans_strings_and_floats():
    assert counts_of([True, False, True]) == {False: 1, True: 2}
    assert equipoise.class_counts(np.array([True])).classes.dtype == np.bool_
    assert counts_of(np.array(Y)) == counts_of(np.array(Y, object)) == counts_of(Y)
    assert counts_of([0.5, -0.0, 0.0, 1e300]) == {0.0: 2, 0.5: 1, 1e300: 1}
    assert counts_of(["a\0", "a"]) == {"a": 1, "a\0": 1}


def test_strings_of_other_classes():
    class Color(str, enum.Enum):  # noqa: UP042, since its str() is not its value
        RED = "red"
        BLUE = "blue"

    for y in ([Color.RED, "red", Color.BLUE], [np.str_("red"), "red", "blue"]):
        assert equipoise.class_counts(y).classes.tolist() == ["blue", "red"]
        assert equipoise.class_weights(y, as_dict=True) == {"blue": 1.5, "red": 0.75}
        assert equipoise.sample_weights(y).tolist() == [0.25, 0.25, 0.5]


def test_labels_far_apart():
    y = np.array([-(2**63), 2**63 - 1, 0, 2**63 - 1])
    assert counts_of(y) == {-(2**63): 1, 0: 1, 2**63 - 1: 2}
    assert equipoise.sample_weights(y).tolist() == [1 / 3, 1 / 6, 1 / 3, 1 / 6]


def test_pandas_categories_keep_their_order():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    levels = pd.CategoricalDtype(["lo", "mid", "hi", "top"], ordered=True)
    wanted = {"lo": 3, "mid": 1, "hi": 2, "top": 0}
    for y in (pd.Categorical(Y, dtype=levels), pd.Series(Y, dtype=levels, index=[9] * 6)):
        check_order(y, wanted)
    check_order(pd.CategoricalIndex(Y, dtype=levels), wanted)
    check_order(pd.Series(pd.Categorical([5, 3, 5], categories=[7, 5, 3])), {7: 0, 5: 2, 3: 1})
    check_order(pd.Categorical([0.5, 2.0], categories=[2.0, 0.5]), {2.0: 1, 0.5: 1})
    check_order(pd.Categorical([True, True], categories=[True, False]), {True: 2, False: 0})
    assert counts_of(pd.Series([], dtype=levels)) == dict.fromkeys(wanted, 0)
    assert counts_of(pd.Series(Y, dtype=levels), classes=["hi", "mid", "lo"]) == {"hi": 2, "mid": 1, "lo": 3}


def test_other_columns_of_pandas_are_sorted():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    wanted = {"hi": 2, "lo": 3, "mid": 1}
    for dtype in (object, "string", "str"):
        check_order(pd.Series(Y, dtype=dtype, index=[7] * 6), wanted)
    check_order(pd.array([2, 1, 2], dtype="Int64"), {1: 1, 2: 2})
    check_order(pd.array([True, None], dtype="boolean")[:1], {True: 1})
    check_order(pd.array([2.5, 1.5], dtype="Float32"), {1.5: 1, 2.5: 1})


def test_enums_keep_their_order():
    pl = pytest.importorskip("polars", reason="polars is not installed")
    y = pl.Series(Y, dtype=pl.Enum(["lo", "mid", "hi", "top"]))
    check_order(y, {"lo": 3, "mid": 1, "hi": 2, "top": 0})
    check_order(pl.concat([y[:2], y[2:]], rechunk=False), {"lo": 3, "mid": 1, "hi": 2, "top": 0})
    for other in (pl.Series(Y, dtype=pl.Categorical), pl.Series(Y)):
        check_order(other, {"hi": 2, "lo": 3, "mid": 1})


def test_arrow_dictionaries_are_sorted():
    """Their order is that of the first row, or of whoever wrote the file."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    wanted = {"hi": 2, "lo": 3, "mid": 1}
    check_order(pa.array(Y).dictionary_encode(), wanted)
    check_order(
        pa.chunked_array([pa.array(Y[:2]).dictionary_encode(), pa.array(Y[2:]).dictionary_encode()]), wanted
    )
    check_order(pa.chunked_array([Y[:4], Y[4:]]), wanted)
    check_order(pa.DictionaryArray.from_arrays([0, 1, 0, 2], pa.array(["b", "b", "a"])), {"a": 1, "b": 3})
    check_order(pa.DictionaryArray.from_arrays([0, 1, 0], pa.array([5, 3])), {3: 1, 5: 2})


def test_pandas_columns_of_arrow_dictionaries_are_sorted():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    dtype = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    check_order(pd.Series(pa.array(Y).dictionary_encode(), dtype=dtype), {"hi": 2, "lo": 3, "mid": 1})


def test_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert counts_of(torch.tensor([3, 1, 3])) == {1: 1, 3: 2}
    assert counts_of(torch.tensor([True, False])) == {False: 1, True: 1}
    assert counts_of(torch.tensor([0.5, 0.25])) == {0.25: 1, 0.5: 1}


def test_sparse_and_dense_matrices_agree():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    dense = np.random.default_rng(0).random((40, 6)) < 0.3
    wanted = equipoise.imbalance(dense), equipoise.repeat_factors(dense, 0.5)
    stored = sparse.csr_array(dense.astype(float))
    stored.data[::3] = 0  # zeros that are stored are zeros
    zeros = stored.toarray()
    for kind, x in ((sparse.csr_matrix, dense), (sparse.csc_array, dense), (sparse.coo_array, dense)):
        found = equipoise.imbalance(kind(x))
        assert found.counts.tolist() == wanted[0].counts.tolist()
        assert equipoise.repeat_factors(kind(x), 0.5).tolist() == wanted[1].tolist()
    assert equipoise.imbalance(stored).counts.tolist() == equipoise.imbalance(zeros).counts.tolist()
    assert equipoise.repeat_factors(stored, 0.5).tolist() == equipoise.repeat_factors(zeros, 0.5).tolist()


def test_frames_of_zeros_and_ones_are_matrices():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    dense = np.eye(3, dtype=int)
    assert equipoise.imbalance(pd.DataFrame(dense)).counts.tolist() == [1, 1, 1]
    assert equipoise.repeat_factors(pd.DataFrame(dense), 1).tolist() == [3**0.5] * 3


def test_lists_of_labels_in_any_list():
    rows = [["a", "b"], ["b"], []]
    wanted = equipoise.repeat_factors(rows, 1).tolist()
    for made in (
        list(map(tuple, rows)), tuple(rows), list(map(set, rows)), [np.array(row, object) for row in rows],
    ):  # fmt: skip
        assert equipoise.repeat_factors(made, 1).tolist() == wanted
    objects = np.empty(3, object)
    objects[:] = rows
    assert equipoise.repeat_factors(objects, 1).tolist() == wanted


def test_a_column_of_lists():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    rows = [["a", "b"], ["b"], []]
    found = equipoise.repeat_factors(pd.Series(rows), 1)
    assert found.tolist() == equipoise.repeat_factors(rows, 1).tolist()


def test_one_label_a_row():
    found = equipoise.repeat_factors(["a", "b", "b", "b"], 1)
    assert found.tolist() == equipoise.repeat_factors([["a"], ["b"], ["b"], ["b"]], 1).tolist()
    assert equipoise.repeat_factors(("a", "b"), 1).tolist() == [2**0.5] * 2  # a tuple of labels, no pair
    assert equipoise.repeat_factors([], 1).tolist() == []


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(6)
    p, w, groups = rng.random(1000).round(2), rng.random(1000), rng.integers(0, 5, 1000)
    y = rng.random(1000) < p
    found = equipoise.calibration(y, p, groups=groups, sample_weights=w)
    order = rng.permutation(1000)
    other = equipoise.calibration(y[order], p[order], groups=groups[order], sample_weights=w[order])
    np.testing.assert_allclose(other.ece, found.ece, rtol=1e-12)
    np.testing.assert_allclose(other.groups.ece, found.groups.ece, rtol=1e-12)
    np.testing.assert_allclose(other.groups.log_loss, found.groups.log_loss, rtol=1e-12)


def test_arguments_are_left_as_they_are():
    """The code reads the caller's arrays, which may be read-only."""
    y, p = np.array([1, 0, 1]), np.array([0.5, 0.25, 0.75])
    factors = np.array([1.5, 2.0])
    for array in (y, p, factors):
        array.flags.writeable = False
    equipoise.calibration(y, p, groups=y, sample_weights=p)
    equipoise.prior_correct(p, 0.5, 0.1)
    equipoise.sample_weights(y)
    equipoise.repeat_rows(factors, rng=1)
    assert equipoise.class_counts(y).classes.flags.writeable


WITHOUT = """
import sys, equipoise
before = set(sys.modules)
y = ["a", "b", "a"]
equipoise.imbalance(y), equipoise.sample_weights(y), equipoise.repeat_factors([["a"], []], 0.5)
equipoise.calibration([1, 0, 0], [0.5, 0.5, 0.25], groups=y), equipoise.prior_correct([0.5], 0.5, 0.1)
equipoise.class_weights(y)
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new & {"pandas", "polars", "pyarrow", "torch", "scipy", "sklearn", "matplotlib"}))
"""


def test_no_other_library_is_imported():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
