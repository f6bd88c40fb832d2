// One set of negatives for a whole batch. Distinct ids come from rejection while that is fast, then from
// exact draws (rng.py, "Shared negatives").
#pragma once

#include <algorithm>

#include "negatives/rows.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"
#include "tables/alias.hpp"

namespace equipoise {

// The progress of a call, kept in an array so that the caller can interrupt and resume it. kTreeBuilt counts
// steps of build_tree, and is kWhole when the tree is built.
enum SharedState { kFilled = 0, kNextWord = 1, kTries = 2, kTreeBuilt = 3 };
constexpr i64 kChunk = i64{1} << 18;  // words per call, after which Python can handle Ctrl-C
constexpr u64 kMostTries = u64{1} << 62;
constexpr u64 kWhole = ~u64{0};

EQUIPOISE_INLINE u64 shared_pick(const Proposer& table, u64 word) {
    return table.units ? alias_pick(table.cells, table.n, word) : below(word, table.n);
}

// Draw slots start .. start + count - 1 of a call that may repeat ids.
inline void shared_draw(u64 key, u64 call, u64 lane, const Proposer& table, i64 start, i64 count, i64* ids) {
    const Run run(key, call, lane);
    for (i64 j = 0; j < count; ++j)
        ids[j] = static_cast<i64>(shared_pick(table, run.word(static_cast<u64>(start + j))));
}

// Draw distinct ids by rejection, with an open-addressing hash set whose size is a power of two and where -1
// marks a free place. `secret` is a part of the hash, so that no weights can be chosen whose ids collide; the
// ids do not depend on it. Return true if a slot found only known ids; shared_exact then draws the rest.
inline bool shared_unique(u64 key, u64 call, u64 lane, const Proposer& table, u64 secret, i64* seen,
                          u64 seen_mask, i64* ids, i64 count, u64* state) {
    const Run run(key, call, lane);
    const u64 stop = state[kNextWord] + static_cast<u64>(kChunk);
    while (state[kFilled] < static_cast<u64>(count) && state[kNextWord] < stop) {
        bool known = true;
        for (int redraw = 0; known && redraw <= kRedraws; ++redraw) {
            const i64 id = static_cast<i64>(shared_pick(table, run.word(state[kNextWord]++)));
            ++state[kTries];
            u64 at = mix64(static_cast<u64>(id) ^ secret) & seen_mask;
            while (seen[at] >= 0 && seen[at] != id) at = (at + 1) & seen_mask;
            known = seen[at] == id;
            if (!known) ids[state[kFilled]++] = seen[at] = id;
        }
        if (known) return true;
    }
    return false;
}

// Build a part of the tree over the units of the ids not drawn yet: first all nodes, then the ids that have
// been drawn are subtracted. The tree starts as zeros; tree[0] is the sum of the units that are left.
inline void build_tree(const Proposer& table, u64* tree, const i64* ids, u64* state) {
    const u64 n = table.n, filled = state[kFilled];
    u64 step = state[kTreeBuilt];
    const u64 stop = std::min(n + filled, step + static_cast<u64>(kChunk / 8));
    if (step == 0) tree[0] = table.total;
    for (; step < stop && step < n; ++step) {
        const u64 node = step + 1, parent = node + (node & (~node + 1));
        tree[node] += units_of(table, step);
        if (parent <= n) tree[parent] += tree[node];
    }
    for (; step < stop; ++step) {
        const u64 id = static_cast<u64>(ids[step - n]), units = units_of(table, id);
        tree[0] -= units;
        for (u64 node = id + 1; node <= n; node += node & (~node + 1)) tree[node] -= units;
    }
    state[kTreeBuilt] = step == n + filled ? kWhole : step;
}

// Draw the remaining slots exactly, with a Fenwick tree over the units of the ids not drawn yet. Building it
// takes O(n) and each slot O(log n). One call does a part of this work.
inline void shared_exact(u64 key, u64 call, u64 lane, const Proposer& table, u64* tree, i64* ids, i64 count,
                         u64* state) {
    const Run run(key, call, lane);
    const u64 n = table.n;
    u64 top = 1;
    while (top * 2 <= n) top *= 2;
    if (state[kTreeBuilt] != kWhole) {
        build_tree(table, tree, ids, state);
        return;
    }
    const u64 stop = state[kFilled] + static_cast<u64>(kChunk / 8);
    while (state[kFilled] < static_cast<u64>(count) && state[kFilled] < stop) {
        const double p = static_cast<double>(tree[0]) / static_cast<double>(table.total);
        const double more = std::floor(log(unit_real(run.word(state[kNextWord]++))) / log1p(-p));
        state[kTries] =
            more < 0x1p62 ? std::min(state[kTries] + 1 + static_cast<u64>(more), kMostTries) : kMostTries;
        u64 target = below(run.word(state[kNextWord]++), tree[0]), id = 0;
        for (u64 step = top; step; step /= 2) {
            if (id + step < n && tree[id + step] <= target) {
                id += step;
                target -= tree[id];
            }
        }
        const u64 units = units_of(table, id);
        tree[0] -= units;
        for (u64 i = id + 1; i <= n; i += i & (~i + 1)) tree[i] -= units;
        ids[state[kFilled]++] = static_cast<i64>(id);
    }
}

}  // namespace equipoise
