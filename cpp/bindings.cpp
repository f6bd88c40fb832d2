// The only file that knows Python. One rhythm: take arrays as they are (never converted), check shapes,
// release the GIL, call. Users never come here with bad input: equipoise/_validate.py stands above. What is
// checked again is what would touch foreign memory.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>

#include "alias.hpp"
#include "classes.hpp"
#include "cpu.hpp"
#include "elementary.hpp"
#include "exclusions.hpp"
#include "knn.hpp"
#include "knn_blocks.hpp"
#include "negatives.hpp"
#include "reservoir.hpp"
#include "rng.hpp"
#include "select.hpp"
#include "shared.hpp"
#include "smote.hpp"
#include "uniform.hpp"
#include "units.hpp"

namespace py = pybind11;
namespace eq = equipoise;
using eq::i32;
using eq::i64;
using eq::u32;
using eq::u64;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
using Release = py::gil_scoped_release;

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

template <class T>
const T* data_or_null(const Array<T>& a) {
    return a.size() ? a.data() : nullptr;
}

const eq::CpuPath& cpu_path() {
    static const eq::CpuPath path = eq::choose_cpu_path();
    return path;
}

py::tuple cpu_path_names() {
    return py::make_tuple(cpu_path().name, cpu_path().disabled);
}

void philox(const Array<u32>& counters, const Array<u32>& keys, Array<u32>& out) {
    require(counters.size() == out.size() && keys.size() * 2 == out.size(), "philox: shapes differ");
    const u32 *c = counters.data(), *k = keys.data();
    u32* o = out.mutable_data();
    const i64 count = out.size() / 4;
    Release release;
    for (i64 i = 0; i < count; ++i) {
        std::copy(c + 4 * i, c + 4 * i + 4, o + 4 * i);
        eq::philox(o + 4 * i, k[2 * i], k[2 * i + 1]);
    }
}

template <double (*kFunction)(double)>
void elementwise(const Array<double>& x, Array<double>& out) {
    require(x.size() == out.size(), "elementwise: shapes differ");
    const double* from = x.data();
    double* to = out.mutable_data();
    const i64 n = x.size();
    Release release;
    for (i64 i = 0; i < n; ++i) to[i] = kFunction(from[i]);
}

template <class Weight>
py::tuple unit_sum(const Array<Weight>& weights, int grid) {
    const Weight* w = weights.data();
    const i64 n = weights.size();
    eq::Wide sum{};
    {
        Release release;
        sum = eq::unit_sum(w, n, grid);
    }
    return py::make_tuple(sum.high, sum.low);
}

template <class Weight>
py::tuple unit_floor(const Array<Weight>& weights, u64 high, u64 low, int point, Array<u64>& units) {
    require(weights.size() == units.size(), "unit_floor: shapes differ");
    const Weight* w = weights.data();
    u64* u = units.mutable_data();
    const i64 n = weights.size();
    eq::Wide sum{};
    {
        Release release;
        sum = eq::unit_floor(w, n, high, low, point, u);
    }
    return py::make_tuple(sum.high, sum.low);
}

void unit_settle(Array<u64>& units, i64 surplus) {
    u64* u = units.mutable_data();
    const i64 n = units.size();
    Release release;
    eq::unit_settle(u, n, surplus);
}

void alias_build(const Array<u64>& units, Array<u64>& cells) {
    require(units.size() == cells.size(), "alias_build: shapes differ");
    const u64* u = units.data();
    u64* c = cells.mutable_data();
    const i64 n = units.size();
    Release release;
    eq::alias_build(u, n, c);
}

void alias_draw(u64 key, const Array<u64>& cells, i64 start, Array<i64>& out) {
    require(cells.size() > 0 && start >= 0 && start % eq::kBlock == 0,
            "alias_draw: no cells, or start within a block");
    const u64* c = cells.data();
    i64* o = out.mutable_data();
    const i64 count = out.size();
    const u64 n = static_cast<u64>(cells.size());
    Release release;
    cpu_path().alias_draw(key, c, n, start, count, o);
}

void uniform_draw(u64 key, u64 n, i64 start, Array<i64>& out) {
    require(n > 0 && n >> 32 == 0 && start >= 0 && start % eq::kBlock == 0,
            "uniform_draw: n outside [1, 2^32), or start within a block");
    i64* o = out.mutable_data();
    const i64 count = out.size();
    Release release;
    cpu_path().uniform_draw(key, n, start, count, o);
}

