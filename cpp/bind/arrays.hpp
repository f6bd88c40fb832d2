// The parts that all bindings share: arrays that are not converted, records, checks, the GIL and the CPU
// path.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

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

template <class Field>
Field field(const py::handle& value, const char* record) {
    py::detail::make_caster<Field> caster;
    // As for arguments, arrays are not converted, and numbers may be NumPy scalars.
    const bool converts = std::is_arithmetic<Field>::value;
    if (!caster.load(value, converts))
        throw py::type_error(std::string(record) + ": a field has the wrong type");
    return py::detail::cast_op<Field>(std::move(caster));
}

template <class... Fields, std::size_t... kAt>
std::tuple<Fields...> fields(const py::tuple& from, const char* record, std::index_sequence<kAt...>) {
    if (from.size() != sizeof...(Fields))
        throw py::type_error(std::string(record) + ": wrong number of fields");
    return std::tuple<Fields...>{field<Fields>(from[kAt], record)...};
}

// Return the fields of a record, which is a named tuple of arrays and numbers in Python.
template <class... Fields>
std::tuple<Fields...> fields(const py::tuple& from, const char* record) {
    return fields<Fields...>(from, record, std::index_sequence_for<Fields...>{});
}

inline bool all_below(const i64* numbers, i64 count, i64 limit) {
    bool good = true;
    for (i64 i = 0; i < count; ++i) good &= static_cast<u64>(numbers[i]) < static_cast<u64>(limit);
    return good;
}

// An array argument that is never converted: a copy would lose the output written to it.
inline py::arg raw(const char* name) {
    return py::arg(name).noconvert();
}
// A number argument, which may be a NumPy scalar.
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
void register_orders(py::module_& m);

}  // namespace equipoise::bind
