"""One set of negatives for a whole batch.

Distinct ids come from rejection while that is fast, then from exact draws (rng.py, "Shared negatives").
"""

from __future__ import annotations

import numpy as np

from equipoise._numba._jit import i64, jit, u64, writes
from equipoise._numba.negatives.rows import REDRAWS
from equipoise._numba.stream.elementary import log, log1p
from equipoise._numba.stream.rng import ONE, TWO, ZERO, below, mix64, open_run, unit_real, word
from equipoise._numba.tables.alias import alias_pick
from equipoise._numba.tables.proposer import PROPOSER, check_proposer, units_of

# The progress of a call, kept in an array so that the caller can interrupt and resume it. TREE_BUILT counts
# steps of build_tree, and is WHOLE when the tree is built.
FILLED, NEXT_WORD, TRIES, TREE_BUILT = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
CHUNK = np.uint64(1 << 18)  # words per call, after which Python can handle Ctrl-C
CHUNK_EXACT = np.uint64(1 << 15)
MOST_TRIES = np.uint64(1 << 62)
WHOLE = np.uint64(2**64 - 1)


@jit()
def shared_pick(table, word):
    """Return the id that a word proposes."""
    return alias_pick(table.cells, table.n, word) if table.units.size else below(word, table.n)


@jit((u64, u64, u64, PROPOSER, i64, writes(i64)))
def shared_draw(key, call, lane, table, start, ids):
    """Draw slots start .. start + len(ids) - 1 of a call that may repeat ids."""
    check_proposer(table)
    run, first = open_run(key, call, lane), np.uint64(start)
    for j in range(np.uint64(ids.size)):
        ids[j] = np.int64(shared_pick(table, word(run, first + j)))


@jit((u64, u64, u64, PROPOSER, u64, writes(i64), writes(i64), writes(u64)))
def shared_unique(key, call, lane, table, secret, seen, ids, state):
    """Draw distinct ids by rejection, using an open-addressing hash set in which -1 marks a free place.

    The size of the set is a power of two. `secret` is a part of the hash, so that no weights can be chosen
    whose ids collide; the ids do not depend on it. Return True if a slot found only known ids; shared_exact
    then draws the rest.
    """
    seen_mask, count = np.uint64(seen.size) - ONE, np.uint64(ids.size)
    if state.size != 4 or seen.size <= ids.size or np.uint64(seen.size) & seen_mask:
        raise ValueError("shared_unique: shapes differ")
    check_proposer(table)
    run, known = open_run(key, call, lane), False
    filled, next_word, tries = state[FILLED], state[NEXT_WORD], state[TRIES]
    stop = next_word + CHUNK
    while not known and filled < count and next_word < stop:
        known, redraw = True, 0
        while known and redraw <= REDRAWS:
            id = np.int64(shared_pick(table, word(run, next_word)))
            next_word += ONE
            tries += ONE
            redraw += 1
            at = mix64(np.uint64(id) ^ secret) & seen_mask
            while seen[at] >= 0 and seen[at] != id:
                at = (at + ONE) & seen_mask
            known = seen[at] == id
            if not known:
                ids[filled] = seen[at] = id
                filled += ONE
    state[FILLED], state[NEXT_WORD], state[TRIES] = filled, next_word, tries
    return known


@jit()
def build_tree(table, tree, ids, state):
    """Build a part of the tree over the units of the ids not drawn yet.

    First all nodes, then the ids that have been drawn are subtracted. The tree starts as zeros; tree[0] is
    the sum of the units that are left.
    """
    n, filled, step = table.n, state[FILLED], state[TREE_BUILT]
    stop = min(n + filled, step + CHUNK_EXACT)
    if step == ZERO:
        tree[ZERO] = table.total
    while step < min(stop, n):
        node = step + ONE
        parent = node + (node & (~node + ONE))
        tree[node] += units_of(table, step)
        if parent <= n:
            tree[parent] += tree[node]
        step += ONE
    while step < stop:
        id = np.uint64(ids[step - n])
        id_units, node = units_of(table, id), id + ONE
        tree[ZERO] -= id_units
        while node <= n:
            tree[node] -= id_units
            node += node & (~node + ONE)
        step += ONE
    state[TREE_BUILT] = WHOLE if step == n + filled else step


@jit((u64, u64, u64, PROPOSER, writes(u64), writes(i64), writes(u64)))
def shared_exact(key, call, lane, table, tree, ids, state):
    """Draw the remaining slots exactly, with a Fenwick tree over the units of the ids not drawn yet.

    Building it takes O(n) and each slot O(log n). One call does a part of this work.
    """
    if state.size != 4 or np.uint64(tree.size) != table.n + ONE:
        raise ValueError("shared_exact: shapes differ")
    check_proposer(table)
    run, top = open_run(key, call, lane), ONE
    while top * TWO <= table.n:
        top *= TWO
    if state[TREE_BUILT] != WHOLE:
        build_tree(table, tree, ids, state)
        return
    filled, next_word, tries = state[FILLED], state[NEXT_WORD], state[TRIES]
    left, stop = tree[ZERO], min(np.uint64(ids.size), filled + CHUNK_EXACT)
    while filled < stop:
        p = np.float64(left) / np.float64(table.total)
        more = np.floor(log(unit_real(word(run, next_word))) / log1p(-p))
        tries = min(tries + ONE + np.uint64(more), MOST_TRIES) if more < 2.0**62 else MOST_TRIES
        target, id, step = below(word(run, next_word + ONE), left), ZERO, top
        next_word += TWO
        while step:
            if id + step < table.n and tree[id + step] <= target:
                id += step
                target -= tree[id]
            step >>= ONE
        ids[filled] = np.int64(id)
        filled += ONE
        id_units = units_of(table, id)
        left -= id_units
        id += ONE
        while id <= table.n:
            tree[id] -= id_units
            id += id & (~id + ONE)
    tree[ZERO], state[FILLED], state[NEXT_WORD], state[TRIES] = left, filled, next_word, tries
