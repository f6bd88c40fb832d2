// The stream contract, which python/equipoise/rng.py states, and the only conversions of words to numbers.
#pragma once

#include <cstdint>
#include <limits>

#include "platform.hpp"

namespace equipoise {

using i64 = std::int64_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr u64 kStep = 0x9E3779B97F4A7C15u;  // between the words of a run, before they are mixed
constexpr i64 kBlock = 128;                 // draws of a table that share one run

// Return the high half of the 128-bit product.
EQUIPOISE_INLINE u64 mulhi(u64 a, u64 b) {
#if defined(__SIZEOF_INT128__)
    __extension__ using wide = unsigned __int128;
    return static_cast<u64>((static_cast<wide>(a) * b) >> 64);
#elif defined(_MSC_VER)
    return __umulh(a, b);
#else
    const u64 a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
    const u64 middle = a1 * b0 + ((a0 * b0) >> 32);
    const u64 carry = (a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32;
    return a1 * b1 + (middle >> 32) + carry;
#endif
}

// Philox4x32-10 (Salmon et al., SC 2011): replaces the counter c by four 32-bit results, under the key k.
EQUIPOISE_INLINE void philox(u32 c[4], u32 k0, u32 k1) {
    for (int round = 0; round < 10; ++round) {
        const u64 p0 = u64{0xD2511F53u} * c[0], p1 = u64{0xCD9E8D57u} * c[2];
        const u32 h0 = static_cast<u32>(p0 >> 32), h1 = static_cast<u32>(p1 >> 32);
        c[0] = h1 ^ c[1] ^ k0;
        c[1] = static_cast<u32>(p1);
        c[2] = h0 ^ c[3] ^ k1;
        c[3] = static_cast<u32>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

EQUIPOISE_INLINE u64 join(u32 low, u32 high) {
    return low | (u64{high} << 32);
}

EQUIPOISE_INLINE u64 mix64(u64 z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// The words of one row or block.
struct Run {
    u64 s, m;

    Run() = default;
    EQUIPOISE_INLINE Run(u64 key, u64 row, u64 lane) {
        u32 c[4] = {static_cast<u32>(row), static_cast<u32>(row >> 32), static_cast<u32>(lane),
                    static_cast<u32>(lane >> 32)};
        philox(c, static_cast<u32>(key), static_cast<u32>(key >> 32));
        s = join(c[0], c[1]);
        m = join(c[2], c[3]);
    }
    EQUIPOISE_INLINE u64 word(u64 j) const { return mix64(s + (j + 1) * kStep) ^ m; }
};

EQUIPOISE_INLINE u64 call_key(u64 seed, u64 epoch, u64 purpose, u64 stream) {
    u32 c[4] = {static_cast<u32>(epoch), static_cast<u32>(purpose), static_cast<u32>(stream),
                static_cast<u32>(stream >> 32)};
    philox(c, static_cast<u32>(seed), static_cast<u32>(seed >> 32));
    return join(c[0], c[1]);
}

// Convert a word to an integer in [0, n).
EQUIPOISE_INLINE u64 below(u64 word, u64 n) {
    return mulhi(word, n);
}

// Convert a word to a real in (0, 1].
EQUIPOISE_INLINE double unit_real(u64 word) {
    return static_cast<double>((word >> 11) + 1) * 0x1p-53;
}

// Convert a word to a real in [0, 1): the top 24 bits for a float, 53 for a double, as a binary fraction.
template <class T>
EQUIPOISE_INLINE T fraction(u64 word) {
    constexpr int kBits = std::numeric_limits<T>::digits;
    return static_cast<T>(static_cast<i64>(word >> (64 - kBits))) / static_cast<T>(i64{1} << kBits);
}

}  // namespace equipoise
