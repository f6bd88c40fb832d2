"""C++, Numba and all CPU paths give the same bytes for every kind of reservoir."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import ClassReservoir, Reservoir, weighted_sample
from support import cases
from support.backends import MISSING, check
from support.reservoirs import COLUMNS, KINDS, answers, cut, kinds, read

both = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@both
@kinds
def test_backends_agree(name):
    """Compare all answers, with threads and after a merge."""

    def run():
        make, names = KINDS[name]
        reservoir = read(name, cut(5, 250_000), 2)
        other = make(stream=77)
        other.update(**{c: COLUMNS[c][250_000:] for c in names})
        sums = reservoir.estimate()
        reservoir.merge(other)
        again = type(reservoir).from_bytes(reservoir.to_bytes())
        return [answers(reservoir), sums, reservoir.to_bytes(), repr(again), again.sample(), again.estimate()]

    check(run)


@both
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_backends_agree_on_random_streams(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.choice([0, 1, 63, 64, 65, 300, 3000])), int(rng.choice([1, 2, 7, 64, 300]))
    w, keys = cases.row_weights(rng, n), rng.integers(-n, n + 1, n)
    ids = [None, keys, rng.permutation(n)][rng.integers(3)]
    times, half_life = cases.row_times(rng, n) if rng.random() < 0.4 else (None, None)
    classes, at = rng.integers(-3, 3, n), cases.cuts(rng, n)
    replacement, by_class = bool(rng.integers(2)), bool(rng.integers(2))

    def run():
        settings = {"half_life": half_life, "seed": seed, "stream": seed % 5}
        made = ClassReservoir(k, **settings) if by_class else None
        made = made or Reservoir(k, replacement=replacement, **settings)
        for begin, end in itertools.pairwise(at):
            piece = [None if c is None else c[begin:end] for c in (w, ids)]
            first = [classes[begin:end]] if by_class else []
            made.update(*first, *piece, times=None if times is None else times[begin:end])
        more = [weighted_sample(w, k, rng=seed, return_inclusion=True)] if (w > 0).any() else []
        return [made.to_bytes(), made.sample(), made.total_weight, more]

    check(run)


PROGRAM = """
import hashlib
import numpy as np, equipoise
from equipoise._runtime.backend import kernels
d, rng = hashlib.blake2b(), np.random.default_rng(1)
n = 200_001
for w in (rng.pareto(1.0, n), rng.random(n).astype(np.float32), np.full(n, 5e-324), rng.integers(0, 2, n)):
    for ids in (None, rng.permutation(n)):
        for how in ({}, {"half_life": 2.0}, {"replacement": True})[: 2 if w[0] == 5e-324 else 3]:
            r = equipoise.Reservoir(100, seed=5, **how)
            r.update(w, ids=ids, times=np.arange(n) if "half_life" in how else None)
            d.update(r.to_bytes()); d.update(r.sample().inclusion)
        r = equipoise.ClassReservoir(20, seed=5)
        r.update(np.arange(n) % 7, w, ids)
        d.update(r.to_bytes()); d.update(r.sample().inclusion)
    d.update(equipoise.weighted_sample(w, 1000, rng=3)); d.update(equipoise.weighted_sample(w, 9, rng=3))
print(kernels().cpu_path()[0], d.hexdigest())
"""


def test_cpu_paths_agree():
    outputs = []
    for environment in ({}, {"EQUIPOISE_DISABLE_CPU_FEATURES": "AVX512"}):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True, text=True, check=True, env={**os.environ, **environment},
        )  # fmt: skip
        outputs.append(done.stdout.split())
    assert outputs[0][1] == outputs[1][1]
    assert outputs[1][0] in (("numba",) if equipoise.backend() == "numba" else ("baseline", "avx2"))
