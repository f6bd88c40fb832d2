#include "bind/arrays.hpp"
#include "reservoirs/classes.hpp"
#include "reservoirs/scan.hpp"
#include "reservoirs/select.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

using Integers = Array<i64>;
using Reals = Array<double>;

py::tuple as_tuple(const eq::Scan& scan) {
    return py::make_tuple(scan.next, scan.filled, scan.stop, scan.total);
}

// Room for candidates, with the ids of those that the kernel for rows finds.
struct Room {
    eq::Candidates out;
    i64* ids;
};

Room room_of(const py::tuple& candidates, i64 max_points) {
    auto [rows, ids, ranks, weights, classes] =
        fields<Integers, Integers, Reals, Reals, Integers>(candidates, "candidates");
    require(rows.size() == ranks.size() && rows.size() == weights.size() && rows.size() == ids.size() &&
                rows.size() == classes.size() && rows.size() >= std::max(max_points, eq::kBlock),
            "candidates: too little room");
    return {{rows.mutable_data(), ranks.mutable_data(), weights.mutable_data(), classes.mutable_data(),
             rows.size()},
            ids.mutable_data()};
}

eq::Slots slots_of(const py::tuple& slots) {
    auto [labels, numbers, word] = fields<Integers, Integers, u64>(slots, "slots");
    const u64 size = static_cast<u64>(labels.size());
    require(numbers.size() == labels.size() && size != 1 && (size & (size - 1)) == 0,
            "slots: labels and numbers must have the same size, a power of two");
    if (size == 0) return {nullptr, nullptr, 0, 0};
    return {labels.mutable_data(), numbers.mutable_data(), word, size - 1};
}

template <class Weight>
py::tuple reservoir_blocks(u64 key, i64 start, const Array<Weight>& weights, double threshold, i64 max_points,
                           double total, const py::tuple& candidates) {
    require(start >= 0 && max_points >= 0 && weights.size() % eq::kRows == 0,
            "reservoir_blocks: whole blocks only");
    const Room room = room_of(candidates, max_points);
    const Weight* w = weights.data();
    const i64 count = weights.size();
    eq::Scan scan{};
    {
        Release release;
        scan = eq::real_kernels<Weight>(cpu_path())
                   .blocks(key, start, w, count, threshold, max_points, total, room.out);
    }
    return as_tuple(scan);
}

template <class Weight>
py::tuple reservoir_rows(const py::tuple& stream, const Array<Weight>& weights, const Integers& classes,
                         const py::tuple& slots, const Reals& thresholds, Integers& counts, i64 max_points,
                         double total, const py::tuple& candidates) {
    const auto [key, start, ids, times, rate] = fields<u64, i64, Integers, Reals, double>(stream, "stream");
    const i64 count = std::max(weights.size(), classes.size());
    const eq::Slots table = slots_of(slots);
    require(start >= 0 && max_points >= 1 &&
                (thresholds.size() > 0 || (table.labels && classes.size() == count)) &&
                (weights.size() == 0 || weights.size() == count) &&
                (ids.size() == 0 || ids.size() == count) &&
                (classes.size() == 0 || classes.size() == count) &&
                (times.size() == 0 || times.size() == count) &&
                (classes.size() == 0 || (counts.size() == thresholds.size() && max_points == 1)),
            "reservoir_rows: shapes differ");
    require(table.labels || all_below(classes.data(), classes.size(), thresholds.size()),
            "reservoir_rows: a class without a threshold");
    const Room room = room_of(candidates, max_points);
    const eq::Stream<Weight> rows{key,
                                  start,
                                  data_or_null(ids),
                                  data_or_null(times),
                                  rate,
                                  data_or_null(weights),
                                  data_or_null(classes),
                                  table,
                                  thresholds.data(),
                                  static_cast<u64>(thresholds.size()),
                                  counts.mutable_data()};
    eq::Scan scan{};
    {
        Release release;
        scan = eq::real_kernels<Weight>(cpu_path()).rows(rows, count, max_points, total, room.out, room.ids);
    }
    return as_tuple(scan);
}

i64 reservoir_select(const py::tuple& rows, const Integers& quotas, Reals& thresholds, Integers& scratch,
                     Reals& sorted, Integers& keep) {
    const auto [classes, ranks, ids] = fields<Integers, Reals, Integers>(rows, "rows");
    const i64 count = ranks.size(), num_classes = quotas.size();
    require(ids.size() == count && (classes.size() == 0 || classes.size() == count) && keep.size() >= count &&
                sorted.size() >= count && scratch.size() >= count + 2 * num_classes &&
                thresholds.size() == num_classes && num_classes > 0,
            "reservoir_select: shapes differ");
    require(all_below(classes.data(), classes.size(), num_classes),
            "reservoir_select: a class without a quota");
    const eq::RankedRows ranked{data_or_null(classes), ranks.data(), ids.data(), count};
    const i64* q = quotas.data();
    double *t = thresholds.mutable_data(), *s = sorted.mutable_data();
    i64 *k = keep.mutable_data(), *room = scratch.mutable_data();
    Release release;
    return eq::reservoir_select(ranked, q, num_classes, t, room, s, k);
}

bool reservoir_equal(const Reals& ranks, const Integers& rows, Array<u64>& seen, Reals& room) {
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

i64 class_lookup(const Integers& labels, const py::tuple& slots, Integers& known, Integers& numbers) {
    const eq::Slots table = slots_of(slots);
    require(table.labels && known.size() == 1 && numbers.size() == labels.size(),
            "class_lookup: shapes differ");
    const i64* l = labels.data();
    i64 *k = known.mutable_data(), *n = numbers.mutable_data();
    const i64 count = labels.size();
    Release release;
    return eq::class_lookup(l, count, table, k, n);
}

template <class Weight>
void register_scans(py::module_& m) {
    m.def("reservoir_blocks", &reservoir_blocks<Weight>, num("key"), num("start"), raw("weights"),
          num("threshold"), num("max_points"), num("total"), raw("candidates"));
    m.def("reservoir_rows", &reservoir_rows<Weight>, raw("stream"), raw("weights"), raw("classes"),
          raw("slots"), raw("thresholds"), raw("counts"), num("max_points"), num("total"), raw("candidates"));
}

}  // namespace

void register_reservoirs(py::module_& m) {
    register_scans<float>(m);
    register_scans<double>(m);
    m.def("reservoir_select", &reservoir_select, raw("rows"), raw("quotas"), raw("thresholds"),
          raw("scratch"), raw("sorted"), raw("keep"));
    m.def("reservoir_equal", &reservoir_equal, raw("ranks"), raw("rows"), raw("seen"), raw("room"));
    m.def("class_lookup", &class_lookup, raw("labels"), raw("slots"), raw("known"), raw("numbers"));
}

}  // namespace equipoise::bind
