"""The stream contract a third time: slow, obvious, and written from the text of ``equipoise/rng.py`` alone.

Python integers never overflow and Python floats are IEEE doubles, so every line below is the sentence of the
contract it comes from. Nothing here is fast and nothing is validated: the library is. Only the last sections
use arrays: neighbours (text in ``equipoise/neighbors.py``), and answers for a comparison byte by byte.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

M32, M64 = 2**32 - 1, 2**64 - 1
CELL = 2**32  # the units of one cell of an alias table
VERSION = 1
TABLE, KEYED, COUNTED, SHARED, IDS, ROWS, BLOCKS, SMOTE = 1, 2, 3, 4, 5, 6, 7, 8
LN2 = float.fromhex("0x1.62e42fefa39efp-1")


class Exhausted(Exception):
    """A row has nothing of positive weight left for `slot`: the library's ValueError."""

    def __init__(self, row, slot):
        super().__init__(f"row {row}: nothing left for slot {slot}")
        self.row, self.slot = row, slot


# ---- words -----------------------------------------------------------------------------------------------


def philox(counter, key):
    """Philox4x32-10: ten rounds on four 32-bit words, the key bumped between rounds."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & M32, (a >> 32) ^ c3 ^ k1, a & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c0, c1, c2, c3


def halves(x):
    return x & M32, x >> 32


def call_key(seed, epoch, purpose, stream):
    """The first 64 bits of one Philox block, which stand for the whole call."""
    o = philox((epoch, purpose + (VERSION << 16), *halves(stream & M64)), halves(seed))
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
        return mix64((self.s + (j + 1) * 0x9E3779B97F4A7C15) & M64) ^ self.m


def below(word, n):
    """An integer in [0, n)."""
    return word * n >> 64


def real(word):
    """A float in (0, 1]."""
    return ((word >> 11) + 1) * 2.0**-53


def key_from_rng(rng):
    """What rng= comes down to. MT19937 alone has raw words of 32 bits: it gives two, the low one first."""
    bits = np.random.default_rng(rng).bit_generator
    first = int(bits.random_raw())
    return first + (int(bits.random_raw()) << 32) if isinstance(bits, np.random.MT19937) else first


# ---- logarithm and exponential ---------------------------------------------------------------------------

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


# ---- weights, units, cells -------------------------------------------------------------------------------


def raised(weights, power=1.0, smoothing=0.0):
    """The weights that step 1 takes: integers stay integers unless power or smoothing asks for arithmetic."""
    w = np.asarray(weights)
    w = [int(x) for x in w] if w.dtype.kind in "iu" else [float(x) for x in w]
    if power == 1 and smoothing == 0:
        return w
    v = [float(x) + smoothing for x in w]
    sqrt = math.sqrt
    if power == 1:
        return v
    if power == 0:
        return [1.0 if x > 0 else 0.0 for x in v]
    if power == 0.25:
        return [sqrt(sqrt(x)) for x in v]
    if power == 0.5:
        return [sqrt(x) for x in v]
    if power == 0.75:
        return [sqrt(x) * sqrt(sqrt(x)) for x in v]
    logs = [power * log(x) if x > 0 else None for x in v]
    top = max(l for l in logs if l is not None)
    return [0.0 if l is None else exp(max(l - top, -700.0)) for l in logs]


def significand(w):
    """(m, x) with w = m * 2^x, both integers."""
    if isinstance(w, int):
        return w, 0
    m, e = math.frexp(w)
    return int(m * 2**53), e - 53


def scaled(m, x):
    """floor(m * 2^x)"""
    return m << x if x >= 0 else m >> -x


def units_of(weights):
    """Whole units, steps 1 to 4."""
    parts = [significand(w) for w in weights]
    n, total = len(parts), len(parts) * CELL
    e = max(m.bit_length() + x for m, x in parts if m > 0)
    g = e + (n - 1).bit_length() - 126
    s = sum(scaled(m, x - g) for m, x in parts)
    h = 127 - (total.bit_length() - s.bit_length())
    while not 2**127 <= (r := -((-total << h) // s)) < 2**128:
        h += 1 if r < 2**127 else -1
    units = [max(scaled(m * r, x - g - h), 1) if m > 0 else 0 for m, x in parts]
    spare = total - sum(units)
    positive = [i for i in range(n) if units[i] > 0]
    for k in range(max(spare, 0)):
        units[positive[k % len(positive)]] += 1
    if spare < 0:
        heaviest = [i for i in range(n) if units[i] >= CELL]
        each, more = divmod(-spare, len(heaviest))
        for k, i in enumerate(heaviest):
            units[i] -= each + (k < more)
    return units


def alias_cells(units):
    """Cells (threshold, alias): every light id is topped up by a heavy one, both swept in ascending order."""
    light = [i for i, u in enumerate(units) if u < CELL]
    heavy = iter([i for i, u in enumerate(units) if u >= CELL])
    cells = [(0, i) for i in range(len(units))]
    j = next(heavy)
    r = units[j]
    for i in light:
        cells[i] = (units[i], j)
        r -= CELL - units[i]
        while r < CELL:
            following = next(heavy)
            cells[j] = (r, following)
            r = units[following] - (CELL - r)
            j = following
    return cells


@dataclass(frozen=True)
class Table:
    """Units add up to `total`. A uniform table has one unit an id and no cells: it needs no coin."""

    units: list
    total: int
    cells: list | None

    def draw(self, word):
        n = len(self.units)
        column = below(word, n)
        if self.cells is None:
            return column
        coin = (word * n & M64) >> 32
        threshold, alias = self.cells[column]
        return column if coin < threshold else alias

    def prob(self, i):
        return float(self.units[i]) / float(self.total)


def alias_table(weights, power=1.0, smoothing=0.0):
    units = units_of(raised(weights, power, smoothing))
    return Table(units, len(units) * CELL, alias_cells(units))


def uniform_table(n):
    return Table([1] * n, n, None)


def log_uniform_table(n):
    return alias_table(np.array([log1p(1 / (i + 1)) for i in range(n)]))


def table_sample(table, key, size):
    """`size` draws: blocks of 128 words, one word a draw."""
    key = call_key(key, 0, TABLE, 0)
    runs = [Run(key, block) for block in range(-(-size // 128))]
    return np.array([table.draw(runs[i // 128].word(i % 128)) for i in range(size)], dtype=np.int64)


# ---- negatives -------------------------------------------------------------------------------------------


def exact(units, known, t):
    """The smallest id with (units of unknown ids up to and including it) > t."""
    for i, u in enumerate(units):
        if i not in known:
            t -= u
        if t < 0:
            return i
    raise AssertionError("t is not below the units that are left")


def negatives_row(table, run, k, excluded, *, unique=False, on_exhausted="raise", row=None):
    """One row: k triples (id, log q, valid). `excluded` holds the row's exclusions and its exclude_ids."""
    blocked, next_word, answer = set(excluded), k, []
    for slot in range(k):
        left = table.total - sum(table.units[i] for i in blocked)
        if left == 0 and unique and on_exhausted == "replace":
            blocked, unique = set(excluded), False
            left = table.total - sum(table.units[i] for i in blocked)
        if left == 0:
            if on_exhausted != "mask":
                raise Exhausted(row, slot)
            answer.append((-1, np.float32(0), False))
            continue
        if table.cells is None:
            i = exact(table.units, blocked, below(run.word(slot), left))
        else:
            i = table.draw(run.word(slot))
            for _ in range(32):
                if i not in blocked:
                    break
                i = table.draw(run.word(next_word))
                next_word += 1
            if i in blocked:
                i = exact(table.units, blocked, below(run.word(next_word), left))
                next_word += 1
        answer.append((i, np.float32(log(float(table.units[i]) / float(left))), True))
        if unique:
            blocked.add(i)
    return answer


