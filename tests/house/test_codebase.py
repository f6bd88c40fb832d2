"""Promises that can be kept by reading the source: mirrored backends, a light import, documented names."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import equipoise

PACKAGE = Path(equipoise.__file__).parent
ROOT = Path(__file__).parents[2]
CPP = ROOT / "cpp"


def by_subject(folder, pattern):
    """Files of the subjects below a folder, by "subject/name"."""
    paths = sorted(folder.glob(f"*/{pattern}"))
    return {f"{p.parent.name}/{p.stem}": p for p in paths if not p.stem.startswith("_")}


# Which CPU path is chosen (cpu.hpp) is for C++ alone: Numba compiles for its own CPU.
HEADERS = {name: path for name, path in by_subject(CPP, "*.hpp").items() if not name.startswith("bind/")}
TWINS = by_subject(PACKAGE / "_numba", "*.py")

needs_core = pytest.mark.skipif(
    importlib.util.find_spec("equipoise._core") is None, reason="this installation has no compiled kernels"
)
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed (extra 'numba')"
)
needs_checkout = pytest.mark.skipif(not CPP.is_dir(), reason="the C++ sources are not beside the tests")


def stub():
    """Kernel -> argument names, as _core.pyi declares them; overloads agree."""
    kernels = {}
    for node in ast.parse((PACKAGE / "_core.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert not any((node.args.posonlyargs, node.args.kwonlyargs, node.args.vararg, node.args.kwarg))
            arguments = [a.arg for a in node.args.args]
            assert kernels.setdefault(node.name, arguments) == arguments, node.name
    return kernels


def functions_of(header):
    """Names of the functions that a header defines at its top level."""
    text = re.sub(r"//[^\n]*", "", header.read_text())
    heads = re.findall(r"^(?:\w+ )*?[\w:]+(?:<[^<>]*>)?[ *&]+(\w+)\([^;{}]*\)\s*\{", text, re.M)
    return set(heads)


def functions_in(twin):
    return {node.name for node in ast.parse(twin.read_text()).body if isinstance(node, ast.FunctionDef)}


def modules():
    """The package's own sources, twins included."""
    return sorted(PACKAGE.rglob("*.py"))


# ---- two backends, one interface --------------------------------------------------------------------------


@needs_core
def test_the_compiled_kernels_are_those_of_the_stub():
    core = importlib.import_module("equipoise._core")
    assert {name for name in vars(core) if not name.startswith("_")} == set(stub())
    for name, arguments in stub().items():
        # pybind11 writes the signature into the docstring, once for each overload.
        signatures = re.findall(rf"\b{name}\((.*)\) -> ", getattr(core, name).__doc__)
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
def test_a_file_for_a_file():
    assert sorted(HEADERS) == sorted(TWINS)


@needs_checkout
@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_name_for_a_name(name):
    """A function of a header stands in its twin under the same name; a struct's becomes a function, too."""
    names = functions_of(HEADERS[name])
    assert names, "no function was recognised"
    assert names <= functions_in(TWINS[name]), names - functions_in(TWINS[name])


@needs_checkout
def test_a_kernel_stands_in_the_file_of_its_name():
    """alias_build in alias, unit_sum in units, ..: found where it is looked for, in both languages."""
    numbers = {"cpu_path", "philox", "log", "exp", "log1p", "expm1"}  # loops around a number: the binding's
    for kernel in set(stub()) - numbers:
        cpp = [name for name, path in HEADERS.items() if kernel in functions_of(path)]
        numba = [name for name, path in TWINS.items() if kernel in functions_in(path)]
        assert len(cpp) == 1, kernel
        assert cpp == numba, kernel


@needs_checkout
def test_only_the_binding_knows_python():
    for path in CPP.rglob("*.hpp"):
        if path.parent != CPP / "bind":
            assert not re.search(r"pybind11|Python\.h|PyObject", path.read_text()), path.name


# ---- bytes that are promised ------------------------------------------------------------------------------

