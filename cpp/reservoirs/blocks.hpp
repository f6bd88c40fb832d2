// Blocks of 64 rows: their sums, a row in proportion to weight, and the rows whose ranks may be small.
#pragma once

#include <cstring>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace equipoise {

constexpr i64 kRows = 64;     // rows of a block
constexpr i64 kBatch = 16;    // blocks that are processed side by side
constexpr i64 kAhead = 4096;  // rows between the one that is read and the one that is prefetched

// Return 1 - u for the word's real u in (0, 1], exactly. It is at most -log(u), so it can reject a row before
// any logarithm is taken. A factor below 1 allows for rounding.
EQUIPOISE_INLINE double gap(u64 word, double factor = 1) {
    return static_cast<double>(static_cast<i64>(0x1FFFFFFFFFFFFFu - (word >> 11))) * (0x1p-53 * factor);
}

template <class Weight>
EQUIPOISE_INLINE bool is_weight(Weight w) {
    return w >= 0 && static_cast<double>(w) < kInfinity;
}

// True if blocks are prefetched. Intel's hardware prefetcher stops at the end of a page. On Zen 4,
// prefetching makes a scan slower (5e7 weights take 8.4 ms with it and 6.4 ms without).
#if defined(__x86_64__) && defined(__GNUC__)
inline const bool kPrefetchBlocks = (__builtin_cpu_init(), __builtin_cpu_is("intel") != 0);
#else
constexpr bool kPrefetchBlocks = true;
#endif

#if defined(__GNUC__)  // vectors of eight, which compilers do not find by themselves
template <class Weight>
struct Lanes;
template <>
struct Lanes<float> {
    using Row = float __attribute__((vector_size(32)));
    using Word = u32;
    using Signs = Word __attribute__((vector_size(32)));
};
template <>
struct Lanes<double> {
    using Row = double __attribute__((vector_size(64)));
    using Word = u64;
    using Signs = Word __attribute__((vector_size(64)));
};
#endif

// Sums of columns: row i of a block belongs to column i mod 8, which is added from the top down. Minus zeros
// and bad weights set bits of `signs`.
template <class Weight>
struct Columns {
#if defined(__GNUC__)
    using Row = typename Lanes<Weight>::Row;
    using Word = typename Lanes<Weight>::Word;
    using Signs = typename Lanes<Weight>::Signs;
    using Sums = double __attribute__((vector_size(64)));

