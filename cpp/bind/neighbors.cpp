#include "bind/arrays.hpp"
#include "neighbors/blocks.hpp"
#include "neighbors/search.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

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
    const eq::KnnSearch<T> search = eq::real_kernels<T>(cpu_path()).knn;
    Release release;
    if (begin < end) search(points, blocks, others, q, begin, end, itself, k, i, distance);
}

}  // namespace

void register_neighbors(py::module_& m) {
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
}

}  // namespace equipoise::bind
