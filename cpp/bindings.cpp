// The module: a list of register calls. bind/ holds the functions, one file a subject, in one rhythm: take
// arrays as they are (never converted), check shapes, release the GIL, call. Users never come here with bad
// input: equipoise/_validate stands above. What is checked again is what would touch foreign memory.
#include "bind/arrays.hpp"

namespace bind = equipoise::bind;

PYBIND11_MODULE(_core, m) {
    m.doc() = "equipoise's C++ kernels; _core.pyi gives their signatures, equipoise._numba the twins.";
    bind::register_stream(m);
    bind::register_tables(m);
    bind::register_negatives(m);
    bind::register_reservoirs(m);
    bind::register_neighbors(m);
    bind::register_smote(m);
}
