// The alias table (Walker 1974, Vose 1991), in whole units.
//
//   2^32 units a cell     +----+----+----+----+        a cell = threshold (high 32 bits), alias (low 32 bits)
//                         | 3  | 0  |    | 0  |        coin <  threshold: the column itself
//   threshold ----------> +----+    | 2  +----+        coin >= threshold: its alias
//                         | 0  | 1  |    | 3  |
//                         +----+----+----+----+
#pragma once

#include "stream/rng.hpp"

namespace equipoise {

// Build the table in one sweep with two indices (Huebschle-Schneider and Sanders 2022): the heavy id at the
// second index fills up the cells of light ids. Return whether the units add up to n * 2^32. If they do not,
// the sweep ends early and some cells are missing, but it never leaves the table.
inline bool alias_build(const u64* units, i64 n, u64* cells) {
    constexpr u64 kCell = u64{1} << 32;
    i64 light = 0, heavy = 0;
    while (light < n && units[light] >= kCell) ++light;
    while (heavy < n && units[heavy] < kCell) ++heavy;
    if (heavy == n) return false;
    u64 rest = units[heavy];
    for (;;) {
        if (rest >= kCell) {
            if (light == n) break;
            cells[light] = (units[light] << 32) | static_cast<u64>(heavy);
            rest -= kCell - units[light];
            do ++light;
            while (light < n && units[light] >= kCell);
        } else {
            i64 next = heavy + 1;
            while (next < n && units[next] < kCell) ++next;
            if (next == n) return false;
            cells[heavy] = (rest << 32) | static_cast<u64>(next);
            rest += units[next] - kCell;
            heavy = next;
        }
    }
    bool whole = rest == kCell;
    cells[heavy] = static_cast<u64>(heavy);
    while (++heavy < n) {
        if (units[heavy] < kCell) continue;
        cells[heavy] = static_cast<u64>(heavy);
        whole &= units[heavy] == kCell;
    }
    return whole;
}

// Return whether draws stay inside the table: each alias is below n, and the units add up to n * 2^32. This
// is one pass at the speed of memory, and does not compare the cells with the units.
inline bool alias_check(const u64* units, i64 n, const u64* cells) {
    u64 high = 0, low = 0, outside = 0;
    for (i64 i = 0; i < n; ++i) {
        high += units[i] >> 32;
        low += units[i] & 0xFFFFFFFFu;
        outside |= (cells[i] & 0xFFFFFFFFu) >= static_cast<u64>(n);
    }
    return !outside && (low & 0xFFFFFFFFu) == 0 && high + (low >> 32) == static_cast<u64>(n);
}

// Return the middle 64 bits of word * n, for n < 2^32: the column in the high half, the coin in the low
// half.
EQUIPOISE_INLINE u64 column_and_coin(u64 word, u64 n) {
    return (word >> 32) * n + (((word & 0xFFFFFFFFu) * n) >> 32);
}

// Return the column or its alias. It uses a mask, since GCC would turn a conditional into a branch, which
// the coin makes unpredictable. 64-bit arithmetic vectorizes best here.
EQUIPOISE_INLINE u32 resolve(u64 proposal, u64 cell) {
    const u64 keep = u64{0} - static_cast<u64>((proposal & 0xFFFFFFFFu) < (cell >> 32));
    return static_cast<u32>(cell ^ ((cell ^ (proposal >> 32)) & keep));
}

EQUIPOISE_INLINE u32 alias_pick(const u64* cells, u64 n, u64 word) {
    const u64 proposal = column_and_coin(word, n);
    return resolve(proposal, cells[proposal >> 32]);
}

// Make draws start .. start + count - 1 of a call; start is a multiple of kBlock. The cells of a block are
// prefetched while the previous block is resolved. With vector multiplication (kVector), one loop computes
// the words and another one prefetches. Without it, a single loop does both, which keeps both ports busy.
template <bool kVector>
EQUIPOISE_INLINE void alias_draw(u64 key, const u64* cells, u64 n, i64 start, i64 count, i64* out) {
    u64 proposals[2][kBlock];
    const i64 blocks = (count + kBlock - 1) / kBlock;
    for (i64 block = 0; block <= blocks; ++block) {
        if (block < blocks) {
            const Run run(key, static_cast<u64>(start / kBlock + block), 0);
            u64* p = proposals[block & 1];
            for (i64 j = 0; j < kBlock; ++j) {
                p[j] = column_and_coin(run.word(static_cast<u64>(j)), n);
                if (!kVector) EQUIPOISE_PREFETCH(cells + (p[j] >> 32));
            }
            for (i64 j = 0; kVector && j < kBlock; ++j) EQUIPOISE_PREFETCH(cells + (p[j] >> 32));
        }
        if (block > 0) {
            const u64* p = proposals[(block - 1) & 1];
            const i64 from = (block - 1) * kBlock, size = count - from < kBlock ? count - from : kBlock;
            for (i64 j = 0; j < size; ++j) out[from + j] = resolve(p[j], cells[p[j] >> 32]);
        }
    }
}

}  // namespace equipoise
