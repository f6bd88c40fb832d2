"""Negatives, row by row.

Each slot takes a proposal from the table, then at most 32 redraws, then an exact draw from the ids that are
not blocked. No blocked id is ever returned and every loop ends (rng.py, "A row of negatives").

    negatives_draw    checks of the arguments
      draw_rows         groups of rows
        settle_group      rows whose slots are independent of each other: one loop after another, vectorized
          redraw_row
          pick_row          of a uniform table
        settle_row        any other row, slot by slot
          redraw            one slot: redraws, then exact_pick
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from equipoise._numba._jit import b1, f32, f64, i64, jit, reads, record, stack, u32, u64, writes
from equipoise._numba.negatives.exclusions import (
    EXCLUSIONS,
    Blocked,
    add,
    check_exclusions,
    contains,
    has,
    if_less,
    rank_of,
    scan_slots,
)
from equipoise._numba.stream.elementary import log_normal
from equipoise._numba.stream.rng import ONE, S32, TWO, ZERO, Run, below, open_run, prefetch, word
from equipoise._numba.tables.alias import alias_pick, column_and_coin, resolve
from equipoise._numba.tables.proposer import PROPOSER, check_proposer, units_of

REDRAWS = 32
GROUP, IN_FLIGHT = np.uint64(16), np.uint64(256)  # rows and proposals in flight
BUFFER = np.uint64(64)  # ratios whose logarithms are taken together
SCANNED = np.uint64(128)  # up to this many exclusions, a slot is compared with all of them
LINE = np.uint64(16)  # exclusions per cache line
PREFETCHED = np.uint64(256)  # exclusions of a row that are prefetched
MASK, REPLACE = 1, 2  # on_exhausted; 0 raises
DONE, NEEDS_PREFIX, EXHAUSTED = 0, 1, 2  # status
EIGHT, SIXTEEN, SIXTY_FOUR = np.uint64(8), np.uint64(16), np.uint64(64)


# The rows of one call and how to draw for them. Rows are keyed by row_keys or, if that is empty, by their
# numbers, which start at `first`. exclude_ids has m ids per row, where -1 means none.
Batch = namedtuple("Batch", "key, lane, first, row_keys, rows, exclude_ids, unique, on_exhausted")
BATCH = record(Batch, u64, u64, u64, reads(u64), reads(i64), reads(i64, 2), b1, i64)


# A row that exceeds the budget of a call is paused, and the next call resumes it. Its state is kept here.
SLOT, CURSOR, NUM_MORE, LEFT, FLAGS = (np.uint64(i) for i in range(5))  # SLOT is 0 if no row is paused
PAUSED_WORDS = 5


# Memory for one row, all in `room`. Exact draws need the units of the blocked ids before each blocked id:
# from 0 on for the excluded ids, from before_more on for the others, which are stored from `more` on. A
# paused row's state is stored from `paused` on.
Scratch = namedtuple("Scratch", "room, more, before_more, paused")

# The state of a row between two slots: the next redraw word, and whether the units before the excluded ids
# are summed.
RowState = namedtuple("RowState", "blocked, cursor, unique, summed")
stack_runs, stack_proposals = stack(u64, 2 * int(GROUP)), stack(u64, int(IN_FLIGHT))
stack_ids, stack_ratios = stack(u32, int(IN_FLIGHT)), stack(f64, int(IN_FLIGHT))


@jit()
def sum_before(ids, start, n, units, room, before):
    """Set room[before + i] to the sum of the units of the first i ids."""
    room[before] = ZERO
    for i in range(n):
        room[before + i + ONE] = room[before + i] + units[np.uint64(ids[start + i])]


@jit()
def exact_pick(table, blocked, scratch, target):
    """Return the smallest id with (units of unblocked ids <= id) > target."""
    room, before_more = scratch.room, scratch.before_more
    low, high = ZERO, table.n - ONE
    while low < high:
        id = low + ((high - low) >> ONE)
        rank = rank_of(blocked.excluded, blocked.start, blocked.num_excluded, id + ONE)
        rank_more = rank_of(room, blocked.more, blocked.num_more, id + ONE)
        up_to = table.prefix[id + ONE] - room[rank] - room[before_more + rank_more]
        high -= if_less(target, up_to, high - id)
        low += if_less(up_to, target + ONE, id + ONE - low)
    return low


@jit()
def shifted(ids, start, n, rank):
    """Return the (rank + 1)-th smallest number that is not among the sorted, distinct ids.

    It is rank plus the number of ids with ids[i] - i <= rank.
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
def shift_slots(ids, start, n, slots, at, k):
    """Apply shifted to the k slots from `at` on. A slot is compared with many ids at once."""
    for j in range(at, at + k):
        rank, below_rank = slots[j], np.uint32(0)
        if n <= SCANNED:
            for i in range(n):
                below_rank += np.uint32(np.uint32(ids[start + i] - i) <= rank)
            slots[j] = rank + below_rank
        else:
            slots[j] = np.uint32(shifted(ids, start, n, np.uint64(rank)))


