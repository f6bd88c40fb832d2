// Exact nearest neighbors. Candidates come from float32 dot products with an error bound. Answers come from
// distances computed directly in float64, with ties ordered by the smaller index, so that the blocking, the
// order of visits and the CPU path cannot change them.
//
//   128 queries against a block:       groups of 8 queries x panels of 32 rows, 256 products in registers
//
// With x and y relative to the block's center, |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: the error is relative to
// how far both are from that center, not from the origin. The queries are not moved for each block. Instead
// x = u + v, where u is relative to the queries' own center and v leads from there to the block's, so that
// x.y = u.y + v.y and |x|^2 = |u|^2 + 2 u.v + |v|^2: one more product per row and per query. The error is at
// most e (a + |y|)^2 <= 2 e a^2 + 2 e |y|^2 with a = |u| + |v|. The row's share is already part of its half
// norm, so one far row of a block does not make the bounds of the others wider.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "neighbors/blocks.hpp"
#include "neighbors/nearest.hpp"
#include "stream/rng.hpp"

namespace equipoise {

constexpr i64 kQueries = 8;                     // queries of a group
constexpr double kRoundingMargin = 1.0 - 1e-9;  // covers the rounding errors of float64

// Compute dots[q][r] = x_q . y_r - halves[r] for a group of queries and a panel of rows, and set bit r of
// reach[q] where the dot product reaches bars[q]. Return 0 if none does; dots may then be left unwritten.
struct PlainTile {
    static u32 run(const float* group, const float* panel, const float* halves, const float* bars, i64 d,
                   float* dots, u32* reach) {
        for (i64 q = 0; q < kQueries; ++q)
            for (i64 r = 0; r < kPanel; ++r) dots[q * kPanel + r] = -halves[r];
        for (i64 j = 0; j < d; ++j)
            for (i64 q = 0; q < kQueries; ++q)
                for (i64 r = 0; r < kPanel; ++r)
                    dots[q * kPanel + r] += group[j * kQueries + q] * panel[j * kPanel + r];
        u32 any = 0;
        for (i64 q = 0; q < kQueries; ++q) {
            int found = 0;
            for (i64 r = 0; r < kPanel; ++r) found |= dots[q * kPanel + r] >= bars[q];
            reach[q] = 0;
            if (!found) continue;
            for (i64 r = 0; r < kPanel; ++r)
                reach[q] |= static_cast<u32>(dots[q * kPanel + r] >= bars[q]) << r;
            any |= reach[q];
        }
        return any;
    }
};

#ifdef EQUIPOISE_AVX512
// 4 x 16 products at a time take half of the 16 registers.
struct Avx2Tile {
    EQUIPOISE_AVX2 static inline u32 run(const float* group, const float* panel, const float* halves,
                                         const float* bars, i64 d, float* dots, u32* reach) {
        u32 any = 0;
        for (i64 q = 0; q < kQueries; ++q) reach[q] = 0;
        for (i64 part = 0; part < kQueries * kPanel; part += 64) {
            const i64 q0 = part / 128 * 4, r0 = part / 64 % 2 * 16;
            const __m256 h0 = _mm256_loadu_ps(halves + r0), h1 = _mm256_loadu_ps(halves + r0 + 8);
            __m256 sums[4][2];
            for (int q = 0; q < 4; ++q) {
                sums[q][0] = _mm256_sub_ps(_mm256_setzero_ps(), h0);
                sums[q][1] = _mm256_sub_ps(_mm256_setzero_ps(), h1);
            }
            for (i64 j = 0; j < d; ++j) {
                const float* y = panel + j * kPanel + r0;
                const __m256 y0 = _mm256_loadu_ps(y), y1 = _mm256_loadu_ps(y + 8);
                for (int q = 0; q < 4; ++q) {
                    const __m256 x = _mm256_broadcast_ss(group + j * kQueries + q0 + q);
                    sums[q][0] = _mm256_fmadd_ps(x, y0, sums[q][0]);
                    sums[q][1] = _mm256_fmadd_ps(x, y1, sums[q][1]);
                }
            }
            for (int q = 0; q < 4; ++q) {
                const __m256 bar = _mm256_broadcast_ss(bars + q0 + q);
                const int m0 = _mm256_movemask_ps(_mm256_cmp_ps(sums[q][0], bar, _CMP_GE_OQ));
                const int m1 = _mm256_movemask_ps(_mm256_cmp_ps(sums[q][1], bar, _CMP_GE_OQ));
                const u32 found = static_cast<u32>(m0 | m1 << 8);
                if (!found) continue;
                any = 1;
                reach[q0 + q] |= found << r0;
                _mm256_storeu_ps(dots + (q0 + q) * kPanel + r0, sums[q][0]);
                _mm256_storeu_ps(dots + (q0 + q) * kPanel + r0 + 8, sums[q][1]);
            }
        }
        return any;
    }
};

struct Avx512Tile {
    EQUIPOISE_AVX512 static inline u32 run(const float* group, const float* panel, const float* halves,
                                           const float* bars, i64 d, float* dots, u32* reach) {
        const __m512 h0 = _mm512_loadu_ps(halves), h1 = _mm512_loadu_ps(halves + 16);
        __m512 sums[kQueries][2];
        for (i64 q = 0; q < kQueries; ++q) {
            sums[q][0] = _mm512_sub_ps(_mm512_setzero_ps(), h0);
            sums[q][1] = _mm512_sub_ps(_mm512_setzero_ps(), h1);
        }
        for (i64 j = 0; j < d; ++j) {
            const __m512 y0 = _mm512_loadu_ps(panel + j * kPanel);
            const __m512 y1 = _mm512_loadu_ps(panel + j * kPanel + 16);
            for (i64 q = 0; q < kQueries; ++q) {
                const __m512 x = _mm512_set1_ps(group[j * kQueries + q]);
                sums[q][0] = _mm512_fmadd_ps(x, y0, sums[q][0]);
                sums[q][1] = _mm512_fmadd_ps(x, y1, sums[q][1]);
            }
        }
        u32 any = 0;
        for (i64 q = 0; q < kQueries; ++q) {
            const __m512 bar = _mm512_set1_ps(bars[q]);
            const u32 m0 = _mm512_cmp_ps_mask(sums[q][0], bar, _CMP_GE_OQ);
            const u32 m1 = _mm512_cmp_ps_mask(sums[q][1], bar, _CMP_GE_OQ);
            reach[q] = m0 | m1 << 16;
            any |= reach[q];
        }
        if (!any) return 0;
        for (i64 q = 0; q < kQueries; ++q) {
            _mm512_storeu_ps(dots + q * kPanel, sums[q][0]);
            _mm512_storeu_ps(dots + q * kPanel + 16, sums[q][1]);
        }
        return any;
    }
};
#endif

// One call of the search: up to 128 queries relative to their own center, and the memory that visiting blocks
// needs.
template <class T>
struct Search {
    template <class U>
    using Room = std::unique_ptr<U[]>;
    template <class U>
    static Room<U> room_for(i64 size) {
        // The array is not initialized, since it is written before it is read.
        return Room<U>(new U[static_cast<std::size_t>(size)]);
    }

