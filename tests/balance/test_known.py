"""Written-down answers, those of other libraries, and the traps that these fall into."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

import equipoise

SKEWED = [0] * 95 + [1] * 5


def test_class_weights():
    assert equipoise.class_weights(SKEWED).tolist() == [100 / 190, 10.0]
    assert equipoise.class_weights(SKEWED, "inverse").tolist() == [1 / 95, 1 / 5]
    root = equipoise.class_weights(SKEWED, "sqrt")
    assert root[1] / root[0] == pytest.approx(math.sqrt(19), rel=1e-15)
    assert (root * [95, 5]).sum() == pytest.approx(100, rel=1e-15)
    raw = np.array([0.001 / (1 - 0.999**95), 0.001 / (1 - 0.999**5)])  # Cui's code
    effective = equipoise.class_weights(SKEWED, "effective")
    assert effective.tolist() == pytest.approx((raw / raw.sum() * 2).tolist(), rel=1e-12)
    assert effective.sum() == 2


def test_a_class_without_rows_weighs_nothing():
    """It makes all weights NaN elsewhere, and scikit-learn refuses it."""
    for scheme in ("balanced", "inverse", "sqrt", "effective"):
        found = equipoise.class_weights(SKEWED, scheme, classes=[0, 1, 2])
        assert found.tolist() == [*equipoise.class_weights(SKEWED, scheme).tolist(), 0.0]
    assert equipoise.deferred_weights([95, 5, 0], 3, start=2)[2] == 0
    assert equipoise.progressive_probs([95, 5, 0], 2, 3).tolist() == [0.5, 0.5, 0.0]


def test_weights_as_a_dict_are_of_python():
    for y, classes in ((np.array([3, 3, 5]), int), (["a", "b"], str), ([True, False], bool), ([0.5], float)):
        for key, value in equipoise.class_weights(y, as_dict=True).items():
            assert (type(key), type(value)) == (classes, float)


def test_beta_of_0_weighs_all_classes_alike():
    assert equipoise.class_weights(SKEWED, "effective", beta=0).tolist() == [1.0, 1.0]


def test_sample_weights_are_the_formula_of_one_over_the_count():
    """Each class sums to the same, which a sampler needs: w = 1 / n_c for each row, over the sum of all."""
    y = np.random.default_rng(0).integers(0, 7, 1000) ** 2
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    w = 1.0 / counts[codes]
    found = equipoise.sample_weights(y)
    np.testing.assert_allclose(found, w / w.sum(), rtol=1e-13)
    assert abs(found.sum() - 1) < 1e-12
    np.testing.assert_allclose(np.bincount(codes, found), 1 / labels.size, rtol=1e-12)


def test_rows_of_sample_weights_sum_to_1_for_a_million_rows():
    y = np.random.default_rng(1).zipf(1.5, 1_000_000).clip(max=10**6)
    assert abs(math.fsum(equipoise.sample_weights(y)) - 1) < 1e-12


def test_progressive_probs_go_from_the_data_to_equal_shares():
    assert equipoise.progressive_probs([90, 10], 0, 90).tolist() == [0.9, 0.1]
    assert equipoise.progressive_probs([90, 10], 89, 90).tolist() == [0.5, 0.5]
    assert equipoise.progressive_probs([90, 10], 200, 90).tolist() == [0.5, 0.5]
    assert equipoise.progressive_probs([90, 10], 5, 1).tolist() == [0.9, 0.1]
    found = equipoise.class_counts(SKEWED)
    assert equipoise.progressive_probs(found, 0, 3).tolist() == [0.95, 0.05]


def test_progressive_probs_are_a_schedule_of_batches():
    from equipoise.orders import ClassBatches

    y = np.array(SKEWED * 20)
    counts = equipoise.class_counts(y).counts
    batches = ClassBatches(y, 100, schedule=lambda epoch: equipoise.progressive_probs(counts, epoch, 3))
    shares = [y[batches.rows(range(10), epoch)].mean() for epoch in range(3)]
    np.testing.assert_allclose(shares, [0.05, 0.275, 0.5], atol=1e-3)


def test_repeat_factors_of_lvis():
    """A label of one image in 10,000 has sqrt(0.001 / 0.0001); a common one does not repeat its images."""
    rows = [["common"]] * 9_999 + [["common", "rare"]]
    found = equipoise.repeat_factors(rows, 0.001)
    assert found[-1] == pytest.approx(math.sqrt(10), rel=1e-15)
    assert (found[:-1] == 1).all()


def test_a_label_that_a_row_has_twice_counts_once():
    found = equipoise.repeat_factors([["a", "a"], ["b"], ["b"], ["b"]], 1)
    assert found.tolist() == [2.0, *[math.sqrt(4 / 3)] * 3]


def test_measures():
    found = equipoise.imbalance({"a": 6, "b": 3, "c": 1})
    assert (found.ratio, found.difference) == (6.0, 0.5)
    assert found.gini == pytest.approx((-2 * 1 + 0 * 3 + 2 * 6) / 30, rel=1e-15)
    assert found.effective_classes == pytest.approx(1 / 0.46, rel=1e-15)
    assert found.entropy == pytest.approx(0.8173454221465101, rel=1e-14)
    assert found.top_share(1 / 3) == 0.6
    assert found.top_share(0) == 0
    assert found.top_share(1) == 1


def test_measures_at_their_ends():
    equal = equipoise.imbalance(range(4))
    assert (equal.ratio, equal.difference, equal.gini) == (1.0, 0.0, 0.0)
    assert equal.entropy == pytest.approx(1, abs=1e-15)
    assert equal.effective_classes == 4
    one = equipoise.imbalance([5, 5], classes=[4, 5, 6, 7])
    assert (one.ratio, one.difference, one.gini, one.entropy) == (math.inf, 1.0, 0.75, 0.0)
    assert one.effective_classes == 1
    assert one.class_weights.tolist() == [0, 1, 0, 0]
    assert equipoise.imbalance([5]).entropy == 1


def test_the_largest_classes_are_counted_in_whole_numbers():
    """0.07 * 100 is a little more than 7 in float64."""
    counts = dict(enumerate([10] * 7 + [1] * 93))
    assert equipoise.imbalance(counts).top_share(0.07) == 70 / 163


def test_multilabel_measures_leave_out_labels_without_rows():
    """Charte's: irlbl is inf there. mldr puts 0 in its place, and averages that in."""
    found = equipoise.imbalance([[1, 1, 0], [1, 0, 0]], classes=["x", "y", "z"])
    assert found.classes.tolist() == ["x", "y", "z"]
    assert found.irlbl.tolist() == [1.0, 2.0, math.inf]
    assert found.mean_ir == 1.5
    assert found.cvir == pytest.approx(math.sqrt(0.5) / 1.5, rel=1e-15)
    assert found.proportions.tolist() == [1.0, 0.5, 0.0]
    nothing = equipoise.imbalance(np.zeros((2, 2), bool))
    assert nothing.irlbl.tolist() == [math.inf, math.inf]
    assert math.isnan(nothing.mean_ir)
    assert math.isnan(nothing.cvir)


