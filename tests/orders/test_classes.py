"""Classes are found in any labels, and their shares are whole units: the reference, and the errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.orders import classes, find_classes, share_units
from support import reference
from support.cases import CudaTensor

NAN, INF = float("nan"), float("inf")


def check_found(found, labels):
    """Check the classes of labels, which are a list, against the reference."""
    known, rows = reference.classes_of(labels)
    assert found.labels.tolist() == known
    assert [found.rows_of(c).tolist() for c in range(len(known))] == rows
    assert found.counts.tolist() == [len(one) for one in rows]
    assert found.digest == reference.classes_digest(labels)
    assert (found.grouped.rows.dtype, found.grouped.offsets.dtype) == (np.uint32, np.int64)


INTEGERS = st.one_of(
    st.integers(-3, 3), st.integers(0, 70_000), st.sampled_from([-(2**63), 2**63 - 1, 10**9, 10**9 + 1])
)


@given(st.one_of(*(st.lists(x, min_size=1, max_size=50) for x in (INTEGERS, st.booleans(), st.text()))))
def test_random_labels_equal_the_reference(labels):
    check_found(find_classes(labels), labels)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.int32, np.uint64, np.int64, np.bool_])
def test_a_column_of_any_dtype(dtype):
    y = np.random.default_rng(0).integers(0, 2 if dtype == np.bool_ else 100, 3000).astype(dtype)
    check_found(find_classes(y[::3]), y[::3].tolist())
    assert find_classes(y).labels.dtype == (np.bool_ if dtype == np.bool_ else np.int64)


@pytest.mark.parametrize("count", [255, 256, 257, 65_536, 65_537])
def test_many_classes(count):
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(count), 2)) * 7 - 1000
    found = find_classes(y)
    assert found.labels.tolist() == list(range(-1000, 7 * count - 1000, 7))
    assert (y[found.grouped.rows] == np.sort(y)).all()
    pairs = found.grouped.rows.reshape(-1, 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_labels_with_an_index():
    """A categorical column may list categories that no row has, and in any order."""
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(pandas.Categorical(["b", "a", "b", "d"], categories=["d", "c", "b", "a"]))
    check_found(find_classes(y), ["b", "a", "b", "d"])
    numbers = pandas.Series(pandas.Categorical([5, 3, 5], categories=[7, 5, 3]))
    check_found(find_classes(numbers), [5, 3, 5])


def test_the_labels_of_the_caller_are_neither_kept_nor_changed():
    y = np.array([3, 1, 3, 0])
    found = find_classes(y)
    before = found.grouped.rows.tolist()
    y[:] = 9
    assert found.grouped.rows.tolist() == before
    assert found.labels.tolist() == [0, 1, 3]


def test_labels_that_another_thread_changes_are_refused(monkeypatch):
    y, chunks = np.array([0, 1, 1, 0, 1]), classes.for_chunks

    def changed(*args):
        y[0] = 1
        chunks(*args)

    monkeypatch.setattr(classes, "for_chunks", changed)
    with pytest.raises(ValueError, match=r"^labels must not change while its classes are found$"):
        find_classes(y, "labels")


def test_chunks_do_not_matter(monkeypatch):
    y = np.random.default_rng(2).integers(0, 9, 1000)
    wanted = find_classes(y).grouped.rows
    monkeypatch.setattr(classes, "_CHUNK", 7)
    assert (find_classes(y).grouped.rows == wanted).all()


def test_the_digest_tells_the_classes_of_rows_apart_but_not_their_names():
    digests = [find_classes(y).digest for y in ([0, 1, 1], [1, 0, 1], [0, 0, 1], [0, 1], [0, 1, 2])]
    assert len(set(digests)) == 5
    assert find_classes(["no", "yes", "yes"]).digest == digests[0]


# ---- shares ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.data())
def test_shares_equal_the_reference(sizes, data):
    found = find_classes(np.repeat(np.arange(len(sizes)), sizes))
    weights = st.lists(st.floats(0, 1), min_size=len(sizes), max_size=len(sizes)).filter(sum)
    drawn = np.array(data.draw(weights))
    policy = data.draw(
        st.one_of(st.sampled_from(["balanced", "proportional", "sqrt"]), st.just(drawn / drawn.sum()))
    )
    units = share_units(policy, found)
    assert units.tolist() == reference.share_units(policy, sizes)
    assert sum(units.tolist()) == reference.UNITS
    if not isinstance(policy, str):
        assert (units[policy == 0] == 0).all()
        assert np.abs(units / reference.UNITS - policy).max() < 1e-15
        as_mapping = dict(zip(found.labels.tolist(), policy.tolist(), strict=True))
        assert (share_units(as_mapping, found) == units).all()


def test_shares_of_policies():
    found = find_classes(["a"] + ["b"] * 4 + ["c"] * 16)
    shares = {
        name: share_units(name, found) / reference.UNITS for name in ("balanced", "proportional", "sqrt")
    }
    assert shares["balanced"] == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert shares["proportional"] == pytest.approx([1 / 21, 4 / 21, 16 / 21], abs=1e-15)
    assert shares["sqrt"] == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=1e-15)


@pytest.mark.parametrize(
    ("labels", "probs"),
    [
        ([True, False], {False: 0.25, True: 0.75}),
        ([True, False], {np.bool_(False): 0.25, np.bool_(True): 0.75}),
        ([7, -1], {np.int64(7): 0.75, -1: 0.25}),
        (["x", "y"], {np.str_("y"): 0.75, "x": 0.25}),
        ([5, 6], [0.25, 0.75]),
        ([5, 6], np.array([0.25, 0.75], np.float32)),
        ([5, 6], (0.25 + 4e-7, 0.75)),
    ],
)
def test_probabilities_of_every_kind(labels, probs):
    units = share_units(probs, find_classes(labels))
    assert units / reference.UNITS == pytest.approx([0.25, 0.75], abs=1e-6)
    assert sum(units.tolist()) == reference.UNITS


def test_labels_may_be_floats():
    """Labels often come out of a table as floats."""
    found = find_classes([0.5, -0.0, 0.5, 0.0])
    assert found.labels.tolist() == [0.0, 0.5]
    assert found.counts.tolist() == [2, 2]
    assert found.rows_of(1).tolist() == [0, 2]
    assert found.digest == find_classes([1, 0, 1, 0]).digest
    assert (share_units({0.0: 0.25, 0.5: 0.75}, found) / reference.UNITS).tolist() == [0.25, 0.75]


def test_a_series_is_read_by_its_index():
    """The most frequent class comes first in value_counts()."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    y = pandas.Series(["b", "b", "b", "a"])
    units = share_units(y.value_counts(normalize=True), find_classes(y))
    assert (units / reference.UNITS).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="class_probs must name classes of y only, got 0"):
        share_units(pandas.Series([0.25, 0.75]), find_classes(y))