i64 exclusion_sort(Array<i64>& indptr, Array<u32>& ids) {
    require(indptr.size() > 0, "exclusion_sort: empty indptr");
    i64* p = indptr.mutable_data();
    u32* i = ids.mutable_data();
    const i64 rows = indptr.size() - 1;
    require(p[0] == 0 && p[rows] == ids.size(), "exclusion_sort: indptr does not end at the ids");
    Release release;
    return eq::exclusion_sort(p, rows, i);
}

void exclusion_units(const Array<i64>& indptr, const Array<u32>& ids, const Array<u64>& units,
                     Array<u64>& sums) {
    require(indptr.size() == sums.size() + 1, "exclusion_units: shapes differ");
    const i64* p = indptr.data();
    const u32* i = ids.data();
    const u64* u = units.data();
    u64* s = sums.mutable_data();
    const i64 rows = sums.size();
    Release release;
    eq::exclusion_units(p, rows, i, u, s);
}

void exclusion_hits(const Array<i64>& indptr, const Array<u32>& ids, const Array<i64>& rows,
                    const Array<i64>& candidates, const Array<i64>& order, Array<bool>& out) {
    require(candidates.size() == order.size() && rows.size() * order.size() == out.size(),
            "exclusion_hits: shapes differ");
    const i64 *p = indptr.data(), *r = rows.data(), *c = candidates.data(), *at = order.data();
    const u32* i = ids.data();
    bool* o = out.mutable_data();
    const i64 batch = rows.size(), count = candidates.size();
    Release release;
    eq::exclusion_hits(p, i, r, batch, c, at, count, o);
}

eq::Proposer proposer(u64 n, const Array<u64>& cells, const Array<u64>& units, const Array<u64>& prefix) {
    const u64 size = static_cast<u64>(units.size());
    require(n > 0 && cells.size() == units.size() && (size == 0 || size == n),
            "table: cells, units and n differ");
    require(prefix.size() == 0 || static_cast<u64>(prefix.size()) == n + 1,
            "table: prefix must have n + 1 entries");
    return {n, size ? n << 32 : n, data_or_null(cells), data_or_null(units), data_or_null(prefix)};
}

py::tuple negatives_draw(u64 key, u64 lane, u64 first, const Array<u64>& row_keys, const Array<i64>& rows,
                         const Array<i64>& exclude_ids, const Array<i64>& indptr, const Array<u32>& excluded,
                         const Array<u64>& excluded_units, u64 n, const Array<u64>& cells,
                         const Array<u64>& units, const Array<u64>& prefix, bool unique, int on_exhausted,
                         i64 begin, i64 end, i64 budget, Array<u64>& scratch, Array<i64>& ids,
                         Array<float>& log_q, Array<bool>& mask) {
    require(ids.ndim() == 2 && exclude_ids.ndim() == 2, "negatives_draw: ids and exclude_ids must be 2-D");
    const i64 size = rows.size(), k = ids.shape(1), m = exclude_ids.shape(1);
    require(ids.shape(0) == size && log_q.size() == ids.size() && mask.size() == ids.size() &&
                exclude_ids.shape(0) == size && (row_keys.size() == 0 || row_keys.size() == size) &&
                0 <= begin && end <= size,
            "negatives_draw: shapes differ");
    const i64 longest = scratch.size() - 2 * (m + k) - 2 - eq::kPausedWords;
    require(longest >= 0, "negatives_draw: scratch is too small");
    const eq::Proposer table = proposer(n, cells, units, prefix);
    const eq::Batch batch{key,
                          lane,
                          first,
                          data_or_null(row_keys),
                          rows.data(),
                          exclude_ids.data(),
                          m,
                          k,
                          data_or_null(indptr),
                          excluded.data(),
                          data_or_null(excluded_units),
                          unique,
                          on_exhausted};
    u64* room = scratch.mutable_data();
    const eq::Scratch parts{room, room + longest + 1, room + longest + 1 + m + k,
                            room + scratch.size() - eq::kPausedWords};
    i64* i = ids.mutable_data();
    float* q = log_q.mutable_data();
    bool* ok = mask.mutable_data();
    eq::Progress progress{};
    {
        Release release;
        progress = cpu_path().negatives_draw(table, batch, begin, end, budget, parts, i, q, ok);
    }
    return py::make_tuple(progress.rows, progress.status, progress.left);
}

