#include "bind/arrays.hpp"
#include "orders/batches.hpp"
#include "orders/classes.hpp"
#include "orders/quotas.hpp"
#include "orders/race.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

using Integers = Array<i64>;

py::tuple race_band(u64 key, i64 first, const Array<double>& weights, double low, double high,
                    Array<i64>& rows, Array<double>& ranks) {
    const i64 count = weights.size();
    require(first >= 0 && first % eq::kBlock == 0 && rows.size() >= count && ranks.size() >= count,
            "race_band: first within a block, or too little room");
    const double* w = weights.data();
    i64* found = rows.mutable_data();
    double* r = ranks.mutable_data();
    eq::BandScan scan{};
    {
        Release release;
        scan = eq::race_band(key, first, w, count, low, high, found, r);
    }
    return py::make_tuple(scan.below, scan.found);
}

i64 class_group(const Integers& codes, i64 first, const Integers& ends, Integers& places, Array<u32>& rows) {
    const i64 count = codes.size(), num_classes = ends.size();
    const i64 *c = codes.data(), *e = ends.data();
    i64* const p = places.mutable_data();
    u32* const r = rows.mutable_data();
    bool good = places.size() == num_classes && first >= 0;
    for (i64 i = 0; good && i < num_classes; ++i) good = 0 <= p[i] && e[i] <= rows.size();
    require(good, "class_group: shapes differ, or places outside rows");
    Release release;
    return eq::class_group(c, count, first, e, num_classes, p, r);
}

eq::Shares shares_of(const py::tuple& shares) {
    const auto [whole, rest, left] = fields<Integers, Integers, i64>(shares, "shares");
    const i64 count = rest.size();
    require(whole.size() == count && left >= 0 && left <= count && all_below(rest.data(), count, eq::kUnits),
            "shares: shapes differ, or a rest outside [0, 2^52)");
    return {whole.data(), rest.data(), left, count};
}

void class_quotas(i64 batches, const py::tuple& shares, Integers& lags, Integers& totals, Integers& scratch,
                  Integers& out) {
    const eq::Shares owed = shares_of(shares);
    const i64 count = owed.num_classes;
    require(batches >= 0 && lags.size() == count && totals.size() == count && scratch.size() >= 3 * count &&
                (out.size() == 0 || (out.ndim() == 2 && out.shape(0) == batches && out.shape(1) == count)),
            "class_quotas: shapes differ");
    i64 *l = lags.mutable_data(), *t = totals.mutable_data(), *s = scratch.mutable_data();
    bool good = true;
    for (i64 c = 0; c < count; ++c)
        good &= -eq::kUnits < l[c] && l[c] < eq::kUnits && (owed.rest[c] > 0 || l[c] == 0);
    require(good, "class_quotas: a lag of a row or more, or of a class without a rest");
    i64* const o = out.size() ? out.mutable_data() : nullptr;
    Release release;
    eq::class_quotas(batches, owed, l, t, s, o);
}

eq::ClassRows class_rows_of(const py::tuple& source) {
    const auto [rows, offsets] = fields<Array<u32>, Integers>(source, "source");
    const i64 count = offsets.size() - 1;
    bool good = count >= 0 && offsets.data()[0] == 0 && offsets.data()[count] == rows.size();
    for (i64 c = 0; good && c < count; ++c) good = offsets.data()[c] <= offsets.data()[c + 1];
    require(good && rows.size() >> 32 == 0, "source: offsets do not fit");
    return {rows.data(), offsets.data(), count};
}

void class_rows(u64 key, const py::tuple& source, const Integers& begins, const Integers& ends,
                Integers& out) {
    const eq::ClassRows from = class_rows_of(source);
    require(begins.ndim() == 2 && ends.ndim() == 2 && begins.shape(0) == ends.shape(0) &&
                begins.shape(1) == from.num_classes && ends.shape(1) == from.num_classes,
            "class_rows: shapes differ");
    const i64 *b = begins.data(), *e = ends.data();
    const i64 batches = begins.shape(0), count = from.num_classes;
    i64 room = out.size();
    for (i64 i = 0; i < batches * count; ++i) {
        const i64 drawn = b[i] <= e[i] && b[i] >= 0 ? e[i] - b[i] : -1, c = i % count;
        require(drawn >= 0 && drawn <= room && (drawn == 0 || from.offsets[c] < from.offsets[c + 1]),
                "class_rows: begins and ends do not fit");
        room -= drawn;
    }
    require(room == 0, "class_rows: begins and ends do not fit");
    i64* const o = out.mutable_data();
    Release release;
    eq::class_rows(key, from, b, e, batches, o);
}

void batch_shuffle(u64 key, u64 first, u64 step, Integers& out) {
    require(out.ndim() == 2, "batch_shuffle: out must be 2-D");
    const i64 batches = out.shape(0), width = out.shape(1);
    i64* const o = out.mutable_data();
    Release release;
    eq::batch_shuffle(key, first, step, batches, width, o);
}

}  // namespace

void register_orders(py::module_& m) {
    m.def("race_band", &race_band, num("key"), num("first"), raw("weights"), num("low"), num("high"),
          raw("rows"), raw("ranks"));
    m.def("class_group", &class_group, raw("codes"), num("first"), raw("ends"), raw("places"), raw("rows"));
    m.def("class_quotas", &class_quotas, num("batches"), raw("shares"), raw("lags"), raw("totals"),
          raw("scratch"), raw("out"));
    m.def("class_rows", &class_rows, num("key"), raw("source"), raw("begins"), raw("ends"), raw("out"));
    m.def("batch_shuffle", &batch_shuffle, num("key"), num("first"), num("step"), raw("out"));
}

}  // namespace equipoise::bind
