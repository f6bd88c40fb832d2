// Weighted reservoirs: ranks E / w whose exponentials E stand at fixed addresses, so that the smallest ranks
// of a stream depend on nothing else (Efraimidis and Spirakis 2006; rng.py, "Weighted reservoirs").
//
//   by position, 64 rows a block   the first rank is E / W, W the block's weight, of a row by weight;
//   [....][....][....][..          the others' ranks are that + E / w each: exponentials have no memory.
//    E / W > threshold: next       A block that begins above the threshold costs a word and a comparison.
//
// Kernels note candidates, ranks up to a threshold that may be out of date: too many never change an answer.
#pragma once

#include <algorithm>
#include <cmath>

#include "reservoirs/blocks.hpp"
#include "reservoirs/classes.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

constexpr double kSlack = 1.0 + 0x1p-40;  // covers the rounding of a logarithm, a quotient, a product

// Why a kernel came back; `next` is where to go on, or what is wrong.
enum Stop { kAllSeen = 0, kFull = 1, kBadWeight = 2, kBadSum = 3, kNewClass = 4 };
struct Scan {
    i64 next, filled;
    int stop;
    double total;
};

struct Candidates {
    i64* rows;
    double* ranks;
    double* weights;  // known here, and gone from the cache when everything is read
    i64 room;

    EQUIPOISE_INLINE Candidates behind(i64 filled) const {
        return {rows + filled, ranks + filled, weights + filled, room - filled};
    }
};

EQUIPOISE_INLINE double exponential(u64 word) {
    return 0.0 - log_normal(unit_real(word));
}

// Rows that may have ranks up to their limits: start + E / w, whose logarithms are taken when they are enough
// for a loop.
struct Pending {
    static constexpr i64 kEnough = 128, kMost = kEnough + kBatch * kRows;
    i64 size = 0, rows[kMost];
    u64 words[kMost];
    double starts[kMost], weights[kMost], limits[kMost];

    Pending() {}  // no zeros
    EQUIPOISE_INLINE void add(i64 row, u64 word, double start, double weight, double limit) {
        rows[size] = row;
        words[size] = word;
        starts[size] = start;
        weights[size] = weight;
        limits[size] = limit;
        size += weight > 0.0;
    }
    // Notes those up to their limits, and says how many.
    EQUIPOISE_INLINE i64 settle(const Candidates& out) {
        for (i64 i = 0; i < size; ++i) starts[i] += exponential(words[i]) / weights[i];
        i64 filled = 0;
        for (i64 i = 0; i < size; ++i) {
            out.rows[filled] = rows[i];
            out.ranks[filled] = starts[i];
            out.weights[filled] = weights[i];
            filled += starts[i] <= limits[i];
        }
        size = 0;
        return filled;
    }
};

// The rows of a block, counted from `first`, whose first rank is `start`: that of the first rank, and to
// `others` those that may have ranks up to the threshold. Run: its group's, where it is number `b`.
template <class Path, class Weight>
EQUIPOISE_INLINE i64 block_ranks(const Run& run, u64 b, const Weight* w, double sum, double start,
                                 double threshold, i64 first, Pending& others) {
    const u64 at = kBlock + (kRows + 1) * b;
    const i64 picked = block_pick(w, sum, run.word(at + kRows));
    // A rank is rounded as a sum; ranks beyond float64 are all infinite, and none is left out.
    const double bound =
        threshold < kInfinity ? (threshold - start) * kSlack + threshold * 0x1p-52 : kInfinity;
    Mask mask{Path::within(run, at, w, bound) & ~(u64{1} << picked)};
    while (mask.bits) {
        const i64 i = mask.take_lowest();
        others.add(first + i, run.word(at + static_cast<u64>(i)), start, static_cast<double>(w[i]),
                   threshold);
    }
    return first + picked;
}

// The same with replacement: points of a Poisson process, at most `most`. Run: the block's own.
template <class Weight>
EQUIPOISE_INLINE i64 block_points(const Run& group, u64 b, const Run& run, const Weight* w, double sum,
                                  double threshold, i64 first, i64 most, const Candidates& out) {
    double point = exponential(group.word(b)) / sum;
    u64 pick = group.word(kBlock + (kRows + 1) * b + kRows);
    i64 filled = 0;
    for (u64 j = 0; filled < most && point <= threshold; j += 2) {
        const i64 row = block_pick(w, sum, pick);
        out.rows[filled] = first + row;
        out.weights[filled] = static_cast<double>(w[row]);
        out.ranks[filled++] = point;
        point += exponential(run.word(j)) / sum;
        pick = run.word(j + 1);
    }
    return filled;
}

