#include "bind/arrays.hpp"
#include "negatives/exclusions.hpp"
#include "negatives/rows.hpp"
#include "negatives/shared.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

i64 exclusion_sort(Array<i64>& indptr, Array<u32>& ids) {
    require(indptr.size() > 0, "exclusion_sort: empty indptr");
    i64* p = indptr.mutable_data();
    u32* i = ids.mutable_data();
    const i64 rows = indptr.size() - 1;
    require(p[0] == 0 && p[rows] == ids.size(), "exclusion_sort: indptr does not end at the number of ids");
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

eq::Exclusions exclusions(const py::tuple& record) {
    const auto [indptr, ids, units] = fields<Array<i64>, Array<u32>, Array<u64>>(record, "exclusions");
    require(units.size() == 0 || units.size() + 1 == indptr.size(), "exclusions: indptr and units differ");
    return {data_or_null(indptr), ids.data(), data_or_null(units)};
}

void exclusion_hits(const py::tuple& excluded, const Array<i64>& rows, const Array<i64>& candidates,
                    const Array<i64>& order, Array<bool>& out) {
    require(candidates.size() == order.size() && rows.size() * order.size() == out.size(),
            "exclusion_hits: shapes differ");
    const eq::Exclusions from = exclusions(excluded);
    require(from.indptr != nullptr || rows.size() == 0, "exclusion_hits: empty indptr");
    const i64 *r = rows.data(), *c = candidates.data(), *at = order.data();
    bool* o = out.mutable_data();
    const i64 batch = rows.size(), count = candidates.size();
    Release release;
    eq::exclusion_hits(from, r, batch, c, at, count, o);
}

eq::Proposer proposer(u64 n, u64 total, const Array<u64>& cells, const Array<u64>& units,
                      const Array<u64>& prefix) {
    const u64 size = static_cast<u64>(units.size());
    require(n > 0 && cells.size() == units.size() && (size == 0 || size == n),
            "table: cells, units and n differ");
    require(total == (size ? n << 32 : n), "table: total is not the sum of the units");
    require(prefix.size() == 0 || static_cast<u64>(prefix.size()) == n + 1,
            "table: prefix must have n + 1 entries");
    return {n, total, data_or_null(cells), data_or_null(units), data_or_null(prefix)};
}

eq::Proposer proposer(const py::tuple& table) {
    using Units = Array<u64>;
    const auto [n, total, cells, units, prefix] = fields<u64, u64, Units, Units, Units>(table, "table");
    return proposer(n, total, cells, units, prefix);
}

eq::Batch batch(const py::tuple& record) {
    const auto [key, lane, first, row_keys, rows, exclude_ids, unique, on_exhausted] =
        fields<u64, u64, u64, Array<u64>, Array<i64>, Array<i64>, bool, int>(record, "batch");
    const i64 size = rows.size();
    require(exclude_ids.ndim() == 2 && exclude_ids.shape(0) == size &&
                (row_keys.size() == 0 || row_keys.size() == size),
            "batch: shapes differ");
    return {key,
            lane,
            first,
            data_or_null(row_keys),
            rows.data(),
            exclude_ids.data(),
            unique,
            on_exhausted,
            exclude_ids.shape(1),
            0,
            size};
}

py::tuple negatives_draw(const py::tuple& table, const py::tuple& excluded, const py::tuple& rows, i64 begin,
                         i64 end, i64 budget, Array<u64>& scratch, Array<i64>& ids, Array<float>& log_q,
                         Array<bool>& mask) {
    const eq::Proposer from = proposer(table);
    const eq::Exclusions without = exclusions(excluded);
    eq::Batch wanted = batch(rows);
    require(ids.ndim() == 2 && ids.shape(0) == wanted.size && log_q.size() == ids.size() &&
                mask.size() == ids.size() && 0 <= begin && end <= wanted.size,
            "negatives_draw: shapes differ");
    wanted.k = ids.shape(1);
    const i64 longest = scratch.size() - 2 * (wanted.m + wanted.k) - 2 - eq::kPausedWords;
    require(longest >= 0, "negatives_draw: scratch is too small");
    u64* room = scratch.mutable_data();
    const eq::Scratch parts{room, room + longest + 1, room + longest + 1 + wanted.m + wanted.k,
                            room + scratch.size() - eq::kPausedWords};
    i64* i = ids.mutable_data();
    float* q = log_q.mutable_data();
    bool* ok = mask.mutable_data();
    eq::Progress progress{};
    {
        Release release;
        progress = cpu_path().negatives_draw(from, without, wanted, begin, end, budget, parts, i, q, ok);
    }
    return py::make_tuple(progress.rows, progress.status, progress.left);
}

void shared_draw(u64 key, u64 call, u64 lane, const py::tuple& table, i64 start, Array<i64>& ids) {
    const eq::Proposer from = proposer(table);
    i64* i = ids.mutable_data();
    const i64 count = ids.size();
    Release release;
    eq::shared_draw(key, call, lane, from, start, count, i);
}

bool shared_unique(u64 key, u64 call, u64 lane, const py::tuple& table, u64 secret, Array<i64>& seen,
                   Array<i64>& ids, Array<u64>& state) {
    const u64 slots = static_cast<u64>(seen.size());
    require(state.size() == 4 && seen.size() > ids.size() && (slots & (slots - 1)) == 0,
            "shared_unique: shapes differ");
    const eq::Proposer from = proposer(table);
    i64 *s = seen.mutable_data(), *i = ids.mutable_data();
    u64* st = state.mutable_data();
    const i64 count = ids.size();
    Release release;
    return eq::shared_unique(key, call, lane, from, secret, s, slots - 1, i, count, st);
}

void shared_exact(u64 key, u64 call, u64 lane, const py::tuple& table, Array<u64>& tree, Array<i64>& ids,
                  Array<u64>& state) {
    require(state.size() == 4 && static_cast<u64>(tree.size()) == proposer(table).n + 1,
            "shared_exact: shapes differ");
    const eq::Proposer from = proposer(table);
    u64 *t = tree.mutable_data(), *st = state.mutable_data();
    i64* i = ids.mutable_data();
    const i64 count = ids.size();
    Release release;
    eq::shared_exact(key, call, lane, from, t, i, count, st);
}

}  // namespace

void register_negatives(py::module_& m) {
    m.def("exclusion_sort", &exclusion_sort, raw("indptr"), raw("ids"));
    m.def("exclusion_units", &exclusion_units, raw("indptr"), raw("ids"), raw("units"), raw("sums"));
    m.def("exclusion_hits", &exclusion_hits, raw("exclusions"), raw("rows"), raw("candidates"), raw("order"),
          raw("out"));
    m.def("negatives_draw", &negatives_draw, raw("table"), raw("exclusions"), raw("batch"), num("begin"),
          num("end"), num("budget"), raw("scratch"), raw("ids"), raw("log_q"), raw("mask"));
    m.def("shared_draw", &shared_draw, num("key"), num("call"), num("lane"), raw("table"), num("start"),
          raw("ids"));
    m.def("shared_unique", &shared_unique, num("key"), num("call"), num("lane"), raw("table"), num("secret"),
          raw("seen"), raw("ids"), raw("state"));
    m.def("shared_exact", &shared_exact, num("key"), num("call"), num("lane"), raw("table"), raw("tree"),
          raw("ids"), raw("state"));
}

}  // namespace equipoise::bind
