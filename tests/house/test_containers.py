"""Every public array argument crossed with every container: the plain array's result, or an error of ours.

The arguments are in ``tests/support/array_arguments.py``, the containers in ``tests/support/containers/``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import equipoise
from support.array_arguments import ARGUMENTS
from support.containers import CONTAINERS, is_there
from support.containers.plain import broken
from support.crossing import complaints, main


def needs(library):
    if not is_there(library):
        pytest.skip(f"{library} is not installed: its containers cannot be made")


@pytest.mark.parametrize("library", CONTAINERS)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_an_argument_takes_or_refuses_every_container(argument, library):
    needs(library)
    assert complaints(library, argument) == []


WITHOUT = """
import sys, warnings
without, libraries = sys.argv[2].split(), sys.argv[3].split()
sys.path.insert(0, sys.argv[1])
class Absent:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in without:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent)
for name in libraries:
    __import__(name)
warnings.simplefilter("error")
from support.crossing import main
main(without, libraries)
"""


@pytest.mark.parametrize(
    ("without", "libraries"),
    [("pyarrow", "numpy pandas polars"), ("pandas torch polars jax", "numpy pyarrow"), ("pandas", "polars")],
)
def test_other_libraries_need_not_be_importable(without, libraries):
    """Pandas is read without pyarrow, and so on. No library is loaded to find out what an argument is."""
    there = [name for name in libraries.split() if is_there(name)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(Path(__file__).parents[1]), without, " ".join(there)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n") == [str(len(there) * len(ARGUMENTS)), ""]


LOADED = """
import sys, equipoise, numpy as np
equipoise.AliasTable([1]).prob([0])  # Numba imports what it needs
before = set(sys.modules)
for x in ([1, 2], (1, 2), np.ones(2), memoryview(b"ab"), range(1, 3), np.float64(3)):
    try:
        equipoise.AliasTable(x).prob(x)
    except (TypeError, ValueError, IndexError):
        pass
print(*{name.partition(".")[0] for name in set(sys.modules) - before} & {CONTAINERS!r})
"""


def test_reading_an_argument_imports_no_library():
    code = LOADED.replace("{CONTAINERS!r}", repr(set(CONTAINERS) - {"numpy"}))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_crossing_can_fail(capsys, monkeypatch):
    """An argument that takes anything, or that refuses with another library's error, is found."""
    argument = ARGUMENTS["AliasTable weights"]
    monkeypatch.setitem(ARGUMENTS, "AliasTable weights", argument._replace(call=lambda x: 3))
    assert any("no error" in said for said in complaints("numpy", "AliasTable weights"))
    monkeypatch.setitem(ARGUMENTS, "AliasTable weights", argument._replace(call=float))
    assert any("only" in said for said in complaints("numpy", "AliasTable weights"))
    call = lambda x: np.asarray(x).dtype  # noqa: E731
    monkeypatch.setitem(ARGUMENTS, "AliasTable weights", argument._replace(call=call))
    assert any("another result" in said for said in complaints("numpy", "AliasTable weights"))
    main([], ["numpy"])
    assert "no error" in capsys.readouterr().out


# An argument, what it is given (made by the second name of a container), and the whole text.
TEXTS = [
    (
        "AliasTable weights", "torch bfloat16",
        "weights must be float16, float32, float64 or integers, got a torch.bfloat16 tensor: "
        "convert it to float32 or float64 first",
    ),
    (
        "nearest_neighbors X", "torch float8",
        "X must be float32 or float64, got a torch.float8_e4m3fn tensor: convert it to float32 or float64 "
        "first",
    ),
    (
        "AliasTable weights", "pandas sparse",
        "weights must be dense, got pandas Sparse[float64, nan]: use .sparse.to_dense()",
    ),
    (
        "Reservoir ids", "numpy texts",
        "ids must be integers, got <U1 array: map each text to an integer first, the same in every call",
    ),
    (
        "Reservoir weights", "pyarrow string",
        "weights must be float16, float32, float64 or integers, got Arrow string: convert it to numbers "
        "first",
    ),
    (
        "Reservoir times", "pyarrow list",
        "times must be numbers or datetimes without time zones, got Arrow list<item: int64>",
    ),
    (
        "SmoteSampler X", "pandas DataFrame with text",
        "X must be float32 or float64, got pandas str in column 'c1': convert it to numbers first",
    ),
    ("SmoteSampler X", "polars DataFrame with null", "X[1, 0] must not be null"),
    (
        "sample rows", "torch requires grad",
        "rows must be integers, got a Tensor that requires grad: call .detach() first, "
        "since draws have no gradient",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "container", "text"), TEXTS)
def test_errors_say_what_is_taken_and_what_to_do(argument, container, text):
    library, _, name = container.partition(" ")
    needs(library)
    made = CONTAINERS[library][name]
    with pytest.raises((TypeError, ValueError)) as caught:
        ARGUMENTS[argument].call(made.make(ARGUMENTS[argument].good))
    said = str(caught.value).replace("got object in", "got pandas str in")  # until pandas 3
    assert said == text


def test_ids_beyond_int64_name_the_way_to_map_them():
    ids = np.array([1, 2**63], np.uint64)
    text = (
        r"ids\[1\] must be in \[-9223372036854775808, 9223372036854775808\), got 9223372036854775808: "
        r"\.view\(numpy\.int64\) maps uint64 to int64 one to one"
    )
    for given in (ids, ids.tolist()):
        with pytest.raises(IndexError, match=text):
            equipoise.Reservoir(1).update([1.0, 1.0], ids=given)
    equipoise.Reservoir(1).update([1.0, 1.0], ids=ids.view(np.int64))


@pytest.mark.parametrize("member", ["format", "shape", "fit", "n_neighbors", "__index__"])
def test_arguments_that_may_be_arrays_or_more_are_looked_at_with_care(member):
    """An attribute that raises is none that the object has."""
    given = broken(member)(None)
    with pytest.raises(TypeError, match=r"exclude must be a pair \(indptr, indices\) or .*, got Broken"):
        equipoise.NegativeSampler(5, exclude=given)
    with pytest.raises(TypeError, match=r"k_neighbors must be an integer, or an estimator .*, got Broken"):
        equipoise.SmoteSampler(np.eye(6), k_neighbors=given)
    with pytest.raises(TypeError, match=r"k must be .*, got (a )?Broken"):
        equipoise.ClassReservoir(given)


def test_tensors_under_a_transform_are_refused():
    """They hold no values of their own."""
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def drawn(x):
        with pytest.raises(TypeError, match=r"weights must be .*, got a Tensor without values in memory"):
            equipoise.AliasTable(x)
        return x.sum()

    torch.vmap(drawn)(torch.ones(2, 3))
    with pytest.raises(TypeError, match=r"weights must be .*, got a Tensor that requires grad"):
        torch.func.grad(lambda x: equipoise.AliasTable(x) and x.sum())(torch.ones(3))


def test_traced_arrays_are_refused():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    with pytest.raises(TypeError, match="weights must be an array that NumPy can read"):
        jax.jit(lambda x: equipoise.AliasTable(x) and x)(jax.numpy.ones(3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_frame_of_float32_stays_float32(dtype):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    x = np.arange(12.0).reshape(6, 2)
    frame = pd.DataFrame({"a": x[:, 0].astype("float32"), "b": x[:, 1].astype(dtype)})
    assert equipoise.nearest_neighbors(frame, 1).distances.dtype == dtype
    small = pd.DataFrame({"a": x[:, 0].astype("float32"), "b": x[:, 1].astype("int8")})
    assert equipoise.nearest_neighbors(small, 1).distances.dtype == np.float64