@jit()
def block_excluded(table, exclusions, row, scratch):
    """Return what the exclusions of a row block."""
    start, num_excluded, left = ZERO, ZERO, table.total
    if exclusions.indptr.size:
        start = np.uint64(exclusions.indptr[row])
        num_excluded = np.uint64(exclusions.indptr[row + ONE]) - start
        left -= exclusions.units[row] if exclusions.units.size else num_excluded
    return Blocked(exclusions.ids, start, num_excluded, scratch.room, scratch.more, ZERO, left)


@jit()
def block_more(table, batch, b, blocked, work):
    """Block the exclude_ids of row b as well. They are sorted, so adding one moves no other."""
    work += np.uint64(batch.exclude_ids.shape[1])
    start, num_excluded = blocked.start, blocked.num_excluded
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
def prefetch_row(exclusions, row):
    """Prefetch a row's exclusions."""
    start = np.uint64(exclusions.indptr[row])
    for i in range(start, min(np.uint64(exclusions.indptr[row + ONE]), start + PREFETCHED), LINE):
        prefetch(exclusions.ids, i)
    if exclusions.units.size:
        prefetch(exclusions.units, row)


@jit()
def log_ratios(ratios, at, b, start, end, log_q):
    """Set log_q of slots start .. end - 1 of row b, whose ratios were buffered from `at` on.

    This loop is vectorized, since nothing is drawn in it.
    """
    for j in range(end - start):
        log_q[b, start + j] = np.float32(log_normal(ratios[at + j], 0))


@jit()
def propose(table, run, start, end, proposals, at):
    """Compute the proposals of slots start .. end - 1 of a row, without looking up their cells."""
    for j in range(end - start):
        proposals[at + j] = column_and_coin(word(run, start + j), table.n)


@jit()
def resolve_all(table, proposals, size, drawn, at):
    """Turn proposals into ids. Each loop reads memory that the previous loop has prefetched."""
    for i in range(size):
        prefetch(table.cells, proposals[i] >> S32)
    for i in range(size):
        drawn[at + i] = np.uint32(resolve(proposals[i], table.cells[proposals[i] >> S32]))
    for i in range(size):
        prefetch(table.units, np.uint64(drawn[at + i]))


@jit()
def redraw(table, run, scratch, state, work):
    """Return the id of a slot whose proposal was blocked, the new state and the work done.

    If that takes an exact draw and the prefix sums are missing, the id is n and the state is unchanged.
    """
    blocked, cursor, unique, summed = state
    for _ in range(REDRAWS):
        id = alias_pick(table.cells, table.n, word(run, cursor))
        cursor, work = cursor + ONE, work + ONE
        if not has(blocked, id):
            return id, RowState(blocked, cursor, unique, summed), work
    if not table.prefix.size:
        return table.n, state, work
    room, num_more = scratch.room, blocked.num_more
    if not summed:
        sum_before(blocked.excluded, blocked.start, blocked.num_excluded, table.units, room, ZERO)
        work += blocked.num_excluded // EIGHT
    sum_before(room, blocked.more, num_more, table.units, room, scratch.before_more)
    work += num_more // EIGHT + SIXTY_FOUR
    id = exact_pick(table, blocked, scratch, below(word(run, cursor), blocked.left))
    return id, RowState(blocked, cursor + ONE, unique, True), work


