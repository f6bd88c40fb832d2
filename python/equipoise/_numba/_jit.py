"""The JIT policy, in one decorator: no GIL, no tests of bounds or divisors, compiled when first called, kept.

The disk cache is our own, and small. Numba's does not see a changed callee in another file, lets processes
that compile at once take each other's entries, may write beside the source, where an uninstall leaves it
behind, and raises on a full disk. Here an entry is one file whose name is its whole key: the digest of all
twins, the versions, the CPU, the signature. It is moved into place whole. Where nothing can be read or
written, the twins are compiled again, to the same bytes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import pickle
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

b1, u8, u32, i32 = types.boolean, types.uint8, types.uint32, types.int32
u64, i64 = types.uint64, types.int64
f32, f64 = types.float32, types.float64

# Untyped, since what Numba's stubs say of these differs from version to version.
intrinsic: Any = _intrinsic
_njit: Any = numba.njit
_config: Any = numba.config

_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}


def reads(dtype: Any, ndim: int = 1) -> Any:
    """An array that is only read. Others convert to it, so that one compiled kernel takes them all."""
    return types.Array(dtype, ndim, "C", readonly=True, aligned=False)


def writes(dtype: Any, ndim: int = 1) -> Any:
    return types.Array(dtype, ndim, "C", aligned=False)


class Record(NamedTuple):
    """A kernel's argument that is a named tuple, with the types of its fields."""

    kind: Any
    types: tuple[Any, ...]


def record(kind: Any, *types: Any) -> Record:
    """Declare an argument as a named tuple of class `kind`; callers may pass any sequence of such fields."""
    return Record(kind, types)


def stack(dtype: Any, size: int) -> Any:
    """A function for kernels that gives a pointer to `size` elements on the stack."""

    @intrinsic
    def room(typingctx):
        def codegen(context, builder, signature, args):
            element = context.get_data_type(dtype)
            block = cgutils.alloca_once(builder, ir.ArrayType(element, size))
            return builder.bitcast(block, element.as_pointer())

        return types.CPointer(dtype)(), codegen

    return room


