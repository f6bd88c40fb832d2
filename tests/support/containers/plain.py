"""Containers of NumPy, of the standard library, of protocols, and objects that are broken."""

from __future__ import annotations

import array
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np

from support.containers.container import DTYPE, NULL, REFUSED, TEXT, Container, quiet, refused, with_null


class HasArray:
    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return self.a


class HasInterface:
    def __init__(self, a):
        self.a = a  # keeps the memory alive
        self.__array_interface__ = a.__array_interface__


class HasCudaInterface:
    def __init__(self, a):
        self.__cuda_array_interface__ = a.__array_interface__


class HasDLPack:
    def __init__(self, a, device=None):
        self.a, self.device = a, device

    def __dlpack__(self, **how):
        return self.a.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.device or self.a.__dlpack_device__()


class Broken:
    """An object whose named attribute raises when it is used."""


def broken(name, *, method=False):
    """Return a function that makes an object of which one attribute raises."""

    def fail(*_, **__):
        raise ZeroDivisionError("it is broken")

    members = {name: fail if method else property(fail)}
    if name == "__len__":
        members["__getitem__"] = lambda self, i: 1
    if name in ("dtype", "shape"):
        members["__dlpack__"] = members["__dlpack_device__"] = fail
    return lambda _: type("Broken", (Broken,), members)()


def strided(a):
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def frozen(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def mapped(a):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        a.tofile(path)
        return np.memmap(path, a.dtype, "c", shape=a.shape)


class OwnArray(np.ndarray):
    pass


PLAIN = {
    "list": Container(lambda a: a.tolist()),
    "tuple": Container(lambda a: tuple(map(tuple, a)) if a.ndim == 2 else tuple(a)),
    "list of arrays": Container(list, dims=(2,)),
    "strided": Container(strided),
    "reversed": Container(lambda a: a[::-1].copy()[::-1]),
    "Fortran order": Container(np.asfortranarray, dims=(2,)),
    "read-only": Container(frozen),
    "big-endian": Container(lambda a: a.astype(a.dtype.newbyteorder(">"))),
    "memory map": Container(mapped),
    "memoryview": Container(memoryview),
    "array.array": Container(
        lambda a: array.array("d" if a.dtype.kind == "f" else "q", a.tolist()), kinds="if", dims=(1,)
    ),
    "subclass": Container(lambda a: a.view(OwnArray)),
    "matrix": Container(lambda a: quiet(lambda: np.asmatrix(a)), dims=(2,)),
    "range": Container(lambda a: range(4), dims=()),
    "__array__": Container(HasArray),
    "__array_interface__": Container(HasInterface),
    "DLPack": Container(HasDLPack),
    "DLPack on a device": Container(lambda a: HasDLPack(a, (2, 0)), refused("", "in CPU memory")),
    "CUDA interface": Container(HasCudaInterface, refused("", "in CPU memory")),
    "a null": Container(with_null, NULL),
    "an array with a null": Container(lambda a: np.array(with_null(a), object), NULL),
    "object array": Container(lambda a: a.astype(object), refused(f"object array: {DTYPE}")),
    "decimals": Container(lambda a: [Decimal(1)] * len(a), REFUSED, dims=(1,)),
    "fractions": Container(lambda a: [Fraction(1, 2)] * len(a), REFUSED, dims=(1,)),
    "a list in a list": Container(lambda a: [[1], [1, 2]], (ValueError, " must be a rectangular array")),
    "objects": Container(
        lambda a: [object()] * len(a), refused(r"object array: [\w ]+\[0.*\] is of type object")
    ),
    "masked": Container(
        lambda a: np.ma.masked_array(a, np.ones(a.shape, bool)), refused("a masked", "a plain array")
    ),
    "list of masked": Container(
        lambda a: [np.ma.masked_array(row, [True, False]) for row in a],
        refused("a masked", "a plain array"),
        dims=(2,),
    ),
    "structured": Container(lambda a: np.zeros(len(a), [("x", "f8")]), REFUSED),
    "complex": Container(lambda a: a.astype(complex), refused("complex128 array")),
    "timedeltas": Container(lambda a: a.astype("i8").astype("m8[s]"), refused("timedelta64")),
    "long double": Container(lambda a: a.astype(np.longdouble), REFUSED, kinds="f"),
    "texts": Container(lambda a: a.astype(str).tolist(), TEXT),
    "text": Container(lambda a: "abc", refused("str")),
    "bytes": Container(lambda a: b"abc", refused("bytes")),
    "dict": Container(lambda a: {1: 2}, refused("dict")),
    "set": Container(lambda a: {1, 2}, refused("set")),
    "generator": Container(iter, refused(".*iterator")),
    "an object": Container(lambda a: object(), refused("object")),
    "a class": Container(lambda a: int, refused("type")),
    **{
        f"broken {name}": Container(
            broken(name, method=name.startswith("__") and "interface" not in name), REFUSED
        )
        for name in ("__array__", "__len__", "__array_interface__", "__dlpack__", "dtype", "shape", "tocsr")
    },
}