@jit()
def pause(state, slot, scratch):
    """Store the state of a row before a slot, from which the next call resumes it."""
    room, paused = scratch.room, scratch.paused
    room[paused + SLOT], room[paused + CURSOR] = slot, state.cursor
    room[paused + NUM_MORE], room[paused + LEFT] = state.blocked.num_more, state.blocked.left
    room[paused + FLAGS] = (ONE if state.unique else ZERO) | (TWO if state.summed else ZERO)


@jit()
def resume(blocked, scratch):
    """Restore what pause stored. The entries from scratch.more on are still there."""
    room, paused = scratch.room, scratch.paused
    room[paused + SLOT] = ZERO
    blocked = Blocked(
        blocked.excluded, blocked.start, blocked.num_excluded,
        room, scratch.more, room[paused + NUM_MORE], room[paused + LEFT],
    )  # fmt: skip
    flags = room[paused + FLAGS]
    return RowState(blocked, room[paused + CURSOR], flags & ONE != ZERO, flags & TWO != ZERO)


@jit()
def open_row(table, exclusions, batch, b, k, scratch, work):
    """Return the state of row b before its first slot, or where it was paused, and the work done."""
    blocked = block_excluded(table, exclusions, np.uint64(batch.rows[b]), scratch)
    if scratch.room[scratch.paused + SLOT]:
        return resume(blocked, scratch), work
    blocked, work = block_more(table, batch, b, blocked, work)
    return RowState(blocked, k, batch.unique, False), work


@jit()
def pick_uniform(blocked, word):
    """Return the id of a slot of a uniform table, and what blocks it."""
    entry = shifted(blocked.room, blocked.more, blocked.num_more, below(word, blocked.left))
    return shifted(blocked.excluded, blocked.start, blocked.num_excluded, entry), entry


@jit()
def propose_more(table, run, start, k, proposals, drawn, at):
    """Fill drawn, from `at` on, with the proposed ids of the slots from `start` on.

    Return the end of these slots.
    """
    end = min(k, start + IN_FLIGHT)
    propose(table, run, start, end, proposals, ZERO)
    resolve_all(table, proposals, end - start, drawn, at)
    return end


@jit()
def settle_row(
    table, exclusions, batch, b, run, scratch, budget, ratios, proposals, work, drawn, at, ids, log_q, mask
):  # fmt: skip
    """Draw one row, slot by slot.

    drawn holds, from `at` on, the proposed ids of the first IN_FLIGHT slots, and later those of the following
    slots. Nothing is read from the outputs, since other threads of the caller may write to them. Return the
    number of finished rows, the status of this one, the number of ids an exhausted row had, and the work
    done.
    """
    k, j = np.uint64(ids.shape[1]), scratch.room[scratch.paused + SLOT]
    start, end, waiting = ZERO, ZERO if j else min(k, IN_FLIGHT), ZERO
    state, work = open_row(table, exclusions, batch, b, k, scratch, work)
    while j < k:
        if waiting == BUFFER:
            log_ratios(ratios, ZERO, b, j - waiting, j, log_q)
            waiting = ZERO
            if work >= budget:
                pause(state, j, scratch)
                return b, DONE, ZERO, work
        if state.blocked.left == ZERO:
            if batch.on_exhausted == MASK:
                break
            replaces = state.unique and batch.on_exhausted == REPLACE
            if replaces:
                reopened, work = open_row(table, exclusions, batch, b, k, scratch, work)
                state = RowState(reopened.blocked, state.cursor, False, state.summed)
            if not replaces or state.blocked.left == ZERO:
                return b, EXHAUSTED, j, work
        blocked = state.blocked
        if not table.units.size:
            id, entry = pick_uniform(blocked, word(run, j))
        else:
            if j >= end:
                start, end = j, propose_more(table, run, j, k, proposals, drawn, at)
            id = np.uint64(drawn[at + j - start])
            if has(blocked, id):
                id, state, work = redraw(table, run, scratch, state, work)
                if id == table.n:
                    log_ratios(ratios, ZERO, b, j - waiting, j, log_q)
                    pause(state, j, scratch)
                    return b, NEEDS_PREFIX, ZERO, work
            entry = id
        units = units_of(table, id)
        ids[b, j], mask[b, j] = np.int64(id), True
        ratios[waiting] = np.float64(units) / np.float64(blocked.left)
        waiting, j, work = waiting + ONE, j + ONE, work + ONE
        if state.unique:
            state = RowState(add(blocked, entry, units), state.cursor, True, state.summed)
            work += ONE + state.blocked.num_more // SIXTEEN
    log_ratios(ratios, ZERO, b, j - waiting, j, log_q)
    work += k - j + EIGHT
    while j < k:
        ids[b, j], log_q[b, j], mask[b, j] = -1, np.float32(0.0), False
        j += ONE
    return b + ONE, DONE, ZERO, work