void shared_draw(u64 key, u64 call, u64 lane, u64 n, const Array<u64>& cells, const Array<u64>& units,
                 i64 start, Array<i64>& ids) {
    const eq::Proposer table = proposer(n, cells, units, Array<u64>(0));
    i64* i = ids.mutable_data();
    const i64 count = ids.size();
    Release release;
    eq::shared_draw(key, call, lane, table, start, count, i);
}

bool shared_unique(u64 key, u64 call, u64 lane, u64 n, const Array<u64>& cells, const Array<u64>& units,
                   Array<i64>& seen, Array<i64>& ids, Array<u64>& state) {
    const u64 slots = static_cast<u64>(seen.size());
    require(state.size() == 4 && seen.size() > ids.size() && (slots & (slots - 1)) == 0,
            "shared_unique: shapes");
    const eq::Proposer table = proposer(n, cells, units, Array<u64>(0));
    i64 *s = seen.mutable_data(), *i = ids.mutable_data();
    u64* st = state.mutable_data();
    const i64 count = ids.size();
    Release release;
    return eq::shared_unique(key, call, lane, table, s, slots - 1, i, count, st);
}

void shared_exact(u64 key, u64 call, u64 lane, u64 n, const Array<u64>& cells, const Array<u64>& units,
                  Array<u64>& tree, Array<i64>& ids, Array<u64>& state) {
    require(state.size() == 4 && static_cast<u64>(tree.size()) == n + 1, "shared_exact: shapes");
    const eq::Proposer table = proposer(n, cells, units, Array<u64>(0));
    u64 *t = tree.mutable_data(), *st = state.mutable_data();
    i64* i = ids.mutable_data();
    const i64 count = ids.size();
    Release release;
    eq::shared_exact(key, call, lane, table, t, i, count, st);
}

py::tuple as_tuple(const eq::Scan& scan) {
    return py::make_tuple(scan.next, scan.filled, scan.stop, scan.total);
}

eq::Candidates candidates(Array<i64>& rows, Array<double>& ranks, Array<double>& row_weights, i64 most) {
    require(rows.size() == ranks.size() && rows.size() == row_weights.size() &&
                rows.size() >= std::max(most, eq::kBlock),
            "reservoir: too little room for candidates");
    return {rows.mutable_data(), ranks.mutable_data(), row_weights.mutable_data(), rows.size()};
}

bool all_below(const i64* numbers, i64 count, i64 limit) {
    bool good = true;
    for (i64 i = 0; i < count; ++i) good &= static_cast<u64>(numbers[i]) < static_cast<u64>(limit);
    return good;
}

template <class Weight>
py::tuple reservoir_blocks(u64 key, i64 start, const Array<Weight>& weights, double threshold, i64 most,
                           double total, Array<i64>& rows, Array<double>& ranks, Array<double>& row_weights) {
    require(start >= 0 && most >= 0 && weights.size() % eq::kRows == 0,
            "reservoir_blocks: whole blocks only");
    const eq::Candidates out = candidates(rows, ranks, row_weights, most);
    const Weight* w = weights.data();
    const i64 count = weights.size();
    eq::Scan scan{};
    {
        Release release;
        scan =
            eq::reservoir_path<Weight>(cpu_path()).blocks(key, start, w, count, threshold, most, total, out);
    }
    return as_tuple(scan);
}

