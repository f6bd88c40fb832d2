"""Draws with replacement, Zipf^0.75, against what people call and against others that keep a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

import equipoise
from harness import Budget, Row, Timer, alternate, contenders, optional, spelled, timer, zipf

MILLION, BATCH = (1_000_000,), (8192, 10)
# (n, shape of a call): target against torch.multinomial, against Generator.choice
TARGETS = {
    (10**4, MILLION): (15, 15),
    (10**6, MILLION): (30, 35),
    (10**7, MILLION): (25, 50),
    (10**4, BATCH): (20, 20),
    (10**6, BATCH): (20, 20),
    (10**7, BATCH): (20, 20),
}


def torch_forms(p: np.ndarray, shape: tuple[int, ...]) -> dict[str, Timer]:
    """Probabilities ready as a tensor, replacement=True, one thread; float64 is sometimes the faster type.

    It keeps no table: the cumulative sum is made in every call. More than 2^24 categories are refused.
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
    """p ready as float64, which choice would convert it to. It too sums p in every call."""
    default, small = np.random.default_rng(1), np.random.Generator(np.random.SFC64(1))
    return {
        "float64 p, PCG64": timer(partial(default.choice, p.size, shape, p=p)),
        "float64 p, SFC64": timer(partial(small.choice, p.size, shape, p=p)),
    }


def kept_forms(p: np.ndarray, size: int) -> dict[str, dict[str, Timer]]:
    """Rivals that, like equipoise, prepare once and draw many times."""
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


def run(budget: Budget) -> Iterator[Row]:
    for (n, shape), (torch_target, choice_target) in TARGETS.items():
        weights = zipf(n)
        table = equipoise.AliasTable(weights, power=0.75)
        p = weights**0.75
        p /= p.sum()
        targets: dict[str, float | None] = {
            "torch.multinomial": torch_target,
            "NumPy Generator.choice": choice_target,
        }
        rivals = dict(zip(targets, (torch_forms(p, shape), choice_forms(p, shape)), strict=True))
        if (n, shape) == (10**6, MILLION):
            rivals |= kept_forms(p, *shape)
        timers = {"ours": timer(partial(table.sample, shape, rng=np.random.default_rng(1)))}
        for rival, forms in rivals.items():
            timers |= {f"{rival}: {form}": clock for form, clock in contenders(forms).items()}
        rounds = alternate(timers, budget)
        what = "1M draws" if shape == MILLION else "8192 x 10 draws"
        for rival, forms in rivals.items():
            row = Row("draws", f"{what}, n = {spelled(n)}", rival, target=targets.get(rival))
            row.amount = math.prod(shape)
            if not forms:
                row.note = "not installed"
                yield row
                continue
            best = rounds.fastest([side for side in timers if side.startswith(f"{rival}: ")])
            row.setting = best.removeprefix(f"{rival}: ")
            yield rounds.fill(row, "ours", best)