@jit()
def start_row(exclusions, batch, row, group, end):
    """Return the words of a row, and prefetch the exclusions of the rows one and two groups ahead."""
    if exclusions.indptr.size:
        if row + group < end:
            prefetch_row(exclusions, np.uint64(batch.rows[row + group]))
        if row + TWO * group < end:
            prefetch(exclusions.indptr, np.uint64(batch.rows[row + TWO * group]))
    row_key = batch.row_keys[row] if batch.row_keys.size else batch.first + row
    return open_run(batch.key, row_key, batch.lane)


@jit()
def keep_run(runs, i, run):
    """Store a run of words."""
    runs[TWO * i], runs[TWO * i + ONE] = run.s, run.m


@jit()
def kept_run(runs, i):
    """Return a stored run of words."""
    return Run(runs[TWO * i], runs[TWO * i + ONE])


@jit()
def redraw_row(table, blocked, run, at, k, scratch, ids, hits, work):
    """Redraw the proposals of a row that are blocked, from `at` on, where slots are independent.

    Return False if the prefix sums are missing, and the work done.
    """
    excluded, start, num_excluded = blocked.excluded, blocked.start, blocked.num_excluded
    if num_excluded <= SCANNED:
        scan_slots(excluded, start, num_excluded, ids, at, k, hits)
    else:
        for i in range(at, at + k):
            hits[i] = contains(excluded, start, num_excluded, np.uint64(ids[i]))
    for more in range(blocked.more, blocked.more + blocked.num_more):
        id = np.uint32(blocked.room[more])
        for i in range(at, at + k):
            hits[i] |= np.uint32(ids[i] == id)
    any_hit = np.uint32(0)
    for i in range(at, at + k):
        any_hit |= hits[i]
    state = RowState(blocked, k, False, False)
    if any_hit:
        for i in range(at, at + k):
            if hits[i]:
                id, state, work = redraw(table, run, scratch, state, work)
                if id == table.n:
                    return False, work
                ids[i] = np.uint32(id)
    return True, work + k + EIGHT


@jit()
def pick_row(blocked, run, at, k, ids, work):
    """Draw a row of a uniform table from `at` on, where slots are independent. Return the work done."""
    for j in range(k):
        ids[at + j] = np.uint32(below(word(run, j), blocked.left))
    shift_slots(blocked.room, blocked.more, blocked.num_more, ids, at, k)
    shift_slots(blocked.excluded, blocked.start, blocked.num_excluded, ids, at, k)
    return work + k + EIGHT


@jit()
def settle_group(
    table, exclusions, batch, b, stop, runs, scratch, ratios, work, drawn, hits, ids, log_q, mask
):  # fmt: skip
    """Draw rows b .. stop - 1, whose slots are independent of each other.

    Return which of them have no id left, as bits, or -1 if the prefix sums are missing, and the work done.
    Such a row gets arbitrary ids, which settle_row replaces.
    """
    k, exhausted = np.uint64(ids.shape[1]), np.int64(0)
    for row in range(b, stop):
        at, left = (row - b) * k, 1.0
        blocked = block_excluded(table, exclusions, np.uint64(batch.rows[row]), scratch)
        blocked, work = block_more(table, batch, row, blocked, work)
        run = kept_run(runs, row - b)
        if not blocked.left:
            exhausted |= np.int64(ONE << (row - b))
        else:
            left = np.float64(blocked.left)
            if not table.units.size:
                work = pick_row(blocked, run, at, k, drawn, work)
            else:
                done, work = redraw_row(table, blocked, run, at, k, scratch, drawn, hits, work)
                if not done:
                    return np.int64(-1), work
        for i in range(at, at + k):
            ratios[i] = np.float64(units_of(table, np.uint64(drawn[i]))) / left
    for row in range(b, stop):
        at = (row - b) * k
        log_ratios(ratios, at, row, ZERO, k, log_q)
        for j in range(k):
            ids[row, j], mask[row, j] = np.int64(drawn[at + j]), True
    return exhausted, work


