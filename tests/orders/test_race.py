"""Orders without replacement: the definition, the law, and what must not matter (bands, chunks, copies)."""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.orders import RaceOrder, race
from support import cases, reference
from support.laws import check_counts, counted


@pytest.fixture
def small_bands(monkeypatch):
    """Cut an order into bands of some 40 rows, each of which is found in pieces of 128 rows."""
    monkeypatch.setattr(race, "_BAND", 40)
    monkeypatch.setattr(race, "_CHUNK", 128)


@pytest.mark.parametrize("name", cases.WEIGHTS)
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_order_is_that_of_the_ranks(name, seed):
    w = cases.WEIGHTS[name](300)
    order = RaceOrder(w, seed)
    for epoch in (0, 2**32 - 1):
        assert order.rows(epoch, 0, order.num_rows).tolist() == reference.race_order(w, seed, epoch)


@given(st.integers(0, 2**32 - 1))
def test_any_weights_give_the_order_of_the_ranks(seed):
    """Weights of all magnitudes, for which some ranks are stored in another form."""
    rng = np.random.default_rng(seed)
    w = cases.row_weights(rng, int(rng.integers(1, 300))).astype(np.float64)
    w[rng.integers(0, w.size)] = rng.choice([5e-324, 1.0, 2.0, 1e300])
    order = RaceOrder(w, seed)
    assert order.rows(3, 0, order.num_rows).tolist() == reference.race_order(w, seed, 3)


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_bands_do_not_matter(name, any_seed):
    w = cases.WEIGHTS[name](2_000)
    whole = np.array(reference.race_order(w, any_seed, 1))
    order, rng = RaceOrder(w, any_seed), np.random.default_rng(any_seed)
    assert (order.rows(1, 0, whole.size) == whole).all()
    for start in (0, whole.size - 1, *rng.integers(0, whole.size, 12).tolist()):
        stop = int(rng.integers(start, whole.size + 1))
        assert (RaceOrder(w, any_seed).rows(1, start, stop) == whole[start:stop]).all()
        assert (order.rows(1, start, stop) == whole[start:stop]).all()  # with the band that it kept


@pytest.mark.usefixtures("small_bands")
def test_a_wrong_guess_of_the_ranks_below_costs_only_time(monkeypatch):
    """The number of rows below a rank is guessed from a histogram. Here it is off by up to a third."""
    w = cases.WEIGHTS["pareto"](3_000)
    whole = np.array(reference.race_order(w, 0, 0))
    guess = RaceOrder._threshold
    for factor in (0.7, 0.9, 1.1, 1.4):
        monkeypatch.setattr(
            RaceOrder, "_threshold", lambda self, place, by=factor: guess(self, int(place * by))
        )
        for start in (0, 100, 1_500, 2_990):
            assert (RaceOrder(w, 0).rows(0, start, 3_000) == whole[start:]).all()


def test_a_band_has_one_to_two_million_rows():
    """For weights of any kind, so that memory is bounded and an epoch takes few passes."""
    rng = np.random.default_rng(0)
    n = 5_000_000
    for w in (np.ones(n), rng.pareto(1.0, n) + 1e-9, np.where(rng.random(n) < 0.005, 200.0, 1.0)):
        order, place, sizes = RaceOrder(w, 1), 0, []
        while place < n:
            band = order._band_of(7, place)
            assert band.first == place
            sizes.append(band.rows.size)
            place = band.end
        assert place == n
        assert min(sizes[:-1]) >= 2**20
        assert max(sizes) <= 2**21
        late = order._seek(7, n - 100)
        assert late.first <= n - 100 < late.end


def test_positions_behind_the_last_row_begin_the_order_anew():
    order = RaceOrder([1.0, 0.0, 2.0, 3.0], 5)
    assert order.num_rows == 3
    assert order.rows(0, 0, 8).tolist() == [*order.rows(0, 0, 3), *order.rows(0, 0, 3), *order.rows(0, 0, 2)]
    assert order.rows(0, 2, 2).tolist() == []


def test_the_first_rows_follow_the_law_of_draws_without_replacement(any_seed):
    w = np.array([5.0, 1.0, 0.0, 2.0, 2.0])
    order = RaceOrder(w, any_seed)
    drawn = np.array([order.rows(epoch, 0, 3) for epoch in range(20_000)])
    law = {}
    for rows in itertools.permutations(np.flatnonzero(w).tolist(), 3):
        left, p = math.fsum(w), 1.0
        for row in rows:
            p *= w[row] / left
            left -= w[row]
        law[rows] = p
    check_counts(counted(drawn), law, any_seed)


def test_other_weights_seeds_and_epochs_are_independent(any_seed):
    """Whether row 0 or row 1 comes first is a fair coin; two orders agree in half of the epochs."""
    one, other = RaceOrder([1.0, 1.0], any_seed), RaceOrder([2.0, 2.0], any_seed)
    third = RaceOrder([1.0, 1.0], any_seed + 1)
    first = [np.array([order.rows(e, 0, 1)[0] for e in range(4_000)]) for order in (one, other, third)]
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        check_counts(counted(2 * first[a] + first[b]), dict.fromkeys(range(4), 0.25), any_seed)


def test_the_type_of_the_weights_does_not_matter():
    whole = RaceOrder([3.0, 0.0, 1.0, 2.0], 1).rows(0, 0, 3).tolist()
    for w in (np.array([3, 0, 1, 2]), np.array([3, -0.0, 1, 2], np.float32), [3, 0, 1, 2]):
        assert RaceOrder(w, 1).rows(0, 0, 3).tolist() == whole


def test_the_weights_are_copied():
    w = np.arange(1.0, 100.0)
    order = RaceOrder(w, 0)
    before = order.rows(0, 0, 99).tolist()
    w[:] = 1.0
    assert order.rows(0, 0, 99).tolist() == before


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_give_the_same_order(copied):
    order = RaceOrder(np.arange(50), 4)
    order.rows(1, 3, 9)
    assert (copied(order).rows(1, 0, 49) == order.rows(1, 0, 49)).all()
