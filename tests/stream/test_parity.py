"""C++ and Numba return the same words, and the same results of elementary functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from support.backends import MISSING, SEEDS, agree, both, words

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@given(SEEDS)
@settings(max_examples=100)
def test_words_agree(seed):
    rng = np.random.default_rng(seed)
    counters = rng.integers(0, 2**32, (9, 4), dtype=np.uint32)
    keys = rng.integers(0, 2**32, (9, 2), dtype=np.uint32)
    agree("philox", counters, keys, np.empty((9, 4), np.uint32), outs=[2])
    address = [int(w) for w in words(rng, 4)]
    agree("call_key", *address)
    assert all(k.call_key(*map(np.uint64, address)) == k.call_key(*address) for k in both())


@given(SEEDS)
@settings(max_examples=100)
def test_elementary_functions_agree(seed):
    rng = np.random.default_rng(seed)
    specials = [0.0, -0.0, 1.0, -1.0, 2.0**-1074, 2.0**-1022, 2.0**-53, -(2.0**-53), np.inf, -np.inf, np.nan]
    near_one = 1 + rng.standard_normal(200) * 10.0 ** rng.uniform(-17, 0, 200)
    bits = words(rng, 400).view(np.float64)  # all exponents are equally likely, with subnormals and NaNs
    x = np.concatenate([specials, near_one, near_one - 1, bits, rng.uniform(-750, 750, 200)])
    for name in ("log", "exp", "log1p", "expm1"):
        one, two = (np.empty_like(x) for _ in range(2))
        for kernels, out in zip(both(), (one, two), strict=True):
            getattr(kernels, name)(x, out)
        one[np.isnan(one)] = two[np.isnan(two)] = np.nan  # the payload of a NaN is not promised
        differ = one.view(np.uint64) != two.view(np.uint64)
        assert not differ.any(), (name, x[differ][:3], one[differ][:3], two[differ][:3])
