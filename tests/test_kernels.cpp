// The kernels without Python: Random123's known answers from the file that the Python tests read, and what
// must not matter. Usage: test_kernels kat_vectors.txt
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "alias.hpp"
#include "cpu.hpp"
#include "elementary.hpp"
#include "exclusions.hpp"
#include "negatives.hpp"
#include "rng.hpp"
#include "shared.hpp"
#include "smote.hpp"
#include "uniform.hpp"
#include "units.hpp"

namespace eq = equipoise;
using eq::i64;
using eq::u32;
using eq::u64;

namespace {

int failures = 0;

void check(bool holds, const char* what) {
    if (!holds) std::printf("FAILED: %s\n", what), ++failures;
}

void known_answers(const char* path) {
    std::ifstream file(path);
    std::string line;
    int vectors = 0;
    while (std::getline(file, line)) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        u32 v[10];
        for (u32& word : v) words >> std::hex >> word;
        check(!words.fail(), "a line of ten words");
        eq::philox(v, v[4], v[5]);
        for (int i = 0; i < 4; ++i) check(v[i] == v[6 + i], "Philox4x32-10, known answer");
        ++vectors;
    }
    check(vectors >= 3, "known answers were read");
}

void multiply_high() {
    check(eq::mulhi(~u64{0}, ~u64{0}) == ~u64{0} - 1, "mulhi of the largest");
    check(eq::mulhi(u64{1} << 63, 6) == 3, "mulhi of powers of two");
    for (u64 i = 1; i < 1000; ++i) {
        const u64 word = eq::mix64(i), n = (eq::mix64(i + 5000) >> 32) | 1;
        const u64 proposal = eq::column_and_coin(word, n);
        check(proposal >> 32 == eq::mulhi(word, n), "the column is the high half");
        check((proposal & 0xFFFFFFFFu) == (word * n) >> 32, "the coin is the top of the low half");
    }
}

std::vector<u64> zipf_units(u64 n) {
    std::vector<double> w(n);
    for (u64 i = 0; i < n; ++i) w[i] = 1.0 / static_cast<double>(i + 1);
    std::vector<u64> units(n);
    // r = T 2^h / S to 128 bits by long division: S and T as unit_sum leaves them.
    const eq::Wide s = eq::unit_sum(w.data(), static_cast<i64>(n), -60);
    check(s.high == 0, "the sum fits in 64 bits on a coarse grid");
    u64 total = n << 32, high = 0, low = 0, rest = total % s.low;
    check(total < s.low, "the reciprocal is a fraction here");
    int h = 0;
    while (!(high >> 63)) {
        rest = rest * 2;
        const u64 bit = rest >= s.low;
        rest -= bit ? s.low : 0;
        high = (high << 1) | (low >> 63);
        low = (low << 1) | bit;
        ++h;
    }
    const eq::Wide sum = eq::unit_floor(w.data(), static_cast<i64>(n), high, low, h - 60, units.data());
    eq::unit_settle(units.data(), static_cast<i64>(n), static_cast<i64>(total - sum.low));
    u64 after = 0;
    for (u64 u : units) after += u;
    check(after == total, "units add up to n 2^32");
    return units;
}

void table_is_exact(const std::vector<u64>& units) {
    std::vector<u64> cells(units.size()), rebuilt(units.size());
    eq::alias_build(units.data(), static_cast<i64>(units.size()), cells.data());
    for (u64 i = 0; i < units.size(); ++i) {
        rebuilt[i] += cells[i] >> 32;
        rebuilt[cells[i] & 0xFFFFFFFFu] += (u64{1} << 32) - (cells[i] >> 32);
    }
    check(rebuilt == units, "cells hold the units exactly");

    const i64 count = 1000;
    std::vector<i64> whole(count), parts(count), chosen(count);
    const u64 n = units.size();
    eq::alias_draw_baseline(42, cells.data(), n, 0, count, whole.data());
    eq::alias_draw_baseline(42, cells.data(), n, 0, 256, parts.data());
    eq::alias_draw_baseline(42, cells.data(), n, 256, count - 256, parts.data() + 256);
    check(whole == parts, "draws do not depend on how they are cut");
    eq::choose_cpu_path().alias_draw(42, cells.data(), n, 0, count, chosen.data());
    check(whole == chosen, "draws do not depend on the CPU path");
}

