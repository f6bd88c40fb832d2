// Make synthetic rows on the segment from a row to one of its neighbors (Chawla et al. 2002). The neighbors
// are given.
//
//     base o------------x----------------------o neighbor        x = base + gap * (neighbor - base)
//       gap = 0                             gap = 1
#pragma once

#include <algorithm>
#include <cstdint>

#include "stream/rng.hpp"
#include "tables/alias.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#define EQUIPOISE_RESTRICT __restrict
#else
#define EQUIPOISE_RESTRICT __restrict__
#endif

namespace equipoise {

constexpr i64 kSyntheticRows = 64;   // synthetic rows of a group, which share one start of the stream
constexpr i64 kRowsAhead = 16;       // how many rows ahead a row is prefetched
constexpr i64 kLineBytes = 64;       // bytes of a cache line
constexpr i64 kPrefetchBytes = 256;  // the hardware prefetches the rest of a longer row

// The rows that synthetic rows lie between: row i is base + gap * (neighbor - base) with base =
// X[parents[i]], neighbor = X[neighbors[i]] and gap = gaps[i]. The element types are const where pairs are
// only read.
template <class Int, class Real>
struct PairsOf {
    Int *parents, *neighbors;
    Real* gaps;
};
template <class T>
using Pairs = PairsOf<const i64, const T>;
template <class T>
using NewPairs = PairsOf<i64, T>;

template <class T>
EQUIPOISE_INLINE T between(T base, T neighbor, T gap) {
    return base + gap * (neighbor - base);
}

template <class T>
EQUIPOISE_INLINE void blend(const T* base, const T* neighbor, T gap, i64 d, T* EQUIPOISE_RESTRICT out) {
    for (i64 j = 0; j < d; ++j) out[j] = between(base[j], neighbor[j], gap);
}

// Prefetch a row. The address may be invalid.
template <class T>
EQUIPOISE_INLINE void prefetch_row(const T* X, i64 row, i64 d) {
    const i64 bytes = std::min(d * static_cast<i64>(sizeof(T)), kPrefetchBytes);
    for (i64 at = 0; at < bytes; at += kLineBytes)
        EQUIPOISE_PREFETCH(X + row * d + at / static_cast<i64>(sizeof(T)));
}

template <class T>
void interpolate(const T* X, i64 d, const Pairs<T>& pairs, i64 count, T* out) {
    for (i64 i = 0; i < count; ++i) {
        if (i + kRowsAhead < count) {
            prefetch_row(X, pairs.parents[i + kRowsAhead], d);
            prefetch_row(X, pairs.neighbors[i + kRowsAhead], d);
        }
        blend(X + pairs.parents[i] * d, X + pairs.neighbors[i] * d, pairs.gaps[i], d, out + i * d);
    }
}

// Count the entries of each result row: the columns that either row stores.
inline void interpolate_csr_count(const i64* indices, const i64* indptr, const i64* parents,
                                  const i64* neighbors, i64 count, i64* counts) {
    for (i64 i = 0; i < count; ++i) {
        i64 a = indptr[parents[i]], b = indptr[neighbors[i]];
        const i64 a_end = indptr[parents[i] + 1], b_end = indptr[neighbors[i] + 1];
        i64 entries = 0;
        for (; a < a_end && b < b_end; ++entries) {
            const i64 left = indices[a], right = indices[b];
            a += left <= right;
            b += right <= left;
        }
        counts[i] = entries + (a_end - a) + (b_end - b);
    }
}

// Write result row i to places out_indptr[i] .. out_indptr[i + 1] - 1. Entries that are not stored are 0, but
// a result of 0 is stored.
template <class T>
void interpolate_csr(const T* data, const i64* indices, const i64* indptr, const Pairs<T>& pairs, i64 count,
                     const i64* out_indptr, T* out_data, i64* out_indices) {
    for (i64 i = 0; i < count; ++i) {
        i64 a = indptr[pairs.parents[i]], b = indptr[pairs.neighbors[i]];
        const i64 a_end = indptr[pairs.parents[i] + 1], b_end = indptr[pairs.neighbors[i] + 1];
        for (i64 to = out_indptr[i]; to < out_indptr[i + 1] && (a < a_end || b < b_end); ++to) {
            const bool has_a = a < a_end && (b == b_end || indices[a] <= indices[b]);
            const bool has_b = b < b_end && (a == a_end || indices[b] <= indices[a]);
            out_indices[to] = has_a ? indices[a] : indices[b];
            out_data[to] = between(has_a ? data[a] : T{0}, has_b ? data[b] : T{0}, pairs.gaps[i]);
            a += has_a;
            b += has_b;
        }
    }
}

// Add the differences between column j and center[j] to sums[j], and their squares to squares[j], from the
// first row to the last.
template <class T>
void column_moments(const T* X, i64 n, i64 d, const double* center, double* sums, double* squares) {
    for (i64 i = 0; i < n; ++i) {
        for (i64 j = 0; j < d; ++j) {
            const double off = static_cast<double>(X[i * d + j]) - center[j];
            sums[j] += off;
            squares[j] += off * off;
        }
    }
}

// The data that synthetic rows are drawn from: n rows of d columns, a table of the k neighbors of each, an
// alias table's cells over the rows (null if all rows are equally likely), and the columns that hold category
// codes.
template <class T>
struct Neighborhood {
    const T* X;
    i64 n, d;
    const std::int32_t* table;
    i64 k;
    const u64* cells;
    const i64* categorical;
    i64 num_categorical;
};

// Return the code that most of the parent's neighbors have in a column, or the smallest one if several are
// tied. `votes` has room for k codes.
template <class T>
EQUIPOISE_INLINE T vote(const Neighborhood<T>& source, i64 parent, i64 column, T* votes) {
    for (i64 i = 0; i < source.k; ++i)
        votes[i] = source.X[source.table[parent * source.k + i] * source.d + column];
    T best = votes[0];
    i64 most = 0;
    for (i64 i = 0; i < source.k; ++i) {
        i64 count = 0;
        for (i64 j = 0; j < source.k; ++j) count += votes[j] == votes[i];
        // There are masks instead of &&, since a branch would be mispredicted.
        const bool better = (count > most) | ((count == most) & (votes[i] < best));
        best = better ? votes[i] : best;
        most = better ? count : most;
    }
    return best;
}

// The draws of one group: first its parents are known, then their neighbors.
struct Drawn {
    i64 parents[kSyntheticRows];
    i64 places[kSyntheticRows];  // places in the table of neighbors, then the neighbors themselves
    u64 gaps[kSyntheticRows];    // words whose top bits give the gaps
};

// Draw the parents of a group and the places of their neighbors in the table.
template <class T>
EQUIPOISE_INLINE void draw_group(const Neighborhood<T>& source, const Run& run, i64 begin, i64 end,
                                 Drawn& drawn) {
    const u64 n = static_cast<u64>(source.n), k = static_cast<u64>(source.k);
    for (i64 j = begin; j < end; ++j) {
        const u64 proposal = column_and_coin(run.word(static_cast<u64>(j)), n);
        const u64 word = run.word(static_cast<u64>(kSyntheticRows + j));
        drawn.parents[j] = static_cast<i64>(source.cells ? proposal : proposal >> 32);
        drawn.places[j] = static_cast<i64>(column_and_coin(word, k) >> 32);
        drawn.gaps[j] = word * k;
    }
    for (i64 j = begin; source.cells && j < end; ++j) {
        const u64 proposal = static_cast<u64>(drawn.parents[j]);
        drawn.parents[j] = static_cast<i64>(resolve(proposal, source.cells[proposal >> 32]));
    }
    for (i64 j = begin; j < end; ++j) {
        drawn.places[j] += drawn.parents[j] * source.k;
        EQUIPOISE_PREFETCH(source.table + drawn.places[j]);
        prefetch_row(source.X, drawn.parents[j], source.d);
    }
}

// Look the neighbors of a group up in the table.
template <class T>
EQUIPOISE_INLINE void find_neighbors(const Neighborhood<T>& source, i64 begin, i64 end, Drawn& drawn) {
    for (i64 j = begin; j < end; ++j) {
        drawn.places[j] = source.table[drawn.places[j]];
        prefetch_row(source.X, drawn.places[j], source.d);
        for (i64 c = 0; c < source.num_categorical; ++c) {
            for (i64 i = 0; i < source.k; ++i) {
                const i64 voter = source.table[drawn.parents[j] * source.k + i];
                EQUIPOISE_PREFETCH(source.X + voter * source.d + source.categorical[c]);
            }
        }
    }
}

// Write the synthetic row of one draw to `row`, and return its gap.
template <class T>
EQUIPOISE_INLINE T make_row(const Neighborhood<T>& source, const Drawn& drawn, i64 j, T* votes, T* row) {
    const i64 d = source.d, parent = drawn.parents[j];
    const T gap = fraction<T>(drawn.gaps[j]);
    blend(source.X + parent * d, source.X + drawn.places[j] * d, gap, d, row);
    for (i64 c = 0; c < source.num_categorical; ++c)
        row[source.categorical[c]] = vote(source, parent, source.categorical[c], votes);
    return gap;
}

// Draw rows first .. first + count - 1 of the stream into `out` and, if with_parents is true, what they are
// made from into `pairs`. Three groups are in progress at a time: while the rows of one are made, the data of
// the next two are being prefetched.
template <class T>
EQUIPOISE_INLINE void smote_draw(const Neighborhood<T>& source, u64 key, u64 lane, u64 first, i64 count,
                                 T* votes, bool with_parents, T* out, const NewPairs<T>& pairs) {
    Drawn ring[3];
    const i64 lead = static_cast<i64>(first % kSyntheticRows);  // rows of the first group that come before
    const i64 groups = (lead + count + kSyntheticRows - 1) / kSyntheticRows;
    const auto begin = [&](i64 group) { return group == 0 ? lead : 0; };
    const auto end = [&](i64 group) {
        return std::min(kSyntheticRows, lead + count - group * kSyntheticRows);
    };
    for (i64 step = 0; step < groups + 2; ++step) {
        if (step < groups) {
            const Run run(key, first / kSyntheticRows + static_cast<u64>(step), lane);
            draw_group(source, run, begin(step), end(step), ring[step % 3]);
        }
        if (step >= 1 && step <= groups)
            find_neighbors(source, begin(step - 1), end(step - 1), ring[(step - 1) % 3]);
        if (step < 2) continue;
        const i64 group = step - 2;
        const Drawn& drawn = ring[group % 3];
        for (i64 j = begin(group); j < end(group); ++j) {
            const i64 i = group * kSyntheticRows + j - lead;
            const T gap = make_row(source, drawn, j, votes, out + i * source.d);
            if (with_parents) {
                pairs.parents[i] = drawn.parents[j];
                pairs.neighbors[i] = drawn.places[j];
                pairs.gaps[i] = gap;
            }
        }
    }
}

}  // namespace equipoise
