"""Class-balanced batches equal the reference, and depend on nothing but seed, epoch and number."""

from __future__ import annotations

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.orders import ClassBatches
from equipoise.orders import batches as orders
from support import laws, reference

Y = np.random.default_rng(0).choice(3, 2000, p=[0.9, 0.02, 0.08])


def fingerprint(made):
    return tuple(bytes(part) for part in made.fingerprint())


@settings(max_examples=60)
@given(st.data())
def test_random_batches_equal_the_reference(data):
    labels = data.draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=60), label="y")
    labels = labels * data.draw(st.sampled_from([1, 1, 40]), label="copies")
    classes = len(set(labels))
    weights = data.draw(st.lists(st.integers(0, 9), min_size=classes, max_size=classes).filter(sum))
    probs = data.draw(
        st.sampled_from(["balanced", "proportional", "sqrt", [w / sum(weights) for w in weights]])
    )
    how = {"class_probs": probs, "seed": data.draw(st.integers(0, 2**64 - 1), label="seed")}
    size, epoch = data.draw(st.integers(1, 20)), data.draw(st.integers(0, 2**32 - 1), label="epoch")
    made = ClassBatches(labels, size, **how)
    wanted, quotas = reference.class_batches(labels, size, 30, epoch=epoch, **how)
    found = made.rows(range(30), epoch)
    assert found.tolist() == wanted
    assert (found.dtype, found.shape) == (np.int64, (30, size))
    begins, ends = made.totals(range(30), epoch)
    assert (ends - begins).tolist() == quotas


def test_a_long_epoch_equals_the_reference():
    """Every class begins anew several times, above and below 128 rows."""
    wanted, _ = reference.class_batches(Y.tolist(), 50, 120, seed=9, epoch=2)
    assert ClassBatches(Y, 50, seed=9).rows(range(120), 2).tolist() == wanted


# ---- what must not matter ----------------------------------------------------------------------------------


def test_batches_may_be_read_in_any_order_and_in_parts():
    whole = ClassBatches(Y, 32, class_probs="sqrt", seed=1).rows(range(300), 3)
    made = ClassBatches(Y, 32, class_probs="sqrt", seed=1)
    for numbers in (range(7), range(7, 20), range(5, 6), range(250, 300), range(0, 300, 8), range(299, 300)):
        assert (made.rows(numbers, 3) == whole[numbers]).all()
        assert not (made.rows(numbers, 4) == whole[numbers]).all()
    ranks = [ClassBatches(Y, 32, class_probs="sqrt", seed=1).rows(range(r, 300, 3), 3) for r in range(3)]
    assert (np.stack(ranks, axis=1).reshape(300, 32) == whole).all()


def test_chunks_do_not_matter(monkeypatch):
    whole = ClassBatches(Y, 32).rows(range(100, 200, 3), 0)
    for rows, steps in ((1, 1), (64, 10), (1000, 7)):
        monkeypatch.setattr(orders, "_CHUNK", rows)
        monkeypatch.setattr(orders, "_STEPS", steps)
        assert (ClassBatches(Y, 32).rows(range(100, 200, 3), 0) == whole).all()


@pytest.mark.parametrize(
    "y",
    [
        Y.astype(np.uint8),
        Y.tolist(),
        Y[:, np.newaxis].repeat(2, axis=1)[:, 0],
        Y * 1000 - 5,
        [("no", "so", "yes")[c] for c in Y],
    ],
    ids=["uint8", "list", "strided", "other numbers", "strings"],
)
def test_labels_of_the_same_order_give_the_same_batches(y):
    wanted = ClassBatches(Y, 16, class_probs=[0.2, 0.3, 0.5], seed=4)
    made = ClassBatches(y, 16, class_probs=[0.2, 0.3, 0.5], seed=4)
    assert (made.rows(range(20), 1) == wanted.rows(range(20), 1)).all()


def test_seed_epoch_and_labels_matter():
    other = Y.copy()
    other[:2] = other[1::-1] if other[0] != other[1] else 1 - other[:2].clip(0, 1)
    variants = [
        ClassBatches(Y, 16).rows(range(9), 0),
        ClassBatches(Y, 16).rows(range(9), 1),
        ClassBatches(Y, 16, seed=1).rows(range(9), 0),
        ClassBatches(Y, 16, seed=2**63).rows(range(9), 2**32 - 1),
        ClassBatches(other, 16).rows(range(9), 0),
    ]
    assert len({rows.tobytes() for rows in variants}) == 5
    assert all(len(np.unique(rows)) > 30 for rows in variants)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_goes_on_alike_and_has_the_same_pickle(way):
    made = ClassBatches(Y, 16, seed=5)
    before = pickle.dumps(made)
    made.rows(range(3, 9), 2)
    other = way(made)
    assert (other.rows(range(5, 8), 2) == made.rows(range(5, 8), 2)).all()
    assert pickle.dumps(made) == pickle.dumps(other) == before
    assert fingerprint(other) == fingerprint(made)


def test_fingerprints_tell_settings_apart():
    made = [
        ClassBatches(Y, 16),
        ClassBatches(Y, 17),
        ClassBatches(Y, 16, class_probs="sqrt"),
        ClassBatches(Y, 16, schedule=lambda epoch: "sqrt"),
        ClassBatches(Y + 1, 16),
        ClassBatches(Y[::-1], 16),
        ClassBatches([("a", "b", "c")[c] for c in Y], 16),
    ]
    assert len({fingerprint(one) for one in made}) == len(made)


