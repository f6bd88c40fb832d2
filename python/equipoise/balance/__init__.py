"""Weights and measures of unbalanced classes, in NumPy alone.

Every function begins with the labels of rows, counted by class::

    counts.py       class_counts: labels of any kind, in any container
    weights.py      class_weights, sample_weights, deferred_weights, progressive_probs
    repeats.py      repeat_factors, repeat_rows: rows of rare labels more often       uniform_draw
    measures.py     imbalance                                                         equipoise.plot
    calibration.py  prior_correct, calibration: probabilities after all that

``counts.py`` also numbers the labels for ``equipoise.orders``. ``docs/balance.md`` says which weight and
which measure is for which job.
"""

from equipoise.balance.calibration import Calibration, CalibrationGroups, calibration, prior_correct
from equipoise.balance.counts import ClassCounts, class_counts
from equipoise.balance.measures import Imbalance, MultilabelImbalance, imbalance
from equipoise.balance.repeats import repeat_factors, repeat_rows
from equipoise.balance.weights import class_weights, deferred_weights, progressive_probs, sample_weights

__all__ = [
    "Calibration",
    "CalibrationGroups",
    "ClassCounts",
    "Imbalance",
    "MultilabelImbalance",
    "calibration",
    "class_counts",
    "class_weights",
    "deferred_weights",
    "imbalance",
    "prior_correct",
    "progressive_probs",
    "repeat_factors",
    "repeat_rows",
    "sample_weights",
]
