"""Rows of negatives, shared sets and accidental hits, as in the contract and as results of calls."""

from __future__ import annotations

import math

import numpy as np

from support.reference.stream import (
    COUNTED,
    KEYED,
    SHARED,
    Run,
    below,
    call_key,
    expm1,
    log,
    log1p,
    real,
)


class Exhausted(Exception):
    """An error for a row that has no id of positive weight left for `slot`. The library raises ValueError."""

    def __init__(self, row, slot):
        super().__init__(f"row {row}: nothing left for slot {slot}")
        self.row, self.slot = row, slot


def exact(units, known, t):
    """Return the smallest id with (units of unknown ids up to and including it) > t."""
    for i, u in enumerate(units):
        if i not in known:
            t -= u
        if t < 0:
            return i
    raise AssertionError("t is not below the units that are left")


def negatives_row(table, run, k, excluded, *, unique=False, on_exhausted="raise", row=None):
    """Return one row of k triples (id, log q, valid). `excluded` has its exclusions and exclude_ids."""
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
    """Return (ids, log q, num_tries) of one call."""
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
            # If 1 - p rounds to 0, log1p gives -inf, the quotient is -0.0, and the first try finds the id.
            tries = min(tries + 1 + math.floor(log(real(run.word(j))) / log1p(-p)), 2**62)
            i = exact(units, got, below(run.word(j + 1), left))
            j += 2
        got.add(i)
        in_order.append(i)
    p = [table.prob(i) for i in in_order]
    log_q = [log(-expm1(float(tries) * log1p(-x))) if unique else log(float(c) * x) for x in p]
    return np.array(in_order, dtype=np.int64), np.array(log_q, dtype=np.float32), tries


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
    """Return (ids, log_q, mask) of NegativeSampler.sample. `first_row` rows were drawn before."""
    key = call_key(seed, epoch, COUNTED if row_keys is None else KEYED, stream ^ table.digest())
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
    """Return the result of NegativeSampler.sample_shared. `call` calls were made before."""
    key = call_key(seed, epoch, SHARED, stream ^ table.digest())
    return shared_negatives(table, Run(key, call, lane), c, unique)


def accidental_hits(rows, candidates, exclude, keep=None):
    """Return whether each candidate is a known positive of each row, except in the row's own column."""
    indptr, indices = exclude
    hits = np.zeros((len(rows), len(candidates)), dtype=bool)
    for b, row in enumerate(rows):
        positives = {int(i) for i in indices[indptr[row] : indptr[row + 1]]}
        for c, candidate in enumerate(candidates):
            hits[b, c] = int(candidate) in positives and not (keep is not None and keep[b] == c)
    return hits
