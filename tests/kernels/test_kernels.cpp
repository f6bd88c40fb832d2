// Tests of the kernels without Python: known answers of Random123, exact properties, and results that must
// not depend on cuts or on the CPU path. Usage: test_kernels kat_vectors.txt
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cpu.hpp"
#include "negatives/exclusions.hpp"
#include "negatives/rows.hpp"
#include "negatives/shared.hpp"
#include "neighbors/blocks.hpp"
#include "neighbors/search.hpp"
#include "orders/permutation.hpp"
#include "reservoirs/blocks.hpp"
#include "reservoirs/scan.hpp"
#include "reservoirs/select.hpp"
#include "smote/synthesis.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"
#include "tables/alias.hpp"
#include "tables/uniform.hpp"
#include "tables/units.hpp"

namespace eq = equipoise;
using eq::i64;
using eq::u32;
using eq::u64;

namespace {

int failures = 0;

void check(bool holds, const char* what) {
    if (!holds) std::printf("FAILED: %s\n", what), ++failures;
}

void test_known_answers(const char* path) {
    std::ifstream file(path);
    std::string line;
    int vectors = 0;
    while (std::getline(file, line)) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        u32 v[10];
        for (u32& word : v) words >> std::hex >> word;
        check(!words.fail(), "each line of the file has ten words");
        eq::philox(v, v[4], v[5]);
        for (int i = 0; i < 4; ++i) check(v[i] == v[6 + i], "Philox4x32-10 gives the known answers");
        ++vectors;
    }
    check(vectors >= 3, "the file has at least three known answers");
}

void test_high_half_of_products() {
    check(eq::mulhi(~u64{0}, ~u64{0}) == ~u64{0} - 1, "mulhi of the largest factors");
    check(eq::mulhi(u64{1} << 63, 6) == 3, "mulhi of powers of two");
    for (u64 i = 1; i < 1000; ++i) {
        const u64 word = eq::mix64(i), n = (eq::mix64(i + 5000) >> 32) | 1;
        const u64 proposal = eq::column_and_coin(word, n);
        check(proposal >> 32 == eq::mulhi(word, n), "the column is the high half of the product");
        check((proposal & 0xFFFFFFFFu) == (word * n) >> 32, "the coin is the upper half of the low half");
    }
}

std::vector<u64> zipf_units(u64 n) {
    std::vector<double> w(n);
    for (u64 i = 0; i < n; ++i) w[i] = 1.0 / static_cast<double>(i + 1);
    std::vector<u64> units(n);
    // The reciprocal T 2^h / S to 128 bits, by long division. T is the total, S the sum of the weights.
    const eq::Wide s = eq::unit_sum(w.data(), static_cast<i64>(n), -60);
    check(s.high == 0, "the sum fits into 64 bits on a coarse grid");
    u64 total = n << 32, high = 0, low = 0, rest = total % s.low;
    check(total < s.low, "the reciprocal is less than 1");
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
    check(after == total, "the units add up to n 2^32");
    return units;
}

void test_table_is_exact(const std::vector<u64>& units) {
    std::vector<u64> cells(units.size()), rebuilt(units.size());
    eq::alias_build(units.data(), static_cast<i64>(units.size()), cells.data());
    for (u64 i = 0; i < units.size(); ++i) {
        rebuilt[i] += cells[i] >> 32;
        rebuilt[cells[i] & 0xFFFFFFFFu] += (u64{1} << 32) - (cells[i] >> 32);
    }
    check(rebuilt == units, "the cells hold the units exactly");
    check(eq::alias_check(units.data(), static_cast<i64>(units.size()), cells.data()), "the table is whole");

    const i64 count = 1000;
    std::vector<i64> whole(count), parts(count), chosen(count);
    const u64 n = units.size();
    const eq::CpuPath baseline = eq::baseline_path();
    baseline.alias_draw(42, cells.data(), n, 0, count, whole.data());
    baseline.alias_draw(42, cells.data(), n, 0, 256, parts.data());
    baseline.alias_draw(42, cells.data(), n, 256, count - 256, parts.data() + 256);
    check(whole == parts, "draws do not depend on how a call is cut");
    eq::choose_cpu_path().alias_draw(42, cells.data(), n, 0, count, chosen.data());
    check(whole == chosen, "draws do not depend on the CPU path");
}