void rows_keep_out(const std::vector<u64>& units) {
    const u64 n = units.size();
    std::vector<u64> cells(n), prefix(n + 1), scratch(4 * n + 100);
    eq::alias_build(units.data(), static_cast<i64>(n), cells.data());
    for (u64 i = 0; i < n; ++i) prefix[i + 1] = prefix[i] + units[i];
    std::vector<u32> excluded;  // all but the lightest, out of order, one of them twice
    for (u64 i = n - 1; i > 0; --i) excluded.push_back(static_cast<u32>(i - 1));
    excluded.push_back(0);
    std::vector<i64> indptr = {0, static_cast<i64>(excluded.size())};
    const i64 kept = eq::exclusion_sort(indptr.data(), 1, excluded.data());
    check(kept == static_cast<i64>(n) - 1 && indptr[1] == kept, "sorted and distinct");
    u64 mass = 0;
    eq::exclusion_units(indptr.data(), 1, excluded.data(), units.data(), &mass);
    check(mass == (n << 32) - units[n - 1], "the excluded mass");

    const eq::Proposer table{n, n << 32, cells.data(), units.data(), prefix.data()};
    const i64 row = 0, k = 5;
    const eq::Batch batch{
        7, 0, 0, nullptr, &row, nullptr, 0, k, indptr.data(), excluded.data(), &mass, false, eq::kRaise};
    u64 paused[eq::kPausedWords] = {};
    const eq::Scratch room{scratch.data(), scratch.data() + n + 1, scratch.data() + 2 * n + 50, paused};
    std::vector<i64> ids(k);
    std::vector<float> log_q(k);
    bool mask[k];
    const eq::Progress progress =
        eq::negatives_draw(table, batch, 0, 1, 1 << 20, room, ids.data(), log_q.data(), mask);
    check(progress.status == eq::kDone && progress.rows == 1, "the row is done");
    for (i64 j = 0; j < k; ++j)
        check(ids[j] == static_cast<i64>(n) - 1 && log_q[j] == 0.0f && mask[j], "only the lightest is left");
}

void elementary() {
    check(eq::log(1.0) == 0.0 && eq::log(0.0) == -eq::kInfinity && eq::exp(0.0) == 1.0,
          "log and exp at their ends");
    check(eq::exp(-709.0) == 0.0 && eq::expm1(-800.0) == -1.0 && eq::log1p(-1.0) == -eq::kInfinity,
          "far out");
    for (double x = 1e-300; x < 1e300; x *= 7.3) {
        check(std::fabs(eq::log(x) - std::log(x)) <= 3e-16 * std::fabs(std::log(x)) + 1e-18,
              "log near libm's");
    }
    check(std::fabs(eq::log(5e-324) - std::log(5e-324)) < 1e-12, "log of the smallest subnormal");
}

template <class T>
void synthetic_rows() {
    const i64 n = 40, d = 3, k = 4, count = 300, cut = 77;
    std::vector<T> x(n * d), whole(count * d), parts(count * d), votes(k), gaps(count);
    std::vector<std::int32_t> table(n * k);
    std::vector<i64> parents(count), neighbours(count), column = {1};
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(eq::mix64(i) % 5);
    for (std::size_t i = 0; i < table.size(); ++i)
        table[i] = static_cast<std::int32_t>(eq::mix64(i + 999) % n);
    const eq::Neighbourhood<T> from{x.data(), n, d, table.data(), k, nullptr, column.data(), 1};
    const u64 first = ~u64{0} - 100;  // over the end of the counter
    eq::smote_draw(from, 7, 3, first, count, votes.data(), whole.data(), parents.data(), neighbours.data(),
                   gaps.data());
    eq::smote_draw(from, 7, 3, first, cut, votes.data(), parts.data(), nullptr, nullptr, gaps.data());
    eq::smote_draw(from, 7, 3, first + cut, count - cut, votes.data(), parts.data() + cut * d, nullptr,
                   nullptr, gaps.data());
    check(whole == parts, "synthetic rows do not depend on how they are cut");
    eq::smote_draw(from, 7, 3, first, count, votes.data(), whole.data(), parents.data(), neighbours.data(),
                   gaps.data());
    for (i64 i = 0; i < count; ++i) {
        const T base = x[parents[i] * d], gap = gaps[i], neighbour = x[neighbours[i] * d];
        const T product = gap * (neighbour - base);
        check(whole[i * d] == base + product && gap >= 0 && gap < 1, "on the segment");
        std::vector<int> counts(5);
        for (i64 j = 0; j < k; ++j) ++counts[static_cast<int>(x[table[parents[i] * k + j] * d + 1])];
        const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
        check(whole[i * d + 1] == static_cast<T>(most), "the first of the most frequent codes");
    }
    check(eq::fraction<T>(0) == 0 && eq::fraction<T>(~u64{0}) < 1, "the ends of a gap");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::printf("usage: %s kat_vectors.txt\n", argv[0]), 2;
    known_answers(argv[1]);
    multiply_high();
    elementary();
    const std::vector<u64> units = zipf_units(1000);
    table_is_exact(units);
    rows_keep_out(units);
    synthetic_rows<float>();
    synthetic_rows<double>();
    std::printf(failures ? "%d checks failed\n" : "all kernels' checks passed\n", failures);
    return failures ? 1 : 0;
}