# Of the functions of NumPy and of math these differ from CPU to CPU, or from one libm to the next.
UNSTABLE = {
    "log",
    "log2",
    "log10",
    "log1p",
    "exp",
    "exp2",
    "expm1",
    "pow",
    "power",
    "float_power",
    "logaddexp",
}
PROMISED = [
    "rng.py",
    *(
        path.relative_to(PACKAGE).as_posix()
        for subject in ("tables", "negatives", "reservoirs", "neighbors", "smote")
        for path in sorted((PACKAGE / subject).glob("*.py"))
        # No answer depends on the guesses of the one; the other raises to the power of two alone.
        if (subject, path.name) not in {("reservoirs", "threshold.py"), ("neighbors", "search.py")}
    ),
    *(f"_numba/{name}.py" for name in TWINS),
]


@pytest.mark.parametrize("name", PROMISED)
def test_no_function_of_a_libm(name):
    """Logarithms are the kernels' own; powers are of constants; a square root is exact everywhere."""
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id not in ("np", "math") or node.attr not in UNSTABLE, where
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            for operand in (node.left, node.right):
                sign = operand.operand if isinstance(operand, ast.UnaryOp) else operand
                assert isinstance(sign, ast.Constant), where


@needs_checkout
def test_no_function_of_a_libm_in_cpp():
    for path in HEADERS.values():
        text = re.sub(r"//[^\n]*", "", path.read_text())
        assert not re.search(r"(std::|\b__builtin_)(log|exp|pow|fma)\w*\(", text), path.name
        assert "<random>" not in text, path.name


@needs_checkout
def test_no_flag_that_changes_floats():
    text = re.sub(r"#[^\n]*", "", (ROOT / "CMakeLists.txt").read_text())
    assert "-ffp-contract=off" in text
    assert not re.search(r"fast-math|-Ofast|march=native", text)


def test_one_decorator_holds_the_jit_policy():
    for path in TWINS.values():
        text = path.read_text()
        assert not re.search(r"\bnjit\b|numba\.jit|prange|fastmath|parallel", text), path.name
    policy = (PACKAGE / "_numba" / "_jit.py").read_text()
    assert not re.search(r"fastmath|parallel|prange", policy)
    assert '"nogil": True' in policy
    assert '"error_model": "numpy"' in policy


# ---- a good guest -----------------------------------------------------------------------------------------

LOADED = """
import sys
import numpy.random
before = set(sys.modules)
import equipoise
{then}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(new - set(sys.stdlib_module_names) - {{"equipoise", "numpy"}}))
"""


def loaded(then=""):
    program = LOADED.format(then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_package_imports_numpy_and_nothing_else():
    assert loaded() == []


def test_drawing_imports_nothing_more():
    new = loaded("equipoise.NegativeSampler([2, 1]).sample([0], 3)")
    assert new == [] if equipoise.backend() == "cpp" else "numba" in new  # which imports what it likes


# Who may import what beside NumPy and the standard library; None: whatever it adapts to.
ALLOWED = {
    "_numba": {"numba", "llvmlite"},
    "imblearn": {"imblearn", "scipy", "sklearn"},
    "_validate/columns.py": {"pyarrow"},
    "_cli/files": {"pyarrow"},
    "_cli/sample": {"pyarrow"},
    "dask.py": {"dask", "pandas"},
    "ray.py": {"pandas", "pyarrow", "ray"},
    "_validate/arguments.py": {"tqdm"},
}


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_who_imports_whom(path):
    """Numba is imported by the twins alone, anything else beside NumPy by an adapter alone."""
    allowed = {"numpy", "equipoise", *sys.stdlib_module_names}
    name = path.relative_to(PACKAGE).as_posix()
    for room, more in ALLOWED.items():
        if name == room or name.startswith(f"{room}/"):
            allowed |= more
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            assert node.level == 0, f"{path.name}:{node.lineno}: a relative import"
        else:
            continue
        for name in names:
            assert name.partition(".")[0] in allowed, f"{path.name}:{node.lineno}: {name}"


def test_no_drawer_for_leftovers():
    folders = [PACKAGE, *(ROOT / name for name in ("cpp", "tests", "bench"))]
    stems = {p.stem.strip("_") for folder in folders for p in folder.rglob("*.*")}
    assert not stems & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


# ---- what users read --------------------------------------------------------------------------------------


def public():
    """(name, object) of everything public: names of the package, then their own methods and properties."""
    for name in equipoise.__all__:
        thing = getattr(equipoise, name)
        if isinstance(thing, str):  # the version
            continue
        yield name, thing
        if inspect.isclass(thing):
            for member in dir(thing):
                value = inspect.getattr_static(thing, member)
                kind = property | staticmethod | classmethod
                if not member.startswith("_") and (isinstance(value, kind) or inspect.isfunction(value)):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=[name for name, _ in public()])
