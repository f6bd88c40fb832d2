// Conversion of weights to whole units: floor(w * n * 2^32 / sum w), in integers throughout (rng.py, "Whole
// units").
#pragma once

#include <type_traits>

#include "platform.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

struct Wide {
    u64 high, low;
    void add(u64 h, u64 l) {
        low += l;
        high += h + (low < l);
    }
};

// A weight, exactly m * 2^x.
struct Scaled {
    u64 m;
    int x;
};

EQUIPOISE_INLINE Scaled scaled(i64 w) {
    return {static_cast<u64>(w), 0};
}

EQUIPOISE_INLINE Scaled scaled(double w) {
    const u64 bits = bits_of(w), fraction = bits & 0xFFFFFFFFFFFFFu;
    const int e = static_cast<int>(bits >> 52) & 0x7FF;
    return e ? Scaled{fraction | (u64{1} << 52), e - 1075} : Scaled{fraction, -1074};
}

EQUIPOISE_INLINE int leading_zeros(u64 m) {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long top;
    _BitScanReverse64(&top, m);
    return 63 - static_cast<int>(top);
#else
    return __builtin_clzll(m);
#endif
}

// Return the sum of floor(w / 2^grid). It has 128 bits, so the order of the terms does not matter.
template <class Weight>
Wide unit_sum(const Weight* weights, i64 n, int grid) {
    Wide sum{0, 0};
    for (i64 i = 0; i < n; ++i) {
        const Scaled w = scaled(weights[i]);
        const int shift = w.x - grid;
        if (shift >= 64) {
            sum.add(w.m << ((shift - 64) & 63), 0);  // below 128, unless another thread changes the weights
        } else if (shift > 0) {
            sum.add(w.m >> (64 - shift), w.m << shift);
        } else if (shift > -64) {
            sum.add(0, w.m >> -shift);
        }
    }
    return sum;
}

// Set units_i = floor(w_i * r / 2^point), but at least 1 where w_i > 0. The top bit of r = (high, low) is
// set. Return the sum of the units.
template <class Weight>
Wide unit_floor(const Weight* weights, i64 n, u64 high, u64 low, int point, u64* units) {
    Wide sum{0, 0};
    for (i64 i = 0; i < n; ++i) {
        const Scaled w = scaled(weights[i]);
        if (w.m == 0) {
            units[i] = 0;
            continue;
        }
        const int zeros = leading_zeros(w.m);
        const u64 m = w.m << zeros;
        const int shift =
            point - (w.x - zeros);  // >= 127: m * r has 191 or 192 bits, a unit count at most 64
        const u64 carry = mulhi(m, low), p1 = m * high + carry;
        const u64 p2 = mulhi(m, high) + (p1 < carry);
        const u64 count = shift >= 192 ? 0 : shift >= 128 ? p2 >> (shift - 128) : (p2 << 1) | (p1 >> 63);
        units[i] = count ? count : 1;
        sum.add(0, units[i]);
    }
    return sum;
}

// Make the units add up to the total. A surplus is shared equally by all ids of positive weight; missing
// units (surplus < 0) come equally from all ids with at least 2^32 units. The remainder of the division goes
// to, or comes from, the first of these ids, one unit each. If there are no such ids, nothing changes.
inline void unit_settle(u64* units, i64 n, i64 surplus) {
    const bool left = surplus >= 0;
    const u64 least = left ? 1 : u64{1} << 32, sign = left ? 1 : ~u64{0};
    u64 ids = 0;
    for (i64 i = 0; i < n; ++i) ids += units[i] >= least;
    if (!ids) return;
    const u64 all = static_cast<u64>(surplus) * sign, share = all / ids;
    u64 rest = all % ids;
    for (i64 i = 0; i < n; ++i) {
        if (units[i] < least) continue;
        units[i] += (share + (rest > 0)) * sign;
        rest -= rest > 0;
    }
}

// Return the digest of a table of n ids, which is uniform if it has no units. One 128-bit product mixes the
// units of two ids; mixing those of each id with mix64 would take three times as long.
inline u64 unit_digest(u64 n, const u64* units) {
    constexpr u64 kGolden = 0x9E3779B97F4A7C15u;
    u64 sum = n, a = kGolden, b = 2 * kGolden;
    for (u64 i = 0; units && i < n; i += 2, a += 2 * kGolden, b += 2 * kGolden) {
        const u64 x = units[i] + a, y = (i + 1 < n ? units[i + 1] : 0) + b;
        sum += mulhi(x, y) ^ (x * y);
    }
    return mix64(sum);
}

}  // namespace equipoise