void test_bad_units_stay_inside_the_table() {
    constexpr u64 kCell = u64{1} << 32;
    const std::vector<std::vector<u64>> tables = {{kCell + 5, 1},     {1, 1, 1, 1},       {0, 0},
                                                  {~u64{0}, ~u64{0}}, {kCell, kCell + 1}, {kCell - 1}};
    for (const std::vector<u64>& units : tables) {
        const i64 n = static_cast<i64>(units.size());
        std::vector<u64> cells(units.size() + 1, 7);
        check(!eq::alias_build(units.data(), n, cells.data()), "units that do not add up are noticed");
        check(cells.back() == 7, "nothing is written behind the table");
        std::fill(cells.begin(), cells.end(), 0);
        check(!eq::alias_check(units.data(), n, cells.data()), "they are noticed in a mapped table");
    }
    const u64 units[2] = {kCell, kCell}, inside[2] = {1, 0}, outside[2] = {1, 2};
    check(eq::alias_check(units, 2, inside) && !eq::alias_check(units, 2, outside), "aliases are below n");
    check(eq::unit_digest(1, nullptr) == eq::mix64(1), "the digest of a uniform table is that of n");
    check(eq::unit_digest(2, units) != eq::unit_digest(2, inside), "other units have another digest");
}

void test_exclusions_leave_only_the_lightest(const std::vector<u64>& units) {
    const u64 n = units.size();
    std::vector<u64> cells(n), prefix(n + 1), scratch(4 * n + 100);
    eq::alias_build(units.data(), static_cast<i64>(n), cells.data());
    for (u64 i = 0; i < n; ++i) prefix[i + 1] = prefix[i] + units[i];
    std::vector<u32> excluded;  // all but the lightest, in descending order, and one of them twice
    for (u64 i = n - 1; i > 0; --i) excluded.push_back(static_cast<u32>(i - 1));
    excluded.push_back(0);
    std::vector<i64> indptr = {0, static_cast<i64>(excluded.size())};
    const i64 kept = eq::exclusion_sort(indptr.data(), 1, excluded.data());
    check(kept == static_cast<i64>(n) - 1 && indptr[1] == kept, "exclusions are sorted, without repeats");
    u64 mass = 0;
    eq::exclusion_units(indptr.data(), 1, excluded.data(), units.data(), &mass);
    check(mass == (n << 32) - units[n - 1], "exclusion_units adds up the excluded units");

    const eq::Proposer table{n, n << 32, cells.data(), units.data(), prefix.data()};
    const i64 row = 0, k = 5;
    const eq::Exclusions exclusions{indptr.data(), excluded.data(), &mass};
    const eq::Batch batch{7, 0, 0, nullptr, &row, nullptr, false, eq::kRaise, 0, k, 1};
    u64 paused[eq::kPausedWords] = {};
    const eq::Scratch memory{scratch.data(), scratch.data() + n + 1, scratch.data() + 2 * n + 50, paused};
    std::vector<i64> ids(k);
    std::vector<float> log_q(k);
    bool mask[k];
    const eq::Progress progress =
        eq::negatives_draw(table, exclusions, batch, 0, 1, 1 << 20, memory, ids.data(), log_q.data(), mask);
    check(progress.status == eq::kDone && progress.rows == 1, "the row is finished in one call");
    for (i64 j = 0; j < k; ++j)
        check(ids[j] == static_cast<i64>(n) - 1 && log_q[j] == 0.0f && mask[j],
              "only the lightest id is drawn");
}

