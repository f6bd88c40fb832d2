// The table that proposes ids, as kernels take it.
#pragma once

#include "stream/rng.hpp"

namespace equipoise {

// Without units the table is uniform: one unit an id.
struct Proposer {
    u64 n, total;  // of ids; of units
    const u64* cells;
    const u64* units;
    const u64*
        prefix;  // prefix[i] = sum of the units of the ids below i; null until a row needs an exact draw
};

EQUIPOISE_INLINE u64 units_of(const Proposer& table, u64 id) {
    return table.units ? table.units[id] : 1;
}

}  // namespace equipoise
