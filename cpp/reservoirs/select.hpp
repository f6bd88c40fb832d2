// The rows of smallest rank of each class, with their threshold: what a bottom-k sketch keeps of its
// candidates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

struct RankedRows {
    const i64* classes;  // null if there is one class
    const double* ranks;
    const i64* ids;
    i64 count;
};

// Return the value that a[nth] would have if a were sorted. The values of a are left in another order.
template <class Value>
inline Value nth_smallest(Value* a, i64 count, i64 nth) {
    // Move the values that `first` accepts to the front, and return their number. There are no branches,
    // since ranks are random and the CPU could not predict them.
    const auto partition = [](Value* from, i64 size, auto first) {
        i64 kept = 0;
        for (i64 i = 0; i < size; ++i) {
            const Value x = from[i];
            from[i] = from[kept];
            from[kept] = x;
            kept += first(x);
        }
        return kept;
    };
    // After 16 rounds, few values are left, unless they were chosen to make the pivots bad (McIlroy 1999).
    for (int round = 0; round < 16 && count > 16; ++round) {
        const Value x = a[0], y = a[count / 2], z = a[count - 1];
        const Value pivot = std::max(std::min(x, y), std::min(std::max(x, y), z));
        const i64 below = partition(a, count, [=](Value value) { return value < pivot; });
        if (nth < below) {
            count = below;
            continue;
        }
        const i64 up_to =
            below + partition(a + below, count - below, [=](Value value) { return value <= pivot; });
        if (nth < up_to) return pivot;
        a += up_to;
        count -= up_to;
        nth -= up_to;
    }
    std::sort(a, a + count);  // n log n comparisons at most, while some libraries' nth_element takes n^2
    return a[nth];
}

// Return the value that a[nth] would have if a were sorted, without changing a; `room` has room for all
// values. A sample shows about where the value lies, and only the values near there are partitioned (Floyd
// and Rivest 1975).
inline double nth_of(const double* a, i64 count, i64 nth, double* room) {
    constexpr i64 kSample = 1024, kAround = 64;
    if (count >= 16 * kSample) {
        double sample[kSample];
        for (i64 i = 0; i < kSample; ++i) sample[i] = a[i * (count / kSample)];
        std::sort(sample, sample + kSample);
        const i64 middle = nth * kSample / count;
        const double low = middle >= kAround ? sample[middle - kAround] : -HUGE_VAL;
        const double high = middle + kAround < kSample ? sample[middle + kAround] : HUGE_VAL;
        i64 below = 0, between = 0;
        for (i64 i = 0; i < count; ++i) {
            const double x = a[i];
            room[between] = x;
            below += x < low;
            between += (x >= low) & (x <= high);
        }
        if (below <= nth && nth < below + between) return nth_smallest(room, between, nth - below);
    }
    std::copy(a, a + count, room);
    return nth_smallest(room, count, nth);
}

// Lower the threshold of rows without classes to the rank of the last row within the quota, and keep the rows
// up to it. Return their number, which is above the quota if ranks are equal.
inline i64 select_ranks(const RankedRows& rows, i64 quota, double* threshold, double* room, i64* keep) {
    if (rows.count >= quota)
        *threshold = std::min(*threshold, nth_of(rows.ranks, rows.count, quota - 1, room));
    const double last = *threshold;
    i64 kept = 0;
    for (i64 i = 0; i < rows.count; ++i) {
        keep[kept] = i;
        kept += rows.ranks[i] <= last;
    }
    return kept;
}

// Call put(place, row) for all rows, with places in the order of classes, and set begins[c] to the first
// place of class c.
template <class Put>
inline void group_rows(const RankedRows& rows, i64 num_classes, i64* begins, Put put) {
    std::fill(begins, begins + num_classes, 0);
    for (i64 i = 0; rows.classes && i < rows.count; ++i) ++begins[rows.classes[i]];
    for (i64 c = 1; c < num_classes; ++c) begins[c] += begins[c - 1];
    for (i64 i = rows.count; i-- > 0;) put(rows.classes ? --begins[rows.classes[i]] : i, i);
}

// Return the largest id that is kept among the rows of one class whose rank is `last`, of which there is room
// for `wanted`. `order` holds the class's rows, and is overwritten.
inline i64 last_tied_id(const RankedRows& rows, i64* order, i64 size, double last, i64 wanted) {
    i64 tied = 0;
    for (i64 i = 0; i < size; ++i) {
        const i64 row = order[i];
        if (rows.ranks[row] == last) order[tied++] = rows.ids[row];
    }
    return nth_smallest(order, tied, wanted - 1);
}

