// Permutations that are computed place by place from random words: nothing is stored, and any place can be
// asked for first.
#pragma once

#include <cstdint>

#include "stream/rng.hpp"

namespace equipoise {

constexpr u64 kShuffled = 128;  // up to this length, a permutation is shuffled in full
constexpr u64 kRounds = 8;      // of the Feistel network of a longer one
constexpr u64 kAtOnce = 8;      // numbers that are computed in step

// Return the smallest integer whose square is at least n, for 1 <= n < 2^32.
EQUIPOISE_INLINE u64 ceil_root(u64 n) {
    u64 root = 0;  // the largest integer whose square is below n
    for (u64 bit = u64{1} << 15; bit > 0; bit >>= 1) root += (root + bit) * (root + bit) < n ? bit : 0;
    return root + 1;
}

// Shuffle an array (Durstenfeld 1964). Place p is swapped by word p.
template <class T>
EQUIPOISE_INLINE void shuffle(const Run& run, u64 n, T* values) {
    for (u64 p = n; p-- > 1;) {
        const u64 other = below(run.word(p), p + 1);
        const T value = values[p];
        values[p] = values[other];
        values[other] = value;
    }
}

// One permutation of n numbers, by the words of one run.
struct Permutation {
    Run run;
    u64 n, a, b;                    // a * b >= n: the Feistel network permutes pairs (u, v), u < a and v < b
    std::uint8_t order[kShuffled];  // the whole permutation, if it is short

    EQUIPOISE_INLINE Permutation(const Run& words, u64 size) : run(words), n(size), a(1), b(1) {
        if (n <= kShuffled) {
            for (u64 i = 0; i < n; ++i) order[i] = static_cast<std::uint8_t>(i);
            shuffle(run, n, order);
        } else {
            a = ceil_root(n);
            b = (n + a - 1) / a;
        }
    }

    // Write the numbers at the places first .. first + count - 1 to `numbers`, count <= kAtOnce. The network
    // permutes a * b >= n numbers, and is applied until the result is below n (Black and Rogaway 2002): less
    // than 1.1 times on average. The pairs are permuted in step, since each round waits for the one before.
    EQUIPOISE_INLINE void numbers_at(u64 first, u64 count, u64* numbers) const {
        if (n <= kShuffled) {
            for (u64 i = 0; i < count; ++i) numbers[i] = order[first + i];
            return;
        }
        u64 u[kAtOnce], v[kAtOnce];
        for (u64 i = 0; i < count; ++i) split(first + i, u[i], v[i]);
        for (u64 round = 0; round < kRounds; round += 2)
            for (u64 i = 0; i < count; ++i) mix(round, u[i], v[i]);
        for (u64 i = 0; i < count; ++i) {
            while (u[i] * b + v[i] >= n) {
                for (u64 round = 0; round < kRounds; round += 2) mix(round, u[i], v[i]);
            }
            numbers[i] = u[i] * b + v[i];
        }
    }

    EQUIPOISE_INLINE void split(u64 x, u64& u, u64& v) const {
        u = x / b;
        v = x - u * b;
    }

    // Two rounds of the network.
    EQUIPOISE_INLINE void mix(u64 round, u64& u, u64& v) const {
        u += below(run.word((round << 32) + v), a);
        u -= u >= a ? a : 0;
        v += below(run.word(((round + 1) << 32) + u), b);
        v -= v >= b ? b : 0;
    }
};

}  // namespace equipoise