def test_every_public_name_has_a_docstring_with_an_example(name, thing):
    thing = getattr(thing, "__func__", thing)
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    if not isinstance(thing, property):
        assert ">>> " in text or re.search(r"Examples\n-+\nSee ", text), f"{name} has no example"


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=[name for name, _ in public()])
def test_every_parameter_is_described(name, thing):
    thing = getattr(thing, "__func__", thing)
    if isinstance(thing, property):
        return
    text = inspect.getdoc(thing) or ""
    described = {
        w for line in re.findall(r"^([\w, *]+?) ?(?::|$)", text, re.M) for w in re.findall(r"\w+", line)
    }
    for parameter in inspect.signature(thing).parameters:
        assert parameter in described | {"self", "cls"}, f"{name} says nothing about {parameter}"


ADAPTERS = [name for name in ("dask", "ray", "imblearn") if importlib.util.find_spec(name) is None]


def importable(path):
    """The dotted name of a module of ours, or None where an extra that it adapts to is absent."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] in ADAPTERS or parts[-1] == "__main__":
        return None
    if parts[0] == "_numba" and importlib.util.find_spec("numba") is None:
        return None
    if parts[:2] in {("_cli", "files"), ("_cli", "sample")} and importlib.util.find_spec("pyarrow") is None:
        return None
    return ".".join(("equipoise", *(part for part in parts if part != "__init__")))


def test_the_public_names_are_those_that_are_exported():
    assert equipoise.__all__ == sorted(equipoise.__all__)
    for path in modules():
        if (name := importable(path)) is not None:
            module = importlib.import_module(name)
            assert all(hasattr(module, name) for name in getattr(module, "__all__", [])), path.name


RAISES_NOTHING = [
    path
    for path in modules()
    if path.relative_to(PACKAGE).parts[0]
    in {
        "tables",
        "negatives",
        "reservoirs",
        "neighbors",
        "smote",
        "_runtime",
        "rng.py",
        "_distributed.py",
        "dask.py",
        "ray.py",
    }
    and path.name != "backend.py"
]


@pytest.mark.parametrize("path", RAISES_NOTHING, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_errors_are_born_in_validate(path):
    """Above both backends, and in one place: the core raises nothing of its own but what it caught."""
    tree = ast.parse(path.read_text())
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    assert [ast.unparse(exc) for exc in raised if isinstance(exc, ast.Call)] == []


def test_public_names_have_one_address():
    """Users, tracebacks and pickles see equipoise.X, whatever room X lives in."""
    for name in equipoise.__all__:
        thing = getattr(equipoise, name)
        if not isinstance(thing, str):
            assert thing.__module__ == "equipoise", name
    assert set(equipoise.__all__) <= set(dir(equipoise))
    assert [name for name in dir(equipoise) if name.startswith("_") and not name.startswith("__")] == []
    for subject in ("negatives", "neighbors", "reservoirs", "smote", "tables"):
        module = importlib.import_module(f"equipoise.{subject}")
        for name in module.__all__:
            assert getattr(module, name) is getattr(equipoise, name, getattr(module, name))
