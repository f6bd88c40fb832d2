"""Every batch has the floor or the ceiling of each class's share, and no total is ever a row off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.orders import ClassBatches
from equipoise.orders import batches as orders
from support import reference


def quotas_of(probs, batch_size, batches, first=0, epoch=0):
    """Return the units of the classes, and their rows in some batches."""
    made = ClassBatches(np.arange(len(probs)), batch_size, class_probs=probs)
    begins, ends = made.totals(range(first, first + batches), epoch)
    assert (begins[1:] == ends[:-1]).all()
    return made.units(epoch).tolist(), ends - begins


def wanted(units, batch_size, batches, epoch=0):
    """Return the same by the definition."""
    key = reference.call_key(0, epoch, reference.CLASSES, reference.classes_digest(range(len(units))))
    return reference.class_quotas(units, batch_size, batches, reference.class_order(key, len(units)))


def check_quotas(units, batch_size, quotas):
    """Check the laws, in integers. `quotas` begin with batch 0."""
    shares = [batch_size * s for s in units]
    assert (quotas.sum(axis=1) == batch_size).all()
    for share, column in zip(shares, quotas.T.tolist(), strict=True):
        least, most = share // reference.UNITS, -(-share // reference.UNITS)
        total = 0
        for b, rows in enumerate(column, 1):
            total += rows
            assert least <= rows <= most
            assert abs(total * reference.UNITS - b * share) < reference.UNITS


PROBS = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-9, 1), st.sampled_from([0.25, 0.5, 1.0])), min_size=1, max_size=12
).filter(sum)


@settings(max_examples=150)
@given(PROBS, st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_random_quotas_equal_the_reference(weights, batch_size, epoch):
    probs = np.array(weights) / sum(weights)
    units, quotas = quotas_of(probs, batch_size, 40, epoch=epoch)
    assert quotas.tolist() == wanted(units, batch_size, 40, epoch)
    check_quotas(units, batch_size, quotas)


@pytest.mark.parametrize("seed", range(40))
def test_no_total_is_ever_a_row_off(seed):
    """Without the deadlines of PD2, the largest debt first was 1.0146 rows off for shares like these."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 60))
    probs = rng.dirichlet(np.full(classes, rng.choice([0.1, 0.3, 1, 5])))
    batch_size = int(rng.integers(1, 300))
    units, quotas = quotas_of(probs, batch_size, 300)
    check_quotas(units, batch_size, quotas)


@pytest.mark.parametrize(
    ("probs", "batch_size"),
    [
        ([1.0], 5),
        ([0.0, 1.0], 7),
        ([0.5, 0.5], 1),
        ([1 / 3, 1 / 3, 1 / 3], 2),  # three tasks on two processors: each heavy
        ([0.3, 0.3, 0.2, 0.2], 3),
        ([8 / 11, 8 / 11, 6 / 11], 2),
        (np.full(1000, 1e-3), 10),
        (np.full(1000, 1e-3), 999),
        ([1 - 1e-12, 1e-12], 1),
        ([0.995, 0.005], 2**31 - 1),
    ],
)
def test_chosen_shares(probs, batch_size):
    probs = np.asarray(probs) / np.sum(probs)
    units, quotas = quotas_of(probs, batch_size, 200)
    check_quotas(units, batch_size, quotas)
    if len(probs) < 10:
        assert quotas.tolist() == wanted(units, batch_size, 200)


def test_a_share_of_whole_rows_is_the_same_in_every_batch():
    _, quotas = quotas_of([0.5, 0.25, 0.25], 8, 50)
    assert (quotas == [4, 2, 2]).all()


def test_a_rare_class_waits_for_its_row():
    _, quotas = quotas_of([1 - 2.0**-10, 2.0**-10], 8, 1000)
    assert quotas[:, 1].sum() in (7, 8)
    assert np.ptp(np.diff(np.flatnonzero(quotas[:, 1]))) <= 256


def test_any_batch_is_found_without_those_before_it(monkeypatch):
    probs = np.random.default_rng(3).dirichlet(np.full(30, 0.5))
    _, quotas = quotas_of(probs, 17, 500)
    for first in (0, 1, 250, 499):
        assert (quotas_of(probs, 17, 500 - first, first)[1] == quotas[first:]).all()
    made = ClassBatches(np.arange(30), 17, class_probs=probs)
    monkeypatch.setattr(orders, "_STEPS", 100)
    for batches in (range(40, 50), range(50, 60), range(3, 500, 7), range(0, 1), range(499, 500)):
        begins, ends = made.totals(batches, 0)
        assert (ends - begins == quotas[batches]).all()
        assert (begins == quotas.cumsum(axis=0)[batches] - quotas[batches]).all()
