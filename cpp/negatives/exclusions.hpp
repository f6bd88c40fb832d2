// Exclusions: the ids that a row must not get.
#pragma once

#include <algorithm>

#include "stream/rng.hpp"

namespace equipoise {

// The exclusions of all rows. Row r has ids[indptr[r]] .. ids[indptr[r + 1] - 1], sorted and distinct.
struct Exclusions {
    const i64* indptr;  // null if nothing is excluded
    const u32* ids;
    const u64* units;  // sum of the units of each row's ids; null for a uniform table (the number of ids)
};

// Return the number of sorted ids below x. No branch depends on the data.
template <class Id>
EQUIPOISE_INLINE i64 rank_of(const Id* ids, i64 n, u64 x) {
    const Id* base = ids;
    while (n > 1) {
        const i64 half = n / 2;
        base += static_cast<u64>(base[half - 1]) < x ? half : 0;
        n -= half;
    }
    return (base - ids) + (n == 1 && static_cast<u64>(*base) < x);
}

template <class Id>
EQUIPOISE_INLINE bool contains(const Id* ids, i64 n, u64 x) {
    const i64 rank = rank_of(ids, n, x);
    return rank < n && static_cast<u64>(ids[rank]) == x;
}

// The ids that a slot of a row cannot get: the row's exclusions (`excluded`), and its exclude_ids and earlier
// picks (`more`). Both are sorted. With a uniform table, `more` holds not ids but positions among the ids
// that are not excluded.
struct Blocked {
    const u32* excluded;
    i64 num_excluded;
    u64* more;
    i64 num_more;
    u64 left;  // sum of the units of all other ids

    EQUIPOISE_INLINE bool has(u64 id) const {
        return contains(excluded, num_excluded, id) || (num_more && contains(more, num_more, id));
    }
    EQUIPOISE_INLINE void add(u64 id, u64 units) {
        i64 at = num_more++;
        for (; at > 0 && more[at - 1] > id; --at) more[at] = more[at - 1];
        more[at] = id;
        left -= units;
    }
};

// Set hits[j] to all ones if ids[j] is excluded, else to 0. Each excluded id is compared with sixteen slots
// at once. Most rows exclude a few dozen ids, and for those this is faster than one search per slot.
EQUIPOISE_INLINE void scan_slots(const u32* excluded, i64 n, const u32* ids, i64 k, u32* hits) {
    constexpr i64 kWide = 16;
    i64 j = 0;
    for (; j + kWide <= k; j += kWide) {
        u32 hit[kWide] = {};
        for (i64 i = 0; i < n; ++i) {
            for (i64 s = 0; s < kWide; ++s) hit[s] |= 0u - static_cast<u32>(ids[j + s] == excluded[i]);
        }
        for (i64 s = 0; s < kWide; ++s) hits[j + s] = hit[s];
    }
    for (; j < k; ++j) hits[j] = 0u - static_cast<u32>(contains(excluded, n, ids[j]));
}

// Sort each row and drop its duplicates, in place, and update indptr. Return the number of ids kept.
inline i64 exclusion_sort(i64* indptr, i64 rows, u32* ids) {
    i64 kept = 0, from = indptr[0];
    indptr[0] = 0;
    for (i64 row = 0; row < rows; ++row) {
        const i64 to = indptr[row + 1];
        if (!std::is_sorted(ids + from, ids + to)) std::sort(ids + from, ids + to);
        for (i64 i = from; i < to; ++i) {
            if (i == from || ids[i] != ids[kept - 1]) ids[kept++] = ids[i];
        }
        indptr[row + 1] = kept;
        from = to;
    }
    return kept;
}

// Sum the units of each row's ids.
inline void exclusion_units(const i64* indptr, i64 rows, const u32* ids, const u64* units, u64* sums) {
    for (i64 row = 0; row < rows; ++row) {
        u64 sum = 0;
        for (i64 i = indptr[row]; i < indptr[row + 1]; ++i) sum += units[ids[i]];
        sums[row] = sum;
    }
}

constexpr i64 kLockstep = 8;

// Compute rank_of for up to kLockstep ids at once, since a single search would wait for each of its loads.
EQUIPOISE_INLINE void ranks_of(const i64* sorted, i64 n, const u32* ids, i64 count, i64* ranks) {
    i64 x[kLockstep];
    for (i64 s = 0; s < kLockstep; ++s) x[s] = ids[s < count ? s : 0], ranks[s] = 0;
    while (n > 1) {
        const i64 half = n / 2;
        for (i64 s = 0; s < kLockstep; ++s) ranks[s] += sorted[ranks[s] + half - 1] < x[s] ? half : 0;
        n -= half;
    }
    for (i64 s = 0; s < kLockstep; ++s) ranks[s] += n == 1 && sorted[ranks[s]] < x[s];
}

// Set out[b, order[c]] to whether candidates[c] is excluded for rows[b]. The candidates are sorted, and
// order[c] is where candidate c stood before. The shorter list is looked up in the longer one.
inline void exclusion_hits(const Exclusions& exclusions, const i64* rows, i64 batch, const i64* candidates,
                           const i64* order, i64 count, bool* out) {
    std::fill(out, out + batch * count, false);
    for (i64 b = 0; b < batch; ++b) {
        const i64 from = exclusions.indptr[rows[b]], size = exclusions.indptr[rows[b] + 1] - from;
        const u32* row = exclusions.ids + from;
        bool* hits = out + b * count;
        if (size < count) {
            for (i64 i = 0; i < size; i += kLockstep) {
                i64 at[kLockstep];
                const i64 some = std::min(kLockstep, size - i);
                ranks_of(candidates, count, row + i, some, at);
                for (i64 s = 0; s < some; ++s) {
                    for (i64 c = at[s]; c < count && candidates[c] == row[i + s]; ++c) hits[order[c]] = true;
                }
            }
        } else {
            for (i64 c = 0; c < count; ++c)
                hits[order[c]] = contains(row, size, static_cast<u64>(candidates[c]));
        }
    }
}

}  // namespace equipoise
