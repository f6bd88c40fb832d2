#include "bind/arrays.hpp"
#include "neighbors/blocks.hpp"
#include "neighbors/search.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

template <class T>
eq::Points<T> points(const py::tuple& from, const char* name) {
    const auto [x, codes, scale, candidate_scale, mismatch] =
        fields<Array<T>, Array<i32>, double, double, double>(from, name);
    require(x.ndim() == 2 && codes.ndim() == 2 && codes.shape(0) == x.shape(0), "points: shapes differ");
    return {data_or_null(x), data_or_null(codes), x.shape(0), x.shape(1), codes.shape(1),
            scale,           candidate_scale,     mismatch};
}

// Return the blocks of n points in d columns. `data` returns the pointer to an array's elements, which is
// const if the blocks are only read.
template <class Result, class Data>
Result blocks(const py::tuple& from, i64 n, i64 d, Data data) {
    using Floats = Array<float>;
    using Doubles = Array<double>;
    auto [order, panels, half_sq_norms, centers, box_lows, box_highs, radii, first_rows] =
        fields<Array<i64>, Floats, Floats, Doubles, Doubles, Doubles, Doubles, Array<i64>>(from, "blocks");
    const i64 count = first_rows.size();
    require(order.size() == n && count == (n + eq::kLeaf - 1) / eq::kLeaf &&
                panels.size() == count * eq::kLeaf * d && half_sq_norms.size() == count * eq::kLeaf &&
                centers.size() == count * d && box_lows.size() == count * d &&
                box_highs.size() == count * d && radii.size() == count,
            "blocks: shapes differ");
    return {order.data(),    data(panels), data(half_sq_norms), data(centers), data(box_lows),
            data(box_highs), data(radii),  data(first_rows),    count};
}

template <class T>
void knn_split(const Array<T>& x, i64 begin, i64 end, i64 max_points, Array<i64>& order) {
    require(x.ndim() == 2 && order.size() == x.shape(0) && 0 <= begin && begin <= end && end <= x.shape(0),
            "knn_split: shapes differ");
    const T* p = data_or_null(x);
    i64* o = order.mutable_data();
    const i64 d = x.shape(1);
    Release release;
    eq::knn_split(p, d, begin, end, max_points, o);
}

template <class T>
void knn_pack(const Array<T>& x, double candidate_scale, i64 begin, i64 end, const py::tuple& blocks) {
    require(x.ndim() == 2, "knn_pack: x must be 2-D");
    const i64 n = x.shape(0), d = x.shape(1);
    const auto made =
        bind::blocks<eq::NewBlocks>(blocks, n, d, [](auto& array) { return array.mutable_data(); });
    require(0 <= begin && begin <= end && end <= made.count, "knn_pack: no such blocks");
    const T* p = data_or_null(x);
    Release release;
    eq::knn_pack(p, n, d, candidate_scale, begin, end, made);
}

template <class T>
bool knn_search(const py::tuple& points, const py::tuple& blocks, const py::tuple& queries,
                const Array<i64>& query_order, i64 begin, i64 end, bool self_join, Array<i64>& indices,
                Array<T>& distances) {
    const eq::Points<T> from = bind::points<T>(points, "points"), asked = bind::points<T>(queries, "queries");
    const auto made =
        bind::blocks<eq::Blocks>(blocks, from.n, from.d, [](auto& array) { return array.data(); });
    require(indices.ndim() == 2 && distances.ndim() == 2, "knn_search: shapes differ");
    const i64 k = indices.shape(1);
    require(asked.d == from.d && asked.c == from.c && query_order.size() == asked.n && 0 <= begin &&
                begin <= end && end <= asked.n && end - begin <= eq::kLeaf && indices.shape(0) == asked.n &&
                distances.shape(0) == asked.n && distances.shape(1) == k && 1 <= k &&
                k <= from.n - self_join && (!self_join || asked.n == from.n),
            "knn_search: shapes differ");
    const i64* order = query_order.data();
    i64* found = indices.mutable_data();
    T* distance = distances.mutable_data();
    const eq::KnnSearch<T> search = eq::real_kernels<T>(cpu_path()).knn;
    Release release;
    return begin == end || search(from, made, asked, order, begin, end, self_join, k, found, distance);
}

template <class T>
void register_kernels(py::module_& m) {
    m.def("knn_split", &knn_split<T>, raw("x"), num("begin"), num("end"), num("max_points"), raw("order"));
    m.def("knn_pack", &knn_pack<T>, raw("x"), num("candidate_scale"), num("begin"), num("end"),
          raw("blocks"));
    m.def("knn_search", &knn_search<T>, raw("points"), raw("blocks"), raw("queries"), raw("query_order"),
          num("begin"), num("end"), num("self_join"), raw("indices"), raw("distances"));
}

}  // namespace

void register_neighbors(py::module_& m) {
    register_kernels<float>(m);
    register_kernels<double>(m);
}

}  // namespace equipoise::bind