    Sums sums = {};
    EQUIPOISE_INLINE void add(const Weight* w, Signs& signs) {
        Row row;
        std::memcpy(&row, w, sizeof row);
        sums += __builtin_convertvector(row, Sums);
        signs |= (Signs)row;
    }
    static EQUIPOISE_INLINE bool any(const Signs& signs) {
        Word all = 0;
        for (int j = 0; j < 8; ++j) all |= signs[j];
        return all >> (8 * sizeof(Weight) - 1);
    }
#else
    struct Signs {
        bool any = false;
    };
    double sums[8] = {};
    void add(const Weight* w, Signs& signs) {
        for (int j = 0; j < 8; ++j) {
            sums[j] += static_cast<double>(w[j]);
            signs.any |= !(w[j] > 0);
        }
    }
    static bool any(const Signs& signs) { return signs.any; }
#endif
    EQUIPOISE_INLINE void add_block(const Weight* w, Signs& signs) {
        for (i64 i = 0; i < kRows; i += 8) add(w + i, signs);
    }
    // Return the sum of all columns, in the order that the stream contract states.
    EQUIPOISE_INLINE double sum() const {
        return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
};

// Return whether the target lies in the second of two parts, and make it relative to that part. Rounding may
// put the target beyond the first part although the second is empty. There are no branches here and below,
// since the CPU could not predict them.
EQUIPOISE_INLINE i64 beyond(double& target, double first, double second) {
    const bool in_second = (second > 0.0) & (target >= first);
    target -= from_bits(bits_of(first) & (0 - static_cast<u64>(in_second)));
    return in_second;
}

// Draw a row in proportion to weight: halve the columns down to one, then walk down that column.
template <class Weight>
EQUIPOISE_INLINE i64 scaled_pick(const Weight* w, double sum, u64 word) {
    typename Columns<Weight>::Signs signs = {};
    Columns<Weight> columns;
    columns.add_block(w, signs);
    double c[8];
    std::memcpy(c, &columns.sums, sizeof c);
    double target = static_cast<double>(static_cast<i64>(word >> 11)) * 0x1p-53 * sum;
    i64 j = beyond(target, (c[0] + c[4]) + (c[2] + c[6]), (c[1] + c[5]) + (c[3] + c[7]));
    j += 2 * beyond(target, c[j] + c[j + 4], c[j + 2] + c[j + 6]);
    j += 4 * beyond(target, c[j], c[j + 4]);
    i64 passed = 0;
    for (i64 i = j; i < kRows; i += 8) {  // once the target is negative, no more rows are passed
        const double x = static_cast<double>(w[i]);
        passed += target >= x;
        target -= x;
    }
    i64 row = j + 8 * passed;
    if (row >= kRows)  // due to rounding: take the last row of positive weight
        for (row -= 8; row > j && !(w[row] > 0);) row -= 8;
    return row;
}

// As scaled_pick, for weights of any size. Tiny weights are multiplied by a power of two, since the products
// of their sum with words would be rounded to a few subnormal numbers.
template <class Weight>
EQUIPOISE_INLINE i64 block_pick(const Weight* w, double sum, u64 word) {
    if (!(sum < 0x1p-900)) return scaled_pick(w, sum, word);
    double scaled[kRows];
    for (i64 i = 0; i < kRows; ++i) scaled[i] = static_cast<double>(w[i]) * 0x1p200;
    return scaled_pick(scaled, sum * 0x1p200, word);
}

// Flags as the bits of a word, for loops over those that are set.
struct Mask {
    u64 bits = 0;

    EQUIPOISE_INLINE void set_eight(i64 at, const bool* flags) {
        u64 eight;
        std::memcpy(&eight, flags, sizeof eight);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        bits |= (eight * 0x0102040810204080u >> 56) << at;
    }
    EQUIPOISE_INLINE i64 take_lowest() {
#if defined(__GNUC__)
        const i64 at = __builtin_ctzll(bits);
#else
        i64 at = 0;
        while (!(bits >> at & 1)) ++at;
#endif
        bits &= bits - 1;
        return at;
    }
};

// The functions that differ between CPU paths. `sums` sums up to kBatch blocks, and returns whether a weight
// is minus zero or bad. `within` returns, as bits, which of the 64 rows whose words begin at `at` have gaps
// of at most bound * weight.
struct PlainBlocks {
    template <class Weight>
    static EQUIPOISE_INLINE void prefetch_ahead(const Weight* block) {
        if (!kPrefetchBlocks) return;
        for (i64 i = 0; i < kRows; i += 64 / static_cast<i64>(sizeof(Weight)))
            EQUIPOISE_PREFETCH_FAR(block + kAhead + i);
    }
    template <class Weight>
    static inline bool sums(const Weight* w, i64 count, double* out) {
        typename Columns<Weight>::Signs signs = {};
        for (i64 b = 0; b < count; ++b, w += kRows) {
            prefetch_ahead(w);
            Columns<Weight> columns;
            columns.add_block(w, signs);
            out[b] = columns.sum();
        }
        return Columns<Weight>::any(signs);
    }
    template <class Weight>
    static inline u64 within(const Run& run, u64 at, const Weight* w, double bound) {
        u64 words[kRows];
        bool may[kRows];
        Mask mask;
        for (i64 i = 0; i < kRows; ++i) words[i] = run.word(at + static_cast<u64>(i));
        for (i64 i = 0; i < kRows; ++i) may[i] = gap(words[i]) <= bound * static_cast<double>(w[i]);
        for (i64 i = 0; i < kRows; i += 8) mask.set_eight(i, may + i);
        return mask.bits;
    }
};

#ifdef EQUIPOISE_AVX512
// The maskz forms are used because GCC 12 warns of uninitialized values in those without a mask.
struct Avx512Blocks {
    using Reals = double __attribute__((vector_size(64)));
    using Words = u64 __attribute__((vector_size(64)));

