// The function table: baseline kernels, and faster ones where this CPU has what they need and
// EQUIPOISE_DISABLE_CPU_FEATURES does not name it. Every path gives the same bytes. AVX2 is for the search
// for neighbors alone: without a 64-bit multiplication its draws measured slower than scalar code.
#pragma once

#include <cctype>
#include <cstdlib>
#include <string>

#include "negatives/rows.hpp"
#include "neighbors/search.hpp"
#include "reservoirs/scan.hpp"
#include "smote/synthesis.hpp"
#include "stream/rng.hpp"
#include "tables/alias.hpp"
#include "tables/uniform.hpp"

namespace equipoise {

inline void alias_draw_baseline(u64 key, const u64* cells, u64 n, i64 start, i64 count, i64* out) {
    alias_draw<false>(key, cells, n, start, count, out);
}

inline void uniform_draw_baseline(u64 key, u64 n, i64 start, i64 count, i64* out) {
    uniform_draw(key, n, start, count, out);
}

inline Progress negatives_draw_baseline(const Proposer& table, const Batch& batch, i64 begin, i64 end,
                                        i64 budget, const Scratch& scratch, i64* ids, float* log_q,
                                        bool* mask) {
    return negatives_draw(table, batch, begin, end, budget, scratch, ids, log_q, mask);
}

template <class Weight>
inline Scan reservoir_blocks_baseline(u64 key, i64 start, const Weight* weights, i64 count, double threshold,
                                      i64 most, double total, const Candidates& out) {
    return reservoir_blocks<PlainBlocks>(key, start, weights, count, threshold, most, total, out);
}

template <class Weight>
inline Scan reservoir_rows_baseline(const Stream<Weight>& rows, i64 count, i64 most, double total,
                                    const Candidates& out, i64* row_ids) {
    return reservoir_rows(rows, count, most, total, out, row_ids);
}

template <class T>
inline void knn_search_baseline(const Points<T>& points, const Blocks& blocks, const Points<T>& queries,
                                const i64* query_order, i64 begin, i64 end, bool itself, i64 k, i64* indices,
                                T* distances) {
    knn_search<PlainTile>(points, blocks, queries, query_order, begin, end, itself, k, indices, distances);
}

template <class T>
inline void smote_draw_baseline(const Neighborhood<T>& from, u64 key, u64 lane, u64 first, i64 count,
                                T* votes, bool with_parents, T* out, const NewPairs<T>& pairs) {
    smote_draw(from, key, lane, first, count, votes, with_parents, out, pairs);
}

#ifdef EQUIPOISE_AVX512
EQUIPOISE_AVX512 inline void alias_draw_avx512(u64 key, const u64* cells, u64 n, i64 start, i64 count,
                                               i64* out) {
    alias_draw<true>(key, cells, n, start, count, out);
}

EQUIPOISE_AVX512 inline void uniform_draw_avx512(u64 key, u64 n, i64 start, i64 count, i64* out) {
    uniform_draw(key, n, start, count, out);
}

EQUIPOISE_AVX512 inline Progress negatives_draw_avx512(const Proposer& table, const Batch& batch, i64 begin,
                                                       i64 end, i64 budget, const Scratch& scratch, i64* ids,
                                                       float* log_q, bool* mask) {
    return negatives_draw(table, batch, begin, end, budget, scratch, ids, log_q, mask);
}

template <class Weight>
EQUIPOISE_AVX512 inline Scan reservoir_blocks_avx512(u64 key, i64 start, const Weight* weights, i64 count,
                                                     double threshold, i64 most, double total,
                                                     const Candidates& out) {
    return reservoir_blocks<Avx512Blocks>(key, start, weights, count, threshold, most, total, out);
}

template <class Weight>
EQUIPOISE_AVX512 inline Scan reservoir_rows_avx512(const Stream<Weight>& rows, i64 count, i64 most,
                                                   double total, const Candidates& out, i64* row_ids) {
    return reservoir_rows(rows, count, most, total, out, row_ids);
}

template <class T>
EQUIPOISE_AVX2 inline void knn_search_avx2(const Points<T>& points, const Blocks& blocks,
                                           const Points<T>& queries, const i64* query_order, i64 begin,
                                           i64 end, bool itself, i64 k, i64* indices, T* distances) {
    knn_search<Avx2Tile>(points, blocks, queries, query_order, begin, end, itself, k, indices, distances);
}

template <class T>
EQUIPOISE_AVX512 inline void knn_search_avx512(const Points<T>& points, const Blocks& blocks,
                                               const Points<T>& queries, const i64* query_order, i64 begin,
                                               i64 end, bool itself, i64 k, i64* indices, T* distances) {
    knn_search<Avx512Tile>(points, blocks, queries, query_order, begin, end, itself, k, indices, distances);
}

template <class T>
EQUIPOISE_AVX512 inline void smote_draw_avx512(const Neighborhood<T>& from, u64 key, u64 lane, u64 first,
                                               i64 count, T* votes, bool with_parents, T* out,
                                               const NewPairs<T>& pairs) {
    smote_draw(from, key, lane, first, count, votes, with_parents, out, pairs);
}
#endif

template <class T>
using SmoteDraw = void (*)(const Neighborhood<T>&, u64, u64, u64, i64, T*, bool, T*, const NewPairs<T>&);

template <class Weight>
struct ReservoirPath {
    Scan (*blocks)(u64, i64, const Weight*, i64, double, i64, double, const Candidates&);
    Scan (*rows)(const Stream<Weight>&, i64, i64, double, const Candidates&, i64*);
};

template <class T>
using KnnSearch = void (*)(const Points<T>&, const Blocks&, const Points<T>&, const i64*, i64, i64, bool, i64,
                           i64*, T*);

struct CpuPath {
    const char* name;
    const char* disabled;  // features that are there and were switched off, or ""
    void (*alias_draw)(u64, const u64*, u64, i64, i64, i64*);
    void (*uniform_draw)(u64, u64, i64, i64, i64*);
    Progress (*negatives_draw)(const Proposer&, const Batch&, i64, i64, i64, const Scratch&, i64*, float*,
                               bool*);
    ReservoirPath<float> reservoir32;
    ReservoirPath<double> reservoir64;
    KnnSearch<float> knn32;
    KnnSearch<double> knn64;
    SmoteDraw<float> smote32;
    SmoteDraw<double> smote64;
};

template <class Weight>
const ReservoirPath<Weight>& reservoir_path(const CpuPath& path) {
    if constexpr (sizeof(Weight) == sizeof(float))
        return path.reservoir32;
    else
        return path.reservoir64;
}

template <class T>
KnnSearch<T> knn_path(const CpuPath& path) {
    if constexpr (sizeof(T) == sizeof(float))
        return path.knn32;
    else
        return path.knn64;
}

template <class T>
SmoteDraw<T> smote_path(const CpuPath& path) {
    if constexpr (sizeof(T) == sizeof(float))
        return path.smote32;
    else
        return path.smote64;
}

inline CpuPath choose_cpu_path() {
    CpuPath path{"baseline",
                 "",
                 alias_draw_baseline,
                 uniform_draw_baseline,
                 negatives_draw_baseline,
                 {reservoir_blocks_baseline, reservoir_rows_baseline},
                 {reservoir_blocks_baseline, reservoir_rows_baseline},
                 knn_search_baseline<float>,
                 knn_search_baseline<double>,
                 smote_draw_baseline,
                 smote_draw_baseline};
#ifdef EQUIPOISE_AVX512
    const char* variable = std::getenv("EQUIPOISE_DISABLE_CPU_FEATURES");
    std::string off = variable ? variable : "";
    for (char& c : off) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool no_avx2 = off.find("avx2") != std::string::npos;
    const bool no_avx512 = off.find("avx512") != std::string::npos;
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    // What is built on a feature goes with it.
    if (has_avx2 && !no_avx2) {
        path.name = "avx2";
        path.knn32 = knn_search_avx2<float>;
        path.knn64 = knn_search_avx2<double>;
    }
    if (has_avx512 && !no_avx512 && !no_avx2) {
        path = {"avx512",
                "",
                alias_draw_avx512,
                uniform_draw_avx512,
                negatives_draw_avx512,
                {reservoir_blocks_avx512, reservoir_rows_avx512},
                {reservoir_blocks_avx512, reservoir_rows_avx512},
                knn_search_avx512<float>,
                knn_search_avx512<double>,
                smote_draw_avx512,
                smote_draw_avx512};
    }
    if (has_avx2 && no_avx2)
        path.disabled = has_avx512 ? "avx2, avx512" : "avx2";
    else if (has_avx512 && no_avx512)
        path.disabled = "avx512";
#endif
    return path;
}

}  // namespace equipoise
