#include "bind/arrays.hpp"
#include "smote/synthesis.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

// Return the arrays of some pairs, which keep them alive.
template <class T>
std::tuple<Array<i64>, Array<i64>, Array<T>> pairs(const py::tuple& from) {
    auto made = fields<Array<i64>, Array<i64>, Array<T>>(from, "pairs");
    const i64 count = std::get<0>(made).size();
    require(std::get<1>(made).size() == count && std::get<2>(made).size() == count, "pairs: shapes differ");
    return made;
}

template <class T>
void interpolate(const Array<T>& X, const py::tuple& pairs, Array<T>& out) {
    const auto [parents, neighbors, gaps] = bind::pairs<T>(pairs);
    const i64 count = parents.size();
    require(X.ndim() == 2 && out.ndim() == 2 && X.shape(1) == out.shape(1) && count == out.shape(0),
            "interpolate: shapes differ");
    const i64 n = X.shape(0), d = X.shape(1);
    require(all_below(parents.data(), count, n) && all_below(neighbors.data(), count, n),
            "interpolate: a row outside X");
    const eq::Pairs<T> between{parents.data(), neighbors.data(), gaps.data()};
    const T* x = X.data();
    T* o = out.mutable_data();
    Release release;
    eq::interpolate(x, d, between, count, o);
}

// Require what both CSR kernels read: rows inside the matrix, with entries inside its arrays.
void require_csr(const Array<i64>& indices, const Array<i64>& indptr, const Array<i64>& parents,
                 const Array<i64>& neighbors) {
    const i64 rows = indptr.size() - 1, count = parents.size();
    require(rows >= 0 && neighbors.size() == count && all_below(parents.data(), count, rows) &&
                all_below(neighbors.data(), count, rows),
            "interpolate_csr: a row outside the matrix");
    const i64* p = indptr.data();
    bool good = true;
    for (const i64* some : {parents.data(), neighbors.data()}) {
        for (i64 i = 0; i < count; ++i)
            good &= 0 <= p[some[i]] && p[some[i]] <= p[some[i] + 1] && p[some[i] + 1] <= indices.size();
    }
    require(good, "interpolate_csr: indptr does not fit the indices");
}

void interpolate_csr_count(const Array<i64>& indices, const Array<i64>& indptr, const Array<i64>& parents,
                           const Array<i64>& neighbors, Array<i64>& counts) {
    require(counts.size() == parents.size(), "interpolate_csr_count: shapes differ");
    require_csr(indices, indptr, parents, neighbors);
    const i64 *i = indices.data(), *p = indptr.data(), *a = parents.data(), *b = neighbors.data();
    i64* c = counts.mutable_data();
    const i64 count = counts.size();
    Release release;
    eq::interpolate_csr_count(i, p, a, b, count, c);
}

template <class T>
void interpolate_csr(const Array<T>& data, const Array<i64>& indices, const Array<i64>& indptr,
                     const py::tuple& pairs, const Array<i64>& out_indptr, Array<T>& out_data,
                     Array<i64>& out_indices) {
    const auto [parents, neighbors, gaps] = bind::pairs<T>(pairs);
    const i64 count = parents.size();
    require(data.size() == indices.size() && out_indptr.size() == count + 1 &&
                out_data.size() == out_indices.size(),
            "interpolate_csr: shapes differ");
    require_csr(indices, indptr, parents, neighbors);
    const i64 *i = indices.data(), *p = indptr.data(), *op = out_indptr.data();
    bool good = op[0] >= 0 && op[count] <= out_data.size();
    for (i64 row = 0; row < count; ++row) good &= op[row] <= op[row + 1];
    require(good, "interpolate_csr: out_indptr does not fit");
    const eq::Pairs<T> between{parents.data(), neighbors.data(), gaps.data()};
    const T* x = data.data();
    T* o = out_data.mutable_data();
    i64* oi = out_indices.mutable_data();
    Release release;
    eq::interpolate_csr(x, i, p, between, count, op, o, oi);
}

template <class T>
void column_moments(const Array<T>& X, const Array<double>& center, Array<double>& sums,
                    Array<double>& squares) {
    require(X.ndim() == 2 && center.size() == X.shape(1) && sums.size() == X.shape(1) &&
                squares.size() == X.shape(1),
            "column_moments: shapes differ");
    const T* x = X.data();
    const double* c = center.data();
    double *s = sums.mutable_data(), *q = squares.mutable_data();
    const i64 n = X.shape(0), d = X.shape(1);
    Release release;
    eq::column_moments(x, n, d, c, s, q);
}

template <class T>
eq::Neighborhood<T> neighborhood(const py::tuple& from) {
    const auto [X, table, cells, categorical] =
        fields<Array<T>, Array<std::int32_t>, Array<u64>, Array<i64>>(from, "source");
    require(X.ndim() == 2 && table.ndim() == 2 && table.shape(0) == X.shape(0) &&
                (cells.size() == 0 || cells.size() == X.shape(0)),
            "source: shapes differ");
    const i64 n = X.shape(0), d = X.shape(1), k = table.shape(1);
    require(n > 0 && n >> 31 == 0 && k > 0 && k >> 31 == 0 &&
                all_below(categorical.data(), categorical.size(), d),
            "source: no rows, too many, no neighbors, or a column outside X");
    return {X.data(), n, d, table.data(), k, data_or_null(cells), categorical.data(), categorical.size()};
}

template <class T>
void smote_draw(u64 key, u64 lane, u64 first, const py::tuple& source, Array<T>& votes, bool with_parents,
                Array<T>& out, const py::tuple& pairs) {
    const eq::Neighborhood<T> from = neighborhood<T>(source);
    auto [parents, neighbors, gaps] = bind::pairs<T>(pairs);
    require(out.ndim() == 2 && out.shape(1) == from.d && votes.size() >= from.k &&
                (!with_parents || parents.size() == out.shape(0)),
            "smote_draw: shapes differ");
    const eq::NewPairs<T> made{parents.mutable_data(), neighbors.mutable_data(), gaps.mutable_data()};
    const i64 count = out.shape(0);
    T *v = votes.mutable_data(), *o = out.mutable_data();
    Release release;
    eq::real_kernels<T>(cpu_path()).smote(from, key, lane, first, count, v, with_parents, o, made);
}

template <class T>
void register_kernels(py::module_& m) {
    m.def("interpolate", &interpolate<T>, raw("X"), raw("pairs"), raw("out"));
    m.def("interpolate_csr", &interpolate_csr<T>, raw("data"), raw("indices"), raw("indptr"), raw("pairs"),
          raw("out_indptr"), raw("out_data"), raw("out_indices"));
    m.def("column_moments", &column_moments<T>, raw("X"), raw("center"), raw("sums"), raw("squares"));
    m.def("smote_draw", &smote_draw<T>, num("key"), num("lane"), num("first"), raw("source"), raw("votes"),
          num("with_parents"), raw("out"), raw("pairs"));
}

}  // namespace

void register_smote(py::module_& m) {
    m.def("interpolate_csr_count", &interpolate_csr_count, raw("indices"), raw("indptr"), raw("parents"),
          raw("neighbors"), raw("counts"));
    register_kernels<float>(m);
    register_kernels<double>(m);
}

}  // namespace equipoise::bind