void test_elementary_functions() {
    check(eq::log(1.0) == 0.0 && eq::log(0.0) == -eq::kInfinity && eq::exp(0.0) == 1.0,
          "log and exp are exact at 0, 1 and their limits");
    check(eq::exp(-709.0) == 0.0 && eq::expm1(-800.0) == -1.0 && eq::log1p(-1.0) == -eq::kInfinity,
          "exp, expm1 and log1p reach their limits");
    for (double x = 1e-300; x < 1e300; x *= 7.3) {
        check(std::fabs(eq::log(x) - std::log(x)) <= 3e-16 * std::fabs(std::log(x)) + 1e-18,
              "log is close to std::log");
    }
    check(std::fabs(eq::log(5e-324) - std::log(5e-324)) < 1e-12,
          "log of the smallest subnormal is close to std::log");
}

template <class T>
void test_synthetic_rows() {
    const i64 n = 40, d = 3, k = 4, count = 300, cut = 77;
    std::vector<T> x(n * d), whole(count * d), parts(count * d), votes(k), gaps(count);
    std::vector<std::int32_t> table(n * k);
    std::vector<i64> parents(count), neighbors(count), column = {1};
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(eq::mix64(i) % 5);
    for (std::size_t i = 0; i < table.size(); ++i)
        table[i] = static_cast<std::int32_t>(eq::mix64(i + 999) % n);
    const eq::Neighborhood<T> from{x.data(), n, d, table.data(), k, nullptr, column.data(), 1};
    const u64 first = ~u64{0} - 100;  // the counter wraps around
    const eq::NewPairs<T> origins{parents.data(), neighbors.data(), gaps.data()}, none{};
    eq::smote_draw(from, 7, 3, first, count, votes.data(), true, whole.data(), origins);
    eq::smote_draw(from, 7, 3, first, cut, votes.data(), false, parts.data(), none);
    eq::smote_draw(from, 7, 3, first + cut, count - cut, votes.data(), false, parts.data() + cut * d, none);
    check(whole == parts, "synthetic rows do not depend on how a call is cut");
    for (i64 i = 0; i < count; ++i) {
        const T base = x[parents[i] * d], gap = gaps[i], neighbor = x[neighbors[i] * d];
        const T product = gap * (neighbor - base);
        check(whole[i * d] == base + product && gap >= 0 && gap < 1, "a synthetic row lies on its segment");
        std::vector<int> counts(5);
        for (i64 j = 0; j < k; ++j) ++counts[static_cast<int>(x[table[parents[i] * k + j] * d + 1])];
        const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
        check(whole[i * d + 1] == static_cast<T>(most),
              "a category is the smallest of the most frequent codes");
    }
    check(eq::fraction<T>(0) == 0 && eq::fraction<T>(~u64{0}) < 1, "a gap is in [0, 1)");
}

// Points in the blocks that the search reads.
template <class T>
struct Prepared {
    std::vector<T> x;
    i64 n, d, count = (n + eq::kLeaf - 1) / eq::kLeaf;
    std::vector<i64> order = std::vector<i64>(size(n)), first = std::vector<i64>(size(count));
    std::vector<float> panels = std::vector<float>(size(count * eq::kLeaf * d)),
                       halves = std::vector<float>(size(count * eq::kLeaf));
    std::vector<double> centers = std::vector<double>(size(count * d)), low = centers, high = centers,
                        radii = std::vector<double>(size(count));
    eq::Points<T> points{x.data(), nullptr, n, d, 0, 1.0, 1.0, 0.0};
    eq::Blocks blocks{order.data(), panels.data(), halves.data(), centers.data(), low.data(),
                      high.data(),  radii.data(),  first.data(),  count};

    static std::size_t size(i64 number) { return static_cast<std::size_t>(number); }