# ---- probabilities ----------------------------------------------------------------------------------------


def test_kept_negatives_are_he_and_dal_pozzolo():
    p, w = np.linspace(0, 1, 101), 0.05
    found = equipoise.prior_correct(p, [w, 1], [1, 1])
    np.testing.assert_allclose(found, p / (p + (1 - p) / w), rtol=1e-14)
    np.testing.assert_allclose(found, w * p / (w * p - p + 1), rtol=1e-14)
    assert (np.diff(found) > 0).all()


def test_binary_and_vector_forms_agree():
    p = np.linspace(0, 1, 11)
    pairs = equipoise.prior_correct(np.stack((1 - p, p), axis=-1), [0.5, 0.5], [0.9, 0.1])
    np.testing.assert_allclose(equipoise.prior_correct(p, 0.5, 0.1), pairs[:, 1], rtol=1e-14)
    np.testing.assert_allclose(equipoise.prior_correct(p, [50, 50], [9, 1]), pairs[:, 1], rtol=1e-14)
    deep = equipoise.prior_correct(np.full((2, 3, 4), 0.25), np.ones(4), [4, 3, 2, 1])
    np.testing.assert_allclose(deep, np.broadcast_to([0.4, 0.3, 0.2, 0.1], (2, 3, 4)), rtol=1e-14)
    assert equipoise.prior_correct(0.5, 0.5, 0.1).shape == ()