template <class Weight>
py::tuple reservoir_rows(u64 key, i64 start, const Array<i64>& ids, const Array<i64>& classes,
                         const Array<i64>& slot_labels, const Array<i64>& slot_numbers,
                         const Array<Weight>& weights, const Array<double>& shifts,
                         const Array<double>& thresholds, Array<i64>& counts, i64 most, double total,
                         Array<i64>& rows, Array<double>& ranks, Array<double>& row_weights,
                         Array<i64>& row_ids) {
    const i64 count = std::max(weights.size(), classes.size());
    const u64 slots = static_cast<u64>(slot_labels.size());
    require(start >= 0 && most >= 1 && (thresholds.size() > 0 || (slots && classes.size() == count)) &&
                (weights.size() == 0 || weights.size() == count) &&
                (ids.size() == 0 || ids.size() == count) &&
                (classes.size() == 0 || classes.size() == count) &&
                (shifts.size() == 0 || shifts.size() == count) &&
                (classes.size() == 0 || (counts.size() == thresholds.size() && most == 1)) &&
                slot_numbers.size() == slot_labels.size() && (slots & (slots - 1)) == 0 &&
                row_ids.size() == rows.size(),
            "reservoir_rows: shapes differ");
    require(slots || all_below(classes.data(), classes.size(), thresholds.size()),
            "reservoir_rows: a class without a threshold");
    const eq::Candidates out = candidates(rows, ranks, row_weights, most);
    const eq::Stream<Weight> stream{key,
                                    start,
                                    data_or_null(ids),
                                    data_or_null(classes),
                                    data_or_null(slot_labels),
                                    slot_numbers.data(),
                                    slots - 1,
                                    data_or_null(weights),
                                    data_or_null(shifts),
                                    thresholds.data(),
                                    static_cast<u64>(thresholds.size()),
                                    counts.mutable_data()};
    i64* i = row_ids.mutable_data();
    eq::Scan scan{};
    {
        Release release;
        scan = eq::reservoir_path<Weight>(cpu_path()).rows(stream, count, most, total, out, i);
    }
    return as_tuple(scan);
}

i64 reservoir_select(const Array<i64>& classes, const Array<double>& ranks, const Array<i64>& ids,
                     const Array<i64>& quotas, Array<double>& thresholds, Array<i64>& scratch,
                     Array<double>& sorted, Array<i64>& keep) {
    const i64 count = ranks.size(), num_classes = quotas.size();
    require(ids.size() == count && (classes.size() == 0 || classes.size() == count) && keep.size() >= count &&
                sorted.size() >= count && scratch.size() >= count + 2 * num_classes &&
                thresholds.size() == num_classes && num_classes > 0,
            "reservoir_select: shapes differ");
    require(all_below(classes.data(), classes.size(), num_classes),
            "reservoir_select: a class without a quota");
    const i64 *c = data_or_null(classes), *i = ids.data(), *q = quotas.data();
    const double* r = ranks.data();
    double *t = thresholds.mutable_data(), *s = sorted.mutable_data();
    i64 *k = keep.mutable_data(), *room = scratch.mutable_data();
    Release release;
    return eq::reservoir_select(c, r, i, count, q, num_classes, t, room, room + num_classes,
                                room + 2 * num_classes, s, k);
}

bool reservoir_equal(const Array<double>& ranks, const Array<i64>& rows, Array<u64>& seen,
                     Array<double>& room) {
    const i64 count = rows.size(), words = seen.size();
    require(room.size() >= count && words > 1 && (words & (words - 1)) == 0 && 2 * words >= count,
            "reservoir_equal: shapes differ");
    require(all_below(rows.data(), count, ranks.size()), "reservoir_equal: no such row");
    const double* r = ranks.data();
    const i64* i = rows.data();
    u64* s = seen.mutable_data();
    double* found = room.mutable_data();
    Release release;
    return eq::reservoir_equal(r, i, count, s, static_cast<u64>(words), found);
}

i64 class_lookup(const Array<i64>& labels, Array<i64>& slot_labels, Array<i64>& slot_numbers,
                 Array<i64>& known, Array<i64>& numbers) {
    const u64 slots = static_cast<u64>(slot_labels.size());
    require(slot_numbers.size() == slot_labels.size() && slots > 1 && (slots & (slots - 1)) == 0 &&
                known.size() == 1 && numbers.size() == labels.size(),
            "class_lookup: shapes differ");
    const i64* l = labels.data();
    i64 *sl = slot_labels.mutable_data(), *sn = slot_numbers.mutable_data(), *k = known.mutable_data(),
        *n = numbers.mutable_data();
    const i64 count = labels.size();
    Release release;
    return eq::class_lookup(l, count, sl, sn, slots - 1, k, n);
}

template <class T>
void knn_split(const Array<T>& x, i64 begin, i64 end, i64 depth, Array<i64>& order) {
    require(x.ndim() == 2 && order.size() == x.shape(0) && 0 <= begin && begin <= end && end <= x.shape(0),
            "knn_split: shapes differ");
    const T* p = data_or_null(x);
    i64* o = order.mutable_data();
    const i64 d = x.shape(1);
    Release release;
    eq::knn_split(p, d, begin, end, depth, o);
}