    Prepared(std::vector<T> values, i64 columns)
        : x(std::move(values)), n(static_cast<i64>(x.size()) / columns), d(columns) {
        for (i64 i = 0; i < n; ++i) order[size(i)] = i;
        eq::knn_split(x.data(), d, 0, n, eq::kLeaf, order.data());
        const eq::NewBlocks made{order.data(), panels.data(), halves.data(), centers.data(), low.data(),
                                 high.data(),  radii.data(),  first.data(),  count};
        eq::knn_pack(x.data(), n, d, 1.0, 0, count, made);
    }

    // Returns (squared distance, row) of all other rows, nearest first.
    std::vector<eq::Ranked> others(i64 row) const {
        std::vector<eq::Ranked> all;
        for (i64 i = 0; i < n; ++i)
            if (i != row) all.push_back({eq::knn_distance(&x[size(row * d)], &x[size(i * d)], d, 1.0), i});
        std::sort(all.begin(), all.end());
        return all;
    }
};

double unit_real(u64 i) {
    return eq::unit_real(eq::mix64(i)) - 0.5;
}

template <class T>
std::vector<T> points_of_many_scales(i64 n, i64 d) {
    std::vector<T> x;
    for (i64 i = 0; i < n; ++i)
        for (i64 j = 0; j < d; ++j) {
            const u64 at = static_cast<u64>(i * d + j);
            const double scale = i % 9 == 0 ? 1.0 : i % 3 == 0 ? 1e-2 : 1e-5;
            x.push_back(static_cast<T>(static_cast<double>(j % 5 + 1) * 0.03 + scale * unit_real(at)));
        }
    return x;
}

// Bounds of candidates hold, and the error that they allow for is about right: a bound is off by less than
// 0.3 of what it claims.
template <class T>
void test_neighbor_bounds(void (*visit)(const eq::Search<T>&, i64), i64 n, i64 d) {
    const Prepared<T> p(points_of_many_scales<T>(n, d), d);
    const double unit = eq::knn_unit(d);
    for (i64 begin = 0; begin < n; begin += eq::kLeaf) {
        const i64 number = std::min(eq::kLeaf, n - begin);
        const eq::Search<T> s(p.points, p.blocks, p.points, p.order.data() + begin, number, true, n - 1);
        for (i64 b = 0; b < p.count; ++b) visit(s, b);
        for (i64 i = 0; i < number; ++i) {
            const eq::Nearest& q = s.nearest[i];
            check(q.size == n - 1, "without an upper bound, all rows are candidates");
            const i64 own = s.rows[i];
            for (i64 at = 0; at < q.size; ++at) {
                const i64 row = q.list[at].row;
                const auto position = std::find(p.order.begin(), p.order.end(), row) - p.order.begin();
                const i64 b = position / eq::kLeaf;
                double from_center = 0.0;
                for (i64 j = 0; j < d; ++j) {
                    const double center = p.centers[p.size(j * p.count + b)];
                    const double other = static_cast<double>(p.x[p.size(row * d + j)]) - center;
                    from_center += other * other;
                }
                const double added = static_cast<double>(s.lengths[i]) + s.gaps[b];
                const double claimed = 2 * unit * (added * added + from_center);
                const double distance =
                    eq::knn_distance(&p.x[p.size(own * d)], &p.x[p.size(row * d)], d, 1.0);
                const double left = distance - static_cast<double>(q.list[at].low);
                check(std::fabs(left / claimed - 1.0) < 0.3,
                      "a bound is off by less than 0.3 of what it claims");
            }
            const std::vector<eq::Ranked> exact = p.others(own);
            std::vector<float> highs(q.highs, q.highs + q.k);
            std::sort(highs.begin(), highs.end());
            for (i64 j = 0; j < q.k; ++j)
                check(static_cast<double>(highs[p.size(j)]) >= exact[p.size(j)].distance,
                      "upper bounds hold");
        }
    }
}

