#include "bind/arrays.hpp"
#include "smote/synthesis.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

namespace {

template <class T>
void interpolate(const Array<T>& X, const Array<i64>& parents, const Array<i64>& neighbours,
                 const Array<T>& gaps, Array<T>& out) {
    require(X.ndim() == 2 && out.ndim() == 2 && X.shape(1) == out.shape(1) &&
                parents.size() == out.shape(0) && neighbours.size() == parents.size() &&
                gaps.size() == parents.size(),
            "interpolate: shapes differ");
    const i64 n = X.shape(0), d = X.shape(1), count = parents.size();
    require(all_below(parents.data(), count, n) && all_below(neighbours.data(), count, n),
            "interpolate: a row outside X");
    const T *x = X.data(), *g = gaps.data();
    const i64 *p = parents.data(), *b = neighbours.data();
    T* o = out.mutable_data();
    Release release;
    eq::interpolate(x, d, p, b, g, count, o);
}

// What both CSR kernels read: rows that are there, whose entries are there.
void require_csr(const Array<i64>& indices, const Array<i64>& indptr, const Array<i64>& parents,
                 const Array<i64>& neighbours) {
    const i64 rows = indptr.size() - 1, count = parents.size();
    require(rows >= 0 && neighbours.size() == count && all_below(parents.data(), count, rows) &&
                all_below(neighbours.data(), count, rows),
            "interpolate_csr: a row outside the matrix");
    const i64* p = indptr.data();
    bool good = true;
    for (const i64* some : {parents.data(), neighbours.data()}) {
        for (i64 i = 0; i < count; ++i)
            good &= 0 <= p[some[i]] && p[some[i]] <= p[some[i] + 1] && p[some[i] + 1] <= indices.size();
    }
    require(good, "interpolate_csr: indptr does not fit the indices");
}

void interpolate_csr_count(const Array<i64>& indices, const Array<i64>& indptr, const Array<i64>& parents,
                           const Array<i64>& neighbours, Array<i64>& counts) {
    require(counts.size() == parents.size(), "interpolate_csr_count: shapes differ");
    require_csr(indices, indptr, parents, neighbours);
    const i64 *i = indices.data(), *p = indptr.data(), *a = parents.data(), *b = neighbours.data();
    i64* c = counts.mutable_data();
    const i64 count = counts.size();
    Release release;
    eq::interpolate_csr_count(i, p, a, b, count, c);
}

template <class T>
void interpolate_csr(const Array<T>& data, const Array<i64>& indices, const Array<i64>& indptr,
                     const Array<i64>& parents, const Array<i64>& neighbours, const Array<T>& gaps,
                     const Array<i64>& out_indptr, Array<T>& out_data, Array<i64>& out_indices) {
    const i64 count = parents.size();
    require(data.size() == indices.size() && gaps.size() == count && out_indptr.size() == count + 1 &&
                out_data.size() == out_indices.size(),
            "interpolate_csr: shapes differ");
    require_csr(indices, indptr, parents, neighbours);
    const i64 *i = indices.data(), *p = indptr.data(), *a = parents.data(), *b = neighbours.data(),
              *op = out_indptr.data();
    bool good = op[0] >= 0 && op[count] <= out_data.size();
    for (i64 row = 0; row < count; ++row) good &= op[row] <= op[row + 1];
    require(good, "interpolate_csr: out_indptr does not fit");
    const T *x = data.data(), *g = gaps.data();
    T* o = out_data.mutable_data();
    i64* oi = out_indices.mutable_data();
    Release release;
    eq::interpolate_csr(x, i, p, a, b, g, count, op, o, oi);
}

template <class T>
void column_moments(const Array<T>& X, const Array<double>& centre, Array<double>& sums,
                    Array<double>& squares) {
    require(X.ndim() == 2 && centre.size() == X.shape(1) && sums.size() == X.shape(1) &&
                squares.size() == X.shape(1),
            "column_moments: shapes differ");
    const T* x = X.data();
    const double* c = centre.data();
    double *s = sums.mutable_data(), *q = squares.mutable_data();
    const i64 n = X.shape(0), d = X.shape(1);
    Release release;
    eq::column_moments(x, n, d, c, s, q);
}

template <class T>
void smote_draw(u64 key, u64 lane, u64 first, const Array<T>& X, const Array<std::int32_t>& table,
                const Array<u64>& cells, const Array<i64>& categorical, Array<T>& votes, Array<T>& out,
                Array<i64>& parents, Array<i64>& neighbours, Array<T>& gaps) {
    require(X.ndim() == 2 && table.ndim() == 2 && out.ndim() == 2 && table.shape(0) == X.shape(0) &&
                out.shape(1) == X.shape(1) && (cells.size() == 0 || cells.size() == X.shape(0)) &&
                parents.size() == neighbours.size() && parents.size() == gaps.size() &&
                (parents.size() == 0 || parents.size() == out.shape(0)),
            "smote_draw: shapes differ");
    const i64 n = X.shape(0), d = X.shape(1), k = table.shape(1), count = out.shape(0);
    require(n > 0 && n >> 31 == 0 && k > 0 && k >> 31 == 0 && votes.size() >= k &&
                all_below(categorical.data(), categorical.size(), d),
            "smote_draw: no rows, too many, no neighbours, no room, or a column outside X");
    const eq::Neighbourhood<T> from{
        X.data(), n, d, table.data(), k, data_or_null(cells), categorical.data(), categorical.size()};
    const bool tell = parents.size() > 0;
    T *v = votes.mutable_data(), *o = out.mutable_data(), *g = gaps.mutable_data();
    i64 *p = parents.mutable_data(), *b = neighbours.mutable_data();
    Release release;
    eq::real_kernels<T>(cpu_path()).smote(from, key, lane, first, count, v, o, tell ? p : nullptr, b, g);
}

}  // namespace

void register_smote(py::module_& m) {
    m.def("interpolate", &interpolate<float>, raw("X"), raw("parents"), raw("neighbours"), raw("gaps"),
          raw("out"));
    m.def("interpolate", &interpolate<double>, raw("X"), raw("parents"), raw("neighbours"), raw("gaps"),
          raw("out"));
    m.def("interpolate_csr_count", &interpolate_csr_count, raw("indices"), raw("indptr"), raw("parents"),
          raw("neighbours"), raw("counts"));
    m.def("interpolate_csr", &interpolate_csr<float>, raw("data"), raw("indices"), raw("indptr"),
          raw("parents"), raw("neighbours"), raw("gaps"), raw("out_indptr"), raw("out_data"),
          raw("out_indices"));
    m.def("interpolate_csr", &interpolate_csr<double>, raw("data"), raw("indices"), raw("indptr"),
          raw("parents"), raw("neighbours"), raw("gaps"), raw("out_indptr"), raw("out_data"),
          raw("out_indices"));
    m.def("column_moments", &column_moments<float>, raw("X"), raw("centre"), raw("sums"), raw("squares"));
    m.def("column_moments", &column_moments<double>, raw("X"), raw("centre"), raw("sums"), raw("squares"));
    m.def("smote_draw", &smote_draw<float>, num("key"), num("lane"), num("first"), raw("X"), raw("table"),
          raw("cells"), raw("categorical"), raw("votes"), raw("out"), raw("parents"), raw("neighbours"),
          raw("gaps"));
    m.def("smote_draw", &smote_draw<double>, num("key"), num("lane"), num("first"), raw("X"), raw("table"),
          raw("cells"), raw("categorical"), raw("votes"), raw("out"), raw("parents"), raw("neighbours"),
          raw("gaps"));
}

}  // namespace equipoise::bind
