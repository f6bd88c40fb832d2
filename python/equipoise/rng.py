"""The stream contract: which word answers which question, on every machine, for ever.

A draw is a pure function of an address ``(seed, epoch, purpose, row or block, index)``. Threads, workers,
chunks, ranks, backends and restarts are no part of an address, so they cannot change an answer; to resume is
to set a counter. This text is normative: ``cpp/`` and ``_numba/`` implement it twice, ``tests/reference.py``
a third time, slowly.

Layout (version 1)
------------------
All integers are unsigned; ``lo32``/``hi32`` are the halves of a 64-bit number; arithmetic
on words is modulo 2^64.

**Philox** is Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
(SC 2011), held to Random123's known answers (``tests/kat_vectors.txt``). Its four 32-bit results o0..o3 are
read as two 64-bit numbers, ``o0 + 2^32 o1`` and ``o2 + 2^32 o3``.

**Call key**: the first 64 bits of Philox(key = seed, counter = (epoch 32, purpose and version 32, stream
64)), once a call. The key is (lo32, hi32) of the seed; the counter is (epoch, purpose + 2^16 version,
lo32(stream), hi32(stream)).

**Run**: a row or block starts at (s, m) = Philox(key = call key, counter = (row key or block 64, lane 64)),
the counter being (lo32(row), hi32(row), lo32(lane), hi32(lane)). Its word j = 0, 1, 2, .. is

    word(j) = mix64(s + (j + 1) * 0x9E3779B97F4A7C15) ^ m

    mix64(z):  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
               z = (z ^ (z >> 27)) * 0x94D049BB133111EB
               return z ^ (z >> 31)                        (Steele, Lea and Flood, SplitMix64, OOPSLA 2014)

All SplitMix64 runs share one cycle; m, from the same Philox block as s, makes an overlap of two runs
harmless.

| purpose   | row or block                                 | lane                                          |
| --------- | -------------------------------------------- | --------------------------------------------- |
| 1 TABLE   | block of 128 draws: draw i is word i mod 128 | 0                                             |
|           | of block i // 128                            |                                               |
| 2 KEYED   | the row key, as 64-bit two's complement      | 0                                             |
| 3 COUNTED | the row's number since the epoch began       | ``get_worker_info().seed`` in a torch worker, |
| 4 SHARED  | the call's number since the epoch began      | else 0                                        |
| 5 IDS     | 0, whose words are numbered by id; or the id | 0; or 1, for points after a row's first       |
| 6 ROWS    | group of 128 rows: row i is word i mod 128   | 0; or 1, for points after a row's first       |
|           | of group i // 128; or the row                |                                               |
| 7 BLOCKS  | group of 128 blocks of 64 rows; or the block | 0; or 1, for points after a block's first     |
| 8 SMOTE   | group of 64 rows: row i, its number since    | as for COUNTED                                |
|           | the epoch began, has words i mod 64 and      |                                               |
|           | 64 + i mod 64 of group i // 64               |                                               |

A sampler's calls take its (seed, epoch, stream). A table's call takes seed = the key of its ``rng``
(``key_from_rng``), epoch 0, stream 0. A reservoir takes its seed, epoch 0, and its stream, but stream 0 where
rows are keyed by id. A ``SmoteSampler`` takes its seed, its epoch, and the stream that its rows give it, see
below. Keyed rows do not move the counter of rows; a call that raises leaves it where it was.

Words to numbers
----------------
*below(word, n)* = the high half of the 128-bit product ``word * n``: an integer in [0, n),
off uniform by at most n / 2^64.

*An alias draw* takes one word: of ``word * n`` the high half is the column, the top 32 bits of the low half
are the coin. The answer is the column if coin < threshold[column], else alias[column].

*A uniform draw* is below(word, n).

*A real in (0, 1]* is ``((word >> 11) + 1) * 2^-53``.

*A real in [0, 1)* is ``(word >> 40) * 2^-24`` as a float32, ``(word >> 11) * 2^-53`` as a float64.

Whole units
-----------
Weights become integers once. A cell of the alias table is 2^32 units, the table T = n * 2^32; id i has
``floor(w_i * T / sum w)`` units, at least 1 where w_i > 0. Sum and quotient are integers:

1. A weight is m * 2^x: a float64's 53-bit integer significand and its exponent, or an integer and x = 0. With
   2^(e-1) <= max w < 2^e, let g = e + ceil(log2 n) - 126 and S = sum of floor(w_i / 2^g): the sum on a grid
   so fine that S <= 2^126 still holds it to some 100 bits.
2. r = ceil(T * 2^h / S), h the integer for which 2^127 <= r < 2^128.
3. units_i = floor(w_i * r / 2^(g + h)), or 1 where that is 0 and w_i > 0. This is exactly floor(w_i * T / sum
   w) whenever the weights are whole multiples of one power of two and add up to at most 2^63 of it.
4. Units left over, T - sum units > 0, go one each to the first ids of positive weight, round after round.
   Missing ones come from the heaviest, the H ids that have at least 2^32 units after step 3: each gives
   floor(missing / H) and the first (missing mod H) of them one more.

The weights of step 1 are the given ones where power = 1 and smoothing = 0 (integers never pass through a
float), else, in float64 and with v = w + smoothing: v for power 1; sqrt(v) for 0.5; sqrt(sqrt(v)) for 0.25;
sqrt(v) * sqrt(sqrt(v)) for 0.75; 1 for 0; otherwise exp(max(l - max l, -700)) with l = power * log(v), which
must be finite. Where v = 0 the weight is 0 for every power. LogUniformTable has w_i = log1p(1 / (i + 1)).

The alias table
---------------
Light ids have less than 2^32 units, heavy ids the rest. Both are swept in ascending order:
let j be the first heavy id and r = units_j. While r >= 2^32: the next light id i gets cell (threshold
units_i, alias j), and r loses 2^32 - units_i. When r < 2^32: j gets cell (threshold r, alias j'), j' the next
heavy id, and then r = units_j' - (2^32 - r), j = j'. When no light id is left, j and all heavy ids after it
have 2^32 units and get (threshold 0, alias itself). A cell is stored as threshold * 2^32 + alias.

A row of negatives
------------------
Words 0 .. k-1 propose for the slots 0 .. k-1. Redraws take the words from k on, slot by
slot, at most 32 a slot; then the exact draw takes the next word. With *blocked* = the row's exclusions, its
``exclude_ids`` and, if unique, what the slots before have got, and left = T - units of all blocked ids:

    if left = 0: the row is exhausted from this slot on
    id = alias draw of word(slot)
    while id is blocked, up to 32 times: id = alias draw of the next redraw word
    if id is still blocked: id = the smallest with
        (units of unblocked ids <= id) > below(next redraw word, left)
    log_q = float32(log(float64(units_id) / float64(left)))

A uniform table has 1 unit an id, T = n, and needs no redraw: id = the (r + 1)-th smallest unblocked id, r =
below(word(slot), left); log_q as above, log(1 / left). An exhausted row's slots are masked (-1, 0, False),
or, with "replace", drawn on as above with the row's exclusions and ``exclude_ids`` alone blocked.

Shared negatives
----------------
A call is one run. Not unique: slot j is the draw of word(j), num_tries = C. Unique: slot
after slot takes the next words, a try each, until one is new; after 33 known ones for one slot this slot and
all later ones are drawn exactly, by two words each: with left = T - units of the ids got so far and p =
float64(left) / float64(T), tries grows by 1 + floor(log(real(word)) / log1p(-p)), to at most 2^62, and the id
is the smallest with (units of ids not yet got <= id) > below(next word, left). A uniform table has 1 unit an
id and T = n here.

``log_q`` of an id with p = float64(units) / float64(T) is float32(log(float64(C) * p)), and with unique
float32(log(-expm1(float64(tries) * log1p(-p)))).

Weighted reservoirs
-------------------
A row of weight w > 0 has the rank E / w with E = 0 - log(real(word)) of a word of its own; a row of weight 0
has none. The k smallest ranks are the sample, the next is the threshold; of equal ranks the smaller id comes
first, then the smaller stream. What has the same class, rank, id and stream is one row, and a rank beyond
float64 is inf.

- Keyed by id (IDS): mix64 of word(id) of the run (0, lane 0), the id as 64-bit two's complement.
- Keyed by position (ROWS), where rows have classes or decay: word(i mod 128) of the run (i // 128, lane 0).
- Keyed by position otherwise (BLOCKS): rows 64 b .. 64 b + 63 are block b, b' = b mod 128, all from one run,
  (b // 128, lane 0). Column j of the block is w_j + w_(j+8) + .. + w_(j+56), each sum from the left in
  float64, its weight W = ((c0 + c4) + (c2 + c6)) + ((c1 + c5) + (c3 + c7)). The first rank is r = E / W with
  word(b'). Its row is found by t = float64(word(128 + 65 b' + 64) >> 11) * 2^-53 * W: of two parts with
  weights x and y, the second if y > 0 and t >= x, and then t = t - x, else the first; the parts are columns
  {0, 2, 4, 6} and {1, 3, 5, 7}, then {j, j + 4} and {j + 2, j + 6}, then j and j + 4, their weights added as
  in W; in column j from the top, the first row of positive weight with t < w, else t = t - w, and the last
  such row in the end. Every other row i, 0 .. 63, has the rank r + E / w_i with word(128 + 65 b' + i). A
  block that is not whole yet is one whose missing rows weigh 0.

With replacement a row or block has its first k + 1 points instead, (E1 + .. + Ej) / w, the sum from the left,
with E1 as above and E2, E3, .. from words 0, 1, .. of the run (id or row, lane 1); a block has points E1 / W
+ E2 / W + .., each with its own row in proportion to weight, found as above, E1 and the first row as above,
then Ej+1 by word 2 j - 2 and its row by word 2 j - 1 of the run (block, lane 1), j = 1, 2, ..

With decay the rank is log(E) - (log(w) + t * (ln 2 / half_life)) in float64, with E1 + .. + Ej for E with
replacement, ln 2 = 0x1.62e42fefa39efp-1. A weight as of the time t' is w * exp(t * (ln 2 / half_life) - t' *
(ln 2 / half_life)), t' the latest time of a row of positive weight.

The inclusion is -expm1(-(w * threshold)), with decay -expm1(-exp((log(w) + t * (ln 2 / half_life)) +
threshold)), and 1 where there is no threshold; with replacement (w / W) * k, w and W as of one time, W the
sum of all weights to some 15 digits: it alone depends on how the rows came in.

``weighted_sample`` is a reservoir with seed = the key of its ``rng`` and stream 0; without replacement its
rows are then put in the order of the ranks that they have keyed by id, of weight 1.

Synthetic rows
--------------
A ``SmoteSampler`` has n rows X of d columns and a table of the k neighbours of each. A synthetic row has two
words of its group. The parent is the alias draw of the first over the parent weights, or without them its
uniform draw from n. Of the 128-bit product second word * k the high half is the column of the table, and the
low half makes the gap, a real in [0, 1) of X's dtype: 0 is drawn, 1 never is. With base = X[parent] and
neighbour = X[table[parent, column]] the row is, every operation rounded to X's dtype and none fused,

    base + gap * (neighbor - base)

but in a categorical column it is the code that the most of the parent's k neighbours have, and the smallest
of those that as many have. The rows' stream, which keeps two classes under one seed apart, is the first 64
bits, the low byte first, of BLAKE2b with a digest of 16 bytes, of n and d as 64-bit integers and X row by
row, all with the low byte first.

The table has the nearest first, of equal ones the smaller index. Copies of a row are one point, which stands
under the smallest of their indices: a row's neighbours are other points, each once. A squared distance is
that of ``nearest_neighbors`` over the continuous columns, plus, if there are others, (m * m) * the number of
codes that differ, m the median (of an even number the mean of the middle two) of the continuous columns'
standard deviations, and 1 if there are none. A column's is, in float64 and with all sums from the first row
to the last, sqrt(sum (x - a)^2 / n) with a = b + sum (x - b) / n, b the column's first value. ``k_neighbors``
given as an estimator makes the table as it likes.

Logarithm and exponential
-------------------------
These reach promised bytes, so neither libm's nor NumPy's are used. Every operation
is one correctly rounded float64 operation, in the order written; none is fused. LN2_HI = floor(ln 2 * 2^40) /
2^40 and LN2_LO = ln 2 - LN2_HI, rounded.

- log(x): x = m * 2^k with sqrt(1/2) <= m < sqrt(2) (the bound 0x3FE6A09E667F3BCD is compared as bits);
  f = m - 1, s = f / (2 + f), z = s * s; P = the Horner sum of z^i / (2 i + 3), i = 0 .. 9 (coefficients
  rounded, highest first: P = P * z + c); log(x) = k * LN2_HI + ((s + s) + ((s + s) * (z * P) + k * LN2_LO)).
  log(0) = -inf; of a negative number or NaN it is NaN, of inf inf.
- exp(x): k = floor(x * (1 / ln 2) + 0.5), r = (x - k * LN2_HI) - k * LN2_LO, P = the Horner sum of r^i / i!,
  i = 0 .. 13, exp(x) = P * 2^k; 0 for x < -708 and inf for x > 709.
- log1p(x) = x if u = 1 + x is 1, else log(u) * x / (u - 1) (the product first), -inf for x = -1. expm1(x) = x
  if u = exp(x) is 1, -1 if u - 1 is -1, else (u - 1) * x / log(u), the product first again (Kahan).

What is stable
--------------
The same seed, library version and call give the same bytes on every platform, backend, CPU
path and number of threads. A change of the layout changes the version above, is named in the changelog, and
happens only in a minor release (0.1 -> 0.2), never in a patch; after NumPy's NEP 19.

Examples
--------
>>> from equipoise import rng
>>> rng.key_from_rng(7) == rng.key_from_rng(7)
True
"""

