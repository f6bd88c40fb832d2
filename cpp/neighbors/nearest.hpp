// Keep the nearest rows found so far for one query: candidates with bounds on their distances, which are
// ranked by exact distances in the end.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "neighbors/blocks.hpp"
#include "stream/rng.hpp"

namespace equipoise {

// Return the squared distance by its definition: four partial sums, each in the order of its columns.
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

// Return how many of the c codes differ.
EQUIPOISE_INLINE i64 code_mismatches(const i32* a, const i32* b, i64 c) {
    i64 count = 0;
    for (i64 j = 0; j < c; ++j) count += a[j] != b[j];
    return count;
}

struct Candidate {
    float low;  // a lower bound on its squared distance
    i64 row;
};

// The candidates of one query, and its k smallest upper bounds on squared distances.
struct Nearest {
    Candidate* list;
    float* highs;
    float* bar;  // the k-th upper bound: rows farther than this are not wanted
    i64 size, room, k, known;
    i64 tie;  // rows from here on are not wanted: the k-th row if the bar is 0, else n
};

// Round up to float32.
inline float float_above(double value) {
    if (0.0 < value && value < 1e-37) return 1e-37f;  // never subnormal: some threads flush those to 0
    const float rounded = static_cast<float>(value);
    return static_cast<double>(rounded) < value ? std::nextafter(rounded, kFar) : rounded;
}

// Round down to float32.
inline float float_below(double value) {
    const float rounded = static_cast<float>(value);
    return static_cast<double>(rounded) > value ? std::nextafter(rounded, -kFar) : rounded;
}

// Sift the value at place `at` of a max-heap down to where it belongs. All values below it are in heap order.
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

// The k smallest upper bounds seen so far; a new one that is not below the bar changes nothing. (Selecting
// them less often lets more candidates through and was 1.3 times slower.) A few bounds are kept sorted in
// registers and updated without branches, since the branches of a heap are mispredicted. There are always
// exactly Few of them: if k is smaller, bounds of -infinity come before the k real ones.
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

// Return the exact squared distance between row `row` and a query with numbers x and the given codes. It is
// never NaN, even if another thread overwrites the numbers: sorting needs an order.
template <class T>
EQUIPOISE_INLINE double nearest_distance(const Points<T>& points, const T* x, const i32* codes, i64 row) {
    const double direct = knn_distance(x, points.x + row * points.d, points.d, points.scale);
    const double distance = direct >= 0.0 ? direct : std::numeric_limits<double>::infinity();
    if (points.c == 0) return distance;
    const i64 differ = code_mismatches(codes, points.codes + row * points.c, points.c);
    return distance + points.mismatch * static_cast<double>(differ);
}

// Write the exact distances of the remaining candidates to `ranked` and return how many there are.
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

// Convert a squared distance to the candidates' scale. It becomes 0 only if it is 0.
template <class T>
inline double candidate_distance(const Points<T>& points, double distance) {
    const double ratio = points.candidate_scale / points.scale, converted = distance * ratio * ratio;
    return distance > 0.0 ? std::max(converted, 1e-300) : 0.0;
}

// Make room for `more` candidates: drop those beyond the bar, and if that frees too little, keep only the
// k nearest.
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
        const double distance = candidate_distance(points, ranked[i].distance);
        q.highs[i] = float_above(distance);
        q.list[i] = {float_below(distance), ranked[i].row};
    }
    *q.bar = *std::max_element(q.highs, q.highs + q.k);
    if (q.k <= kFew)
        std::sort(q.highs, q.highs + q.k);
    else
        std::make_heap(q.highs, q.highs + q.k);
    if (*q.bar > 0.0f) return;  // the bound of a positive distance is positive
    std::sort(q.list, q.list + q.k, [](const Candidate& a, const Candidate& b) { return a.row < b.row; });
    q.tie = q.list[q.k - 1].row;
}

// Offer a row to a full list of k rows at distance 0, which is sorted by row. It enters only at distance 0.
template <class T>
inline void nearest_equal(Nearest& q, i64 row, const Points<T>& points, const T* x, const i32* codes) {
    if (row >= q.tie || nearest_distance(points, x, codes, row) > 0.0) return;
    i64 at = q.k - 1;
    for (; at > 0 && q.list[at - 1].row > row; --at) q.list[at] = q.list[at - 1];
    q.list[at].row = row;
    q.tie = q.list[q.k - 1].row;
}

}  // namespace equipoise
