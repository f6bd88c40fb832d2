"""ClassReservoir samples each class as a Reservoir does, with any quotas and any number of classes."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import ClassReservoir, Estimate, Reservoir
from support import cases, reference

SEEDS = st.integers(0, 2**32 - 1)
POLICIES = ("equal", "sqrt", "proportional")


def log_of(n, classes, seed=0):
    """Return (labels, weights, ids) with classes of all sizes."""
    rng = np.random.default_rng(seed)
    labels = np.minimum(rng.integers(0, classes, n), rng.integers(0, classes, n)) * 7 - 3
    return labels, rng.pareto(1.3, n) * (rng.random(n) < 0.8), rng.permutation(n) * 31


def of_class(sample, c):
    mine = sample.classes == c
    return [a[mine].tobytes() for a in (sample.ids, sample.weights, sample.inclusion)]


@pytest.mark.parametrize("half_life", [None, 40.0])
def test_other_classes_do_not_matter(half_life):
    """With ids, each class has the rows that it has alone, and class 0 those of a Reservoir."""
    labels, w, ids = log_of(20_000, 12)
    times = None if half_life is None else np.arange(20_000) % 997 * 1.0
    many = ClassReservoir(25, half_life=half_life, seed=5)
    for piece in np.array_split(np.arange(20_000), 9):
        many.update(labels[piece], w[piece], ids[piece], times=None if times is None else times[piece])
    sample = many.sample()
    for c in np.unique(labels):
        mine = labels == c
        one = ClassReservoir(25, half_life=half_life, seed=5)
        row_times = None if times is None else times[mine]
        one.update(labels[mine], w[mine], ids[mine], times=row_times)
        alone = one.sample()
        plain, zero = (
            Reservoir(25, half_life=half_life, seed=5),
            ClassReservoir(25, half_life=half_life, seed=5),
        )
        plain.update(w[mine], ids[mine], times=row_times)
        zero.update(np.zeros(mine.sum(), int), w[mine], ids[mine], times=row_times)
        assert zero.sample().ids.tolist() == plain.sample().ids.tolist() != alone.ids.tolist()
        got = of_class(sample, c)
        assert got[0] == alone.ids.tobytes()
        assert got[2] == alone.inclusion.tobytes()
        weights = sample.weights[sample.classes == c]
        if half_life is None:
            assert weights.tobytes() == alone.weights.tobytes()
        else:  # relative to another newest row
            np.testing.assert_allclose(weights / weights.max(), alone.weights / alone.weights.max())


@given(SEEDS)
@settings(max_examples=300)
def test_a_smaller_sample_equals_one_with_smaller_quotas(seed):
    """This holds for any quotas that sample(total=) chooses."""
    rng = np.random.default_rng(seed)
    n, classes = int(rng.choice([5, 60, 400])), int(rng.integers(1, 9))
    labels = np.minimum(rng.integers(-classes, classes, n), rng.integers(-classes, classes, n))
    w, k, total = cases.row_weights(rng, n), int(rng.integers(1, 40)), int(rng.integers(1, 100))
    ids = rng.permutation(n) if rng.random() < 0.5 else None
    reservoir = ClassReservoir(k, seed=seed)
    reservoir.update(labels, w, ids)
    full = reservoir.sample()
    have = {int(c): int((full.classes == c).sum()) for c in np.unique(labels)}
    for policy in POLICIES:
        sample = reservoir.sample(total=total, policy=policy)
        got = {c: int((sample.classes == c).sum()) for c in have}
        assert sum(got.values()) == min(total, sum(have.values()))
        assert all(got[c] <= have[c] for c in have)
        assert got == reference.shares(total, policy, reservoir.counts, have)
        for c in [c for c in got if got[c]]:
            smaller = ClassReservoir(got[c], seed=seed)
            smaller.update(labels, w, ids)
            assert of_class(sample, c) == of_class(smaller.sample(), c)
    everything = reservoir.sample(total=10**9)
    for name in ("ids", "weights", "inclusion", "classes"):
        assert getattr(everything, name).tobytes() == getattr(full, name).tobytes()


def quotas(counts, k, total, policy):
    reservoir = ClassReservoir(k)
    reservoir.update(np.repeat(list(counts), list(counts.values())))
    classes = reservoir.sample(total=total, policy=policy).classes
    return {c: int((classes == c).sum()) for c in counts}


def test_policies_give_the_quotas_computed_by_hand():
    counts = {0: 10_000, 1: 2500, 2: 100, 3: 1}
    assert quotas(counts, 500, 40, "equal") == {0: 13, 1: 13, 2: 13, 3: 1}
    assert quotas(counts, 500, 40, "sqrt") == {0: 25, 1: 12, 2: 3, 3: 0}  # 24.84, 12.42, 2.48, 0.25
    assert quotas(counts, 500, 1261, "proportional") == {0: 500, 1: 500, 2: 100, 3: 1}
    assert quotas(counts, 500, 100, "proportional") == {0: 79, 1: 20, 2: 1, 3: 0}
    assert quotas({5: 9, -5: 9, 0: 9}, 9, 4, "equal") == {
        5: 1,
        -5: 2,
        0: 1,
    }  # the smaller class, not the first
    assert quotas({1: 30, 2: 10}, 8, 16, "sqrt") == {1: 8, 2: 8}


@pytest.mark.parametrize("policy", POLICIES)
def test_quotas_add_up_to_the_total(policy):
    labels, w, ids = log_of(30_000, 70)
    reservoir = ClassReservoir(30)
    reservoir.update(labels, w, ids)
    kept = reservoir.sample().ids.size
    most = {int(c): int((reservoir.sample().classes == c).sum()) for c in reservoir.counts}
    for total in (1, 2, 69, 70, 71, 1000, kept - 1, kept, kept + 1):
        sample = reservoir.sample(total=total, policy=policy)
        got = {c: int((sample.classes == c).sum()) for c in most}
        assert got == reference.shares(total, policy, reservoir.counts, most)
        assert sample.ids.size == min(total, kept)
        assert (np.diff(sample.classes) >= 0).all()


def test_estimates_use_the_whole_sample():
    labels, w, ids = log_of(5000, 5)
    reservoir = ClassReservoir(10_000)
    reservoir.update(labels, w, ids)
    sample = reservoir.sample()
    assert tuple(reservoir.estimate()) == (float((w > 0).sum()), 0.0)
    assert tuple(reservoir.estimate(sample.weights, sample.classes == 4)) == (
        pytest.approx(w[labels == 4].sum()), 0.0
    )  # fmt: skip
    few = ClassReservoir(50, seed=2)
    few.update(labels, w, ids)
    x = few.sample()
    total, error = few.estimate(x.weights)
    p = x.inclusion
    assert total == pytest.approx((x.weights / p).sum())
    assert error == pytest.approx(np.sqrt((x.weights**2 * (1 - p) / p**2).sum()))


# ---- classes as they come --------------------------------------------------------------------------------


def test_labels_may_be_any_int64():
    labels = np.array([2**63 - 1, -(2**63), 0, -1, 5, -(2**63), 2**63 - 1, 2**62, -1])
    reservoir = ClassReservoir(3)
    reservoir.update(labels[:4])
    reservoir.update(labels[4:])
    assert reservoir.counts == {-(2**63): 2, -1: 2, 0: 1, 5: 1, 2**62: 1, 2**63 - 1: 2}
    assert list(reservoir.counts) == sorted(reservoir.counts)
    sample = reservoir.sample()
    assert sample.classes.tolist() == sorted(labels.tolist())
    assert all(labels[i] == c for i, c in zip(sample.ids.tolist(), sample.classes.tolist(), strict=True))
    again = ClassReservoir.from_bytes(reservoir.to_bytes())
    assert again.counts == reservoir.counts
    assert again.sample().ids.tolist() == sample.ids.tolist()


def test_labels_that_share_slots_stay_apart():
    """Read multiples of large powers of two, in small chunks and all at once."""
    labels = np.concatenate([np.arange(3000) << s for s in (0, 20, 40, 51)])
    one, other = ClassReservoir(1), ClassReservoir(1)
    one.update(labels)
    for piece in np.array_split(labels, 200):
        other.update(piece)
    values, counts = np.unique(labels, return_counts=True)
    assert one.counts == other.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert one.sample().classes.tolist() == values.tolist()
    assert one.sample().ids.tolist() == other.sample().ids.tolist()


def test_num_classes_gives_the_same_sample():
    reservoir = ClassReservoir([2, 1, 3])
    reservoir.update(np.repeat([0, 2], 10))
    assert reservoir.counts == {0: 10, 2: 10}
    assert reservoir.sample().classes.tolist() == [0, 0, 2, 2, 2]
    same = ClassReservoir(2, num_classes=3, seed=4), ClassReservoir(2, seed=4)
    for r in same:
        r.update(np.arange(40) % 2 * 2, ids=np.arange(40))
    assert same[0].counts == same[1].counts
    assert same[0].sample().ids.tolist() == same[1].sample().ids.tolist()
    assert ClassReservoir([1, 2], num_classes=2).sample().ids.size == 0


def test_merging_reservoirs_with_different_classes():
    labels, w, ids = log_of(4000, 40)
    whole = ClassReservoir(6, seed=1)
    whole.update(labels, w, ids)
    pieces = [labels < 50, (labels >= 50) & (labels < 200), labels >= 200, labels == 10**6]
    for order in itertools.permutations(range(4)):
        mine = ClassReservoir(6, seed=1)
        for i in order:
            part = ClassReservoir(6, seed=1)
            part.update(labels[pieces[i]][::-1], w[pieces[i]][::-1], ids[pieces[i]][::-1])
            mine.merge(part)
        assert mine.counts == whole.counts
        for policy in POLICIES:
            got, wanted = (r.sample(total=77, policy=policy) for r in (mine, whole))
            assert got.ids.tobytes() == wanted.ids.tobytes()
            assert got.inclusion.tobytes() == wanted.inclusion.tobytes()
            assert got.classes.tobytes() == wanted.classes.tobytes()


def test_empty_class_reservoirs():
    reservoir = ClassReservoir(3)
    for _ in range(2):
        assert reservoir.counts == {}
        assert reservoir.n_seen == reservoir.total_weight == 0
        assert reservoir.estimate() == Estimate(0.0, 0.0, 0.0, 0.0)
        for sample in (reservoir.sample(), reservoir.sample(total=5, policy="sqrt")):
            assert sample.ids.size == sample.classes.size == 0
        reservoir.merge(ClassReservoir(3))
        reservoir.update([], [])
        reservoir = ClassReservoir.from_bytes(reservoir.to_bytes())
    reservoir.update([4, 4], [0.0, 0.0])
    assert reservoir.counts == {4: 2}
    assert reservoir.sample().ids.size == 0
    assert reservoir.sample(total=3).ids.size == 0


# ---- many classes ----------------------------------------------------------------------------------------


def many_classes(classes, rows):
    rng = np.random.default_rng(1)
    labels, w = rng.integers(0, classes, rows) * 1_000_003, rng.random(rows)
    reservoir = ClassReservoir(3, seed=2)
    began = time.monotonic()
    for piece in np.array_split(np.arange(rows), 4):
        reservoir.update(labels[piece], w[piece], piece, n_threads=2)
    sample = reservoir.sample()
    took = time.monotonic() - began
    counts = np.unique(labels, return_counts=True)[1]
    assert len(reservoir.counts) == counts.size
    assert (np.unique(sample.classes, return_counts=True)[1] == np.minimum(counts, 3)).all()
    half = reservoir.sample(total=classes // 2)
    assert half.ids.size == classes // 2
    for c in labels[:5]:
        one = ClassReservoir(3, seed=2)
        one.update(labels[labels == c], w[labels == c], np.flatnonzero(labels == c))
        assert sample.ids[sample.classes == c].tolist() == one.sample().ids.tolist()
    again = ClassReservoir.from_bytes(reservoir.to_bytes())
    assert again.to_bytes() == reservoir.to_bytes()
    return took


def test_one_call_of_two_classes():
    many_classes(2, 300_000)


def test_one_call_of_many_classes():
    assert many_classes(100_000, 500_000) < 30


@pytest.mark.slow
def test_one_call_of_a_million_classes():
    assert many_classes(1_000_000, 5_000_000) < 300
