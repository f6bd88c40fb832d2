"""Estimates: their values by the formulas, and how often their intervals contain the right value.

A test of coverage fails if the share of intervals that contain the right value is outside [0.93, 0.97] by
more than six standard deviations of that share. The probability of that is below 1e-8 for each of the tests,
so that all of them pass for the seeds 0-99 with a probability above 0.9999.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise import ClassReservoir, Estimate, Reservoir
from equipoise.reservoirs.estimates import Estimating
from equipoise.reservoirs.sample import ReservoirSample

N = 10_000
ROWS = np.arange(N)
WEIGHTS = {"equal": np.ones(N), "Pareto": np.random.default_rng(5).pareto(1.5, N) + 1.0}
SIZES = np.random.default_rng(6).uniform(0.5, 1.5, N)
PAYS = np.random.default_rng(7).exponential(1.0, N)


def check_coverage(covered, low=0.93, high=0.97):
    share = np.mean(covered)
    margin = 6 * math.sqrt(0.05 * 0.95 / len(covered))
    assert low - margin < share < high + margin


def covers(estimate, truth):
    assert estimate.low <= estimate.value <= estimate.high
    return estimate.low <= truth * (1 + 1e-12) and truth * (1 - 1e-12) <= estimate.high


def filled(k, seed, weights, **settings):
    reservoir = Reservoir(k, seed=seed, **settings)
    reservoir.update(weights)
    return reservoir, reservoir.sample().ids


class Sampled(Estimating):
    """A reservoir with a given sample."""

    def __init__(self, inclusion, classes=None, replacement=False):
        p = np.asarray(inclusion, float)
        self._max_points = int(replacement)
        self._sample = ReservoirSample(np.arange(p.size), np.ones(p.size), p, classes)

    def sample(self):
        return self._sample


# ---- coverage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1_500, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("k", [100, 1_000])
@pytest.mark.parametrize("name", WEIGHTS)
def test_counts_of_one_row_in_a_hundred(name, k, copies, any_seed):
    """Of k = 100 rows, about one is counted, and a normal interval would cover in 50 to 65 %."""
    covered = []
    for i in range(copies):
        reservoir, ids = filled(k, any_seed * 1_000_000 + i, WEIGHTS[name])
        covered.append(covers(reservoir.estimate(where=ids % 100 == i % 100), N / 100))
    check_coverage(covered)


@pytest.mark.parametrize("name", WEIGHTS)
def test_sums_means_and_ratios(name, any_seed):
    """Sums, means and ratios over a tenth of the rows, from 300 of 10,000."""
    covered = {"sum": [], "mean": [], "ratio": [], "signed": []}
    for i in range(1_000):
        reservoir, ids = filled(300, any_seed * 1_000_000 + i, WEIGHTS[name])
        d = i % 10
        where, mine = ids % 10 == d, np.equal(ROWS % 10, d)
        signed = PAYS - 1.0
        covered["sum"].append(covers(reservoir.estimate(PAYS[ids], where), PAYS[mine].sum()))
        covered["mean"].append(covers(reservoir.estimate_mean(PAYS[ids], where), PAYS[mine].mean()))
        ratio = PAYS[mine].sum() / SIZES[mine].sum()
        covered["ratio"].append(covers(reservoir.estimate_ratio(PAYS[ids], SIZES[ids], where), ratio))
        estimate, truth = reservoir.estimate(signed[ids], where), signed[mine].sum()
        covered["signed"].append(estimate.low <= truth <= estimate.high)
    for each in covered.values():
        check_coverage(each)


def test_draws_with_replacement_and_classes(any_seed):
    counts, means, classes = [], [], []
    labels = (ROWS % 20 == 0).astype(np.int64)
    for i in range(600):
        seed = any_seed * 1_000_000 + i
        reservoir, ids = filled(1_000, seed, WEIGHTS["Pareto"], replacement=True)
        where, mine = ids % 50 == i % 50, np.equal(ROWS % 50, i % 50)
        counts.append(covers(reservoir.estimate(where=where), mine.sum()))
        means.append(covers(reservoir.estimate_mean(PAYS[ids]), PAYS.mean()))
        by_class = ClassReservoir(200, seed=seed)
        by_class.update(labels, WEIGHTS["Pareto"])
        where = by_class.sample().ids % 7 == i % 7
        classes.append(covers(by_class.estimate(where=where), np.equal(ROWS % 7, i % 7).sum()))
    for each in (counts, means, classes):
        check_coverage(each)


# ---- formulas ----------------------------------------------------------------------------------------------


def test_a_count_with_equal_weights_has_the_interval_of_wilson():
    """Solve (x - t)^2 = z^2 t for the number t of rows in units of 1 / p, where p is small."""
    p, z2 = 1e-9, 3.841458820694124
    for x in range(40):
        estimate = Sampled(np.full(100, p)).estimate(where=np.arange(100) < x)
        centre, reach = x + z2 / 2, math.sqrt(z2 * x + z2 * z2 / 4)
        assert estimate.value == pytest.approx(x / p)
        assert estimate.error == pytest.approx(math.sqrt(x) / p)
        assert estimate.low == pytest.approx(max(centre - reach, 0.0) / p, abs=x + 1e-3)
        assert estimate.high == pytest.approx((centre + reach) / p)


def test_a_count_of_draws_with_replacement_has_the_interval_of_wilson():
    """Solve (x / k - q)^2 = z^2 q (1 - q) / k for the share q of the rows."""
    k, n, z2 = 1_000, 1e6, 3.841458820694124
    for x in (0, 1, 5, 30, 500, 970, 1_000):
        estimate = Sampled(np.full(k, k / n), replacement=True).estimate(where=np.arange(k) < x)
        centre, reach = x / k + z2 / 2 / k, math.sqrt(z2 / k * x / k * (1 - x / k) + (z2 / 2 / k) ** 2)
        assert estimate.value == pytest.approx(n * x / k)
        assert estimate.low == pytest.approx(n * (centre - reach) / (1 + z2 / k), rel=5e-3, abs=1e-3)
        assert estimate.high == pytest.approx(n * (centre + reach) / (1 + z2 / k), rel=5e-3)


def test_means_and_ratios_by_their_formulas():
    rng = np.random.default_rng(0)
    p, y, x = rng.uniform(0.05, 1.0, 60), rng.normal(3.0, 1.0, 60), rng.uniform(1.0, 2.0, 60)
    where = rng.random(60) < 0.5
    for replacement in (False, True):
        sampled = Sampled(p, replacement=replacement)
        for estimate, below in (
            (sampled.estimate_ratio(y, x, where), x),
            (sampled.estimate_mean(y, where), np.ones(60)),
        ):
            size = (below / p)[where].sum()
            ratio = (y / p)[where].sum() / size
            e = np.where(where, y - ratio * below, 0.0) / p
            variance = (e**2).sum() * 60 / 59 if replacement else (e**2 * (1 - p)).sum()
            assert tuple(estimate) == pytest.approx((ratio, math.sqrt(variance) / size))
    backwards = sampled.estimate_ratio(y, -x, where)
    forwards = sampled.estimate_ratio(y, x, where)
    assert (-backwards.high, -backwards.low) == pytest.approx((forwards.low, forwards.high))


def test_an_estimate_is_known_if_every_row_is_sampled():
    reservoir = Reservoir(10)
    reservoir.update([1.0, 2.0, 3.0])
    assert reservoir.estimate() == Estimate(3.0, 0.0, 3.0, 3.0)
    assert reservoir.estimate([1.0, -2.0, 4.0]) == Estimate(3.0, 0.0, 3.0, 3.0)
    assert reservoir.estimate(where=[False] * 3) == Estimate(0.0, 0.0, 0.0, 0.0)
    assert reservoir.estimate_mean([1.0, -2.0, 4.0]) == Estimate(1.0, 0.0, 1.0, 1.0)
    assert reservoir.estimate_mean([1.0, 2.0, 3.0], [True, False, False]).error == 0.0
    assert repr(reservoir.estimate()) == "Estimate(value=3.0, error=0.0, low=3.0, high=3.0)"


def test_whole_classes_do_not_borrow_from_others():
    """If the domain is a class that was kept as a whole, nothing of it was missed."""
    reservoir = ClassReservoir(50, seed=1)
    reservoir.update([0] * 3_000 + [1] * 20)
    sample = reservoir.sample()
    assert reservoir.estimate(where=sample.classes == 1) == Estimate(20.0, 0.0, 20.0, 20.0)
    assert reservoir.estimate_mean(sample.ids, sample.classes == 1).low == np.arange(3_000, 3_020).mean()
    odd = reservoir.estimate(where=(sample.classes == 1) & (sample.ids % 2 == 1))
    assert odd.error == 0.0
    assert odd.low == 10.0 < odd.high  # class 0 may have such rows, too
    other = reservoir.estimate(where=sample.classes == 0)
    assert other.low < 3_000 < other.high


@pytest.mark.parametrize("replacement", [False, True])
def test_an_interval_is_never_a_point_if_rows_were_missed(replacement):
    reservoir, ids = filled(100, 3, np.ones(N), replacement=replacement)
    none = np.zeros(100, np.bool_)
    for estimate in (reservoir.estimate(where=none), reservoir.estimate(np.zeros(100))):
        assert estimate.value == estimate.error == estimate.low == 0.0
        assert 250 < estimate.high < 450  # 3.84 rows of 1 / p each, or a little less
    signed = reservoir.estimate(np.where(ids % 2, 1.0, -1.0), none)
    assert signed.low == pytest.approx(-signed.high, rel=0.5)
    assert signed.low < 0 < signed.high
    assert reservoir.estimate_mean(np.zeros(100)).high == pytest.approx(0.038, abs=0.003)
    constant = reservoir.estimate_mean(np.full(100, 5.0))
    assert constant.low < 4.9 < constant.value < 5.1 < constant.high
    one = reservoir.estimate_mean(ids, ids == ids[4])
    assert one.value == ids[4]
    assert 1_000 < one.error < 5_000
    assert one.low < one.value < one.high
    share = reservoir.estimate_mean(ids >= 0)
    assert share.low < 1.0 == share.value == share.high


def test_a_single_draw_says_nothing_about_its_error():
    reservoir, _ = filled(1, 3, np.ones(N), replacement=True)
    estimate = reservoir.estimate()
    assert (estimate.error, estimate.low, estimate.high) == (math.inf, 1.0, math.inf)
    assert reservoir.estimate_mean([5.0]).error == math.inf
    reservoir, _ = filled(1, 3, np.ones(N))
    assert reservoir.estimate_mean([5.0]).error == math.inf


def test_empty_reservoirs():
    for reservoir in (Reservoir(3), Reservoir(3, replacement=True), ClassReservoir(3)):
        assert reservoir.estimate() == Estimate(0.0, 0.0, 0.0, 0.0)
        with pytest.raises(ValueError, match="a mean or ratio needs a row of positive weight, got none"):
            reservoir.estimate_mean([])


# ---- values ------------------------------------------------------------------------------------------------


def test_huge_and_tiny_values_only_change_the_scale():
    """No square overflows, and a power of two changes no digit."""
    reservoir, ids = filled(100, 1, WEIGHTS["Pareto"])
    for values in (PAYS[ids], PAYS[ids] - 1.0):
        plain, mean = reservoir.estimate(values), reservoir.estimate_mean(values)
        for power in (-900, 900):
            with np.errstate(all="raise"):
                scaled = reservoir.estimate(np.ldexp(values, power))
                scaled_mean = reservoir.estimate_mean(np.ldexp(values, power))
            for name in ("value", "error", "low", "high"):
                assert getattr(scaled, name) == math.ldexp(getattr(plain, name), power)
                assert getattr(scaled_mean, name) == math.ldexp(getattr(mean, name), power)


def test_values_outside_the_domain_may_be_missing():
    reservoir, ids = filled(100, 1, WEIGHTS["Pareto"])
    where = ids % 2 == 0
    missing = np.where(where, PAYS[ids], math.nan)
    for estimate in (reservoir.estimate, reservoir.estimate_mean):
        assert estimate(missing, where) == estimate(np.where(where, PAYS[ids], 0.0), where)
        with pytest.raises(ValueError, match=rf"values\[{int(where.argmin())}\] must be finite, got nan"):
            estimate(missing)


CALLS = [
    (lambda r: r.estimate_mean(["a"] * 3), TypeError, "values must be real numbers"),
    (lambda r: r.estimate_mean([1.0]), ValueError, r"values must have shape \(3,\)"),
    (lambda r: r.estimate_mean([1.0] * 3, [True]), ValueError, r"where must have shape \(3,\)"),
    (
        lambda r: r.estimate_mean([1.0] * 3, [False] * 3),
        ValueError,
        "where must hold for a row of the sample, got none of 3",
    ),
    (lambda r: r.estimate_ratio([1.0], [1.0] * 3), ValueError, r"numerator must have shape \(3,\)"),
    (lambda r: r.estimate_ratio([1.0] * 3, [1.0]), ValueError, r"denominator must have shape \(3,\)"),
    (
        lambda r: r.estimate_ratio([1.0] * 3, [0.0] * 3),
        ValueError,
        "denominator must have a sum other than 0 over the rows sampled, got 0.0",
    ),
    (
        lambda r: r.estimate_ratio([1.0] * 3, [1.0, math.inf, 1.0]),
        ValueError,
        r"denominator\[1\] must be finite, got inf",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), CALLS)
def test_bad_calls_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(filled(3, 0, np.ones(10))[0])
