#include "bind/arrays.hpp"
#include "stream/elementary.hpp"
#include "stream/rng.hpp"

namespace eq = equipoise;

namespace equipoise::bind {

const eq::CpuPath& cpu_path() {
    static const eq::CpuPath path = eq::choose_cpu_path();
    return path;
}

namespace {

py::tuple cpu_path_names() {
    return py::make_tuple(cpu_path().name, cpu_path().disabled);
}

void philox(const Array<u32>& counters, const Array<u32>& keys, Array<u32>& out) {
    require(counters.size() == out.size() && keys.size() * 2 == out.size(), "philox: shapes differ");
    const u32 *c = counters.data(), *k = keys.data();
    u32* o = out.mutable_data();
    const i64 count = out.size() / 4;
    Release release;
    for (i64 i = 0; i < count; ++i) {
        std::copy(c + 4 * i, c + 4 * i + 4, o + 4 * i);
        eq::philox(o + 4 * i, k[2 * i], k[2 * i + 1]);
    }
}

template <double (*kFunction)(double)>
void elementwise(const Array<double>& x, Array<double>& out) {
    require(x.size() == out.size(), "elementwise: shapes differ");
    const double* from = x.data();
    double* to = out.mutable_data();
    const i64 n = x.size();
    Release release;
    for (i64 i = 0; i < n; ++i) to[i] = kFunction(from[i]);
}

}  // namespace

void register_stream(py::module_& m) {
    cpu_path();  // now: if a fork came while a thread without the GIL chose it, the child would wait forever
    m.def("cpu_path", &cpu_path_names);
    m.def("call_key", &eq::call_key, num("seed"), num("epoch"), num("purpose"), num("stream"));
    m.def("philox", &philox, raw("counters"), raw("keys"), raw("out"));
    m.def("log", &elementwise<eq::log>, raw("x"), raw("out"));
    m.def("exp", &elementwise<eq::exp>, raw("x"), raw("out"));
    m.def("log1p", &elementwise<eq::log1p>, raw("x"), raw("out"));
    m.def("expm1", &elementwise<eq::expm1>, raw("x"), raw("out"));
}

}  // namespace equipoise::bind
