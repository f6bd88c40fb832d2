// Compiler macros.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define EQUIPOISE_INLINE __forceinline
#define EQUIPOISE_NOINLINE __declspec(noinline) inline
#define EQUIPOISE_PREFETCH(address) ((void)0)
#define EQUIPOISE_PREFETCH_FAR(address) ((void)0)
#else
#define EQUIPOISE_INLINE inline __attribute__((always_inline))
#define EQUIPOISE_NOINLINE inline __attribute__((noinline))
#define EQUIPOISE_PREFETCH(address) __builtin_prefetch(address)
#define EQUIPOISE_PREFETCH_FAR(address) __builtin_prefetch(address, 0, 2)  // into L2, which has more room
#endif

// Targets of the function table in cpu.hpp. They are not used on Windows, where GCC does not align the stack
// for vectors.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#define EQUIPOISE_AVX2 __attribute__((target("avx2,fma")))
#define EQUIPOISE_AVX512 __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl")))
#endif