def test_tiny_probabilities_and_absent_classes_survive():
    found = equipoise.prior_correct([1e-300, 0.0, 1.0], [0.05, 1], [1, 1])
    assert found.tolist() == [pytest.approx(5e-302, rel=1e-14), 0.0, 1.0]
    assert equipoise.prior_correct([[0.5, 0.25, 0.25]], [1, 1, 1], [1, 1, 0]).tolist() == [
        [2 / 3, 1 / 3, 0.0]
    ]
    huge = equipoise.prior_correct([0.5], [1e300, 1e300], [1e-300, 3e-300])
    assert huge.tolist() == [0.75]


def test_float32_rows_are_computed_in_float64():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 100).astype(np.float32)
    found = equipoise.prior_correct(p, np.ones(5), [5, 4, 3, 2, 1])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)


def test_the_true_probabilities_come_back():
    """400,000 rows, 5 % of whose negatives are kept: a model of the kept rows, corrected, is the true one."""
    rng = np.random.default_rng(3)
    true = 1 / (1 + np.exp(6 - rng.normal(size=400_000)))  # some 0.4 % on average
    seen = true / (true + 0.05 * (1 - true))  # what is learned from the kept rows
    found = equipoise.prior_correct(seen, [0.05, 1], [1, 1])
    np.testing.assert_allclose(found, true, rtol=1e-12)
    assert abs(found.mean() - true.mean()) < 1e-12
    y = rng.random(true.size) < true
    kept = y | (rng.random(true.size) < 0.05)
    corrected = equipoise.calibration(y, found)
    assert abs(corrected.ratio - 1) < 0.2  # the true rate: 6 standard errors of some 1,600 clicks
    assert equipoise.calibration(y[kept], seen[kept]).ratio == pytest.approx(1, abs=0.2)
    assert equipoise.calibration(y, seen).ratio > 10


def test_weights_of_classes_are_a_prior_too():
    """A model trained with class weights has seen counts * weights."""
    p, counts = np.linspace(0.01, 0.9, 9), np.array([950, 50])
    weights = equipoise.class_weights({0: 950, 1: 50})
    biased = p * weights[1] / (p * weights[1] + (1 - p) * weights[0])
    np.testing.assert_allclose(equipoise.prior_correct(biased, counts * weights, counts), p, rtol=1e-13)


def test_calibration():
    found = equipoise.calibration([1, 0, 0, 0], [0.5, 0.25, 0.25, 0.25], bins=2)
    assert (found.rows, found.positives, found.predicted, found.ratio) == (4, 1.0, 1.25, 1.25)
    assert found.log_loss == pytest.approx((math.log(2) - 3 * math.log(0.75)) / 4, rel=1e-15)
    base = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert found.normalized_entropy == pytest.approx(found.log_loss / base, rel=1e-15)
    assert found.ece == 1.25 / 4  # the median is 0.25: the second bin holds the first row alone
    assert found.groups is None


def test_calibration_without_one_of_the_classes():
    """Torchrec's ratio is 0 there, which says that nothing was predicted."""
    none = equipoise.calibration([0, 0], [0.5, 0.0])
    assert math.isnan(none.ratio)
    assert math.isnan(none.normalized_entropy)
    assert none.log_loss == math.log(2) / 2
    every = equipoise.calibration([1, 1], [0.5, 0.5])
    assert every.ratio == 0.5
    assert math.isnan(every.normalized_entropy)


def test_probabilities_are_not_clipped():
    assert equipoise.calibration([1, 0], [0.0, 0.5]).log_loss == math.inf
    assert equipoise.calibration([0, 1], [1.0, 0.5]).normalized_entropy == math.inf
    assert equipoise.calibration([1, 0], [1.0, 0.0]).log_loss == 0
    tiny = equipoise.calibration([1, 0], [1e-300, 0.5])
    assert tiny.log_loss == pytest.approx((300 * math.log(10) + math.log(2)) / 2, rel=1e-14)
    # a row without weight says nothing, whatever its probability
    assert equipoise.calibration([1, 0], [0.0, 0.5], sample_weights=[0, 2]).log_loss == math.log(2)


def test_groups_have_their_own_measures():
    y, p = np.array([1, 0, 0, 1, 0]), np.array([0.5, 0.25, 0.5, 0.75, 0.25])
    groups = np.array(["b", "a", "b", "c", "a"])
    found = equipoise.calibration(y, p, groups=groups).groups
    assert found.labels.tolist() == ["a", "b", "c"]
    assert found.rows.tolist() == [2, 2, 1]
    np.testing.assert_array_equal(found.ratio, [np.nan, 1.0, 0.75])
    for g, label in enumerate("abc"):
        alone = equipoise.calibration(y[groups == label], p[groups == label])
        for name in ("rows", "positives", "predicted", "ratio", "log_loss", "normalized_entropy", "ece"):
            np.testing.assert_array_equal(getattr(found, name)[g], getattr(alone, name))


