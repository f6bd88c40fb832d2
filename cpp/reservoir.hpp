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
#include <cstring>
#include <type_traits>

#include "classes.hpp"
#include "elementary.hpp"
#include "rng.hpp"

namespace equipoise {

constexpr i64 kRows = 64;                 // of a block
constexpr i64 kAhead = 4096;              // rows, which are asked for so long before they are read
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

// 1 - u for the real u in (0, 1] of a word, exactly: no more than -log(u), so it rejects before any
// logarithm.
EQUIPOISE_INLINE double gap(u64 word) {
    return static_cast<double>(static_cast<i64>(0x1FFFFFFFFFFFFFu - (word >> 11))) * 0x1p-53;
}

EQUIPOISE_INLINE double exponential(u64 word) {
    return 0.0 - log_normal(unit_real(word));
}

template <class Weight>
EQUIPOISE_INLINE bool is_weight(Weight w) {
    return w >= 0 && static_cast<double>(w) < kInfinity;
}

#if defined(__GNUC__)  // eight side by side in a vector, which compilers do not find by themselves
template <class Weight>
struct Lanes;
template <>
struct Lanes<float> {
    using Row = float __attribute__((vector_size(32)));
    using Word = u32;
    using Signs = Word __attribute__((vector_size(32)));
};
template <>
struct Lanes<double> {
    using Row = double __attribute__((vector_size(64)));
    using Word = u64;
    using Signs = Word __attribute__((vector_size(64)));
};
#endif

// Row i of a block is in column i mod 8, summed from the top; minus zeros and bad weights raise `signs`.
template <class Weight>
struct Columns {
#if defined(__GNUC__)
    using Row = typename Lanes<Weight>::Row;
    using Word = typename Lanes<Weight>::Word;
    using Signs = typename Lanes<Weight>::Signs;
    using Sums = double __attribute__((vector_size(64)));

    Sums sums = {};
    EQUIPOISE_INLINE void add(const Weight* w, Signs& signs) {
        Row row;
        std::memcpy(&row, w, sizeof row);
        sums += __builtin_convertvector(row, Sums);
        signs |= (Signs)row;
    }
    static EQUIPOISE_INLINE bool any(const Signs& signs) {
        Word all = 0;
        for (int j = 0; j < 8; ++j) all |= signs[j];
        return all >> (8 * sizeof(Weight) - 1);
    }
#else
    struct Signs {
        bool any = false;
    };
    double sums[8] = {};
    void add(const Weight* w, Signs& signs) {
        for (int j = 0; j < 8; ++j) {
            sums[j] += static_cast<double>(w[j]);
            signs.any |= !(w[j] > 0);
        }
    }
    static bool any(const Signs& signs) { return signs.any; }
#endif
    EQUIPOISE_INLINE void add_block(const Weight* w, Signs& signs) {
        for (i64 i = 0; i < kRows; i += 8) add(w + i, signs);
    }
    // The whole, by halves.
    EQUIPOISE_INLINE double sum() const {
        return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
};

// Of two parts, is the target in the second? Rounding may put it there when that part is empty.
EQUIPOISE_INLINE i64 beyond(double& target, double first, double second) {
    const bool is = second > 0.0 && target >= first;
    target -= is ? first : 0.0;
    return is;
}

// A row in proportion to weight: by halves to a column, then down the column.
template <class Weight>
EQUIPOISE_INLINE i64 block_pick(const Weight* w, double sum, u64 word) {
    typename Columns<Weight>::Signs signs = {};
    Columns<Weight> columns;
    columns.add_block(w, signs);
    const auto& c = columns.sums;
    double target = static_cast<double>(static_cast<i64>(word >> 11)) * 0x1p-53 * sum;
    i64 j = beyond(target, (c[0] + c[4]) + (c[2] + c[6]), (c[1] + c[5]) + (c[3] + c[7]));
    j += 2 * beyond(target, c[j] + c[j + 4], c[j + 2] + c[j + 6]);
    j += 4 * beyond(target, c[j], c[j + 4]);
    i64 row = j;
    bool open = true;  // no branches, which nobody could guess
    for (i64 i = j; i < kRows; i += 8) {
        const double x = static_cast<double>(w[i]);
        const bool may = open & (x > 0.0);
        row = may ? i : row;
        open &= !(may & (target < x));
        target -= x;
    }
    return row;
}

// Flags as the bits of a word, for loops that jump from one that is set to the next.
struct Mask {
    u64 bits = 0;