def jit(*signatures: tuple[Any, ...], allocates: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """With signatures, a kernel: called from Python, compiled for these. Without, a part that is inlined.

    Only a kernel that allocates gets Numba's runtime, which counts references to every array at every turn.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if not signatures:
            return _dispatcher(function, forceinline=True, _nrt=allocates, no_cpython_wrapper=True)
        flat, flattened, spread = _flattened(function, signatures, allocates)
        dispatcher, lock, ready = _dispatcher(flat, _nrt=allocates), threading.Lock(), False

        def prepare() -> None:
            nonlocal ready
            with lock:
                if ready:
                    return
                _keep_on_disk(dispatcher)
                with _enabled():
                    for signature in flattened:
                        dispatcher.compile(signature)
                dispatcher.disable_compile()  # other arguments are converted, or refused
                ready = True

        @functools.wraps(function)
        def kernel(*args: Any) -> Any:
            if not ready:
                prepare()
            return dispatcher(*(spread(*args) if spread else args))

        kernel.dispatcher = dispatcher  # type: ignore[attr-defined]
        return kernel

    return decorate


def _flattened(
    function: Callable[..., Any], signatures: tuple[Any, ...], allocates: bool
) -> tuple[Any, tuple[Any, ...], Any]:
    """The kernel with its records' fields as arguments of their own, its signatures, and what spreads a call.

    Numba checks a named tuple's class and fields one by one at each call, and converts none of its arrays.
    """
    records = {i: r for i, r in enumerate(signatures[0]) if isinstance(r, Record)}
    if not records:
        return function, signatures, None
    names = list(inspect.signature(function).parameters)
    fields = {i: [f"{names[i]}_{j}" for j in range(len(r.types))] for i, r in records.items()}
    arguments = ", ".join(", ".join(fields.get(i, [name])) for i, name in enumerate(names))
    values = ", ".join(
        f"Record{i}({', '.join(fields[i])})" if i in fields else n for i, n in enumerate(names)
    )
    starred = ", ".join(f"*{name}" if i in fields else name for i, name in enumerate(names))
    inlined = _dispatcher(function, forceinline=True, _nrt=allocates, no_cpython_wrapper=True)
    room: dict[str, Any] = {f"Record{i}": r.kind for i, r in records.items()}
    # Without the name of a module no entry of the disk cache could be loaded again.
    room |= {"inlined": inlined, "__name__": function.__module__}
    exec(f"def {function.__name__}({arguments}):\n    return inlined({values})", room)
    exec(f"def spread({', '.join(names)}):\n    return ({starred},)", room)
    flattened = tuple(
        tuple(t for part in signature for t in (part.types if isinstance(part, Record) else (part,)))
        for signature in signatures
    )
    return room[function.__name__], flattened, room["spread"]


def _dispatcher(function: Callable[..., Any], **options: bool) -> Any:
    with _enabled():
        return _njit(**_OPTIONS, **_known({"no_cfunc_wrapper": True, **options}))(function)


@contextlib.contextmanager
def _enabled() -> Iterator[None]:
    """NUMBA_DISABLE_JIT is for the user's own code: uncompiled, NumPy scalars would warn when they wrap."""
    disabled, _config.DISABLE_JIT = _config.DISABLE_JIT, 0
    try:
        yield
    finally:
        _config.DISABLE_JIT = disabled


# ---- private names of Numba, for speed and for the disk cache: each use of them may fail -------------------


def _known(options: dict[str, bool]) -> dict[str, bool]:
    with contextlib.suppress(Exception):
        from numba.core.options import DefaultOptions

        return {name: value for name, value in options.items() if hasattr(DefaultOptions, name)}
    return {}


def _keep_on_disk(dispatcher: Any) -> None:
    with contextlib.suppress(Exception):
        folder, name = _cache_folder(), dispatcher.py_func.__name__
        cache = dispatcher._cache  # a null cache, this dispatcher's own
        if folder is not None:
            cache.load_overload = functools.partial(_load, folder, name)
            cache.save_overload = functools.partial(_save, folder, name)


@functools.cache
def _cache_folder() -> Path | None:
    root = Path(__file__).parent
    sources = sorted(root.rglob("*.py"))
    if not sources:  # frozen, zipped or without sources: nothing to tell one version from the next by
        return None
    digest = hashlib.sha256("\n".join((numba.__version__, llvmlite.__version__, sys.version)).encode())
    for source in sources:
        digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes())
    if _config.CACHE_DIR:
        base = Path(_config.CACHE_DIR) / "equipoise"
    else:
        from numba.misc.appdirs import AppDirs

        base = Path(AppDirs("equipoise", appauthor=False).user_cache_dir)
        if not base.is_absolute():  # a user without a home
            return None
    return base / digest.hexdigest()[:16]


def _path(folder: Path, name: str, signature: Any, codegen: Any) -> Path:
    key = repr((signature, codegen.magic_tuple()))
    return folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.bin"


def _load(folder: Path, name: str, signature: Any, target: Any) -> Any:
    with contextlib.suppress(Exception):
        from numba.core.compiler import CompileResult

        target.refresh()
        entry = _path(folder, name, signature, target.codegen()).read_bytes()
        digest, data = entry[:32], entry[32:]
        if hashlib.sha256(data).digest() == digest:
            return CompileResult._rebuild(target, *pickle.loads(data))
    return None


def _save(folder: Path, name: str, signature: Any, result: Any) -> None:
    with contextlib.suppress(Exception):
        from numba.core.serialize import dumps

        data, path = dumps(result._reduce()), _path(folder, name, signature, result.codegen)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            part.write_bytes(hashlib.sha256(data).digest() + data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
