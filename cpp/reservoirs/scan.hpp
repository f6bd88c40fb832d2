// Kernels of weighted reservoirs. The rank of a row is E / w, where the exponential E is a function of the
// row's address alone, so the rows of smallest rank depend on nothing else (Efraimidis and Spirakis 2006; see
// rng.py, "Weighted reservoirs").
//
//   [....][....][....][..   Rows keyed by position come in blocks of 64. The first rank of a block is E / W,
//    E / W > threshold:     where W is the block's weight; its row is drawn in proportion to weight. The
//    next block             ranks of the others are E / W + E_i / w_i, since exponentials have no memory. A
//                           block that begins above the threshold costs one word and one comparison.
//
// Kernels report candidates: rows whose ranks are at most the threshold. If the threshold is out of date,
// there are more of them than necessary, which never changes an answer.
#pragma once

#include <algorithm>
#include <cmath>

#include "reservoirs/blocks.hpp"
#include "reservoirs/classes.hpp"
#include "reservoirs/ranks.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

constexpr double kSlack = 1.0 + 0x1p-40;  // covers the rounding of a logarithm, a quotient and a product

// Why a kernel returned.
enum Stop { kAllSeen = 0, kFull = 1, kBadWeight = 2, kBadSum = 3, kNewClass = 4 };

struct Scan {
    i64 next;      // the row to continue with, or the one at fault
    i64 filled;    // number of candidates
    int stop;      // a Stop
    double total;  // sum of the weights, including that of earlier calls for the same piece
};

// Room for candidates.
struct Candidates {
    i64* rows;
    double* ranks;
    double* weights;  // reported here because the caller's array has left the cache by the end of a chunk
    i64* classes;     // class numbers, which the kernel for blocks does not write
    i64 room;

    EQUIPOISE_INLINE void put(i64 at, i64 row, double rank, double weight) const {
        rows[at] = row;
        ranks[at] = rank;
        weights[at] = weight;
    }
    EQUIPOISE_INLINE Candidates behind(i64 filled) const {
        return {rows + filled, ranks + filled, weights + filled, classes + filled, room - filled};
    }
};

EQUIPOISE_INLINE double exponential(u64 word) {
    return 0.0 - log_normal(unit_real(word));
}

// The rows of a batch of blocks that may be candidates. Their logarithms are taken in one loop.
struct Pending {
    i64 size = 0, rows[kBatch * kRows];
    u64 words[kBatch * kRows];
    double starts[kBatch * kRows], weights[kBatch * kRows], ranks[kBatch * kRows];

    Pending() {}  // the arrays stay uninitialized
    EQUIPOISE_INLINE void add(i64 row, u64 word, double start, double weight) {
        rows[size] = row;
        words[size] = word;
        starts[size] = start;
        weights[size] = weight;
        size += weight > 0.0;
    }
    // Report the rows whose ranks, start + E / w, are at most the threshold, and return how many there are.
    EQUIPOISE_INLINE i64 settle(double threshold, const Candidates& out) {
        bool plain = true;
        for (i64 i = 0; i < size; ++i) {
            ranks[i] = starts[i] + exponential(words[i]) / weights[i];
            plain &= (starts[i] > 0.0) & (ranks[i] <= kMostPlain);
        }
        for (i64 i = 0; !plain && i < size; ++i)
            ranks[i] = rank_after(starts[i], exponential(words[i]), weights[i]);
        i64 filled = 0;
        for (i64 i = 0; i < size; ++i) {
            out.put(filled, rows[i], ranks[i], weights[i]);
            filled += ranks[i] <= threshold;
        }
        size = 0;
        return filled;
    }
};

