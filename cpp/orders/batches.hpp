// The rows of class-balanced batches.
#pragma once

#include <algorithm>

#include "orders/permutation.hpp"

namespace equipoise {

// The rows of a data set, grouped by class: those of class c are rows[offsets[c]] .. rows[offsets[c + 1] -
// 1].
struct ClassRows {
    const u32* rows;
    const i64* offsets;
    i64 num_classes;
};

// Write the rows that some batches draw, batch by batch and class by class. The first row that a batch draws
// of class c is number begins[c] of the class's rows of this epoch, and the last one is number ends[c] - 1.
// Begins and ends of a batch follow those of the one before. An epoch goes through a class's rows again and
// again, each time in another order.
inline void class_rows(u64 key, const ClassRows& source, const i64* begins, const i64* ends, i64 batches,
                       i64* out) {
    for (i64 entry = 0; entry < batches * source.num_classes; ++entry) {
        if (begins[entry] == ends[entry]) continue;
        const i64 c = entry % source.num_classes;
        const u32* const rows = source.rows + source.offsets[c];
        const i64 size = source.offsets[c + 1] - source.offsets[c];
        for (i64 at = begins[entry]; at < ends[entry];) {
            const i64 cycle = at / size, start = cycle * size;
            const i64 end = std::min(ends[entry], start + size);
            const Permutation order(Run(key, static_cast<u64>(cycle), static_cast<u64>(c + 1)),
                                    static_cast<u64>(size));
            u64 numbers[kAtOnce];
            while (at < end) {
                const i64 count = std::min(end - at, static_cast<i64>(kAtOnce));
                order.numbers_at(static_cast<u64>(at - start), static_cast<u64>(count), numbers);
                for (i64 i = 0; i < count; ++i) *out++ = rows[numbers[i]];
                at += count;
            }
        }
    }
}

// Shuffle the places of each batch. The batches are number first, first + step, .. of their epoch.
inline void batch_shuffle(u64 key, u64 first, u64 step, i64 batches, i64 width, i64* out) {
    for (i64 batch = 0; batch < batches; ++batch)
        shuffle(Run(key, first + static_cast<u64>(batch) * step, 0), static_cast<u64>(width),
                out + batch * width);
}

}  // namespace equipoise
