"""Orders with replacement: the definition, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.orders import WeightedOrder
from support import cases, reference
from support.laws import check_counts, counted, normalized


@pytest.mark.parametrize("name", cases.WEIGHTS)
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_each_position_is_a_draw_of_the_table(name, seed):
    w = cases.WEIGHTS[name](40)
    order = WeightedOrder(w, seed)
    for epoch in (0, 2**32 - 1):
        for start, stop in [(0, 300), (127, 129), (128, 256), (1_000_000, 1_000_003), (2**40 + 5, 2**40 + 7)]:
            wanted = reference.weighted_order(w, seed, epoch, start, stop)
            assert order.rows(epoch, start, stop).tolist() == wanted


def test_an_empty_part_has_no_rows():
    assert WeightedOrder([1, 2], 0).rows(0, 5, 5).tolist() == []


def test_threads_do_not_matter(monkeypatch):
    order = WeightedOrder(np.arange(1, 1000), 3)
    alone = order.rows(2, 77, 700_000)
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    assert (order.rows(2, 77, 700_000) == alone).all()


def test_rows_follow_the_weights(any_seed):
    w = np.array([5.0, 1.0, 0.0, 2.0, 2.0])
    drawn = WeightedOrder(w, any_seed).rows(0, 0, 400_000)
    check_counts(counted(drawn), {i: p for i, p in normalized(w).items() if p}, any_seed)


def test_positions_and_epochs_are_independent(any_seed):
    order = WeightedOrder([1.0, 1.0], any_seed)
    drawn = np.array([order.rows(epoch, 1000, 1128) for epoch in range(800)])
    pairs = [2 * drawn[:, 1:] + drawn[:, :-1], 2 * drawn[1:] + drawn[:-1]]
    for pair in pairs:  # every other pair, so that no draw counts twice
        check_counts(counted(pair[::2, ::2].ravel()), dict.fromkeys(range(4), 0.25), any_seed)