// Return the row of a block's first rank, `start`, and add the rows whose ranks may be at most the threshold
// to `others`. Rows are counted from `first` on. `run` is the run of the block's group, in which the block
// has the number `b`.
template <class Path, class Weight>
EQUIPOISE_INLINE i64 block_ranks(const Run& run, u64 b, const Weight* w, double sum, double start,
                                 double threshold, i64 first, Pending& others) {
    const u64 at = kBlock + (kRows + 1) * b;
    const i64 picked = block_pick(w, sum, run.word(at + kRows));
    // A rank is rounded as a sum.
    const double bound = is_plain(start) && is_plain(threshold)
                             ? (threshold - start) * kSlack + threshold * 0x1p-52
                             : rank_bound(threshold) * kSlack;
    Mask mask{Path::within(run, at, w, bound) & ~(u64{1} << picked)};
    while (mask.bits) {
        const i64 i = mask.take_lowest();
        others.add(first + i, run.word(at + static_cast<u64>(i)), start, static_cast<double>(w[i]));
    }
    return first + picked;
}

// Report the points of the block's Poisson process up to the threshold, at most `max_points`, for sampling
// with replacement. `group` is the run of the block's group, and `run` is the block's own.
template <class Weight>
EQUIPOISE_INLINE i64 block_points(const Run& group, u64 b, const Run& run, const Weight* w, double sum,
                                  double start, double threshold, i64 first, i64 max_points,
                                  const Candidates& out) {
    double point = start;
    u64 pick = group.word(kBlock + (kRows + 1) * b + kRows);
    i64 filled = 0;
    for (u64 j = 0; filled < max_points && point <= threshold; j += 2) {
        const i64 row = block_pick(w, sum, pick);
        out.put(filled++, first + row, point, static_cast<double>(w[row]));
        point = rank_after(point, exponential(run.word(j)), sum);
        pick = run.word(j + 1);
    }
    return filled;
}

// Return whether the scan must stop at bad weights, and set its result. `finite` tells whether all sums of
// the weights are.
template <class Weight>
EQUIPOISE_NOINLINE bool any_bad(const Weight* w, i64 count, i64 first, bool finite, Scan* scan) {
    for (i64 i = 0; i < count; ++i) {
        if (is_weight(w[i])) continue;
        *scan = {first + i, scan->filled, kBadWeight, scan->total};
        return true;
    }
    if (!finite) *scan = {first, scan->filled, kBadSum, scan->total};
    return !finite;
}

// Scan whole blocks of a stream, from block `start` on. `max_points` is 0 without replacement, else the
// largest number of points of a block.
template <class Path, class Weight>
EQUIPOISE_INLINE Scan reservoir_blocks(u64 key, i64 start, const Weight* weights, i64 count, double threshold,
                                       i64 max_points, double total, const Candidates& out) {
    const double bound = rank_bound(threshold) * kSlack;
    const i64 blocks = count / kRows, need = max_points ? max_points : kRows;
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
        const bool doubtful = Path::sums(w, size, sums);
        for (i64 b = 0; b < size; ++b) words[b] = run.word(offset + static_cast<u64>(b));
        bool finite = true, some = false, may[kBatch] = {};
        for (i64 b = 0; b < size; ++b) {
            finite &= sums[b] < kInfinity;
            may[b] = gap(words[b]) <= bound * sums[b];
            some |= may[b];
        }
        if ((!finite || doubtful) && any_bad(w, size * kRows, at * kRows, finite, &scan)) return scan;
        Mask mask;
        if (some) {
            bool plain = true;
            for (i64 b = 0; b < size; ++b) {
                starts[b] = exponential(words[b]) / sums[b];
                plain &= is_plain(starts[b]);
            }
            for (i64 b = 0; !plain && b < size; ++b)
                starts[b] = rank_after(0.0, exponential(words[b]), sums[b]);
            for (i64 b = 0; b < size; ++b) may[b] &= (starts[b] <= threshold) & (sums[b] > 0.0);
            for (i64 b = 0; b < kBatch; b += 8) mask.set_eight(b, may + b);
        }
        while (mask.bits) {
            const i64 b = mask.take_lowest(), first = (at + b) * kRows;
            const u64 number = offset + static_cast<u64>(b);
            if (max_points) {
                scan.filled +=
                    block_points(run, number, Run(key, block + static_cast<u64>(b), 1), weights + first,
                                 sums[b], starts[b], threshold, first, max_points, out.behind(scan.filled));
            } else {
                const i64 row = block_ranks<Path>(run, number, weights + first, sums[b], starts[b], threshold,
                                                  first, others);
                out.put(scan.filled++, row, starts[b], static_cast<double>(weights[row]));
            }
        }
        if (some) scan.filled += others.settle(threshold, out.behind(scan.filled));
        for (i64 b = 0; b < size; ++b) scan.total += sums[b];
    }
    scan.next = blocks * kRows;
    return scan;
}