def test_numbers_may_be_integers():
    assert share_units([0, 1], find_classes([5, 6])).tolist() == [0, reference.UNITS]


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "text"),
    [
        ([], ValueError, r"^y must have between 1 and 2\^32 - 1 entries, got 0$"),
        ([0.0, 1j], TypeError, "^y must be integers, booleans, strings or .*floats, got complex128 array$"),
        ([0.0, INF], ValueError, r"^y\[1\] must be finite, got inf$"),
        ([0, NAN], ValueError, r"^y\[1\] must not be null"),
        ([0, None], ValueError, r"^y\[1\] must not be null"),
        ([0, "a"], TypeError, r"^y\[1\] must be an integer, like y\[0\], got a string$"),
        ([[0, 1]], ValueError, r"^y must be 1-D, not 2-D \(shape \(1, 2\)\)$"),
        ([0, 2**63], IndexError, r"^y\[1\] must be in \[-9223372036854775808, 9223372036854775808\)"),
        (5, ValueError, "^y must be 1-D"),
        (None, ValueError, "^y must be 1-D"),
        (CudaTensor(), TypeError, "^y must be"),
    ],
)
def test_bad_labels(y, error, text):
    with pytest.raises(error, match=text):
        find_classes(y)


ONES = "'balanced', 'proportional' or 'sqrt'"
MISSING = "^class_probs must have a probability for each class, got none for"
SUM = "^class_probs must sum to 1 within 1e-6, got a sum of"


@pytest.mark.parametrize(
    ("probs", "error", "text"),
    [
        ("natural", ValueError, f"^class_probs must be {ONES}, got 'natural'$"),
        (None, TypeError, "^class_probs must be "),
        (object(), TypeError, "^class_probs must be "),
        (0.5, ValueError, r"^class_probs must be 1-D, not 0-D \(shape \(\)\)$"),
        ([0.5, 0.5], ValueError, "^class_probs must have 3 entries, one for each class, got 2$"),
        ([[0.2, 0.3, 0.5]], ValueError, r"^class_probs must be 1-D, not 2-D \(shape \(1, 3\)\)$"),
        ([0.5, -0.5, 1], ValueError, r"^class_probs\[1\] must be finite and >= 0, got -0.5$"),
        ([0.5, 0.5, NAN], ValueError, r"^class_probs\[2\] must be finite and >= 0, got nan$"),
        ([INF, 0, 0], ValueError, r"^class_probs\[0\] must be finite and >= 0, got inf$"),
        ([0.3, 0.3, 0.3], ValueError, rf"{SUM} 0\.9$"),
        ([0, 0, 0], ValueError, f"{SUM} 0$"),
        ([1, 1, 0], ValueError, f"{SUM} 2$"),
        (["a", "b", "c"], TypeError, "^class_probs must be 'balanced', 'proportional', 'sqrt', a mapping"),
        ([True, False, False], TypeError, "^class_probs must be "),
        ({"a": 0.5, "b": 0.5}, ValueError, f"{MISSING} 'c'$"),
        ({"a": 1, "b": 0, "c": 0, "d": 0}, ValueError, "^class_probs must name classes of y only, got 'd'$"),
        ({0: 1.0}, ValueError, "^class_probs must name classes of y only, got 0$"),
        ({"a": 0.5, "b": 0.4, "c": 0}, ValueError, rf"{SUM} 0\.9$"),
        ({"a": 2, "b": -1, "c": 0}, ValueError, r"^class_probs\['b'\] must be finite and >= 0, got -1\.0$"),
        ({"a": "1", "b": 0, "c": 0}, TypeError, r"^class_probs\['a'\] must be a real number, got str$"),
        ({}, ValueError, f"{MISSING} 'a'$"),
    ],
)  # fmt: skip
def test_bad_probabilities(probs, error, text):
    found = find_classes(["a", "b", "c"])
    with pytest.raises(error, match=text):
        share_units(probs, found)
    with pytest.raises(error, match=text.replace("class_probs", r"schedule\(4\)")):
        share_units(probs, found, "schedule(4)")
