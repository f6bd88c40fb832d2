// What all bindings share: arrays as they are (never converted), checks, the GIL, the CPU path.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>

#include "cpu.hpp"
#include "stream/rng.hpp"

namespace equipoise::bind {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

using Release = py::gil_scoped_release;

inline void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

template <class T>
const T* data_or_null(const Array<T>& a) {
    return a.size() ? a.data() : nullptr;
}

inline bool all_below(const i64* numbers, i64 count, i64 limit) {
    bool good = true;
    for (i64 i = 0; i < count; ++i) good &= static_cast<u64>(numbers[i]) < static_cast<u64>(limit);
    return good;
}

// An array is taken as it is: no silent conversion, no copy that an output would be written into.
inline py::arg raw(const char* name) {
    return py::arg(name).noconvert();
}
// A number may be a NumPy scalar.
inline py::arg num(const char* name) {
    return py::arg(name);
}

const CpuPath& cpu_path();  // chosen once, in stream.cpp

void register_stream(py::module_& m);
void register_tables(py::module_& m);
void register_negatives(py::module_& m);
void register_reservoirs(py::module_& m);
void register_neighbors(py::module_& m);
void register_smote(py::module_& m);

}  // namespace equipoise::bind