@jit()
def rows_in_flight(k):
    """Return the number of rows with k slots each that are drawn side by side."""
    if k >= IN_FLIGHT:
        return ONE
    return GROUP if k * GROUP <= IN_FLIGHT else IN_FLIGHT // k


@jit()
def draw_rows(table, exclusions, batch, begin, end, budget, scratch, ids, log_q, mask):
    """Draw rows begin .. end - 1, in groups that propose at once.

    The slots of a row are independent of each other without unique. Long rows and rows with many exclude_ids
    are drawn one by one, as they may have to be paused.
    """
    k, work, weighted = np.uint64(ids.shape[1]), ZERO, table.units.size > 0
    width, group = min(k, IN_FLIGHT), rows_in_flight(k)
    few = np.uint64(batch.exclude_ids.shape[1]) <= SCANNED
    independent = not batch.unique and few and k <= IN_FLIGHT
    runs, proposals, ratios = stack_runs(), stack_proposals(), stack_ratios()
    drawn, hits = stack_ids(), stack_ids()
    if exclusions.indptr.size:
        for b in range(begin, min(end, begin + group)):
            prefetch_row(exclusions, np.uint64(batch.rows[b]))
    for b in range(begin, end, group):
        if work >= budget:
            return b, DONE, ZERO
        stop = min(end, b + group)
        for row in range(b, stop):
            run = start_row(exclusions, batch, row, group, end)
            keep_run(runs, row - b, run)
            if weighted:
                propose(table, run, ZERO, width, proposals, (row - b) * width)
        if weighted:
            resolve_all(table, proposals, (stop - b) * width, drawn, ZERO)
        waiting = np.int64(-1)  # rows that settle_row draws, as bits
        if independent:
            waiting, work = settle_group(
                table, exclusions, batch, b, stop, runs, scratch, ratios, work, drawn, hits, ids, log_q, mask
            )
            if waiting < 0:
                return b, NEEDS_PREFIX, ZERO
            if waiting == 0:
                continue
        for row in range(b, stop):
            if not (np.uint64(waiting) >> (row - b)) & ONE:
                continue
            run = kept_run(runs, row - b)
            settled, status, left, work = settle_row(
                table, exclusions, batch, row, run, scratch, budget, ratios, proposals, work,
                drawn, (row - b) * width, ids, log_q, mask,
            )  # fmt: skip
            if status != DONE or settled == row:
                return settled, status, left
    return end, DONE, ZERO


@jit()
def check_batch(batch):
    """Reject a record whose arrays do not fit together."""
    size = batch.rows.size
    if batch.exclude_ids.shape[0] != size or (batch.row_keys.size != 0 and batch.row_keys.size != size):  # noqa: PLR1714
        raise ValueError("batch: shapes differ")


@jit(
    (
        *(PROPOSER, EXCLUSIONS, BATCH, i64, i64, i64),
        *(writes(u64), writes(i64, 2), writes(f32, 2), writes(b1, 2)),
    )
)
def negatives_draw(table, exclusions, batch, begin, end, budget, scratch, ids, log_q, mask):
    """Draw rows begin .. end - 1, or fewer if the work exceeds the budget.

    The caller then calls again for the rest, and Python handles Ctrl-C in between.
    """
    check_proposer(table)
    check_exclusions(exclusions)
    check_batch(batch)
    size, k, m = batch.rows.size, ids.shape[1], batch.exclude_ids.shape[1]
    if ids.shape[0] != size or log_q.size != ids.size or mask.size != ids.size or begin < 0 or end > size:
        raise ValueError("negatives_draw: shapes differ")
    longest = scratch.size - 2 * (m + k) - 2 - PAUSED_WORDS
    if longest < 0:
        raise ValueError("negatives_draw: scratch is too small")
    after = np.uint64(scratch.size - PAUSED_WORDS)
    parts = Scratch(scratch, np.uint64(longest + 1), np.uint64(longest + 1 + m + k), after)
    first_row, last_row, most = np.uint64(begin), np.uint64(max(begin, end)), np.uint64(max(budget, 0))
    at, status, left = draw_rows(table, exclusions, batch, first_row, last_row, most, parts, ids, log_q, mask)
    return np.int64(at), status, np.int64(left)
