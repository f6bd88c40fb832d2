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
        assert got["c"].tolist() == wanted.classes.tolist()


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


@pytest.mark.parametrize("kind", ["integers", "booleans", "strings"])
def test_labels_may_be_of_any_kind(kind):
    """The sample is that of one machine, in order of its labels, whichever labels a part has."""
    table = rows(500)
    labels = {
        "integers": table["label"],
        "booleans": table["flag"],
        "strings": np.array(["z", "a\0", "a", "\ud800", ""], object)[table["label"] + 2],
    }[kind]
    table |= {"c": labels}
    order = np.argsort([str(label) for label in labels.tolist()], kind="stable")
    parts = [{name: column[at] for name, column in table.items()} for at in np.array_split(order, 5)]
    check(sample(parts, 7, "c"), table, 7, "c")


def test_bad_labels_are_refused():
    for bad, error, text in [
        (
            np.array([1.0]),
            TypeError,
            "by column 'c' must be integers, booleans or strings, got float64",
        ),
        (np.array(["a", None], object), ValueError, r"by column 'c'\[1\] must not be null"),
        (np.array([1, np.nan]), ValueError, r"by column 'c'\[1\] must not be null"),
        (np.array([2**63], np.uint64), IndexError, r"by column 'c'\[0\] must be in"),
    ]:
        with pytest.raises(error, match=text):
            sample([{"id": np.arange(bad.size), "w": np.ones(bad.size), "c": bad}], 1, "c")


def test_parts_with_different_types_of_labels_are_refused():
    words = {"id": np.arange(2), "w": np.ones(2), "c": np.array(["a", "b"], object)}
    with pytest.raises(TypeError, match="by column must be strings, like those before, got integers"):
        sample([words, {**words, "c": np.arange(2)}], 1, "c")


def test_bad_sketches_are_refused():
    good = _distributed.Plan(1, "w", "id", None, 0).sketch({"w": np.ones(3), "id": np.arange(3)}.__getitem__)
    for bad in (good[:-1], b"", good.replace(b"codes", b"modes"), equipoise.Reservoir(1).to_bytes()):
        with pytest.raises(ValueError, match="data must be"):
            _distributed.merge([bad], 2)


def test_our_error_is_found_in_the_text_of_an_engine():
    text = "blue\nTypeError: key column 'id' must be integers, got float64 array\n\nThe above exception was"
    with pytest.raises(TypeError, match=r"^key column 'id' must be integers, got float64 array$"):
        _distributed.reraise(text)
    assert _distributed.reraise("ValueError: the user's own") is None


def test_ray_takes_rows_of_columns_of_more_than_2_gb():
    """The chunks of this column share their memory. ``Table.take`` would copy all of them into one."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'arrow')")
    pytest.importorskip("ray", reason="ray is not installed (extra 'ray')")
    from equipoise import ray as adapter
    from equipoise._arrow import take_rows

    cell, n = pa.array(["x" * 10_000_000]), 230
    texts = [pa.chunked_array([cell] * n), pa.chunked_array([cell.cast(pa.binary())] * n)]
    table = pa.table([np.arange(n), np.ones(n), *texts], ["id", "w", "text", "bytes"])
    assert table["text"].nbytes > 2**31
    with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
        table.take(pa.array([0]))
    plan = _distributed.Plan(2, "w", "id", None, 0)
    kept = adapter._prune(table, plan)
    wanted = equipoise.Reservoir(2)
    wanted.update(np.ones(n), ids=np.arange(n))
    assert set(wanted.sample().ids.tolist()) < set(kept["id"].to_pylist())
    assert kept.num_rows == 3
    assert kept["text"].to_pylist() == ["x" * 10_000_000] * 3
    assert kept.schema == table.schema
    assert adapter._take(table, plan, {0: -1.0}).schema == table.schema
    some = np.array([0, 7, 8, 229])
    assert take_rows(table, some)["id"].to_pylist() == some.tolist()


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