// Whole blocks of a stream, from block `start` on; with replacement up to `most` points of each, else most =
// 0.
template <class Path, class Weight>
EQUIPOISE_INLINE Scan reservoir_blocks(u64 key, i64 start, const Weight* weights, i64 count, double threshold,
                                       i64 most, double total, const Candidates& out) {
    const double bound = threshold * kSlack;
    const i64 blocks = count / kRows, need = most ? most : kRows;
    Scan scan{0, 0, kAllSeen, total};
    Run run{};
    Pending others;
    double sums[kBatch], starts[kBatch];
    u64 words[kBatch];
    for (i64 at = 0, size = 0; at < blocks; at += size) {
        const u64 block = static_cast<u64>(start + at), offset = block % kBlock;
        if (at == 0 || offset == 0) run = Run(key, block / kBlock, 0);
        size = std::min({kBatch, blocks - at, kBlock - static_cast<i64>(offset),
                         (out.room - scan.filled - others.size) / need});
        if (size == 0) {
            scan.filled += others.settle(out.behind(scan.filled));
            return {at * kRows, scan.filled, kFull, scan.total};
        }
        const Weight* w = weights + at * kRows;
        const bool doubtful = Path::sums(w, size, sums);
        for (i64 b = 0; b < size; ++b) words[b] = run.word(offset + static_cast<u64>(b));
        bool finite = true, some = false, may[kBatch] = {};
        for (i64 b = 0; b < size; ++b) {
            finite &= sums[b] < kInfinity;
            may[b] = gap(words[b]) <= bound * sums[b];
            some |= may[b];
        }
        if (!finite || doubtful) {
            for (i64 i = 0; i < size * kRows; ++i)
                if (!is_weight(w[i])) return {at * kRows + i, scan.filled, kBadWeight, scan.total};
            if (!finite) return {at * kRows, scan.filled, kBadSum, scan.total};
        }
        if (some) {
            for (i64 b = 0; b < size; ++b) starts[b] = exponential(words[b]) / sums[b];
            for (i64 b = 0; b < size; ++b) may[b] &= (starts[b] <= threshold) & (sums[b] > 0.0);
            Mask mask;
            for (i64 b = 0; b < kBatch; b += 8) mask.set_eight(b, may + b);
            while (mask.bits) {
                const i64 b = mask.take_lowest(), first = (at + b) * kRows;
                const u64 number = offset + static_cast<u64>(b);
                const Candidates here = out.behind(scan.filled);
                if (most) {
                    scan.filled += block_points(run, number, Run(key, block + static_cast<u64>(b), 1),
                                                weights + first, sums[b], threshold, first, most, here);
                } else {
                    *here.rows = block_ranks<Path>(run, number, weights + first, sums[b], starts[b],
                                                   threshold, first, others);
                    *here.ranks = starts[b];
                    *here.weights = static_cast<double>(weights[*here.rows]);
                    ++scan.filled;
                }
            }
            if (others.size >= Pending::kEnough) scan.filled += others.settle(out.behind(scan.filled));
        }
        for (i64 b = 0; b < size; ++b) scan.total += sums[b];
    }
    scan.filled += others.settle(out.behind(scan.filled));
    scan.next = blocks * kRows;
    return scan;
}

// No less than the rank that a threshold of logarithms stands for, for all that rounding does to large ones.
EQUIPOISE_INLINE double decay_bound(double threshold, double shift) {
    const double most = (threshold + shift) + (std::fabs(threshold) + std::fabs(shift)) * 0x1p-50;
    return exp(most > -708.0 ? most : -708.0);
}

// Rows one by one: keyed by id, or by position where each class has its own threshold or weights decay.
template <class Weight>
struct Stream {
    u64 key;
    i64 start;               // position of the first row
    const i64* ids;          // null: keyed by position
    const i64* classes;      // null: all 0
    const i64* slot_labels;  // of a table of classes; null: classes are numbers, not labels
    const i64* slot_numbers;
    u64 mask;
    const Weight* weights;  // null: all 1
    const double* shifts;   // of log w, by decay; null: ranks, else logarithms of ranks
    const double* thresholds;
    u64 num_thresholds;
    i64* counts;  // of rows by class
};

// Up to the threshold, the points of row i, whose first exponential is of `word`: one, or with replacement
// `most`.
template <class Weight>
EQUIPOISE_INLINE i64 row_points(const Stream<Weight>& rows, i64 i, double w, u64 word, double threshold,
                                i64 most, const Candidates& out) {
    const double log_w = rows.shifts ? log(w) + rows.shifts[i] : 0.0;
    double e = exponential(word);
    Run run{};
    for (i64 filled = 0;;) {
        const double rank = rows.shifts ? log(e) - log_w : e / w;
        if (!(rank <= threshold)) return filled;
        out.rows[filled] = i;
        out.weights[filled] = w;
        out.ranks[filled++] = rank;
        if (filled >= most) return filled;
        if (filled == 1) run = Run(rows.key, static_cast<u64>(rows.ids ? rows.ids[i] : rows.start + i), 1);
        e += exponential(run.word(static_cast<u64>(filled - 1)));
    }
}

