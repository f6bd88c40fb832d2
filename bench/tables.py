"""Tables: draws with replacement by weight, and building a table.

Run ``python -m bench.run --only tables``. The rivals are the usual functions (torch, NumPy), libraries that
keep a table as equipoise does (vose, SciPy), and a bare C++ loop, which shows the cost of argument checks,
chunks, the stream contract and a portable wheel.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import equipoise

from .harness import Budget, Row, Timer, alternate, contenders, optional, timer, zipf

MILLION, BATCH = (1_000_000,), (8192, 10)
# (n, shape of a call): goal against torch.multinomial, against Generator.choice
GOALS = {
    (10**4, MILLION): (15, 15),
    (10**6, MILLION): (30, 35),
    (10**7, MILLION): (25, 50),
    (10**4, BATCH): (20, 20),
    (10**6, BATCH): (20, 20),
    (10**7, BATCH): (20, 20),
}


def torch_forms(p: np.ndarray, shape: tuple[int, ...]) -> dict[str, Timer]:
    """Return torch.multinomial on a ready tensor and one thread. float64 is sometimes the faster type.

    It keeps no table, so every call computes the cumulative sum. It refuses more than 2^24 categories.
    """
    torch = optional("torch")
    if torch is None:
        return {}
    torch.set_num_threads(1)
    size = math.prod(shape)
    single, double = torch.from_numpy(p.astype(np.float32)), torch.from_numpy(p)
    return {
        "float32 p": timer(lambda: torch.multinomial(single, size, replacement=True).view(shape)),
        "float64 p": timer(lambda: torch.multinomial(double, size, replacement=True).view(shape)),
    }


def choice_forms(p: np.ndarray, shape: tuple[int, ...]) -> dict[str, Timer]:
    """Return Generator.choice on ready float64 probabilities, which it, too, sums in every call."""
    default, small = np.random.default_rng(1), np.random.Generator(np.random.SFC64(1))
    return {
        "float64 p, PCG64": timer(partial(default.choice, p.size, shape, p=p)),
        "float64 p, SFC64": timer(partial(small.choice, p.size, shape, p=p)),
    }


def kept_forms(p: np.ndarray, size: int) -> dict[str, dict[str, Timer]]:
    """Return the rivals that prepare once and draw many times, as equipoise does."""
    rng = np.random.default_rng(1)
    cdf = p.cumsum()
    cdf /= cdf[-1]
    vose, unuran = optional("vose"), optional("scipy.stats.sampling")
    forms: dict[str, dict[str, Timer]] = {"NumPy, CDF kept": {}, "vose": {}, "SciPy DiscreteAliasUrn": {}}
    forms["NumPy, CDF kept"]["cdf.searchsorted(rng.random(size))"] = timer(
        lambda: cdf.searchsorted(rng.random(size), "right")
    )
    if vose is not None:
        forms["vose"]["Sampler.sample(size)"] = timer(partial(vose.Sampler(p, seed=1).sample, size))
    if unuran is not None:
        urn = unuran.DiscreteAliasUrn(p, random_state=rng)
        forms["SciPy DiscreteAliasUrn"]["rvs(size)"] = timer(partial(urn.rvs, size))
    return forms


def draws(budget: Budget) -> Iterator[Row]:
    for (n, shape), (torch_goal, choice_goal) in GOALS.items():
        weights = zipf(n)
        table = equipoise.AliasTable(weights, power=0.75)
        p = weights**0.75
        p /= p.sum()
        goals = {"torch.multinomial": torch_goal, "NumPy Generator.choice": choice_goal}
        rivals = dict(zip(goals, (torch_forms(p, shape), choice_forms(p, shape)), strict=True))
        if (n, shape) == (10**6, MILLION):
            rivals |= kept_forms(p, *shape)
        timers = {"ours": timer(partial(table.sample, shape, rng=np.random.default_rng(1)))}
        for rival, forms in rivals.items():
            timers |= {f"{rival}: {form}": clock for form, clock in contenders(forms).items()}
        rounds = alternate(timers, budget)
        what = "1,000,000" if shape == MILLION else "8192 x 10"
        for rival, forms in rivals.items():
            row = Row("tables", f"draw {what} of {n:,} items", rival, goal=goals.get(rival))
            row.amount = math.prod(shape)
            if (n, shape, rival) == (10**6, MILLION, "torch.multinomial"):
                row.headline = "draw 1,000,000 of 1,000,000 items by weight"
            if not forms:
                row.note = "not installed"
                yield row
                continue
            best = rounds.fastest([side for side in timers if side.startswith(f"{rival}: ")])
            row.setting = best.removeprefix(f"{rival}: ")
            yield rounds.fill(row, "ours", best)


# ---- building a table --------------------------------------------------------------------------------------


def rivals(weights: np.ndarray) -> dict[str, Timer]:
    """Return vose in its fastest mode, on a copy that is not timed, and SciPy on ready probabilities."""
    timers: dict[str, Timer] = {}
    if (vose := optional("vose")) is not None:
        timers["vose.Sampler(copy=False)"] = timer(partial(vose.Sampler, copy=False), prepare=weights.copy)
    if (unuran := optional("scipy.stats.sampling")) is not None:
        p = weights / weights.sum()
        timers["SciPy DiscreteAliasUrn"] = timer(lambda: unuran.DiscreteAliasUrn(p, random_state=1))
    return timers


def builds(budget: Budget) -> Iterator[Row]:
    n = 10**7
    ranked = zipf(n) ** 0.75
    shuffled = np.random.default_rng(1).permutation(ranked)
    for order, weights in {"heaviest first": ranked, "shuffled": shuffled}.items():
        work = f"build a table of {n:,} items, {order}"
        row = Row("tables", work, "the faster of vose and SciPy", goal=1.5, amount=n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # SciPy warns of round-off at this n
            timers = {"ours": timer(partial(equipoise.AliasTable, weights))}
            candidates = rivals(weights)
            timers |= contenders(candidates)
            rounds = alternate(timers, budget)
        if candidates:
            best = rounds.fastest([side for side in timers if side != "ours"])
            row.setting = f"{best} (ran: {', '.join(candidates)})"
            yield rounds.fill(row, "ours", best)
        else:
            row.note = "not installed"
            yield row
    if budget.huge:
        yield from huge()


def huge() -> Iterator[Row]:
    """Yield times without a rival, since torch.multinomial, for example, stops at 2^24 categories."""
    n, size = 10**8, 1_000_000
    weights = zipf(n)
    once = Budget(quick=True, seconds=0.0, rounds=1)
    row = Row("tables", f"build a table of {n:,} items", "", measure="ms", amount=n)
    yield alternate({"ours": timer(partial(equipoise.AliasTable, weights))}, once).fill_time(row, "ours")
    draw = timer(partial(equipoise.AliasTable(weights).sample, size, rng=np.random.default_rng(1)))
    row = Row("tables", f"draw {size:,} of {n:,} items", "", measure="ms", amount=size)
    yield alternate({"ours": draw}, Budget.make(quick=True)).fill_time(row, "ours")


# ---- the bare loop -----------------------------------------------------------------------------------------

FLAGS = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC"]
BLOCKS = {1: "no blocks", 64: "blocks of 64", 128: "blocks of 128", 256: "blocks of 256"}
SIZE = 1_000_000


def compiler() -> str | None:
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return next((path for name in names if (path := shutil.which(name))), None)


def compiled() -> ctypes.CDLL | None:
    cxx = compiler()
    if cxx is None:
        return None
    with tempfile.TemporaryDirectory() as folder:  # a loaded library does not need its file
        library = Path(folder) / "bare_alias.so"
        source = Path(__file__).with_name("bare_alias.cpp")
        subprocess.run([cxx, *FLAGS, str(source), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def bare_cells(library: ctypes.CDLL, weights: np.ndarray) -> np.ndarray:
    """Return uint64 [n], the bare loop's own table. np.empty asks for huge pages, as careful C++ would."""
    shares = weights / weights.mean()
    cells = np.empty(weights.size, np.uint64)
    library.bare_build(pointer(cells), pointer(shares), ctypes.c_int64(weights.size))
    return cells


