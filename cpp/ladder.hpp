// A threshold that falls while rows are read: ranks are counted by their leading bits, 64 steps to a power of
// two, and no row above the step on which the quota is reached can be among the smallest.
//
//   counts   | 7 | 0 | 3 | 41 | 87 | ..    the threshold is the end of the step where these sums reach the
//   ranks    all small ..       large      quota; a rank that is not counted makes it fall later, not too far
#pragma once

#include <algorithm>

#include "elementary.hpp"
#include "rng.hpp"

namespace equipoise {

constexpr i64 kSteps = 1024;

struct Ladder {
    // steps: [kSteps + 1] of ranks so far, and the first step's number; null: the threshold stays. The last
    // step is that of the threshold or above: ranks above it, of somebody who knew no better, may count
    // there.
    Ladder(i64* steps, i64 to_reach, double threshold) : counts(steps), quota(to_reach) {
        if (!counts) return;
        top = place(threshold);
        for (i64 i = 0; i <= top; ++i) reached += counts[i];
    }
    EQUIPOISE_INLINE void add(const double* ranks, i64 count) {
        if (!counts) return;
        for (i64 i = 0; i < count; ++i) {
            const i64 at = place(ranks[i]);
            ++counts[at];
            reached += at <= top;
        }
    }
    EQUIPOISE_INLINE double lowered(double threshold) {
        if (!counts || reached < quota) return threshold;
        while (reached - counts[top] >= quota) reached -= counts[top--];
        return std::min(threshold, end(counts[kSteps] + top));
    }

    EQUIPOISE_INLINE i64 place(double rank) const {
        const i64 step = static_cast<i64>(bits_of(rank) >> 46);
        return std::min(std::max(step - counts[kSteps], i64{0}), kSteps - 1);
    }
    // The largest number of a step.
    static EQUIPOISE_INLINE double end(i64 step) {
        const u64 bits = (static_cast<u64>(step + 1) << 46) - 1;
        return bits < bits_of(kInfinity) ? from_bits(bits) : kInfinity;
    }
    i64* counts;
    i64 quota, top = 0, reached = 0;
};

// Counts ranks, and lowers the threshold.
inline double ladder_count(const double* ranks, i64 count, i64* steps, i64 quota, double threshold) {
    Ladder ladder(steps, quota, threshold);
    ladder.add(ranks, count);
    return ladder.lowered(threshold);
}

}  // namespace equipoise
