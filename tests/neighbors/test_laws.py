"""Nearest neighbors of any points obey laws about ties, scales, the order of rows, and memory."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import equipoise
from equipoise.neighbors.search import mixed_neighbors
from support.points import DTYPES, alike, codes_of, points


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_go_to_the_smaller_index(dtype):
    """The neighbors of identical rows are the first other rows, in order."""
    for n, k in ((2, 1), (3, 2), (129, 5), (3000, 1), (3000, 7)):
        got = equipoise.nearest_neighbors(points("identical", n, 4, dtype), k)
        wanted = np.tile(np.arange(k), (n, 1))
        for i in range(min(k, n)):
            wanted[i] = [j for j in range(k + 1) if j != i]
        assert got.indices.tolist() == wanted.tolist()
        assert not got.distances.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_of_two_only_scales_the_distances(dtype):
    x = points("clustered", 500, 5, dtype)
    plain = equipoise.nearest_neighbors(x, 5)
    for factor in (2.0**-100, 2.0**-3, 2.0**7, 2.0**90):
        got = equipoise.nearest_neighbors(x * dtype(factor), 5)
        assert got.indices.tobytes() == plain.indices.tobytes()
        assert got.distances.tobytes() == (plain.distances * dtype(factor)).tobytes()


@pytest.mark.parametrize("name", ["clustered", "uniform", "heavy_tailed"])
def test_the_order_of_the_rows_does_not_matter_without_ties(name):
    x = points(name, 3000, 7, np.float64)
    order = np.random.default_rng(1).permutation(3000)
    plain, shuffled = equipoise.nearest_neighbors(x, 5), equipoise.nearest_neighbors(x[order], 5)
    assert order[shuffled.indices].tobytes() == plain.indices[order].tobytes()
    assert shuffled.distances.tobytes() == plain.distances[order].tobytes()


def test_a_query_that_is_a_row_finds_it():
    x = points("uniform", 1000, 4, np.float32)
    got = equipoise.nearest_neighbors(x, 3, queries=x)
    assert got.indices[:, 0].tolist() == list(range(1000))
    assert not got.distances[:, 0].any()
    others = equipoise.nearest_neighbors(x, 2)
    assert got.indices[:, 1:].tobytes() == others.indices.tobytes()


def test_equal_codes_add_nothing_to_the_distances():
    x, codes = points("uniform", 900, 5, np.float32), np.zeros((900, 2), np.int32)
    alike(mixed_neighbors(x, codes, 3.0, 5), equipoise.nearest_neighbors(x, 5))
    differing = codes_of(np.random.default_rng(0), 900, 2)
    alike(mixed_neighbors(x, differing, 0.0, 5), equipoise.nearest_neighbors(x, 5))


MEMORY = """
import sys
import numpy as np
import equipoise

def memory(what):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(what)) * 1024

n, d, k, threads, asked = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
x = rng.standard_normal((n, d), np.float32)
x += 30 * rng.standard_normal((50, d), np.float32)[rng.integers(0, 50, n)]
queries = x[:asked] if asked else None
equipoise.nearest_neighbors(x[:300], k, queries=queries[:300] if asked else None, n_threads=threads)
open("/proc/self/clear_refs", "w").write("5")  # reset the peak
before = memory("VmRSS")
got = equipoise.nearest_neighbors(x, k, queries=queries, n_threads=threads)
print("took", memory("VmHWM") - before, got.indices.nbytes + got.distances.nbytes)
"""


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are read from Linux' /proc"
)
@pytest.mark.parametrize(
    ("n", "d", "k", "threads", "asked"),
    [(60_000, 16, 5, 1, 0), (60_000, 16, 5, 2, 0), (60_000, 4, 100, 1, 0), (60_000, 8, 5, 2, 30_000)],
)
def test_memory_is_proportional_to_points_and_answer(n, d, k, threads, asked):
    """Memory does not grow with n^2: even 60,000^2 bits are 450 MB."""
    arguments = map(str, (n, d, k, threads, asked))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True
    )
    word, took, answer = done.stdout.split()
    assert word == "took"
    # This allows for four copies of the points in float64, twice the answer, and what an allocator keeps.
    limit = 4 * 8 * (n + asked) * d + 2 * int(answer) + 32 * 2**20
    assert int(took) < limit, f"{int(took) / 2**20:.0f} MB, limit {limit / 2**20:.0f}"


@pytest.mark.parametrize("huge", [1e150, 1e160, 1e200, 1e300, np.finfo(float).max])
def test_one_huge_value_does_not_change_the_other_rows(huge):
    """np.nan_to_num replaces infinities by such values."""
    x = np.random.default_rng(4).normal(size=(500, 4))
    x[499, 2] = huge
    np.testing.assert_array_equal(
        equipoise.nearest_neighbors(x, 3).indices[:499], equipoise.nearest_neighbors(x[:499], 3).indices
    )
