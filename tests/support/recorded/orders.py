"""Recorded answers of orders."""

from __future__ import annotations

from equipoise.orders import RaceOrder, WeightedOrder
from support.recorded.digests import cases
from support.recorded.inputs import WEIGHTS, weights_of


@cases(*WEIGHTS)
def weighted_order(kind):
    order = WeightedOrder(weights_of(kind), 5)
    return [order.rows(epoch, start, start + 500) for epoch in (0, 3) for start in (0, 130, 2**40)]


@cases(*WEIGHTS)
def race_order(kind):
    order = RaceOrder(weights_of(kind), 5)
    return [order.num_rows, *(order.rows(epoch, 0, 3 * order.num_rows // 2) for epoch in (0, 3))]