    EQUIPOISE_INLINE void set_eight(i64 at, const bool* flags) {
        u64 eight;
        std::memcpy(&eight, flags, sizeof eight);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        bits |= (eight * 0x0102040810204080u >> 56) << at;
    }
    EQUIPOISE_INLINE i64 take_lowest() {
#if defined(__GNUC__)
        const i64 at = __builtin_ctzll(bits);
#else
        i64 at = 0;
        while (!(bits >> at & 1)) ++at;
#endif
        bits &= bits - 1;
        return at;
    }
};

constexpr i64 kBatch = 16;  // blocks

// Rows that may have ranks up to their limits: start + E / w, for which all logarithms are taken at once.
struct Pending {
    static constexpr i64 kMost = kBatch * kRows;
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
template <class Weight>
EQUIPOISE_INLINE i64 block_ranks(const Run& run, u64 b, const Weight* w, double sum, double start,
                                 double threshold, i64 first, Pending& others) {
    const u64 at = kBlock + (kRows + 1) * b;
    const i64 picked = block_pick(w, sum, run.word(at + kRows));
    // A rank is rounded as a sum; ranks beyond float64 are all infinite, and none is left out.
    const double bound =
        threshold < kInfinity ? (threshold - start) * kSlack + threshold * 0x1p-52 : kInfinity;
    u64 words[kRows];
    bool may[kRows];
    Mask mask;
    for (i64 i = 0; i < kRows; ++i) words[i] = run.word(at + static_cast<u64>(i));
    for (i64 i = 0; i < kRows; ++i) may[i] = gap(words[i]) <= bound * static_cast<double>(w[i]);
    for (i64 i = 0; i < kRows; i += 8) mask.set_eight(i, may + i);
    mask.bits &= ~(u64{1} << picked);
    while (mask.bits) {
        const i64 i = mask.take_lowest();
        others.add(first + i, words[i], start, static_cast<double>(w[i]), threshold);
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
template <class Weight>
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
        size = std::min(
            {kBatch, blocks - at, kBlock - static_cast<i64>(offset), (out.room - scan.filled) / need});
        if (size == 0) return {at * kRows, scan.filled, kFull, scan.total};
        const Weight* w = weights + at * kRows;
        typename Columns<Weight>::Signs signs = {};
        for (i64 b = 0; b < size; ++b) {
            Columns<Weight> columns;
            for (i64 j = 0; j < kRows; j += 64 / static_cast<i64>(sizeof(Weight)))
                EQUIPOISE_PREFETCH_FAR(w + b * kRows + kAhead + j);
            columns.add_block(w + b * kRows, signs);
            sums[b] = columns.sum();
            words[b] = run.word(offset + static_cast<u64>(b));  // while memory is waited for
        }
        bool finite = true, some = false, may[kBatch] = {};
        for (i64 b = 0; b < size; ++b) {
            finite &= sums[b] < kInfinity;
            may[b] = gap(words[b]) <= bound * sums[b];
            some |= may[b];
        }
        if (!finite || Columns<Weight>::any(signs)) {
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
                    *here.rows = block_ranks(run, number, weights + first, sums[b], starts[b], threshold,
                                             first, others);
                    *here.ranks = starts[b];
                    *here.weights = static_cast<double>(weights[*here.rows]);
                    ++scan.filled;
                }
            }
            scan.filled += others.settle(out.behind(scan.filled));
        }
        for (i64 b = 0; b < size; ++b) scan.total += sums[b];
    }
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
    const auto identify = [&](i64 from) {
        for (i64 f = from; f < scan.filled; ++f)
            row_ids[f] = rows.ids ? rows.ids[out.rows[f]] : rows.start + out.rows[f];
    };
    for (i64 at = 0, size = 0; at < count; at += size) {
        size = std::min(kBlock, count - at);
        if (most == 1 && out.room - scan.filled < kBlock) return {at, scan.filled, kFull, scan.total};
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
        const i64 before = scan.filled;
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
                        identify(before);
                        return {at + j, scan.filled, kFull, scan.total};
                    }
                    scan.filled += row_points(rows, at + j, weights[j], words[j], limits[j], most,
                                              out.behind(scan.filled));
                }
            }
        }
        scan.filled += others.settle(out.behind(scan.filled));
        identify(before);
        if (most == 1) {
            scan.total += piece;
        } else {  // a piece may be left in the middle: row by row
            for (i64 j = 0; j < size; ++j) scan.total += weights[j];
        }
    }
    scan.next = count;
    return scan.total < kInfinity ? scan : Scan{0, scan.filled, kBadSum, scan.total};
}

}  // namespace equipoise