    template <class Weight>
    EQUIPOISE_AVX512 static inline bool sums(const Weight* w, i64 count, double* out) {
        Words signs = {};
        for (i64 b = 0; b < count; b += 8) {
            Reals c[8];
            for (i64 j = 0; j < 8; ++j) c[j] = b + j < count ? columns(w + (b + j) * kRows, signs) : Reals{};
            // Fold the columns, two blocks at a time: add 4 .. 7 to 0 .. 3, then 2 and 3 to 0 and 1, then 1
            // to 0.
            const Reals low = pairs(halves(c[0], c[1]), halves(c[2], c[3]));
            const Reals high = pairs(halves(c[4], c[5]), halves(c[6], c[7]));
            const Reals sums =
                _mm512_maskz_unpacklo_pd(0xFF, low, high) + _mm512_maskz_unpackhi_pd(0xFF, low, high);
            const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            _mm512_storeu_pd(out + b, _mm512_maskz_permutexvar_pd(0xFF, order, sums));
        }
        return sizeof(Weight) == 4 ? _mm512_movepi32_mask((__m512i)signs) != 0
                                   : _mm512_movepi64_mask((__m512i)signs) != 0;
    }
    template <class Weight>
    EQUIPOISE_AVX512 static inline u64 within(const Run& run, u64 at, const Weight* w, double bound) {
        Words next = run.s + (at + Words{1, 2, 3, 4, 5, 6, 7, 8}) * kStep;
        u64 bits = 0;
        for (i64 i = 0; i < kRows; i += 8, next += 8 * kStep) {
            Words z = next;  // mix64
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
            z = ~(z ^ (z >> 31) ^ run.m) >> 11;
            const Reals gaps = _mm512_maskz_cvtepu64_pd(0xFF, (__m512i)z) * 0x1p-53;
            bits |= u64{_mm512_cmp_pd_mask(gaps, bound * load(w + i), _CMP_LE_OQ)} << i;
        }
        return bits;
    }

  private:
    EQUIPOISE_AVX512 static inline Reals load(const float* w) {
        return _mm512_maskz_cvtps_pd(0xFF, _mm256_loadu_ps(w));
    }
    EQUIPOISE_AVX512 static inline Reals load(const double* w) { return _mm512_loadu_pd(w); }
    template <class Weight>
    EQUIPOISE_AVX512 static inline Reals columns(const Weight* w, Words& signs) {
        PlainBlocks::prefetch_ahead(w);
        Reals sums = {};
        for (i64 i = 0; i < kRows; i += 8) sums += load(w + i);
        for (i64 i = 0; i < kRows; i += 64 / static_cast<i64>(sizeof(Weight)))
            signs |= (Words)_mm512_loadu_si512(w + i);
        return sums;
    }
    EQUIPOISE_AVX512 static inline Reals halves(Reals a, Reals b) {
        return _mm512_maskz_shuffle_f64x2(0xFF, a, b, 0x44) + _mm512_maskz_shuffle_f64x2(0xFF, a, b, 0xEE);
    }
    EQUIPOISE_AVX512 static inline Reals pairs(Reals a, Reals b) {
        return _mm512_maskz_shuffle_f64x2(0xFF, a, b, 0x88) + _mm512_maskz_shuffle_f64x2(0xFF, a, b, 0xDD);
    }
};
#endif

}  // namespace equipoise
