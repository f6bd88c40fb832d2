// Prepare the points of a neighbor search: rows are grouped into blocks and stored relative to their block's
// center.
//
//   rows in kd-tree order:        | block 0: 128 rows | block 1 | block 2 | ...
//   each block has:               a center, a radius and a bounding box
//   its rows, minus the center:   | panel 0: 32 rows, column by column | panel 1 | panel 2 | panel 3 |
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "stream/rng.hpp"

namespace equipoise {

using i32 = std::int32_t;

constexpr i64 kLeaf = 128;  // rows of a block, and the most queries of one call
constexpr i64 kPanel = 32;  // rows of a panel
constexpr float kFar = std::numeric_limits<float>::infinity();

// Rows of d numbers and c category codes. Each code that differs adds `mismatch` to a squared distance.
// Numbers are multiplied by `scale`, which is 1 unless squares would leave the range of float64, and for
// candidates by `candidate_scale`, which brings the largest number to about 1. Both are powers of two.
template <class T>
struct Points {
    const T* x;
    const i32* codes;
    i64 n, d, c;
    double scale, candidate_scale, mismatch;
};

// Blocks that are only read have const element types: Float is float or const float, and so on.
template <class Float, class Double, class Int>
struct BlocksOf {
    const i64* order;                        // [n] the row at each position
    Float* panels;                           // [count][4][d][32] rows minus their block's center
    Float* half_sq_norms;                    // [count * 128] |y|^2 (1 - 2 e) / 2; infinite if there is no row
    Double *centers, *box_lows, *box_highs;  // [d][count]
    Double* radii;                           // [count]
    Int* first_rows;                         // [count] the smallest row of each block
    i64 count;
};
using Blocks = BlocksOf<const float, const double, const i64>;
using NewBlocks = BlocksOf<float, double, i64>;

// Return e, the relative rounding error of a float32 squared distance. It is relative to the square of the
// sum of all the lengths involved. Computing each of the products u.v, v.y and u.y and adding it to the rest
// loses d units in the last place, together less than d (|y|^2 + 2 |u| |y| + 4 |v| |y| + 2 |u| |v|). Bounding
// boxes lose 2 sqrt(d), and the roundings before and after about ten more.
inline double knn_unit(i64 d) {
    return static_cast<double>(2 * d + 32) * 0x1p-24;
}

// Return a value, or 0 in the place of NaN. X was checked, but another thread may have overwritten it since,
// and partial sorts need an order.
template <class T>
inline T knn_ordered(T value) {
    return std::isnan(value) ? T(0) : value;
}

// Return the column of the largest variance among rows order[begin .. end - 1], estimated from up to 64 of
// them.
template <class T>
inline i64 widest_column(const T* x, i64 d, const i64* order, i64 begin, i64 end) {
    const i64 step = (end - begin + 63) / 64;
    i64 column = 0;
    double largest = -1.0;
    for (i64 j = 0; j < d; ++j) {
        double sum = 0.0, squares = 0.0, seen = 0.0;
        const double origin = static_cast<double>(x[order[begin] * d + j]);
        for (i64 i = begin; i < end; i += step) {
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
    return column;
}

// Reorder rows order[begin .. end - 1] as a kd-tree does: halve them along the column of the largest variance
// until no piece has more than max_points rows. Pieces are cut at whole blocks. Equal values are ordered by
// row, so that equal rows keep the order of their indices.
template <class T>
inline void knn_split(const T* x, i64 d, i64 begin, i64 end, i64 max_points, i64* order) {
    struct Keyed {
        T value;
        i64 row;
        bool operator<(const Keyed& other) const {
            return value < other.value || (value == other.value && row < other.row);
        }
    };
    struct Piece {
        i64 begin, end;
    };
    std::vector<Keyed> keyed(static_cast<std::size_t>(end - begin));
    std::vector<Piece> pieces{{begin, end}};
    while (!pieces.empty()) {
        const Piece piece = pieces.back();
        pieces.pop_back();
        const i64 size = piece.end - piece.begin;
        if (size <= std::max(kLeaf, max_points)) continue;
        const i64 column = widest_column(x, d, order, piece.begin, piece.end);
        for (i64 i = 0; i < size; ++i) {
            const i64 row = order[piece.begin + i];
            keyed[static_cast<std::size_t>(i)] = {d ? knn_ordered(x[row * d + column]) : T(0), row};
        }
        const i64 half = ((size + kLeaf - 1) / kLeaf + 1) / 2 * kLeaf;
        std::nth_element(keyed.begin(), keyed.begin() + half, keyed.begin() + size);
        for (i64 i = 0; i < size; ++i) order[piece.begin + i] = keyed[static_cast<std::size_t>(i)].row;
        pieces.push_back({piece.begin + half, piece.end});
        pieces.push_back({piece.begin, piece.begin + half});
    }
}

// Return a center for one column of some rows: the mean, computed from `sum`, or the median if outliers have
// moved the mean. Every 16th row is checked to see whether they have. Rounding errors grow with the distance
// from the center.
template <class T>
inline double knn_middle(const T* x, i64 d, i64 column, const i64* rows, i64 size, double candidate_scale,
                         double sum, double low, double high) {
    const auto value = [&](i64 i) { return static_cast<double>(x[rows[i] * d + column]) * candidate_scale; };
    double least = value(0), most = least;
    for (i64 i = 16; i < size; i += 16) {
        least = std::min(least, value(i));
        most = std::max(most, value(i));
    }
    if (high - low <= 4.0 * (most - least)) return sum / static_cast<double>(size);
    double values[kLeaf];
    for (i64 i = 0; i < size; ++i) values[i] = knn_ordered(value(i));
    std::nth_element(values, values + size / 2, values + size);
    return values[size / 2];
}

// Fill blocks begin .. end - 1 with what the search reads of them.
template <class T>
inline void knn_pack(const T* x, i64 n, i64 d, double candidate_scale, i64 begin, i64 end,
                     const NewBlocks& blocks) {
    std::vector<double> center(static_cast<std::size_t>(d)), low = center, high = center;
    for (i64 b = begin; b < end; ++b) {
        const i64* rows = blocks.order + b * kLeaf;
        const i64 size = std::min(kLeaf, n - b * kLeaf);
        std::fill(center.begin(), center.end(), 0.0);
        for (i64 i = 0; i < size; ++i) {
            for (i64 j = 0; j < d; ++j) {
                const double value = static_cast<double>(x[rows[i] * d + j]) * candidate_scale;
                const auto at = static_cast<std::size_t>(j);
                center[at] += value;
                low[at] = i ? std::min(low[at], value) : value;
                high[at] = i ? std::max(high[at], value) : value;
            }
        }
        float* panels = blocks.panels + b * kLeaf * d;
        std::fill(panels, panels + kLeaf * d, 0.0f);
        for (i64 j = 0; j < d; ++j) {
            const auto at = static_cast<std::size_t>(j);
            center[at] = knn_middle(x, d, j, rows, size, candidate_scale, center[at], low[at], high[at]);
            blocks.centers[j * blocks.count + b] = center[at];
            blocks.box_lows[j * blocks.count + b] = low[at];
            blocks.box_highs[j * blocks.count + b] = high[at];
        }
        blocks.first_rows[b] = *std::min_element(rows, rows + size);
        double radius = 0.0;
        for (i64 i = 0; i < kLeaf; ++i) {
            double norm = 0.0;
            for (i64 j = 0; i < size && j < d; ++j) {
                const double value = static_cast<double>(x[rows[i] * d + j]) * candidate_scale -
                                     center[static_cast<std::size_t>(j)];
                norm += value * value;
                panels[(i / kPanel * d + j) * kPanel + i % kPanel] = static_cast<float>(value);
            }
            radius = std::max(radius, norm);
            blocks.half_sq_norms[b * kLeaf + i] =
                i < size ? static_cast<float>(norm * (0.5 - knn_unit(d))) : kFar;
        }
        blocks.radii[b] = std::sqrt(radius);
    }
}

}  // namespace equipoise
