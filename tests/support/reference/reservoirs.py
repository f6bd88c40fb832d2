"""Points of weighted reservoirs, the samples that they make, and the division of a total among classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from support.reference.stream import (
    BLOCKS,
    IDS,
    M64,
    ROWS,
    Run,
    bits_of,
    call_key,
    exp,
    expm1,
    log,
    mix64,
    real,
)

LN2 = float.fromhex("0x1.62e42fefa39efp-1")
FAR = 2.0**900  # the largest rank that is stored as it is; 1 / FAR is the smallest


def exponential(word):
    return 0.0 - log(real(word))


def rank_after(start, e, w):
    """Return the stored rank of `start` + e / w. `start` is 0 or a stored rank."""
    number = start  # that `start` stands for, or infinity
    if start < 0:
        number = 1 / FAR / -start
    r = number + e / w
    if r > FAR:
        root = start / FAR
        large = root * root if start > FAR else number / FAR
        return FAR * math.sqrt(large + e / (w * FAR))
    if r < 1 / FAR:
        small = -1 / start if start < 0 else 0.0
        small += e / (w / FAR)
        return -1 / small if small > 0 else -math.inf
    return r


def times_rank(w, rank):
    """Return the product of a weight and a stored rank."""
    if rank > FAR:
        root = rank / FAR
        return w * FAR * (root * root)
    return w / FAR / -rank if rank < 0 else w * rank


@dataclass(frozen=True)
class Point:
    """A row of positive weight and its rank. With replacement a row has several; equal points are one."""

    rank: float
    id: int
    stream: int | None  # None if rows have ids
    label: int | None  # the class
    weight: float
    time: float | None  # None without decay


def block_parts(w):
    """Return the sums of the 8 columns, the 4 quarters, the 2 halves and the whole block.

    Column j has the rows j, j + 8, ..., j + 56.
    """
    c = []
    for j in range(8):
        column = w[j]
        for i in range(j + 8, 64, 8):
            column += w[i]
        c.append(column)
    quarters = [c[j] + c[j + 4] for j in range(4)]
    halves = [quarters[0] + quarters[2], quarters[1] + quarters[3]]
    return c, quarters, halves, halves[0] + halves[1]


def choose_part(t, x, y):
    """Return (1 if t lies in the second of two parts, else 0; what is left of t)."""
    return (1, t - x) if y > 0 and t >= x else (0, t)


def block_row(w, word):
    """Return a row of a block, drawn in proportion to weight."""
    if block_parts(w)[3] < 1 / FAR:
        w = [x * 2.0**200 for x in w]
    c, quarters, halves, whole = block_parts(w)
    t = float(word >> 11) * 2.0**-53 * whole
    odd, t = choose_part(t, *halves)
    j = odd
    more, t = choose_part(t, quarters[j], quarters[j + 2])
    j += 2 * more
    more, t = choose_part(t, c[j], c[j + 4])
    j += 4 * more
    for i in range(j, 64, 8):
        if w[i] > 0:
            last = i
            if t < w[i]:
                return i
            t -= w[i]
    return last


def block_points(key, b, w, most):
    """Return points (rank, row of the block): `most` with replacement, else one for each row."""
    whole = block_parts(w)[3]
    if not whole > 0:
        return []
    group, b1 = Run(key, b // 128), b % 128
    rank = rank_after(0.0, exponential(group.word(b1)), whole)
    row = block_row(w, group.word(128 + 65 * b1 + 64))
    points = [(rank, row)]
    if most is None:
        for i in range(64):
            if i != row and w[i] > 0:
                points.append((rank_after(rank, exponential(group.word(128 + 65 * b1 + i)), w[i]), i))
        return points
    own = Run(key, b, lane=1)
    for j in range(1, most):
        rank = rank_after(rank, exponential(own.word(2 * j - 2)), whole)
        points.append((rank, block_row(w, own.word(2 * j - 1))))
    return points


def id_word(run, id, w, label, time):
    """Return the word of a row keyed by id. `run` is the run (0, lane 0)."""
    z = run.word(id & M64) + bits_of(w) - bits_of(1.0)
    z += (label or 0) * 0xD1342543DE82EF95
    z += bits_of((time or 0.0) + 0.0) * 0xAF251AF3B0F025B5
    return mix64(z & M64)


def row_ranks(key, word, row, w, shift, most):
    """Return the ranks of a row, or with decay their logarithms: `most` with replacement, else one.

    `row` is the row of the run that has the words of later points.
    """
    e, ranks = exponential(word), []
    for j in range(most or 1):
        if j:
            e += exponential(Run(key, row, lane=1).word(j - 1))
        ranks.append(rank_after(0.0, e, w) if shift is None else log(e) - (log(w) + shift))
    return ranks


def shift_of(time, half_life):
    """Return what decay adds to the log of a weight."""
    return None if half_life is None else time * (LN2 / half_life)


def reservoir_points(
    weights, *, ids=None, times=None, half_life=None, classes=None, replacement=None, seed=0, stream=0
):
    """Return every point of a stream.

    With replacement, `replacement` is k, and k + 1 points of a row or block are enough.
    """
    w = [float(x) for x in weights]
    most = None if replacement is None else replacement + 1
    labels = [None] * len(w) if classes is None else [int(c) for c in classes]
    times = [None] * len(w) if half_life is None else [float(t) + 0.0 for t in times]
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
        id, shift = i if ids is None else int(ids[i]), shift_of(times[i], half_life)
        word = Run(key, i // 128).word(i % 128) if ids is None else id_word(run, id, x, labels[i], times[i])
        for rank in row_ranks(key, word, i if ids is None else word, x, shift, most):
            points.append(Point(rank, id, stream if ids is None else None, labels[i], x, times[i]))
    return points


def reservoir_sample(points, k, *, replacement=False, half_life=None, latest=None, total=None):
    """Return (ids, weights, inclusion, classes, streams) of the k smallest ranks.

    `k` may be a dict {class: quota}.
    """
    rows, inclusion = [], []
    for label in sorted({p.label for p in points}, key=lambda c: (c is not None, c)):
        quota = k[label] if isinstance(k, dict) else k
        mine = sorted({p for p in points if p.label == label}, key=in_order)
        for p in mine[:quota]:
            rows.append(p)
            if replacement:
                inclusion.append(0.0 if total is None else decayed(p, half_life, latest) / total * k)
            elif len(mine) <= quota:
                inclusion.append(1.0)
            else:
                tau = mine[quota].rank
                x = (
                    times_rank(p.weight, tau)
                    if half_life is None
                    else exp((log(p.weight) + shift_of(p.time, half_life)) + tau)
                )
                inclusion.append(-expm1(-x))
    return (
        np.array([p.id for p in rows], np.int64),
        np.array([decayed(p, half_life, latest) for p in rows], np.float64),
        np.array(inclusion, np.float64),
        np.array([p.label for p in rows], np.int64) if rows and rows[0].label is not None else None,
        np.array([p.stream for p in rows], np.uint64) if rows and rows[0].stream is not None else None,
    )


def in_order(p):
    """Return the key by which the points of a class are sorted."""
    return p.rank, p.id, p.stream or 0, p.weight, p.time or 0.0


def decayed(point, half_life, latest):
    """Return the weight of a point as it is at the time of the newest row."""
    if half_life is None:
        return point.weight
    return point.weight * exp(shift_of(point.time, half_life) - latest * (LN2 / half_life))


def weighted_sample(weights, k, seed, *, replacement=False):
    """Return (ids, weights, inclusion) of weighted_sample, in its order. `seed` is the key of rng."""
    ids, w, inclusion, _, _ = reservoir_sample(
        reservoir_points(weights, replacement=k if replacement else None, seed=seed),
        k,
        replacement=replacement,
        total=math.fsum(float(x) for x in weights),
    )
    if not replacement:
        run = Run(call_key(seed, 0, IDS, 0), 0)
        order = sorted(
            range(len(ids)), key=lambda i: (exponential(id_word(run, int(ids[i]), 1.0, 0, 0.0)), ids[i])
        )
        ids, w, inclusion = ids[order], w[order], inclusion[order]
    return ids, w, inclusion


def shares(total, policy, counts, most):
    """Return {class: whole share of `total`}, where no share is above the class's `most`.

    The shares of the policies "equal" and "proportional" are exact.
    """
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
    by_remainder = sorted(counts, key=lambda c: (answer[c] - got[c], c))  # the largest remainder first
    for c in by_remainder[: int(whole) - sum(answer.values())]:
        answer[c] += 1
    return answer
