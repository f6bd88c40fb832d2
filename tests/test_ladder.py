"""A threshold that falls while rows are read: never below the quota-th smallest rank."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise import Reservoir, _smallest, weighted_sample
from equipoise._backend import kernels
from test_parity import MISSING

STEPS = 1024
RNG = np.random.default_rng(5)
ranks_of = st.lists(st.floats(0, allow_nan=False) | st.floats(0.5, 2.0), min_size=1, max_size=300)


def ladder(threshold):
    """Steps that end at the threshold's, all empty."""
    steps = np.zeros(STEPS + 1, np.int64)
    steps[STEPS] = (np.float64(threshold).view(np.int64) >> 46) - (STEPS - 1)
    return steps


def quota_th(ranks, quota):
    return np.sort(ranks)[quota - 1] if len(ranks) >= quota else np.inf


@given(ranks=ranks_of, quota=st.integers(1, 40), top=st.floats(0, 1e308), cut=st.integers(0, 300))
def test_never_too_far(ranks, quota, top, cut):
    """In two parts or in one, with ranks above the ladder, too."""
    ranks = np.array(ranks)
    exact = quota_th(ranks, quota)
    once, steps = ladder(top), ladder(top)
    whole = kernels().ladder_count(ranks, once, quota, top)
    part = kernels().ladder_count(ranks[:cut], steps, quota, top)
    both = kernels().ladder_count(ranks[cut:], steps, quota, part)
    assert steps.tobytes() == once.tobytes()
    assert whole == both
    assert min(exact, top) <= whole <= part <= top
    lowest = steps[STEPS : STEPS + 1] << 46
    if exact < top and exact >= lowest.view(np.float64)[0] and lowest[0] > 0:
        assert whole <= exact * (1 + 1 / 64)  # as near as a step is wide


@given(ranks=ranks_of, quota=st.integers(1, 40), top=st.floats(0, 1e308), missing=st.integers(0, 300))
def test_what_is_not_counted_makes_it_fall_later(ranks, quota, top, missing):
    ranks = np.array(ranks)
    all_counted = kernels().ladder_count(ranks, ladder(top), quota, top)
    assert (
        kernels().ladder_count(np.delete(ranks, missing % ranks.size), ladder(top), quota, top) >= all_counted
    )


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "")
@given(ranks=ranks_of, quota=st.integers(1, 40), top=st.floats(0, 1e308))
def test_backends(ranks, quota, top):
    answers = []
    for name in ("_core", "_numba"):
        steps = ladder(top)
        threshold = importlib.import_module(f"equipoise.{name}").ladder_count(
            np.array(ranks), steps, quota, top
        )
        answers.append((threshold, steps.tobytes()))
    assert answers[0] == answers[1]


def test_bad_arguments():
    count, ranks = kernels().ladder_count, np.ones(3)
    for arguments in (
        (ranks, np.zeros(STEPS, np.int64), 1, 1.0),
        (ranks, ladder(1.0), 0, 1.0),
        (ranks, ladder(1.0), 1, np.nan),
        (ranks, ladder(1.0), 1, -1.0),
    ):
        with pytest.raises(ValueError, match="ladder_count: shapes differ"):
            count(*arguments)
    for rank in (-1.0, np.nan):
        with pytest.raises(ValueError, match="ladder_count: a rank below 0"):
            count(np.array([1.0, rank]), ladder(1.0), 1, 1.0)


# ---- reservoirs with and without ---------------------------------------------------------------------------

N = 300_000
WEIGHTS = {
    "uniform": RNG.random(N, dtype=np.float32) + np.float32(0.001),
    "heavy tail": RNG.pareto(0.3, N),
    "all alike": np.ones(N),
    "mostly zero": (RNG.random(N) < 0.01).astype(float),
    "any size": 2.0 ** RNG.uniform(-1000, 1000, N),
    "hardly anything": np.full(N, 5e-324),
    "heavy late": np.where(np.arange(N) < N - 5000, 1e-30, 1.0),
    "light late": np.where(np.arange(N) < 20_000, 1e30, 1e-10),
}


def read(weights, k, pieces, threads=1):
    reservoir = Reservoir(k, seed=4)
    for piece in np.array_split(weights, pieces):
        reservoir.update(piece, n_threads=threads)
    return reservoir


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("k", [1, 50, 20_000])
def test_the_sample_is_the_same_without(name, k, monkeypatch):
    weights = WEIGHTS[name]
    got = [read(weights, k, *cut).sample() for cut in ((1,), (3,), (3, 2), (40, 2))]
    drawn = weighted_sample(weights, k, rng=3, return_inclusion=True)
    with monkeypatch.context() as patch:
        patch.setattr(_smallest.Smallest, "_count_anew", lambda self: None)
        without = read(weights, k, 1)
        assert not without._kept.steps.size
        wanted, plain = without.sample(), weighted_sample(weights, k, rng=3, return_inclusion=True)
    for sample, one in [*((sample, wanted) for sample in got), (drawn, plain)]:
        for column in ("ids", "weights", "inclusion"):
            assert getattr(sample, column).tobytes() == getattr(one, column).tobytes()


def test_fewer_candidates_come(monkeypatch):
    """What it is for: the threshold follows the stream, where it stood still until rows were selected."""

    def candidates(k, pieces):
        found = []
        with monkeypatch.context() as patch:
            add = _smallest.Smallest.add
            patch.setattr(
                _smallest.Smallest, "add", lambda self, count, _: (found.append(count), add(self, count, _))
            )
            read(WEIGHTS["uniform"], k, pieces)
        return sum(found)

    least = 2000 * (1 + np.log(N / 2000))  # rows that were among the k smallest when they came
    assert candidates(2000, 1) < 1.4 * least
    monkeypatch.setattr(_smallest.Smallest, "_count_anew", lambda self: None)
    assert candidates(2000, 1) > 1.6 * least


def test_merged_and_written_reservoirs_go_on(monkeypatch):
    """Merged rows are not counted; those of a reservoir from bytes are counted anew."""
    weights = WEIGHTS["uniform"]
    part = Reservoir(3000, seed=4, stream=1)
    part.update(weights[:70_001])
    mixed = read(weights[:100_000], 3000, 2)
    mixed.merge(part)
    mixed = Reservoir.from_bytes(mixed.to_bytes())
    mixed.update(weights[100_000:], n_threads=2)
    whole = read(weights, 3000, 1)
    whole.merge(part)
    assert mixed.sample().ids.tobytes() == whole.sample().ids.tobytes()
    assert mixed.sample().inclusion.tobytes() == whole.sample().inclusion.tobytes()


def test_a_call_that_fails_has_counted_nothing():
    weights = WEIGHTS["uniform"].copy()
    reservoir = read(weights[:100_000], 3000, 1)
    steps = reservoir._kept.steps.copy()
    assert steps.size
    weights[N - 1] = np.nan
    with pytest.raises(ValueError, match="weights"):
        reservoir.update(weights[100_000:], n_threads=2)
    assert (reservoir._kept.steps == steps).all()
    weights[N - 1] = WEIGHTS["uniform"][N - 1]
    reservoir.update(weights[100_000:])
    assert reservoir.sample().ids.tobytes() == read(WEIGHTS["uniform"], 3000, 1).sample().ids.tobytes()
