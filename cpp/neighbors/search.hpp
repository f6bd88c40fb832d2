// Exact nearest neighbours. Candidates come from float32 dot products with an error bound, answers from
// distances computed directly in float64, ties by smaller index: no blocking, order of visits or CPU path can
// be seen in them.
//
//   128 queries against a block:       groups of 8 queries x panels of 32 rows, 256 products in registers
//
// With x and y relative to the block's centre, |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: the error is relative to
// how far both are from there, not from the origin. No query is moved for that: x = u + v, from the queries'
// centre and from there to the block's, so that x.y = u.y + v.y and |x|^2 = |u|^2 + 2 u.v + |v|^2, with one
// product more a row and a query. The error is at most e (a + |y|)^2 <= 2 e a^2 + 2 e |y|^2, a = |u| + |v|:
// so what the row adds is in its half norm already, and one far row of a block costs no other row its
// precision.
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

constexpr i64 kQueries = 8;             // of a group
constexpr double kMargin = 1.0 - 1e-9;  // more than float64 can be wrong by

// dots[q][r] = x_q . y_r - halves[r] of a group and a panel, and a bit for each that reaches x_q's bar.
// 0 if none does; then dots may be left as they were.
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
// 4 x 16 products at a time, which leaves half of the 16 registers.
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

// At most 128 queries, relative to their own centre, and what a visit of a block needs.
template <class T>
struct Search {
    template <class U>
    using Room = std::unique_ptr<U[]>;
    template <class U>
    static Room<U> room_for(i64 size) {
        return Room<U>(new U[static_cast<std::size_t>(size)]);  // as it comes: all of it is written first
    }

    Search(const Points<T>& of_points, const Blocks& of_blocks, const Points<T>& of_queries, const i64* which,
           i64 how_many, bool are_points, i64 neighbours)
        : points(of_points),
          queries(of_queries),
          blocks(of_blocks),
          rows(which),
          count(how_many),
          k(neighbours),
          itself(are_points) {
        const i64 d = points.d, room = 2 * k + 64;
        const float none = -kFar;
        const i64 spare = std::max(kFew - k, i64{0});
        for (i64 i = 0; i < count; ++i) {
            float* bounds = highs.get() + i * (spare + k);
            std::fill(bounds, bounds + spare, none);
            std::fill(bounds + spare, bounds + spare + k, kFar);
            nearest[i] = {lists.get() + i * room, bounds + spare, bars.get() + i, 0, room, k, 0, points.n};
        }
        std::fill(bars.get(), bars.get() + kLeaf, kFar);
        std::fill(gaps.get(), gaps.get() + blocks.count, 0.0);
        std::fill(boxes.get(), boxes.get() + blocks.count, 0.0);
        double norms[kLeaf] = {};
        for (i64 j = 0; j < d; ++j) {
            double sum = 0.0;
            low[j] = std::numeric_limits<double>::infinity();
            high[j] = -low[j];
            for (i64 i = 0; i < count; ++i) {
                const double value = static_cast<double>(queries.x[rows[i] * d + j]) * points.coarse;
                sum += value;
                low[j] = std::min(low[j], value);
                high[j] = std::max(high[j], value);
            }
            centre[j] = knn_middle(queries.x, d, j, rows, count, points.coarse, sum, low[j], high[j]);
            for (i64 i = 0; i < kLeaf; ++i) {
                const double value =
                    i < count ? static_cast<double>(queries.x[rows[i] * d + j]) * points.coarse - centre[j]
                              : 0.0;
                local[j * kLeaf + i] = whole[(i / kQueries * d + j) * kQueries + i % kQueries] =
                    static_cast<float>(value);
                norms[i] += value * value;
            }
            const double c = centre[j], under = low[j], over = high[j];
            const double *centres = blocks.centres + j * blocks.count, *lower = blocks.low + j * blocks.count,
                         *upper = blocks.high + j * blocks.count;
            for (i64 b = 0; b < blocks.count; ++b) {
                const double between = c - centres[b];
                const double apart = std::max(std::max(under - upper[b], lower[b] - over), 0.0);
                gaps[b] += between * between;
                boxes[b] += apart * apart;
            }
        }
        for (i64 b = 0; b < blocks.count; ++b) gaps[b] = std::sqrt(gaps[b]);
        for (i64 i = 0; i < kLeaf; ++i) {
            squares[i] = static_cast<float>(norms[i]);
            lengths[i] = static_cast<float>(std::sqrt(norms[i]));
        }
        radius = std::sqrt(*std::max_element(norms, norms + kLeaf));
    }

