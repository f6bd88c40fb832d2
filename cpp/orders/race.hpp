// The exponential race: rows in the order of their ranks E / w, which is a weighted order without replacement
// (see rng.py, "Orders"). A pass over the weights finds the rows of one band of ranks.
#pragma once

#include "reservoirs/ranks.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

constexpr double kNear = 1.0 + 0x1p-40;  // covers the rounding of a logarithm, a quotient and a product

// What a scan of rows has found: how many ranks are below the band, and how many are in it.
struct BandScan {
    i64 below, found;
};

// Find the rows of positive weight whose ranks are in [low, high). Rows are counted from `first`, a multiple
// of kBlock. There is room for all rows of a scan. Since 1 - u <= -log(u) <= (1 - u) / u, most rows need no
// logarithm.
inline BandScan race_band(u64 key, i64 first, const double* weights, i64 count, double low, double high,
                          i64* rows, double* ranks) {
    const double most = rank_bound(high) * kNear;
    const double least = low > kMostPlain ? kMostPlain / kNear : low >= kLeastPlain ? low / kNear : 0.0;
    i64 at[kBlock];
    double u[kBlock], w[kBlock], r[kBlock];
    BandScan scan{0, 0};
    for (i64 begin = 0; begin < count; begin += kBlock) {
        const i64 size = count - begin < kBlock ? count - begin : kBlock;
        const Run run(key, static_cast<u64>((first + begin) / kBlock), 0);
        i64 maybe = 0;
        for (i64 j = 0; j < size; ++j) {
            const double unit = unit_real(run.word(static_cast<u64>(j))), weight = weights[begin + j];
            const bool below = 1.0 - unit < least * weight * unit;
            at[maybe] = first + begin + j;
            u[maybe] = unit;
            w[maybe] = weight;
            scan.below += below;
            maybe += !below & (1.0 - unit <= most * weight) & (weight > 0.0);
        }
        bool plain = true;
        for (i64 j = 0; j < maybe; ++j) {
            r[j] = (0.0 - log_normal(u[j])) / w[j];
            plain &= is_plain(r[j]);
        }
        for (i64 j = 0; !plain && j < maybe; ++j) r[j] = rank_after(0.0, 0.0 - log_normal(u[j]), w[j]);
        for (i64 j = 0; j < maybe; ++j) {
            rows[scan.found] = at[j];
            ranks[scan.found] = r[j];
            scan.below += r[j] < low;
            scan.found += (r[j] >= low) & (r[j] < high);
        }
    }
    return scan;
}

}  // namespace equipoise
