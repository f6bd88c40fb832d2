// Rows of negatives: proposals from the table, at most 32 redraws a slot, then an exact draw from the complement. Nothing excluded is
// ever given, and no loop is without an end (rng.py, "A row of negatives").
#pragma once

#include <algorithm>

#include "alias.hpp"
#include "elementary.hpp"
#include "exclusions.hpp"
#include "rng.hpp"

namespace equipoise {

constexpr int kRedraws = 32;
constexpr i64 kGroup = 16;     // rows in flight
constexpr i64 kInFlight = 256;  // proposals in flight

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
        const u64 upto = table.prefix[id + 1] - scratch.before_excluded[rank_of(blocked.excluded, blocked.num_excluded, id + 1)] -
                         scratch.before_more[rank_of(blocked.more, blocked.num_more, id + 1)];
        if (upto > target) {
            high = id;
        } else {
            low = id + 1;
        }
    }
    return low;
}

// The (rank + 1)-th smallest unblocked id: rank, shifted by the blocked ids up to it.
inline u64 unblocked_at(const Blocked& blocked, u64 rank) {
    u64 low = rank, high = rank + static_cast<u64>(blocked.num_excluded + blocked.num_more);
    while (low < high) {
        const u64 id = low + (high - low) / 2;
        const i64 skipped = rank_of(blocked.excluded, blocked.num_excluded, id + 1) + rank_of(blocked.more, blocked.num_more, id + 1);
        if (id + 1 - static_cast<u64>(skipped) > rank) {
            high = id;
        } else {
            low = id + 1;
        }
    }
    return low;
}

EQUIPOISE_INLINE Blocked open_row(const Proposer& table, const Batch& batch, i64 b, u64* more) {
    Blocked blocked{nullptr, 0, more, 0, table.total};
    if (batch.indptr) {
        const i64 row = batch.rows[b], from = batch.indptr[row];
        blocked.excluded = batch.excluded + from;
        blocked.num_excluded = batch.indptr[row + 1] - from;
        blocked.left -= batch.excluded_units ? batch.excluded_units[row] : static_cast<u64>(blocked.num_excluded);
    }
    for (i64 i = 0; i < batch.m; ++i) {
        const i64 id = batch.exclude_ids[b * batch.m + i];
        if (id >= 0 && !blocked.has(static_cast<u64>(id))) blocked.add(static_cast<u64>(id), table.units_of(static_cast<u64>(id)));
    }
    return blocked;
}

// One row, whose ids hold the resolved proposals of its slots.
inline Progress settle_row(const Proposer& table, const Batch& batch, i64 b, const Run& run, const Scratch& scratch, i64* work,
                           i64* ids, float* log_q, bool* mask) {
    Blocked blocked = open_row(table, batch, b, scratch.more);
    bool unique = batch.unique, summed = false;
    u64 cursor = static_cast<u64>(batch.k);
    for (i64 j = 0; j < batch.k; ++j) {
        if (blocked.left == 0) {
            if (batch.on_exhausted == kMask) {
                for (; j < batch.k; ++j) ids[j] = -1, log_q[j] = 0.0f, mask[j] = false;
                break;
            }
            const bool again = unique && batch.on_exhausted == kReplace;
            if (again) blocked = open_row(table, batch, b, scratch.more);
            if (!again || blocked.left == 0) return {b, kExhausted, j};
            unique = false;
        }
        u64 id = static_cast<u64>(ids[j]);
        if (!table.units) {
            id = unblocked_at(blocked, below(run.word(static_cast<u64>(j)), blocked.left));
        } else if (blocked.has(id)) {
            bool hit = true;
            for (int redraw = 0; hit && redraw < kRedraws; ++redraw) {
                id = alias_pick(table.cells, table.n, run.word(cursor++));
                hit = blocked.has(id);
            }
            if (hit) {
                if (!table.prefix) return {b, kNeedsPrefix, 0};
                if (!summed) sum_before(blocked.excluded, blocked.num_excluded, table.units, scratch.before_excluded);
                sum_before(blocked.more, blocked.num_more, table.units, scratch.before_more);
                id = exact_pick(table, blocked, scratch, below(run.word(cursor++), blocked.left));
                *work += (summed ? 0 : blocked.num_excluded / 8) + blocked.num_more / 8 + 64;
                summed = true;
            }
        }
        const u64 units = table.units_of(id);
        ids[j] = static_cast<i64>(id);
        log_q[j] = static_cast<float>(log_normal(static_cast<double>(units) / static_cast<double>(blocked.left)));
        mask[j] = true;
        if (unique) {
            blocked.add(id, units);
            *work += 1 + blocked.num_more / 16;
        }
    }
    *work += static_cast<i64>(cursor) + 8;
    return {b + 1, kDone, 0};
}

// Rows begin .. end - 1, or fewer once the work passes the budget: the caller comes back for the rest, and sees Ctrl-C in between.
inline Progress negatives_draw(const Proposer& table, const Batch& batch, i64 begin, i64 end, i64 budget, const Scratch& scratch,
                               i64* ids, float* log_q, bool* mask) {
    const i64 k = batch.k, together = std::max<i64>(1, std::min<i64>(kGroup, kInFlight / std::max<i64>(k, 1)));
    Run runs[kGroup];
    i64 work = 0, b = begin;
    while (b < end && work < budget) {
        const i64 size = std::min(together, end - b);
        for (i64 g = 0; g < size; ++g) {
            runs[g] = Run(batch.key, batch.row_keys ? batch.row_keys[b + g] : batch.first + static_cast<u64>(b + g), batch.lane);
            if (batch.indptr) {
                EQUIPOISE_PREFETCH(batch.excluded + batch.indptr[batch.rows[b + g]]);
                EQUIPOISE_PREFETCH(batch.excluded_units + batch.rows[b + g]);
                if (b + size + g < end) EQUIPOISE_PREFETCH(batch.indptr + batch.rows[b + size + g]);
            }
            i64* slots = ids + (b + g) * k;
            for (i64 j = 0; table.units && j < k; ++j) {
                const u64 proposal = column_and_coin(runs[g].word(static_cast<u64>(j)), table.n);
                EQUIPOISE_PREFETCH(table.cells + (proposal >> 32));
                slots[j] = static_cast<i64>(proposal);
            }
        }
        for (i64 i = b * k; table.units && i < (b + size) * k; ++i) {
            const u64 proposal = static_cast<u64>(ids[i]);
            const u32 id = resolve(proposal, table.cells[proposal >> 32]);
            EQUIPOISE_PREFETCH(table.units + id);
            ids[i] = id;
        }
        for (i64 g = 0; g < size; ++g) {
            const i64 at = (b + g) * k;
            const Progress row = settle_row(table, batch, b + g, runs[g], scratch, &work, ids + at, log_q + at, mask + at);
            if (row.status != kDone) return row;
        }
        b += size;
    }
    return {b, kDone, 0};
}

}  // namespace equipoise