// Keep the quotas[c] rows of smallest (rank, id) of each class c, in their given order, and lower
// thresholds[c] to the rank of the last of them. A class that has fewer rows is left as it is. Return how
// many rows are kept. `scratch` has room for two numbers per class and one per row, `sorted` and `keep` for
// one per row.
inline i64 reservoir_select(const RankedRows& rows, const i64* quotas, i64 num_classes, double* thresholds,
                            i64* scratch, double* sorted, i64* keep) {
    if (!rows.classes && quotas[0] > 0) {
        const i64 kept = select_ranks(rows, quotas[0], thresholds, sorted, keep);
        if (kept <= quotas[0]) return kept;  // otherwise some ranks are equal, and their ids decide
    }
    i64 *begins = scratch, *last_ids = begins + num_classes, *order = last_ids + num_classes;
    group_rows(rows, num_classes, begins, [&](i64 at, i64 i) { sorted[at] = rows.ranks[i]; });
    bool ordered = false;
    for (i64 c = 0; c < num_classes; ++c) {
        const i64 begin = begins[c], quota = quotas[c];
        const i64 size = (c + 1 < num_classes ? begins[c + 1] : rows.count) - begin;
        last_ids[c] = INT64_MAX;
        if (size < quota || quota == 0) continue;
        const double last = nth_smallest(sorted + begin, size, quota - 1);
        thresholds[c] = std::min(thresholds[c], last);
        i64 below = 0, same = 0;
        for (i64 i = begin; i < begin + size; ++i) {
            below += sorted[i] < last;
            same += sorted[i] == last;
        }
        if (below + same == quota) continue;
        // Of equal ranks, the smaller ids are kept. This is rare, so the rows are only ordered now.
        if (!ordered) group_rows(rows, num_classes, begins, [&](i64 at, i64 i) { order[at] = i; });
        ordered = true;
        const i64 id = last_tied_id(rows, order + begin, size, last, quota - below);
        if (thresholds[c] == last) last_ids[c] = id;
    }
    i64 kept = 0;
    for (i64 i = 0; i < rows.count; ++i) {  // without branches, which the CPU could not predict
        const i64 c = rows.classes ? rows.classes[i] : 0;
        const bool tied = (rows.ranks[i] == thresholds[c]) & (rows.ids[i] <= last_ids[c]);
        keep[kept] = i;
        kept += (quotas[c] > 0) & ((rows.ranks[i] < thresholds[c]) | tied);
    }
    return kept;
}

// Return whether two of the ranks are equal, or whether so many may be equal that a closer look is
// worthwhile. `seen` has room for `words` words, a power of two of at least two and at least half the number
// of ranks; `room` for all ranks.
inline bool reservoir_equal(const double* ranks, const i64* rows, i64 count, u64* seen, u64 words,
                            double* room) {
    int shift = 64;
    for (u64 size = words; size > 1; size /= 2) --shift;
    const auto hash = [](double rank) { return bits_of(rank + 0.0) * 0x9E3779B97F4A7C15u; };
    const auto word_of = [=](u64 hashed) { return hashed >> shift; };
    const auto bit_of = [=](u64 hashed) { return u64{1} << (hashed >> (shift - 6) & 63); };
    // Each hash has a bit. A rank whose bit is already set may be equal to an earlier one.
    std::fill(seen, seen + words, u64{0});
    i64 found = 0;
    for (i64 i = 0; i < count; ++i) {
        const double rank = ranks[rows[i]];
        const u64 hashed = hash(rank), at = word_of(hashed), bit = bit_of(hashed);
        room[found] = rank;
        found += (seen[at] & bit) != 0;
        seen[at] |= bit;
    }
    // Then the bits of these ranks alone are set, and the earlier ranks that share them are found as well.
    std::fill(seen, seen + words, u64{0});
    for (i64 i = 0; i < found; ++i) seen[word_of(hash(room[i]))] |= bit_of(hash(room[i]));
    found = 0;
    for (i64 i = 0; i < count; ++i) {
        const double rank = ranks[rows[i]];
        const u64 hashed = hash(rank);
        room[found] = rank;
        found += (seen[word_of(hashed)] & bit_of(hashed)) != 0;
    }
    if (static_cast<u64>(found) > words / 2) return true;
    // The ranks that are left, about one in a hundred, are compared in a hash table.
    std::fill(seen, seen + words, u64{0});
    for (i64 i = 0; i < found; ++i) {
        const u64 entry = ~bits_of(room[i] + 0.0);  // 0, which marks a free place, would be the bits of a NaN
        u64 at = word_of(hash(room[i]));
        for (; seen[at]; at = (at + 1) & (words - 1))
            if (seen[at] == entry) return true;
        seen[at] = entry;
    }
    return false;
}

}  // namespace equipoise
