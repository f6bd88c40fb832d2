"""Words, logarithm and exponential of the stream contract."""

from __future__ import annotations

import math
import struct
from decimal import Decimal, localcontext

import numpy as np

M32, M64 = 2**32 - 1, 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
VERSION = 2
TABLE, KEYED, COUNTED, SHARED, IDS, ROWS, BLOCKS, SMOTE, ORDER, RACE, CLASSES, REPEAT = range(1, 13)


def philox(counter, key):
    """Return Philox4x32-10: ten rounds on four 32-bit words. The key is incremented between rounds."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & M32, (a >> 32) ^ c3 ^ k1, a & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c0, c1, c2, c3


def halves(x):
    return x & M32, x >> 32


def call_key(seed, epoch, purpose, stream):
    """Return the call key: the first 64 bits of one Philox block."""
    o = philox((epoch, purpose + 2**16, *halves(stream & M64)), halves(seed))
    return o[0] + (o[1] << 32)


def mix64(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & M64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & M64
    return z ^ (z >> 31)


class Run:
    """The words of one row or block. A negative row key is its 64-bit two's complement."""

    def __init__(self, key, row, lane=0):
        o = philox((*halves(row & M64), *halves(lane & M64)), halves(key))
        self.s, self.m = o[0] + (o[1] << 32), o[2] + (o[3] << 32)

    def word(self, j):
        return mix64((self.s + (j + 1) * GOLDEN) & M64) ^ self.m


def below(word, n):
    """Return an integer in [0, n)."""
    return word * n >> 64


def real(word):
    """Return a float in (0, 1]."""
    return ((word >> 11) + 1) * 2.0**-53


def key_from_rng(rng):
    """Return the key of ``rng``. MT19937 has words of 32 bits, so it gives two, the low one first."""
    bits = np.random.default_rng(rng).bit_generator
    first = int(bits.random_raw())
    return first + (int(bits.random_raw()) << 32) if isinstance(bits, np.random.MT19937) else first


with localcontext() as _context:
    _context.prec = 60
    _LN2 = Decimal(2).ln()
    LN2_HI = float(math.floor(_LN2 * 2**40)) / 2**40
    LN2_LO = float(_LN2 - Decimal(LN2_HI))
    INV_LN2 = float(1 / _LN2)


def bits_of(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def log(x):
    if math.isnan(x) or x < 0:
        return math.nan
    if x == 0:
        return -math.inf
    if x == math.inf:
        return math.inf
    m, k = math.frexp(x)  # 1/2 <= m < 1
    if bits_of(m) < 0x3FE6A09E667F3BCD:
        m, k = 2 * m, k - 1
    f = m - 1
    s = f / (2 + f)
    z = s * s
    p = 0.0
    for i in range(9, -1, -1):
        p = p * z + 1 / (2 * i + 3)
    return k * LN2_HI + ((s + s) + ((s + s) * (z * p) + k * LN2_LO))


def exp(x):
    if x < -708:
        return 0.0
    if x > 709:
        return math.inf
    k = math.floor(x * INV_LN2 + 0.5)
    r = (x - k * LN2_HI) - k * LN2_LO
    p = 0.0
    for i in range(13, -1, -1):
        p = p * r + 1 / math.factorial(i)
    return math.ldexp(p, k)


def log1p(x):
    if x == -1:
        return -math.inf
    u = 1 + x
    return x if u == 1 else log(u) * x / (u - 1)


def expm1(x):
    u = exp(x)
    if u == 1:
        return x
    return -1.0 if u - 1 == -1 else (u - 1) * x / log(u)