def shared_negatives(table, run, c, unique=True):
    """One call: (ids, log q, num_tries)."""
    units, n_units, got, tries, j, in_order = table.units, table.total, set(), 0, 0, []
    if not unique:
        in_order, tries = [table.draw(run.word(j)) for j in range(c)], c
    by_proposal = True
    while len(in_order) < c:
        known = 0
        while by_proposal and known < 33:
            i = table.draw(run.word(j))
            j, tries = j + 1, tries + 1
            if i not in got:
                break
            known += 1
        by_proposal = by_proposal and known < 33
        if not by_proposal:
            left = n_units - sum(units[i] for i in got)
            p = float(left) / float(n_units)
            # 1 - p may round to 0: log1p gives -inf, the quotient -0.0, and the id is found at the first try.
            tries = min(tries + 1 + math.floor(log(real(run.word(j))) / log1p(-p)), 2**62)
            i = exact(units, got, below(run.word(j + 1), left))
            j += 2
        got.add(i)
        in_order.append(i)
    p = [table.prob(i) for i in in_order]
    log_q = [log(-expm1(float(tries) * log1p(-x))) if unique else log(float(c) * x) for x in p]
    return np.array(in_order, dtype=np.int64), np.array(log_q, dtype=np.float32), tries


# ---- weighted reservoirs ---------------------------------------------------------------------------------


