// Exact nearest neighbours. Candidates come from float32 dot products with an error bound, answers from
// distances computed directly in float64, ties by smaller index: no blocking, order of visits or CPU path can
// be seen in them.
//
//   rows, in the order of a kd-rule:   | block 0: 128 rows | block 1 | .. |    a centre, a radius and a box
//   each a block's rows, less its centre:   | panel 0: 32 rows, column by column | panel 1 | panel 2 | panel
//   3 | 128 queries against a block:       groups of 8 queries x panels of 32 rows, 256 dot products in
//   registers
//
// With x and y relative to the block's centre, |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: the error is relative to
// the block and the query's distance from it, not to how far both are from the origin.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "rng.hpp"

namespace equipoise {

using i32 = std::int32_t;

constexpr i64 kLeaf = 128;              // of a block, and of a call's queries at most
constexpr i64 kPanel = 32;              // rows of a panel
constexpr i64 kQueries = 8;             // of a group
constexpr double kMargin = 1.0 - 1e-9;  // more than float64 can be wrong by
constexpr float kFar = std::numeric_limits<float>::infinity();

// Rows of d values and of c codes; codes that differ add `mismatch` to the squared distance, each. Values are
// multiplied by `scale`, which is 1 unless squares would leave float64's range, and for candidates by
// `coarse`, which brings the largest to 1; both are powers of two.
template <class T>
struct Points {
    const T* x;
    const i32* codes;
    i64 n, d, c;
    double scale, coarse, mismatch;
};

// Const where they are read: Float is float or const float, and so on.
template <class Float, class Double, class Int>
struct BlocksOf {
    const i64* order;              // [n] row at a position
    Float* panels;                 // [count][4][d][32] rows less their block's centre
    Float* halves;                 // [count * 128] |y|^2 (1 - 2 e) / 2, infinite where there is no row
    Double *centres, *low, *high;  // [d][count]; the boxes, [count][d]
    Double* radii;                 // [count]
    Int* first;                    // [count] the smallest row
    i64 count;
};
using Blocks = BlocksOf<const float, const double, const i64>;
using NewBlocks = BlocksOf<float, double, i64>;

struct Candidate {
    float low, high;  // of the squared distance
    i64 row;
};

// The definition: four sums, each in order of its columns.
template <class T>
EQUIPOISE_INLINE double knn_distance(const T* a, const T* b, i64 d, double scale) {
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    i64 j = 0;
    for (; j + 4 <= d; j += 4) {
        for (int lane = 0; lane < 4; ++lane) {
            const double gap =
                static_cast<double>(a[j + lane]) * scale - static_cast<double>(b[j + lane]) * scale;
            sums[lane] += gap * gap;
        }
    }
    for (int lane = 0; j < d; ++j, ++lane) {
        const double gap = static_cast<double>(a[j]) * scale - static_cast<double>(b[j]) * scale;
        sums[lane] += gap * gap;
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

EQUIPOISE_INLINE i64 code_mismatches(const i32* a, const i32* b, i64 c) {
    i64 count = 0;
    for (i64 j = 0; j < c; ++j) count += a[j] != b[j];
    return count;
}

// e: units of the last place of dot products and norms of d values, of the roundings before and after,
// doubled.
inline double knn_unit(i64 d) {
    return static_cast<double>(2 * d + 32) * 0x1p-24;
}

// Halves of whole blocks, along the column of the largest variance (of up to 64 rows), `depth` times; equal
// values by row, so that equal rows come in the order of their indices.
template <class T>
inline void knn_split(const T* x, i64 d, i64 begin, i64 end, i64 depth, i64* order) {
    struct Keyed {
        T value;
        i64 row;
        bool operator<(const Keyed& other) const {
            return value < other.value || (value == other.value && row < other.row);
        }
    };
    struct Piece {
        i64 begin, end, depth;
    };
    std::vector<Keyed> keyed(static_cast<std::size_t>(end - begin));
    std::vector<Piece> pieces{{begin, end, depth}};
    while (!pieces.empty()) {
        const Piece piece = pieces.back();
        pieces.pop_back();
        const i64 size = piece.end - piece.begin;
        if (size <= kLeaf || piece.depth == 0) continue;
        const i64 step = (size + 63) / 64;
        i64 column = 0;
        double largest = -1.0;
        for (i64 j = 0; j < d; ++j) {
            double sum = 0.0, squares = 0.0, seen = 0.0;
            const double origin = static_cast<double>(x[order[piece.begin] * d + j]);
            for (i64 i = piece.begin; i < piece.end; i += step) {
                const double value = static_cast<double>(x[order[i] * d + j]) - origin;
                sum += value;
                squares += value * value;
                seen += 1.0;
            }
            const double variance = squares - sum * sum / seen;
            if (variance > largest) {
                largest = variance;
                column = j;
            }
        }
        for (i64 i = 0; i < size; ++i) {
            const i64 row = order[piece.begin + i];
            keyed[static_cast<std::size_t>(i)] = {d ? x[row * d + column] : T(0), row};
        }
        const i64 half = ((size + kLeaf - 1) / kLeaf + 1) / 2 * kLeaf;
        std::nth_element(keyed.begin(), keyed.begin() + half, keyed.begin() + size);
        for (i64 i = 0; i < size; ++i) order[piece.begin + i] = keyed[static_cast<std::size_t>(i)].row;
        pieces.push_back({piece.begin + half, piece.end, piece.depth - 1});
        pieces.push_back({piece.begin, piece.begin + half, piece.depth - 1});
    }
}

// What the search reads of blocks begin .. end - 1.
template <class T>
inline void knn_pack(const T* x, i64 n, i64 d, double coarse, i64 begin, i64 end, const NewBlocks& out) {
    std::vector<double> centre(static_cast<std::size_t>(d)), norms(kLeaf);
    for (i64 b = begin; b < end; ++b) {
        const i64* rows = out.order + b * kLeaf;
        const i64 size = std::min(kLeaf, n - b * kLeaf);
        double *low = out.low + b * d, *high = out.high + b * d;
        std::fill(centre.begin(), centre.end(), 0.0);
        for (i64 i = 0; i < size; ++i) {
            for (i64 j = 0; j < d; ++j) {
                const double value = static_cast<double>(x[rows[i] * d + j]) * coarse;
                centre[static_cast<std::size_t>(j)] += value;
                low[j] = i ? std::min(low[j], value) : value;
                high[j] = i ? std::max(high[j], value) : value;
            }
        }
        std::fill(norms.begin(), norms.end(), 0.0);
        float* panels = out.panels + b * kLeaf * d;
        std::fill(panels, panels + kLeaf * d, 0.0f);
        for (i64 j = 0; j < d; ++j) {
            centre[static_cast<std::size_t>(j)] /= static_cast<double>(size);
            out.centres[j * out.count + b] = centre[static_cast<std::size_t>(j)];
        }
        out.first[b] = *std::min_element(rows, rows + size);
        double radius = 0.0;
        for (i64 i = 0; i < kLeaf; ++i) {
            double norm = 0.0;
            for (i64 j = 0; i < size && j < d; ++j) {
                const double value =
                    static_cast<double>(x[rows[i] * d + j]) * coarse - centre[static_cast<std::size_t>(j)];
                norm += value * value;
                panels[(i / kPanel * d + j) * kPanel + i % kPanel] = static_cast<float>(value);
            }
            radius = std::max(radius, norm);
            out.halves[b * kLeaf + i] = i < size ? static_cast<float>(norm * (0.5 - knn_unit(d))) : kFar;
        }
        out.radii[b] = std::sqrt(radius);
    }
}

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

#if defined(__x86_64__) && defined(__GNUC__)
#define EQUIPOISE_AVX2 __attribute__((target("avx2,fma")))
#define EQUIPOISE_AVX512F __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl")))

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
    EQUIPOISE_AVX512F static inline u32 run(const float* group, const float* panel, const float* halves,
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

// The nearest so far of one query: candidates, and the k smallest upper bounds as a heap.
struct Nearest {
    Candidate* list;
    float* highs;
    i64 size, room, k, known;
    float bar;  // no row farther than this is wanted; the k-th upper bound
    i64 tie;    // with bar 0, the k-th row: no larger one is wanted
};

inline float float_above(double value) {
    if (0.0 < value && value < 1e-37) return 1e-37f;  // no denormal: a thread may take those for 0
    const float rounded = static_cast<float>(value);
    return static_cast<double>(rounded) < value ? std::nextafter(rounded, kFar) : rounded;
}

inline float float_below(double value) {
    const float rounded = static_cast<float>(value);
    return static_cast<double>(rounded) > value ? std::nextafter(rounded, -kFar) : rounded;
}

// Place `at` of a heap whose largest is first, when all below it are in order.
inline void sift_down(float* heap, i64 at, i64 size) {
    const float value = heap[at];
    for (i64 child = 2 * at + 1; child < size; child = 2 * at + 1) {
        if (child + 1 < size && heap[child + 1] > heap[child]) ++child;
        if (heap[child] <= value) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

// An upper bound more. (Bounds set by selection, now and then, let more through: 1.3 times slower.)
EQUIPOISE_INLINE void nearest_bound(Nearest& q, float high) {
    if (q.known < q.k) {
        q.highs[q.known++] = high;
        std::push_heap(q.highs, q.highs + q.known);
        if (q.known == q.k) q.bar = q.highs[0];
        return;
    }
    if (high >= q.highs[0]) return;
    q.highs[0] = high;
    sift_down(q.highs, 0, q.k);
    q.bar = q.highs[0];
}

struct Ranked {
    double distance;
    i64 row;
    bool operator<(const Ranked& other) const {
        return distance < other.distance || (distance == other.distance && row < other.row);
    }
};

// Exact distances of what is left of the list, at `ranked`; returns how many.
template <class T>
inline i64 nearest_rank(const Nearest& q, const Points<T>& points, const T* x, const i32* codes,
                        Ranked* ranked) {
    i64 count = 0;
    for (i64 i = 0; i < q.size; ++i) {
        if (q.list[i].low > q.bar) continue;
        const i64 row = q.list[i].row;
        double distance = knn_distance(x, points.x + row * points.d, points.d, points.scale);
        if (points.c)
            distance += points.mismatch *
                        static_cast<double>(code_mismatches(codes, points.codes + row * points.c, points.c));
        ranked[count++] = {distance, row};
    }
    return count;
}

// A squared distance in the candidates' scale; 0 only if it is.
template <class T>
inline double knn_coarse(const Points<T>& points, double distance) {
    const double ratio = points.coarse / points.scale, coarse = distance * ratio * ratio;
    return distance > 0.0 ? std::max(coarse, 1e-300) : 0.0;
}

// Room in a full list: what is too far goes; if that is little, the k nearest stay alone.
template <class T>
inline void nearest_shrink(Nearest& q, const Points<T>& points, const T* x, const i32* codes,
                           Ranked* ranked) {
    i64 kept = 0;
    for (i64 i = 0; i < q.size; ++i)
        if (q.list[i].low <= q.bar) q.list[kept++] = q.list[i];
    q.size = kept;
    if (4 * kept <= 3 * q.room) return;
    nearest_rank(q, points, x, codes, ranked);
    std::nth_element(ranked, ranked + q.k - 1, ranked + q.size);
    q.size = q.known = q.k;
    for (i64 i = 0; i < q.k; ++i) {
        const double distance = knn_coarse(points, ranked[i].distance);
        q.highs[i] = float_above(distance);
        q.list[i] = {float_below(distance), q.highs[i], ranked[i].row};
    }
    std::make_heap(q.highs, q.highs + q.k);
    q.bar = q.highs[0];
    if (q.bar == 0.0f) q.tie = ranked[q.k - 1].row;
}

// What a call's queries need beside their candidates.
template <class T>
struct Search {
    const Points<T>&points, &queries;
    const Blocks& blocks;
    const i64* rows;  // [count] of the queries
    i64 count, k;
    bool itself;                        // the queries are the points: none is its own neighbour
    double radius;                      // of the queries around their centre
    double *centre, *low, *high;        // [d] and their box
    float *local, *shifted, *groups;    // [d][128] less their centre; less a block's; the active, in groups
    float *shift, *box_low, *box_high;  // [d] of a block
    const float* lengths;               // [128] of the queries, from their centre
    Nearest* nearest;                   // [count]
    Ranked* ranked;
};

// Can no query have a row of block b within `bar`? `gap` is the distance of the centres.
template <class T>
EQUIPOISE_INLINE bool knn_far(const Search<T>& s, i64 b, double gap, double bar) {
    const i64 d = s.points.d;
    const double between = gap * kMargin - (s.radius + s.blocks.radii[b]);
    // Lengths are roots of squares, which underflow long before they do.
    if (between > 1e-140 && between * between * kMargin > bar) return true;
    double box = 0.0;
    for (i64 j = 0; j < d; ++j) {
        const double under = s.blocks.low[b * d + j] - s.high[j], over = s.low[j] - s.blocks.high[b * d + j];
        const double apart = std::max(std::max(under, over), 0.0);
        box += apart * apart;
    }
    return box * kMargin > bar;
}

// Candidate `row` of query i, whose distance is low .. low + error without codes.
template <class T>
inline void knn_take(const Search<T>& s, i64 i, i64 row, float low, float error) {
    Nearest& q = s.nearest[i];
    const Points<T>&points = s.points, &queries = s.queries;
    const i64 own = s.rows[i];
    if (s.itself && row == own) return;
    const i32* codes = queries.codes + own * points.c;
    if (points.c) {
        const i64 differ = code_mismatches(codes, points.codes + row * points.c, points.c);
        const double more = knn_coarse(points, points.mismatch * static_cast<double>(differ));
        low = float_below(static_cast<double>(low) + more * kMargin);
        error += static_cast<float>(more) * 4.0e-7f;
    }
    if (low > q.bar || (q.bar == 0.0f && row > q.tie)) return;
    if (q.size == q.room) nearest_shrink(q, points, queries.x + own * points.d, codes, s.ranked);
    q.list[q.size++] = {low, low + error, row};
    nearest_bound(q, std::max(low + error, 0.0f));
}

// All queries that may have a neighbour in block b against its rows.
template <class Tile, class T>
EQUIPOISE_INLINE void knn_visit(const Search<T>& s, i64 b, double gap) {
    const i64 d = s.points.d;
    const float unit = static_cast<float>(knn_unit(d)), ground = static_cast<float>(d + 1) * 1e-36f;
    const float radius = static_cast<float>(s.blocks.radii[b]);
    const float span = static_cast<float>(s.radius + s.blocks.radii[b] + gap);
    float norms[kLeaf], boxes[kLeaf], errors[kLeaf], bars[kQueries], dots[kQueries * kPanel];
    u32 reach[kQueries];
    i64 active[kLeaf];
    for (i64 j = 0; j < d; ++j) {
        const double c = s.blocks.centres[j * s.blocks.count + b];
        s.shift[j] = static_cast<float>(s.centre[j] - c);
        s.box_low[j] = static_cast<float>(s.blocks.low[b * d + j] - c);
        s.box_high[j] = static_cast<float>(s.blocks.high[b * d + j] - c);
    }
    for (i64 i = 0; i < kLeaf; ++i) norms[i] = boxes[i] = 0.0f;
    for (i64 j = 0; j < d; ++j) {
        const float shift = s.shift[j], lower = s.box_low[j], upper = s.box_high[j];
        const float* from = s.local + j * kLeaf;
        float* to = s.shifted + j * kLeaf;
        for (i64 i = 0; i < kLeaf; ++i) {
            const float value = from[i] + shift;
            const float under = lower - value, over = value - upper;
            const float apart = under > over ? under : over, outside = apart > 0.0f ? apart : 0.0f;
            to[i] = value;
            norms[i] += value * value;
            boxes[i] += outside * outside;
        }
    }
    i64 actives = 0;
    for (i64 i = 0; i < s.count; ++i) {
        const Nearest& q = s.nearest[i];
        const float length = std::sqrt(norms[i]), most = length + span, beyond = length - radius;
        const float sum = s.lengths[i] + static_cast<float>(gap) + length, loss = unit * most * most + ground;
        errors[i] = 2.0f * unit * sum * sum + ground;
        const bool far = boxes[i] - loss > q.bar || (beyond > 0.0f && beyond * beyond - loss > q.bar);
        if (!far && (q.bar > 0.0f || s.blocks.first[b] <= q.tie)) active[actives++] = i;
    }
    const i64 filled = (actives + kQueries - 1) / kQueries * kQueries;
    for (i64 a = actives; a < filled; ++a) active[a] = -1;
    for (i64 g = 0; g < filled; g += kQueries) {
        float* group = s.groups + g * d;
        if (active[g + kQueries - 1] == active[g] + kQueries - 1) {
            const float* from = s.shifted + active[g];
            for (i64 j = 0; j < d; ++j)
                for (i64 a = 0; a < kQueries; ++a) group[j * kQueries + a] = from[j * kLeaf + a];
            continue;
        }
        for (i64 a = 0; a < kQueries; ++a) {
            const float* from = s.shifted + std::max(active[g + a], i64{0});
            for (i64 j = 0; j < d; ++j) group[j * kQueries + a] = from[j * kLeaf];
        }
    }
    for (i64 p = b * kLeaf; p < std::min((b + 1) * kLeaf, s.points.n); p += kPanel) {
        const float* panel = s.blocks.panels + p * d;
        for (i64 g = 0; g < filled; g += kQueries) {
            for (i64 a = 0; a < kQueries; ++a) {
                const i64 i = active[g + a];
                // Finite: where there is no row, dots are -infinite.
                bars[a] = i < 0 ? kFar : std::max(0.5f * (norms[i] - errors[i] - s.nearest[i].bar), -1e38f);
            }
            if (!Tile::run(s.groups + g * d, panel, s.blocks.halves + p, bars, d, dots, reach)) continue;
            for (i64 a = 0; a < kQueries; ++a) {
                const i64 i = active[g + a];
                u32 bits = reach[a];
                for (i64 r = 0; bits; ++r, bits >>= 1) {
                    if (!(bits & 1u)) continue;
                    knn_take(s, i, s.blocks.order[p + r], norms[i] - 2.0f * dots[a * kPanel + r] - errors[i],
                             2.0f * errors[i] + 8.5f * unit * s.blocks.halves[p + r]);
                }
            }
        }
    }
}

// The k nearest rows of the queries at positions begin .. end - 1 of their order, at most 128.
template <class Tile, class T>
EQUIPOISE_INLINE void knn_search(const Points<T>& points, const Blocks& blocks, const Points<T>& queries,
                                 const i64* query_order, i64 begin, i64 end, bool itself, i64 k, i64* indices,
                                 T* distances) {
    struct Visit {
        double gap;
        i64 first, block;
        bool operator<(const Visit& other) const {
            return gap < other.gap || (gap == other.gap && first < other.first);
        }
    };
    const i64 d = points.d, count = end - begin, room = 2 * k + 64, columns = d + 1;  // vectors are not empty
    const i64* rows = query_order + begin;
    std::vector<double> reals(static_cast<std::size_t>(3 * columns + blocks.count));
    std::vector<float> floats(static_cast<std::size_t>(3 * columns * kLeaf + 3 * columns + count * k));
    std::vector<Candidate> lists(static_cast<std::size_t>(count * room));
    std::vector<Ranked> ranked(static_cast<std::size_t>(room));
    std::vector<Nearest> nearest(static_cast<std::size_t>(count));
    std::vector<Visit> visits;
    double* centre = reals.data();
    double *low = centre + columns, *high = low + columns, *gaps = high + columns;
    float *local = floats.data(), *shifted = local + columns * kLeaf, *groups = shifted + columns * kLeaf;
    float *shift = groups + columns * kLeaf, *highs = shift + 3 * columns;

    // The queries, relative to their own centre, a column after the other.
    double lengths[kLeaf] = {};
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
        centre[j] = sum / static_cast<double>(count);
        for (i64 i = 0; i < count; ++i) {
            const double value = static_cast<double>(queries.x[rows[i] * d + j]) * points.coarse - centre[j];
            local[j * kLeaf + i] = static_cast<float>(value);
            lengths[i] += value * value;
        }
        for (i64 b = 0; b < blocks.count; ++b) {
            const double apart = centre[j] - blocks.centres[j * blocks.count + b];
            gaps[b] += apart * apart;
        }
    }
    for (i64 i = 0; i < count; ++i)
        nearest[static_cast<std::size_t>(i)] = {
            lists.data() + i * room, highs + i * k, 0, room, k, 0, kFar, points.n};
    const double radius = std::sqrt(*std::max_element(lengths, lengths + kLeaf));
    float spans[kLeaf];
    for (i64 i = 0; i < kLeaf; ++i) spans[i] = static_cast<float>(std::sqrt(lengths[i]));
    const Search<T> s{points,
                      queries,
                      blocks,
                      rows,
                      count,
                      k,
                      itself,
                      radius,
                      centre,
                      low,
                      high,
                      local,
                      shifted,
                      groups,
                      shift,
                      shift + columns,
                      shift + 2 * columns,
                      spans,
                      nearest.data(),
                      ranked.data()};

    // The block with the nearest centre first; then those that are not too far, nearest first.
    const i64 home = std::min_element(gaps, gaps + blocks.count) - gaps;
    visits.push_back({std::sqrt(gaps[home]), 0, home});
    double bar = std::numeric_limits<double>::infinity();
    for (std::size_t v = 0; v < visits.size(); ++v) {
        if (knn_far(s, visits[v].block, visits[v].gap, bar)) continue;
        knn_visit<Tile>(s, visits[v].block, visits[v].gap);
        bar = 0.0;
        for (const Nearest& q : nearest) bar = std::max(bar, static_cast<double>(q.bar));
        if (v) continue;
        for (i64 b = 0; b < blocks.count; ++b) {
            const double gap = std::sqrt(gaps[b]);
            if (b != home && !knn_far(s, b, gap, bar)) visits.push_back({gap, blocks.first[b], b});
        }
        std::sort(visits.begin() + 1, visits.end());
    }

    for (i64 i = 0; i < count; ++i) {
        const i64 own = rows[i];
        const i64 found = nearest_rank(nearest[static_cast<std::size_t>(i)], points, queries.x + own * d,
                                       queries.codes + own * points.c, ranked.data());
        std::nth_element(ranked.begin(), ranked.begin() + (k - 1), ranked.begin() + found);
        std::sort(ranked.begin(), ranked.begin() + k);
        for (i64 j = 0; j < k; ++j) {
            const Ranked& r = ranked[static_cast<std::size_t>(j)];
            indices[own * k + j] = r.row;
            distances[own * k + j] = static_cast<T>(std::sqrt(r.distance) / points.scale);
        }
    }
}

}  // namespace equipoise