    const Points<T>&points, &queries;
    const Blocks& blocks;
    const i64* rows;  // [count] of the queries
    i64 count, k;
    bool itself;                           // the queries are the points: none is its own neighbour
    double radius;                         // of the queries around their centre
    float squares[kLeaf], lengths[kLeaf];  // of each, from there
    Room<double> centre = room_for<double>(points.d), low = room_for<double>(points.d),
                 high = room_for<double>(points.d);          // and their box
    Room<double> gaps = room_for<double>(blocks.count);      // of the blocks' centres from theirs
    Room<double> boxes = room_for<double>(blocks.count);     // and squared, of their boxes
    Room<float> local = room_for<float>(points.d * kLeaf);   // [d][128] less their centre
    Room<float> whole = room_for<float>(points.d * kLeaf);   // [16][d][8], the same
    Room<float> groups = room_for<float>(points.d * kLeaf);  // [16][d][8], the active ones
    Room<float> shift = room_for<float>(points.d);           // their centre less a block's
    Room<float> bars = room_for<float>(kLeaf);
    Room<Candidate> lists = room_for<Candidate>(count * (2 * k + 64));
    Room<float> highs = room_for<float>(count * std::max(k, kFew));
    Room<Nearest> nearest = room_for<Nearest>(count);
    Room<Ranked> ranked = room_for<Ranked>(2 * k + 64);
};

// Rows of a panel, for loops that jump from one that is set to the next.
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

// Can no query have a row of block b within `bar`?
template <class T>
EQUIPOISE_INLINE bool knn_far(const Search<T>& s, i64 b, double bar) {
    const double between = s.gaps[b] * kMargin - (s.radius + s.blocks.radii[b]);
    // Lengths are roots of squares, which underflow long before they do.
    return (between > 1e-140 && between * between * kMargin > bar) || s.boxes[b] * kMargin > bar;
}

