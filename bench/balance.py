"""Weights and measures: from labels to counts, class weights, row weights, and calibration.

Run ``python -m bench.run --only balance``. The rivals are NumPy's ``unique`` and scikit-learn, which is given
the classes, so that it need not look for them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import equipoise

from .harness import Budget, Row, alternate, optional, timer

CLASSES = 1_000


def labels_of(n: int) -> np.ndarray:
    """Return int64 labels of 1,000 classes, all of about the same size."""
    return np.random.default_rng(3).integers(0, CLASSES, n)


def texts_of(n: int) -> np.ndarray:
    """Return strings of 1,000 classes in an object array, each of which is an object of its own."""
    return np.array([f"category {label}" for label in labels_of(n).tolist()], object)


def duel(row: Row, mine: Callable[[], object], rival: Callable[[], object], budget: Budget) -> Row:
    return alternate({"ours": timer(mine), "rival": timer(rival)}, budget).fill(row, "ours", "rival")


def counts(n: int, budget: Budget) -> Iterator[Row]:
    y = labels_of(n)
    job = f"{n:,} int64 labels of {CLASSES:,} classes"
    row = Row(
        "balance", f"class_counts: {job}", "NumPy", "np.unique(y, return_counts=True)", goal=2, amount=n
    )
    yield duel(row, lambda: equipoise.class_counts(y), lambda: np.unique(y, return_counts=True), budget)
    utils = optional("sklearn.utils.class_weight")
    if utils is None:
        yield Row("balance", f"class_weights: {job}", "scikit-learn", note="not installed: scikit-learn")
        return
    known = np.arange(CLASSES)
    setting = 'compute_class_weight("balanced", classes=, y=) with the classes ready'
    row = Row("balance", f"class_weights: {job}", "scikit-learn", setting, goal=30, amount=n)
    rival = lambda: utils.compute_class_weight("balanced", classes=known, y=y)  # noqa: E731
    np.testing.assert_allclose(equipoise.class_weights(y), rival())
    yield duel(row, lambda: equipoise.class_weights(y), rival, budget)
    row = Row(
        "balance", f"sample_weights: {job}", "scikit-learn", 'compute_sample_weight("balanced", y)',
        goal=30, amount=n,
    )  # fmt: skip
    yield duel(
        row,
        lambda: equipoise.sample_weights(y, "balanced", normalize=False),
        lambda: utils.compute_sample_weight("balanced", y),
        budget,
    )


def strings(n: int, budget: Budget) -> Iterator[Row]:
    utils = optional("sklearn.utils.class_weight")
    if utils is None:
        return
    y = texts_of(n)
    known = np.unique(y)
    setting = 'compute_class_weight("balanced", classes=, y=) with the classes ready'
    row = Row(
        "balance", f"class_weights: {n:,} strings of {CLASSES:,} classes in an object array", "scikit-learn",
        setting, goal=5, amount=n,
    )  # fmt: skip
    rival = lambda: utils.compute_class_weight("balanced", classes=known, y=y)  # noqa: E731
    yield duel(row, lambda: equipoise.class_weights(y), rival, budget)


def curves(n: int, budget: Budget) -> Iterator[Row]:
    """Yield the row of calibration, which also has the log loss, against both of scikit-learn's functions."""
    curve, metrics = optional("sklearn.calibration"), optional("sklearn.metrics")
    if curve is None or metrics is None:
        return
    rng = np.random.default_rng(4)
    p = rng.beta(0.5, 100, n)
    y = (rng.random(n) < p).astype(np.int64)

    def theirs() -> None:
        curve.calibration_curve(y, p, n_bins=10, strategy="quantile")
        metrics.log_loss(y, p)

    setting = 'calibration_curve(n_bins=10, strategy="quantile") and log_loss'
    row = Row("balance", f"calibration of {n:,} probabilities", "scikit-learn", setting, amount=n)
    yield duel(row, lambda: equipoise.calibration(y, p), theirs, budget)


def run(budget: Budget) -> Iterator[Row]:
    yield from counts(1_000_000 if budget.quick else 10_000_000, budget)
    yield from strings(50_000 if budget.quick else 500_000, budget)
    yield from curves(100_000 if budget.quick else 1_000_000, budget)