template <class T>
void test_neighbors(eq::KnnSearch<T> search, const char* what) {
    const i64 n = 600, d = 2;
    // Some of these k are as many upper bounds as the kernel keeps in registers; others are not.
    const std::pair<double, i64> cases[] = {{1.0, 3}, {1e-6, 3}, {1e-21, 3}, {1e-30, 3}, {1.0, 1},
                                            {1.0, 5}, {1.0, 6},  {1.0, 10},  {1.0, 11}};
    for (const auto& [tiny, k] : cases) {
        std::vector<T> x;
        for (i64 i = 0; i < n * d; ++i)
            x.push_back(static_cast<T>(i < d ? 0.75 : tiny * unit_real(static_cast<u64>(i))));
        const Prepared<T> p(x, d);
        std::vector<i64> indices(p.size(n * k)), queries = p.order;
        std::vector<T> distances(p.size(n * k));
        for (i64 begin = 0; begin < n; begin += 100)
            search(p.points, p.blocks, p.points, queries.data(), begin, begin + 100, true, k, indices.data(),
                   distances.data());
        for (i64 i = 0; i < n; ++i) {
            const std::vector<eq::Ranked> exact = p.others(i);
            for (i64 j = 0; j < k; ++j) check(indices[p.size(i * k + j)] == exact[p.size(j)].row, what);
        }
    }
}

template <class T>
void visit_baseline(const eq::Search<T>& s, i64 b) {
    eq::knn_visit<eq::PlainTile>(s, b);
}

#ifdef EQUIPOISE_AVX512
template <class T>
EQUIPOISE_AVX2 void visit_avx2(const eq::Search<T>& s, i64 b) {
    eq::knn_visit<eq::Avx2Tile>(s, b);
}

template <class T>
EQUIPOISE_AVX512 void visit_avx512(const eq::Search<T>& s, i64 b) {
    eq::knn_visit<eq::Avx512Tile>(s, b);
}
#endif

template <class T>
void test_neighbors_on_every_path() {
    const std::pair<i64, i64> sizes[] = {{300, 1}, {300, 7}, {200, 64}, {140, 700}};
    for (const auto& [n, d] : sizes) test_neighbor_bounds<T>(visit_baseline<T>, n, d);
    test_neighbors<T>(eq::real_kernels<T>(eq::baseline_path()).knn, "neighbors, baseline");
#ifdef EQUIPOISE_AVX512
    const std::string best = eq::choose_cpu_path().name;
    if (best != "baseline") {
        for (const auto& [n, d] : sizes) test_neighbor_bounds<T>(visit_avx2<T>, n, d);
        test_neighbors<T>(eq::real_kernels<T>(eq::avx2_path()).knn, "neighbors, AVX2");
        // Another library may have told this thread to flush denormals to 0.
        const unsigned before = _mm_getcsr();
        _mm_setcsr(before | 0x8040u);
        test_neighbors<T>(eq::real_kernels<T>(eq::avx2_path()).knn,
                          "neighbors in a thread that flushes denormals, AVX2");
        test_neighbors<T>(eq::real_kernels<T>(eq::baseline_path()).knn,
                          "neighbors in a thread that flushes denormals, baseline");
        _mm_setcsr(before);
    }
    if (best == "avx512") {
        for (const auto& [n, d] : sizes) test_neighbor_bounds<T>(visit_avx512<T>, n, d);
        test_neighbors<T>(eq::real_kernels<T>(eq::avx512_path()).knn, "neighbors, AVX-512");
    }
#endif
}

#ifdef EQUIPOISE_AVX512
template <class Weight>
EQUIPOISE_AVX512 bool sums_avx512(const Weight* w, i64 count, double* out) {
    return eq::Avx512Blocks::sums(w, count, out);
}

template <class Weight>
EQUIPOISE_AVX512 u64 within_avx512(const eq::Run& run, u64 at, const Weight* w, double bound) {
    return eq::Avx512Blocks::within(run, at, w, bound);
}
#endif