template <class T>
void knn_pack(const Array<T>& x, double coarse, i64 begin, i64 end, const Array<i64>& order,
              Array<float>& panels, Array<float>& halves, Array<double>& centres, Array<double>& low,
              Array<double>& high, Array<double>& radii, Array<i64>& first) {
    const i64 count = first.size();
    require(x.ndim() == 2 && order.size() == x.shape(0), "knn_pack: shapes differ");
    const i64 n = x.shape(0), d = x.shape(1);
    require(count == (n + eq::kLeaf - 1) / eq::kLeaf && 0 <= begin && begin <= end && end <= count &&
                panels.size() == count * eq::kLeaf * d && halves.size() == count * eq::kLeaf &&
                centres.size() == count * d && low.size() == count * d && high.size() == count * d &&
                radii.size() == count,
            "knn_pack: shapes differ");
    const T* p = data_or_null(x);
    const eq::NewBlocks blocks{order.data(),           panels.mutable_data(), halves.mutable_data(),
                               centres.mutable_data(), low.mutable_data(),    high.mutable_data(),
                               radii.mutable_data(),   first.mutable_data(),  count};
    Release release;
    eq::knn_pack(p, n, d, coarse, begin, end, blocks);
}

template <class T>
void knn_search(const Array<T>& x, const Array<i32>& codes, double scale, double coarse, double mismatch,
                const Array<i64>& order, const Array<float>& panels, const Array<float>& halves,
                const Array<double>& centres, const Array<double>& low, const Array<double>& high,
                const Array<double>& radii, const Array<i64>& first, const Array<T>& queries,
                const Array<i32>& query_codes, const Array<i64>& query_order, i64 begin, i64 end, bool itself,
                Array<i64>& indices, Array<T>& distances) {
    require(x.ndim() == 2 && codes.ndim() == 2 && queries.ndim() == 2 && query_codes.ndim() == 2 &&
                indices.ndim() == 2 && distances.ndim() == 2,
            "knn_search: shapes differ");
    const i64 n = x.shape(0), d = x.shape(1), c = codes.shape(1), m = queries.shape(0), k = indices.shape(1);
    const i64 count = first.size();
    require(codes.shape(0) == n && order.size() == n && count == (n + eq::kLeaf - 1) / eq::kLeaf &&
                panels.size() == count * eq::kLeaf * d && halves.size() == count * eq::kLeaf &&
                centres.size() == count * d && low.size() == count * d && high.size() == count * d &&
                radii.size() == count && queries.shape(1) == d && query_codes.shape(0) == m &&
                query_codes.shape(1) == c && query_order.size() == m && 0 <= begin && begin <= end &&
                end <= m && end - begin <= eq::kLeaf && indices.shape(0) == m && distances.shape(0) == m &&
                distances.shape(1) == k && 1 <= k && k <= n - itself && (!itself || m == n),
            "knn_search: shapes differ");
    const eq::Points<T> points{data_or_null(x), data_or_null(codes), n, d, c, scale, coarse, mismatch};
    const eq::Points<T> others{
        data_or_null(queries), data_or_null(query_codes), m, d, c, scale, coarse, mismatch};
    const eq::Blocks blocks{order.data(), panels.data(), halves.data(), centres.data(), low.data(),
                            high.data(),  radii.data(),  first.data(),  count};
    const i64* q = query_order.data();
    i64* i = indices.mutable_data();
    T* distance = distances.mutable_data();
    const eq::KnnSearch<T> search = eq::knn_path<T>(cpu_path());
    Release release;
    if (begin < end) search(points, blocks, others, q, begin, end, itself, k, i, distance);
}

template <class T>
void interpolate(const Array<T>& X, const Array<i64>& parents, const Array<i64>& neighbours,
                 const Array<T>& gaps, Array<T>& out) {
    require(X.ndim() == 2 && out.ndim() == 2 && X.shape(1) == out.shape(1) &&
                parents.size() == out.shape(0) && neighbours.size() == parents.size() &&
                gaps.size() == parents.size(),
            "interpolate: shapes differ");
    const i64 n = X.shape(0), d = X.shape(1), count = parents.size();
    require(all_below(parents.data(), count, n) && all_below(neighbours.data(), count, n),
            "interpolate: a row outside X");
    const T *x = X.data(), *g = gaps.data();
    const i64 *p = parents.data(), *b = neighbours.data();
    T* o = out.mutable_data();
    Release release;
    eq::interpolate(x, d, p, b, g, count, o);
}

