// The exponential race: rows in the order of their ranks E / w, which is a weighted order without replacement
// (see rng.py, "Orders"). A pass over the weights finds the rows of one band of ranks.
#pragma once

#include "reservoirs/ranks.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

// What a scan of rows has found: how many ranks are below the band, and how many are in it.
struct BandScan {
    i64 below, found;
};

// Find the rows of positive weight whose ranks are in [low, high). Rows are counted from `first`, a multiple
// of kBlock. There is room for all rows of a scan.
inline BandScan race_band(u64 key, i64 first, const double* weights, i64 count, double low, double high,
                          i64* rows, double* ranks) {
    double e[kBlock], r[kBlock];
    BandScan scan{0, 0};
    for (i64 begin = 0; begin < count; begin += kBlock) {
        const i64 size = count - begin < kBlock ? count - begin : kBlock;
        const double* w = weights + begin;
        const Run run(key, static_cast<u64>((first + begin) / kBlock), 0);
        bool plain = true;
        for (i64 j = 0; j < kBlock; ++j) e[j] = 0.0 - log_normal(unit_real(run.word(static_cast<u64>(j))));
        for (i64 j = 0; j < size; ++j) {
            r[j] = e[j] / w[j];
            plain &= is_plain(r[j]) | !(w[j] > 0.0);
        }
        for (i64 j = 0; !plain && j < size; ++j) r[j] = w[j] > 0.0 ? rank_after(0.0, e[j], w[j]) : kInfinity;
        for (i64 j = 0; j < size; ++j) {  // the rank of a weight of 0 is infinite or NaN
            rows[scan.found] = first + begin + j;
            ranks[scan.found] = r[j];
            scan.below += r[j] < low;
            scan.found += (r[j] >= low) & (r[j] < high);
        }
    }
    return scan;
}

}  // namespace equipoise