def bare_timer(library: ctypes.CDLL, cells: np.ndarray, out: np.ndarray, block: int) -> Timer:
    """Return a clock for the loop. Calls continue the counter, and arguments are converted beforehand."""
    counter = ctypes.c_uint64(0)
    fixed = (pointer(out), ctypes.c_int64(out.size), pointer(cells), ctypes.c_uint64(cells.size))

    def run() -> None:
        library.bare_alias(*fixed, counter, ctypes.c_int(block))
        counter.value += out.size

    return timer(run)


def against_bare_loop(budget: Budget) -> Iterator[Row]:
    library = compiled()
    for n in (10**6, 10**7):
        work = f"draw {SIZE:,} of {n:,} items into out="
        row = Row("tables", work, "bare C++ loop", goal=0.8, amount=SIZE)
        if library is None:
            row.note = "no C++ compiler"
            yield row
            continue
        weights = zipf(n)
        table = equipoise.AliasTable(weights, power=0.75)
        cells = bare_cells(library, weights**0.75)
        out = np.empty(SIZE, np.int64)  # all sides use one array, and so the same pages
        rng = np.random.default_rng(1)
        timers = {"ours": timer(partial(table.sample, SIZE, rng=rng, out=out))}
        timers |= {name: bare_timer(library, cells, out, block) for block, name in BLOCKS.items()}
        rounds = alternate(timers, budget)
        best = rounds.fastest(list(BLOCKS.values()))
        row.setting = f"{best}, the fastest of no blocks, 64, 128 and 256; {' '.join(FLAGS[:2])}"
        yield rounds.fill(row, "ours", best)


def run(budget: Budget) -> Iterator[Row]:
    yield from draws(budget)
    yield from against_bare_loop(budget)
    yield from builds(budget)
