// The module: a list of register calls. bind/ has the functions, one file per subject. Each function takes
// arrays without converting them, checks shapes, releases the GIL and calls a kernel. Bad input from users is
// refused earlier, in equipoise/_validate; checks here only prevent access to foreign memory.
#include "bind/arrays.hpp"

namespace bind = equipoise::bind;

PYBIND11_MODULE(_core, m) {
    m.doc() = "C++ kernels of equipoise. _core.pyi has their signatures, equipoise._numba their twins.";
    bind::register_stream(m);
    bind::register_tables(m);
    bind::register_negatives(m);
    bind::register_reservoirs(m);
    bind::register_neighbors(m);
    bind::register_smote(m);
    bind::register_orders(m);
}