from __future__ import annotations

import sys

import numpy as np

from equipoise import _validate

__all__ = [
    "BLOCKS",
    "COUNTED",
    "IDS",
    "KEYED",
    "RNG",
    "ROWS",
    "SHARED",
    "SMOTE",
    "TABLE",
    "key_from_rng",
    "worker_lane",
]

VERSION = 1
TABLE, KEYED, COUNTED, SHARED, IDS, ROWS, BLOCKS, SMOTE = (
    purpose + (VERSION << 16) for purpose in range(1, 9)
)

RNG = int | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None


def key_from_rng(rng: RNG) -> int:
    """One 64-bit key from whatever ``numpy.random.default_rng`` takes (SPEC 7).

    The key is the bit generator's next raw output: NumPy freezes those, not ``Generator.integers``. MT19937's
    raw output has 32 bits, so it gives two, the low half first. A generator that is passed in moves on; the
    same int gives the same key each time.

    Parameters
    ----------
    rng : None, int, SeedSequence, BitGenerator or Generator
        None takes fresh entropy from the operating system.

    Returns
    -------
    int
        In [0, 2^64).

    Raises
    ------
    TypeError, ValueError
        As ``numpy.random.default_rng`` for what it does not take, naming ``rng``.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.rng import key_from_rng
    >>> key_from_rng(7) == int(np.random.default_rng(7).bit_generator.random_raw())
    True
    """
    bits = _validate.as_bit_generator(rng)
    if isinstance(bits, np.random.MT19937):
        return int(bits.random_raw()) | int(bits.random_raw()) << 32
    return int(bits.random_raw())


def worker_lane() -> int:
    """``get_worker_info().seed`` in a torch DataLoader worker, else 0.

    Torch is asked only if somebody has imported it. The seed, not the worker's id: workers that are made anew
    each epoch start from the parent's unmoved counter, so with the id alone epoch 2 would repeat epoch 1.

    Examples
    --------
    >>> from equipoise.rng import worker_lane
    >>> worker_lane()
    0
    """
    data = sys.modules.get("torch.utils.data")
    ask = getattr(data, "get_worker_info", None)  # not there while another thread is importing torch
    info = ask() if ask is not None else None
    return 0 if info is None else int(info.seed) % 2**64
