// Negatives, row by row: each slot takes a proposal from the table, then at most 32 redraws, then an exact
// draw from the ids that are not blocked. No blocked id is ever returned and every loop ends (rng.py, "A row
// of negatives").
//
//   negatives_draw    groups of rows
//     settle_group    rows whose slots are independent of each other: one loop after another, vectorized
//       redraw_row
//       pick_row      of a uniform table
//     settle_row      any other row, slot by slot
//       redraw        one slot: redraws, then exact_pick
#pragma once

#include <algorithm>

#include "negatives/exclusions.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"
#include "tables/alias.hpp"
#include "tables/proposer.hpp"

namespace equipoise {

constexpr int kRedraws = 32;
constexpr i64 kGroup = 16;               // rows in flight
constexpr i64 kInFlight = 256;           // proposals in flight
constexpr i64 kScanned = 128;            // up to this many exclusions, a slot is compared with all of them
constexpr i64 kBuffer = 64;              // ratios whose logarithms are taken together
constexpr i64 kLine = 16;                // exclusions per cache line
constexpr i64 kPrefetched = 16 * kLine;  // exclusions of a row that are prefetched

enum OnExhausted { kRaise = 0, kMask = 1, kReplace = 2 };
enum Status { kDone = 0, kNeedsPrefix = 1, kExhausted = 2 };

struct Progress {
    i64 rows;    // number of finished rows, counted from the batch's first row
    i64 status;  // of the next row
    i64 left;    // if kExhausted, the number of ids that the row had
};

// The rows of one call and how to draw for them.
struct Batch {
    u64 key, lane;
    u64 first;            // number of the first row, if row_keys is null
    const u64* row_keys;  // null if rows are keyed by their numbers
    const i64* rows;
    const i64* exclude_ids;  // m per row; -1 means none
    bool unique;
    int on_exhausted;
    // Shapes, which the twin reads from its arrays: exclude_ids and negatives per row, and the number of
    // rows.
    i64 m, k, size;
};

// A row that exceeds the budget of a call is paused, and the next call resumes it. Its state is kept here.
enum Paused {
    kSlot = 0,  // 0 if no row is paused
    kCursor = 1,
    kNumMore = 2,
    kLeft = 3,
    kFlags = 4,
    kPausedWords = 5
};

// Memory for one row. Exact draws need the units of the blocked ids before each blocked id.
struct Scratch {
    u64* before_excluded;  // longest row of exclusions + 1
    u64* more;             // m + k
    u64* before_more;      // m + k + 1
    u64* paused;           // kPausedWords
};

// The state of a row between two slots.
struct RowState {
    Blocked blocked;
    u64 cursor;  // next redraw word
    bool unique;
    bool summed;  // scratch.before_excluded is filled
};

// Set before[i] to the sum of the units of the first i ids.
template <class Id>
void sum_before(const Id* ids, i64 n, const u64* units, u64* before) {
    before[0] = 0;
    for (i64 i = 0; i < n; ++i) before[i + 1] = before[i] + units[ids[i]];
}

// Return the smallest id with (units of unblocked ids <= id) > target.
inline u64 exact_pick(const Proposer& table, const Blocked& blocked, const Scratch& scratch, u64 target) {
    u64 low = 0, high = table.n - 1;
    while (low < high) {
        const u64 id = low + (high - low) / 2;
        const u64 up_to = table.prefix[id + 1] -
                          scratch.before_excluded[rank_of(blocked.excluded, blocked.num_excluded, id + 1)] -
                          scratch.before_more[rank_of(blocked.more, blocked.num_more, id + 1)];
        if (up_to > target) {
            high = id;
        } else {
            low = id + 1;
        }
    }
    return low;
}

// Return the (rank + 1)-th smallest number that is not among the sorted, distinct ids: rank plus the number
// of ids with ids[i] - i <= rank.
template <class Id>
EQUIPOISE_INLINE u64 shifted(const Id* ids, i64 n, u64 rank) {
    i64 base = 0;
    while (n > 1) {
        const i64 half = n / 2, last = base + half - 1;
        base += ids[last] - static_cast<u64>(last) <= rank ? half : 0;
        n -= half;
    }
    return rank + static_cast<u64>(base + (n == 1 && ids[base] - static_cast<u64>(base) <= rank));
}

// Apply shifted to k slots. Each id is compared with sixteen slots at once, as in scan_slots.
template <class Id>
EQUIPOISE_INLINE void shift_slots(const Id* ids, i64 n, u32* slots, i64 k) {
    constexpr i64 kWide = 16;
    i64 j = 0;
    for (; n <= kScanned && j + kWide <= k; j += kWide) {
        u32 ranks[kWide], below_rank[kWide] = {};
        for (i64 s = 0; s < kWide; ++s) ranks[s] = slots[j + s];
        for (i64 i = 0; i < n; ++i) {
            const u32 shift = static_cast<u32>(ids[i] - static_cast<u64>(i));
            for (i64 s = 0; s < kWide; ++s) below_rank[s] += shift <= ranks[s];
        }
        for (i64 s = 0; s < kWide; ++s) slots[j + s] = ranks[s] + below_rank[s];
    }
    for (; j < k; ++j) slots[j] = static_cast<u32>(shifted(ids, n, slots[j]));
}

// Return what the exclusions of a row block.
EQUIPOISE_INLINE Blocked block_excluded(const Proposer& table, const Exclusions& exclusions, i64 row,
                                        u64* more) {
    Blocked blocked{nullptr, 0, more, 0, table.total};
    if (exclusions.indptr) {
        const i64 from = exclusions.indptr[row];
        blocked.excluded = exclusions.ids + from;
        blocked.num_excluded = exclusions.indptr[row + 1] - from;
        blocked.left -= exclusions.units ? exclusions.units[row] : static_cast<u64>(blocked.num_excluded);
    }
    return blocked;
}

// Block the exclude_ids of row b as well. They are sorted, so adding one moves no other.
EQUIPOISE_INLINE void block_more(const Proposer& table, const Batch& batch, i64 b, Blocked& blocked,
                                 i64* work) {
    *work += batch.m;
    for (i64 i = 0; i < batch.m; ++i) {
        if (batch.exclude_ids[b * batch.m + i] < 0) continue;
        const u64 id = static_cast<u64>(batch.exclude_ids[b * batch.m + i]);
        const i64 below_id = rank_of(blocked.excluded, blocked.num_excluded, id);
        if (below_id < blocked.num_excluded && blocked.excluded[below_id] == id) continue;
        const u64 entry = table.units ? id : id - static_cast<u64>(below_id);
        if (!contains(blocked.more, blocked.num_more, entry)) blocked.add(entry, units_of(table, id));
    }
}

EQUIPOISE_INLINE void prefetch_row(const Exclusions& exclusions, i64 row) {
    const i64 from = exclusions.indptr[row], to = std::min(exclusions.indptr[row + 1], from + kPrefetched);
    for (i64 i = from; i < to; i += kLine) EQUIPOISE_PREFETCH(exclusions.ids + i);
    if (exclusions.units) EQUIPOISE_PREFETCH(exclusions.units + row);
}

// Set log_q of slots from .. to - 1, whose ratios were buffered. This loop is vectorized, since nothing is
// drawn in it.
EQUIPOISE_INLINE void log_ratios(const double* ratios, i64 from, i64 to, float* log_q) {
    for (i64 j = from; j < to; ++j) log_q[j] = static_cast<float>(log_normal(ratios[j - from]));
}

// Compute the proposals of slots from .. to - 1 of a row, without looking up their cells.
EQUIPOISE_INLINE void propose(const Proposer& table, const Run& run, i64 from, i64 to, u64* proposals) {
    for (i64 j = from; j < to; ++j)
        proposals[j - from] = column_and_coin(run.word(static_cast<u64>(j)), table.n);
}

// Turn proposals into ids. Each loop reads memory that the previous loop has prefetched.
EQUIPOISE_INLINE void resolve_all(const Proposer& table, const u64* proposals, i64 size, u32* drawn) {
    for (i64 i = 0; i < size; ++i) EQUIPOISE_PREFETCH(table.cells + (proposals[i] >> 32));
    for (i64 i = 0; i < size; ++i) drawn[i] = resolve(proposals[i], table.cells[proposals[i] >> 32]);
    for (i64 i = 0; i < size; ++i) EQUIPOISE_PREFETCH(table.units + drawn[i]);
}

// Return the id of a slot whose proposal was blocked. If that takes an exact draw and the prefix sums are
// missing, return n and leave the cursor unchanged.
inline u64 redraw(const Proposer& table, const Run& run, const Scratch& scratch, RowState* state, i64* work) {
    const Blocked& blocked = state->blocked;
    for (int i = 0; i < kRedraws; ++i) {
        const u64 id = alias_pick(table.cells, table.n, run.word(state->cursor++));
        ++*work;
        if (!blocked.has(id)) return id;
    }
    if (!table.prefix) {
        state->cursor -= kRedraws;
        return table.n;
    }
    if (!state->summed) {
        sum_before(blocked.excluded, blocked.num_excluded, table.units, scratch.before_excluded);
        *work += blocked.num_excluded / 8;
    }
    sum_before(blocked.more, blocked.num_more, table.units, scratch.before_more);
    *work += blocked.num_more / 8 + 64;
    state->summed = true;
    return exact_pick(table, blocked, scratch, below(run.word(state->cursor++), blocked.left));
}

// Store the state of a row before a slot, from which the next call resumes it.
inline void pause(const RowState& state, i64 slot, u64* paused) {
    paused[kSlot] = static_cast<u64>(slot);
    paused[kCursor] = state.cursor;
    paused[kNumMore] = static_cast<u64>(state.blocked.num_more);
    paused[kLeft] = state.blocked.left;
    paused[kFlags] = (state.unique ? 1 : 0) | (state.summed ? 2 : 0);
}

// Restore what pause stored. The entries of scratch.more are still there.
inline void resume(RowState* state, u64* paused) {
    state->cursor = paused[kCursor];
    state->blocked.num_more = static_cast<i64>(paused[kNumMore]);
    state->blocked.left = paused[kLeft];
    state->unique = paused[kFlags] & 1;
    state->summed = paused[kFlags] & 2;
    paused[kSlot] = 0;
}

// Return the state of row b before its first slot, or where it was paused.
EQUIPOISE_INLINE RowState open_row(const Proposer& table, const Exclusions& exclusions, const Batch& batch,
                                   i64 b, const Scratch& scratch, i64* work) {
    RowState state{block_excluded(table, exclusions, batch.rows[b], scratch.more), static_cast<u64>(batch.k),
                   batch.unique, false};
    if (scratch.paused[kSlot])
        resume(&state, scratch.paused);
    else
        block_more(table, batch, b, state.blocked, work);
    return state;
}

// Return the id of a slot of a uniform table, and set what blocks it.
EQUIPOISE_INLINE u64 pick_uniform(const Blocked& blocked, u64 word, u64* entry) {
    *entry = shifted(blocked.more, blocked.num_more, below(word, blocked.left));
    return shifted(blocked.excluded, blocked.num_excluded, *entry);
}

// Fill drawn with the proposed ids of the slots from `from` on, and return the end of these slots.
inline i64 propose_more(const Proposer& table, const Run& run, i64 from, i64 k, u32* drawn) {
    u64 proposals[kInFlight];
    const i64 to = std::min(k, from + kInFlight);
    propose(table, run, from, to, proposals);
    resolve_all(table, proposals, to - from, drawn);
    return to;
}

// Draw one row, slot by slot. drawn holds the proposed ids of the first kInFlight slots, and later those of
// the following slots. Nothing is read from the outputs, since other threads of the caller may write to them.
inline Progress settle_row(const Proposer& table, const Exclusions& exclusions, const Batch& batch, i64 b,
                           const Run& run, const Scratch& scratch, i64 budget, i64* work, u32* drawn,
                           i64* ids, float* log_q, bool* mask) {
    const i64 k = batch.k;
    i64 j = static_cast<i64>(scratch.paused[kSlot]), from = 0, to = j ? 0 : std::min(k, kInFlight),
        waiting = 0;
    RowState state = open_row(table, exclusions, batch, b, scratch, work);
    Blocked& blocked = state.blocked;
    double ratios[kBuffer];
    for (; j < k; ++j) {
        if (waiting == kBuffer) {
            log_ratios(ratios, j - waiting, j, log_q);
            waiting = 0;
            if (*work >= budget) {
                pause(state, j, scratch.paused);
                return {b, kDone, 0};
            }
        }
        if (blocked.left == 0) {
            if (batch.on_exhausted == kMask) break;
            const bool replaces = state.unique && batch.on_exhausted == kReplace;
            if (replaces) blocked = open_row(table, exclusions, batch, b, scratch, work).blocked;
            if (!replaces || blocked.left == 0) return {b, kExhausted, j};
            state.unique = false;
        }
        u64 id, entry;
        if (!table.units) {
            id = pick_uniform(blocked, run.word(static_cast<u64>(j)), &entry);
        } else {
            if (j >= to) {
                from = j;
                to = propose_more(table, run, from, k, drawn);
            }
            id = entry = drawn[j - from];
            if (blocked.has(id)) {
                id = entry = redraw(table, run, scratch, &state, work);
                if (id == table.n) {
                    log_ratios(ratios, j - waiting, j, log_q);
                    pause(state, j, scratch.paused);
                    return {b, kNeedsPrefix, 0};
                }
            }
        }
        const u64 units = units_of(table, id);
        ids[j] = static_cast<i64>(id);
        mask[j] = true;
        ratios[waiting++] = static_cast<double>(units) / static_cast<double>(blocked.left);
        ++*work;
        if (state.unique) {
            blocked.add(entry, units);
            *work += 1 + blocked.num_more / 16;
        }
    }
    log_ratios(ratios, j - waiting, j, log_q);
    *work += k - j + 8;
    for (; j < k; ++j) ids[j] = -1, log_q[j] = 0.0f, mask[j] = false;
    return {b + 1, kDone, 0};
}

// Return the words of a row, and prefetch the exclusions of the rows one and two groups ahead.
EQUIPOISE_INLINE Run start_row(const Exclusions& exclusions, const Batch& batch, i64 row, i64 group,
                               i64 end) {
    if (exclusions.indptr) {
        if (row + group < end) prefetch_row(exclusions, batch.rows[row + group]);
        if (row + 2 * group < end) EQUIPOISE_PREFETCH(exclusions.indptr + batch.rows[row + 2 * group]);
    }
    return Run(batch.key, batch.row_keys ? batch.row_keys[row] : batch.first + static_cast<u64>(row),
               batch.lane);
}

// Redraw the proposals of a row that are blocked, where slots are independent. Return false if the prefix
// sums are missing.
EQUIPOISE_INLINE bool redraw_row(const Proposer& table, const Blocked& blocked, const Run& run, i64 k,
                                 const Scratch& scratch, u32* ids, i64* work) {
    u32 hits[kInFlight], any = 0;
    if (blocked.num_excluded <= kScanned) {
        scan_slots(blocked.excluded, blocked.num_excluded, ids, k, hits);
    } else {
        for (i64 j = 0; j < k; ++j) hits[j] = contains(blocked.excluded, blocked.num_excluded, ids[j]);
    }
    for (i64 i = 0; i < blocked.num_more; ++i) {
        for (i64 j = 0; j < k; ++j) hits[j] |= 0u - static_cast<u32>(ids[j] == blocked.more[i]);
    }
    for (i64 j = 0; j < k; ++j) any |= hits[j];
    RowState state{blocked, static_cast<u64>(k), false, false};
    for (i64 j = 0; any && j < k; ++j) {
        if (!hits[j]) continue;
        const u64 id = redraw(table, run, scratch, &state, work);
        if (id == table.n) return false;
        ids[j] = static_cast<u32>(id);
    }
    *work += k + 8;
    return true;
}

// Draw a row of a uniform table, where slots are independent.
EQUIPOISE_INLINE void pick_row(const Blocked& blocked, const Run& run, i64 k, u32* ids, i64* work) {
    for (i64 j = 0; j < k; ++j) ids[j] = static_cast<u32>(below(run.word(static_cast<u64>(j)), blocked.left));
    shift_slots(blocked.more, blocked.num_more, ids, k);
    shift_slots(blocked.excluded, blocked.num_excluded, ids, k);
    *work += k + 8;
}

// Draw rows b .. stop - 1, whose slots are independent of each other. Return which of them have no id left,
// as bits, or -1 if the prefix sums are missing. Such a row gets arbitrary ids, which settle_row replaces.
EQUIPOISE_INLINE i64 settle_group(const Proposer& table, const Exclusions& exclusions, const Batch& batch,
                                  i64 b, i64 stop, const Run* runs, const Scratch& scratch, i64* work,
                                  u32* drawn, i64* ids, float* log_q, bool* mask) {
    const i64 k = batch.k, size = (stop - b) * k;
    i64 exhausted = 0;
    double ratios[kInFlight];
    for (i64 row = b; row < stop; ++row) {
        Blocked blocked = block_excluded(table, exclusions, batch.rows[row], scratch.more);
        block_more(table, batch, row, blocked, work);
        const i64 at = (row - b) * k;
        if (!blocked.left) {
            exhausted |= i64{1} << (row - b);
        } else if (!table.units) {
            pick_row(blocked, runs[row - b], k, drawn + at, work);
        } else if (!redraw_row(table, blocked, runs[row - b], k, scratch, drawn + at, work)) {
            return -1;
        }
        const double left = blocked.left ? static_cast<double>(blocked.left) : 1.0;
        for (i64 i = at; i < at + k; ++i) ratios[i] = static_cast<double>(units_of(table, drawn[i])) / left;
    }
    log_ratios(ratios, b * k, stop * k, log_q);
    for (i64 i = 0; i < size; ++i) ids[b * k + i] = drawn[i];
    std::fill(mask + b * k, mask + stop * k, true);
    return exhausted;
}

constexpr i64 rows_in_flight(i64 k) {
    return k >= kInFlight ? 1 : k * kGroup <= kInFlight ? kGroup : kInFlight / k;
}

// Draw rows begin .. end - 1, or fewer if the work exceeds the budget. The caller then calls again for the
// rest, and Python handles Ctrl-C in between. The slots of a row are independent of each other without
// unique. Long rows and rows with many exclude_ids are drawn one by one, as they may have to be paused.
EQUIPOISE_INLINE Progress negatives_draw(const Proposer& table, const Exclusions& exclusions,
                                         const Batch& batch, i64 begin, i64 end, i64 budget,
                                         const Scratch& scratch, i64* ids, float* log_q, bool* mask) {
    const i64 k = batch.k, width = std::min(k, kInFlight), group = rows_in_flight(k);
    const bool independent = !batch.unique && batch.m <= kScanned && k <= kInFlight;
    Run runs[kGroup];
    u64 proposals[kInFlight];
    u32 drawn[kInFlight];
    i64 work = 0;
    for (i64 b = begin; exclusions.indptr && b < std::min(end, begin + group); ++b)
        prefetch_row(exclusions, batch.rows[b]);
    for (i64 b = begin; b < end; b += group) {
        if (work >= budget) return {b, kDone, 0};
        const i64 stop = std::min(end, b + group);
        for (i64 row = b; row < stop; ++row) {
            const Run run = runs[row - b] = start_row(exclusions, batch, row, group, end);
            if (table.units) propose(table, run, 0, width, proposals + (row - b) * width);
        }
        if (table.units) resolve_all(table, proposals, (stop - b) * width, drawn);
        i64 waiting = -1;  // rows that settle_row draws, as bits
        if (independent) {
            waiting = settle_group(table, exclusions, batch, b, stop, runs, scratch, &work, drawn, ids, log_q,
                                   mask);
            if (waiting < 0) return {b, kNeedsPrefix, 0};
        }
        for (i64 row = b; waiting && row < stop; ++row) {
            if (!(waiting >> (row - b) & 1)) continue;
            const i64 at = row * k;
            const Progress progress =
                settle_row(table, exclusions, batch, row, runs[row - b], scratch, budget, &work,
                           drawn + (row - b) * width, ids + at, log_q + at, mask + at);
            if (progress.status != kDone || progress.rows == row) return progress;
        }
    }
    return {end, kDone, 0};
}

}  // namespace equipoise