    Search(const Points<T>& of_points, const Blocks& of_blocks, const Points<T>& of_queries,
           const i64* query_rows, i64 num_queries, bool is_self_join, i64 num_neighbors)
        : points(of_points),
          queries(of_queries),
          blocks(of_blocks),
          rows(query_rows),
          count(num_queries),
          k(num_neighbors),
          self_join(is_self_join) {
        const i64 room = 2 * k + 64, spare = std::max(kFew - k, i64{0});
        for (i64 i = 0; i < count; ++i) {
            float* bounds = highs.get() + i * (spare + k);
            std::fill(bounds, bounds + spare, -kFar);
            std::fill(bounds + spare, bounds + spare + k, kFar);
            nearest[i] = {lists.get() + i * room, bounds + spare, bars.get() + i, 0, room, k, 0, points.n};
        }
        std::fill(bars.get(), bars.get() + kLeaf, kFar);
        std::fill(gaps.get(), gaps.get() + blocks.count, 0.0);
        std::fill(boxes.get(), boxes.get() + blocks.count, 0.0);
        double norms[kLeaf] = {};
        for (i64 j = 0; j < points.d; ++j) {
            center_column(j, norms);
            measure_column(j);
        }
        for (i64 b = 0; b < blocks.count; ++b) gaps[b] = gaps[b] >= 0.0 ? std::sqrt(gaps[b]) : kFar;
        for (i64 i = 0; i < kLeaf; ++i) {
            squares[i] = static_cast<float>(norms[i]);
            lengths[i] = static_cast<float>(std::sqrt(norms[i]));
        }
        radius = std::sqrt(*std::max_element(norms, norms + kLeaf));
    }

