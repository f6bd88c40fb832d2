"""Repeated rows follow their factors, draw by draw."""

from __future__ import annotations

import math

import numpy as np
import pytest

import equipoise
from support.laws import check_counts


def test_a_row_comes_its_floor_or_one_more(any_seed):
    factors = 1 + np.random.default_rng(any_seed).random(5000) * 4
    times = np.bincount(equipoise.repeat_rows(factors, rng=any_seed), minlength=5000)
    assert ((times == np.floor(factors)) | (times == np.ceil(factors))).all()


def test_whole_factors_are_exact():
    assert equipoise.repeat_rows([0, 1, 2, 3.0], rng=0).tolist() == [1, 2, 2, 3, 3, 3]
    assert equipoise.repeat_rows([], rng=0).tolist() == []


def test_rows_are_in_ascending_order(any_seed):
    rows = equipoise.repeat_rows(np.full(1000, 1.5), rng=any_seed)
    assert (np.diff(rows) >= 0).all()


@pytest.mark.parametrize("factor", [1.01, 2.5, 0.25])
def test_one_more_has_the_probability_of_the_rest(factor, any_seed):
    """Rounding up, as some libraries do, would make 2 of 1.01."""
    n = 100_000
    more = np.bincount(equipoise.repeat_rows(np.full(n, factor), rng=any_seed), minlength=n) - int(factor)
    rest = factor - math.floor(factor)
    check_counts({0: int(n - more.sum()), 1: int(more.sum())}, {0: 1 - rest, 1: rest}, any_seed)


def test_rows_are_independent(any_seed):
    """Pairs of neighboring rows, which share a run of words."""
    n = 100_000
    more = np.bincount(equipoise.repeat_rows(np.full(n, 1.5), rng=any_seed), minlength=n) - 1
    pairs = more[::2] * 2 + more[1::2]
    found = dict(enumerate(np.bincount(pairs, minlength=4).tolist()))
    check_counts(found, dict.fromkeys(range(4), 0.25), any_seed)


def test_the_same_int_gives_the_same_rows_and_a_generator_goes_on():
    factors = np.full(200, 1.5)
    assert (equipoise.repeat_rows(factors, rng=5) == equipoise.repeat_rows(factors, rng=5)).all()
    generator = np.random.default_rng(5)
    first, second = (equipoise.repeat_rows(factors, rng=generator) for _ in range(2))
    assert (first == equipoise.repeat_rows(factors, rng=5)).all()
    assert first.tolist() != second.tolist()
    assert equipoise.repeat_rows(factors).tolist() != equipoise.repeat_rows(factors).tolist()


def test_the_draws_are_no_tables():
    """A table with the same key draws other words: the purpose of the draws is in their address."""
    rows = equipoise.repeat_rows(np.full(64, 1.5), rng=9)
    more = np.bincount(rows, minlength=64) - 1
    coins = equipoise.UniformTable(2**31).sample(128, rng=9)[::2] < 2**30
    assert more.tolist() != coins.tolist()