def exponential(word):
    return 0.0 - log(real(word))


@dataclass(frozen=True)
class Point:
    """A row of positive weight with its rank; with replacement a row has several. Equal points are one."""

    rank: float
    id: int
    stream: int | None  # the position's, where there are no ids
    label: int | None  # the class
    weight: float
    shift: float | None  # of log weight, by decay


def block_parts(w):
    """Column j is rows j, j + 8, ..; also the halves, quarters and eighths, each a list of (columns, sum)."""
    c = []
    for j in range(8):
        column = w[j]
        for i in range(j + 8, 64, 8):
            column += w[i]
        c.append(column)
    quarters = [c[j] + c[j + 4] for j in range(4)]
    halves = [quarters[0] + quarters[2], quarters[1] + quarters[3]]
    return c, quarters, halves, halves[0] + halves[1]


def second(t, x, y):
    """Of two parts: (is it the second?, what is left of t)."""
    return (1, t - x) if y > 0 and t >= x else (0, t)


def block_row(w, word):
    """A row of a block in proportion to weight."""
    c, quarters, halves, whole = block_parts(w)
    t = float(word >> 11) * 2.0**-53 * whole
    odd, t = second(t, *halves)
    j = odd
    more, t = second(t, quarters[j], quarters[j + 2])
    j += 2 * more
    more, t = second(t, c[j], c[j + 4])
    j += 4 * more
    for i in range(j, 64, 8):
        if w[i] > 0:
            last = i
            if t < w[i]:
                return i
            t -= w[i]
    return last


