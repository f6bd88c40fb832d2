"""The stream contract, which equipoise/rng.py states, and the only conversions of words to numbers.

All numbers are uint64, since an operation on a uint64 and an int literal or an int64 would give a float64.
All indices are uint64, too, since Numba checks whether signed ones count from the end.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from llvmlite import ir
from numba import types

from equipoise._numba._jit import intrinsic, jit, u64

ZERO, ONE, TWO = np.uint64(0), np.uint64(1), np.uint64(2)
S11, S27, S30, S31, S32 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
S64 = np.uint64(64)
LOW = np.uint64(0xFFFFFFFF)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A, MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
PHILOX_A, PHILOX_B = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_A, WEYL_B = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
BLOCK = np.uint64(128)  # draws of a table that share one run


# The words of one row or block.
Run = namedtuple("Run", "s, m")


@intrinsic
def prefetch(typingctx, array, index):
    """Prefetch array[index]. The index may be out of range."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        )
        address = builder.bitcast(builder.gep(data, [args[1]]), byte)
        builder.call(function, [address, flag(0), flag(3), flag(1)])  # a read of data, to be kept in cache
        return context.get_dummy_value()

    return types.void(array, index), codegen


@jit()
def mulhi(a, b):
    """Return the high half of the 128-bit product, computed from 32-bit limbs."""
    a0, a1, b0, b1 = a & LOW, a >> S32, b & LOW, b >> S32
    middle = a1 * b0 + ((a0 * b0) >> S32)
    carry = (a0 * b1 + (middle & LOW)) >> S32
    return a1 * b1 + (middle >> S32) + carry


@jit()
def philox(c0, c1, c2, c3, k0, k1):
    """Return the four 32-bit results of Philox4x32-10 (Salmon et al., SC 2011) for a counter and a key."""
    for _ in range(10):
        p0, p1 = PHILOX_A * c0, PHILOX_B * c2
        c0, c1, c2, c3 = (p1 >> S32) ^ c1 ^ k0, p1 & LOW, (p0 >> S32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL_A) & LOW, (k1 + WEYL_B) & LOW
    return c0, c1, c2, c3


@jit()
def join(low, high):
    """Return one 64-bit word made of two 32-bit words."""
    return low | (high << S32)


@jit()
def mix64(z):
    """Return the word mixed by SplitMix64's finalizer."""
    z = (z ^ (z >> S30)) * MIX_A
    z = (z ^ (z >> S27)) * MIX_B
    return z ^ (z >> S31)


@jit()
def open_run(key, row, lane):
    """Return the run of words of a row or block."""
    c0, c1, c2, c3 = philox(row & LOW, row >> S32, lane & LOW, lane >> S32, key & LOW, key >> S32)
    return Run(join(c0, c1), join(c2, c3))


@jit()
def word(run, j):
    """Return word j of a run."""
    return mix64(run.s + (j + ONE) * GOLDEN) ^ run.m


@jit((u64, u64, u64, u64))
def call_key(seed, epoch, purpose, stream):
    """Return the key of a call."""
    c0, c1, _, _ = philox(epoch & LOW, purpose & LOW, stream & LOW, stream >> S32, seed & LOW, seed >> S32)
    return join(c0, c1)


@jit()
def below(word, n):
    """Convert a word to an integer in [0, n)."""
    return mulhi(word, n)


@jit()
def unit_real(word):
    """Convert a word to a real in (0, 1]."""
    return np.float64((word >> S11) + ONE) * 2.0**-53


@jit()
def fraction(word, bits):
    """Convert a word to a real in [0, 1).

    It is the top bits of the word as a binary fraction: 24 for a float32, 53 for a float64.
    """
    return np.float64(word >> (S64 - bits)) / np.float64(ONE << bits)
