"""Rows of negatives: proposals from the table, at most 32 redraws a slot, then an exact draw from the
complement. Nothing excluded is ever given, and no loop is without an end (rng.py, "A row of negatives").
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, f32, f64, i64, jit, reads, stack, u32, u64, writes
from equipoise._numba.negatives.exclusions import Blocked, add, contains, has, if_less, rank_of, scan_slots
from equipoise._numba.stream.elementary import log_normal
from equipoise._numba.stream.rng import ONE, S32, TWO, ZERO, Run, below, open_run, prefetch, word
from equipoise._numba.tables.alias import alias_pick, column_and_coin, resolve
from equipoise._numba.tables.proposer import Proposer, check_proposer, units_of

REDRAWS = 32
GROUP, IN_FLIGHT = np.uint64(16), np.uint64(256)  # rows, and proposals, in flight
BUFFER = np.uint64(64)  # ratios that wait for their logarithms
SCANNED = np.uint64(128)  # exclusions up to which a slot is compared with all of them
LINE, PREFETCHED = np.uint64(16), np.uint64(256)  # exclusions a cache line; how many are asked for ahead
MASK, REPLACE = 1, 2  # on_exhausted; 0 raises
DONE, NEEDS_PREFIX, EXHAUSTED = 0, 1, 2  # status
EIGHT, SIXTEEN, SIXTY_FOUR = np.uint64(8), np.uint64(16), np.uint64(64)


# The batch. If row_keys is empty, the counter keys the rows; if indptr is, nothing is excluded; if
# excluded_units is, for a uniform table, a row's are the number of its ids. exclude_ids: m a row, -1 = none.
Batch = namedtuple(
    "Batch",
    "key, lane, first, row_keys, rows, exclude_ids, indptr, excluded, excluded_units, unique, on_exhausted",
)


# A row that is longer than a call's budget is left in the middle, and the next call goes on from there.
SLOT, CURSOR, NUM_MORE, LEFT, FLAGS = (np.uint64(i) for i in range(5))  # SLOT 0: no row
PAUSED_WORDS = 5


# Room for one row: units of the blocked ids before each, for its exact draws, from 0 on for the excluded
# ones, from before_more on for the others, which lie from more on; and, from paused on, where it was left.
Scratch = namedtuple("Scratch", "room, more, before_more, paused")
stack_runs, stack_proposals = stack(u64, 2 * int(GROUP)), stack(u64, int(IN_FLIGHT))
stack_ids, stack_ratios = stack(u32, int(IN_FLIGHT)), stack(f64, int(IN_FLIGHT))


@jit()
def sum_before(ids, start, n, units, room, before):
    """room[before + i] = units of the ids before the i-th."""
    room[before] = ZERO
    for i in range(n):
        room[before + i + ONE] = room[before + i] + units[np.uint64(ids[start + i])]


@jit()
def exact_pick(table, blocked, scratch, target):
    """The smallest id with (units of unblocked ids <= id) > target."""
    room, before_more = scratch.room, scratch.before_more
    low, high = ZERO, table.n - ONE
    while low < high:
        id = low + ((high - low) >> ONE)
        rank = rank_of(blocked.excluded, blocked.start, blocked.num_excluded, id + ONE)
        rank_more = rank_of(room, blocked.more, blocked.num_more, id + ONE)
        upto = table.prefix[id + ONE] - room[rank] - room[before_more + rank_more]
        high -= if_less(target, upto, high - id)
        low += if_less(upto, target + ONE, id + ONE - low)
    return low


@jit()
def shifted(ids, start, n, rank):
    """The (rank + 1)-th smallest number that is not among the sorted, distinct ids.

    It is rank, shifted by the ids with ids[i] - i <= rank.
    """
    base = ZERO
    while n > ONE:
        half = n >> ONE
        last = base + half - ONE
        base += if_less(np.uint64(ids[start + last]) - last, rank + ONE, half)
        n -= half
    if n:
        base += if_less(np.uint64(ids[start + base]) - base, rank + ONE, ONE)
    return rank + base


@jit()
def open_row(table, batch, b, scratch, work, paused):
    """What row b must not get, and the work done. exclude_ids are sorted, so adding them takes no time."""
    start, num_excluded, left = ZERO, ZERO, table.total
    if batch.indptr.size:
        row = np.uint64(batch.rows[b])
        start = np.uint64(batch.indptr[row])
        num_excluded = np.uint64(batch.indptr[row + ONE]) - start
        left -= batch.excluded_units[row] if batch.excluded_units.size else num_excluded
    blocked = Blocked(batch.excluded, start, num_excluded, scratch.room, scratch.more, ZERO, left)
    if paused:
        return blocked, work  # more is as it was left
    work += np.uint64(batch.exclude_ids.shape[1])
    for i in range(np.uint64(batch.exclude_ids.shape[1])):
        if batch.exclude_ids[b, i] < 0:
            continue
        id = np.uint64(batch.exclude_ids[b, i])
        below_id = rank_of(blocked.excluded, start, num_excluded, id)
        if below_id < num_excluded and np.uint64(blocked.excluded[start + below_id]) == id:
            continue
        entry = id if table.units.size else id - below_id
        if not contains(blocked.room, blocked.more, blocked.num_more, entry):
            blocked = add(blocked, entry, units_of(table, id))
    return blocked, work


@jit()
def prefetch_row(batch, b):
    if batch.indptr.size:
        row = np.uint64(batch.rows[b])
        start = np.uint64(batch.indptr[row])
        for i in range(start, min(np.uint64(batch.indptr[row + ONE]), start + PREFETCHED), LINE):
            prefetch(batch.excluded, i)
        if batch.excluded_units.size:
            prefetch(batch.excluded_units, row)


@jit()
def log_ratios(ratios, at, b, start, end, log_q):
    """log q of the slots start .. end - 1 of row b, whose ratios wait in a buffer, from at on.

    Apart from the draws, it is a loop that is vectorised.
    """
    for j in range(end - start):
        log_q[b, start + j] = np.float32(log_normal(ratios[at + j], 0))


@jit()
def propose(table, run, start, end, proposals, at):
    """What slots start .. end - 1 of a row propose, not yet resolved, from at on."""
    for j in range(end - start):
        proposals[at + j] = column_and_coin(word(run, start + j), table.n)


@jit()
def resolve_all(table, proposals, size, drawn, at):
    """Their ids; each loop waits for memory that the loop before has asked for."""
    for i in range(size):
        prefetch(table.cells, proposals[i] >> S32)
    for i in range(size):
        drawn[at + i] = np.uint32(resolve(proposals[i], table.cells[proposals[i] >> S32]))
    for i in range(size):
        prefetch(table.units, np.uint64(drawn[at + i]))


@jit()
def redraw(table, blocked, run, scratch, cursor, summed, work):
    """The id of one slot that proposed a blocked one, and where cursor, summed and work then stand.

    The id is n where it takes an exact draw for which the prefix sums are missing.
    """
    for _ in range(REDRAWS):
        id = alias_pick(table.cells, table.n, word(run, cursor))
        cursor, work = cursor + ONE, work + ONE
        if not has(blocked, id):
            return id, cursor, summed, work
    if not table.prefix.size:
        return table.n, cursor, summed, work
    room, num_more = scratch.room, blocked.num_more
    if not summed:
        sum_before(blocked.excluded, blocked.start, blocked.num_excluded, table.units, room, ZERO)
        work += blocked.num_excluded // EIGHT
    sum_before(room, blocked.more, num_more, table.units, room, scratch.before_more)
    work += num_more // EIGHT + SIXTY_FOUR
    id = exact_pick(table, blocked, scratch, below(word(run, cursor), blocked.left))
    return id, cursor + ONE, True, work


@jit()
def pause(scratch, slot, cursor, blocked, unique, summed):
    room, paused = scratch.room, scratch.paused
    room[paused + SLOT], room[paused + CURSOR], room[paused + LEFT] = slot, cursor, blocked.left
    room[paused + NUM_MORE] = blocked.num_more
    room[paused + FLAGS] = (ONE if unique else ZERO) | (TWO if summed else ZERO)


@jit()
def settle_row(
    table, batch, b, run, scratch, budget, ratios, proposals, work, drawn, at, ids, log_q, mask
):  # fmt: skip
    """One row, slot after slot.

    drawn holds, from at on, what its first IN_FLIGHT slots propose, and has room for as many as come after
    them. Nothing is read from the results: they are the caller's, who may write to them. Returns how many
    rows are settled, this one's status, how many ids an exhausted row had, and the work done.
    """
    room, paused, k = scratch.room, scratch.paused, np.uint64(ids.shape[1])
    j = room[paused + SLOT]
    start, end, waiting = ZERO, ZERO if j else min(k, IN_FLIGHT), ZERO
    blocked, work = open_row(table, batch, b, scratch, work, j > ZERO)
    unique, summed, cursor = batch.unique, False, k
    if j:
        cursor = room[paused + CURSOR]
        blocked = Blocked(
            blocked.excluded, blocked.start, blocked.num_excluded,
            room, scratch.more, room[paused + NUM_MORE], room[paused + LEFT],
        )  # fmt: skip
        unique = room[paused + FLAGS] & ONE != ZERO
        summed = room[paused + FLAGS] & TWO != ZERO
        room[paused + SLOT] = ZERO
    while j < k:
        if waiting == BUFFER:
            log_ratios(ratios, ZERO, b, j - waiting, j, log_q)
            waiting = ZERO
            if work >= budget:
                pause(scratch, j, cursor, blocked, unique, summed)
                return b, DONE, ZERO, work
        if blocked.left == ZERO:
            if batch.on_exhausted == MASK:
                break
            again = unique and batch.on_exhausted == REPLACE
            if again:
                blocked, work = open_row(table, batch, b, scratch, work, False)
            if not again or blocked.left == ZERO:
                return b, EXHAUSTED, j, work
            unique = False
        if not table.units.size:
            entry = shifted(room, scratch.more, blocked.num_more, below(word(run, j), blocked.left))
            id = shifted(blocked.excluded, blocked.start, blocked.num_excluded, entry)
        else:
            if j >= end:
                start, end = j, min(k, j + IN_FLIGHT)
                propose(table, run, start, end, proposals, ZERO)
                resolve_all(table, proposals, end - start, drawn, at)
            id = np.uint64(drawn[at + j - start])
            if has(blocked, id):
                before = cursor
                id, cursor, summed, work = redraw(table, blocked, run, scratch, cursor, summed, work)
                if id == table.n:
                    log_ratios(ratios, ZERO, b, j - waiting, j, log_q)
                    pause(scratch, j, before, blocked, unique, summed)
                    return b, NEEDS_PREFIX, ZERO, work
            entry = id
        units = units_of(table, id)
        ids[b, j], mask[b, j] = np.int64(id), True
        ratios[waiting] = np.float64(units) / np.float64(blocked.left)
        waiting, j, work = waiting + ONE, j + ONE, work + ONE
        if unique:
            blocked = add(blocked, entry, units)
            work += ONE + blocked.num_more // SIXTEEN
    log_ratios(ratios, ZERO, b, j - waiting, j, log_q)
    work += k - j + EIGHT
    while j < k:
        ids[b, j], log_q[b, j], mask[b, j] = -1, np.float32(0.0), False
        j += ONE
    return b + ONE, DONE, ZERO, work


@jit()
def start_row(batch, row, group, end):
    """The words of a row; on the way, what rows one and two groups further on will need is asked for."""
    if row + group < end:
        prefetch_row(batch, row + group)
    if batch.indptr.size and row + TWO * group < end:
        prefetch(batch.indptr, np.uint64(batch.rows[row + TWO * group]))
    row_key = batch.row_keys[row] if batch.row_keys.size else batch.first + row
    return open_run(batch.key, row_key, batch.lane)


@jit()
def keep_run(runs, i, run):
    runs[TWO * i], runs[TWO * i + ONE] = run.s, run.m


@jit()
def kept_run(runs, i):
    return Run(runs[TWO * i], runs[TWO * i + ONE])


@jit()
def redraw_row(table, blocked, run, at, k, scratch, ids, hits, work):
    """Redraws those of a row's k independent proposals, from at on, that are excluded, and adds up the work.

    False: prefix sums are missing.
    """
    excluded, start, num_excluded = blocked.excluded, blocked.start, blocked.num_excluded
    if num_excluded <= SCANNED:
        scan_slots(excluded, start, num_excluded, ids, at, k, hits)
    else:
        for i in range(at, at + k):
            hits[i] = contains(excluded, start, num_excluded, np.uint64(ids[i]))
    any_hit = np.uint32(0)
    for i in range(at, at + k):
        any_hit |= hits[i]
    cursor, summed = k, False
    if any_hit:
        for i in range(at, at + k):
            if hits[i]:
                id, cursor, summed, work = redraw(table, blocked, run, scratch, cursor, summed, work)
                if id == table.n:
                    return False, work
                ids[i] = np.uint32(id)
    return True, work + k + EIGHT


@jit()
def settle_group(table, batch, b, stop, runs, scratch, ratios, work, drawn, hits, ids, log_q, mask):
    """Rows b .. stop - 1, whose slots are drawn independently: one loop after the other, each vectorised.

    False: prefix sums are missing. A row with nothing left gets anything: settle_row says what becomes of it.
    """
    k = np.uint64(ids.shape[1])
    for row in range(b, stop):
        at, left = (row - b) * k, 1.0
        blocked, work = open_row(table, batch, row, scratch, work, False)
        if blocked.left:
            run = kept_run(runs, row - b)
            done, work = redraw_row(table, blocked, run, at, k, scratch, drawn, hits, work)
            if not done:
                return False, work
            left = np.float64(blocked.left)
        for i in range(at, at + k):
            ratios[i] = np.float64(table.units[np.uint64(drawn[i])]) / left
    for row in range(b, stop):
        at = (row - b) * k
        log_ratios(ratios, at, row, ZERO, k, log_q)
        for j in range(k):
            ids[row, j], mask[row, j] = np.int64(drawn[at + j]), True
    return True, work


@jit()
def rows_in_flight(k):
    if k >= IN_FLIGHT:
        return ONE
    return GROUP if k * GROUP <= IN_FLIGHT else IN_FLIGHT // k


@jit()
def draw_rows(table, batch, begin, end, budget, scratch, ids, log_q, mask):
    """A group of rows proposes at once.

    Slots are independent of each other if the table has weights, and the call neither unique nor exclude_ids;
    else they are settled in order.
    """
    k, work, weighted = np.uint64(ids.shape[1]), ZERO, table.units.size > 0
    width, group = min(k, IN_FLIGHT), rows_in_flight(k)
    independent = weighted and not batch.unique and batch.exclude_ids.shape[1] == 0 and k <= IN_FLIGHT
    runs, proposals, ratios = stack_runs(), stack_proposals(), stack_ratios()
    drawn, hits = stack_ids(), stack_ids()
    for b in range(begin, min(end, begin + group)):
        prefetch_row(batch, b)
    for b in range(begin, end, group):
        if work >= budget:
            return b, DONE, ZERO
        stop = min(end, b + group)
        for row in range(b, stop):
            run = start_row(batch, row, group, end)
            keep_run(runs, row - b, run)
            if weighted:
                propose(table, run, ZERO, width, proposals, (row - b) * width)
        if weighted:
            resolve_all(table, proposals, (stop - b) * width, drawn, ZERO)
        if independent:
            done, work = settle_group(
                table, batch, b, stop, runs, scratch, ratios, work, drawn, hits, ids, log_q, mask
            )
            if not done:
                return b, NEEDS_PREFIX, ZERO
            if not batch.excluded_units.size:
                continue
        for row in range(b, stop):
            if independent and batch.excluded_units[np.uint64(batch.rows[row])] != table.total:
                continue
            run = kept_run(runs, row - b)
            settled, status, had, work = settle_row(
                table, batch, row, run, scratch, budget, ratios, proposals, work,
                drawn, (row - b) * width, ids, log_q, mask,
            )  # fmt: skip
            if status != DONE or settled == row:
                return settled, status, had
    return end, DONE, ZERO


@jit(
    (
        *(u64, u64, u64, reads(u64), reads(i64), reads(i64, 2), reads(i64), reads(u32), reads(u64)),
        *(u64, reads(u64), reads(u64), reads(u64), b1, i64, i64, i64, i64),
        *(writes(u64), writes(i64, 2), writes(f32, 2), writes(b1, 2)),
    )
)
def negatives_draw(
    key, lane, first, row_keys, rows, exclude_ids, indptr, excluded, excluded_units,
    n, cells, units, prefix, unique, on_exhausted, begin, end, budget,
    scratch, ids, log_q, mask,
):  # fmt: skip
    """Rows begin .. end - 1, or fewer once the work passes the budget.

    The caller comes back for the rest, and sees Ctrl-C in between.
    """
    size, k, m = rows.size, ids.shape[1], exclude_ids.shape[1]
    if (
        ids.shape[0] != size
        or log_q.size != ids.size
        or mask.size != ids.size
        or exclude_ids.shape[0] != size
        or (row_keys.size != 0 and row_keys.size != size)  # noqa: PLR1714
        or begin < 0
        or end > size
    ):
        raise ValueError("negatives_draw: shapes differ")
    longest = scratch.size - 2 * (m + k) - 2 - PAUSED_WORDS
    if longest < 0:
        raise ValueError("negatives_draw: scratch is too small")
    table = Proposer(n, n << S32 if units.size else n, cells, units, prefix)
    check_proposer(table)
    batch = Batch(
        key, lane, first, row_keys, rows, exclude_ids, indptr, excluded, excluded_units, unique, on_exhausted
    )
    after = np.uint64(scratch.size - PAUSED_WORDS)
    parts = Scratch(scratch, np.uint64(longest + 1), np.uint64(longest + 1 + m + k), after)
    first_row, last_row, most = np.uint64(begin), np.uint64(max(begin, end)), np.uint64(max(budget, 0))
    at, status, had = draw_rows(table, batch, first_row, last_row, most, parts, ids, log_q, mask)
    return np.int64(at), status, np.int64(had)