// Return an upper bound of the ranks whose logarithms, plus `shift`, are at most `threshold`.
EQUIPOISE_INLINE double decay_bound(double threshold, double shift) {
    const double most = (threshold + shift) + (std::fabs(threshold) + std::fabs(shift)) * 0x1p-50;
    return exp(most > -708.0 ? most : -708.0);
}

// Rows that are scanned one by one: those keyed by id, and those keyed by position whose classes have
// thresholds of their own or whose weights decay.
template <class Weight>
struct Stream {
    u64 key;
    i64 start;              // position of the first row
    const i64* ids;         // null if rows are keyed by position
    const double* times;    // null without decay, when ranks are not logarithms
    double rate;            // times the rate are added to log w
    const Weight* weights;  // null if all are 1
    const i64* classes;     // labels, or class numbers without slots; null if there is one class
    Slots slots;
    const double* thresholds;  // by class number
    u64 num_thresholds;
    i64* counts;  // rows by class number
};

// At most 128 rows, which are processed side by side.
struct Piece {
    u64 words[kBlock];
    double weights[kBlock];
    i64 classes[kBlock];    // class numbers
    double limits[kBlock];  // of ranks or, with decay, of their logarithms
    double bounds[kBlock];  // of E / w, if they differ from the limits
    bool bounded;           // they do
    bool many_classes;      // more than there are rows
    double sum;
    bool doubtful;  // a weight is minus zero or bad
};

// Set what is the same for all pieces of a call.
template <class Weight>
EQUIPOISE_INLINE void begin_pieces(const Stream<Weight>& rows, i64 count, Piece& piece) {
    const i64 classes = static_cast<i64>(rows.num_thresholds);
    piece.many_classes = classes > count;
    piece.bounded =
        !rows.classes || rows.times || (!piece.many_classes && any_bounds_differ(rows.thresholds, classes));
    for (i64 j = 0; !rows.classes && j < kBlock; ++j) {
        piece.limits[j] = rows.thresholds[0];
        piece.bounds[j] = rank_bound(piece.limits[j]);
    }
}

// Report the points of row j of a piece, which is row i, up to the threshold, at most `max_points`, which is
// 1 without replacement.
template <class Weight>
EQUIPOISE_INLINE i64 row_points(const Stream<Weight>& rows, i64 i, const Piece& piece, i64 j, i64 max_points,
                                const Candidates& out, i64* row_ids) {
    const double w = piece.weights[j], threshold = piece.limits[j];
    const double log_w = rows.times ? log(w) + rows.times[i] * rows.rate : 0.0;
    const i64 id = rows.ids ? rows.ids[i] : rows.start + i;
    double e = exponential(piece.words[j]);
    Run run{};
    for (i64 filled = 0;;) {
        const double rank = rows.times ? log(e) - log_w : rank_after(0.0, e, w);
        if (!(rank <= threshold)) return filled;
        out.put(filled, i, rank, w);
        row_ids[filled++] = id;
        if (filled >= max_points) return filled;
        if (filled == 1) run = Run(rows.key, rows.ids ? piece.words[j] : static_cast<u64>(id), 1);
        e += exponential(run.word(static_cast<u64>(filled - 1)));
    }
}