// Candidates of query i: rows at position + a bit's place, |x|^2 - 2 dots - errors away or farther, by at
// most 2 errors and what the row adds, without codes.
template <class Bounds, class T>
EQUIPOISE_INLINE void knn_take(const Search<T>& s, i64 i, Reach reach, i64 position, const float* dots,
                               float norm, float error) {
    Nearest& q = s.nearest[i];
    const Points<T>&points = s.points, &queries = s.queries;
    const i64 own = s.rows[i], excluded = s.itself ? own : -1;
    const T* x = queries.x + own * points.d;
    const i32* codes = queries.codes + own * points.c;
    if (q.size + kPanel > q.room) nearest_shrink(q, kPanel, points, x, codes, s.ranked.get());
    if (q.tie < points.n) {  // copies alone are wanted, of which there may be many
        while (reach.bits) {
            const i64 row = s.blocks.order[position + reach.take_lowest()];
            if (row != excluded) nearest_equal(q, row, points, x, codes);
        }
        return;
    }
    const float of_row = 8.5f * static_cast<float>(knn_unit(points.d));
    i64 size = q.size;
    Bounds bounds(q);
    while (reach.bits) {
        const i64 at = reach.take_lowest(), row = s.blocks.order[position + at];
        float low = norm - 2.0f * dots[at] - error;
        float wide = 2.0f * error + of_row * s.blocks.halves[position + at];
        if (points.c) {
            const i64 differ = code_mismatches(codes, points.codes + row * points.c, points.c);
            const double more = knn_coarse(points, points.mismatch * static_cast<double>(differ));
            low = float_below(static_cast<double>(low) + more * kMargin);
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

// Squared distances of the queries from the box of block b.
template <class T>
EQUIPOISE_INLINE void knn_boxes(const Search<T>& s, i64 b, float* boxes) {
    for (i64 j = 0; j < s.points.d; ++j) {
        const float lower = static_cast<float>(s.blocks.low[j * s.blocks.count + b] - s.centre[j]);
        const float upper = static_cast<float>(s.blocks.high[j * s.blocks.count + b] - s.centre[j]);
        const float* x = s.local.get() + j * kLeaf;
        for (i64 i = 0; i < kLeaf; ++i) {
            const float under = lower - x[i], over = x[i] - upper;
            const float apart = under > over ? under : over, outside = apart > 0.0f ? apart : 0.0f;
            boxes[i] += outside * outside;
        }
    }
}

// The dot product from which on a row is within `bar`; finite: where there is no row, it is -infinite.
EQUIPOISE_INLINE float knn_top(float norm, float error, float bar) {
    return std::max(0.5f * (norm - error - bar), -1e38f);
}

struct Range {
    float least, most;
};

// Of the bars of all queries.
template <class T>
EQUIPOISE_INLINE Range knn_bars(const Search<T>& s) {
    constexpr i64 lanes = 16;  // which fill a register: one at a time waits for the one before
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

// All queries that may have a neighbour in block b against its rows.
template <class Tile, class T>
EQUIPOISE_INLINE void knn_visit(const Search<T>& s, i64 b) {
    const i64 d = s.points.d, count = s.blocks.count;
    // The ground covers what float32 cannot hold at all, below 1e-38, of values of which the largest is 1.
    const float unit = static_cast<float>(knn_unit(d)), ground = static_cast<float>(d + 1) * 1e-36f;
    const float radius = static_cast<float>(s.blocks.radii[b]), gap = static_cast<float>(s.gaps[b]);
    const float span = static_cast<float>(s.radius + s.blocks.radii[b] + s.gaps[b]);
    float bars[kLeaf], norms[kLeaf], boxes[kLeaf] = {}, errors[kLeaf], products[kLeaf] = {}, halves[kLeaf];
    const float least = knn_bars(s).least;
    for (i64 i = 0; i < kLeaf; ++i) bars[i] = i < s.count ? s.bars[i] : -kFar;
    for (i64 i = 0; i < s.count && least == 0.0f; ++i)
        if (s.blocks.first[b] > s.nearest[i].tie) bars[i] = -kFar;

    double farthest = 0.0;  // corner of the queries' box
    for (i64 j = 0; j < d; ++j) {
        const i64 at = j * count + b;
        s.shift[j] = static_cast<float>(s.centre[j] - s.blocks.centres[at]);
        const double under = s.blocks.low[at] - s.low[j], over = s.high[j] - s.blocks.high[at];
        const double apart = std::max(std::max(under, over), 0.0);
        farthest += apart * apart;
    }
    if (farthest > least) knn_boxes(s, b, boxes);

    for (i64 i = 0; i < kLeaf; ++i) norms[i] = 0.0f;
    for (i64 j = 0; j < d; ++j) {
        const float shift = s.shift[j];
        const float* x = s.local.get() + j * kLeaf;
        for (i64 i = 0; i < kLeaf; ++i) norms[i] += shift * x[i];
    }
    for (i64 j = 0; j < d; ++j) {
        const float shift = s.shift[j];
        for (i64 p = 0; p < kLeaf; p += kPanel) {
            const float* y = s.blocks.panels + (b * kLeaf + p) * d + j * kPanel;
            for (i64 r = 0; r < kPanel; ++r) products[p + r] += shift * y[r];
        }
    }
    for (i64 r = 0; r < kLeaf; ++r) halves[r] = s.blocks.halves[b * kLeaf + r] - products[r];

    i32 far[kLeaf], any_far = 0;
    float tops[kLeaf];
    for (i64 i = 0; i < kLeaf; ++i) {
        norms[i] = std::max(s.squares[i] + gap * gap + 2.0f * norms[i], 0.0f);
        const float length = std::sqrt(norms[i]), most = length + span;
        const float beyond = std::max(length - radius, 0.0f), sum = s.lengths[i] + gap;
        errors[i] = 2.0f * unit * sum * sum + ground;
        far[i] = std::max(boxes[i], beyond * beyond) - (unit * most * most + ground) > bars[i];
        any_far |= far[i];
        tops[i] = knn_top(norms[i], errors[i], bars[i]);
    }
    i64 active[kLeaf], actives = 0;
    for (i64 i = 0; i < kLeaf; ++i) {
        active[actives] = i;
        actives += !far[i];
    }
    const float* groups = s.whole.get();
    const i64 filled = (actives + kQueries - 1) / kQueries * kQueries;
    if (any_far) {
        groups = s.groups.get();
        for (i64 a = 0; a < filled; ++a) {
            const i64 i = a < actives ? active[a] : 0;
            const float* from = s.local.get() + i;
            float* to = s.groups.get() + a / kQueries * kQueries * d + a % kQueries;
            for (i64 j = 0; j < d; ++j) to[j * kQueries] = from[j * kLeaf];
            tops[a] = a < actives ? tops[i] : kFar;
        }
    }
    float dots[kQueries * kPanel];
    u32 reach[kQueries];
    for (i64 p = 0; p < std::min(kLeaf, s.points.n - b * kLeaf); p += kPanel) {
        const i64 position = b * kLeaf + p;
        const float* panel = s.blocks.panels + position * d;
        for (i64 g = 0; g < filled; g += kQueries) {
            if (!Tile::run(groups + g * d, panel, halves + p, tops + g, d, dots, reach)) continue;
            for (i64 a = 0; a < kQueries; ++a) {
                if (!reach[a]) continue;
                const i64 i = active[g + a];
                const float *of_query = dots + a * kPanel, norm = norms[i], error = errors[i];
                if (s.k <= kFewer)
                    knn_take<FewBounds<kFewer>>(s, i, Reach{reach[a]}, position, of_query, norm, error);
                else if (s.k <= kFew)
                    knn_take<FewBounds<kFew>>(s, i, Reach{reach[a]}, position, of_query, norm, error);
                else
                    knn_take<ManyBounds>(s, i, Reach{reach[a]}, position, of_query, norm, error);
                tops[g + a] = knn_top(norm, error, s.bars[i]);
            }
        }
    }
}

// The k nearest rows of the queries at positions begin .. end - 1 of their order, at most 128.
template <class Tile, class T>
EQUIPOISE_INLINE void knn_search(const Points<T>& points, const Blocks& blocks, const Points<T>& queries,
                                 const i64* query_order, i64 begin, i64 end, bool itself, i64 k, i64* indices,
                                 T* distances) {
    const Search<T> s(points, blocks, queries, query_order + begin, end - begin, itself, k);
    // The block with the nearest centre first; then those that are not too far, nearest first.
    std::vector<i64> visits{std::min_element(s.gaps.get(), s.gaps.get() + blocks.count) - s.gaps.get()};
    const auto nearer = [&](i64 a, i64 b) {
        return s.gaps[a] < s.gaps[b] || (s.gaps[a] == s.gaps[b] && blocks.first[a] < blocks.first[b]);
    };
    double bar = std::numeric_limits<double>::infinity();
    for (std::size_t v = 0; v < visits.size(); ++v) {
        if (knn_far(s, visits[v], bar)) continue;
        knn_visit<Tile>(s, visits[v]);
        bar = knn_bars(s).most;
        if (v) continue;
        for (i64 b = 0; b < blocks.count; ++b)
            if (b != visits[0] && !knn_far(s, b, bar)) visits.push_back(b);
        std::sort(visits.begin() + 1, visits.end(), nearer);
    }

    Ranked* ranked = s.ranked.get();
    for (i64 i = 0; i < s.count; ++i) {
        const i64 own = s.rows[i];
        const i64 found = nearest_rank(s.nearest[i], points, queries.x + own * points.d,
                                       queries.codes + own * points.c, ranked);
        std::nth_element(ranked, ranked + (k - 1), ranked + found);
        std::sort(ranked, ranked + k);
        for (i64 j = 0; j < k; ++j) {
            indices[own * k + j] = ranked[j].row;
            distances[own * k + j] = static_cast<T>(std::sqrt(ranked[j].distance) / points.scale);
        }
    }
}

}  // namespace equipoise
