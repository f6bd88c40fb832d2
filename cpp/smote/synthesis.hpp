// Synthetic rows on the segment from a row to one of its neighbours (Chawla et al. 2002). Searches nothing.
//
//     base o------------x----------------------o neighbour        x = base + gap * (neighbour - base)
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

constexpr i64 kSyntheticRows = 64;  // synthetic rows that share one start
constexpr i64 kRowsAhead = 16;      // rows between asking for one and reading it
constexpr i64 kLineBytes = 64;      // bytes that come from memory at once
constexpr i64 kAskedBytes = 256;    // after so many the hardware has seen where the row goes

template <class T>
EQUIPOISE_INLINE T between(T base, T neighbour, T gap) {
    return base + gap * (neighbour - base);
}

template <class T>
EQUIPOISE_INLINE void blend(const T* base, const T* neighbour, T gap, i64 d, T* EQUIPOISE_RESTRICT out) {
    for (i64 j = 0; j < d; ++j) out[j] = between(base[j], neighbour[j], gap);
}

// Ask for a row, which need not be there.
template <class T>
EQUIPOISE_INLINE void ask(const T* X, i64 row, i64 d) {
    const i64 bytes = std::min(d * static_cast<i64>(sizeof(T)), kAskedBytes);
    for (i64 at = 0; at < bytes; at += kLineBytes)
        EQUIPOISE_PREFETCH(X + row * d + at / static_cast<i64>(sizeof(T)));
}

template <class T>
void interpolate(const T* X, i64 d, const i64* parents, const i64* neighbours, const T* gaps, i64 count,
                 T* out) {
    for (i64 i = 0; i < count; ++i) {
        if (i + kRowsAhead < count) {
            ask(X, parents[i + kRowsAhead], d);
            ask(X, neighbours[i + kRowsAhead], d);
        }
        blend(X + parents[i] * d, X + neighbours[i] * d, gaps[i], d, out + i * d);
    }
}

// Entries of each result row: the columns that either row stores.
inline void interpolate_csr_count(const i64* indices, const i64* indptr, const i64* parents,
                                  const i64* neighbours, i64 count, i64* counts) {
    for (i64 i = 0; i < count; ++i) {
        i64 a = indptr[parents[i]], b = indptr[neighbours[i]];
        const i64 a_end = indptr[parents[i] + 1], b_end = indptr[neighbours[i] + 1];
        i64 entries = 0;
        for (; a < a_end && b < b_end; ++entries) {
            const i64 left = indices[a], right = indices[b];
            a += left <= right;
            b += right <= left;
        }
        counts[i] = entries + (a_end - a) + (b_end - b);
    }
}

// Result row i goes to out_indptr[i] .. out_indptr[i + 1]. What is not stored is 0; a result of 0 is stored.
template <class T>
void interpolate_csr(const T* data, const i64* indices, const i64* indptr, const i64* parents,
                     const i64* neighbours, const T* gaps, i64 count, const i64* out_indptr, T* out_data,
                     i64* out_indices) {
    for (i64 i = 0; i < count; ++i) {
        i64 a = indptr[parents[i]], b = indptr[neighbours[i]];
        const i64 a_end = indptr[parents[i] + 1], b_end = indptr[neighbours[i] + 1];
        for (i64 to = out_indptr[i]; to < out_indptr[i + 1] && (a < a_end || b < b_end); ++to) {
            const bool has_a = a < a_end && (b == b_end || indices[a] <= indices[b]);
            const bool has_b = b < b_end && (a == a_end || indices[b] <= indices[a]);
            out_indices[to] = has_a ? indices[a] : indices[b];
            out_data[to] = between(has_a ? data[a] : T{0}, has_b ? data[b] : T{0}, gaps[i]);
            a += has_a;
            b += has_b;
        }
    }
}

// Adds to sums[j] what column j differs from centre[j], to squares[j] the squares of it, from the first row
// to the last.
template <class T>
void column_moments(const T* X, i64 n, i64 d, const double* centre, double* sums, double* squares) {
    for (i64 i = 0; i < n; ++i) {
        for (i64 j = 0; j < d; ++j) {
            const double off = static_cast<double>(X[i * d + j]) - centre[j];
            sums[j] += off;
            squares[j] += off * off;
        }
    }
}

// What is drawn from: n rows of d columns, the k neighbours of each, an alias table's cells over the rows
// (null: all rows alike), and the columns that hold codes.
template <class T>
struct Neighbourhood {
    const T* X;
    i64 n, d;
    const std::int32_t* table;
    i64 k;
    const u64* cells;
    const i64* categorical;
    i64 num_categorical;
};

