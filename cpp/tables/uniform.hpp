// Uniform draws from 0 .. n - 1, which need no table.
#pragma once

#include "stream/rng.hpp"
#include "tables/alias.hpp"

namespace equipoise {

// Make draws start .. start + count - 1 of a call; start is a multiple of kBlock.
EQUIPOISE_INLINE void uniform_draw(u64 key, u64 n, i64 start, i64 count, i64* out) {
    for (i64 from = 0; from < count; from += kBlock) {
        const Run run(key, static_cast<u64>((start + from) / kBlock), 0);
        const i64 size = count - from < kBlock ? count - from : kBlock;
        for (i64 j = 0; j < size; ++j)
            out[from + j] = static_cast<i64>(column_and_coin(run.word(static_cast<u64>(j)), n) >> 32);
    }
}

}  // namespace equipoise