def test_many_groups_at_once():
    """More than 2^16 groups, most of them of one row."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 200_000, 300_000)
    p = rng.random(groups.size)
    y = rng.random(groups.size) < p
    found = equipoise.calibration(y, p, groups=groups).groups
    labels, counts = np.unique(groups, return_counts=True)
    assert found.labels.size > 1 << 16
    assert (found.labels == labels).all()
    assert (found.rows == counts).all()
    for g in (0, 77, labels.size - 1):
        alone = equipoise.calibration(y[groups == labels[g]], p[groups == labels[g]])
        np.testing.assert_allclose([found.log_loss[g], found.ece[g]], [alone.log_loss, alone.ece], rtol=1e-13)


def test_bins_of_equal_width_hide_errors_of_click_models():
    """At 0.5 % clicks, nearly all rows are in the first of ten such bins, where errors cancel."""
    rng = np.random.default_rng(1)
    true = 0.005 * np.exp(rng.normal(size=200_000) - 0.5)
    p = np.minimum(0.005 * (true / 0.005) ** 2, 1)  # too bold at both ends
    y = rng.random(true.size) < np.minimum(true, 1)
    p *= y.sum() / p.sum()
    found = equipoise.calibration(y, p)
    bins = np.minimum((p * 10).astype(int), 9)
    equal_width = np.abs(np.bincount(bins, p - y)).sum() / y.size
    assert found.ratio == pytest.approx(1)
    assert np.bincount(bins)[0] / y.size > 0.99
    assert found.ece > 1.5 * equal_width


# ---- rivals -----------------------------------------------------------------------------------------------


def test_balanced_weights_are_scikit_learns():
    utils = pytest.importorskip("sklearn.utils.class_weight", reason="scikit-learn is not installed")
    y = np.random.default_rng(2).zipf(2, 5000).clip(max=30)
    classes = np.unique(y)
    wanted = utils.compute_class_weight("balanced", classes=classes, y=y)
    np.testing.assert_allclose(equipoise.class_weights(y), wanted, rtol=1e-15)
    wanted = utils.compute_sample_weight("balanced", y)
    np.testing.assert_allclose(equipoise.sample_weights(y, "balanced", normalize=False), wanted, rtol=1e-15)
    names = np.array([f"class {i}" for i in y], object)
    np.testing.assert_allclose(
        equipoise.sample_weights(names, "balanced", normalize=False), wanted, rtol=1e-15
    )


@pytest.mark.parametrize("bins", [1, 5, 10, 37])
@pytest.mark.parametrize("digits", [1, 2, 17])
def test_the_bins_are_those_of_the_quantile_curve(bins, digits):
    metrics = pytest.importorskip("sklearn.calibration", reason="scikit-learn is not installed")
    rng = np.random.default_rng(bins)
    p = rng.beta(0.5, 5, 3000).round(digits)  # with many ties
    y = rng.random(p.size) < p
    observed, expected = metrics.calibration_curve(y, p, n_bins=bins, strategy="quantile")
    edges = np.quantile(p, np.linspace(0, 1, bins + 1))
    sizes = np.bincount(np.searchsorted(edges[1:-1], p), minlength=bins)
    wanted = (np.abs(observed - expected) * sizes[sizes > 0]).sum() / p.size
    assert equipoise.calibration(y, p, bins=bins).ece == pytest.approx(wanted, rel=1e-11, abs=1e-14)


def test_log_loss_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(4)
    p, w = rng.random(500), rng.random(500)
    y = rng.random(500) < p
    found = equipoise.calibration(y, p, sample_weights=w)
    assert found.log_loss == pytest.approx(metrics.log_loss(y, p, sample_weight=w), rel=1e-12)


def test_a_counter_stands_for_labels():
    y = list("abracadabra")
    assert equipoise.class_weights(Counter(y)).tolist() == equipoise.class_weights(y).tolist()
    reservoir = equipoise.ClassReservoir(3)
    reservoir.update(y)
    assert equipoise.class_counts(reservoir.counts).counts.tolist() == [5, 2, 1, 1, 2]
