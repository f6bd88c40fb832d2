// The smallest ranks of each class, with their threshold: what a reservoir keeps of its candidates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "rng.hpp"

namespace equipoise {

// The value that a[nth] would have if a were sorted; a comes back in another order. A sample says where that
// value lies, and only what lies there is looked through (Floyd and Rivest 1975).
inline double nth_smallest(double* a, i64 count, i64 nth) {
    constexpr i64 kSample = 1024, kMargin = 64;
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
    if (count >= 16 * kSample) {
        double sample[kSample];
        for (i64 i = 0; i < kSample; ++i) sample[i] = a[i * (count / kSample)];
        std::sort(sample, sample + kSample);
        const i64 middle = nth * kSample / count;
        const double low = middle >= kMargin ? sample[middle - kMargin] : -HUGE_VAL;
        const double high = middle + kMargin < kSample ? sample[middle + kMargin] : HUGE_VAL;
        i64 below = 0;
        for (i64 i = 0; i < count; ++i) below += a[i] < low;
        const i64 between = gather(a, count, [=](double x) { return (x >= low) & (x <= high); });
        if (below <= nth && nth < below + between) {
            count = between;
            nth -= below;
        }
    }
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

// Keeps the quota[c] smallest (rank, id) of each class c, in their order here, and lowers thresholds[c] to
// the last of them; a class that has fewer stays as it is. Without classes all are of class 0. order and
// sorted: room for count each; begins and last_ids: for each class.
inline i64 reservoir_select(const i64* classes, const double* ranks, const i64* ids, i64 count,
                            const i64* quotas, i64 num_classes, double* thresholds, i64* begins,
                            i64* last_ids, i64* order, double* sorted, i64* keep) {
    if (classes) {
        std::fill(begins, begins + num_classes, 0);
        for (i64 i = 0; i < count; ++i) ++begins[classes[i]];
        for (i64 c = 1; c < num_classes; ++c) begins[c] += begins[c - 1];
        for (i64 i = count; i-- > 0;) {
            const i64 at = --begins[classes[i]];
            order[at] = i;
            sorted[at] = ranks[i];
        }
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
        i64* ties = order + begin;  // of equal ranks the smaller ids stay
        i64 tied = 0;
        for (i64 i = begin; i < end; ++i) {
            const i64 at = classes ? order[i] : i;
            if (ranks[at] == last) ties[tied++] = ids[at];
        }
        std::nth_element(ties, ties + (quota - below - 1), ties + tied);
        last_ids[c] = ties[quota - below - 1];
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

}  // namespace equipoise
