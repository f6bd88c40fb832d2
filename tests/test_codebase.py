"""Promises that can be checked by reading the source: mirrored backends, a light import, documented names."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import equipoise

PACKAGE = Path(equipoise.__file__).parent
ROOT = Path(__file__).parents[1]
STUB = PACKAGE / "_core.pyi"

needs_core = pytest.mark.skipif(
    importlib.util.find_spec("equipoise._core") is None, reason="this installation has no compiled kernels"
)
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed (extra 'numba')"
)
needs_checkout = pytest.mark.skipif(not (ROOT / "cpp").is_dir(), reason="the C++ sources are not beside the tests")


def stub():
    """Kernel -> argument names, as _core.pyi declares them; overloads must agree."""
    kernels = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            arguments = [a.arg for a in node.args.args]
            assert not (node.args.posonlyargs or node.args.kwonlyargs or node.args.vararg or node.args.kwarg)
            assert kernels.setdefault(node.name, arguments) == arguments, node.name
    return kernels


# ---- two backends, one interface --------------------------------------------------------------------------


@needs_core
def test_the_compiled_kernels_are_those_of_the_stub():
    core = importlib.import_module("equipoise._core")
    names = {name for name in vars(core) if not name.startswith("_")}
    assert names == set(stub())
    for name, arguments in stub().items():
        # pybind11 writes the signature into the docstring, once for each overload.
        signatures = re.findall(rf"{name}\((.*)\) -> ", getattr(core, name).__doc__)
        assert signatures, name
        for signature in signatures:
            assert re.findall(r"(\w+): ", signature) == arguments, name


@needs_numba
def test_the_twins_are_those_of_the_stub():
    twin = importlib.import_module("equipoise._numba")
    assert sorted(twin.__all__) == sorted(stub())
    for name, arguments in stub().items():
        assert list(inspect.signature(getattr(twin, name)).parameters) == arguments, name
    assert twin.cpu_path() == ("numba", "")


@needs_checkout
def test_the_files_mirror_each_other():
    """What is only C++'s: the binding and the choice of a CPU path. What is only Numba's: the JIT policy."""
    headers = {p.stem for p in (ROOT / "cpp").glob("*.hpp")} - {"cpu"}
    twins = {p.stem for p in (PACKAGE / "_numba").glob("*.py")} - {"__init__", "_jit"}
    assert headers == twins


# What a language gives the other twin: structs and their constructors, Numba's own instruments.
ONLY_CPP = {
    "rng": {"Run"}, "units": {"Wide", "Scaled"}, "alias": set(), "uniform": set(), "elementary": set(),
    "exclusions": {"Blocked"}, "negatives": {"OnExhausted", "Status", "Progress", "Proposer", "Batch", "Scratch"},
    "shared": {"SharedState"},
}  # fmt: skip
ONLY_NUMBA = {
    "rng": {"prefetch", "open_run", "word", "call_key"}, "units": {"add", "_scaled"}, "alias": set(),
    "uniform": set(), "elementary": set(), "exclusions": {"if_less", "has", "add", "sort"},
    "negatives": {"proposer", "units_of"}, "shared": set(),
}  # fmt: skip


@needs_checkout
@pytest.mark.parametrize("name", sorted(ONLY_NUMBA))
def test_functions_mirror_each_other(name):
    """Every function of a header stands in its twin under the same name, and the other way round."""
    header = (ROOT / "cpp" / f"{name}.hpp").read_text()
    functions = set(re.findall(r"^(?:template[^\n]*\n)?(?!using|constexpr|struct|enum|namespace|#)(?:EQUIPOISE_INLINE |inline )*[\w:<>\*]+[ &]+(\w+)\(", header, re.M))
    tree = ast.parse((PACKAGE / "_numba" / f"{name}.py").read_text())
    twins = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert functions - twins == ONLY_CPP[name] & functions
    assert twins - functions <= ONLY_NUMBA[name], twins - functions - ONLY_NUMBA[name]


@needs_checkout
def test_python_is_known_to_the_binding_alone():
    for path in (ROOT / "cpp").glob("*.hpp"):
        text = path.read_text()
        assert "pybind11" not in text, path
        assert "Python.h" not in text, path
