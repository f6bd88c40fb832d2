// The rows among which neighbours are searched, made ready: in blocks, each relative to its own centre.
//
//   rows, in the order of a kd-rule:   | block 0: 128 rows | block 1 | block 2 | ..
//   of a block:                        a centre, a radius and a box
//   its rows, less its centre:         | panel 0: 32 rows, column by column | panel 1 | panel 2 | panel 3 |
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "stream/rng.hpp"

namespace equipoise {

using i32 = std::int32_t;

constexpr i64 kLeaf = 128;  // rows of a block, and queries of a call at most
constexpr i64 kPanel = 32;  // rows of a panel
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
    Double *centres, *low, *high;  // [d][count]; the boxes, too
    Double* radii;                 // [count]
    Int* first;                    // [count] the smallest row
    i64 count;
};
using Blocks = BlocksOf<const float, const double, const i64>;
using NewBlocks = BlocksOf<float, double, i64>;

// e: what float32 loses of a squared distance, as a part of the square of all lengths that are added on the
// way. Of u.v, of v.y and of u.y, added to the rest, d units of the last place each are lost, so of the whole
// less than d (|y|^2 + 2 |u| |y| + 4 |v| |y| + 2 |u| |v|); by boxes 2 sqrt(d), and by what is rounded before
// and after some ten.
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

// Where most of a column of some rows is: its mean, of the sum, or the median if values are so far off (by
// what every 16th row tells) that they have moved the mean. Errors grow with the distance from there.
template <class T>
inline double knn_middle(const T* x, i64 d, i64 column, const i64* rows, i64 size, double coarse, double sum,
                         double low, double high) {
    const auto value = [&](i64 i) { return static_cast<double>(x[rows[i] * d + column]) * coarse; };
    double least = value(0), most = least;
    for (i64 i = 16; i < size; i += 16) {
        least = std::min(least, value(i));
        most = std::max(most, value(i));
    }
    if (high - low <= 4.0 * (most - least)) return sum / static_cast<double>(size);
    double values[kLeaf];
    for (i64 i = 0; i < size; ++i) values[i] = value(i);
    std::nth_element(values, values + size / 2, values + size);
    return values[size / 2];
}

// What the search reads of blocks begin .. end - 1.
template <class T>
inline void knn_pack(const T* x, i64 n, i64 d, double coarse, i64 begin, i64 end, const NewBlocks& out) {
    std::vector<double> centre(static_cast<std::size_t>(d)), low = centre, high = centre;
    for (i64 b = begin; b < end; ++b) {
        const i64* rows = out.order + b * kLeaf;
        const i64 size = std::min(kLeaf, n - b * kLeaf);
        std::fill(centre.begin(), centre.end(), 0.0);
        for (i64 i = 0; i < size; ++i) {
            for (i64 j = 0; j < d; ++j) {
                const double value = static_cast<double>(x[rows[i] * d + j]) * coarse;
                const auto at = static_cast<std::size_t>(j);
                centre[at] += value;
                low[at] = i ? std::min(low[at], value) : value;
                high[at] = i ? std::max(high[at], value) : value;
            }
        }
        float* panels = out.panels + b * kLeaf * d;
        std::fill(panels, panels + kLeaf * d, 0.0f);
        for (i64 j = 0; j < d; ++j) {
            const auto at = static_cast<std::size_t>(j);
            centre[at] = knn_middle(x, d, j, rows, size, coarse, centre[at], low[at], high[at]);
            out.centres[j * out.count + b] = centre[at];
            out.low[j * out.count + b] = low[at];
            out.high[j * out.count + b] = high[at];
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

}  // namespace equipoise
