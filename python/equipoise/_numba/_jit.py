"""The JIT policy, which one decorator applies.

Kernels release the GIL, check neither bounds nor divisors, are compiled when they are first called, and are
kept on disk.

The package has its own disk cache. Numba's cache does not notice a changed callee in another file, can mix up
the entries of processes that compile at the same time, may write next to the source, where an uninstall
leaves files behind, and raises on a full disk. Here an entry is one file, and the file's name is the whole
key: a digest of all twins, the versions, the CPU and the signature. The file is moved into place once it is
complete. If the cache cannot be read or written, the twins are compiled again, to the same machine code.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import itertools
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

# Untyped, since Numba's stubs for these differ from version to version.
intrinsic: Any = _intrinsic
_njit: Any = numba.njit
_config: Any = numba.config

_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}


def reads(dtype: Any, ndim: int = 1) -> Any:
    """Return the type of an array that is only read.

    Arrays of other layouts and alignments convert to it, so one compiled kernel accepts them all.
    """
    return types.Array(dtype, ndim, "C", readonly=True, aligned=False)


def writes(dtype: Any, ndim: int = 1) -> Any:
    """Return the type of an array that is written to."""
    return types.Array(dtype, ndim, "C", aligned=False)


class Record(NamedTuple):
    """A kernel argument that is a named tuple, with the types of its fields."""

    kind: Any
    types: tuple[Any, ...]


def record(kind: Any, *types: Any) -> Record:
    """Declare an argument as a named tuple of class `kind`.

    Callers may pass any sequence of values for its fields.
    """
    return Record(kind, types)


def stack(dtype: Any, size: int) -> Any:
    """Return a function that gives a kernel a pointer to `size` elements on the stack."""

    @intrinsic
    def allocate(typingctx):
        def codegen(context, builder, signature, args):
            element = context.get_data_type(dtype)
            block = cgutils.alloca_once(builder, ir.ArrayType(element, size))
            return builder.bitcast(block, element.as_pointer())

        return types.CPointer(dtype)(), codegen

    return allocate


def jit(*signatures: tuple[Any, ...], allocates: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function: with signatures, a kernel that Python calls; without, a part that is inlined.

    Only kernels that allocate get Numba's runtime, which counts references to all arrays in each iteration of
    a loop.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if not signatures:
            return _dispatcher(function, forceinline=True, _nrt=allocates, no_cpython_wrapper=True)
        return _kernel(function, signatures, allocates)

    return decorate


def _kernel(function: Callable[..., Any], signatures: tuple[tuple[Any, ...], ...], allocates: bool) -> Any:
    """Return a function that compiles all signatures at its first call, and spreads the fields of records.

    Numba would check the class and each field of a named tuple at every call, and would convert none of its
    arrays. So a record's fields are arguments of the compiled function.
    """
    names = list(inspect.signature(function).parameters)
    records = {names[i]: r for i, r in enumerate(signatures[0]) if isinstance(r, Record)}
    dispatcher = _dispatcher(
        _flattened(function, names, records, allocates) if records else function, _nrt=allocates
    )
    namespace = {"dispatcher": dispatcher, "ready": False}

    def prepare() -> None:
        with compiling:
            if namespace["ready"]:
                return
            dispatcher.disable_compile(
                False
            )  # an earlier call may have been interrupted after its compilation
            _keep_on_disk(dispatcher)
            with _enabled():
                for signature in signatures:
                    parts = (part.types if isinstance(part, Record) else (part,) for part in signature)
                    dispatcher.compile(tuple(itertools.chain.from_iterable(parts)))
            dispatcher.disable_compile()  # other arguments are converted, or refused
            namespace["ready"] = True

    namespace["prepare"] = prepare
    spread = ", ".join(f"*{name}" if name in records else name for name in names)
    lines = (
        f"def kernel({', '.join(names)}):",
        "if not ready:",
        "    prepare()",
        f"return dispatcher({spread})",
    )
    exec("\n    ".join(lines), namespace)
    kernel: Any = functools.update_wrapper(namespace["kernel"], function)
    kernel.dispatcher = dispatcher
    return kernel


def _flattened(
    function: Callable[..., Any], names: list[str], records: dict[str, Record], allocates: bool
) -> Any:
    """Return the kernel with the fields of its records as arguments of their own."""
    fields = {name: [f"{name}_{j}" for j in range(len(r.types))] for name, r in records.items()}
    arguments = ", ".join(", ".join(fields.get(name, [name])) for name in names)
    values = (f"{name}_kind({', '.join(fields[name])})" if name in records else name for name in names)
    namespace: dict[str, Any] = {f"{name}_kind": r.kind for name, r in records.items()}
    namespace["inlined"] = _dispatcher(function, forceinline=True, _nrt=allocates, no_cpython_wrapper=True)
    namespace["__name__"] = function.__module__  # without it, no entry of the disk cache could be loaded
    exec(f"def {function.__name__}({arguments}):\n    return inlined({', '.join(values)})", namespace)
    return namespace[function.__name__]


def _dispatcher(function: Callable[..., Any], **options: bool) -> Any:
    with _enabled():
        return _njit(**_OPTIONS, **_known({"no_cfunc_wrapper": True, **options}))(function)


@contextlib.contextmanager
def _enabled() -> Iterator[None]:
    """Ignore NUMBA_DISABLE_JIT, which is meant for the user's own code.

    Without compilation, NumPy scalars would warn when they wrap around.
    """
    disabled, _config.DISABLE_JIT = _config.DISABLE_JIT, 0
    try:
        yield
    finally:
        _config.DISABLE_JIT = disabled


# ---- private names of Numba, for speed and for the disk cache: any use of them may fail --------------------


def _compiler_lock() -> Any:
    """Return the lock that Numba holds while it compiles, or else one of ours."""
    with contextlib.suppress(Exception):
        from numba.core.compiler_lock import global_compiler_lock

        lock = global_compiler_lock._lock
        if isinstance(lock, type(threading.RLock())):
            return lock
    return threading.RLock()


compiling = _compiler_lock()  # held while a kernel is compiled or loaded


def _known(options: dict[str, bool]) -> dict[str, bool]:
    with contextlib.suppress(Exception):
        from numba.core.options import DefaultOptions

        return {name: value for name, value in options.items() if hasattr(DefaultOptions, name)}
    return {}


def _keep_on_disk(dispatcher: Any) -> None:
    with contextlib.suppress(Exception):
        folder, name = _cache_folder(), dispatcher.py_func.__name__
        cache = dispatcher._cache  # a null cache of this dispatcher alone
        if folder is not None:
            cache.load_overload = functools.partial(_load, folder, name)
            cache.save_overload = functools.partial(_save, folder, name)


@functools.cache
def _cache_folder() -> Path | None:
    root = Path(__file__).parent
    sources = sorted(root.rglob("*.py"))
    if not sources:  # frozen, zipped or without sources, so that versions cannot be distinguished
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
