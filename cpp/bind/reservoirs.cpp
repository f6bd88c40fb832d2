#include "bind/arrays.hpp"
#include "reservoirs/classes.hpp"
#include "reservoirs/scan.hpp"
#include "reservoirs/select.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

py::tuple as_tuple(const eq::Scan& scan) {
    return py::make_tuple(scan.next, scan.filled, scan.stop, scan.total);
}

eq::Candidates candidates(Array<i64>& rows, Array<double>& ranks, Array<double>& row_weights, i64 most) {
    require(rows.size() == ranks.size() && rows.size() == row_weights.size() &&
                rows.size() >= std::max(most, eq::kBlock),
            "reservoir: too little room for candidates");
    return {rows.mutable_data(), ranks.mutable_data(), row_weights.mutable_data(), rows.size()};
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
        scan = eq::real_kernels<Weight>(cpu_path()).blocks(key, start, w, count, threshold, most, total, out);
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
        scan = eq::real_kernels<Weight>(cpu_path()).rows(stream, count, most, total, out, i);
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

}  // namespace

void register_reservoirs(py::module_& m) {
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
}

}  // namespace equipoise::bind
