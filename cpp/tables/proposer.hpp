// A table that proposes ids, as kernels take it.
#pragma once

#include "stream/rng.hpp"

namespace equipoise {

// A table without units is uniform: each id has one unit.
struct Proposer {
    u64 n;      // number of ids
    u64 total;  // sum of the units
    const u64* cells;
    const u64* units;
    const u64* prefix;  // sum of the units of the ids below each; null until a row needs an exact draw
};

EQUIPOISE_INLINE u64 units_of(const Proposer& table, u64 id) {
    return table.units ? table.units[id] : 1;
}

}  // namespace equipoise