// What both CSR kernels read: rows that are there, whose entries are there.
void require_csr(const Array<i64>& indices, const Array<i64>& indptr, const Array<i64>& parents,
                 const Array<i64>& neighbours) {
    const i64 rows = indptr.size() - 1, count = parents.size();
    require(rows >= 0 && neighbours.size() == count && all_below(parents.data(), count, rows) &&
                all_below(neighbours.data(), count, rows),
            "interpolate_csr: a row outside the matrix");
    const i64* p = indptr.data();
    bool good = true;
    for (const i64* some : {parents.data(), neighbours.data()}) {
        for (i64 i = 0; i < count; ++i)
            good &= 0 <= p[some[i]] && p[some[i]] <= p[some[i] + 1] && p[some[i] + 1] <= indices.size();
    }
    require(good, "interpolate_csr: indptr does not fit the indices");
}

void interpolate_csr_count(const Array<i64>& indices, const Array<i64>& indptr, const Array<i64>& parents,
                           const Array<i64>& neighbours, Array<i64>& counts) {
    require(counts.size() == parents.size(), "interpolate_csr_count: shapes differ");
    require_csr(indices, indptr, parents, neighbours);
    const i64 *i = indices.data(), *p = indptr.data(), *a = parents.data(), *b = neighbours.data();
    i64* c = counts.mutable_data();
    const i64 count = counts.size();
    Release release;
    eq::interpolate_csr_count(i, p, a, b, count, c);
}

template <class T>
void interpolate_csr(const Array<T>& data, const Array<i64>& indices, const Array<i64>& indptr,
                     const Array<i64>& parents, const Array<i64>& neighbours, const Array<T>& gaps,
                     const Array<i64>& out_indptr, Array<T>& out_data, Array<i64>& out_indices) {
    const i64 count = parents.size();
    require(data.size() == indices.size() && gaps.size() == count && out_indptr.size() == count + 1 &&
                out_data.size() == out_indices.size(),
            "interpolate_csr: shapes differ");
    require_csr(indices, indptr, parents, neighbours);
    const i64 *i = indices.data(), *p = indptr.data(), *a = parents.data(), *b = neighbours.data(),
              *op = out_indptr.data();
    bool good = op[0] >= 0 && op[count] <= out_data.size();
    for (i64 row = 0; row < count; ++row) good &= op[row] <= op[row + 1];
    require(good, "interpolate_csr: out_indptr does not fit");
    const T *x = data.data(), *g = gaps.data();
    T* o = out_data.mutable_data();
    i64* oi = out_indices.mutable_data();
    Release release;
    eq::interpolate_csr(x, i, p, a, b, g, count, op, o, oi);
}

template <class T>
void column_moments(const Array<T>& X, const Array<double>& centre, Array<double>& sums,
                    Array<double>& squares) {
    require(X.ndim() == 2 && centre.size() == X.shape(1) && sums.size() == X.shape(1) &&
                squares.size() == X.shape(1),
            "column_moments: shapes differ");
    const T* x = X.data();
    const double* c = centre.data();
    double *s = sums.mutable_data(), *q = squares.mutable_data();
    const i64 n = X.shape(0), d = X.shape(1);
    Release release;
    eq::column_moments(x, n, d, c, s, q);
}

template <class T>
void smote_draw(u64 key, u64 lane, u64 first, const Array<T>& X, const Array<std::int32_t>& table,
                const Array<u64>& cells, const Array<i64>& categorical, Array<T>& votes, Array<T>& out,
                Array<i64>& parents, Array<i64>& neighbours, Array<T>& gaps) {
    require(X.ndim() == 2 && table.ndim() == 2 && out.ndim() == 2 && table.shape(0) == X.shape(0) &&
                out.shape(1) == X.shape(1) && (cells.size() == 0 || cells.size() == X.shape(0)) &&
                parents.size() == neighbours.size() && parents.size() == gaps.size() &&
                (parents.size() == 0 || parents.size() == out.shape(0)),
            "smote_draw: shapes differ");
    const i64 n = X.shape(0), d = X.shape(1), k = table.shape(1), count = out.shape(0);
    require(n > 0 && n >> 31 == 0 && k > 0 && k >> 31 == 0 && votes.size() >= k &&
                all_below(categorical.data(), categorical.size(), d),
            "smote_draw: no rows, too many, no neighbours, no room, or a column outside X");
    const eq::Neighbourhood<T> from{
        X.data(), n, d, table.data(), k, data_or_null(cells), categorical.data(), categorical.size()};
    const bool tell = parents.size() > 0;
    T *v = votes.mutable_data(), *o = out.mutable_data(), *g = gaps.mutable_data();
    i64 *p = parents.mutable_data(), *b = neighbours.mutable_data();
    Release release;
    eq::smote_path<T>(cpu_path())(from, key, lane, first, count, v, o, tell ? p : nullptr, b, g);
}

