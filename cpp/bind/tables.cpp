#include "bind/arrays.hpp"
#include "tables/alias.hpp"
#include "tables/units.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

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

u64 unit_digest(u64 n, const Array<u64>& units) {
    require(units.size() == 0 || static_cast<u64>(units.size()) == n, "unit_digest: n and units differ");
    const u64* u = data_or_null(units);
    Release release;
    return eq::unit_digest(n, u);
}

bool alias_build(const Array<u64>& units, Array<u64>& cells) {
    require(units.size() == cells.size(), "alias_build: shapes differ");
    const u64* u = units.data();
    u64* c = cells.mutable_data();
    const i64 n = units.size();
    Release release;
    return eq::alias_build(u, n, c);
}

bool alias_check(const Array<u64>& units, const Array<u64>& cells) {
    require(units.size() == cells.size(), "alias_check: shapes differ");
    const u64 *u = units.data(), *c = cells.data();
    const i64 n = units.size();
    Release release;
    return eq::alias_check(u, n, c);
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

template <class Weight>
void register_units(py::module_& m) {
    m.def("unit_sum", &unit_sum<Weight>, raw("weights"), num("grid"));
    m.def("unit_floor", &unit_floor<Weight>, raw("weights"), num("high"), num("low"), num("point"),
          raw("units"));
}

}  // namespace

void register_tables(py::module_& m) {
    register_units<double>(m);
    register_units<i64>(m);
    m.def("unit_settle", &unit_settle, raw("units"), num("surplus"));
    m.def("unit_digest", &unit_digest, num("n"), raw("units"));
    m.def("alias_build", &alias_build, raw("units"), raw("cells"));
    m.def("alias_check", &alias_check, raw("units"), raw("cells"));
    m.def("alias_draw", &alias_draw, num("key"), raw("cells"), num("start"), raw("out"));
    m.def("uniform_draw", &uniform_draw, num("key"), num("n"), num("start"), raw("out"));
}

}  // namespace equipoise::bind