def block_points(key, b, w, most):
    """(rank, row of the block), in the order of ranks; `most` of them with replacement, else None."""
    whole = block_parts(w)[3]
    if not whole > 0:
        return []
    group, b1 = Run(key, b // 128), b % 128
    rank = exponential(group.word(b1)) / whole
    row = block_row(w, group.word(128 + 65 * b1 + 64))
    points = [(rank, row)]
    if most is None:
        for i in range(64):
            if i != row and w[i] > 0:
                points.append((rank + exponential(group.word(128 + 65 * b1 + i)) / w[i], i))
        return points
    own = Run(key, b, lane=1)
    for j in range(1, most):
        rank = rank + exponential(own.word(2 * j - 2)) / whole
        points.append((rank, block_row(w, own.word(2 * j - 1))))
    return points


def row_ranks(key, word, row, w, shift, most):
    """The rank of a row; with replacement `most` of them. With decay (shift is not None) their logarithms."""
    e, ranks = exponential(word), []
    for j in range(most or 1):
        if j:
            e += exponential(Run(key, row, lane=1).word(j - 1))
        ranks.append(e / w if shift is None else log(e) - (log(w) + shift))
    return ranks


def reservoir_points(
    weights, *, ids=None, times=None, half_life=None, classes=None, replacement=None, seed=0, stream=0
):
    """Every point of a stream. `replacement`: k, of which k + 1 points of a row or block are enough."""
    w = [float(x) for x in weights]
    most = None if replacement is None else replacement + 1
    labels = [None] * len(w) if classes is None else [int(c) for c in classes]
    shifts = [None] * len(w) if half_life is None else [float(t) * (LN2 / half_life) for t in times]
    points = []
    if ids is None and classes is None and half_life is None:
        key = call_key(seed, 0, BLOCKS, stream)
        for b in range(-(-len(w) // 64)):
            block = w[64 * b : 64 * b + 64]
            block += [0.0] * (64 - len(block))
            for rank, row in block_points(key, b, block, most):
                points.append(Point(rank, 64 * b + row, stream, None, block[row], None))
        return points
    key = call_key(seed, 0, ROWS if ids is None else IDS, stream if ids is None else 0)
    run = Run(key, 0)
    for i, x in enumerate(w):
        if not x > 0:
            continue
        row = i if ids is None else int(ids[i])
        word = Run(key, i // 128).word(i % 128) if ids is None else mix64(run.word(row & M64))
        for rank in row_ranks(key, word, row, x, shifts[i], most):
            points.append(Point(rank, row, stream if ids is None else None, labels[i], x, shifts[i]))
    return points


def reservoir_sample(points, k, *, replacement=False, half_life=None, latest=None, total=None):
    """(ids, weights, inclusion, classes, streams) of the k smallest; k may be a dict {class: quota}."""
    rows, inclusion = [], []
    for label in sorted({p.label for p in points}, key=lambda c: (c is not None, c)):
        quota = k[label] if isinstance(k, dict) else k
        mine = sorted({p for p in points if p.label == label}, key=lambda p: (p.rank, p.id, p.stream or 0))
        for p in mine[:quota]:
            rows.append(p)
            if replacement:
                inclusion.append(0.0 if total is None else decayed(p, half_life, latest) / total * k)
            elif len(mine) <= quota:
                inclusion.append(1.0)
            else:
                tau = mine[quota].rank
                x = p.weight * tau if half_life is None else exp((log(p.weight) + p.shift) + tau)
                inclusion.append(-expm1(-x))
    return (
        np.array([p.id for p in rows], np.int64),
        np.array([decayed(p, half_life, latest) for p in rows], np.float64),
        np.array(inclusion, np.float64),
        np.array([p.label for p in rows], np.int64) if rows and rows[0].label is not None else None,
        np.array([p.stream for p in rows], np.uint64) if rows and rows[0].stream is not None else None,
    )


def decayed(point, half_life, latest):
    """The weight as of the newest row's time."""
    if half_life is None:
        return point.weight
    return point.weight * exp(point.shift - latest * (LN2 / half_life))


def weighted_sample(weights, k, seed, *, replacement=False):
    """equipoise.weighted_sample's rows in their order; `seed`: the key of its rng."""
    ids, w, inclusion, _, _ = reservoir_sample(
        reservoir_points(weights, replacement=k if replacement else None, seed=seed),
        k,
        replacement=replacement,
        total=math.fsum(float(x) for x in weights),
    )
    if not replacement:
        run = Run(call_key(seed, 0, IDS, 0), 0)
        order = sorted(range(len(ids)), key=lambda i: (exponential(mix64(run.word(int(ids[i])))), ids[i]))
        ids, w, inclusion = ids[order], w[order], inclusion[order]
    return ids, w, inclusion


def shares(total, policy, counts, most):
    """Whole shares of `total`, none above `most`, as {class: rows}: exact for equal and proportional."""
    weight = {c: {"equal": 1, "sqrt": math.sqrt(n), "proportional": n}[policy] for c, n in counts.items()}
    got = {c: Fraction(0) for c in counts}
    left, alive = Fraction(min(total, sum(most.values()))), [c for c in counts if most[c] > 0]
    whole = left
    while alive:
        part = {c: left * Fraction(weight[c]) / sum(Fraction(weight[o]) for o in alive) for c in alive}
        full = [c for c in alive if part[c] >= most[c]]
        if not full:
            got.update(part)
            break
        for c in full:
            got[c] = Fraction(most[c])
            left -= most[c]
            alive.remove(c)
    answer = {c: math.floor(x) for c, x in got.items()}
    by_remainder = sorted(counts, key=lambda c: (answer[c] - got[c], c))  # the largest first
    for c in by_remainder[: int(whole) - sum(answer.values())]:
        answer[c] += 1
    return answer


# ---- synthetic rows --------------------------------------------------------------------------------------


def deviation(column):
    """A standard deviation in float64, sums from the first row to the last."""
    b, n = column[0], len(column)
    total = 0.0
    for x in column:
        total += x - b
    a = b + total / n
    squares = 0.0
    for x in column:
        squares += (x - a) * (x - a)
    return math.sqrt(squares / n)


def median(values):
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def smote_table(X, k, categorical=()):
    """The k nearest points of each row; of copies the first stands for the point."""
    rows = [[float(x) + 0.0 for x in row] for row in X]
    numbers = [j for j in range(len(rows[0])) if j not in categorical]
    m = 1.0
    if categorical and numbers:
        m = median([deviation([row[j] for row in rows]) for j in numbers])
    points = [i for i, row in enumerate(rows) if row not in rows[:i]]

    def squared(a, b):  # column c goes to sum c mod 4
        s = [0.0] * 4
        for c, j in enumerate(numbers):
            s[c % 4] += (a[j] - b[j]) * (a[j] - b[j])
        return (s[0] + s[1]) + (s[2] + s[3]) + m * m * sum(a[j] != b[j] for j in categorical)

    return [
        sorted((i for i in points if rows[i] != row), key=lambda i: (squared(row, rows[i]), i))[:k]
        for row in rows
    ]


def smote_stream(X):
    """The stream that the rows give: 64 bits of their digest."""
    digest = hashlib.blake2b(struct.pack("<QQ", *X.shape), digest_size=16)
    for row in X:
        digest.update(b"".join(struct.pack("<f" if X.dtype == np.float32 else "<d", x) for x in row))
    return int.from_bytes(digest.digest()[:8], "little")


def fraction(word, dtype):
    """A real in [0, 1)."""
    return np.float32((word >> 40) * 2.0**-24) if dtype == np.float32 else np.float64((word >> 11) * 2.0**-53)


def synthetic_rows(X, table, count, *, parents=None, categorical=(), seed=0, epoch=0, first=0, lane=0):
    """SmoteSampler.sample(return_parents=True): (rows, parents, neighbours, gaps). `parents`: a Table."""
    key, k = call_key(seed, epoch, SMOTE, smote_stream(X)), len(table[0])
    parents = parents or uniform_table(len(X))
    told = []
    for i in range(first, first + count):
        run = Run(key, i // 64, lane)
        parent = parents.draw(run.word(i % 64))
        word = run.word(64 + i % 64)
        neighbour, gap = table[parent][below(word, k)], fraction(word * k & M64, X.dtype)
        row = [base + gap * (other - base) for base, other in zip(X[parent], X[neighbour], strict=True)]
        for j in categorical:
            codes = [X[other][j] for other in table[parent]]
            row[j] = min(codes, key=lambda code: (-codes.count(code), code))
        told.append((row, parent, neighbour, gap))
    rows = np.array([row for row, *_ in told], X.dtype).reshape(count, X.shape[1])
    return rows, *(np.array([one[at] for one in told], t) for at, t in ((1, "i8"), (2, "i8"), (3, X.dtype)))


# ---- neighbours -------------------------------------------------------------------------------------------


def scale(*arrays, mismatch=0.0, columns=1):
    """1, or the power of two that keeps a sum of squares finite, or brings the largest |value| up to 1."""
    largest = max(abs(float(x)) for a in arrays for x in (a.min(initial=0), a.max(initial=0), mismatch))
    exponent = math.frexp(largest)[1]
    most = 510 - (columns.bit_length() + 1) // 2
    if exponent > most:
        return math.ldexp(1.0, most - exponent)
    return math.ldexp(1.0, min(-exponent, 1000)) if exponent < -400 else 1.0


def squared_distances(x, points):
    """From one row to all: column c is added to sum c mod 4. NumPy's own operations round each step once."""
    sums = [np.zeros(len(points)) for _ in range(4)]
    for c in range(len(x)):
        difference = x[c] - points[:, c]
        sums[c % 4] = sums[c % 4] + difference * difference
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


def neighbors(X, k, *, queries=None, codes=None, mismatch=0.0, query_codes=None, rows=None):
    """nearest_neighbors, with `codes` mixed_neighbors: (indices, distances). `rows`: of these alone."""
    columns = X.shape[1] + (0 if codes is None else codes.shape[1])
    s = scale(X, X if queries is None else queries, mismatch=mismatch, columns=columns)
    points = s * X.astype(np.float64)
    asked = points if queries is None else s * queries.astype(np.float64)
    if codes is not None:
        codes_asked = codes if queries is None else query_codes
    rows = range(len(asked)) if rows is None else rows
    indices, distances = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), X.dtype)
    for i, row in enumerate(rows):
        d2 = squared_distances(asked[row], points)
        if codes is not None:
            d2 = d2 + (s * mismatch) ** 2 * (codes != codes_asked[row]).sum(axis=1)
        order = np.argsort(d2, kind="stable")  # equal distances by index
        if queries is None:
            order = order[order != row]
        indices[i] = order[:k]
        with np.errstate(over="ignore"):
            distances[i] = (np.sqrt(d2[order[:k]]) / s).astype(X.dtype)
    return indices, distances


# ---- the library's calls, as arrays ----------------------------------------------------------------------


def negatives(
    table,
    rows,
    k,
    *,
    exclude=None,
    exclude_ids=None,
    unique=False,
    on_exhausted="raise",
    row_keys=None,
    seed=0,
    stream=0,
    epoch=0,
    first_row=0,
    lane=0,
):
    """NegativeSampler.sample: (ids, log_q, mask), each (B, k). `first_row`: the epoch's rows before."""
    key = call_key(seed, epoch, COUNTED if row_keys is None else KEYED, stream)
    ids = np.empty((len(rows), k), dtype=np.int64)
    log_q, mask = np.empty((len(rows), k), dtype=np.float32), np.empty((len(rows), k), dtype=bool)
    for b, row in enumerate(rows):
        excluded = set()
        if exclude is not None:
            indptr, indices = exclude
            excluded.update(int(i) for i in indices[indptr[row] : indptr[row + 1]])
        if exclude_ids is not None:
            excluded.update(int(i) for i in np.atleast_1d(exclude_ids[b]) if i != -1)
        run = Run(key, first_row + b, lane) if row_keys is None else Run(key, int(row_keys[b]))
        answers = negatives_row(
            table, run, k, excluded, unique=unique, on_exhausted=on_exhausted, row=int(row)
        )
        for slot, answer in enumerate(answers):
            ids[b, slot], log_q[b, slot], mask[b, slot] = answer
    return ids, log_q, mask


def shared(table, c, *, unique=True, seed=0, stream=0, epoch=0, call=0, lane=0):
    """NegativeSampler.sample_shared: (ids, log_q, num_tries). `call`: the epoch's calls before."""
    return shared_negatives(table, Run(call_key(seed, epoch, SHARED, stream), call, lane), c, unique)


def accidental_hits(rows, candidates, exclude, keep=None):
    """True where a candidate is a known positive of the row, except in the row's own column."""
    indptr, indices = exclude
    hits = np.zeros((len(rows), len(candidates)), dtype=bool)
    for b, row in enumerate(rows):
        positives = {int(i) for i in indices[indptr[row] : indptr[row + 1]]}
        for c, candidate in enumerate(candidates):
            hits[b, c] = int(candidate) in positives and not (keep is not None and keep[b] == c)
    return hits
