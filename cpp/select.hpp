// The smallest ranks of each class, with their threshold: what a reservoir keeps of its candidates.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rng.hpp"

namespace equipoise {

// Labels to numbers in order of first sight, by an open-addressing table (number -1 = free) that the caller
// keeps at most half full: stops before a new label when there is no room. Returns how many labels are done.
inline i64 class_lookup(const i64* labels, i64 count, i64* slot_labels, i64* slot_numbers, u64 mask,
                        i64* known, i64* numbers) {
    for (i64 i = 0; i < count; ++i) {
        u64 at = mix64(static_cast<u64>(labels[i])) & mask;
        while (slot_numbers[at] >= 0 && slot_labels[at] != labels[i]) at = (at + 1) & mask;
        if (slot_numbers[at] < 0) {
            if (2 * (static_cast<u64>(*known) + 1) > mask + 1) return i;
            slot_labels[at] = labels[i];
            slot_numbers[at] = (*known)++;
        }
        numbers[i] = slot_numbers[at];
    }
    return count;
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
        double* part = sorted + begin;
        std::nth_element(part, part + quota - 1, sorted + end);
        const double last = part[quota - 1];
        thresholds[c] = std::min(thresholds[c], last);
        const i64 same = std::count(part, part + quota, last);
        if (std::count(part + quota, sorted + end, last) == 0) continue;
        i64* ties = order + begin;  // of equal ranks the smaller ids stay
        i64 tied = 0;
        for (i64 i = begin; i < end; ++i) {
            const i64 at = classes ? order[i] : i;
            if (ranks[at] == last) ties[tied++] = ids[at];
        }
        std::nth_element(ties, ties + same - 1, ties + tied);
        last_ids[c] = ties[same - 1];
    }
    i64 kept = 0;
    for (i64 i = 0; i < count; ++i) {
        const i64 c = classes ? classes[i] : 0;
        keep[kept] = i;
        kept += quotas[c] > 0 &&
                (ranks[i] < thresholds[c] || (ranks[i] == thresholds[c] && ids[i] <= last_ids[c]));
    }
    return kept;
}

}  // namespace equipoise