// The code that most of the parent's neighbours have in a column, the smallest of those. votes: room for k.
template <class T>
EQUIPOISE_INLINE T vote(const Neighbourhood<T>& from, i64 parent, i64 column, T* votes) {
    for (i64 i = 0; i < from.k; ++i) votes[i] = from.X[from.table[parent * from.k + i] * from.d + column];
    T best = votes[0];
    i64 most = 0;
    for (i64 i = 0; i < from.k; ++i) {
        i64 count = 0;
        for (i64 j = 0; j < from.k; ++j) count += votes[j] == votes[i];
        // By masks, not &&: what is most frequent cannot be foretold.
        const bool better = (count > most) | ((count == most) & (votes[i] < best));
        best = better ? votes[i] : best;
        most = better ? count : most;
    }
    return best;
}

// Rows of one group on their way: parents are known, then neighbours, then the rows themselves.
struct Drawn {
    i64 parents[kSyntheticRows], places[kSyntheticRows];  // places: in the table of neighbours, then rows
    u64 gaps[kSyntheticRows];                             // words of which a gap takes the top bits
};

template <class T>
EQUIPOISE_INLINE void draw_group(const Neighbourhood<T>& from, const Run& run, i64 begin, i64 end,
                                 Drawn& drawn) {
    const u64 n = static_cast<u64>(from.n), k = static_cast<u64>(from.k);
    for (i64 j = begin; j < end; ++j) {
        const u64 proposal = column_and_coin(run.word(static_cast<u64>(j)), n);
        const u64 word = run.word(static_cast<u64>(kSyntheticRows + j));
        drawn.parents[j] = static_cast<i64>(from.cells ? proposal : proposal >> 32);
        drawn.places[j] = static_cast<i64>(column_and_coin(word, k) >> 32);
        drawn.gaps[j] = word * k;
    }
    for (i64 j = begin; from.cells && j < end; ++j) {
        const u64 proposal = static_cast<u64>(drawn.parents[j]);
        drawn.parents[j] = static_cast<i64>(resolve(proposal, from.cells[proposal >> 32]));
    }
    for (i64 j = begin; j < end; ++j) {
        drawn.places[j] += drawn.parents[j] * from.k;
        EQUIPOISE_PREFETCH(from.table + drawn.places[j]);
        ask(from.X, drawn.parents[j], from.d);
    }
}

template <class T>
EQUIPOISE_INLINE void find_neighbours(const Neighbourhood<T>& from, i64 begin, i64 end, Drawn& drawn) {
    for (i64 j = begin; j < end; ++j) {
        drawn.places[j] = from.table[drawn.places[j]];
        ask(from.X, drawn.places[j], from.d);
        for (i64 c = 0; c < from.num_categorical; ++c) {
            for (i64 i = 0; i < from.k; ++i) {
                const i64 voter = from.table[drawn.parents[j] * from.k + i];
                EQUIPOISE_PREFETCH(from.X + voter * from.d + from.categorical[c]);
            }
        }
    }
}

// Rows first .. first + count - 1 of the stream. Where parents is null, none but the rows are told. While
// the rows of one group are made, memory brings what the next two need.
template <class T>
EQUIPOISE_INLINE void smote_draw(const Neighbourhood<T>& from, u64 key, u64 lane, u64 first, i64 count,
                                 T* votes, T* out, i64* parents, i64* neighbours, T* gaps) {
    Drawn ring[3];
    const i64 lead =
        static_cast<i64>(first % kSyntheticRows);  // rows of the first group that are not asked for
    const i64 groups = (lead + count + kSyntheticRows - 1) / kSyntheticRows;
    const auto begin = [&](i64 group) { return group == 0 ? lead : 0; };
    const auto end = [&](i64 group) {
        return std::min(kSyntheticRows, lead + count - group * kSyntheticRows);
    };
    for (i64 step = 0; step < groups + 2; ++step) {
        if (step < groups) {
            const Run run(key, first / kSyntheticRows + static_cast<u64>(step), lane);
            draw_group(from, run, begin(step), end(step), ring[step % 3]);
        }
        if (step >= 1 && step <= groups)
            find_neighbours(from, begin(step - 1), end(step - 1), ring[(step - 1) % 3]);
        if (step < 2) continue;
        const i64 group = step - 2;
        const Drawn& drawn = ring[group % 3];
        for (i64 j = begin(group); j < end(group); ++j) {
            const i64 i = group * kSyntheticRows + j - lead, parent = drawn.parents[j],
                      neighbour = drawn.places[j];
            const T gap = fraction<T>(drawn.gaps[j]);
            T* row = out + i * from.d;
            blend(from.X + parent * from.d, from.X + neighbour * from.d, gap, from.d, row);
            for (i64 c = 0; c < from.num_categorical; ++c)
                row[from.categorical[c]] = vote(from, parent, from.categorical[c], votes);
            if (parents) {
                parents[i] = parent;
                neighbours[i] = neighbour;
                gaps[i] = gap;
            }
        }
    }
}

}  // namespace equipoise
