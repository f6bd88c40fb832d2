// Ranks, E / w. Those of the smallest and largest weights are out of float64's range, so the ranks beyond
// kLeastPlain and kMostPlain are stored as other numbers, in the same order (see rng.py, "Weighted
// reservoirs").
#pragma once

#include <algorithm>
#include <cmath>

#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

constexpr double kLeastPlain = 0x1p-900, kMostPlain = 0x1p900;

// Return whether a rank is stored as it is.
EQUIPOISE_INLINE bool is_plain(double rank) {
    return (rank >= kLeastPlain) & (rank <= kMostPlain);
}

// Return the rank `start` + e / w, where `start` is 0 or a rank, and one of the two parts or the sum may be
// out of range. Not inlined, since few streams have such ranks.
EQUIPOISE_NOINLINE double far_rank(double start, double e, double w) {
    const double since = start < 0.0 ? kLeastPlain / -start : start, rank = since + e / w;
    if (rank > kMostPlain) {
        const double large =
            start > kMostPlain ? (start * kLeastPlain) * (start * kLeastPlain) : since * kLeastPlain;
        return kMostPlain * std::sqrt(large + e / (w * kMostPlain));
    }
    if (rank >= kLeastPlain) return rank;
    const double small = start < 0.0 ? -1.0 / start : 0.0;
    return -1.0 / (small + e / (w * kLeastPlain));
}

// Return the rank `start` + e / w, where `start` is 0 or a rank.
EQUIPOISE_INLINE double rank_after(double start, double e, double w) {
    const double rank = start + e / w;
    return start >= 0.0 && is_plain(rank) ? rank : far_rank(start, e, w);
}

// Return about the number that a rank or threshold stands for. It may be rounded up, to at least the smallest
// normal number and at most infinity.
EQUIPOISE_INLINE double rank_bound(double rank) {
    if (is_plain(rank)) return rank;
    return rank > kMostPlain ? rank * (rank * kLeastPlain) : std::max(kLeastPlain / -rank, 0x1p-1022);
}

// Return whether the bounds of some thresholds are not the thresholds themselves.
inline bool any_bounds_differ(const double* thresholds, i64 count) {
    bool differ = false;
    for (i64 i = 0; i < count; ++i) differ |= !is_plain(thresholds[i]) & (thresholds[i] < kInfinity);
    return differ;
}

}  // namespace equipoise