    // Find the center and the bounding box of the queries in column j, and store them relative to the center.
    void center_column(i64 j, double* norms) {
        const i64 d = points.d;
        double sum = 0.0;
        low[j] = std::numeric_limits<double>::infinity();
        high[j] = -low[j];
        for (i64 i = 0; i < count; ++i) {
            const double value = static_cast<double>(queries.x[rows[i] * d + j]) * points.candidate_scale;
            sum += value;
            low[j] = std::min(low[j], value);
            high[j] = std::max(high[j], value);
        }
        center[j] = knn_middle(queries.x, d, j, rows, count, points.candidate_scale, sum, low[j], high[j]);
        for (i64 i = 0; i < kLeaf; ++i) {
            const double value =
                i < count
                    ? static_cast<double>(queries.x[rows[i] * d + j]) * points.candidate_scale - center[j]
                    : 0.0;
            local[j * kLeaf + i] = whole[(i / kQueries * d + j) * kQueries + i % kQueries] =
                static_cast<float>(value);
            norms[i] += value * value;
        }
    }

    // Add what column j contributes to the squared distances of the blocks' centers and bounding boxes.
    void measure_column(i64 j) {
        const double c = center[j], under = low[j], over = high[j];
        const double *centers = blocks.centers + j * blocks.count,
                     *lower = blocks.box_lows + j * blocks.count,
                     *upper = blocks.box_highs + j * blocks.count;
        for (i64 b = 0; b < blocks.count; ++b) {
            const double between = c - centers[b];
            const double apart = std::max(std::max(under - upper[b], lower[b] - over), 0.0);
            gaps[b] += between * between;
            boxes[b] += apart * apart;
        }
    }

    const Points<T>&points, &queries;
    const Blocks& blocks;
    const i64* rows;  // [count] the queries' rows
    i64 count, k;
    bool self_join;                        // true if the queries are the points; no row is its own neighbor
    double radius;                         // of the queries around their center
    float squares[kLeaf], lengths[kLeaf];  // squared and plain distance of each query from the center
    Room<double> center = room_for<double>(points.d), low = room_for<double>(points.d),
                 high = room_for<double>(points.d);         // the queries' center and bounding box
    Room<double> gaps = room_for<double>(blocks.count);     // distances from their center to the blocks'
    Room<double> boxes = room_for<double>(blocks.count);    // squared distances from their box to the blocks'
    Room<float> local = room_for<float>(points.d * kLeaf);  // [d][128] the queries minus their center
    Room<float> whole = room_for<float>(points.d * kLeaf);  // [16][d][8] the same, in groups
    Room<float> groups = room_for<float>(points.d * kLeaf);  // [16][d][8] the active queries alone
    Room<float> shift = room_for<float>(points.d);           // their center minus the block's
    Room<float> bars = room_for<float>(kLeaf);
    Room<Candidate> lists = room_for<Candidate>(count * (2 * k + 64));
    Room<float> highs = room_for<float>(count * std::max(k, kFew));
    Room<Nearest> nearest = room_for<Nearest>(count);
    Room<Ranked> ranked = room_for<Ranked>(2 * k + 64);
};

// The rows of a panel whose bit is set, for loops that jump from one to the next.
struct Reach {
    u32 bits;

