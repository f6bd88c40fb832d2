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
    const eq::Proposer table = proposer(n, units.size() ? n << 32 : n, cells, units, prefix);
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

void shared_draw(u64 key, u64 call, u64 lane, const py::tuple& table, i64 start, Array<i64>& ids) {
    const eq::Proposer from = proposer(table);
    i64* i = ids.mutable_data();
    const i64 count = ids.size();
    Release release;
    eq::shared_draw(key, call, lane, from, start, count, i);
}

bool shared_unique(u64 key, u64 call, u64 lane, const py::tuple& table, Array<i64>& seen, Array<i64>& ids,
                   Array<u64>& state) {
    const u64 slots = static_cast<u64>(seen.size());
    require(state.size() == 4 && seen.size() > ids.size() && (slots & (slots - 1)) == 0,
            "shared_unique: shapes");
    const eq::Proposer from = proposer(table);
    i64 *s = seen.mutable_data(), *i = ids.mutable_data();
    u64* st = state.mutable_data();
    const i64 count = ids.size();
    Release release;
    return eq::shared_unique(key, call, lane, from, s, slots - 1, i, count, st);
}

void shared_exact(u64 key, u64 call, u64 lane, const py::tuple& table, Array<u64>& tree, Array<i64>& ids,
                  Array<u64>& state) {
    require(state.size() == 4 && static_cast<u64>(tree.size()) == proposer(table).n + 1,
            "shared_exact: shapes");
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
    m.def("exclusion_hits", &exclusion_hits, raw("indptr"), raw("ids"), raw("rows"), raw("candidates"),
          raw("order"), raw("out"));
    m.def("negatives_draw", &negatives_draw, num("key"), num("lane"), num("first"), raw("row_keys"),
          raw("rows"), raw("exclude_ids"), raw("indptr"), raw("excluded"), raw("excluded_units"), num("n"),
          raw("cells"), raw("units"), raw("prefix"), num("unique"), num("on_exhausted"), num("begin"),
          num("end"), num("budget"), raw("scratch"), raw("ids"), raw("log_q"), raw("mask"));
    m.def("shared_draw", &shared_draw, num("key"), num("call"), num("lane"), raw("table"), num("start"),
          raw("ids"));
    m.def("shared_unique", &shared_unique, num("key"), num("call"), num("lane"), raw("table"), raw("seen"),
          raw("ids"), raw("state"));
    m.def("shared_exact", &shared_exact, num("key"), num("call"), num("lane"), raw("table"), raw("tree"),
          raw("ids"), raw("state"));
}

}  // namespace equipoise::bind
