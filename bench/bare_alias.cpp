// A rival that no library can beat by much: an alias draw and nothing else. It has no argument checks, no
// stream contract, no chunks for Ctrl-C and no allocation, and writes int64 into an array that the caller
// reuses. The benchmark compiles it with -O3 -march=native, so unlike a wheel it may use every instruction of
// this machine.
//
// A cell is threshold * 2^32 + alias. A draw takes one word, SplitMix64 of a counter, so words do not wait
// for each other and the compiler makes several at once. The product word * n (n < 2^32) is taken in 32-bit
// halves for the same reason (a 128-bit product was twice as slow here): of
//     t = hi32(word) * n + (lo32(word) * n >> 32)
// the high half is the column, the low half the coin.
#include <cstdint>

namespace {

constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;

inline uint64_t draw_position(uint64_t z, uint64_t n) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (z >> 32) * n + ((z & 0xFFFFFFFFu) * n >> 32);
}

// A mask replaces a branch, which would be mispredicted. Of several forms, the compiler did best with this
// one.
inline int64_t resolve(uint64_t cell, uint64_t position) {
    const uint32_t coin = static_cast<uint32_t>(position), column = static_cast<uint32_t>(position >> 32);
    const uint32_t threshold = static_cast<uint32_t>(cell >> 32), alias = static_cast<uint32_t>(cell);
    const uint32_t keep = -static_cast<uint32_t>(coin < threshold);
    return alias ^ ((alias ^ column) & keep);
}

void draw_naive(int64_t* out, int64_t size, const uint64_t* cells, uint64_t n, uint64_t state) {
    for (int64_t i = 0; i < size; ++i) {
        const uint64_t position = draw_position(state + i * kStep, n);
        out[i] = resolve(cells[position >> 32], position);
    }
}

template <int BLOCK>
void draw_blocks(int64_t* out, int64_t size, const uint64_t* cells, uint64_t n, uint64_t state) {
    uint64_t positions[BLOCK];
    int64_t i = 0;
    for (; i + BLOCK <= size; i += BLOCK) {
        const uint64_t start = state + i * kStep;
        for (int j = 0; j < BLOCK; ++j) positions[j] = draw_position(start + j * kStep, n);
        for (int j = 0; j < BLOCK; ++j) __builtin_prefetch(&cells[positions[j] >> 32]);
        for (int j = 0; j < BLOCK; ++j) out[i + j] = resolve(cells[positions[j] >> 32], positions[j]);
    }
    draw_naive(out + i, size - i, cells, n, state + i * kStep);
}

}  // namespace

extern "C" void bare_alias(int64_t* out, int64_t size, const uint64_t* cells, uint64_t n, uint64_t state,
                           int block) {
    switch (block) {
        case 64:
            return draw_blocks<64>(out, size, cells, n, state);
        case 128:
            return draw_blocks<128>(out, size, cells, n, state);
        case 256:
            return draw_blocks<256>(out, size, cells, n, state);
        default:
            return draw_naive(out, size, cells, n, state);
    }
}

// Cells from shares (n * p_i): Vose's construction by two sweeping indices. Its cells are used, its speed is
// not measured.
extern "C" void bare_build(uint64_t* cells, const double* shares, int64_t n) {
    const auto next = [&](int64_t i, bool light) {
        while (i < n && (shares[i] < 1.0) != light) ++i;
        return i;
    };
    const auto cell = [](double threshold, int64_t alias) {
        const double units = threshold * 4294967296.0;
        return (units < 4294967295.0 ? static_cast<uint64_t>(units) : 4294967295u) << 32 |
               static_cast<uint64_t>(alias);
    };
    int64_t light = next(0, true), heavy = next(0, false);
    double left = heavy < n ? shares[heavy] : 0.0;
    while (heavy < n) {
        const int64_t following = next(heavy + 1, false);
        for (; left >= 1.0 && light < n; light = next(light + 1, true)) {
            cells[light] = cell(shares[light], heavy);
            left -= 1.0 - shares[light];
        }
        if (left >= 1.0 || following == n) {  // nothing to fill, or (rounding) no heavy item to go on with
            cells[heavy] = cell(1.0, heavy);
            left = following < n ? shares[following] : 0.0;
        } else {
            cells[heavy] = cell(left, following);
            left = shares[following] - (1.0 - left);
        }
        heavy = following;
    }
    for (; light < n; light = next(light + 1, true)) cells[light] = cell(1.0, light);
}
