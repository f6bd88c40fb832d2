"""The draw against a bare C++ loop: what checks, chunks, the stream contract and a portable wheel cost."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import equipoise
from harness import Budget, Row, Timer, alternate, spelled, timer, zipf

FLAGS = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC"]
BLOCKS = {1: "naive", 64: "blocks of 64", 128: "blocks of 128", 256: "blocks of 256"}
SIZE = 1_000_000


def compiler() -> str | None:
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return next((path for name in names if (path := shutil.which(name))), None)


def compiled() -> ctypes.CDLL | None:
    cxx = compiler()
    if cxx is None:
        return None
    with tempfile.TemporaryDirectory() as folder:  # a loaded library outlives its file
        library = Path(folder) / "bare_alias.so"
        source = Path(__file__).with_name("bare_alias.cpp")
        subprocess.run([cxx, *FLAGS, str(source), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def bare_cells(library: ctypes.CDLL, weights: np.ndarray) -> np.ndarray:
    """uint64 [n]: the bare loop's own table. np.empty asks for huge pages, as a careful C++ author would."""
    shares = weights / weights.mean()
    cells = np.empty(weights.size, np.uint64)
    library.bare_build(pointer(cells), pointer(shares), ctypes.c_int64(weights.size))
    return cells


def bare_timer(library: ctypes.CDLL, cells: np.ndarray, out: np.ndarray, block: int) -> Timer:
    """A clock for the loop; each call goes on where the counter stood. The arguments are converted ahead."""
    counter = ctypes.c_uint64(0)
    fixed = (pointer(out), ctypes.c_int64(out.size), pointer(cells), ctypes.c_uint64(cells.size))

    def run() -> None:
        library.bare_alias(*fixed, counter, ctypes.c_int(block))
        counter.value += out.size

    return timer(run)


def run(budget: Budget) -> Iterator[Row]:
    library = compiled()
    for n in (10**6, 10**7):
        row = Row("bare", f"1M draws, n = {spelled(n)}, out=", "bare C++ loop", target=0.8, amount=SIZE)
        if library is None:
            row.note = "no C++ compiler"
            yield row
            continue
        weights = zipf(n)
        table = equipoise.AliasTable(weights, power=0.75)
        cells = bare_cells(library, weights**0.75)
        out = np.empty(SIZE, np.int64)  # one array for all sides: the same pages
        rng = np.random.default_rng(1)
        timers = {"ours": timer(partial(table.sample, SIZE, rng=rng, out=out))}
        timers |= {name: bare_timer(library, cells, out, block) for block, name in BLOCKS.items()}
        rounds = alternate(timers, budget)
        best = rounds.fastest(list(BLOCKS.values()))
        row.setting = f"{best} was the fastest of naive, 64, 128 and 256; {' '.join(FLAGS[:2])}"
        yield rounds.fill(row, "ours", best)
