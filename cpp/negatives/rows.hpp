// Rows of negatives: proposals from the table, at most 32 redraws a slot, then an exact draw from the
// complement. Nothing excluded is ever given, and no loop is without an end (rng.py, "A row of negatives").
#pragma once

#include <algorithm>

#include "negatives/exclusions.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"
#include "tables/alias.hpp"
#include "tables/proposer.hpp"

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

// A row that is longer than a call's budget is left in the middle, and the next call goes on from there.
enum Paused {
    kSlot = 0,
    kCursor = 1,
    kNumMore = 2,
    kLeft = 3,
    kFlags = 4,
    kPausedWords = 5
};  // kSlot 0: no row

// Room for one row: units of the blocked ids before each, for its exact draws, and where it was left.
struct Scratch {
    u64* before_excluded;  // longest row of exclusions + 1
    u64* more;             // m + k
    u64* before_more;      // m + k + 1
    u64* paused;           // kPausedWords
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

// What row b must not get. exclude_ids are sorted, so that adding them one by one takes no time.
EQUIPOISE_INLINE Blocked open_row(const Proposer& table, const Batch& batch, i64 b, u64* more, i64* work,
                                  bool paused) {
    Blocked blocked{nullptr, 0, more, 0, table.total};
    if (batch.indptr) {
        const i64 row = batch.rows[b], from = batch.indptr[row];
        blocked.excluded = batch.excluded + from;
        blocked.num_excluded = batch.indptr[row + 1] - from;
        blocked.left -=
            batch.excluded_units ? batch.excluded_units[row] : static_cast<u64>(blocked.num_excluded);
    }
    if (paused) return blocked;  // more is as it was left
    *work += batch.m;
    for (i64 i = 0; i < batch.m; ++i) {
        if (batch.exclude_ids[b * batch.m + i] < 0) continue;
        const u64 id = static_cast<u64>(batch.exclude_ids[b * batch.m + i]);
        const i64 below_id = rank_of(blocked.excluded, blocked.num_excluded, id);
        if (below_id < blocked.num_excluded && blocked.excluded[below_id] == id) continue;
        const u64 entry = table.units ? id : id - static_cast<u64>(below_id);
        if (!contains(blocked.more, blocked.num_more, entry)) blocked.add(entry, units_of(table, id));
    }
    return blocked;
}

EQUIPOISE_INLINE void prefetch_row(const Batch& batch, i64 b) {
    if (!batch.indptr) return;
    const i64 row = batch.rows[b], from = batch.indptr[row],
              to = std::min(batch.indptr[row + 1], from + kPrefetched);
    for (i64 i = from; i < to; i += kLine) EQUIPOISE_PREFETCH(batch.excluded + i);
    if (batch.excluded_units) EQUIPOISE_PREFETCH(batch.excluded_units + row);
}

// log q of the slots from .. to - 1, whose ratios wait in a buffer: apart from the draws, a loop that is
// vectorised.
EQUIPOISE_INLINE void log_ratios(const double* ratios, i64 from, i64 to, float* log_q) {
    for (i64 j = from; j < to; ++j) log_q[j] = static_cast<float>(log_normal(ratios[j - from]));
}

// What slots from .. to - 1 of a row propose, not yet resolved.
EQUIPOISE_INLINE void propose(const Proposer& table, const Run& run, i64 from, i64 to, u64* proposals) {
    for (i64 j = from; j < to; ++j)
        proposals[j - from] = column_and_coin(run.word(static_cast<u64>(j)), table.n);
}

// Their ids; each loop waits for memory that the loop before has asked for.
EQUIPOISE_INLINE void resolve_all(const Proposer& table, const u64* proposals, i64 size, u32* drawn) {
    for (i64 i = 0; i < size; ++i) EQUIPOISE_PREFETCH(table.cells + (proposals[i] >> 32));
    for (i64 i = 0; i < size; ++i) drawn[i] = resolve(proposals[i], table.cells[proposals[i] >> 32]);
    for (i64 i = 0; i < size; ++i) EQUIPOISE_PREFETCH(table.units + drawn[i]);
}

// The id of one slot that proposed a blocked one; n where it takes an exact draw for which the prefix sums
// are missing.
inline u64 redraw(const Proposer& table, const Blocked& blocked, const Run& run, const Scratch& scratch,
                  u64* cursor, bool* summed, i64* work) {
    for (int i = 0; i < kRedraws; ++i) {
        const u64 id = alias_pick(table.cells, table.n, run.word((*cursor)++));
        ++*work;
        if (!blocked.has(id)) return id;
    }
    if (!table.prefix) return table.n;
    if (!*summed) sum_before(blocked.excluded, blocked.num_excluded, table.units, scratch.before_excluded);
    sum_before(blocked.more, blocked.num_more, table.units, scratch.before_more);
    *work += (*summed ? 0 : blocked.num_excluded / 8) + blocked.num_more / 8 + 64;
    *summed = true;
    return exact_pick(table, blocked, scratch, below(run.word((*cursor)++), blocked.left));
}

// One row, slot after slot. drawn holds what its first kInFlight slots propose, and has room for as many as
// come after them. Nothing is read from the results: they are the caller's, who may write to them.
inline Progress settle_row(const Proposer& table, const Batch& batch, i64 b, const Run& run,
                           const Scratch& scratch, i64 budget, i64* work, u32* drawn, i64* ids, float* log_q,
                           bool* mask) {
    u64* paused = scratch.paused;
    i64 j = static_cast<i64>(paused[kSlot]), from = 0, to = j ? 0 : std::min(batch.k, kInFlight), waiting = 0;
    Blocked blocked = open_row(table, batch, b, scratch.more, work, j > 0);
    bool unique = batch.unique, summed = false;
    u64 cursor = static_cast<u64>(batch.k);
    if (j) {
        cursor = paused[kCursor];
        blocked.num_more = static_cast<i64>(paused[kNumMore]);
        blocked.left = paused[kLeft];
        unique = paused[kFlags] & 1;
        summed = paused[kFlags] & 2;
        paused[kSlot] = 0;
    }
    const auto pause = [&](u64 next_cursor) {
        paused[kSlot] = static_cast<u64>(j);
        paused[kCursor] = next_cursor;
        paused[kNumMore] = static_cast<u64>(blocked.num_more);
        paused[kLeft] = blocked.left;
        paused[kFlags] = (unique ? 1 : 0) | (summed ? 2 : 0);
    };
    double ratios[kBuffer];
    u64 proposals[kInFlight];
    for (; j < batch.k; ++j) {
        if (waiting == kBuffer) {
            log_ratios(ratios, j - waiting, j, log_q);
            waiting = 0;
            if (*work >= budget) {
                pause(cursor);
                return {b, kDone, 0};
            }
        }
        if (blocked.left == 0) {
            if (batch.on_exhausted == kMask) break;
            const bool again = unique && batch.on_exhausted == kReplace;
            if (again) blocked = open_row(table, batch, b, scratch.more, work, false);
            if (!again || blocked.left == 0) return {b, kExhausted, j};
            unique = false;
        }
        u64 id, entry;
        if (!table.units) {
            entry =
                shifted(blocked.more, blocked.num_more, below(run.word(static_cast<u64>(j)), blocked.left));
            id = shifted(blocked.excluded, blocked.num_excluded, entry);
        } else {
            if (j >= to) {
                from = j;
                to = std::min(batch.k, j + kInFlight);
                propose(table, run, from, to, proposals);
                resolve_all(table, proposals, to - from, drawn);
            }
            id = entry = drawn[j - from];
            if (blocked.has(id)) {
                const u64 before = cursor;
                id = entry = redraw(table, blocked, run, scratch, &cursor, &summed, work);
                if (id == table.n) {
                    log_ratios(ratios, j - waiting, j, log_q);
                    pause(before);
                    return {b, kNeedsPrefix, 0};
                }
            }
        }
        const u64 units = units_of(table, id);
        ids[j] = static_cast<i64>(id);
        mask[j] = true;
        ratios[waiting++] = static_cast<double>(units) / static_cast<double>(blocked.left);
        ++*work;
        if (unique) {
            blocked.add(entry, units);
            *work += 1 + blocked.num_more / 16;
        }
    }
    log_ratios(ratios, j - waiting, j, log_q);
    *work += batch.k - j + 8;
    for (; j < batch.k; ++j) ids[j] = -1, log_q[j] = 0.0f, mask[j] = false;
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
    *work += k + 8;
    return true;
}

// Rows whose slots are drawn independently, from b to stop - 1: one loop after the other, each vectorised.
// False: prefix sums are missing. A row with nothing left gets anything: settle_row says what becomes of it.
EQUIPOISE_INLINE bool settle_group(const Proposer& table, const Batch& batch, i64 b, i64 stop,
                                   const Run* runs, const Scratch& scratch, i64* work, u32* drawn, i64* ids,
                                   float* log_q, bool* mask) {
    const i64 k = batch.k, size = (stop - b) * k;
    double ratios[kInFlight];
    for (i64 row = b; row < stop; ++row) {
        const Blocked blocked = open_row(table, batch, row, scratch.more, work, false);
        const i64 at = (row - b) * k;
        if (blocked.left && !redraw_row(table, blocked, runs[row - b], k, scratch, drawn + at, work))
            return false;
        const double left = blocked.left ? static_cast<double>(blocked.left) : 1.0;
        for (i64 i = at; i < at + k; ++i) ratios[i] = static_cast<double>(table.units[drawn[i]]) / left;
    }
    log_ratios(ratios, b * k, stop * k, log_q);
    for (i64 i = 0; i < size; ++i) ids[b * k + i] = drawn[i];
    std::fill(mask + b * k, mask + stop * k, true);
    return true;
}

constexpr i64 rows_in_flight(i64 k) {
    return k >= kInFlight ? 1 : k * kGroup <= kInFlight ? kGroup : kInFlight / k;
}

// Rows begin .. end - 1, or fewer once the work passes the budget: the caller comes back for the rest, and
// sees Ctrl-C in between. A group of rows proposes at once. Slots are independent of each other if the table
// has weights, and the call neither unique nor exclude_ids; else they are settled in order.
EQUIPOISE_INLINE Progress negatives_draw(const Proposer& table, const Batch& batch, i64 begin, i64 end,
                                         i64 budget, const Scratch& scratch, i64* ids, float* log_q,
                                         bool* mask) {
    const i64 k = batch.k, width = std::min(k, kInFlight), group = rows_in_flight(k);
    const bool independent = table.units && !batch.unique && batch.m == 0 && k <= kInFlight;
    Run runs[kGroup];
    u64 proposals[kInFlight];
    u32 drawn[kInFlight];
    i64 work = 0;
    for (i64 b = begin; b < std::min(end, begin + group); ++b) prefetch_row(batch, b);
    for (i64 b = begin; b < end; b += group) {
        if (work >= budget) return {b, kDone, 0};
        const i64 stop = std::min(end, b + group);
        for (i64 row = b; row < stop; ++row) {
            const Run run = runs[row - b] = start_row(batch, row, group, end);
            if (table.units) propose(table, run, 0, width, proposals + (row - b) * width);
        }
        if (table.units) resolve_all(table, proposals, (stop - b) * width, drawn);
        if (independent &&
            !settle_group(table, batch, b, stop, runs, scratch, &work, drawn, ids, log_q, mask))
            return {b, kNeedsPrefix, 0};
        if (independent && !batch.excluded_units) continue;
        for (i64 row = b; row < stop; ++row) {
            if (independent && batch.excluded_units[batch.rows[row]] != table.total) continue;
            const i64 at = row * k;
            const Progress progress = settle_row(table, batch, row, runs[row - b], scratch, budget, &work,
                                                 drawn + (row - b) * width, ids + at, log_q + at, mask + at);
            if (progress.status != kDone || progress.rows == row) return progress;
        }
    }
    return {end, kDone, 0};
}

}  // namespace equipoise
