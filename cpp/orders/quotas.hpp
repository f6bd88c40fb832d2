// Rows of each class in each batch: the floor or the ceiling of the class's share, such that a running total
// is always less than a row off. This is PD2 (Anderson and Srinivasan 2004), which schedules tasks of given
// rates on several processors: a class is a task, a batch a time slot, and the rows that the floors leave
// over are the processors.
#pragma once

#include <algorithm>
#include <cstdint>

#include "stream/rng.hpp"

namespace equipoise {

constexpr int kUnitBits = 52;
constexpr i64 kUnits =
    i64{1} << kUnitBits;  // units of a row: a class's share of a batch is a number of units

// What a batch owes to the classes: the whole rows of each one's share, and the units of the rest, below
// kUnits. The rests add up to `left` rows.
struct Shares {
    const i64 *whole, *rest;
    i64 left;
    i64 num_classes;
};

// The next leftover row of each class: the batch before which it must come, and what decides if these are
// equal.
struct Deadlines {
    i64 *batch, *tie;
};

// Return the ceiling of x / y for x > -y, y > 0.
EQUIPOISE_INLINE i64 ceil_of(i64 x, i64 y) {
    return x > 0 ? (x - 1) / y + 1 : 0;
}

// Find the deadline of a class that is owed `lag` units before batch `now`.
EQUIPOISE_INLINE void set_deadline(i64 rest, i64 lag, i64 now, i64* batch, i64* tie) {
    const i64 after = ceil_of(kUnits - lag, rest), spare = kUnits - rest;
    i64 group = 0;
    if (2 * rest >= kUnits) {  // a heavy class: the batch by which a series of tight deadlines ends
        const i64 holes = ceil_of(after * spare - lag, kUnits);
        group = now + ceil_of(lag + holes * kUnits, spare);
    }
    *batch = now + after;
    *tie = (kUnits - lag) % rest != 0 ? -1 - group : 0;
}

// Return whether class c comes before class d.
EQUIPOISE_INLINE bool sooner(const Deadlines& next, i64 c, i64 d) {
    if (next.batch[c] != next.batch[d]) return next.batch[c] < next.batch[d];
    return next.tie[c] != next.tie[d] ? next.tie[c] < next.tie[d] : c < d;
}

// Move the class at a place of a heap down, until no class below it comes after it.
EQUIPOISE_INLINE void sift(const Deadlines& next, i64* heap, i64 size, i64 at) {
    const i64 c = heap[at];
    for (i64 child = 2 * at + 1; child < size; at = child, child = 2 * at + 1) {
        if (child + 1 < size && sooner(next, heap[child], heap[child + 1])) ++child;
        if (!sooner(next, c, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = c;
}

// Choose the `left` classes with the first deadlines among those that are owed units. `chosen` is a heap with
// the last deadline on top once it is full. Return how many there are.
EQUIPOISE_INLINE i64 choose(const i64* lags, const Shares& shares, const Deadlines& next, i64* chosen) {
    i64 size = 0;
    for (i64 c = 0; c < shares.num_classes; ++c) {
        if (lags[c] <= 0) continue;
        if (size < shares.left) {
            chosen[size++] = c;
            for (i64 at = size / 2; size == shares.left && at-- > 0;) sift(next, chosen, size, at);
        } else if (size > 0 && sooner(next, c, chosen[0])) {
            chosen[0] = c;
            sift(next, chosen, size, 0);
        }
    }
    return size;
}

// Go on by some batches: lags and totals are those before the first one, and then those after the last. If
// `out` is not null, it gets the totals after each batch. `scratch` has room for three numbers per class.
inline void class_quotas(i64 batches, const Shares& shares, i64* lags, i64* totals, i64* scratch, i64* out) {
    const i64 count = shares.num_classes;
    const Deadlines next{scratch, scratch + count};
    i64* const chosen = scratch + 2 * count;
    for (i64 c = 0; c < count; ++c)
        if (shares.rest[c] > 0) set_deadline(shares.rest[c], lags[c], 0, next.batch + c, next.tie + c);
    for (i64 batch = 0; batch < batches; ++batch) {
        for (i64 c = 0; c < count; ++c) {
            lags[c] += shares.rest[c];
            totals[c] += shares.whole[c];
        }
        const i64 size = choose(lags, shares, next, chosen);
        for (i64 i = 0; i < size; ++i) {
            const i64 c = chosen[i];
            lags[c] -= kUnits;
            ++totals[c];
            set_deadline(shares.rest[c], lags[c], batch + 1, next.batch + c, next.tie + c);
        }
        if (out) out = std::copy(totals, totals + count, out);
    }
}

}  // namespace equipoise