# ---- laws --------------------------------------------------------------------------------------------------


def test_rows_of_a_class_come_equally_often_to_one():
    made = ClassBatches(Y, 64, seed=3)
    for stop in (1, 2, 5, 31, 100):
        times = np.bincount(made.rows(range(stop), 7).ravel(), minlength=Y.size)
        for c in range(3):
            assert np.ptp(times[c == Y]) <= 1
    assert (np.bincount(Y[made.rows(range(300), 7)].ravel()) == 300 * 64 // 3).all()


def test_a_class_goes_on_in_another_order():
    rows = ClassBatches([0, 0, 0, 0, 0, 0], 6, seed=1).rows(range(50), 0)
    assert (np.sort(rows, axis=1) == np.arange(6)).all()
    assert len({row.tobytes() for row in rows}) > 40


def test_places_in_the_batch_are_uniform(any_seed):
    """A third of each batch is of the one row of class 1, whose place tells the law of places."""
    made = ClassBatches([0] * 500 + [1], 3, class_probs=[2 / 3, 1 / 3], seed=any_seed)
    rows = np.concatenate([made.rows(range(2000), epoch) for epoch in range(10)])
    places = np.flatnonzero(rows.ravel() == 500) % 3
    laws.check_counts(laws.counted(places), dict.fromkeys(range(3), 1 / 3), any_seed)


def test_rows_of_a_batch_are_uniform_over_sets(any_seed):
    """Two of four rows, in random order: the first batch of many epochs."""
    made = ClassBatches([7, 7, 7, 7], 2, seed=any_seed)
    rows = np.concatenate([made.rows(range(1), epoch) for epoch in range(20_000)])
    law = {(i, j): 1 / 12 for i in range(4) for j in range(4) if i != j}
    laws.check_counts(laws.counted(rows), law, any_seed)


def test_classes_that_are_owed_the_same_take_turns_at_random(any_seed):
    """Two of five classes have a row in the first batch, which is all that an epoch of two rows draws."""
    made = ClassBatches(range(5), 2, seed=any_seed)
    rows = np.concatenate([made.rows(range(1), epoch) for epoch in range(10_000)])
    law = {(i, j): 1 / 10 for i in range(5) for j in range(i + 1, 5)}
    laws.check_counts(laws.counted(np.sort(rows, axis=1)), law, any_seed)


def test_two_samplers_with_one_seed_and_other_data_are_independent(any_seed):
    y = np.arange(2000) % 4
    pairs = Counter()
    for epoch in range(400):
        one = ClassBatches(y[:8], 8, seed=any_seed).rows(range(1), epoch)
        other = ClassBatches(y[1:9], 8, seed=any_seed).rows(range(1), epoch)
        pairs.update(zip((one % 4).ravel().tolist(), (other % 4).ravel().tolist(), strict=True))
    law = {(i, j): 1 / 16 for i in range(4) for j in range(4)}
    laws.check_counts(pairs, law, any_seed)


# ---- schedules and errors ----------------------------------------------------------------------------------


def test_a_schedule_is_asked_once_for_each_epoch():
    asked = []

    def schedule(epoch):
        asked.append(epoch)
        return "balanced" if epoch >= 2 else {0: 0.5, 1: 0.25, 2: 0.25}

    made = ClassBatches(Y, 16, class_probs="sqrt", schedule=schedule)
    assert asked == []
    for epoch in (0, 0, 2, 2):
        made.rows(range(5), epoch)
        made.probs(epoch)
    assert asked == [0, 2]
    assert made.probs(1).tolist() == [0.5, 0.25, 0.25]
    assert (made.rows(range(5), 2) == ClassBatches(Y, 16).rows(range(5), 2)).all()


def test_errors_of_a_schedule_name_the_epoch():
    made = ClassBatches(Y, 16, schedule=lambda epoch: [0.5, 0.5] if epoch == 3 else "balanced")
    made.rows(range(2), 0)
    with pytest.raises(ValueError, match=r"^schedule\(3\) must have 3 entries, one for each class, got 2$"):
        made.rows(range(2), 3)
    assert made.rows(range(2), 4).shape == (2, 16)


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ({"batch_size": 0}, ValueError, r"^batch_size must be in \[1, 2147483647\], got 0$"),
        ({"batch_size": 2.5}, TypeError, "^batch_size must be an integer, got float$"),
        ({"batch_size": True}, TypeError, "^batch_size must be an integer, got bool$"),
        ({"batch_size": 2**31}, ValueError, r"^batch_size must be in \[1, 2147483647\], got 2147483648$"),
        ({"seed": -1}, ValueError, "^seed must be in"),
        ({"schedule": "balanced"}, TypeError, "^schedule must be a function of the epoch, or None, got str$"),
        ({"class_probs": "all"}, ValueError, "^class_probs must be "),
        ({"y": []}, ValueError, "^y must have between"),
    ],
)
def test_bad_arguments(how, error, text):
    with pytest.raises(error, match=text):
        ClassBatches(**{"y": Y, "batch_size": 4, **how})
