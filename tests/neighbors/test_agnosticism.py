"""Neighbors do not depend on layout, threads, other queries or the CPU path, and belong to the caller."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import equipoise
from equipoise.neighbors.search import mixed_neighbors
from support import reference
from support.points import DTYPES, alike, arrange, codes_of, digest, points, same


def test_an_answer_does_not_depend_on_the_queries_beside_it():
    """All queries have one scale here. Another magnitude could change the scale, and with it the rounding."""
    x, queries = points("uniform", 800, 6, np.float32), points("uniform", 200, 6, np.float32, seed=1)
    together = equipoise.nearest_neighbors(x, 5, queries=queries)
    for i in range(0, 200, 13):
        alone = equipoise.nearest_neighbors(x, 5, queries=queries[i : i + 1])
        assert alone.indices[0].tolist() == together.indices[i].tolist()
        assert alone.distances.tobytes() == together.distances[i : i + 1].tobytes()


@pytest.mark.parametrize("d", [1, 5, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_memory_layout_does_not_matter(dtype, d):
    x, queries = points("clustered", 300, d, dtype), points("uniform", 50, d, dtype)
    plain, asked = equipoise.nearest_neighbors(x, 5), equipoise.nearest_neighbors(x, 5, queries=queries)
    same(plain, reference.neighbors(x, 5))
    for name, other in arrange(x).items():
        assert other.tolist() == x.tolist(), name
        before = other.tobytes()
        alike(equipoise.nearest_neighbors(other, 5), plain)
        alike(equipoise.nearest_neighbors(other, 5, queries=queries), asked)
        assert other.tobytes() == before, name
    for other in arrange(queries).values():
        alike(equipoise.nearest_neighbors(x, 5, queries=other), asked)
    if dtype is np.float64:
        alike(equipoise.nearest_neighbors(x.tolist(), 5), plain)


def test_broadcast_rows_are_accepted():
    x = np.broadcast_to(np.float32(3.5), (300, 4))
    same(equipoise.nearest_neighbors(x, 5), reference.neighbors(np.array(x), 5))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_memory_mapped_file_is_accepted(dtype, order, tmp_path):
    x = points("uniform", 700, 9, dtype)
    file = tmp_path / "points"
    mapped = np.memmap(file, dtype, "w+", offset=64, shape=x.shape, order=order)
    mapped[:] = x
    mapped.flush()
    del mapped
    before = file.read_bytes()
    mapped = np.memmap(file, dtype, "r", offset=64, shape=x.shape, order=order)
    got = equipoise.nearest_neighbors(mapped, 5, queries=mapped[::3])
    same(got, reference.neighbors(x, 5, queries=x[::3]))
    assert type(got.indices) is type(got.distances) is np.ndarray
    del mapped
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["clustered", "uniform", "duplicated", "grid"])
def test_threads_do_not_change_the_neighbors(name, own_threads):
    x, codes = points(name, 12_000, 5, np.float32), codes_of(np.random.default_rng(1), 12_000, 2)
    queries = points(name, 3000, 5, np.float32, seed=1)
    for search in (
        lambda n: equipoise.nearest_neighbors(x, 5, n_threads=n),
        lambda n: equipoise.nearest_neighbors(x[:4000], 40, queries=queries, n_threads=n),
        lambda n: mixed_neighbors(x[:4000], codes[:4000], 0.7, 5, n_threads=n),
    ):
        one = search(1)
        for n in (2, 3, 7):
            alike(search(n), one)
        assert own_threads.left() == 0


def test_the_environment_sets_the_number_of_threads(monkeypatch):
    x = points("clustered", 3000, 5, np.float32)
    one = equipoise.nearest_neighbors(x, 5)
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    alike(equipoise.nearest_neighbors(x, 5), one)


def elsewhere(**environment):
    """Return the CPU path and the digest of another process."""
    path = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    program = (
        "from support.points import digest; from equipoise._runtime.backend import kernels; "
        "print(kernels().cpu_path()[0], digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **environment},
    )
    return done.stdout.split()


@pytest.mark.parametrize("off", ["avx512", "avx512,avx2", "AVX512,AVX2"])
def test_the_cpu_path_does_not_change_the_neighbors(off):
    path, seen = elsewhere(EQUIPOISE_DISABLE_CPU_FEATURES=off)
    assert seen == digest()
    if equipoise.backend() == "cpp":
        assert path != "avx512"


def test_results_are_writable_and_own_their_memory():
    got = equipoise.nearest_neighbors(points("uniform", 40, 3, np.float32), 4)
    for a in (got.indices, got.distances):
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert a.flags.owndata
    with pytest.raises(AttributeError):
        got.indices = None
