"""Permutations that are computed place by place from random words.

Nothing is stored, and any place can be asked for first.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import jit, stack, u64
from equipoise._numba.stream.rng import ONE, S32, TWO, ZERO, below, word

SHUFFLED = np.uint64(128)  # up to this length, a permutation is shuffled in full
ROUNDS = np.uint64(8)  # of the Feistel network of a longer one
TOP = np.uint64(1 << 15)

# One permutation of n numbers, by the words of one run, where a * b >= n: the Feistel network permutes pairs
# (u, v), u < a and v < b. `order` holds the whole permutation, if it is short.
Permutation = namedtuple("Permutation", "run, n, a, b, order")
stack_order = stack(u64, int(SHUFFLED))


@jit()
def ceil_root(n):
    """Return the smallest integer whose square is at least n, for 1 <= n < 2^32."""
    root, bit = ZERO, TOP  # root is the largest integer whose square is below n
    while bit > ZERO:
        root += bit if (root + bit) * (root + bit) < n else ZERO
        bit >>= ONE
    return root + ONE


@jit()
def shuffle(run, n, values, first):
    """Shuffle n values of an array from place `first` on (Durstenfeld 1964).

    Place p is swapped by word p.
    """
    for i in range(ONE, n):
        p = n - i
        other = below(word(run, p), p + ONE)
        value = values[first + p]
        values[first + p] = values[first + other]
        values[first + other] = value


@jit()
def permutation(run, n, order):
    """Return the permutation of n numbers. `order` has room for a short one."""
    a, b = ONE, ONE
    if n <= SHUFFLED:
        for i in range(n):
            order[i] = i
        shuffle(run, n, order, ZERO)
    else:
        a = ceil_root(n)
        b = (n + a - ONE) // a
    return Permutation(run, n, a, b, order)


@jit()
def number_at(permutation, x):
    """Return the number at place x < n.

    The network permutes a * b >= n numbers, and is applied until the result is below n (Black and Rogaway
    2002): less than 1.1 times on average.
    """
    if permutation.n <= SHUFFLED:
        return permutation.order[x]
    x = feistel(permutation, x)
    while x >= permutation.n:
        x = feistel(permutation, x)
    return x


@jit()
def feistel(permutation, x):
    """Return the number at place x < a * b of the network."""
    run, a, b = permutation.run, permutation.a, permutation.b
    u = x // b
    v = x - u * b
    for i in range(ROUNDS // TWO):
        even = TWO * i
        u += below(word(run, (even << S32) + v), a)
        u -= a if u >= a else ZERO
        v += below(word(run, ((even + ONE) << S32) + u), b)
        v -= b if v >= b else ZERO
    return u * b + v
