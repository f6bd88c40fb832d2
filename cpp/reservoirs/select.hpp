// The smallest ranks of each class, with their threshold: what a reservoir keeps of its candidates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

// The value that a[nth] would have if a were sorted; a comes back in another order.
inline double nth_smallest(double* a, i64 count, i64 nth) {
    // Puts what `first` holds of before the rest, and says how much it is: no branches, which nobody could
    // guess.
    const auto gather = [](double* from, i64 size, auto first) {
        i64 kept = 0;
        for (i64 i = 0; i < size; ++i) {
            const double x = from[i];
            from[i] = from[kept];
            from[kept] = x;
            kept += first(x);
        }
        return kept;
    };
    // Few rounds halve what is left, but where most are alike.
    for (int round = 0; round < 16 && count > 16; ++round) {
        const double x = a[0], y = a[count / 2], z = a[count - 1];
        const double pivot = std::max(std::min(x, y), std::min(std::max(x, y), z));
        const i64 below = gather(a, count, [=](double value) { return value < pivot; });
        if (nth < below) {
            count = below;
            continue;
        }
        const i64 upto =
            below + gather(a + below, count - below, [=](double value) { return value <= pivot; });
        if (nth < upto) return pivot;
        a += upto;
        count -= upto;
        nth -= upto;
    }
    std::nth_element(a, a + nth, a + count);
    return a[nth];
}

// The same of values that stay as they are; room: for as many. A sample says where the value lies, and only
// what lies there is looked through (Floyd and Rivest 1975).
inline double nth_of(const double* a, i64 count, i64 nth, double* room) {
    constexpr i64 kSample = 1024, kMargin = 64;
    if (count >= 16 * kSample) {
        double sample[kSample];
        for (i64 i = 0; i < kSample; ++i) sample[i] = a[i * (count / kSample)];
        std::sort(sample, sample + kSample);
        const i64 middle = nth * kSample / count;
        const double low = middle >= kMargin ? sample[middle - kMargin] : -HUGE_VAL;
        const double high = middle + kMargin < kSample ? sample[middle + kMargin] : HUGE_VAL;
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

// Of rows without classes the ranks up to the threshold, which becomes that of the quota's last; more than
// the quota where ranks are equal.
inline i64 select_ranks(const double* ranks, i64 count, i64 quota, double* threshold, double* room,
                        i64* keep) {
    if (count >= quota) *threshold = std::min(*threshold, nth_of(ranks, count, quota - 1, room));
    const double last = *threshold;
    i64 kept = 0;
    for (i64 i = 0; i < count; ++i) {
        keep[kept] = i;
        kept += ranks[i] <= last;
    }
    return kept;
}

// Keeps the quota[c] smallest (rank, id) of each class c, in their order here, and lowers thresholds[c] to
// the last of them; a class that has fewer stays as it is. Without classes all are of class 0. order and
// sorted: room for count each; begins and last_ids: for each class.
inline i64 reservoir_select(const i64* classes, const double* ranks, const i64* ids, i64 count,
                            const i64* quotas, i64 num_classes, double* thresholds, i64* begins,
                            i64* last_ids, i64* order, double* sorted, i64* keep) {
    if (!classes && quotas[0] > 0) {
        const i64 kept = select_ranks(ranks, count, quotas[0], thresholds, sorted, keep);
        if (kept <= quotas[0]) return kept;  // else ranks are equal to the threshold, and ids decide
    }
    bool ordered = !classes;
    const auto by_class = [&](auto put) {
        std::fill(begins, begins + num_classes, 0);
        for (i64 i = 0; i < count; ++i) ++begins[classes[i]];
        for (i64 c = 1; c < num_classes; ++c) begins[c] += begins[c - 1];
        for (i64 i = count; i-- > 0;) put(--begins[classes[i]], i);
    };
    if (classes) {
        by_class([=](i64 at, i64 i) { sorted[at] = ranks[i]; });
    } else {
        begins[0] = 0;
        std::copy(ranks, ranks + count, sorted);
    }
    for (i64 c = 0; c < num_classes; ++c) {
        const i64 begin = begins[c], end = c + 1 < num_classes ? begins[c + 1] : count, quota = quotas[c];
        last_ids[c] = INT64_MAX;
        if (end - begin < quota || quota == 0) continue;
        const double last = nth_smallest(sorted + begin, end - begin, quota - 1);
        thresholds[c] = std::min(thresholds[c], last);
        i64 below = 0, same = 0;
        for (i64 i = begin; i < end; ++i) {
            below += sorted[i] < last;
            same += sorted[i] == last;
        }
        if (below + same == quota) continue;
        // Of equal ranks the smaller ids stay. This is rare, so only now it is asked which rows are whose.
        if (!ordered) by_class([=](i64 at, i64 i) { order[at] = i; });
        ordered = true;
        i64* ties = order + begin;
        i64 tied = 0;
        for (i64 i = begin; i < end; ++i) {
            const i64 at = classes ? order[i] : i;
            if (ranks[at] == last) ties[tied++] = ids[at];
        }
        std::nth_element(ties, ties + (quota - below - 1), ties + tied);
        if (thresholds[c] == last) last_ids[c] = ties[quota - below - 1];
    }
    i64 kept = 0;
    for (i64 i = 0; i < count; ++i) {  // without branches: nobody could guess them
        const i64 c = classes ? classes[i] : 0;
        const bool last = (ranks[i] == thresholds[c]) & (ids[i] <= last_ids[c]);
        keep[kept] = i;
        kept += (quotas[c] > 0) & ((ranks[i] < thresholds[c]) | last);
    }
    return kept;
}

// Whether two of these ranks are equal, or so many may be that it is worth a closer look. seen: 2^k words,
// two at least and half as many as ranks; room: for as many as there are.
inline bool reservoir_equal(const double* ranks, const i64* rows, i64 count, u64* seen, u64 words,
                            double* room) {
    int shift = 64;
    for (u64 size = words; size > 1; size /= 2) --shift;
    const auto hash = [](double rank) { return bits_of(rank + 0.0) * 0x9E3779B97F4A7C15u; };
    const auto place = [=](u64 hashed) { return hashed >> shift; };
    // A bit for a hash: whose bit is set already may be equal to another.
    std::fill(seen, seen + words, u64{0});
    i64 found = 0;
    for (i64 i = 0; i < count; ++i) {
        const double rank = ranks[rows[i]];
        const u64 hashed = hash(rank), at = place(hashed), bit = u64{1} << (hashed >> (shift - 6) & 63);
        room[found] = rank;
        found += (seen[at] & bit) != 0;
        seen[at] |= bit;
    }
    // With these go those that came first.
    std::fill(seen, seen + words, u64{0});
    for (i64 i = 0; i < found; ++i) {
        const u64 hashed = hash(room[i]);
        seen[place(hashed)] |= u64{1} << (hashed >> (shift - 6) & 63);
    }
    found = 0;
    for (i64 i = 0; i < count; ++i) {
        const double rank = ranks[rows[i]];
        const u64 hashed = hash(rank);
        room[found] = rank;
        found += seen[place(hashed)] >> (hashed >> (shift - 6) & 63) & 1;
    }
    if (static_cast<u64>(found) > words / 2) return true;
    std::fill(seen, seen + words, u64{0});
    for (i64 i = 0; i < found; ++i) {
        const u64 is = ~bits_of(room[i] + 0.0);  // 0, a free place, would be no number
        u64 at = place(hash(room[i]));
        for (; seen[at]; at = (at + 1) & (words - 1))
            if (seen[at] == is) return true;
        seen[at] = is;
    }
    return false;
}

}  // namespace equipoise