// Up to `most` points of each row; most = 1 is without replacement. row_ids: of candidates, or positions.
template <class Weight>
EQUIPOISE_INLINE Scan reservoir_rows(const Stream<Weight>& rows, i64 count, i64 most, double total,
                                     const Candidates& out, i64* row_ids) {
    Scan scan{0, 0, kAllSeen, total};
    u64 words[kBlock];
    double weights[kBlock], limits[kBlock], decayed[kBlock];
    bool may[kBlock] = {};
    Run run(rows.key, 0, 0);
    Pending others;
    const bool at_once = most == 1 && !rows.shifts;
    i64 identified = 0;
    const auto settle = [&] {
        scan.filled += others.settle(out.behind(scan.filled));
        for (; identified < scan.filled; ++identified) {
            const i64 row = out.rows[identified];
            row_ids[identified] = rows.ids ? rows.ids[row] : rows.start + row;
        }
    };
    for (i64 at = 0, size = 0; at < count; at += size) {
        size = std::min(kBlock, count - at);
        if (most == 1 && out.room - scan.filled - others.size < kBlock) {
            settle();
            return {at, scan.filled, kFull, scan.total};
        }
        if (rows.ids) {
            for (i64 j = 0; j < size; j += 8) EQUIPOISE_PREFETCH_FAR(rows.ids + at + kAhead + j);
            for (i64 j = 0; j < size; ++j) words[j] = mix64(run.word(static_cast<u64>(rows.ids[at + j])));
        } else {
            const i64 position = rows.start + at, offset = position % kBlock;
            size = std::min(size, kBlock - offset);
            run = Run(rows.key, static_cast<u64>(position / kBlock), 0);
            for (i64 j = 0; j < size; ++j) words[j] = run.word(static_cast<u64>(offset + j));
        }
        for (i64 j = size & ~i64{7}; j < kBlock; ++j) may[j] = false;
        const i64 padded = (size + 7) & ~i64{7};
        typename Columns<double>::Signs signs = {};
        Columns<double> columns;
        for (i64 j = 0; rows.weights && j < size; j += 64 / static_cast<i64>(sizeof(Weight)))
            EQUIPOISE_PREFETCH_FAR(rows.weights + at + kAhead + j);
        for (i64 j = 0; j < size; ++j)
            weights[j] = rows.weights ? static_cast<double>(rows.weights[at + j]) : 1.0;
        for (i64 j = size; j < padded; ++j) weights[j] = 0.0;
        for (i64 j = 0; j < padded; j += 8) columns.add(weights + j, signs);
        const double piece = columns.sum();
        if (!(piece < kInfinity) || Columns<double>::any(signs)) {
            for (i64 j = 0; j < size; ++j)
                if (!is_weight(weights[j])) return {at + j, scan.filled, kBadWeight, scan.total};
            if (!(piece < kInfinity)) return {at, scan.filled, kBadSum, scan.total};
        }
        if (rows.classes) {
            // Pages end sooner than the hardware looks ahead.
            for (i64 j = 0; j < size; j += 8) EQUIPOISE_PREFETCH_FAR(rows.classes + at + kAhead + j);
            if (!class_bounds(rows.classes + at, size, rows.slot_labels, rows.slot_numbers, rows.mask,
                              rows.thresholds, rows.num_thresholds, limits, rows.counts))
                return {at, scan.filled, kNewClass, scan.total};
        } else {
            for (i64 j = 0; j < size; ++j) limits[j] = rows.thresholds[0];
        }
        const double* bounds = limits;
        if (rows.shifts) {
            for (i64 j = 0; j < size; ++j) decayed[j] = decay_bound(limits[j], rows.shifts[at + j]);
            bounds = decayed;
        }
        for (i64 j = 0; j < size; ++j) may[j] = gap(words[j]) <= bounds[j] * kSlack * weights[j];
        for (i64 group = 0; group < kBlock; group += 64) {
            Mask mask;
            for (i64 j = 0; j < 64; j += 8) mask.set_eight(j, may + group + j);
            while (mask.bits) {
                const i64 j = group + mask.take_lowest();
                if (at_once) {
                    others.add(at + j, words[j], 0.0, weights[j], limits[j]);
                } else if (weights[j] > 0.0) {
                    if (out.room - scan.filled < most) {
                        for (i64 i = 0; i < j; ++i) scan.total += weights[i];
                        settle();
                        return {at + j, scan.filled, kFull, scan.total};
                    }
                    scan.filled += row_points(rows, at + j, weights[j], words[j], limits[j], most,
                                              out.behind(scan.filled));
                }
            }
        }
        if (others.size >= Pending::kEnough) settle();
        if (most == 1) {
            scan.total += piece;
        } else {  // a piece may be left in the middle: row by row
            for (i64 j = 0; j < size; ++j) scan.total += weights[j];
        }
    }
    settle();
    scan.next = count;
    return scan.total < kInfinity ? scan : Scan{0, scan.filled, kBadSum, scan.total};
}

}  // namespace equipoise