    EQUIPOISE_INLINE i64 take_lowest() {
#if defined(__GNUC__)
        const i64 at = __builtin_ctz(bits);
#else
        i64 at = 0;
        while (!(bits >> at & 1u)) ++at;
#endif
        bits &= bits - 1;
        return at;
    }
};

// Tell whether no query can have a row of block b within `bar`.
template <class T>
EQUIPOISE_INLINE bool knn_far(const Search<T>& s, i64 b, double bar) {
    const double between = s.gaps[b] * kRoundingMargin - (s.radius + s.blocks.radii[b]);
    // A length is the root of a square, and squares underflow long before lengths do.
    return (between > 1e-140 && between * between * kRoundingMargin > bar) ||
           s.boxes[b] * kRoundingMargin > bar;
}

// Take the rows at `position` + each set bit as candidates of query i. Without codes, the squared distance of
// such a row is at least |x|^2 - 2 dots - errors, and exceeds that by at most 2 errors and the row's share.
template <class Bounds, class T>
EQUIPOISE_INLINE void knn_take(const Search<T>& s, i64 i, Reach reach, i64 position, const float* dots,
                               float norm, float error) {
    Nearest& q = s.nearest[i];
    const Points<T>&points = s.points, &queries = s.queries;
    const i64 own = s.rows[i], excluded = s.self_join ? own : -1;
    const T* x = queries.x + own * points.d;
    const i32* codes = queries.codes + own * points.c;
    if (q.size + kPanel > q.room) nearest_shrink(q, kPanel, points, x, codes, s.ranked.get());
    if (q.tie < points.n) {  // only copies of the query are wanted, of which there may be many
        while (reach.bits) {
            const i64 row = s.blocks.order[position + reach.take_lowest()];
            if (row != excluded) nearest_equal(q, row, points, x, codes);
        }
        return;
    }
    const float row_share = 8.5f * static_cast<float>(knn_unit(points.d));
    i64 size = q.size;
    Bounds bounds(q);
    while (reach.bits) {
        const i64 at = reach.take_lowest(), row = s.blocks.order[position + at];
        float low = norm - 2.0f * dots[at] - error;
        float wide = 2.0f * error + row_share * s.blocks.half_sq_norms[position + at];
        if (points.c) {
            const i64 differ = code_mismatches(codes, points.codes + row * points.c, points.c);
            const double more = candidate_distance(points, points.mismatch * static_cast<double>(differ));
            low = float_below(static_cast<double>(low) + more * kRoundingMargin);
            wide += static_cast<float>(more) * 4.0e-7f;
        }
        const bool other = row != excluded;
        q.list[size] = {low, row};
        size += other & (low <= bounds.bar());
        bounds.add(other ? std::max(low + wide, 0.0f) : kFar);
    }
    q.size = size;
    bounds.keep();
}

// Add the squared distances of the queries from the bounding box of block b to `boxes`.
template <class T>
EQUIPOISE_INLINE void knn_boxes(const Search<T>& s, i64 b, float* boxes) {
    for (i64 j = 0; j < s.points.d; ++j) {
        const float lower = static_cast<float>(s.blocks.box_lows[j * s.blocks.count + b] - s.center[j]);
        const float upper = static_cast<float>(s.blocks.box_highs[j * s.blocks.count + b] - s.center[j]);
        const float* x = s.local.get() + j * kLeaf;
        for (i64 i = 0; i < kLeaf; ++i) {
            const float under = lower - x[i], over = x[i] - upper;
            const float apart = under > over ? under : over, outside = apart > 0.0f ? apart : 0.0f;
            boxes[i] += outside * outside;
        }
    }
}

// Return the least dot product of a row within `bar`. It is finite, since missing rows have -infinity.
EQUIPOISE_INLINE float knn_top(float norm, float error, float bar) {
    return std::max(0.5f * (norm - error - bar), -1e38f);
}

struct Range {
    float least, most;
};

// Return the least and the largest bar of all queries.
template <class T>
EQUIPOISE_INLINE Range knn_bars(const Search<T>& s) {
    constexpr i64 lanes = 16;  // enough to fill a register; a single lane would wait for each result
    float least[lanes], most[lanes];
    for (i64 i = s.count; i < kLeaf; ++i) s.bars[i] = s.bars[0];
    for (i64 i = 0; i < lanes; ++i) least[i] = most[i] = s.bars[i];
    for (i64 from = lanes; from < kLeaf; from += lanes) {
        for (i64 i = 0; i < lanes; ++i) {
            least[i] = std::min(least[i], s.bars[from + i]);
            most[i] = std::max(most[i], s.bars[from + i]);
        }
    }
    return {*std::min_element(least, least + lanes), *std::max_element(most, most + lanes)};
}

// The data of a visit: the queries, as seen from one block.
struct Visit {
    float bars[kLeaf];           // no row farther than this is wanted; -infinity if no row of this block is
    float boxes[kLeaf];          // squared distance of each query from the block's bounding box, or 0
    float norms[kLeaf];          // squared distance of each query from the block's center
    float errors[kLeaf];         // the error of a candidate's squared distance, without the row's share
    float tops[kLeaf];           // the least dot product that makes a row a candidate
    float half_sq_norms[kLeaf];  // of the block's rows, minus their products with the shift
    i64 active[kLeaf], actives;  // the queries that may have a neighbor in the block
};

// Set the bars and the boxes of a visit, and the shift from the block's center to the queries'.
template <class T>
EQUIPOISE_INLINE void knn_approach(const Search<T>& s, i64 b, Visit& v) {
    const float least = knn_bars(s).least;
    for (i64 i = 0; i < kLeaf; ++i) v.bars[i] = i < s.count ? s.bars[i] : -kFar;
    for (i64 i = 0; i < s.count && least == 0.0f; ++i)
        if (s.blocks.first_rows[b] > s.nearest[i].tie) v.bars[i] = -kFar;
    double farthest = 0.0;  // squared distance of the farthest corner of the queries' box from the block's
    for (i64 j = 0; j < s.points.d; ++j) {
        const i64 at = j * s.blocks.count + b;
        s.shift[j] = static_cast<float>(s.center[j] - s.blocks.centers[at]);
        const double under = s.blocks.box_lows[at] - s.low[j], over = s.high[j] - s.blocks.box_highs[at];
        const double apart = std::max(std::max(under, over), 0.0);
        farthest += apart * apart;
    }
    for (i64 i = 0; i < kLeaf; ++i) v.boxes[i] = 0.0f;
    if (farthest > least) knn_boxes(s, b, v.boxes);
}

// Add the shift's share to the half norms of the block's rows, and u.v of each query to `norms`.
template <class T>
EQUIPOISE_INLINE void knn_shift(const Search<T>& s, i64 b, Visit& v) {
    const i64 d = s.points.d;
    float products[kLeaf] = {};
    for (i64 i = 0; i < kLeaf; ++i) v.norms[i] = 0.0f;
    for (i64 j = 0; j < d; ++j) {
        const float shift = s.shift[j];
        const float* x = s.local.get() + j * kLeaf;
        for (i64 i = 0; i < kLeaf; ++i) v.norms[i] += shift * x[i];
    }
    for (i64 j = 0; j < d; ++j) {
        const float shift = s.shift[j];
        for (i64 p = 0; p < kLeaf; p += kPanel) {
            const float* y = s.blocks.panels + (b * kLeaf + p) * d + j * kPanel;
            for (i64 r = 0; r < kPanel; ++r) products[p + r] += shift * y[r];
        }
    }
    for (i64 r = 0; r < kLeaf; ++r) v.half_sq_norms[r] = s.blocks.half_sq_norms[b * kLeaf + r] - products[r];
}

// Find the queries that may have a neighbor in block b, and the least dot product that each looks for.
template <class T>
EQUIPOISE_INLINE void knn_activate(const Search<T>& s, i64 b, Visit& v) {
    // The ground covers values below 1e-38, which float32 cannot hold, if the largest value is about 1.
    const float unit = static_cast<float>(knn_unit(s.points.d));
    const float ground = static_cast<float>(s.points.d + 1) * 1e-36f;
    const float radius = static_cast<float>(s.blocks.radii[b]), gap = static_cast<float>(s.gaps[b]);
    const float span = static_cast<float>(s.radius + s.blocks.radii[b] + s.gaps[b]);
    i32 far[kLeaf];
    for (i64 i = 0; i < kLeaf; ++i) {
        v.norms[i] = std::max(s.squares[i] + gap * gap + 2.0f * v.norms[i], 0.0f);
        const float length = std::sqrt(v.norms[i]), most = length + span;
        const float beyond = std::max(length - radius, 0.0f), sum = s.lengths[i] + gap;
        v.errors[i] = 2.0f * unit * sum * sum + ground;
        far[i] = std::max(v.boxes[i], beyond * beyond) - (unit * most * most + ground) > v.bars[i];
        v.tops[i] = knn_top(v.norms[i], v.errors[i], v.bars[i]);
    }
    v.actives = 0;
    for (i64 i = 0; i < kLeaf; ++i) {
        v.active[v.actives] = i;
        v.actives += !far[i];
    }
}

// Return the active queries in groups of 8, with `tops` in the same order. An incomplete group is padded with
// queries that no dot product reaches.
template <class T>
EQUIPOISE_INLINE const float* knn_gather(const Search<T>& s, i64 filled, Visit& v) {
    if (v.actives == kLeaf) return s.whole.get();
    const i64 d = s.points.d;
    for (i64 a = 0; a < filled; ++a) {
        const i64 i = a < v.actives ? v.active[a] : 0;
        const float* from = s.local.get() + i;
        float* to = s.groups.get() + a / kQueries * kQueries * d + a % kQueries;
        for (i64 j = 0; j < d; ++j) to[j * kQueries] = from[j * kLeaf];
        v.tops[a] = a < v.actives ? v.tops[i] : kFar;
    }
    return s.groups.get();
}

// Compare all queries that may have a neighbor in block b with its rows.
template <class Tile, class T>
EQUIPOISE_INLINE void knn_visit(const Search<T>& s, i64 b) {
    Visit v;
    knn_approach(s, b, v);
    knn_shift(s, b, v);
    knn_activate(s, b, v);
    const i64 d = s.points.d, filled = (v.actives + kQueries - 1) / kQueries * kQueries;
    const float* groups = knn_gather(s, filled, v);
    float dots[kQueries * kPanel];
    u32 reach[kQueries];
    for (i64 p = 0; p < std::min(kLeaf, s.points.n - b * kLeaf); p += kPanel) {
        const i64 position = b * kLeaf + p;
        const float *panel = s.blocks.panels + position * d, *halves = v.half_sq_norms + p;
        for (i64 g = 0; g < filled; g += kQueries) {
            if (!Tile::run(groups + g * d, panel, halves, v.tops + g, d, dots, reach)) continue;
            for (i64 a = 0; a < kQueries; ++a) {
                if (!reach[a]) continue;
                const i64 i = v.active[g + a];
                const float *of_query = dots + a * kPanel, norm = v.norms[i], error = v.errors[i];
                if (s.k <= kFewer)
                    knn_take<FewBounds<kFewer>>(s, i, Reach{reach[a]}, position, of_query, norm, error);
                else if (s.k <= kFew)
                    knn_take<FewBounds<kFew>>(s, i, Reach{reach[a]}, position, of_query, norm, error);
                else
                    knn_take<ManyBounds>(s, i, Reach{reach[a]}, position, of_query, norm, error);
                v.tops[g + a] = knn_top(norm, error, s.bars[i]);
            }
        }
    }
}

// Visit the block with the nearest center, then all blocks that are not too far, nearest first.
template <class Tile, class T>
EQUIPOISE_INLINE void knn_visit_all(const Search<T>& s) {
    std::vector<i64> visits{std::min_element(s.gaps.get(), s.gaps.get() + s.blocks.count) - s.gaps.get()};
    const auto nearer = [&](i64 a, i64 b) {
        return s.gaps[a] < s.gaps[b] ||
               (s.gaps[a] == s.gaps[b] && s.blocks.first_rows[a] < s.blocks.first_rows[b]);
    };
    double bar = std::numeric_limits<double>::infinity();
    for (std::size_t v = 0; v < visits.size(); ++v) {
        if (knn_far(s, visits[v], bar)) continue;
        knn_visit<Tile>(s, visits[v]);
        bar = knn_bars(s).most;
        if (v) continue;
        for (i64 b = 0; b < s.blocks.count; ++b)
            if (b != visits[0] && !knn_far(s, b, bar)) visits.push_back(b);
        std::sort(visits.begin() + 1, visits.end(), nearer);
    }
}

// Find the k nearest rows of the queries at positions begin .. end - 1 of their order, at most 128 of them.
// Return whether every query has k: it may have fewer if another thread overwrites the points with NaN.
template <class Tile, class T>
EQUIPOISE_INLINE bool knn_search(const Points<T>& points, const Blocks& blocks, const Points<T>& queries,
                                 const i64* query_order, i64 begin, i64 end, bool self_join, i64 k,
                                 i64* indices, T* distances) {
    const Search<T> s(points, blocks, queries, query_order + begin, end - begin, self_join, k);
    knn_visit_all<Tile>(s);
    Ranked* ranked = s.ranked.get();
    for (i64 i = 0; i < s.count; ++i) {
        const i64 own = s.rows[i];
        const i64 found = nearest_rank(s.nearest[i], points, queries.x + own * points.d,
                                       queries.codes + own * points.c, ranked);
        if (found < k) return false;
        std::nth_element(ranked, ranked + (k - 1), ranked + found);
        std::sort(ranked, ranked + k);
        for (i64 j = 0; j < k; ++j) {
            indices[own * k + j] = ranked[j].row;
            distances[own * k + j] = static_cast<T>(std::sqrt(ranked[j].distance) / points.scale);
        }
    }
    return true;
}

}  // namespace equipoise
