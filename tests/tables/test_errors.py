"""Bad input to tables gets a clear error: right class, argument, first bad position, wanted, got."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from support.cases import CudaTensor

NAN, INF = float("nan"), float("inf")


def frozen(a):
    a.flags.writeable = False
    return a


BAD_WEIGHTS = [
    ([1.0, -2.0], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
    ([1, -2], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
    ([1.0, 2.0, NAN, NAN], ValueError, r"weights\[2\] must be finite and >= 0, got nan"),
    ([INF], ValueError, r"weights\[0\] must be finite and >= 0, got inf"),
    ([-INF, 1], ValueError, r"weights\[0\] must be finite"),
    ([0.0, 0.0], ValueError, "weights must not all be zero, got 2 zeros"),
    ([], ValueError, "weights must have between 1 and 2.32 - 1 entries, got 0"),
    ([[1.0, 2.0]], ValueError, r"weights must be 1-D, not 2-D \(shape \(1, 2\)\)"),
    (np.float64(3), ValueError, "weights must be 1-D, not 0-D"),
    ([1e308] * 20, ValueError, "weights must have a finite sum"),
    (np.array([2**63], np.uint64), ValueError, r"weights\[0\] must be below 2\^63"),
    ([True, False], TypeError, "weights must be float32, float64, int32, int64 or uint32, got bool array"),
    ([1j], TypeError, "weights must be .* got complex128 array"),
    (["a"], TypeError, "weights must be .* got <U1 array"),
    ([None], TypeError, "weights must be .* got object array"),
    ([[1], [1, 2]], ValueError, "weights must be a rectangular array"),
    (np.ones(3, np.longdouble), TypeError, "weights must be"),
    (np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "weights must be a plain array, got a masked array"),
    (
        CudaTensor(),
        TypeError,
        r"weights must be in CPU memory, got a CudaTensor on another device: call \.cpu\(\) first",
    ),
    (None, TypeError, "weights"),
    ("abc", TypeError, "weights"),
    ({}, TypeError, "weights"),
]


@pytest.mark.parametrize(("weights", "error", "text"), BAD_WEIGHTS)
def test_weights(weights, error, text):
    with pytest.raises(error, match=text):
        equipoise.AliasTable(weights)


CALLS = [
    (lambda: equipoise.AliasTable([1], power="a"), TypeError, "power must be a real number, got str"),
    (lambda: equipoise.AliasTable([1], power=NAN), ValueError, "power must be finite, got nan"),
    (lambda: equipoise.AliasTable([1, 100], power=1e308), ValueError, "power must leave"),
    (
        lambda: equipoise.AliasTable([1], smoothing=-1),
        ValueError,
        "smoothing must be finite and >= 0, got -1",
    ),
    (lambda: equipoise.AliasTable([0, 0], smoothing=0), ValueError, "weights must not all be zero"),
    (
        lambda: equipoise.AliasTable([1e308, 1e308], smoothing=1e308),
        ValueError,
        "weights must have a finite sum|weights \\+ smoothing",
    ),
    (lambda: equipoise.UniformTable(0), ValueError, r"n must be in \[1, 4294967295\], got 0"),
    (lambda: equipoise.UniformTable(2**32), ValueError, r"n must be in \[1, 4294967295\]"),
    (lambda: equipoise.UniformTable(2.0), TypeError, "n must be an integer, got float"),
    (lambda: equipoise.LogUniformTable(-1), ValueError, "n must be in"),
    (lambda: equipoise.UniformTable(5).sample(-1), ValueError, "size must be >= 0, got -1"),
    (lambda: equipoise.UniformTable(5).sample((2, -1)), ValueError, r"size\[1\] must be >= 0, got -1"),
    (
        lambda: equipoise.UniformTable(5).sample(2**62),
        ValueError,
        "size must ask for fewer than 2.60 entries",
    ),
    (lambda: equipoise.UniformTable(5).sample((2**31, 2**31)), ValueError, "size must ask for fewer than"),
    (lambda: equipoise.UniformTable(5).sample((1,) * 40), ValueError, "size must have at most 32 dimensions"),
    (lambda: equipoise.UniformTable(5).sample(2.5), TypeError, "size must be an integer, got float"),
    (lambda: equipoise.UniformTable(5).sample(2, rng=1.5), TypeError, "rng must be None, an int"),
    (lambda: equipoise.UniformTable(5).sample(2, rng=-1), ValueError, "rng must be"),
    (lambda: equipoise.UniformTable(5).sample(2, rng="x"), TypeError, "rng must be"),
    (lambda: equipoise.UniformTable(5).sample(2, n_threads=0), ValueError, "n_threads must be >= 1, got 0"),
    (lambda: equipoise.UniformTable(5).sample(2, n_threads=1.0), TypeError, "n_threads must be an integer"),
    (lambda: equipoise.UniformTable(5).sample(2, out=[0, 0]), TypeError, "out must be a NumPy array"),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(2, np.int32)),
        TypeError,
        "out must be of dtype int64, got int32",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(2, ">i8")),
        TypeError,
        "out must be of dtype int64",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(3, np.int64)),
        ValueError,
        r"out must have shape \(2,\), got \(3,\)",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(4, np.int64)[::2]),
        ValueError,
        "out must be C-contiguous",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=frozen(np.zeros(2, np.int64))),
        ValueError,
        "out must be writable",
    ),
    (lambda: equipoise.UniformTable(5).prob([0.0]), TypeError, "ids must be integers, got float64 array"),
    (lambda: equipoise.UniformTable(5).prob([0, 5]), IndexError, r"ids\[1\] must be in \[0, 5\), got 5"),
    (
        lambda: equipoise.AliasTable([1, 2]).log_prob([[0], [-1]]),
        IndexError,
        r"ids\[1, 0\] must be in \[0, 2\), got -1",
    ),
]


@pytest.mark.parametrize("case", range(len(CALLS)))
def test_calls(case):
    call, error, text = CALLS[case]
    with pytest.raises(error, match=text):
        call()
