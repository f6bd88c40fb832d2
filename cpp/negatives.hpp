// Rows of negatives: proposals from the table, at most 32 redraws a slot, then an exact draw from the
// complement. Nothing excluded is ever given, and no loop is without an end (rng.py, "A row of negatives").
#pragma once

#include <algorithm>

#include "alias.hpp"
#include "elementary.hpp"
#include "exclusions.hpp"
#include "rng.hpp"

namespace equipoise {

constexpr int kRedraws = 32;
constexpr i64 kGroup = 16;      // rows in flight
constexpr i64 kInFlight = 256;  // proposals in flight
constexpr i64 kScanned = 128;   // exclusions up to which a slot is compared with all of them
constexpr i64 kBuffer = 64;     // ratios that wait for their logarithms
constexpr i64 kLine = 16, kPrefetched = 16 * kLine;  // exclusions a cache line; how many are asked for ahead

enum OnExhausted { kRaise = 0, kMask = 1, kReplace = 2 };
enum Status { kDone = 0, kNeedsPrefix = 1, kExhausted = 2 };

struct Progress {
    i64 rows;    // settled, counted from the batch's first row
    i64 status;  // of the row after them
    i64 left;    // kExhausted: how many ids it had
};

// The table that proposes. Without units it is uniform: one unit an id.
struct Proposer {
    u64 n, total;
    const u64* cells;
    const u64* units;
    const u64* prefix;  // prefix[i] = units of the ids below i; null until a row needs an exact draw
    EQUIPOISE_INLINE u64 units_of(u64 id) const { return units ? units[id] : 1; }
};

// The batch. Null pointers: row_keys, the counter keys the rows; indptr, nothing is excluded.
struct Batch {
    u64 key, lane, first;
    const u64* row_keys;
    const i64* rows;
    const i64* exclude_ids;  // m a row, -1 = none
    i64 m, k;
    const i64* indptr;
    const u32* excluded;
    const u64* excluded_units;  // a row; null for a uniform table, where it is the number of ids
    bool unique;
    int on_exhausted;
};

// Room for one row's exact draws: units of the blocked ids before each.
struct Scratch {
    u64* before_excluded;  // longest row of exclusions + 1
    u64* more;             // m + k
    u64* before_more;      // m + k + 1
};

template <class Id>
void sum_before(const Id* ids, i64 n, const u64* units, u64* before) {
    before[0] = 0;
    for (i64 i = 0; i < n; ++i) before[i + 1] = before[i] + units[ids[i]];
}

// The smallest id with (units of unblocked ids <= id) > target.
inline u64 exact_pick(const Proposer& table, const Blocked& blocked, const Scratch& scratch, u64 target) {
    u64 low = 0, high = table.n - 1;
    while (low < high) {
        const u64 id = low + (high - low) / 2;
        const u64 upto = table.prefix[id + 1] -
                         scratch.before_excluded[rank_of(blocked.excluded, blocked.num_excluded, id + 1)] -
                         scratch.before_more[rank_of(blocked.more, blocked.num_more, id + 1)];
        if (upto > target) {
            high = id;
        } else {
            low = id + 1;
        }
    }
    return low;
}

// The (rank + 1)-th smallest number that is not among the sorted, distinct ids: rank, shifted by the ids with
// ids[i] - i <= rank.
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

EQUIPOISE_INLINE Blocked open_row(const Proposer& table, const Batch& batch, i64 b, u64* more) {
    Blocked blocked{nullptr, 0, more, 0, table.total};
    if (batch.indptr) {
        const i64 row = batch.rows[b], from = batch.indptr[row];
        blocked.excluded = batch.excluded + from;
        blocked.num_excluded = batch.indptr[row + 1] - from;
        blocked.left -=
            batch.excluded_units ? batch.excluded_units[row] : static_cast<u64>(blocked.num_excluded);
    }
    for (i64 i = 0; i < batch.m; ++i) {
        if (batch.exclude_ids[b * batch.m + i] < 0) continue;
        const u64 id = static_cast<u64>(batch.exclude_ids[b * batch.m + i]);
        const i64 below_id = rank_of(blocked.excluded, blocked.num_excluded, id);
        if (below_id < blocked.num_excluded && blocked.excluded[below_id] == id) continue;
        const u64 entry = table.units ? id : id - static_cast<u64>(below_id);
        if (!contains(blocked.more, blocked.num_more, entry)) blocked.add(entry, table.units_of(id));
    }
    return blocked;
}

EQUIPOISE_INLINE void prefetch_row(const Batch& batch, i64 b) {
    if (!batch.indptr) return;
    const i64 row = batch.rows[b], from = batch.indptr[row],
              to = std::min(batch.indptr[row + 1], from + kPrefetched);
    for (i64 i = from; i < to; i += kLine) EQUIPOISE_PREFETCH(batch.excluded + i);
    EQUIPOISE_PREFETCH(batch.excluded_units + row);
}

// log q of the slots from .. to - 1, whose ratios wait in a buffer: apart from the draws, a loop that is
// vectorised.
EQUIPOISE_INLINE void log_ratios(const double* ratios, i64 from, i64 to, float* log_q) {
    for (i64 j = from; j < to; ++j) log_q[j] = static_cast<float>(log_normal(ratios[j - from]));
}

// The id of one slot that proposed a blocked one; n where it takes an exact draw for which the prefix sums
// are missing.
inline u64 redraw(const Proposer& table, const Blocked& blocked, const Run& run, const Scratch& scratch,
                  u64* cursor, bool* summed, i64* work) {
    for (int i = 0; i < kRedraws; ++i) {
        const u64 id = alias_pick(table.cells, table.n, run.word((*cursor)++));
        if (!blocked.has(id)) return id;
    }
    if (!table.prefix) return table.n;
    if (!*summed) sum_before(blocked.excluded, blocked.num_excluded, table.units, scratch.before_excluded);
    sum_before(blocked.more, blocked.num_more, table.units, scratch.before_more);
    *work += (*summed ? 0 : blocked.num_excluded / 8) + blocked.num_more / 8 + 64;
    *summed = true;
    return exact_pick(table, blocked, scratch, below(run.word((*cursor)++), blocked.left));
}

// One row, whose ids hold the resolved proposals of its slots.
inline Progress settle_row(const Proposer& table, const Batch& batch, i64 b, const Run& run,
                           const Scratch& scratch, i64* work, i64* ids, float* log_q, bool* mask) {
    Blocked blocked = open_row(table, batch, b, scratch.more);
    bool unique = batch.unique, summed = false;
    u64 cursor = static_cast<u64>(batch.k);
    double ratios[kBuffer];
    i64 j = 0, waiting = 0;
    for (; j < batch.k; ++j) {
        if (blocked.left == 0) {
            if (batch.on_exhausted == kMask) break;
            const bool again = unique && batch.on_exhausted == kReplace;
            if (again) blocked = open_row(table, batch, b, scratch.more);
            if (!again || blocked.left == 0) return {b, kExhausted, j};
            unique = false;
        }
        u64 id = static_cast<u64>(ids[j]), entry = id;
        if (!table.units) {
            entry =
                shifted(blocked.more, blocked.num_more, below(run.word(static_cast<u64>(j)), blocked.left));
            id = shifted(blocked.excluded, blocked.num_excluded, entry);
        } else if (blocked.has(id)) {
            id = entry = redraw(table, blocked, run, scratch, &cursor, &summed, work);
            if (id == table.n) return {b, kNeedsPrefix, 0};
        }
        const u64 units = table.units_of(id);
        ids[j] = static_cast<i64>(id);
        mask[j] = true;
        ratios[waiting++] = static_cast<double>(units) / static_cast<double>(blocked.left);
        if (waiting == kBuffer) {
            log_ratios(ratios, j + 1 - waiting, j + 1, log_q);
            waiting = 0;
        }
        if (unique) {
            blocked.add(entry, units);
            *work += 1 + blocked.num_more / 16;
        }
    }
    log_ratios(ratios, j - waiting, j, log_q);
    for (; j < batch.k; ++j) ids[j] = -1, log_q[j] = 0.0f, mask[j] = false;
    *work += static_cast<i64>(cursor) + 8;
    return {b + 1, kDone, 0};
}

// The words of a row; on the way, what rows one and two groups further on will need is asked for.
EQUIPOISE_INLINE Run start_row(const Batch& batch, i64 row, i64 group, i64 end) {
    if (row + group < end) prefetch_row(batch, row + group);
    if (batch.indptr && row + 2 * group < end) EQUIPOISE_PREFETCH(batch.indptr + batch.rows[row + 2 * group]);
    return Run(batch.key, batch.row_keys ? batch.row_keys[row] : batch.first + static_cast<u64>(row),
               batch.lane);
}

// Redraws those of a row's independent proposals that are excluded. False: prefix sums are missing.
EQUIPOISE_INLINE bool redraw_row(const Proposer& table, const Blocked& blocked, const Run& run, i64 k,
                                 const Scratch& scratch, u32* ids, i64* work) {
    u32 hits[kInFlight], any = 0;
    if (blocked.num_excluded <= kScanned) {
        scan_slots(blocked.excluded, blocked.num_excluded, ids, k, hits);
    } else {
        for (i64 j = 0; j < k; ++j) hits[j] = contains(blocked.excluded, blocked.num_excluded, ids[j]);
    }
    for (i64 j = 0; j < k; ++j) any |= hits[j];
    u64 cursor = static_cast<u64>(k);
    bool summed = false;
    for (i64 j = 0; any && j < k; ++j) {
        if (!hits[j]) continue;
        const u64 id = redraw(table, blocked, run, scratch, &cursor, &summed, work);
        if (id == table.n) return false;
        ids[j] = static_cast<u32>(id);
    }
    *work += static_cast<i64>(cursor) + 8;
    return true;
}

constexpr i64 rows_in_flight(i64 k) {
    return k >= kInFlight ? 1 : k * kGroup <= kInFlight ? kGroup : kInFlight / k;
}

// Slots that are drawn independently: a table with weights, neither unique nor exclude_ids, k <= kInFlight. A
// group of rows goes through one loop after the other; each is vectorised, or waits for memory that the loop
// before has asked for.
EQUIPOISE_INLINE Progress draw_independent(const Proposer& table, const Batch& batch, i64 begin, i64 end,
                                           i64 budget, const Scratch& scratch, i64* ids, float* log_q,
                                           bool* mask) {
    const i64 k = batch.k, group = rows_in_flight(k);
    Run runs[kGroup];
    u64 proposals[kInFlight];
    u32 drawn[kInFlight];
    double ratios[kInFlight];
    i64 work = 0;
    for (i64 b = begin; b < std::min(end, begin + group); ++b) prefetch_row(batch, b);
    for (i64 b = begin; b < end; b += group) {
        if (work >= budget) return {b, kDone, 0};
        const i64 stop = std::min(end, b + group), size = (stop - b) * k;
        for (i64 row = b; row < stop; ++row) {
            const Run run = runs[row - b] = start_row(batch, row, group, end);
            u64* p = proposals + (row - b) * k;
            for (i64 j = 0; j < k; ++j) p[j] = column_and_coin(run.word(static_cast<u64>(j)), table.n);
        }
        for (i64 i = 0; i < size; ++i) EQUIPOISE_PREFETCH(table.cells + (proposals[i] >> 32));
        for (i64 i = 0; i < size; ++i) drawn[i] = resolve(proposals[i], table.cells[proposals[i] >> 32]);
        for (i64 i = 0; i < size; ++i) EQUIPOISE_PREFETCH(table.units + drawn[i]);
        for (i64 row = b; row < stop; ++row) {
            const Blocked blocked = open_row(table, batch, row, scratch.more);
            const i64 at = (row - b) * k;
            if (blocked.left && !redraw_row(table, blocked, runs[row - b], k, scratch, drawn + at, &work))
                return {b, kNeedsPrefix, 0};
            // A row with nothing left gets anything here: settle_row, below, says what becomes of it.
            const double left = blocked.left ? static_cast<double>(blocked.left) : 1.0;
            for (i64 i = at; i < at + k; ++i) ratios[i] = static_cast<double>(table.units[drawn[i]]) / left;
        }
        log_ratios(ratios, b * k, stop * k, log_q);
        for (i64 i = 0; i < size; ++i) ids[b * k + i] = drawn[i];
        std::fill(mask + b * k, mask + stop * k, true);
        for (i64 row = b; row < stop && batch.excluded_units; ++row) {
            if (batch.excluded_units[batch.rows[row]] != table.total) continue;
            const i64 at = row * k;
            const Progress progress =
                settle_row(table, batch, row, runs[row - b], scratch, &work, ids + at, log_q + at, mask + at);
            if (progress.status != kDone) return progress;
        }
    }
    return {end, kDone, 0};
}

// Slots that depend on those before them, or on a row's own exclude_ids; and uniform tables.
EQUIPOISE_INLINE Progress draw_in_order(const Proposer& table, const Batch& batch, i64 begin, i64 end,
                                        i64 budget, const Scratch& scratch, i64* ids, float* log_q,
                                        bool* mask) {
    const i64 k = batch.k, group = rows_in_flight(k);
    Run runs[kGroup];
    i64 work = 0;
    for (i64 b = begin; b < std::min(end, begin + group); ++b) prefetch_row(batch, b);
    for (i64 b = begin; b < end; b += group) {
        if (work >= budget) return {b, kDone, 0};
        const i64 stop = std::min(end, b + group);
        for (i64 row = b; row < stop; ++row) {
            const Run run = runs[row - b] = start_row(batch, row, group, end);
            for (i64 j = 0; table.units && j < k; ++j) {
                const u64 proposal = column_and_coin(run.word(static_cast<u64>(j)), table.n);
                EQUIPOISE_PREFETCH(table.cells + (proposal >> 32));
                ids[row * k + j] = static_cast<i64>(proposal);
            }
        }
        for (i64 i = b * k; table.units && i < stop * k; ++i) {
            const u64 proposal = static_cast<u64>(ids[i]);
            const u32 id = resolve(proposal, table.cells[proposal >> 32]);
            EQUIPOISE_PREFETCH(table.units + id);
            ids[i] = id;
        }
        for (i64 row = b; row < stop; ++row) {
            const i64 at = row * k;
            const Progress progress =
                settle_row(table, batch, row, runs[row - b], scratch, &work, ids + at, log_q + at, mask + at);
            if (progress.status != kDone) return progress;
        }
    }
    return {end, kDone, 0};
}

// Rows begin .. end - 1, or fewer once the work passes the budget: the caller comes back for the rest, and
// sees Ctrl-C in between.
EQUIPOISE_INLINE Progress negatives_draw(const Proposer& table, const Batch& batch, i64 begin, i64 end,
                                         i64 budget, const Scratch& scratch, i64* ids, float* log_q,
                                         bool* mask) {
    const bool independent = table.units && !batch.unique && batch.m == 0 && batch.k <= kInFlight;
    if (independent) return draw_independent(table, batch, begin, end, budget, scratch, ids, log_q, mask);
    return draw_in_order(table, batch, begin, end, budget, scratch, ids, log_q, mask);
}

}  // namespace equipoise
