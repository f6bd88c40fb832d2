"""A threshold for the first rows, before they are read: it changes how many are candidates, no more."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise import Reservoir, _reading, _smallest, weighted_sample
from equipoise._first_threshold import first_threshold

N = 140_000
RNG = np.random.default_rng(5)
IDS = RNG.permutation(N)
WEIGHTS = {
    "uniform": RNG.random(N, dtype=np.float32) + np.float32(0.001),
    "heavy tail": RNG.pareto(0.3, N),
    "all alike": np.ones(N),
    "mostly zero": (RNG.random(N) < 0.1).astype(float),
    "fewer rows than k": (np.arange(N) < 200).astype(float),
    "any size": 2.0 ** RNG.uniform(-1000, 1000, N),
    "hardly anything": np.full(N, 5e-324),
    "heavy late": np.where(np.arange(N) < N - 5000, 1e-30, 1.0),
    "light where it looks": np.where(np.arange(N) % (N >> 14) == 0, 1e-9, 1.0),
    "heavy where it looks": np.where(np.arange(N) % (N >> 14) == 0, 1e9, 1.0),
}
SETTINGS = {"rows": {}, "points": {"replacement": True}}


def read(weights, k, pieces=1, threads=1, ids=None, **settings):
    reservoir = Reservoir(k, seed=4, **settings)
    for rows in np.array_split(np.arange(N), pieces):
        reservoir.update(weights[rows], None if ids is None else ids[rows], n_threads=threads)
    return reservoir


def said(sample):
    return [getattr(sample, name).tobytes() for name in ("ids", "weights", "inclusion")]


@pytest.fixture
def guesses(monkeypatch):
    """What was guessed, as calls come; or another guess in its place."""

    class Guesses:
        made, instead = [], None

    def watched(*args, **more):
        Guesses.made.append(first_threshold(*args, **more))
        return Guesses.made[-1] if Guesses.instead is None else Guesses.instead

    Guesses.made = []
    monkeypatch.setattr(_reading, "first_threshold", watched)
    return Guesses


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("k", [300, 20_000])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_sample_is_the_same_without(name, k, settings, guesses):
    weights = WEIGHTS[name]
    if name in ("any size", "hardly anything") and settings:
        k = 300  # points at infinity, of which each block has k
    cuts = ({}, {"threads": 2}, {"pieces": 2}, {"pieces": 40, "threads": 2})
    got = [said(read(weights, k, **cut, **settings).sample()) for cut in cuts]
    got_by_id = said(read(weights, k, ids=IDS, **settings).sample())
    drawn = said(weighted_sample(weights, k, rng=3, return_inclusion=True, **settings))
    assert len(guesses.made) >= 5
    guesses.instead = np.inf
    wanted = said(read(weights, k, **settings).sample())
    assert all(one[:2] == wanted[:2] for one in got)
    if not settings:  # else it is by a sum of all weights, which pieces change in its last digits
        assert all(one == wanted for one in got)
    assert got_by_id == said(read(weights, k, ids=IDS, **settings).sample())
    assert drawn == said(weighted_sample(weights, k, rng=3, return_inclusion=True, **settings))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("ids", [None, IDS], ids=["positions", "ids"])
def test_a_guess_that_is_too_low_is_noticed(settings, ids, guesses):
    weights, k = WEIGHTS["uniform"], 2000
    sample = read(weights, k, ids=ids, **settings).sample()
    (good,) = guesses.made
    for guesses.instead in (good / 1e6, good / 2, 0.0):
        assert said(read(weights, k, ids=ids, **settings).sample()) == said(sample)


def test_rows_that_come_twice_are_not_taken_for_more(guesses):
    """Every row ten times: as many candidates as were wanted, and a tenth of the rows."""
    weights, ids = np.repeat(WEIGHTS["uniform"][: N // 10], 10), np.repeat(IDS[: N // 10], 10)
    got = said(read(weights, 2000, ids=ids).sample())
    assert np.isfinite(guesses.made).all()
    guesses.instead = np.inf
    assert got == said(read(weights, 2000, ids=ids).sample())


def test_only_first_rows_are_guessed(guesses):
    read(WEIGHTS["uniform"], 2000, pieces=5)
    assert len(guesses.made) == 1
    empty = Reservoir(2000, seed=4)
    empty.update(np.zeros(100_000))
    empty.update(WEIGHTS["uniform"])
    assert len(guesses.made) == 3
    assert empty.sample().ids.size == 2000


@pytest.mark.parametrize("name", ["uniform", "heavy tail", "all alike", "mostly zero"])
@pytest.mark.parametrize("quota", [300, 5000, 30_000])
def test_somewhat_more_ranks_than_the_quota_are_below(name, quota):
    weights = WEIGHTS[name].astype(float)
    quota = min(quota, int(np.count_nonzero(weights)) // 4)
    threshold = first_threshold(weights, quota, replacement=False)
    if threshold == np.inf:
        pytest.fail("no guess")
    expected = -np.expm1(-weights * threshold).sum()
    assert quota < expected < 4 * quota + 200
    points = first_threshold(weights, quota, replacement=True) * weights.sum()
    assert quota + 5 * quota**0.5 < points < quota + 7 * quota**0.5 + 70


def test_where_it_does_not_pay_there_is_none():
    ones = np.ones(N)
    assert first_threshold(ones, 255, replacement=False) == np.inf
    assert first_threshold(ones, N // 4 + 1, replacement=False) == np.inf
    assert first_threshold(ones[:60_000], 300, replacement=False) == np.inf
    for bad in (-1.0, np.nan, np.inf):
        ones[:] = 1.0
        ones[::18] = bad
        assert first_threshold(ones, 300, replacement=False) == np.inf


def test_bad_weights_are_told_as_ever():
    weights = WEIGHTS["uniform"].copy()
    reservoir = Reservoir(3000, seed=4)
    for bad in (-1.0, np.nan):
        weights[130_001] = bad
        with pytest.raises(ValueError, match="130001"):
            reservoir.update(weights, n_threads=2)
    weights[130_001] = WEIGHTS["uniform"][130_001]
    reservoir.update(weights)
    assert said(reservoir.sample()) == said(read(WEIGHTS["uniform"], 3000).sample())


def test_fewer_rows_are_candidates(monkeypatch, guesses):
    def candidates():
        found = []
        with monkeypatch.context() as patch:
            add = _smallest.Smallest.add
            patch.setattr(_smallest.Smallest, "add", lambda self, n, _: (found.append(n), add(self, n, _)))
            read(WEIGHTS["uniform"], 2000)
        return sum(found)

    assert candidates() < 1.5 * 2000
    guesses.instead = np.inf
    assert candidates() > 5 * 2000
