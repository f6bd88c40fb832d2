"""The three steps of a distributed sample give the sample of one machine. No engine is needed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equipoise
from equipoise import _distributed
from support.clusters import check, cut, on_one_machine, rows


def sample(parts, k, by=None, seed=0, calls=None):
    """Sample as an engine does, and pickle everything that it would send."""
    plan = pickle.loads(pickle.dumps(_distributed.Plan(k, "w", "id", by, seed)))
    pick = lambda part, at: {name: column[at] for name, column in part.items()}  # noqa: E731
    kept = [pick(part, plan.prune(part.__getitem__)) for part in parts]
    calls = [] if calls is None else calls

    def merged(wanted):
        level = [plan.sketch(part.__getitem__) for part in kept]
        calls.append((wanted, sum(map(len, level))))
        while len(level) > 1:
            level = [_distributed.merge(level[i : i + 3], wanted) for i in range(0, len(level), 3)]
        return _distributed.merge(level, wanted)

    def taken(limits):
        some = [pick(part, plan.take(part.__getitem__, pickle.loads(pickle.dumps(limits)))) for part in kept]
        calls.append(sum(len(part["id"]) for part in some))
        return {name: np.concatenate([part[name] for part in some]) for name in some[0]}

    batch, at, inclusion = plan.collect(merged, taken, lambda batch: batch.__getitem__)
    return {**pick(batch, at), "inclusion": inclusion}


@pytest.mark.parametrize("by", [None, "label", "word"])
@pytest.mark.parametrize("k", [1, 7, 60, 5000])
@pytest.mark.parametrize("parts", [1, 3, 50])
def test_a_sample_in_parts_equals_that_of_one_machine(parts, k, by):
    table = rows()
    check(sample(cut(table, parts), k, by, seed=k), table, k, by, seed=k)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from("abc"))),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 5),
    st.sampled_from([None, "c"]),
)
def test_repeated_rows_count_once(parts, k, by):
    """Keys are repeated within a part and across parts, with equal or different weights and classes."""
    tables = []
    for part in parts:
        ids, w, c = ([row[i] for row in part] for i in range(3))
        tables.append({"id": np.array(ids, np.int64), "w": np.array(w), "c": np.array(c, object)})
    whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    wanted = on_one_machine(whole, k, by)
    got = sample(tables, k, by)
    assert got["id"].tolist() == wanted.ids.tolist()
    assert got["w"].tolist() == wanted.weights.tolist()
    assert got["inclusion"].tolist() == wanted.inclusion.tolist()
    if by:
        assert got["c"].tolist() == [np.unique(whole["c"])[c] for c in wanted.classes]


def test_the_threshold_is_raised_if_parts_share_rows():
    """A row is counted in each part that has it, so at first too few different rows may be taken."""
    table, calls = rows(), []
    check(sample([table] * 20, 50, calls=calls), table, 50)
    assert [call[0] for call in calls[::2]] == [51, 204, 816, 3264]
    assert calls[-1] < 1.2 * 3264


def test_parts_may_be_empty():
    none = {name: column[:0] for name, column in rows(10).items()}
    for by in (None, "label", "word"):
        assert sample([none, none], 5, by)["inclusion"].size == 0
        one = {**rows(10), "w": np.zeros(10)}
        assert sample([none, one], 5, by)["inclusion"].size == 0


def test_little_is_sent():
    """As the docstrings say, a sketch has 2.2 KB, and hardly more than k rows are sent."""
    rng, k, parts = np.random.default_rng(1), 10_000, 100
    tables = [{"id": np.arange(p, 1_200_000, parts), "w": rng.pareto(1.5, 12_000)} for p in range(parts)]
    calls = []
    sample(tables, k, calls=calls)
    (_, sketches), taken = calls
    assert sketches < 2200 * parts
    assert k < taken < 1.1 * k
    # One part has nearly the whole sample.
    tables[3]["w"] *= 1e12
    calls.clear()
    sample(tables, k, calls=calls)
    assert k < calls[1] <= 1.125 * (k + 1) + parts


def test_the_sketch_of_a_hundred_thousand_rows_is_small():
    rng, k = np.random.default_rng(0), 100_000
    weights = rng.pareto(1.5, k + 1)
    plan = _distributed.Plan(k, "w", "id", None, 0)
    data = plan.sketch({"id": np.arange(k + 1), "w": weights}.__getitem__)
    assert 2000 < len(data) < 2300


def test_labels_may_be_of_any_kind():
    def classes(x):
        words, numbers = _distributed._classes(x, "by column 'c'")
        return words, numbers.tolist()

    assert classes(np.array([3, -1], np.int8)) == (None, [3, -1])
    assert classes([3, 2**63 - 1]) == (None, [3, 2**63 - 1])
    assert classes(np.array([3, 2], object)) == (None, [3, 2])
    assert classes(["b", "a", "b"]) == (["a", "b"], [1, 0, 1])
    assert classes(np.array(["b", "a\0"])) == (["a", "b"], [1, 0])  # NumPy drops trailing null characters
    assert classes(["a\0", "a"]) == (["a", "a\0"], [1, 0])
    assert classes(["\ud800", ""]) == (["", "\ud800"], [1, 0])
    assert classes([]) == ([], [])
    for bad, error, text in [
        ([1.0], TypeError, "must be integers or strings, got float"),
        ([1, "a"], TypeError, "must be integers or strings, got int and str"),
        ([True], TypeError, "got bool"),
        (["a", None], ValueError, r"by column 'c'\[1\] must not be null"),
        (np.array([1, np.nan]), ValueError, r"\[1\] must not be null"),
        (np.array([2**63], np.uint64), IndexError, r"by column 'c'\[0\] must be in"),
    ]:
        with pytest.raises(error, match=text):
            classes(bad)


def test_parts_with_different_types_of_labels_are_refused():
    words = {"id": np.arange(2), "w": np.ones(2), "c": np.array(["a", "b"], object)}
    with pytest.raises(TypeError, match="by column must be integers or strings, got both"):
        sample([words, {**words, "c": np.arange(2)}], 1, "c")


def test_bad_sketches_are_refused():
    good = _distributed.Plan(1, "w", "id", None, 0).sketch({"w": np.ones(3), "id": np.arange(3)}.__getitem__)
    for bad in (good[:-1], b"", good.replace(b"labels", b"lapels"), equipoise.Reservoir(1).to_bytes()):
        with pytest.raises(ValueError, match="data must be"):
            _distributed.merge([bad], 2)


def test_our_error_is_found_in_the_text_of_an_engine():
    text = "blue\nTypeError: key column 'id' must be integers, got float64 array\n\nThe above exception was"
    with pytest.raises(TypeError, match=r"^key column 'id' must be integers, got float64 array$"):
        _distributed.reraise(text)
    assert _distributed.reraise("ValueError: the user's own") is None


@pytest.mark.parametrize("weight", [5e-324, 1.0, 1e300])
def test_few_rows_are_taken_whatever_the_unit_of_the_weights(weight):
    """Ranks of huge weights are negative numbers."""
    tables = [{"id": np.arange(1_000) + 1_000 * i, "w": np.full(1_000, weight)} for i in range(5)]
    calls = []
    got = sample(tables, 50, calls=calls)
    whole = equipoise.Reservoir(50)
    whole.update(np.full(5_000, weight), np.arange(5_000))
    assert got["id"].tolist() == whole.sample().ids.tolist()
    assert 51 <= calls[-1] < 80
