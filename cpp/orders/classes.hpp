// Rows grouped by class: a counting sort.
#pragma once

#include "stream/rng.hpp"

namespace equipoise {

// Append rows first, first + 1, .. to the rows of their classes: the next row of class c goes to places[c],
// which grows up to ends[c]. Return how many were appended. These are all, unless a class has more rows than
// were counted, because another thread changes the classes.
inline i64 class_group(const i64* codes, i64 count, i64 first, const i64* ends, i64 num_classes, i64* places,
                       u32* rows) {
    for (i64 i = 0; i < count; ++i) {
        const u64 c = static_cast<u64>(codes[i]);
        if (c >= static_cast<u64>(num_classes) || places[c] >= ends[c]) return i;
        rows[places[c]++] = static_cast<u32>(first + i);
    }
    return count;
}

}  // namespace equipoise
