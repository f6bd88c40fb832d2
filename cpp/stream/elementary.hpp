// The logarithm and exponential behind all promised bytes. They evaluate series in one fixed order, so no
// libm and no CPU path can change a bit. The error is below 1.5 units in the last place. The twin does the
// same operations in the same order.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "stream/rng.hpp"

namespace equipoise {

constexpr double kLn2High = 0x1.62e42fefa2p-1;  // ln 2 to 40 bits, so that k * kLn2High is exact
constexpr double kLn2Low = 0x1.9ef35793c7673p-41;
constexpr double kInvLn2 = 0x1.71547652b82fep+0;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

EQUIPOISE_INLINE u64 bits_of(double x) {
    u64 bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

EQUIPOISE_INLINE double from_bits(u64 bits) {
    double x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// Return log(x / 2^scale) for a positive normal number x. It has no branch, so loops over it are vectorized.
EQUIPOISE_INLINE double log_normal(double x, int scale = 0) {
    constexpr u64 kRoot = 0x3FE6A09E667F3BCDu, kOne = 0x3FF0000000000000u;  // sqrt(1/2), 1
    const u64 bits = bits_of(x) + (kOne - kRoot);
    const double k = static_cast<double>(static_cast<int>(bits >> 52) - 1023 - scale);
    const double m = from_bits((bits & 0xFFFFFFFFFFFFFu) + kRoot);  // sqrt(1/2) <= m < sqrt(2)
    const double f = m - 1.0, s = f / (2.0 + f), z = s * s;
    double p = 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    const double twice = s + s;
    return k * kLn2High + (twice + (twice * (z * p) + k * kLn2Low));
}

inline double log(double x) {
    if (!(x > 0.0)) return x == 0.0 ? -kInfinity : std::numeric_limits<double>::quiet_NaN();
    if (x == kInfinity) return x;
    return x >= 0x1p-1022 ? log_normal(x) : log_normal(x * 0x1p54, 54);  // subnormals are scaled first
}

inline double exp(double x) {
    if (!(x >= -708.0)) return x < -708.0 ? 0.0 : x;
    if (x > 709.0) return kInfinity;
    const double k = std::floor(x * kInvLn2 + 0.5);
    const double r = (x - k * kLn2High) - k * kLn2Low;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return p * from_bits(static_cast<u64>(static_cast<i64>(k) + 1023) << 52);
}

// Kahan's forms of log1p and expm1, in which the rounding error of u cancels.
inline double log1p(double x) {
    const double u = 1.0 + x;
    if (u == 1.0) return x;
    if (u == 0.0) return -kInfinity;
    return log(u) * x / (u - 1.0);
}

inline double expm1(double x) {
    const double u = exp(x);
    if (u == 1.0) return x;
    if (u - 1.0 == -1.0) return -1.0;
    return (u - 1.0) * x / log(u);
}

}  // namespace equipoise