// An array is taken as it is: no silent conversion, no copy that an output would be written into.
py::arg raw(const char* name) {
    return py::arg(name).noconvert();
}
// A number may be a NumPy scalar.
py::arg num(const char* name) {
    return py::arg(name);
}

}  // namespace

PYBIND11_MODULE(_core, m) {
    m.doc() = "equipoise's C++ kernels; _core.pyi gives their signatures, equipoise._numba the twins.";
    m.def("cpu_path", &cpu_path_names);
    m.def("call_key", &eq::call_key, num("seed"), num("epoch"), num("purpose"), num("stream"));
    m.def("philox", &philox, raw("counters"), raw("keys"), raw("out"));
    m.def("log", &elementwise<eq::log>, raw("x"), raw("out"));
    m.def("exp", &elementwise<eq::exp>, raw("x"), raw("out"));
    m.def("log1p", &elementwise<eq::log1p>, raw("x"), raw("out"));
    m.def("expm1", &elementwise<eq::expm1>, raw("x"), raw("out"));
    m.def("unit_sum", &unit_sum<double>, raw("weights"), num("grid"));
    m.def("unit_sum", &unit_sum<i64>, raw("weights"), num("grid"));
    m.def("unit_floor", &unit_floor<double>, raw("weights"), num("high"), num("low"), num("point"),
          raw("units"));
    m.def("unit_floor", &unit_floor<i64>, raw("weights"), num("high"), num("low"), num("point"),
          raw("units"));
    m.def("unit_settle", &unit_settle, raw("units"), num("surplus"));
    m.def("alias_build", &alias_build, raw("units"), raw("cells"));
    m.def("alias_draw", &alias_draw, num("key"), raw("cells"), num("start"), raw("out"));
    m.def("uniform_draw", &uniform_draw, num("key"), num("n"), num("start"), raw("out"));
    m.def("exclusion_sort", &exclusion_sort, raw("indptr"), raw("ids"));
    m.def("exclusion_units", &exclusion_units, raw("indptr"), raw("ids"), raw("units"), raw("sums"));
    m.def("exclusion_hits", &exclusion_hits, raw("indptr"), raw("ids"), raw("rows"), raw("candidates"),
          raw("order"), raw("out"));
    m.def("negatives_draw", &negatives_draw, num("key"), num("lane"), num("first"), raw("row_keys"),
          raw("rows"), raw("exclude_ids"), raw("indptr"), raw("excluded"), raw("excluded_units"), num("n"),
          raw("cells"), raw("units"), raw("prefix"), num("unique"), num("on_exhausted"), num("begin"),
          num("end"), num("budget"), raw("scratch"), raw("ids"), raw("log_q"), raw("mask"));
    m.def("shared_draw", &shared_draw, num("key"), num("call"), num("lane"), num("n"), raw("cells"),
          raw("units"), num("start"), raw("ids"));
    m.def("shared_unique", &shared_unique, num("key"), num("call"), num("lane"), num("n"), raw("cells"),
          raw("units"), raw("seen"), raw("ids"), raw("state"));
    m.def("shared_exact", &shared_exact, num("key"), num("call"), num("lane"), num("n"), raw("cells"),
          raw("units"), raw("tree"), raw("ids"), raw("state"));
    m.def("reservoir_blocks", &reservoir_blocks<float>, num("key"), num("start"), raw("weights"),
          num("threshold"), num("most"), num("total"), raw("rows"), raw("ranks"), raw("row_weights"));
    m.def("reservoir_blocks", &reservoir_blocks<double>, num("key"), num("start"), raw("weights"),
          num("threshold"), num("most"), num("total"), raw("rows"), raw("ranks"), raw("row_weights"));
    m.def("reservoir_rows", &reservoir_rows<float>, num("key"), num("start"), raw("ids"), raw("classes"),
          raw("slot_labels"), raw("slot_numbers"), raw("weights"), raw("shifts"), raw("thresholds"),
          raw("counts"), num("most"), num("total"), raw("rows"), raw("ranks"), raw("row_weights"),
          raw("row_ids"));
    m.def("reservoir_rows", &reservoir_rows<double>, num("key"), num("start"), raw("ids"), raw("classes"),
          raw("slot_labels"), raw("slot_numbers"), raw("weights"), raw("shifts"), raw("thresholds"),
          raw("counts"), num("most"), num("total"), raw("rows"), raw("ranks"), raw("row_weights"),
          raw("row_ids"));
    m.def("reservoir_select", &reservoir_select, raw("classes"), raw("ranks"), raw("ids"), raw("quotas"),
          raw("thresholds"), raw("scratch"), raw("sorted"), raw("keep"));
    m.def("reservoir_equal", &reservoir_equal, raw("ranks"), raw("rows"), raw("seen"), raw("room"));
    m.def("class_lookup", &class_lookup, raw("labels"), raw("slot_labels"), raw("slot_numbers"), raw("known"),
          raw("numbers"));
    m.def("knn_split", &knn_split<float>, raw("x"), num("begin"), num("end"), num("depth"), raw("order"));
    m.def("knn_pack", &knn_pack<float>, raw("x"), num("coarse"), num("begin"), num("end"), raw("order"),
          raw("panels"), raw("halves"), raw("centres"), raw("low"), raw("high"), raw("radii"), raw("first"));
    m.def("knn_search", &knn_search<float>, raw("x"), raw("codes"), num("scale"), num("coarse"),
          num("mismatch"), raw("order"), raw("panels"), raw("halves"), raw("centres"), raw("low"),
          raw("high"), raw("radii"), raw("first"), raw("queries"), raw("query_codes"), raw("query_order"),
          num("begin"), num("end"), num("itself"), raw("indices"), raw("distances"));
    m.def("knn_split", &knn_split<double>, raw("x"), num("begin"), num("end"), num("depth"), raw("order"));
    m.def("knn_pack", &knn_pack<double>, raw("x"), num("coarse"), num("begin"), num("end"), raw("order"),
          raw("panels"), raw("halves"), raw("centres"), raw("low"), raw("high"), raw("radii"), raw("first"));
    m.def("knn_search", &knn_search<double>, raw("x"), raw("codes"), num("scale"), num("coarse"),
          num("mismatch"), raw("order"), raw("panels"), raw("halves"), raw("centres"), raw("low"),
          raw("high"), raw("radii"), raw("first"), raw("queries"), raw("query_codes"), raw("query_order"),
          num("begin"), num("end"), num("itself"), raw("indices"), raw("distances"));
    m.def("interpolate", &interpolate<float>, raw("X"), raw("parents"), raw("neighbours"), raw("gaps"),
          raw("out"));
    m.def("interpolate", &interpolate<double>, raw("X"), raw("parents"), raw("neighbours"), raw("gaps"),
          raw("out"));
    m.def("interpolate_csr_count", &interpolate_csr_count, raw("indices"), raw("indptr"), raw("parents"),
          raw("neighbours"), raw("counts"));
    m.def("interpolate_csr", &interpolate_csr<float>, raw("data"), raw("indices"), raw("indptr"),
          raw("parents"), raw("neighbours"), raw("gaps"), raw("out_indptr"), raw("out_data"),
          raw("out_indices"));
    m.def("interpolate_csr", &interpolate_csr<double>, raw("data"), raw("indices"), raw("indptr"),
          raw("parents"), raw("neighbours"), raw("gaps"), raw("out_indptr"), raw("out_data"),
          raw("out_indices"));
    m.def("column_moments", &column_moments<float>, raw("X"), raw("centre"), raw("sums"), raw("squares"));
    m.def("column_moments", &column_moments<double>, raw("X"), raw("centre"), raw("sums"), raw("squares"));
    m.def("smote_draw", &smote_draw<float>, num("key"), num("lane"), num("first"), raw("X"), raw("table"),
          raw("cells"), raw("categorical"), raw("votes"), raw("out"), raw("parents"), raw("neighbours"),
          raw("gaps"));
    m.def("smote_draw", &smote_draw<double>, num("key"), num("lane"), num("first"), raw("X"), raw("table"),
          raw("cells"), raw("categorical"), raw("votes"), raw("out"), raw("parents"), raw("neighbours"),
          raw("gaps"));
}
