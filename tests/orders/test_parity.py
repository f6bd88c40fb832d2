"""C++ and Numba find the same rows of a race, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from support import cases
from support.backends import MISSING, SEEDS, agree, frozen, words

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@given(SEEDS)
@settings(max_examples=200)
def test_bands_agree(seed):
    rng = np.random.default_rng(seed)
    w = np.array(cases.row_weights(rng, int(rng.integers(0, 700))), np.float64)
    key, first = words(rng, 1)[0], 128 * int(rng.integers(0, 2**30))
    low, high = np.sort(rng.choice([-np.inf, -1e-3, 0.0, 1e-300, 1e-3, 0.1, 1.0, 30.0, np.inf], 2))
    room = w.size + int(rng.integers(0, 3))
    agree("race_band", key, first, frozen(w), low, high, np.zeros(room, np.int64), np.zeros(room))
