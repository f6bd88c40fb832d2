#include "bind/arrays.hpp"
#include "orders/race.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

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

}  // namespace

void register_orders(py::module_& m) {
    m.def("race_band", &race_band, num("key"), num("first"), raw("weights"), num("low"), num("high"),
          raw("rows"), raw("ranks"));
}

}  // namespace equipoise::bind
