"""The source keeps its promises: mirrored backends, a light import, documented names."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import equipoise

PACKAGE = Path(equipoise.__file__).parent
ROOT = Path(__file__).parents[2]
CPP = ROOT / "cpp"


def by_subject(folder, pattern):
    """Return {"subject/name": path} of the files in the subjects' folders below `folder`."""
    paths = sorted(folder.glob(f"*/{pattern}"))
    return {f"{p.parent.name}/{p.stem}": p for p in paths if not p.stem.startswith("_")}


# cpu.hpp, which chooses the CPU path, has no twin: Numba compiles for the CPU that it runs on.
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
    """Return {kernel: argument names} as _core.pyi declares them. Overloads must agree."""
    kernels = {}
    for node in ast.parse((PACKAGE / "_core.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert not any((node.args.posonlyargs, node.args.kwonlyargs, node.args.vararg, node.args.kwarg))
            arguments = [a.arg for a in node.args.args]
            assert kernels.setdefault(node.name, arguments) == arguments, node.name
    return kernels


def functions_of(header):
    """Return the names of the functions that a header defines at its top level."""
    text = re.sub(r"//[^\n]*", "", header.read_text())
    heads = re.findall(r"^(?:\w+ )*?[\w:]+(?:<[^<>]*>)?[ *&]+(\w+)\([^;{}]*\)\s*\{", text, re.M)
    return set(heads)


def functions_in(twin):
    """Return the names of the functions that a twin defines at its top level."""
    return {node.name for node in ast.parse(twin.read_text()).body if isinstance(node, ast.FunctionDef)}


def modules():
    """Return the sources of the package, with the twins."""
    return sorted(PACKAGE.rglob("*.py"))


# ---- two backends, one interface --------------------------------------------------------------------------


@needs_core
def test_the_stub_declares_the_compiled_kernels():
    core = importlib.import_module("equipoise._core")
    assert {name for name in vars(core) if not name.startswith("_")} == set(stub())
    for name, arguments in stub().items():
        # pybind11 writes the signature into the docstring, once for each overload.
        signatures = re.findall(rf"\b{name}\((.*)\) -> ", getattr(core, name).__doc__)
        assert signatures, name
        for signature in signatures:
            assert re.findall(r"(\w+): ", signature) == arguments, name


@needs_numba
def test_the_stub_declares_the_twins():
    twin = importlib.import_module("equipoise._numba")
    assert sorted(twin.__all__) == sorted(stub())
    for name, arguments in stub().items():
        assert list(inspect.signature(getattr(twin, name)).parameters) == arguments, name
    assert twin.cpu_path() == ("numba", "")


def test_a_kernel_has_at_most_ten_arguments():
    """More arguments belong in a record, such as `Proposer`."""
    assert {name for name, arguments in stub().items() if len(arguments) > 10} == set()


@needs_checkout
def test_every_header_has_a_twin():
    assert sorted(HEADERS) == sorted(TWINS)


@needs_checkout
@pytest.mark.parametrize("name", sorted(HEADERS))
def test_functions_of_a_header_are_in_its_twin(name):
    """Names are the same. A member function of a struct is a function of the twin."""
    names = functions_of(HEADERS[name])
    assert names, "no function was recognized"
    assert names <= functions_in(TWINS[name]), names - functions_in(TWINS[name])


@needs_checkout
def test_a_kernel_is_in_the_same_file_in_both_languages():
    """For example, alias_build is in tables/alias and nowhere else."""
    numbers = {
        "cpu_path",
        "philox",
        "log",
        "exp",
        "log1p",
        "expm1",
    }  # loops in the binding around functions of one number
    for kernel in set(stub()) - numbers:
        cpp = [name for name, path in HEADERS.items() if kernel in functions_of(path)]
        numba = [name for name, path in TWINS.items() if kernel in functions_in(path)]
        assert len(cpp) == 1, kernel
        assert cpp == numba, kernel


@needs_checkout
def test_only_the_bindings_use_pybind11():
    for path in CPP.rglob("*.hpp"):
        if path.parent != CPP / "bind":
            assert not re.search(r"pybind11|Python\.h|PyObject", path.read_text()), path.name


# ---- records, which several kernels take as one argument -------------------------------------------------


def records():
    """Return {name: fields} of the named tuples that the stub's kernels take."""
    found = {}
    for node in ast.parse((PACKAGE / "_core.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("equipoise."):
            module = importlib.import_module(node.module)
            found |= {alias.name: getattr(module, alias.name)._fields for alias in node.names}
    return found


def named_tuples(twin):
    """Return {name: fields} of the named tuples that a twin defines at its top level."""
    found = {}
    for node in ast.parse(twin.read_text()).body:
        call = node.value if isinstance(node, ast.Assign) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "namedtuple":
            fields = ast.literal_eval(call.args[1])
            found[call.args[0].value] = tuple(
                re.findall(r"\w+", fields) if isinstance(fields, str) else fields
            )
    return found


def struct_fields(name):
    """Return the fields of the C++ struct `name` or of the template `name`Of. Return None without either."""
    for header in HEADERS.values():
        text = re.sub(r"//[^\n]*", "", header.read_text())
        found = re.search(rf"^struct {name}(?:Of)? \{{\n(.*?)^\}};", text, re.M | re.S)
        if found:
            body = found[1]
            while "{" in body:  # remove the bodies of functions, from the inside out
                body = re.sub(r"[^;{}]*\{[^{}]*\}", "", body)
            fields = []
            for statement in filter(None, map(str.strip, re.sub(r"<[^<>]*>", "", body).split(";"))):
                fields += [re.findall(r"\w+", part.split("=")[0])[-1] for part in statement.split(",")]
            return fields
    return None


# Fields of the twin that the struct lacks. In C++, a kernel reports rows and the binding adds ids.
NOT_IN_CPP = {"Candidates": {"ids"}}


@needs_checkout
def test_a_record_has_the_same_fields_everywhere():
    """Python and the twin have the same fields. A struct has them in this order, and may have others."""
    twins = {}
    for path in TWINS.values():
        twins |= named_tuples(path)
    assert records()
    for name, fields in records().items():
        assert twins[name] == fields, name
        struct = struct_fields(name)
        if struct is not None:
            wanted = [field for field in fields if field not in NOT_IN_CPP.get(name, ())]
            assert [field for field in struct if field in wanted] == wanted, name


# ---- bytes that are promised ------------------------------------------------------------------------------

# The results of these functions of NumPy and math depend on the CPU or on libm.
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
        # No answer depends on the guesses of threshold.py, and search.py computes powers of two only.
        if (subject, path.name) not in {("reservoirs", "threshold.py"), ("neighbors", "search.py")}
    ),
    *(f"_numba/{name}.py" for name in TWINS),
]


@pytest.mark.parametrize("name", PROMISED)
def test_numpy_functions_that_vary_are_not_used(name):
    """Logarithms come from the kernels, powers are of constants, and square roots are exact everywhere."""
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id not in ("np", "math") or node.attr not in UNSTABLE, where
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            for operand in (node.left, node.right):
                sign = operand.operand if isinstance(operand, ast.UnaryOp) else operand
                assert isinstance(sign, ast.Constant), where


@needs_checkout
def test_libm_functions_are_not_used_in_cpp():
    for path in HEADERS.values():
        text = re.sub(r"//[^\n]*", "", path.read_text())
        assert not re.search(r"(std::|\b__builtin_)(log|exp|pow|fma)\w*\(", text), path.name
        assert "<random>" not in text, path.name


@needs_checkout
def test_no_folder_of_tests_passes_for_an_absent_library():
    """A folder on the path named ``torch`` would make ``import torch`` succeed without torch."""
    names = {path.name for path in (ROOT / "tests").iterdir()}
    libraries = "dask distributed imblearn numba pandas pyarrow ray scipy sklearn torch tqdm"
    assert not names & set(libraries.split())


def test_no_compiler_flag_changes_floats():
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


# ---- imports -----------------------------------------------------------------------------------------

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
    """Return the packages besides NumPy that are loaded by importing equipoise and running `then`."""
    program = LOADED.format(then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_package_imports_numpy_alone():
    assert loaded() == []


def test_drawing_imports_numpy_alone():
    new = loaded("equipoise.NegativeSampler([2, 1]).sample([0], 3)")
    assert new == [] if equipoise.backend() == "cpp" else "numba" in new  # and what Numba imports


# The libraries that each part may import besides NumPy and the standard library.
ALLOWED = {
    "_numba": {"numba", "llvmlite"},
    "imblearn": {"imblearn", "scipy", "sklearn"},
    "_validate/containers/arrow.py": {"pyarrow"},
    "_validate/containers/texts.py": {"pyarrow"},
    "_cli/files": {"pyarrow"},
    "_cli/sample": {"pyarrow"},
    "dask.py": {"dask", "pandas"},
    "_arrow.py": {"pyarrow"},
    "plot.py": {"matplotlib"},
    "torch": {"torch"},
    "losses": {"torch"},
    "ray.py": {"pandas", "pyarrow", "ray"},
    "_validate/arguments.py": {"tqdm"},
}


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_only_adapters_import_other_libraries(path):
    """For example, only the twins import Numba."""
    allowed = {"numpy", "equipoise", *sys.stdlib_module_names}
    name = path.relative_to(PACKAGE).as_posix()
    for part, more in ALLOWED.items():
        if name == part or name.startswith(f"{part}/"):
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


def test_no_file_collects_leftovers():
    folders = [PACKAGE, *(ROOT / name for name in ("cpp", "tests", "bench"))]
    stems = {p.stem.strip("_") for folder in folders for p in folder.rglob("*.*")}
    assert not stems & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


@needs_checkout
def test_no_test_file_imports_another():
    """Code that several test files need is in tests/support."""
    imports = re.compile(r"(?:^|[\"; ])(?:import|from) test_\w+", re.M)
    assert not [path for path in (ROOT / "tests").rglob("*.py") if imports.search(path.read_text())]


# ---- what users read --------------------------------------------------------------------------------------


def public():
    """Yield (name, object) for every public name of the package, and for its methods and properties."""
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


ABSENT = [name for name in ("dask", "ray", "imblearn", "torch") if importlib.util.find_spec(name) is None]


def undocumented(node, prefix=""):
    """Yield the names of public functions, classes and methods without a docstring."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            typed_only = "overload" in map(ast.unparse, child.decorator_list)
            if not ast.get_docstring(child) and not typed_only:
                yield prefix + child.name
            if isinstance(child, ast.ClassDef):
                yield from undocumented(child, f"{child.name}.")


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_private_modules_are_documented_too(path):
    """Ruff's D1 ignores modules whose names begin with an underscore, and everything in them."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert list(undocumented(tree)) == []


def importable(path):
    """Return the dotted name of a module, or None if it needs an extra that is not installed."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if {"losses": "torch"}.get(parts[0], parts[0]) in ABSENT or parts[-1] == "__main__":
        return None
    if parts[0] == "_numba" and importlib.util.find_spec("numba") is None:
        return None
    needs_pyarrow = parts[:2] in {("_arrow",), ("_cli", "files"), ("_cli", "sample")}
    if needs_pyarrow and importlib.util.find_spec("pyarrow") is None:
        return None
    return ".".join(("equipoise", *(part for part in parts if part != "__init__")))


def test_exported_names_exist():
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
        "balance",
        "plot.py",
        "losses",
        "_runtime",
        "rng.py",
        "_distributed.py",
        "dask.py",
        "ray.py",
    }
    and path.name != "backend.py"
]


@pytest.mark.parametrize("path", RAISES_NOTHING, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_only_validate_raises_new_errors(path):
    """Other modules call a check, or raise an exception again that they caught."""
    tree = ast.parse(path.read_text())
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    assert [ast.unparse(exc) for exc in raised if isinstance(exc, ast.Call)] == []


def test_public_names_have_one_address():
    """Users, tracebacks and pickles see equipoise.X, whichever module defines X."""
    for name in equipoise.__all__:
        thing = getattr(equipoise, name)
        if not isinstance(thing, str):
            assert thing.__module__ == "equipoise", name
    assert set(equipoise.__all__) <= set(dir(equipoise))
    assert [name for name in dir(equipoise) if name.startswith("_") and not name.startswith("__")] == []
    for subject in ("balance", "negatives", "neighbors", "reservoirs", "smote", "tables"):
        module = importlib.import_module(f"equipoise.{subject}")
        for name in module.__all__:
            assert getattr(module, name) is getattr(equipoise, name, getattr(module, name))


def test_hints_of_public_names_can_be_looked_up():
    """Hints are strings, which are looked up in the module that a class names: in ``equipoise``."""
    seen = 0
    for name in equipoise.__all__:
        thing = getattr(equipoise, name)
        members = vars(thing).values() if isinstance(thing, type) else ()
        for hinted in (thing, *members):
            hinted = hinted.fget if isinstance(hinted, property) else hinted  # noqa: PLW2901
            if callable(hinted):
                seen += len(typing.get_type_hints(hinted))
    assert seen > 100
    assert typing.get_type_hints(equipoise.Negatives)["mask"] == NDArray[np.bool_]
