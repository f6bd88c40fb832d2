// The function table: every kernel is compiled for the baseline, and some are compiled for AVX2 or AVX-512 as
// well. The path in use is the fastest one that this CPU supports and EQUIPOISE_DISABLE_CPU_FEATURES does not
// name. All paths give the same bytes. Only the neighbor search has an AVX2 version: AVX2 has no 64-bit
// multiplication, and draws were slower with it than in scalar code.
#pragma once

#include <cctype>
#include <cstdlib>
#include <string>

#include "negatives/rows.hpp"
#include "neighbors/search.hpp"
#include "platform.hpp"
#include "reservoirs/scan.hpp"
#include "smote/synthesis.hpp"
#include "tables/alias.hpp"
#include "tables/uniform.hpp"

namespace equipoise {

// A kernel compiled for one target. Kernels are EQUIPOISE_INLINE, so their code is compiled with the target
// of the function they are inlined into. Result and Args are deduced from the pointer that is assigned.
template <auto kKernel, class Result, class... Args>
Result on_baseline(Args... args) {
    return kKernel(args...);
}

#ifdef EQUIPOISE_AVX512
template <auto kKernel, class Result, class... Args>
EQUIPOISE_AVX2 Result on_avx2(Args... args) {
    return kKernel(args...);
}

template <auto kKernel, class Result, class... Args>
EQUIPOISE_AVX512 Result on_avx512(Args... args) {
    return kKernel(args...);
}
#endif

template <class T>
using KnnSearch = decltype(&knn_search<PlainTile, T>);

// The kernels that are compiled for both float and double.
template <class T>
struct RealKernels {
    decltype(&reservoir_blocks<PlainBlocks, T>) blocks;
    decltype(&reservoir_rows<T>) rows;
    KnnSearch<T> knn;
    decltype(&smote_draw<T>) smote;
};

struct CpuPath {
    const char* name;
    const char* disabled;  // features that the CPU has but the variable switches off, or ""
    decltype(&equipoise::alias_draw<false>) alias_draw;
    decltype(&equipoise::uniform_draw) uniform_draw;
    decltype(&equipoise::negatives_draw) negatives_draw;
    RealKernels<float> float32;
    RealKernels<double> float64;
};

template <class T>
const RealKernels<T>& real_kernels(const CpuPath& path) {
    if constexpr (sizeof(T) == sizeof(float))
        return path.float32;
    else
        return path.float64;
}

template <class T>
RealKernels<T> real_baseline() {
    return {on_baseline<reservoir_blocks<PlainBlocks, T>>, on_baseline<reservoir_rows<T>>,
            on_baseline<knn_search<PlainTile, T>>, on_baseline<smote_draw<T>>};
}

inline CpuPath baseline_path() {
    return {"baseline",
            "",
            on_baseline<alias_draw<false>>,
            on_baseline<uniform_draw>,
            on_baseline<negatives_draw>,
            real_baseline<float>(),
            real_baseline<double>()};
}

#ifdef EQUIPOISE_AVX512
inline CpuPath avx2_path() {
    CpuPath path = baseline_path();
    path.name = "avx2";
    path.float32.knn = on_avx2<knn_search<Avx2Tile, float>>;
    path.float64.knn = on_avx2<knn_search<Avx2Tile, double>>;
    return path;
}

template <class T>
RealKernels<T> real_avx512() {
    return {on_avx512<reservoir_blocks<Avx512Blocks, T>>, on_avx512<reservoir_rows<T>>,
            on_avx512<knn_search<Avx512Tile, T>>, on_avx512<smote_draw<T>>};
}

inline CpuPath avx512_path() {
    return {"avx512",
            "",
            on_avx512<alias_draw<true>>,
            on_avx512<uniform_draw>,
            on_avx512<negatives_draw>,
            real_avx512<float>(),
            real_avx512<double>()};
}
#endif

inline CpuPath choose_cpu_path() {
#ifdef EQUIPOISE_AVX512
    const char* variable = std::getenv("EQUIPOISE_DISABLE_CPU_FEATURES");
    std::string off = variable ? variable : "";
    for (char& c : off) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool no_avx2 = off.find("avx2") != std::string::npos;
    const bool no_avx512 = off.find("avx512") != std::string::npos;
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    // Switching AVX2 off also switches off AVX-512, which builds on it.
    CpuPath path = !has_avx2 || no_avx2       ? baseline_path()
                   : !has_avx512 || no_avx512 ? avx2_path()
                                              : avx512_path();
    if (has_avx2 && no_avx2)
        path.disabled = has_avx512 ? "avx2, avx512" : "avx2";
    else if (has_avx512 && no_avx512)
        path.disabled = "avx512";
    return path;
#else
    return baseline_path();
#endif
}

}  // namespace equipoise