// Return the number of the next rows that are processed side by side.
template <class Weight>
EQUIPOISE_INLINE i64 piece_size(const Stream<Weight>& rows, i64 at, i64 count) {
    return std::min(rows.ids ? kBlock : kBlock - (rows.start + at) % kBlock, count - at);
}

// Compute the words of rows keyed by position.
template <class Weight>
EQUIPOISE_INLINE void position_words(const Stream<Weight>& rows, i64 at, i64 size, Piece& piece) {
    const i64 position = rows.start + at, offset = position % kBlock;
    const Run run(rows.key, static_cast<u64>(position / kBlock), 0);
    for (i64 j = 0; j < size; ++j) piece.words[j] = run.word(static_cast<u64>(offset + j));
}

// Compute the words of rows keyed by id, whose addresses hold their weights, classes and times as well.
template <class Weight>
EQUIPOISE_INLINE void id_words(const Stream<Weight>& rows, i64 at, i64 size, const Run run, Piece& piece) {
    // The multipliers are those of Steele and Vigna, "Computationally easy, spectrally good multipliers for
    // congruential pseudorandom number generators" (2022).
    constexpr u64 kOne = 0x3FF0000000000000u, kClass = 0xD1342543DE82EF95u, kTime = 0xAF251AF3B0F025B5u;
    const i64* ids = rows.ids + at;
    const i64* classes = rows.classes ? rows.classes + at : nullptr;
    const double* times = rows.times ? rows.times + at : nullptr;
    for (i64 j = 0; j < size; j += 8) EQUIPOISE_PREFETCH_FAR(ids + kAhead + j);
    const u64 s = run.s + kStep, m = run.m;  // word(id) begins with s + id * kStep
    const auto mix_all = [=, &piece](auto rest) {
        for (i64 j = 0; j < size; ++j) {
            const u64 word = mix64(s + static_cast<u64>(ids[j]) * kStep) ^ m;
            piece.words[j] = mix64(word + (bits_of(piece.weights[j]) - kOne) + rest(j));
        }
    };
    const auto of_class = [=](i64 j) { return static_cast<u64>(classes[j]) * kClass; };
    const auto of_time = [=](i64 j) { return bits_of(times[j] + 0.0) * kTime; };
    if (classes && times)
        mix_all([=](i64 j) { return of_class(j) + of_time(j); });
    else if (classes)
        mix_all(of_class);
    else if (times)
        mix_all(of_time);
    else
        mix_all([](i64) { return u64{0}; });
}

template <class Weight>
EQUIPOISE_INLINE void piece_weights(const Stream<Weight>& rows, i64 at, i64 size, Piece& piece) {
    const i64 padded = (size + 7) & ~i64{7};
    const Weight* weights = rows.weights;
    typename Columns<double>::Signs signs = {};
    Columns<double> columns;
    for (i64 j = 0; weights && j < size; j += 64 / static_cast<i64>(sizeof(Weight)))
        EQUIPOISE_PREFETCH_FAR(weights + at + kAhead + j);
    for (i64 j = 0; j < size; ++j) piece.weights[j] = weights ? static_cast<double>(weights[at + j]) : 1.0;
    for (i64 j = size; j < padded; ++j) piece.weights[j] = 0.0;
    for (i64 j = 0; j < padded; j += 8) columns.add(piece.weights + j, signs);
    piece.sum = columns.sum();
    piece.doubtful = Columns<double>::any(signs);
}

