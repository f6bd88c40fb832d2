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
AT_ONCE = np.uint64(8)  # numbers that are computed in step
TOP = np.uint64(1 << 15)

# One permutation of n numbers, by the words of one run, where a * b >= n: the Feistel network permutes pairs
# (u, v), u < a and v < b. `order` holds the whole permutation, if it is short.
Permutation = namedtuple("Permutation", "run, n, a, b, order")
stack_order, stack_numbers = stack(u64, int(SHUFFLED)), stack(u64, 3 * int(AT_ONCE))


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
def numbers_at(permutation, first, count, numbers):
    """Write the numbers at the places first .. first + count - 1 to `numbers`, count <= AT_ONCE.

    The network permutes a * b >= n numbers, and is applied until the result is below n (Black and Rogaway
    2002): less than 1.1 times on average. The pairs are permuted in step, since each round waits for the one
    before. Behind the numbers, `numbers` has room for the pairs.
    """
    n, b = permutation.n, permutation.b
    if n <= SHUFFLED:
        for i in range(count):
            numbers[i] = permutation.order[first + i]
        return
    u, v = AT_ONCE, TWO * AT_ONCE
    for i in range(count):
        numbers[u + i], numbers[v + i] = split(permutation, first + i)
    for i in range(ROUNDS // TWO):
        for j in range(count):
            numbers[u + j], numbers[v + j] = mix(permutation, TWO * i, numbers[u + j], numbers[v + j])
    for i in range(count):
        x, y = numbers[u + i], numbers[v + i]
        while x * b + y >= n:
            for j in range(ROUNDS // TWO):
                x, y = mix(permutation, TWO * j, x, y)
        numbers[i] = x * b + y


@jit()
def split(permutation, x):
    """Return the digits (u, v) of a number."""
    u = x // permutation.b
    return u, x - u * permutation.b


@jit()
def mix(permutation, round, u, v):
    """Return a pair after two rounds of the network."""
    run, a, b = permutation.run, permutation.a, permutation.b
    u += below(word(run, (round << S32) + v), a)
    u -= a if u >= a else ZERO
    v += below(word(run, ((round + ONE) << S32) + u), b)
    v -= b if v >= b else ZERO
    return u, v
