"""The stream contract: which random word is used for what, on every machine.

A draw is a pure function of an address ``(seed, epoch, purpose, row or block, index)``. Threads, workers,
chunks, ranks, backends and restarts are not part of an address, so they cannot change a result, and resuming
means setting a counter. This text is normative. ``cpp/`` and ``_numba/`` implement it, and
``tests/support/reference`` implements it a third time, slowly.

Layout (version 2)
------------------
All integers are unsigned. ``lo32`` and ``hi32`` are the halves of a 64-bit number. Arithmetic on words is
modulo 2^64.

**Philox** is Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
(SC 2011), tested against the known answers of Random123 (``tests/stream/kat_vectors.txt``). Its four 32-bit
results o0..o3 form two 64-bit numbers, ``o0 + 2^32 o1`` and ``o2 + 2^32 o3``.

**Call key**: the first 64 bits of Philox(key = seed, counter = (epoch 32, purpose 32, stream 64)), computed
once per call. The key is (lo32, hi32) of the seed; the counter is (epoch, purpose + 2^16, lo32(stream),
hi32(stream)). The constant 2^16 has not changed since version 1, so that all draws that version 2 does not
redefine keep their bytes.

**Run**: a row or block starts at (s, m) = Philox(key = call key, counter = (row key or block 64, lane 64)),
where the counter is (lo32(row), hi32(row), lo32(lane), hi32(lane)). Its word j = 0, 1, 2, .. is

    word(j) = mix64(s + (j + 1) * 0x9E3779B97F4A7C15) ^ m

    mix64(z):  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
               z = (z ^ (z >> 27)) * 0x94D049BB133111EB
               return z ^ (z >> 31)                        (Steele, Lea and Flood, SplitMix64, OOPSLA 2014)

All SplitMix64 runs share one cycle. Since m comes from the same Philox block as s, an overlap of two runs is
harmless.

| purpose   | row or block                                 | lane                                          |
| --------- | -------------------------------------------- | --------------------------------------------- |
| 1 TABLE   | block of 128 draws: draw i is word i mod 128 | 0                                             |
|           | of block i // 128                            |                                               |
| 2 KEYED   | the row key, as 64-bit two's complement      | 0                                             |
| 3 COUNTED | the row's number since the epoch began       | ``get_worker_info().seed`` in a torch worker, |
| 4 SHARED  | the call's number since the epoch began      | else 0                                        |
| 5 IDS     | 0, whose words are numbered by id; or the    | 0; or 1, for points after a row's first       |
|           | row's word                                   |                                               |
| 6 ROWS    | group of 128 rows: row i is word i mod 128   | 0; or 1, for points after a row's first       |
|           | of group i // 128; or the row                |                                               |
| 7 BLOCKS  | group of 128 blocks of 64 rows; or the block | 0; or 1, for points after a block's first     |
| 8 SMOTE   | group of 64 rows: row i, its number since    | as for COUNTED                                |
|           | the epoch began, has words i mod 64 and      |                                               |
|           | 64 + i mod 64 of group i // 64               |                                               |
| 9 ORDER   | block of 128 positions, like TABLE           | 0                                             |
| 10 RACE   | group of 128 rows, like ROWS                 | 0                                             |
| 11        | the cycle of a class's rows; or the number   | the class's number + 1; or 0                  |
| CLASSES   | of the batch, or 2^64 - 1                    |                                               |
| 12 REPEAT | block of 64 rows: row i has words 2 (i mod   | 0                                             |
|           | 64) and 2 (i mod 64) + 1 of block i // 64    |                                               |

The calls of a ``NegativeSampler`` use its seed, its epoch and stream XOR digest, where the digest is that of
its table, see below. So samplers with other tables draw other words, although seed and stream are the same. A
call of a table, or of ``repeat_rows``, uses seed = the key of its ``rng`` (``key_from_rng``), epoch 0 and
stream 0. A reservoir uses its seed, epoch 0 and its stream, or stream 0 if rows are keyed by id. A
``SmoteSampler`` uses its seed, its epoch and a stream that depends on its rows, see below. Keyed rows do not
advance the counter of rows, and a call that raises leaves it unchanged.

Words to numbers
----------------
*below(word, n)* is the high half of the 128-bit product ``word * n``: an integer in [0, n), whose
distribution differs from the uniform one by at most n / 2^64.

*An alias draw* uses one word. The high half of ``word * n`` is the column, and the top 32 bits of the low
half are the coin. The result is the column if coin < threshold[column], else alias[column].

*A uniform draw* is below(word, n).

*A real in (0, 1]* is ``((word >> 11) + 1) * 2^-53``.

*A real in [0, 1)* is ``(word >> 40) * 2^-24`` as a float32, or ``(word >> 11) * 2^-53`` as a float64.

Whole units
-----------
Weights are converted to integers once. A cell of the alias table is 2^32 units, and the table is T = n * 2^32
units. Id i has ``floor(w_i * T / sum w)`` units, and at least 1 if w_i > 0. Sum and quotient are integers:

1. A weight is m * 2^x: the 53-bit integer significand of a float64 and its exponent, or an integer and x = 0.
   With 2^(e-1) <= max w < 2^e, let g = e + ceil(log2 n) - 126 and S = sum of floor(w_i / 2^g). The grid is so
   fine that S, which is at most 2^126, holds the sum to about 100 bits.
2. r = ceil(T * 2^h / S), where h is the integer for which 2^127 <= r < 2^128.
3. units_i = floor(w_i * r / 2^(g + h)), or 1 if that is 0 and w_i > 0. This is exactly floor(w_i * T / sum w)
   if the weights are whole multiples of one power of two and add up to at most 2^63 times that power.
4. Surplus units, T - sum units > 0, go one each to the first ids of positive weight, round after round.
   Missing units come from the heaviest ids, the H ids that have at least 2^32 units after step 3: each gives
   floor(missing / H), and the first (missing mod H) of them give one more.

The weights of step 1 are the given ones if power = 1 and smoothing = 0, and integers are then never converted
to floats. Otherwise they are computed in float64 with v = w + smoothing: v for power 1; sqrt(v) for 0.5;
sqrt(sqrt(v)) for 0.25; sqrt(v) * sqrt(sqrt(v)) for 0.75; 1 for 0; and exp(max(l - max l, -700)) with l =
power * log(v), which must be finite, for other powers. If v = 0, the weight is 0 for every power.
LogUniformTable has w_i = log1p(1 / (i + 1)).

The alias table
---------------
Light ids have less than 2^32 units; all others are heavy. Both are visited in ascending order. Let j be the
first heavy id and r = units_j. While r >= 2^32, the next light id i gets the cell (threshold units_i, alias
j), and r decreases by 2^32 - units_i. When r < 2^32, j gets the cell (threshold r, alias j'), where j' is
the next heavy id; then r = units_j' - (2^32 - r) and j = j'. When no light id is left, j and all heavy ids
after it have 2^32 units and get (threshold 0, alias itself). A cell is stored as threshold * 2^32 + alias.

The digest of a table of n ids is mix64(n + D). D is 0 for a uniform table. Otherwise it is the sum, over all
even ids i, of high XOR low, the halves of the 128-bit product

    (units_i + (i + 1) * 0x9E3779B97F4A7C15) * (units_(i+1) + (i + 2) * 0x9E3779B97F4A7C15)

whose factors are 64-bit words, and where an id n would have 0 units. It depends on the units alone, and not
on what they were made from.

A row of negatives
------------------
Words 0 .. k-1 are the proposals of slots 0 .. k-1. Redraws use the words from k on, slot by slot, at most
32 per slot; the exact draw then uses the next word. Let *blocked* be the row's exclusions, its
``exclude_ids`` and, if unique, the ids of earlier slots, and left = T - units of all blocked ids:

    if left = 0: the row is exhausted from this slot on
    id = alias draw of word(slot)
    while id is blocked, up to 32 times: id = alias draw of the next redraw word
    if id is still blocked: id = the smallest with
        (units of unblocked ids <= id) > below(next redraw word, left)
    log_q = float32(log(float64(units_id) / float64(left)))

A uniform table has 1 unit per id, T = n, and needs no redraws: id is the (r + 1)-th smallest unblocked id,
with r = below(word(slot), left), and log_q is as above, log(1 / left). From that slot on, an exhausted row is
masked (-1, 0, False) or, with "replace", drawn as above with only the row's exclusions and ``exclude_ids``
blocked.

Rows of a collate function
--------------------------
A ``NegativeCollate`` draws KEYED rows of its sampler, unless its key is "counter". The rows of a batch are
numbered b = 0, 1, 2, .. and have the indices i_b, taken as 64-bit two's complement. Let G =
0x9E3779B97F4A7C15 and C = 0xD1342543DE82EF95. With the key "index", the first row of an index i in a batch
has the row key i, and the o-th further one, o = 1, 2, .., has mix64(i + o * C). With the key "batch", row b
has the row key

    mix64(h + (b + 1) * G),  where h is the sum over all rows of the batch of mix64(i_b + (b + 1) * C)

Shared negatives
----------------
A call is one run. If not unique, slot j is the draw of word(j), and num_tries = C. If unique, each slot in
turn uses the next words, one try each, until it finds a new id. If 33 tries for one slot all give ids that
were drawn before, this slot and all later ones are drawn exactly, with two words each. With left = T - units
of the ids drawn so far and p = float64(left) / float64(T), tries grows by 1 + floor(log(real(word)) /
log1p(-p)), to at most 2^62, and the id is the smallest with (units of ids not drawn yet <= id) > below(next
word, left). A uniform table has 1 unit per id and T = n here.

For an id with p = float64(units) / float64(T), ``log_q`` is float32(log(float64(C) * p)), and with unique
it is float32(log(-expm1(float64(tries) * log1p(-p)))).

Weighted reservoirs
-------------------
A row of weight w > 0 has the rank E / w with E = 0 - log(real(word)), where each row has its own word. A
row of weight 0 has no rank. The rows of the k smallest ranks are the sample, and the next rank is the
threshold. Of equal ranks, the one with the smaller id comes first, then the one with the smaller stream, the
smaller weight and the earlier time.

The rank of a float64 weight can be anywhere between 2^-1077 and 2^1080. Only ranks r from 2^-900 to 2^900 are
stored as they are. A larger one is stored as 2^900 * sqrt(r / 2^900), a smaller one as -1 / (r * 2^900), and
0 as -inf, which keeps the order. A rank is always computed as a sum x + E / w, where x is 0 or a rank. Let r
= x + E / w in float64, where a rank x < 0 is taken as 2^-900 / -x. If r is from 2^-900 to 2^900, it is the
rank. If r > 2^900, the rank is 2^900 * sqrt(y + E / (w * 2^900)), where y is (x * 2^-900)^2 for a rank x >
2^900 and x * 2^-900 otherwise, with x < 0 taken as above. If r < 2^-900, the rank is -1 / (y + E / (w *
2^-900)), where y is -1 / x for a rank x < 0, and else 0.

- The word of a row keyed by id (IDS) is mix64(z) with

      z = word(id) + (bits(w) - bits(1)) + class * 0xD1342543DE82EF95 + bits(time) * 0xAF251AF3B0F025B5

  where word(id) is of the run (0, lane 0), and bits are those of a float64. The class is its label, 0 without
  classes. The time is 0 without decay, and -0.0 is taken as 0.0. Ids and labels are taken as 64-bit two's
  complement. The multipliers are Steele and Vigna's ("Computationally easy, spectrally good multipliers for
  congruential pseudorandom number generators", 2022). Rows that agree in id, class, weight and time are one
  row; rows that differ in any of these are independent.
- A class label is a 64-bit integer, as two's complement: an integer is itself, False is 0, True is 1, and a
  text is the 8-byte BLAKE2b digest, low byte first, of its UTF-8 (a lone surrogate has its three bytes).
- The word of row i, if rows are keyed by position and have classes or decay (ROWS), is word(i mod 128) of the
  run (i // 128, lane 0).
- Otherwise, rows keyed by position come in blocks (BLOCKS): rows 64 b .. 64 b + 63 are block b. With b' = b
  mod 128, all its words come from one run, (b // 128, lane 0). Column j of the block has the weight c_j = w_j
  + w_(j+8) + .. + w_(j+56), summed from the left in float64, and the block has the weight W = ((c0 + c4) +
  (c2 + c6)) + ((c1 + c5) + (c3 + c7)). The first rank is r = E / W with word(b'). Its row is found by t =
  float64(word(128 + 65 b' + 64) >> 11) * 2^-53 * W. Of two parts with weights x and y, the second is chosen
  if y > 0 and t >= x, and then t = t - x; else the first is chosen. The parts are columns {0, 2, 4, 6} and
  {1, 3, 5, 7}, then {j, j + 4} and {j + 2, j + 6}, then j and j + 4, and their weights are added as in W. In
  column j, rows of positive weight are visited from the top: a row is chosen if t < w, else t = t - w; the
  last one is chosen if none was before. If W < 2^-900, the row is found with W and all weights multiplied by
  2^200. Each other row i, 0 .. 63, has the rank r + E / w_i with word(128 + 65 b' + i). An incomplete block
  is treated as a block whose missing rows weigh 0.

With replacement, a row or block has its first k + 1 points instead of a rank. The points of a row are (E1 +
.. + Ej) / w, summed from the left, with E1 as above and E2, E3, .. from words 0, 1, .. of the run (row, lane
1), where the row is its word if it is keyed by id, and else its position. Equal points of a row are one. A
block has the points E1 / W + E2 / W + .., each of which has a row of its own, drawn in proportion to weight
and found as above. E1 and the first row are as above; Ej+1 comes from word 2 j - 2 and its row from
word 2 j - 1 of the run (block, lane 1), j = 1, 2, ..

With decay, the rank is log(E) - (log(w) + t * (ln 2 / half_life)) in float64, where ln 2 =
0x1.62e42fefa39efp-1, and with replacement E1 + .. + Ej takes the place of E. A weight as of the time t' is
w * exp(t * (ln 2 / half_life) - t' * (ln 2 / half_life)), where t' is the latest time of a row of positive
weight.

The inclusion is -expm1(-(w * threshold)), where a threshold x > 2^900 is multiplied as (w * 2^900) * (x *
2^-900)^2, and x < 0 as (w * 2^-900) / -x; with decay it is -expm1(-exp((log(w) + t * (ln 2 / half_life)) +
threshold)). It is 1 if there is no threshold. With replacement it is (w / W) * k, with w and W as of one
time, where W is the sum of all weights to about 15 digits. Only this sum depends on how the rows arrived.

``weighted_sample`` is a reservoir with seed = the key of its ``rng`` and stream 0. Without replacement, its
rows are then sorted by the ranks they would have if they were keyed by id and had weight 1.

Orders
------
The calls of an order sampler use its seed, the epoch, and a digest as their stream.

With replacement (ORDER), position p of the order is the draw of word p of its block from an alias table over
the weights, and the digest is that of the table. Without replacement (RACE), the order is that of the ranks
E / w of all rows of positive weight, each stored as for reservoirs, with the word i mod 128 of group i // 128
for row i. Of equal ranks, the one of the smaller row comes first. The digest is that of a table whose units
are the bits of the weights as float64, where -0.0 is taken as 0.0. Positions behind the last row begin the
order anew.

Synthetic rows
--------------
A ``SmoteSampler`` has n rows X of d columns and a table of the k neighbors of each row. A synthetic row
uses two words of its group. The parent is the alias draw of the first word over the parent weights or,
without parent weights, the uniform draw of this word from n. If w is the second word, the high half of the
128-bit product w * k is the column of the table, and the low half gives the gap, a real in [0, 1) of X's
dtype (it can be 0, but not 1). With base = X[parent] and neighbor = X[table[parent, column]], the row is

    base + gap * (neighbor - base)

where each operation is rounded to X's dtype and none is fused. In a categorical column, the value is the most
frequent code of the parent's k neighbors, or the smallest of these codes if several are equally frequent. The
stream of the rows, which separates two classes with the same seed, is the first 64 bits (low byte first) of
the 16-byte BLAKE2b digest of n and d as 64-bit integers and X row by row, all with the low byte first.

The table lists the nearest neighbor first, and of equally near ones the one with the smaller index first.
Copies of a row are one point, which is listed under the smallest of their indices; a row's neighbors are
other points, each listed once. A squared distance is that of ``nearest_neighbors`` over the continuous
columns. If there are categorical columns, (m * m) * the number of codes that differ is added, where m is the
median of the standard deviations of the continuous columns (for an even number, the mean of the middle two),
or 1 if there are no continuous columns. The standard deviation of a column is, in float64 and with all sums
from the first row to the last, sqrt(sum (x - a)^2 / n) with a = b + sum (x - b) / n, where b is the column's
first value. If ``k_neighbors`` is an estimator, the estimator defines the table.

Class-balanced batches
----------------------
The classes of n rows are numbered 0 .. K - 1 in ascending order of their labels, and a class's rows are
numbered in ascending order. The stream is the digest of a table (above) of n ids in which row i has as many
units as its class's number. All batches have B rows.

*Shares.* Let U = 2^52. Class c has the weight w_c, an integer: 1 if balanced; its number of rows n_c if
proportional; the integer part of the square root of n_c * 2^64 if "sqrt"; and the integer part of p_c * 2^62
for a probability p_c. It has floor(w_c * U / sum w) units, and the units that are left over go one each to
the classes with the largest remainders of these divisions, of equal ones to the smaller numbers. With s_c
units, the class has B s_c units of a batch: floor(B s_c / U) rows in every batch, and a rest of g = B s_c mod
U. The rests of all classes are L whole rows.

*Leftover rows.* Each batch gives one row each to L classes. Let lag_c be what class c is owed, in units: 0
before batch 0; in a batch it grows by g, and falls by U if the class gets a row. Before a batch, let t =
ceil((U - lag) / g) and, with h = U - g, H = ceil((t h - lag) / U) and D = ceil((lag + H U) / h), but D = 0 if
2 g < U. The L classes are those that come first, among the classes with lag + g > 0, by smaller t; then with
(U - lag) mod g > 0 before others; then, among the former, by larger D; then in the order of the epoch, which
is the permutation of 0 .. K - 1 by the words of the run (2^64 - 1, lane 0), shuffled as below. This is the
rule PD2 of Anderson and Srinivasan ("Mixed Pfair/ERfair scheduling of asynchronous periodic tasks", Journal
of Computer and System Sciences 68, 2004), which keeps every lag between -U and U: after each batch, a class
has less than one row more or less than its share.

*Rows.* Row j that the batches of an epoch draw of class c, j = 0, 1, .., is row pi(j mod n_c) of the class,
where pi is a permutation by the words of the run (j // n_c, lane c + 1):

- n_c <= 128: let pi(i) = i. For p = n_c - 1 down to 1, swap pi(p) and pi(below(word(p), p + 1)) (Durstenfeld
  1964).
- n_c > 128: let a be the smallest integer with a^2 >= n_c, and b = ceil(n_c / a). A number x < a b has the
  digits u = x // b and v = x mod b. In rounds r = 0 .. 7, u = (u + below(word(2^32 r + v), a)) mod a if r is
  even, and v = (v + below(word(2^32 r + u), b)) mod b if r is odd. The result is u b + v. pi(i) is the first
  number below n_c that this gives when it is applied to i, to its result, and so on (Black and Rogaway,
  "Ciphers with arbitrary finite domains", CT-RSA 2002).

The rows of a batch, listed class by class, are at last shuffled as pi(i) is for n_c <= 128, by the words of
the run (number of the batch in the epoch, lane 0).

*Synthetic rows.* In ``SmoteBatches``, floor(T * share) of the first T rows of a growing class in an epoch are
synthetic. The others are its rows j = 0, 1, .. as above. Synthetic row j is row j of the epoch of a
``SmoteSampler`` over the class's rows in ascending order, with the same seed and lane 0. A batch lists its
real rows first, and then its synthetic ones, both class by class.

Repeated rows
-------------
Row i of ``repeat_rows``, whose factor is f, comes floor(f) times, and once more if c < (f - floor(f)) * 2^53,
in float64. Its coin c is (v >> 33) * 2^22 + (w >> 42), an integer in [0, 2^53), where v and w are its words.

Logarithm and exponential
-------------------------
Promised bytes depend on these functions, so those of libm and NumPy are not used. Each operation is one
correctly rounded float64 operation, in the order written, and none is fused. LN2_HI = floor(ln 2 * 2^40) /
2^40 and LN2_LO = ln 2 - LN2_HI, rounded.

- log(x): x = m * 2^k with sqrt(1/2) <= m < sqrt(2) (the bound 0x3FE6A09E667F3BCD is compared as bits). Let f
  = m - 1, s = f / (2 + f), z = s * s, and P the Horner sum of z^i / (2 i + 3), i = 0 .. 9 (coefficients
  rounded, highest first: P = P * z + c). Then log(x) = k * LN2_HI + ((s + s) + ((s + s) * (z * P) + k *
  LN2_LO)). log(0) is -inf, log(inf) is inf, and the logarithm of a negative number or NaN is NaN.
- exp(x): k = floor(x * (1 / ln 2) + 0.5), r = (x - k * LN2_HI) - k * LN2_LO, and P is the Horner sum of r^i /
  i!, i = 0 .. 13. Then exp(x) = P * 2^k. It is 0 for x < -708 and inf for x > 709.
- log1p(x): with u = 1 + x, it is x if u = 1, -inf if x = -1, and log(u) * x / (u - 1) otherwise, the product
  first (Kahan).
- expm1(x): with u = exp(x), it is x if u = 1, -1 if u - 1 = -1, and (u - 1) * x / log(u) otherwise, the
  product first (Kahan).

What is stable
--------------
The same seed, library version and call give the same bytes on every platform, backend and CPU path, and for
any number of threads. A change of the layout changes the version above, is listed in the changelog, and
happens only in a minor release (0.1 -> 0.2), never in a patch release. This follows NumPy's NEP 19.

Examples
--------
>>> from equipoise import rng
>>> rng.key_from_rng(7) == rng.key_from_rng(7)
True
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise import _validate
from equipoise._runtime.locks import load

__all__ = [
    "BLOCKS",
    "CLASSES",
    "COUNTED",
    "IDS",
    "KEYED",
    "ORDER",
    "RACE",
    "REPEAT",
    "RNG",
    "ROWS",
    "SHARED",
    "SMOTE",
    "TABLE",
    "key_from_rng",
    "worker_lane",
]

TABLE, KEYED, COUNTED, SHARED, IDS, ROWS, BLOCKS, SMOTE, ORDER, RACE, CLASSES, REPEAT = (
    purpose + (1 << 16) for purpose in range(1, 13)
)

if TYPE_CHECKING:
    RNG = int | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None
else:  # NumPy loads numpy.random on first use, which takes as long as the rest of this import
    RNG = Any


def key_from_rng(rng: RNG) -> int:
    """Return a 64-bit key from anything that ``numpy.random.default_rng`` accepts (SPEC 7).

    The key is the next raw output of the bit generator, since NumPy guarantees that raw outputs are stable,
    but not the results of ``Generator.integers``. A raw output of MT19937 has 32 bits, so two of them are
    used, the low half first. If a generator is passed in, it advances. The same int gives the same key each
    time.

    Parameters
    ----------
    rng : None, int, SeedSequence, BitGenerator or Generator
        With None, entropy comes from the operating system.

    Returns
    -------
    int
        In [0, 2^64).

    Raises
    ------
    TypeError, ValueError
        If ``numpy.random.default_rng`` does not accept ``rng``. The message names ``rng``.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.rng import key_from_rng
    >>> key_from_rng(7) == int(np.random.default_rng(7).bit_generator.random_raw())
    True
    """
    load("numpy.random")
    generator = _validate.as_bit_generator(rng)
    if isinstance(generator, np.random.MT19937):
        return int(generator.random_raw()) | int(generator.random_raw()) << 32
    return int(generator.random_raw())


def worker_lane() -> int:
    """Return ``get_worker_info().seed`` in a torch DataLoader worker, else 0.

    Torch is not imported for this. The lane is the seed and not the worker's id, since workers that are
    restarted in each epoch begin with the parent's counter, which has not advanced. With the id, epoch 2
    would repeat epoch 1.

    Examples
    --------
    >>> from equipoise.rng import worker_lane
    >>> worker_lane()
    0
    """
    data = sys.modules.get("torch.utils.data")
    get_info = getattr(data, "get_worker_info", None)  # missing while another thread imports torch
    info = get_info() if get_info is not None else None
    return 0 if info is None else int(info.seed) % 2**64
