"""Guessed thresholds only change the number of candidates."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise import Reservoir, weighted_sample
from equipoise.reservoirs import bottom_k, scan
from equipoise.reservoirs.threshold import is_worthwhile, likely_threshold

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
    "nothing or hardly anything": np.where(RNG.random(N) < 0.5, 5e-324, 0.0),
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
    """Record the guesses of all calls, and replace them if ``instead`` is set."""

    class Guesses:
        made, instead = [], None

    def watched(*args, **more):
        Guesses.made.append(likely_threshold(*args, **more))
        return Guesses.made[-1] if Guesses.instead is None else Guesses.instead

    Guesses.made = []
    monkeypatch.setattr(scan, "likely_threshold", watched)
    return Guesses


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("k", [300, 17_000])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_guess_does_not_change_the_sample(name, k, settings, guesses):
    weights = WEIGHTS[name]
    cuts = ({}, {"threads": 2}, {"pieces": 2}, {"pieces": 40, "threads": 2})
    got = [said(read(weights, k, **cut, **settings).sample()) for cut in cuts]
    got_by_id = said(read(weights, k, ids=IDS, **settings).sample())
    drawn = said(weighted_sample(weights, k, rng=3, return_inclusion=True, **settings))
    assert len(guesses.made) >= 5
    guesses.instead = np.inf
    wanted = said(read(weights, k, **settings).sample())
    assert all(one[:2] == wanted[:2] for one in got)
    if not settings:  # inclusion depends on a sum of all weights, whose last digits depend on the pieces
        assert all(one == wanted for one in got)
    assert got_by_id == said(read(weights, k, ids=IDS, **settings).sample())
    assert drawn == said(weighted_sample(weights, k, rng=3, return_inclusion=True, **settings))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("ids", [None, IDS], ids=["positions", "ids"])
def test_a_guess_that_is_too_low_is_detected(settings, ids, guesses):
    weights, k = WEIGHTS["uniform"], 2000
    sample = read(weights, k, ids=ids, **settings).sample()
    (good,) = guesses.made
    for guesses.instead in (good / 1e6, good / 2, 0.0):
        assert said(read(weights, k, ids=ids, **settings).sample()) == said(sample)


def test_repeated_rows_count_once_when_a_guess_is_tested(guesses):
    """If every row comes ten times, ten times as many candidates are needed."""
    weights, ids = np.repeat(WEIGHTS["uniform"][: N // 10], 10), np.repeat(IDS[: N // 10], 10)
    got = said(read(weights, 2000, ids=ids).sample())
    assert np.isfinite(guesses.made).all()
    guesses.instead = np.inf
    assert got == said(read(weights, 2000, ids=ids).sample())


def test_later_chunks_are_guessed_while_it_pays(guesses):
    read(WEIGHTS["uniform"], 30_000)
    assert len(guesses.made) == 1
    read(WEIGHTS["uniform"], 17_000, pieces=2)
    assert len(guesses.made) == 3
    # A guess for the second chunk would save only a thousand candidates.
    read(WEIGHTS["uniform"], 2000, pieces=2)
    assert len(guesses.made) == 4
    empty = Reservoir(2000, seed=4)
    empty.update(np.zeros(100_000))
    empty.update(WEIGHTS["uniform"])
    assert len(guesses.made) == 6
    assert empty.sample().ids.size == 2000


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("ids", [None, IDS], ids=["positions", "ids"])
def test_a_later_guess_that_is_too_low_is_detected(settings, ids, guesses):
    weights, k = WEIGHTS["uniform"], 17_000

    def both(second):
        reservoir = Reservoir(k, seed=4, **settings)
        guesses.instead = None
        reservoir.update(weights[: N // 2], None if ids is None else ids[: N // 2])
        guesses.instead, before = second, len(guesses.made)
        reservoir.update(weights[N // 2 :], None if ids is None else ids[N // 2 :])
        assert len(guesses.made) == before + 1
        return said(reservoir.sample())

    wanted = both(np.inf)
    assert both(None) == wanted
    good = guesses.made[-1]
    assert good < guesses.made[-2]
    for wrong in (good / 1e6, good / 1.1, 0.0, good * 1.1):
        assert both(wrong) == wanted


def test_a_guess_after_a_merge_does_not_change_the_sample(guesses):
    """Some retained rows are above the threshold that the other reservoir brought."""
    weights, k = WEIGHTS["uniform"], 17_000
    one, other = (Reservoir(k, seed=4, stream=stream) for stream in (0, 1))
    one.update(weights[: N // 2])
    other.update(weights)
    one.merge(other)
    one.update(weights[N // 2 :])
    got = said(one.sample())
    guesses.instead = np.inf
    one, other = (Reservoir(k, seed=4, stream=stream) for stream in (0, 1))
    one.update(weights[: N // 2])
    other.update(weights)
    one.merge(other)
    one.update(weights[N // 2 :])
    assert got == said(one.sample())


@pytest.mark.parametrize("name", ["uniform", "heavy tail", "all alike", "mostly zero"])
@pytest.mark.parametrize("quota", [300, 5000, 30_000])
def test_slightly_more_ranks_than_the_quota_are_below_the_guess(name, quota):
    weights = WEIGHTS[name].astype(float)
    quota = min(quota, int(np.count_nonzero(weights)) // 4)
    threshold = likely_threshold(weights, quota, replacement=False)
    if threshold == np.inf:
        pytest.fail("no guess")
    expected = -np.expm1(-weights * threshold).sum()
    assert quota < expected < 4 * quota + 200
    points = likely_threshold(weights, quota, replacement=True) * weights.sum()
    assert quota + 5 * quota**0.5 < points < quota + 7 * quota**0.5 + 70


@pytest.mark.parametrize("name", ["uniform", "heavy tail", "all alike"])
@pytest.mark.parametrize("replacement", [False, True])
def test_known_ranks_lower_the_guess(name, replacement):
    """As many rows were read before, and as many ranks are below the threshold as expected."""
    weights = WEIGHTS[name].astype(float)
    for quota in (5000, 30_000):
        first = likely_threshold(weights, quota, replacement=replacement)
        known = int(weights.sum() * first if replacement else -np.expm1(-weights * first).sum())
        more = {"replacement": replacement, "known": known, "threshold": first}
        second = likely_threshold(weights, quota, **more)
        both = 2 * weights.sum() * second if replacement else -2 * np.expm1(-weights * second).sum()
        assert second < first
        assert quota < both < (2.5 if name == "heavy tail" else 1.6) * quota
        more["known"] = quota
        assert (
            likely_threshold(weights * 1e-6, quota, **more) == np.inf
        )  # too little weight to lower the guess


def test_nothing_is_guessed_where_it_does_not_pay():
    assert is_worthwhile(256, N, 0)
    assert not is_worthwhile(255, N, 0)
    assert not is_worthwhile(N // 4 + 1, N, 0)
    assert not is_worthwhile(300, 60_000, 0)
    assert is_worthwhile(100_000, 1 << 20, 4 << 20)
    assert not is_worthwhile(100_000, 1 << 20, 5 << 20)
    ones = np.ones(N)
    for bad in (-1.0, np.nan, np.inf):
        ones[:] = 1.0
        ones[::18] = bad
        assert likely_threshold(ones, 300, replacement=False) == np.inf


def test_bad_weights_are_reported_despite_a_guess():
    weights = WEIGHTS["uniform"].copy()
    reservoir = Reservoir(3000, seed=4)
    for bad in (-1.0, np.nan):
        weights[130_001] = bad
        with pytest.raises(ValueError, match="130001"):
            reservoir.update(weights, n_threads=2)
    weights[130_001] = WEIGHTS["uniform"][130_001]
    reservoir.update(weights)
    assert said(reservoir.sample()) == said(read(WEIGHTS["uniform"], 3000).sample())


def test_a_guess_reduces_the_candidates(monkeypatch, guesses):
    def candidates():
        found = []
        with monkeypatch.context() as patch:
            add = bottom_k.BottomK.add
            patch.setattr(bottom_k.BottomK, "add", lambda self, n, _: (found.append(n), add(self, n, _)))
            read(WEIGHTS["uniform"], 2000)
        return sum(found)

    assert candidates() < 1.5 * 2000
    guesses.instead = np.inf
    assert candidates() > 5 * 2000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("replacement", [False, True])
def test_a_guess_raises_no_warning(replacement):
    for weights in (np.full(N, 1e305), np.where(np.arange(N) % 2, np.inf, -np.inf), np.full(N, np.nan)):
        assert likely_threshold(weights, 300, replacement=replacement) == np.inf
        with pytest.raises(ValueError, match="weights"):
            Reservoir(300, replacement=replacement).update(weights)