// Sums, signs and masks of blocks on each path equal those of plain loops, and a picked row has a weight.
template <class Weight>
void test_blocks_on_every_path() {
    const double huge = static_cast<double>(std::numeric_limits<Weight>::max());
    const double tiny = static_cast<double>(std::numeric_limits<Weight>::denorm_min());
    const double kinds[] = {1.0, 0.0, tiny, huge, -0.0, -1.0, eq::kInfinity, std::nan("")};
    std::vector<Weight> w(static_cast<std::size_t>(eq::kBatch * eq::kRows) + 1);
    bool sums_agree = true, masks_agree = true, picks_agree = true;
    for (u64 trial = 0; trial < 400; ++trial) {
        const eq::Run run(trial, 5, 1);
        const u64 strange = trial % 8;
        for (u64 i = 0; i < w.size(); ++i) {
            const double u = eq::unit_real(run.word(i));
            w[i] = static_cast<Weight>(run.word(7000 + i) % 9 == 0 ? kinds[strange] : u);
        }
        const Weight* rows = w.data() + trial % 2;  // not aligned
        const i64 count = 1 + static_cast<i64>(trial % 16);
        double sums[eq::kBatch], others[eq::kBatch];
        bool doubtful = false, zero = false;
        for (i64 b = 0; b < count; ++b) {
            double c[8] = {};
            for (i64 i = 0; i < eq::kRows; ++i) {
                const Weight x = rows[b * eq::kRows + i];
                c[i % 8] += static_cast<double>(x);
                doubtful |= std::signbit(x);
                zero |= x == 0;
            }
            sums[b] = ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7]));
        }
        const auto agree = [&](bool reported) {
            bool all = reported == doubtful || (reported && zero);  // a path may report doubt for zeros, too
            for (i64 b = 0; b < count; ++b)
                all &= std::isnan(sums[b]) ? std::isnan(others[b]) : sums[b] == others[b];
            return all;
        };
        sums_agree &= agree(eq::PlainBlocks::sums(rows, count, others));
        const double bounds[] = {0.0, 0.01, 0.3, 1e-300, 1e300, eq::kInfinity};
        const double bound = bounds[trial % 6];
        u64 bits = 0;
        for (i64 i = 0; i < eq::kRows; ++i) {
            const double gap = 1.0 - eq::unit_real(run.word(trial + static_cast<u64>(i)));
            bits |= u64{gap <= bound * static_cast<double>(rows[i])} << i;
        }
        masks_agree &= eq::PlainBlocks::within(run, trial, rows, bound) == bits;
        if (sums[0] > 0.0 && sums[0] < eq::kInfinity && strange != 5) {
            const i64 row = eq::block_pick(rows, sums[0], run.word(trial));
            picks_agree &= 0 <= row && row < eq::kRows && rows[row] > 0;
        }
#ifdef EQUIPOISE_AVX512
        if (std::string(eq::choose_cpu_path().name) == "avx512") {
            sums_agree &= agree(sums_avx512(rows, count, others));
            masks_agree &= within_avx512(run, trial, rows, bound) == bits;
        }
#endif
    }
    check(sums_agree, "sums and signs of blocks are those of a plain loop");
    check(masks_agree, "rows within a bound are those of a plain loop");
    check(picks_agree, "a picked row has a positive weight");
}

// Each of 64 rows is picked in proportion to its weight, by 2^18 evenly spaced words.
void test_rows_are_picked_in_proportion() {
    double w[eq::kRows], sum = 0.0;
    for (i64 i = 0; i < eq::kRows; ++i) w[i] = static_cast<double>(i % 5 == 3 ? 0 : 1 + i % 7), sum += w[i];
    i64 counts[eq::kRows] = {};
    constexpr u64 kWords = u64{1} << 18;
    for (u64 j = 0; j < kWords; ++j) ++counts[eq::block_pick(w, sum, j << 46 | u64{1} << 45)];
    bool right = true;
    for (i64 i = 0; i < eq::kRows; ++i)
        right &= std::fabs(static_cast<double>(counts[i]) - static_cast<double>(kWords) * w[i] / sum) <= 2.0;
    check(right, "rows are picked in proportion to weight");
}

