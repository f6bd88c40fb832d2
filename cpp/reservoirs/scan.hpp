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
    double starts[kBatch * kRows], weights[kBatch * kRows];

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
        for (i64 i = 0; i < size; ++i) starts[i] += exponential(words[i]) / weights[i];
        i64 filled = 0;
        for (i64 i = 0; i < size; ++i) {
            out.put(filled, rows[i], starts[i], weights[i]);
            filled += starts[i] <= threshold;
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
    // A rank is rounded as a sum. Ranks beyond float64 are all infinite, and none of them is left out.
    const double bound =
        threshold < kInfinity ? (threshold - start) * kSlack + threshold * 0x1p-52 : kInfinity;
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
        point += exponential(run.word(j)) / sum;
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
    const double bound = threshold * kSlack;
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
            for (i64 b = 0; b < size; ++b) starts[b] = exponential(words[b]) / sums[b];
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
    const double* shifts;   // added to log w by decay; null without decay, when ranks are not logarithms
    const Weight* weights;  // null if all are 1
    const i64* classes;     // labels, or class numbers without slots; null if there is one class
    Slots slots;
    const double* thresholds;  // by class number
    u64 num_thresholds;
    i64* counts;  // rows by class number
};

// Report the points of row i up to the threshold, at most `max_points`, which is 1 without replacement. The
// row's first exponential is that of `word`.
template <class Weight>
EQUIPOISE_INLINE i64 row_points(const Stream<Weight>& rows, i64 i, double w, u64 word, double threshold,
                                i64 max_points, const Candidates& out, i64* row_ids) {
    const double log_w = rows.shifts ? log(w) + rows.shifts[i] : 0.0;
    const i64 id = rows.ids ? rows.ids[i] : rows.start + i;
    double e = exponential(word);
    Run run{};
    for (i64 filled = 0;;) {
        const double rank = rows.shifts ? log(e) - log_w : e / w;
        if (!(rank <= threshold)) return filled;
        out.put(filled, i, rank, w);
        row_ids[filled++] = id;
        if (filled >= max_points) return filled;
        if (filled == 1) run = Run(rows.key, static_cast<u64>(id), 1);
        e += exponential(run.word(static_cast<u64>(filled - 1)));
    }
}

// At most 128 rows, which are processed side by side.
struct Piece {
    u64 words[kBlock];
    double weights[kBlock];
    i64 classes[kBlock];    // class numbers
    double limits[kBlock];  // of ranks or, with decay, of their logarithms
    double bounds[kBlock];  // of exponentials / w, if there is decay
    double sum;
    bool doubtful;  // a weight is minus zero or bad
};

// Compute the words of the next rows, and return the number of these rows.
template <class Weight>
EQUIPOISE_INLINE i64 piece_words(const Stream<Weight>& rows, i64 at, i64 count, Run& run, Piece& piece) {
    i64 size = std::min(kBlock, count - at);
    const i64* ids = rows.ids;
    if (ids) {
        for (i64 j = 0; j < size; j += 8) EQUIPOISE_PREFETCH_FAR(ids + at + kAhead + j);
        for (i64 j = 0; j < size; ++j) piece.words[j] = mix64(run.word(static_cast<u64>(ids[at + j])));
    } else {
        const i64 position = rows.start + at, offset = position % kBlock;
        size = std::min(size, kBlock - offset);
        run = Run(rows.key, static_cast<u64>(position / kBlock), 0);
        for (i64 j = 0; j < size; ++j) piece.words[j] = run.word(static_cast<u64>(offset + j));
    }
    return size;
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
    const double* shifts = rows.shifts;
    if (classes) {
        // The hardware prefetches no further than the end of a page.
        for (i64 j = 0; j < size; j += 8) EQUIPOISE_PREFETCH_FAR(classes + at + kAhead + j);
        if (!class_bounds(classes + at, size, rows.slots, rows.thresholds, rows.num_thresholds, piece.limits,
                          piece.classes, rows.counts))
            return false;
    } else {
        const double threshold = rows.thresholds[0];
        for (i64 j = 0; j < size; ++j) piece.limits[j] = threshold;
    }
    for (i64 j = 0; shifts && j < size; ++j) piece.bounds[j] = decay_bound(piece.limits[j], shifts[at + j]);
    return true;
}

// Report the candidates of a piece. Return the first row for which there was no room, or the piece's size.
template <class Weight>
EQUIPOISE_INLINE i64 piece_points(const Stream<Weight>& rows, i64 at, i64 size, const Piece& piece,
                                  i64 max_points, const Candidates& out, i64* row_ids, i64* filled) {
    const double* bounds = rows.shifts ? piece.bounds : piece.limits;
    bool may[kBlock];
    for (i64 j = size & ~i64{7}; j < kBlock; ++j) may[j] = false;
    for (i64 j = 0; j < size; ++j) may[j] = gap(piece.words[j]) <= bounds[j] * kSlack * piece.weights[j];
    for (i64 group = 0; group < kBlock; group += 64) {
        Mask mask;
        for (i64 j = 0; j < 64; j += 8) mask.set_eight(j, may + group + j);
        while (mask.bits) {
            const i64 j = group + mask.take_lowest();
            if (!(piece.weights[j] > 0.0)) continue;
            if (out.room - *filled < max_points) return j;
            if (rows.classes) out.classes[*filled] = piece.classes[j];
            *filled += row_points(rows, at + j, piece.weights[j], piece.words[j], piece.limits[j], max_points,
                                  out.behind(*filled), row_ids + *filled);
        }
    }
    return size;
}

// Scan rows one by one. `row_ids` receives the ids of the candidates, or their positions.
template <class Weight>
EQUIPOISE_INLINE Scan reservoir_rows(const Stream<Weight>& rows, i64 count, i64 max_points, double total,
                                     const Candidates& out, i64* row_ids) {
    Scan scan{0, 0, kAllSeen, total};
    Run run(rows.key, 0, 0);
    Piece piece;
    for (i64 at = 0, size = 0; at < count; at += size) {
        // Without replacement, a piece is processed whole or not at all, so that its sum has one order of
        // additions.
        if (max_points == 1 && out.room - scan.filled < kBlock) return {at, scan.filled, kFull, scan.total};
        size = piece_words(rows, at, count, run, piece);
        piece_weights(rows, at, size, piece);
        const bool finite = piece.sum < kInfinity;
        if ((!finite || piece.doubtful) && any_bad(piece.weights, size, at, finite, &scan)) return scan;
        if (!piece_limits(rows, at, size, piece)) return {at, scan.filled, kNewClass, scan.total};
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
