"""The most frequent calls under pytest-benchmark, to compare two commits, and a check of RESULTS.md.

Run ``python -m pytest bench --benchmark-enable``.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import equipoise

from .report import FIGURES, RESULTS, results

ITEMS, USERS, EACH = 100_000, 10_000, 50


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return 1.0 / np.arange(1, ITEMS + 1)


@pytest.fixture(scope="module")
def sampler(weights: np.ndarray) -> equipoise.NegativeSampler:
    items = np.random.default_rng(1).integers(0, ITEMS, USERS * EACH)
    table = equipoise.AliasTable(weights, power=0.75)
    return equipoise.NegativeSampler(table, exclude=(np.arange(0, items.size + 1, EACH), items))


def test_build(benchmark: BenchmarkFixture, weights: np.ndarray) -> None:
    assert len(benchmark(equipoise.AliasTable, weights)) == ITEMS


@pytest.mark.parametrize("size", [1, 81_920, 1_000_000])
def test_draw(benchmark: BenchmarkFixture, weights: np.ndarray, size: int) -> None:
    table = equipoise.AliasTable(weights, power=0.75)
    rng = np.random.default_rng(1)
    assert benchmark(table.sample, size, rng=rng).shape == (size,)


@pytest.mark.parametrize("num_rows", [1, 8192])
@pytest.mark.parametrize("unique", [False, True])
def test_negatives(
    benchmark: BenchmarkFixture, sampler: equipoise.NegativeSampler, num_rows: int, unique: bool
) -> None:
    rows = np.arange(num_rows)
    assert benchmark(sampler.sample, rows, 16, unique=unique).ids.shape == (num_rows, 16)


def test_shared(benchmark: BenchmarkFixture, sampler: equipoise.NegativeSampler) -> None:
    assert benchmark(sampler.sample_shared, 8192).ids.shape == (8192,)


def test_results_page_matches_the_figures() -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert RESULTS.read_text(encoding="utf-8") == results(figures)