// Look up the rows' class numbers and thresholds, and count the rows by class. Return false if a class is
// unknown.
template <class Weight>
EQUIPOISE_INLINE bool piece_limits(const Stream<Weight>& rows, i64 at, i64 size, Piece& piece) {
    const i64* classes = rows.classes;
    const double* times = rows.times;
    if (classes) {
        // The hardware prefetches no further than the end of a page.
        for (i64 j = 0; j < size; j += 8) EQUIPOISE_PREFETCH_FAR(classes + at + kAhead + j);
        if (!class_bounds(classes + at, size, rows.slots, rows.thresholds, rows.num_thresholds, piece.limits,
                          piece.classes, rows.counts))
            return false;
        if (piece.many_classes) piece.bounded = times || any_bounds_differ(piece.limits, size);
        for (i64 j = 0; piece.bounded && !times && j < size; ++j)
            piece.bounds[j] = rank_bound(piece.limits[j]);
    }
    const double rate = rows.rate;
    for (i64 j = 0; times && j < size; ++j)
        piece.bounds[j] = decay_bound(piece.limits[j], times[at + j] * rate);
    return true;
}

// Report the candidates of a piece. Return the first row for which there was no room, or the piece's size.
template <class Weight>
EQUIPOISE_INLINE i64 piece_points(const Stream<Weight>& rows, i64 at, i64 size, const Piece& piece,
                                  i64 max_points, const Candidates& out, i64* row_ids, i64* filled) {
    const double* bounds = piece.bounded ? piece.bounds : piece.limits;
    bool may[kBlock];
    for (i64 j = size & ~i64{7}; j < kBlock; ++j) may[j] = false;
    for (i64 j = 0; j < size; ++j) may[j] = gap(piece.words[j], 1 - 0x1p-40) <= bounds[j] * piece.weights[j];
    for (i64 group = 0; group < kBlock; group += 64) {
        Mask mask;
        for (i64 j = 0; j < 64; j += 8) mask.set_eight(j, may + group + j);
        while (mask.bits) {
            const i64 j = group + mask.take_lowest();
            if (!(piece.weights[j] > 0.0)) continue;
            if (out.room - *filled < max_points) return j;
            if (rows.classes) out.classes[*filled] = piece.classes[j];
            *filled += row_points(rows, at + j, piece, j, max_points, out.behind(*filled), row_ids + *filled);
        }
    }
    return size;
}

// Scan rows one by one. `row_ids` receives the ids of the candidates, or their positions.
template <class Weight>
EQUIPOISE_INLINE Scan reservoir_rows(const Stream<Weight>& rows, i64 count, i64 max_points, double total,
                                     const Candidates& out, i64* row_ids) {
    Scan scan{0, 0, kAllSeen, total};
    const Run run(rows.key, 0, 0);
    Piece piece;
    begin_pieces(rows, count, piece);
    for (i64 at = 0, size = 0; at < count; at += size) {
        // Without replacement, a piece is processed whole or not at all, so that its sum has one order of
        // additions.
        if (max_points == 1 && out.room - scan.filled < kBlock) return {at, scan.filled, kFull, scan.total};
        size = piece_size(rows, at, count);
        if (!rows.ids) position_words(rows, at, size, piece);
        piece_weights(rows, at, size, piece);
        const bool finite = piece.sum < kInfinity;
        if ((!finite || piece.doubtful) && any_bad(piece.weights, size, at, finite, &scan)) return scan;
        if (!piece_limits(rows, at, size, piece)) return {at, scan.filled, kNewClass, scan.total};
        if (rows.ids) id_words(rows, at, size, run, piece);
        const i64 done = piece_points(rows, at, size, piece, max_points, out, row_ids, &scan.filled);
        if (max_points == 1) {
            scan.total += piece.sum;
            continue;
        }
        // With replacement, the scan may stop within a piece, so its weights are added row by row.
        for (i64 j = 0; j < done; ++j) scan.total += piece.weights[j];
        if (done < size) return {at + done, scan.filled, kFull, scan.total};
    }
    scan.next = count;
    return scan.total < kInfinity ? scan : Scan{0, scan.filled, kBadSum, scan.total};
}

}  // namespace equipoise
