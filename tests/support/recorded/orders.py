"""Recorded answers of orders."""

from __future__ import annotations

import numpy as np

from equipoise.orders import ClassBatches, RaceOrder, WeightedOrder
from support.recorded.digests import cases
from support.recorded.inputs import WEIGHTS, below, weights_of


@cases(*WEIGHTS)
def weighted_order(kind):
    order = WeightedOrder(weights_of(kind), 5)
    return [order.rows(epoch, start, start + 500) for epoch in (0, 3) for start in (0, 130, 2**40)]


@cases(*WEIGHTS)
def race_order(kind):
    order = RaceOrder(weights_of(kind), 5)
    return [order.num_rows, *(order.rows(epoch, 0, 3 * order.num_rows // 2) for epoch in (0, 3))]


@cases("balanced", "proportional", "sqrt", "probabilities", "schedule")
def class_batches(kind):
    """Draw from classes of 1 to about 1,900 rows."""
    y = np.minimum(below(2000, 4, 60), below(2000, 40, 61) % 7)
    y[77] = 9
    how = {"class_probs": kind}
    if kind == "probabilities":
        how = {
            "class_probs": {c: [0.4, 0.3, 0.2, 0.07, 0.03][i] for i, c in enumerate(np.unique(y).tolist())}
        }
    elif kind == "schedule":
        how = {"schedule": lambda epoch: "balanced" if epoch else "proportional"}
    made = ClassBatches(y, 50, seed=2**64 - 1, **how)
    rows = [made.rows(range(*part), epoch) for part in ((0, 60), (3, 900, 40)) for epoch in (0, 1)]
    return [rows, made.units(1), made.totals(range(9), 0), made.classes.digest]
