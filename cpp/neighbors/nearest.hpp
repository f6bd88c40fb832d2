// The nearest so far of one query: candidates with bounds, then answers by the definition of a distance.
#pragma once

#include <algorithm>
#include <cmath>

#include "neighbors/blocks.hpp"
#include "stream/rng.hpp"

namespace equipoise {

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

struct Candidate {
    float low;  // its squared distance is no less
    i64 row;
};

// Candidates, and the k smallest upper bounds.
struct Nearest {
    Candidate* list;
    float* highs;
    float* bar;  // no row farther than this is wanted; the k-th upper bound
    i64 size, room, k, known;
    i64 tie;  // no row beyond is wanted: the k-th where the bar is 0, else the last there is
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

// Upper bounds, while more come; what is no less than the bar changes nothing. (Bounds set by selection, now
// and then, let more through: 1.3 times slower.) Few are kept in order, in registers and without a branch,
// since a heap guesses wrong at each: first -infinite ones, so that they are always Few, then the k.
constexpr i64 kFewer = 5, kFew = 10;

template <i64 Few>
struct FewBounds {
    Nearest& q;
    float h[Few];

    EQUIPOISE_INLINE explicit FewBounds(Nearest& of) : q(of) {
        for (i64 i = 0; i < Few; ++i) h[i] = q.highs[q.k - Few + i];
    }
    EQUIPOISE_INLINE float bar() const { return h[Few - 1]; }
    EQUIPOISE_INLINE void add(float high) {
        for (i64 i = Few - 1; i > 0; --i) h[i] = std::min(h[i], std::max(h[i - 1], high));
        h[0] = std::min(h[0], high);
    }
    EQUIPOISE_INLINE void keep() {
        for (i64 i = 0; i < Few; ++i) q.highs[q.k - Few + i] = h[i];
        *q.bar = bar();
    }
};

struct ManyBounds {
    Nearest& q;

    explicit ManyBounds(Nearest& of) : q(of) {}
    float bar() const { return *q.bar; }
    void add(float high) {
        if (!(high < *q.bar)) return;
        if (q.known < q.k) {
            q.highs[q.known++] = high;
            std::push_heap(q.highs, q.highs + q.known);
            if (q.known == q.k) *q.bar = q.highs[0];
            return;
        }
        q.highs[0] = high;
        sift_down(q.highs, 0, q.k);
        *q.bar = q.highs[0];
    }
    void keep() {}
};

struct Ranked {
    double distance;
    i64 row;
    bool operator<(const Ranked& other) const {
        return distance < other.distance || (distance == other.distance && row < other.row);
    }
};

// The squared distance of a query, its values and its codes, by the definition.
template <class T>
EQUIPOISE_INLINE double nearest_distance(const Points<T>& points, const T* x, const i32* codes, i64 row) {
    const double distance = knn_distance(x, points.x + row * points.d, points.d, points.scale);
    if (points.c == 0) return distance;
    const i64 differ = code_mismatches(codes, points.codes + row * points.c, points.c);
    return distance + points.mismatch * static_cast<double>(differ);
}

// Exact distances of what is left of the list, at `ranked`; returns how many.
template <class T>
inline i64 nearest_rank(const Nearest& q, const Points<T>& points, const T* x, const i32* codes,
                        Ranked* ranked) {
    i64 count = 0;
    const float bar = *q.bar;
    for (i64 i = 0; i < q.size; ++i) {
        ranked[count].row = q.list[i].row;
        count += q.list[i].low <= bar;
    }
    for (i64 i = 0; i < count; ++i) ranked[i].distance = nearest_distance(points, x, codes, ranked[i].row);
    return count;
}

// A squared distance in the candidates' scale; 0 only if it is.
template <class T>
inline double knn_coarse(const Points<T>& points, double distance) {
    const double ratio = points.coarse / points.scale, coarse = distance * ratio * ratio;
    return distance > 0.0 ? std::max(coarse, 1e-300) : 0.0;
}

// Room for `more` in a list: what is too far goes; if that is little, the k nearest stay alone.
template <class T>
inline void nearest_shrink(Nearest& q, i64 more, const Points<T>& points, const T* x, const i32* codes,
                           Ranked* ranked) {
    i64 kept = 0;
    for (i64 i = 0; i < q.size; ++i)
        if (q.list[i].low <= *q.bar) q.list[kept++] = q.list[i];
    q.size = kept;
    if (4 * kept <= 3 * q.room && kept + more <= q.room) return;
    nearest_rank(q, points, x, codes, ranked);
    std::nth_element(ranked, ranked + q.k - 1, ranked + q.size);
    q.size = q.known = q.k;
    for (i64 i = 0; i < q.k; ++i) {
        const double distance = knn_coarse(points, ranked[i].distance);
        q.highs[i] = float_above(distance);
        q.list[i] = {float_below(distance), ranked[i].row};
    }
    *q.bar = *std::max_element(q.highs, q.highs + q.k);
    if (q.k <= kFew)
        std::sort(q.highs, q.highs + q.k);
    else
        std::make_heap(q.highs, q.highs + q.k);
    if (*q.bar > 0.0f) return;  // a distance that is not 0 has a bound that is not
    std::sort(q.list, q.list + q.k, [](const Candidate& a, const Candidate& b) { return a.row < b.row; });
    q.tie = q.list[q.k - 1].row;
}

// Another row for a list of k at distance 0, in their order: it is one of them, or nothing.
template <class T>
inline void nearest_equal(Nearest& q, i64 row, const Points<T>& points, const T* x, const i32* codes) {
    if (row >= q.tie || nearest_distance(points, x, codes, row) > 0.0) return;
    i64 at = q.k - 1;
    for (; at > 0 && q.list[at - 1].row > row; --at) q.list[at] = q.list[at - 1];
    q.list[at].row = row;
    q.tie = q.list[q.k - 1].row;
}

}  // namespace equipoise