// McIlroy's adversary (Software: Practice and Experience 29, 1999): values are fixed only when comparisons
// need them to be, so that pivots are bad. Until then, they are larger than all others.
struct Adversary {
    std::vector<i64> fixed;
    i64 number = 0, candidate = -1, comparisons = 0;

    bool less(i64 x, i64 y) {
        ++comparisons;
        if (x == y) return false;
        if (fixed[x] < 0 && fixed[y] < 0) fixed[x == candidate ? x : y] = number++;
        if (fixed[x] < 0) {
            candidate = x;
        } else if (fixed[y] < 0) {
            candidate = y;
        }
        const i64 unfixed = number + 1;
        return (fixed[x] < 0 ? unfixed : fixed[x]) < (fixed[y] < 0 ? unfixed : fixed[y]);
    }
};

struct Chosen {
    Adversary* by;
    i64 index;

    bool operator<(const Chosen& other) const { return by->less(index, other.index); }
    bool operator<=(const Chosen& other) const { return !(other < *this); }
};

void test_selection_against_an_adversary() {
    for (const i64 n : {1000, 8000}) {
        Adversary adversary;
        adversary.fixed.assign(n, -1);
        std::vector<Chosen> values;
        for (i64 i = 0; i < n; ++i) values.push_back({&adversary, i});
        const Chosen found = eq::nth_smallest(values.data(), n, n / 2);
        const double most = 8.0 * static_cast<double>(n) * std::log2(static_cast<double>(n));
        check(static_cast<double>(adversary.comparisons) < most, "a selection takes n log n comparisons");
        i64 smaller = 0;
        for (const Chosen& value : values) smaller += value < found;
        check(smaller == n / 2, "the value is at its place against an adversary, too");
    }
}

void test_the_longest_permutation() {
    const u64 n = 0xFFFFFFFFu, places[] = {0, 1, 65535, 65536, 1234567890, n - 1};
    // The answers are those of tests/support/reference/classes.py.
    const u64 wanted[] = {1690084547u, 2317132157u, 3618756030u, 2043058222u, 325294501u, 2828262780u};
    const eq::Permutation permutation(eq::Run(11, 0, 1), n);
    for (int i = 0; i < 6; ++i) {
        u64 number = 0;
        permutation.numbers_at(places[i], 1, &number);
        check(number == wanted[i], "2^32 - 1 rows are permuted");
    }
    for (u64 root : {1, 2, 11, 12, 65535}) {
        check(eq::ceil_root(root * root) == root, "the root of a square is exact");
        check(eq::ceil_root(root * root + 1) == root + 1, "other roots are rounded up");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::printf("usage: %s kat_vectors.txt\n", argv[0]), 2;
    test_known_answers(argv[1]);
    test_high_half_of_products();
    test_elementary_functions();
    const std::vector<u64> units = zipf_units(1000);
    test_table_is_exact(units);
    test_bad_units_stay_inside_the_table();
    test_exclusions_leave_only_the_lightest(units);
    test_synthetic_rows<float>();
    test_synthetic_rows<double>();
    test_neighbors_on_every_path<float>();
    test_neighbors_on_every_path<double>();
    test_blocks_on_every_path<float>();
    test_blocks_on_every_path<double>();
    test_rows_are_picked_in_proportion();
    test_selection_against_an_adversary();
    test_the_longest_permutation();
    std::printf(failures ? "%d checks failed\n" : "all checks of the kernels passed\n", failures);
    return failures ? 1 : 0;
}
